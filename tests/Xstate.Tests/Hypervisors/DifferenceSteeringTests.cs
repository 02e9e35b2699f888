using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Scenarios;
using Xstate.Tests.Support;
using Xstate.WorldSwitch;

namespace Xstate.Tests.Hypervisors;

/// <summary>
/// Every named difference steers the model on its own: turned round in a kernel that is otherwise left alone, it changes an answer that a
/// caller sees. So a host whose probe of one differs from its neighbours' is followed.
/// </summary>
public class DifferenceSteeringTests
{
    private static readonly string[] Hosts = ["intel-haswell", "intel-skylake-sp", "intel-sapphire-rapids", "amd-genoa", "amd-zen4-pvm"];
    private static readonly string[] Kernels = ["5.10", "5.14.0", "5.15.100", "5.16.0", "5.18", "6.1.0", "6.12", "6.18", "7.2"];

    // Calls that between them see what differs. Guest code is one HLT, which is enough to have run.
    private static readonly string[] Scripts =
    [
        """{"name":"header","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x3","mxcsr":"0x1f80","bytes":{"530":"01"}},{"op":"set_xsave","vcpu":0,"xstateBv":"0x3","mxcsr":"0x1f80","xcompBv":"0x8000000000000003"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x0","mxcsr":"0xffff0000"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x1","mxcsr":"0x1f80","bytes":{"480":"5a"}},{"op":"get_xsave","vcpu":0},{"op":"get_xsave2","vcpu":0},{"op":"xsave2_size"}]}""",
        """{"name":"no-cpuid","steps":[{"op":"set_xsave","vcpu":0,"xstateBv":"0x7","mxcsr":"0x1f80"},{"op":"get_xsave","vcpu":0},{"op":"set_msr","vcpu":0,"index":"0xda0","value":"0x800"},{"op":"get_msr","vcpu":0,"index":"0xda0"},{"op":"set_sregs","vcpu":0,"cr4":"0x40000"},{"op":"set_sregs","vcpu":0,"efer":"0x100"}]}""",
        """
        {"name":"no-cpuid-pkru","steps":[{"op":"set_xsave","vcpu":0,"xstateBv":"0x203","mxcsr":"0x1f80","components":{"pkru":"04000000"}},
        {"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"run_immediate_exit","vcpu":0},{"op":"get_xsave","vcpu":0}]}
        """.ReplaceLineEndings(""),
        """
        {"name":"index","steps":[{"op":"set_cpuid2","cpuid":[{"leaf":"0x1","subleaf":"0x39","flags":"0x1","eax":"0x1","ebx":"0x0",
        "ecx":"0x0","edx":"0x0"}]},{"op":"get_cpuid2"}]}
        """.ReplaceLineEndings(""),
        """{"name":"cr0","steps":[{"op":"set_sregs","vcpu":0,"cr0":"0x100000011"}]}""",
        """{"name":"xss-zero","steps":[{"op":"set_msr","vcpu":0,"index":"0xda0","value":"0x0"}]}""",
        """{"name":"one-reg","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"get_reg_list","vcpu":0},{"op":"get_one_reg","vcpu":0,"id":"0x2030000200000da0"}]}""",
        """{"name":"narrow","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported","and":{"0xd.0.eax":"0x3"}},{"op":"get_cpuid2","vcpu":0},{"op":"set_xsave","vcpu":0,"xstateBv":"0x7","mxcsr":"0x1f80"},{"op":"get_xsave","vcpu":0}]}""",
        """{"name":"no-xsave","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"empty"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x3","mxcsr":"0x1f80"}]}""",
        """{"name":"pkru","steps":[{"op":"host_pkru","value":"0x0"},{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x203","mxcsr":"0x1f80","components":{"pkru":"04000000"}},{"op":"run_immediate_exit","vcpu":0},{"op":"get_xsave","vcpu":0},{"op":"host_pkru","value":"0x55555554"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x3","mxcsr":"0x1f80"},{"op":"run_immediate_exit","vcpu":0},{"op":"get_xsave","vcpu":0}]}""",
        """{"name":"tiles","steps":[{"op":"guest_cpuid","vcpu":0,"leaf":"0xd","subleaf":"0x0"},{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"guest_cpuid","vcpu":0,"leaf":"0xd","subleaf":"0x0"}]}""",
        """{"name":"xfd","steps":[{"op":"req_guest_perm","component":18},{"op":"create_vcpu","vcpu":0},{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"set_msr","vcpu":0,"index":"0x1c4","value":"0x40000"},{"op":"set_xsave","vcpu":0,"xstateBv":"0x40000","mxcsr":"0x1f80"},{"op":"get_xsave2","vcpu":0}]}""",
        """{"name":"apx","steps":[{"op":"req_guest_perm","component":19}]}""",
        """{"name":"cet","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"set_msr","vcpu":0,"index":"0xda0","value":"0x1800"},{"op":"set_msr","vcpu":0,"index":"0x6a0","value":"0x1"},{"op":"init","vcpu":0},{"op":"get_msr","vcpu":0,"index":"0xda0"},{"op":"get_msr","vcpu":0,"index":"0x6a0"}]}""",
        """{"name":"after-run","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"guest","vcpu":0,"mode":"real","code":{"hex":"f4"}},{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{"op":"set_cpuid2","vcpu":0,"cpuid":"supported","and":{"0xd.0.eax":"0x3"}}]}""",
        """{"name":"ptrace","steps":[{"op":"ptrace_set","regset":"xstate","xstateBv":"0x203","mxcsr":"0x1f80","components":{"pkru":"04000000"}},{"op":"ptrace_get","regset":"xstate"},{"op":"ptrace_set","regset":"xstate","xstateBv":"0x3","mxcsr":"0x1f80"},{"op":"ptrace_get","regset":"xstate"},{"op":"child","get":["pkru"]},{"op":"ptrace_set","regset":"xstate","xstateBv":"0x3","mxcsr":"0xffff0000"},{"op":"ptrace_set","regset":"xstate","xstateBv":"0x3","mxcsr":"0x1f80","length":576}]}""",
        """{"name":"raw","steps":[{"op":"ptrace_set","regset":"xstate","xstateBv":"0x1","mxcsr":"0x3f80"},{"op":"ptrace_get","regset":"xstate"}]}""",
        """{"name":"short-fpregs","steps":[{"op":"ptrace_set","regset":"fpregs","length":8}]}""",
        """{"name":"avx-alone","steps":[{"op":"ptrace_set","regset":"xstate","xstateBv":"0x4","mxcsr":"0x3f80"},{"op":"child","get":["mxcsr"]}]}""",
        """{"name":"moved-end","steps":[{"op":"signal_roundtrip","xstateBv":"0x7","xstateSize":"0x340","bytes":{"832":"45585046"},"components":{"avx":"11"}},{"op":"signal_roundtrip","xstateBv":"0x7","xstateSize":"0x200","components":{"avx":"22"}}]}""",
        """{"name":"signal","steps":[{"op":"ptrace_set","regset":"xstate","xstateBv":"0x203","mxcsr":"0x1f80","components":{"pkru":"00000000"}},{"op":"signal_roundtrip","components":{"pkru":"04000000"}},{"op":"ptrace_get","regset":"xstate"}]}""",
        """{"name":"closed-key","steps":[{"op":"ptrace_set","regset":"xstate","xstateBv":"0x203","mxcsr":"0x1f80","components":{"pkru":"02000000"}},{"op":"signal_roundtrip"}]}""",
    ];

