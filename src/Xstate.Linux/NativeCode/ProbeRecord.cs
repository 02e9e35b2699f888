namespace Xstate.Linux.NativeCode;

/// <summary>Offsets of the record that probe code reads its operands from and writes its results to. R15 points to it.</summary>
internal static class ProbeRecord
{
    public const byte InitialImage = 0;
    public const byte Memory = 8;
    public const byte Rax = 16;
    public const byte Rdx = 24;
    public const byte Rcx = 32;
    public const byte FinalImage = 40;
    public const byte FinalEnvironment = 48;
    public const byte RaxAfter = 56;
    public const byte RdxAfter = 64;
    public const byte InUseLow = 72;
    public const byte InUseHigh = 80;
    public const byte Vector = 88;
    public const byte ErrorCode = 96;
    public const byte Cr2 = 104;
    public const byte Flags = 112;
    public const byte Pkru = 120;
    public const byte ManagedLow = 128;
    public const byte ManagedHigh = 132;
    public const byte Signal = 136;

    // An area whose restore initializes; never written.
    public const int InitialArea = 1024;
}
