namespace Xstate.Architecture;

/// <summary>The protection-key rights register for user pages: two bits for each of 16 keys (SDM Vol. 3A, 4.6.2).</summary>
/// <param name="Value">The register.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct Pkru(uint Value)
{
    /// <summary>How many keys there are.</summary>
    public const int KeyCount = 16;

    /// <summary>The value Linux gives every new thread: key 0 open, all others access-disabled.</summary>
    public static Pkru LinuxDefault => new(0x5555_5554);

    /// <summary>AD: data accesses to pages of this key fault.</summary>
    public bool AccessDisabled(int key) => (Value >> Shift(key) & 1) != 0;

    /// <summary>WD: writes to pages of this key fault.</summary>
    public bool WriteDisabled(int key) => (Value >> Shift(key) & 2) != 0;

    /// <summary>Whether pages of this key can be read and written.</summary>
    public bool IsOpen(int key) => !AccessDisabled(key) && !WriteDisabled(key);

    /// <summary>One letter group per key, key 0 first: <c>rw</c>, <c>r-</c> or <c>--</c>.</summary>
    public string Rights(int key) => AccessDisabled(key) ? "--" : WriteDisabled(key) ? "r-" : "rw";

    /// <summary>The value as the tool prints it.</summary>
    public override string ToString() => $"0x{Value:x}";

    private static int Shift(int key)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(key, KeyCount);
        return key * 2;
    }
}
