using System.Numerics;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// What CRIU itself compares before it makes any call: cpu_validate_features of criu/arch/x86/cpu.c, on the processor of cpuinfo.img and
/// the target's.
/// </summary>
internal static class CriuProcessorCheck
{
    // Features of the words that CPUID gives: x86_ins_capability_mask.
    private static readonly (uint Leaf, uint Subleaf, CpuidRegister Register, uint Mask)[] Instructions =
    [
        (1, 0, CpuidRegister.Edx, 0x0788_8911), (0x8000_0001, 0, CpuidRegister.Edx, 0xC840_0800), (1, 0, CpuidRegister.Ecx, 0x7ED8_220B),
            (0x8000_0001, 0, CpuidRegister.Ecx, 0x0021_09E0),
        (7, 0, CpuidRegister.Ebx, 0xFC8F_4B39), (CpuidTable.XsaveLeaf, 1, CpuidRegister.Eax, 0x7), (7, 0, CpuidRegister.Ecx, 0x0040_7F42),
            (0x8000_0008, 0, CpuidRegister.Ebx, 0x1),
        (7, 0, CpuidRegister.Edx, 0xC),
    ];

    // Of the words that are compared for equality the image holds these.
    private static readonly (uint Leaf, uint Subleaf, CpuidRegister Register)[] Words =
    [
        .. Instructions.Select(word => (word.Leaf, word.Subleaf, word.Register)), (6, 0, CpuidRegister.Eax),
    ];

    // CPUID.1 EDX: FPU, FXSR; ECX: OSXSAVE. CPUID.0xD.1 EAX: XSAVES.
    private static readonly (string Name, uint Leaf, uint Subleaf, CpuidRegister Register, int Bit)[] Required =
    [
        ("fpu", 1, 0, CpuidRegister.Edx, 0), ("fxsr", 1, 0, CpuidRegister.Edx, 24), ("osxsave", 1, 0, CpuidRegister.Ecx, 27),
            ("xsaves", CpuidTable.XsaveLeaf, 1, CpuidRegister.Eax, 3),
    ];

    /// <summary>
    /// Reads the words of <c>--cpu-cap</c> as CRIU does: they add to fpu and ins, which it looks at anyway, and a <c>^</c> takes away. Null
    /// when it is no such list.
    /// </summary>
    /// <param name="words">Such as <c>all</c>, <c>none</c>, <c>cpu</c>, <c>^ins</c>.</param>
    public static CriuCpuCheck? Parse(string words)
    {
        ArgumentNullException.ThrowIfNull(words);
        CriuCpuCheck check = CriuCpuCheck.Fpu | CriuCpuCheck.Ins;
        foreach (string word in words.Split(','))
        {
            bool inverse = word.StartsWith('^');
            CriuCpuCheck? named = word.TrimStart('^') switch
            {
                "fpu" => CriuCpuCheck.Fpu,
                "ins" => CriuCpuCheck.Ins,
                "cpu" => CriuCpuCheck.Cpu,
                "all" => CriuCpuCheck.All,
                "none" => CriuCpuCheck.None,
                _ => null,
            };
            if (named is not { } part)
            {
                return null;
            }

            check = part == CriuCpuCheck.None ? (inverse ? CriuCpuCheck.All : CriuCpuCheck.None) : inverse ? check & ~part : check | part;
        }

        return check;
    }

    /// <summary>Why CRIU refuses the target; null when it does not.</summary>
    /// <param name="source">The processor of cpuinfo.img.</param>
    /// <param name="host">The target.</param>
    /// <param name="check">What is compared.</param>
    public static string? Refusal(CpuidTable source, LinuxHost host, CriuCpuCheck check)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(host);
        CpuidTable target = host.Record.Cpuid;
        return (check.HasFlag(CriuCpuCheck.Fpu) ? Fpu(source, host) : null)
            ?? (check.HasFlag(CriuCpuCheck.Ins) ? Instruction(source, target) : null)
            ?? (check.HasFlag(CriuCpuCheck.Cpu) && Array.Exists(Words,
                word => source.Read(word.Leaf, word.Subleaf)[word.Register] != target.Read(word.Leaf, word.Subleaf)[word.Register])
                ? "the feature words are not the same"
                : null);
    }

    /// <summary>
    /// The sizes that differ: <c>criu cpuinfo check</c> compares them for equality. Null when they are the same, or the image has none.
    /// </summary>
    public static string? Sizes(CpuidTable source, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(host);
        int size = (int)source.EnabledAreaLength;
        int here = host.Layout.StandardLengthFor(host.UserFeatures);
        int max = (int)source.LargestAreaLength;
        int maxHere = (int)host.Record.Cpuid.LargestAreaLength;
        return size != 0 && (size != here || max != maxHere)
            ? $"the areas differ in size ({size} of {max} bytes there, {here} of {maxHere} here)" : null;
    }

    private static string? Fpu(CpuidTable source, LinuxHost host)
    {
        foreach ((string name, uint leaf, uint subleaf, CpuidRegister register, int bit) in Required)
        {
            bool has = (host.Record.Cpuid.Read(leaf, subleaf)[register] >> bit & 1) != 0 || (name == "osxsave" && host.HasXsave);
            if ((source.Read(leaf, subleaf)[register] >> bit & 1) != 0 && !has)
            {
                return $"the image's processor has {name} and {host.Record.Name} does not";
            }
        }

        StateComponentSet lacking = CriuFrame.ComponentsOf(source).Except(CriuFrame.ComponentsOf(host.Record.Cpuid));
        return lacking.IsEmpty ? Sizes(source, host) : $"{host.Record.Name} lacks {lacking.Describe()}";
    }

    private static string? Instruction(CpuidTable source, CpuidTable target)
    {
        foreach ((uint leaf, uint subleaf, CpuidRegister register, uint mask) in Instructions)
        {
            uint lost = source.Read(leaf, subleaf)[register] & ~target.Read(leaf, subleaf)[register] & mask;
            if (lost != 0)
            {
                return "the target lacks CPUID "
                    + $"{leaf:x}.{subleaf}:{register.ToString().ToUpperInvariant()}[{BitOperations.TrailingZeroCount(lost)}]";
            }
        }

        return null;
    }
}
