namespace Xstate.Processor;

/// <summary>
/// XRSTOR_INFO: the last restore, against which XSAVEOPT and XSAVES decide whether "unmodified" means anything (SDM Vol. 1, 13.8.3).
/// </summary>
/// <param name="IsValid">Whether there was one since RESET, or since something dropped it.</param>
/// <param name="Cpl">The privilege level that restored.</param>
/// <param name="VmxNonRoot">Whether it was in VMX non-root operation.</param>
/// <param name="Address">The linear address of the area.</param>
/// <param name="XcompBv">XCOMP_BV of the area; 0 for the standard form.</param>
internal readonly record struct XrstorInfo(bool IsValid, int Cpl, bool VmxNonRoot, ulong Address, ulong XcompBv);
