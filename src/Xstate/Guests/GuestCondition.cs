namespace Xstate.Guests;

/// <summary>The conditions of Jcc, SETcc and CMOVcc, numbered as in their opcodes (SDM Vol. 2D, table B-10).</summary>
internal enum GuestCondition
{
#pragma warning disable CS1591 // The suffixes of the manual.
    O,
    No,
    B,
    Ae,
    E,
    Ne,
    Be,
    A,
    S,
    Ns,
    P,
    Np,
    L,
    Ge,
    Le,
    G,
#pragma warning restore CS1591
}
