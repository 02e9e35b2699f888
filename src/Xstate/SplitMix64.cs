namespace Xstate;

/// <summary>
/// A seeded sequence of 64-bit numbers (the SplitMix64 finalizer of Steele, Lea and Flood, 2014). The same seed gives the same sequence on
/// every machine and .NET version, so that a printed seed reproduces a run. Not for secrets.
/// </summary>
internal struct SplitMix64
{
    private ulong _state;

    /// <summary>Starts the sequence of a seed.</summary>
    public SplitMix64(ulong seed)
    {
        _state = seed;
    }

    /// <summary>The next number, all 64 bits random.</summary>
    public ulong Next()
    {
        _state += 0x9E37_79B9_7F4A_7C15;
        ulong z = _state;
        z = (z ^ z >> 30) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ z >> 27) * 0x94D0_49BB_1331_11EB;
        return z ^ z >> 31;
    }

    /// <summary>A number from 0 to <paramref name="exclusiveMax"/> − 1.</summary>
    public int Below(int exclusiveMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exclusiveMax);
        return (int)((Next() >> 32) * (ulong)exclusiveMax >> 32);
    }

    /// <summary>True once in <paramref name="n"/> draws on average.</summary>
    public bool OneIn(int n) => Below(n) == 0;

    /// <summary>One of the given values.</summary>
    public T Pick<T>(params ReadOnlySpan<T> values) => values[Below(values.Length)];

    /// <summary>Fills a span with random bytes.</summary>
    public void Fill(Span<byte> bytes)
    {
        while (bytes.Length >= sizeof(ulong))
        {
            BitConverter.TryWriteBytes(bytes, Next());
            bytes = bytes[sizeof(ulong)..];
        }

        if (!bytes.IsEmpty)
        {
            ulong rest = Next();
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = (byte)(rest >> (i * 8));
            }
        }
    }
}