    public static TheoryData<string> Names => [.. KernelDifference.All.Select(info => info.Id)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_difference_turned_round_changes_an_answer(string id)
    {
        KernelDifference difference = KernelDifference.Find(id)!;
        string? seen = Seen(difference);

        Assert.True(seen is not null,
            $"{id} can be turned round on {Hosts.Length} hosts under {Kernels.Length} kernels, and no answer changes");
        TestContext.Current.TestOutputHelper?.WriteLine(seen);
    }

    // What no call of the scripts can see.
    private static readonly Dictionary<string, Func<KernelDifference, string?>> Apart = new()
    {
        // Where the exchange lies in time is the explorer's matter; no call returns anything else.
        [KernelDifference.KvmPkruWide.Id] = difference => Turned(difference, "6.18", Protocol),
        [KernelDifference.KvmCpuid80.Id] = difference => Turned(difference, "5.4", ManyCpuidEntries),
        [KernelDifference.KvmXssNoRead.Id] = difference => Turned(difference, "5.4", ReadXss),
        [KernelDifference.X86Erratum1386.Id] = difference => Turned(difference, "6.6", kernel => XsavesOfRome(kernel, null)),
        [KernelDifference.X86Erratum1386Microcode.Id] = difference => Turned(difference, "6.6", kernel =>
            XsavesOfRome(kernel, 0x0830_1052)),
        [KernelDifference.SignalPkuWithoutXcr0.Id] = difference => Turned(difference, "6.12", KeysWithoutXcr0),
        [KernelDifference.KvmProtectedZero.Id] = difference => Turned(difference, "6.6",
            kernel => Protected(kernel, GuestProtection.SevEs)),
        [KernelDifference.KvmProtectedEinval.Id] = difference => Turned(difference, "6.12",
            kernel => Protected(kernel, GuestProtection.ProtectedState)),
        [KernelDifference.X86FpuNoPku.Id] = difference => Turned(difference, "6.1.0", WithoutKeys),
        [KernelDifference.SignalStackChecked.Id] = difference => Turned(difference, "6.1.0", SmallSignalStack),
        [KernelDifference.UserShadowStack.Id] = difference => Turned(difference, "6.1.0", ShadowStack),
        [KernelDifference.X86FpuXsavec.Id] = difference => Turned(difference, "5.18",
            kernel => Answers(new LinuxHost(WithoutXsaves(), kernel))),
    };

    private static string? Seen(KernelDifference difference) => Apart.TryGetValue(difference.Id, out Func<KernelDifference, string?>? apart)
        ? apart(difference)
        : Hosts.SelectMany(_ => Kernels, (host, kernel) => Turned(difference, kernel,
            behavior => Answers(new LinuxHost(Record(host), behavior)), host))
            .FirstOrDefault(found => found is not null);

    private static string? Turned(KernelDifference difference, string kernel, Func<KernelBehavior, string> answers, string host = "")
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        KernelBehavior behavior = KernelBehavior.Of(release);
        behavior = behavior.Unknown.Aggregate(behavior, (settled, other) => settled.Set(other, false));
        string with = answers(behavior.Set(difference, true));
        string without = answers(behavior.Set(difference, false));
        if (with == without)
        {
            return null;
        }

        (string first, string second) = with.Split('\n').Zip(without.Split('\n')).First(pair => pair.First != pair.Second);
        return $"{host} {behavior}: with {Short(first)}, without {Short(second)}";
    }

