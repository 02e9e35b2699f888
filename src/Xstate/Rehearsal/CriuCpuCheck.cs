namespace Xstate.Rehearsal;

/// <summary>
/// What CRIU compares of the processor in cpuinfo.img with its own before it restores: the words of its option <c>--cpu-cap</c>.
/// </summary>
[Flags]
internal enum CriuCpuCheck
{
    /// <summary>Nothing: cpuinfo.img is not read, as without the option.</summary>
    None = 0,

    /// <summary>XSAVE features, the components, and the sizes of the area.</summary>
    Fpu = 1,

    /// <summary>Every feature word for equality.</summary>
    Cpu = 2,

    /// <summary>Features that announce instructions.</summary>
    Ins = 4,

    /// <summary>All of them: the option without a word.</summary>
    All = Fpu | Cpu | Ins,
}
