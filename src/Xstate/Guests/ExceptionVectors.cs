namespace Xstate.Guests;

/// <summary>The exceptions by vector number (SDM Vol. 3A, table 6-1).</summary>
internal static class ExceptionVectors
{
    private static readonly string?[] Names =
    [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", null, "#TS", "#NP", "#SS", "#GP", "#PF", null, "#MF", "#AC", "#MC",
            "#XM", "#VE", "#CP",
    ];

    /// <summary>Whether the processor pushes an error code.</summary>
    public static bool HasErrorCode(int vector) => vector is 8 or >= 10 and <= 14 or 17 or 21 or 29 or 30;

    /// <summary>The manual's notation: <c>#UD</c>, <c>#GP(0)</c>, <c>#PF(0x25)</c>.</summary>
    public static string Describe(int vector, uint errorCode)
    {
        string name = vector < Names.Length && Names[vector] is { } known ? known : $"vector {vector}";
        return !HasErrorCode(vector) ? name : vector == 14 ? $"{name}(0x{errorCode:x})" : $"{name}({errorCode})";
    }
}