    private static string Short(string text) => text.Length <= 160 ? text : text[..160] + "…";

    // Each step is a line; what only a model can say is left out, because it is not what a caller of the kernel sees.
    private static string Answers(LinuxHost host)
    {
        StringBuilder answers = new();
        ModelBackend backend = new(host, new HaltDecoder());
        foreach (Scenario scenario in ScenarioReader.Read(new StringReader(string.Join('\n', Scripts))))
        {
            using MemoryStream output = new();
            ScenarioRunner.Run(scenario, backend, output);
            using JsonDocument json = JsonDocument.Parse(output.ToArray());
            foreach (JsonElement step in json.RootElement.GetProperty("steps").EnumerateArray())
            {
                IEnumerable<string> fields = step.EnumerateObject().Where(field => !field.NameEquals("why"))
                    .Select(field => $"{field.Name}={field.Value.GetRawText()}");
                answers.Append(scenario.Name).Append(' ').AppendJoin(' ', fields).Append('\n');
            }
        }

        return answers.ToString();
    }

    private static string KeysWithoutXcr0(KernelBehavior kernel)
    {
        CpuidTable cpuid = Record("amd-genoa").Cpuid;
        CpuidRegisters leaf = cpuid.Read(CpuidTable.XsaveLeaf);
        cpuid = cpuid.With(CpuidTable.XsaveLeaf, 0, leaf with { Eax = leaf.Eax & ~(1u << (int)StateComponent.Pkru) });
        return LinuxGuest.DeliverSignal(kernel, (number, subleaf) => cpuid.Read(number, subleaf)).Delivered.ToString();
    }

