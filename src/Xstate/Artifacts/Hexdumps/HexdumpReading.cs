namespace Xstate.Artifacts.Hexdumps;

/// <summary>One way to take what the lines of a hexdump leave open.</summary>
/// <param name="Radix">The base of the offsets: 16, 8 (od) or 10 (od -A d).</param>
/// <param name="IsReversed">Whether a group of digits is a number whose lowest byte comes first in memory.</param>
internal readonly record struct HexdumpReading(int Radix, bool IsReversed);
