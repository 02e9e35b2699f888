namespace Xstate.WorldSwitch;

/// <summary>
/// Up to 64 bits with names given by whoever holds them: single flags, and small fields by their lowest bit and their mask.
/// </summary>
internal struct PackedBits(ulong value)
{
    public ulong Value { get; private set; } = value;

    /// <summary>A flag.</summary>
    public bool this[int bit]
    {
        readonly get => (Value >> bit & 1) != 0;
        set => this[bit, 1] = value ? 1UL : 0;
    }

    /// <summary>A field.</summary>
    public ulong this[int shift, ulong mask]
    {
        readonly get => Value >> shift & mask;
        set => Value = Value & ~(mask << shift) | value << shift;
    }
}