    private static string Protected(KernelBehavior kernel, GuestProtection protection)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(new LinuxHost(Record("amd-genoa"), kernel), protection);
        KernelReply set = vcpu.SetXsave(new byte[KvmModelMachine.XsaveLength]);
        KernelReply get = vcpu.GetXsave(out byte[] area);
        return $"{set.Errno} {get.Errno} {area.AsSpan().IndexOfAnyExcept((byte)0)}";
    }

    private static string SmallSignalStack(KernelBehavior kernel) =>
        Restored(kernel, thread => thread with { SignalStack = new SignalStack(0x1000, 2048, 0) });

    private static string ShadowStack(KernelBehavior kernel) =>
        Restored(kernel, thread => thread with { Msrs = thread.Msrs.SetItem(0x6A7, 0x7FFF_0000) });

    private static string Restored(KernelBehavior kernel, Func<CapturedState, CapturedState> change)
    {
        LinuxHost host = new(Record("intel-sapphire-rapids"), kernel);
        CapturedState thread = new()
        {
            Id = 1,
            Area = new byte[XsaveFormat.ExtendedOffset],
            Layout = new Fact<XsaveLayout>(host.Layout, FactSource.Given, "test")
        };
        TargetOutcome outcome = ProcessRehearsal.Perform(new Capture
        {
            Format = "test",
            Kind = CaptureKind.Process,
            States = [change(thread)]
        }, host);
        return $"{outcome.Verdict} {string.Join(' ', outcome.Findings.Select(finding => finding.Message))}";
    }

    // What a hypervisor shows that keeps XSAVES for itself.
    private static HostRecord WithoutXsaves()
    {
        HostRecord record = Record("amd-genoa");
        CpuidRegisters leaf = record.Cpuid.Read(CpuidTable.XsaveLeaf, 1);
        return record with { Cpuid = record.Cpuid.With(CpuidTable.XsaveLeaf, 1, leaf with { Eax = leaf.Eax & ~(1u << 3) }) };
    }

    private static string WithoutKeys(KernelBehavior kernel)
    {
        CpuidTable cpuid = Record("amd-genoa").Cpuid;
        CpuidRegisters leaf = cpuid.Read(7);
        HostRecord record = Record("amd-genoa") with
        {
            Cpuid = cpuid.With(7, 0, leaf with { Ecx = leaf.Ecx & ~(1u << 4) }),
            Xcr0 = new StateComponentSet(0x2E7)
        };
        return new LinuxHost(record, kernel).UserFeatures.ToString();
    }

    private static string Protocol(KernelBehavior kernel) => string.Join(
        ", ", SwitchProtocols.All.Single(protocol => protocol.Id == KernelWorldSwitch.ProtocolOf(kernel, isSvm: true)).Locations
            .Select(location => location.Name));

    private static string ManyCpuidEntries(KernelBehavior kernel)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(new LinuxHost(Record("intel-haswell"), kernel));
        return vcpu.SetCpuid2([.. Enumerable.Range(0, 81).Select(i => new CpuidEntry(0x4000_0100 + (uint)i, 0, SubleafSignificant: false,
            default))]).Errno.ToString();
    }

    private static string ReadXss(KernelBehavior kernel)
    {
        KvmModelMachine.CreateVcpu(new LinuxHost(Record("intel-haswell"), kernel)).GetMsr(0xDA0, out int count, out _);
        return $"{count}";
    }

    private static string XsavesOfRome(KernelBehavior kernel, uint? microcode)
    {
        LinuxHost host = new(Record("amd-rome") with { Microcode = microcode }, kernel);
        return $"0xd.1 EAX 0x{SupportedCpuid.Of(host, host.UserFeatures).Read(CpuidTable.XsaveLeaf, 1).Eax:x}";
    }

    private static HostRecord Record(string name) => SampleHosts.Open(name);

    private sealed class HaltDecoder : IGuestDecoder
    {
        public GuestInstruction Decode(ReadOnlyMemory<byte> code, ulong address, GuestMode mode) =>
            code.Span[0] == 0xF4 ? new GuestInstruction("hlt", 1, [], static () => "hlt") : new GuestInstruction("", 1, [],
                static () => "(bad)");
    }
}
