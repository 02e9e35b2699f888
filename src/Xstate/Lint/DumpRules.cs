using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rule N25, the one that looks at several processors at once.</summary>
internal static class DumpRules
{
    private static readonly ImmutableArray<(uint Leaf, uint Subleaf, CpuidRegister Register, uint Ignored)> Fields =
    [
        (0xD, 0, CpuidRegister.Eax, 0), (0xD, 0, CpuidRegister.Ecx, 0), (0xD, 0, CpuidRegister.Edx, 0),
        (0xD, 1, CpuidRegister.Eax, 0), (0xD, 1, CpuidRegister.Ecx, 0), (0xD, 1, CpuidRegister.Edx, 0),
        (7, 0, CpuidRegister.Ebx, 0), (7, 0, CpuidRegister.Ecx, 1u << 4), (7, 0, CpuidRegister.Edx, 0), (7, 1, CpuidRegister.Eax, 0),
            (7, 1, CpuidRegister.Edx, 0),
        (0x1D, 1, CpuidRegister.Eax, 0), (0x1D, 1, CpuidRegister.Ebx, 0), (0x1E, 0, CpuidRegister.Ebx, 0), (0x24, 0, CpuidRegister.Ebx, 0),
        (0x8000_0001, 0, CpuidRegister.Ecx, 0), (0x8000_0001, 0, CpuidRegister.Edx, 0),
    ];

    /// <summary>The rule; it finds nothing in one table.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1209", "N25", Severity.Error, "All logical processors agree", static (in LintSubject _, ref LintSink _) => { })
        {
            Breaks =
            [
                new(LintGuest.OpenBsd, "panics on the processor that differs",
                    "OpenBSD sys/arch/amd64/amd64/cpu.c, KASSERT of fpu_save_len"),
                new(LintGuest.Linux, "sizes every thread's area by the processor that it booted on", "Linux arch/x86/kernel/fpu/xstate.c"),
            ],
            Mend = "Show every virtual CPU what all of them have.",
        },
    ];

    /// <summary>Compares every processor with the first.</summary>
    public static void Check(CpuidDump dump, ref LintSink sink)
    {
        sink.Begin(All[0]);
        for (int i = 1; i < dump.Processors.Length; i++)
        {
            foreach ((uint leaf, uint subleaf, CpuidRegister register, uint ignored) in Fields)
            {
                uint first = dump.Cpuid.Read(leaf, subleaf)[register] & ~ignored;
                uint other = dump.Processors[i].Cpuid.Read(leaf, subleaf)[register] & ~ignored;
                if (first != other)
                {
                    // Two cores of an Opteron differ in a bit that announces nothing; only leaves that size or announce state stop a
                    // system.
                    Severity severity = leaf == CpuidTable.XsaveLeaf ? Severity.Error : Severity.Info;
                    sink.Add(severity, new LintPlace(leaf, subleaf, register),
                        $"{dump.Processors[i].Label} answers otherwise than {dump.Processors[0].Label}", Hex(other), Hex(first));
                }
            }

            for (uint component = 2; component < 63; component++)
            {
                CpuidRegisters first = dump.Cpuid.Read(CpuidTable.XsaveLeaf, component);
                CpuidRegisters other = dump.Processors[i].Cpuid.Read(CpuidTable.XsaveLeaf, component);
                if (first != other)
                {
                    sink.Add(new LintPlace(CpuidTable.XsaveLeaf, component),
                        $"{dump.Processors[i].Label} has {StateComponents.NameOf((StateComponent)component)} elsewhere than "
                        + $"{dump.Processors[0].Label}", $"{other.Eax} at {other.Ebx}", $"{first.Eax} at {first.Ebx}");
                }
            }
        }
    }
}
