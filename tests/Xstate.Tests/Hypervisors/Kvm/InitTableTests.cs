using System.Text;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>docs/init-reset.md is what the models do. XSTATE_UPDATE=1 writes it anew.</summary>
public class InitTableTests
{
    private static readonly string[] Kernels = ["5.10", "5.15", "5.16", "5.17", "6.1", "6.6", "6.12", "6.17", "6.18"];

    // Two processors have every component that a kernel offers to guests; both have most.
    private static readonly string[] Hosts = ["intel-skylake-sp", "intel-sapphire-rapids"];

    [Fact]
    public void The_page_is_what_the_models_do()
    {
        string path = Repository.PathOf("docs", "init-reset.md");
        string expected = Page();
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            File.WriteAllText(path, expected);
        }

        Assert.Equal(expected, File.ReadAllText(path));
    }

    [Theory]
    [InlineData("6.17", StateComponent.BndRegs, KvmInitEffect.Cleared)]
    [InlineData("6.17", StateComponent.CetU, KvmInitEffect.NotOffered)]
    [InlineData("6.18", StateComponent.CetU, KvmInitEffect.Cleared)]
    [InlineData("6.18", StateComponent.CetS, KvmInitEffect.Cleared)]
    [InlineData("5.16", StateComponent.TileData, KvmInitEffect.NotOffered)]
    [InlineData("5.17", StateComponent.TileData, KvmInitEffect.Unchanged)]
    [InlineData("6.12", StateComponent.Pkru, KvmInitEffect.Unchanged)]
    public void A_component_answers_as_its_era(string kernel, StateComponent component, Enum expected) =>
        Assert.Equal(expected, Effect(kernel, component));

    private static KvmInitEffect Effect(string kernel, StateComponent component)
    {
        KvmInitEffect[] effects = [.. Hosts.Select(host => KvmInit.EffectOn(Host(host, kernel), component))
            .Where(effect => effect != KvmInitEffect.NotOffered).Distinct()];
        return effects.Length == 0 ? KvmInitEffect.NotOffered : Assert.Single(effects);
    }

    private static string Page()
    {
        StringBuilder page = new();
        page.AppendLine("# INIT and RESET by component and kernel");
        page.AppendLine();
        page.AppendLine(
            "Written by `InitTableTests` (`XSTATE_UPDATE=1 dotnet test`): each cell is what a model did, none is typed. *Processor* is "
            + "`ResetTable` (docs/processor/reset-and-init.md has its sources);");
        page.AppendLine(
            "the kernels are KVM, whose INIT was delivered to a virtual CPU with a value in the component. *cleared*: initial "
            + "configuration; *kept*: unchanged; –: no guest has it there.");
        page.AppendLine(
            "KVM has no RESET: a new virtual CPU is in the initial configuration, and a monitor that resets one writes that state itself.");
        page.AppendLine();
        page.AppendLine(
            $"| component | processor RESET | processor INIT | {string.Join(" | ", Columns().Select(column => column.Name))} |");
        page.AppendLine($"|---|---|---|{string.Concat(Columns().Select(_ => "---|"))}");
        foreach (ComponentReset row in ResetTable.Components)
        {
            string reset = row.Reset == ResetEffect.X87PowerUp ? "FCW 0040h" : "cleared";
            string init = row.Init == InitEffect.Unchanged ? "kept" : "cleared";
            page.AppendLine(
                $"| `{StateComponents.NameOf(row.Component)}` | {reset} | {init} | "
                + $"{string.Join(" | ", Columns().Select(column => Cell(Effect(column.Kernel, row.Component))))} |");
        }

        page.AppendLine(
            "| IA32_XSS | 0 | kept | "
            + string.Join(" | ", Columns().Select(column => Cell(KvmInit.EffectOnXss(Host("intel-sapphire-rapids", column.Kernel)))))
            + " |");
        foreach ((string name, uint index) in CetRegisters)
        {
            IEnumerable<string> cells = Columns()
                .Select(column => Cell(KvmInit.EffectOnCet(Host("intel-sapphire-rapids", column.Kernel), index)));
            page.AppendLine($"| {name} | 0 | 0 | {string.Join(" | ", cells)} |");
        }

        page.AppendLine();
        page.AppendLine(
            "XCR0 and PKRU survive INIT on every kernel; CR0 keeps CD and NW, CR3, CR4 and EFER become 0. IA32_XSS was zeroed before "
            + "5.17 (be4f3b3f8227), when only 0 could be in it.");
        page.AppendLine(
            "CET: 6.18. MPX: cleared since 2014, only on INIT since 6.10. On kernels 6.1 and 6.12 of the lab INIT is delivered to a "
            + "virtual CPU and compared with this table, component by component.");
        return page.ToString().ReplaceLineEndings("\n");
    }

    // Neighbouring kernels that answer alike are one column.
    private static IEnumerable<(string Name, string Kernel)> Columns()
    {
        string[] answers = [.. Kernels.Select(kernel =>
            string.Concat(ResetTable.Components.Select(row => Cell(Effect(kernel, row.Component))))
            + Cell(KvmInit.EffectOnXss(Host("intel-sapphire-rapids", kernel))))];
        for (int first = 0; first < Kernels.Length;)
        {
            int last = first;
            while (last + 1 < Kernels.Length && answers[last + 1] == answers[first])
            {
                last++;
            }

            string name = first == 0 ? $"up to {Kernels[last]}" : last == Kernels.Length - 1
                ? $"{Kernels[first]} and later" : $"{Kernels[first]} to {Kernels[last]}";
            yield return (name, Kernels[first]);
            first = last + 1;
        }
    }

    // No component holds them: KVM has them in the VMCS or VMCB.
    private static readonly (string Name, uint Index)[] CetRegisters =
    [
        ("IA32_S_CET", KvmModelVcpu.MsrSupervisorCet), ("IA32_INTERRUPT_SSP_TABLE_ADDR", KvmModelVcpu.MsrSspTable),
            ("SSP", KvmModelVcpu.GuestSsp),
    ];

    private static string Cell(KvmInitEffect effect) => effect switch
    {
        KvmInitEffect.Cleared => "cleared",
        KvmInitEffect.Unchanged => "kept",
        _ => "–",
    };

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new() { Name = name, Cpuid = SampleHosts.Cpuid(name), Provenance = new Provenance(FactSource.Given, "test") };
        return new LinuxHost(record, KernelBehavior.Of(release));
    }
}
