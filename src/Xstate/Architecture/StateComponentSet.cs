using System.Collections;
using System.Numerics;
using System.Text;

namespace Xstate.Architecture;

/// <summary>
/// A set of state components, held as the 64-bit mask that the manuals use for XCR0, IA32_XSS, RFBM and XSTATE_BV.
/// Bit 63 is never a component (it is XCOMP_BV's format flag) but is kept, so that hostile masks survive unchanged.
/// </summary>
/// <param name="Bits">The mask: bit <c>i</c> stands for component <c>i</c>.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct StateComponentSet(ulong Bits) : IEnumerable<StateComponent>
{
    /// <summary>No component.</summary>
    public static StateComponentSet Empty => default;

    /// <summary>x87 and SSE: the legacy region, present wherever XSAVE is.</summary>
    public static StateComponentSet Legacy => new(0b11);

    /// <summary>Whether no bit is set.</summary>
    public bool IsEmpty => Bits == 0;

    /// <summary>How many bits are set.</summary>
    public int Count => BitOperations.PopCount(Bits);

    /// <summary>The set with exactly the given components.</summary>
    public static StateComponentSet Of(params ReadOnlySpan<StateComponent> components)
    {
        ulong bits = 0;
        foreach (StateComponent component in components)
        {
            bits |= 1UL << (int)component;
        }

        return new StateComponentSet(bits);
    }

    /// <summary>Whether the component is in the set.</summary>
    public bool Contains(StateComponent component) => (Bits >> (int)component & 1) != 0;

    /// <summary>Whether every component of <paramref name="other"/> is in this set.</summary>
    public bool ContainsAll(StateComponentSet other) => (other.Bits & ~Bits) == 0;

    /// <summary>Whether the two sets share a component.</summary>
    public bool Overlaps(StateComponentSet other) => (Bits & other.Bits) != 0;

    /// <summary>This set without the components of <paramref name="other"/>.</summary>
    public StateComponentSet Except(StateComponentSet other) => new(Bits & ~other.Bits);

    /// <summary>The set with one component added.</summary>
    public StateComponentSet With(StateComponent component) => new(Bits | 1UL << (int)component);

    /// <summary>The set with one component removed.</summary>
    public StateComponentSet Without(StateComponent component) => new(Bits & ~(1UL << (int)component));

    /// <summary>Union.</summary>
    public static StateComponentSet operator |(StateComponentSet left, StateComponentSet right) => new(left.Bits | right.Bits);

    /// <summary>Intersection.</summary>
    public static StateComponentSet operator &(StateComponentSet left, StateComponentSet right) => new(left.Bits & right.Bits);

    /// <summary>Enumerates the components from bit 0 upwards without allocating.</summary>
    public Enumerator GetEnumerator() => new(Bits);

    IEnumerator<StateComponent> IEnumerable<StateComponent>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The mask as the tool prints it everywhere: <c>0x2e7</c>.</summary>
    public override string ToString() => $"0x{Bits:x}";

    /// <summary>The mask followed by the components' names, for messages: <c>0xe0 (opmask, zmm_hi256, hi16_zmm)</c>.</summary>
    public string Describe()
    {
        if (IsEmpty)
        {
            return "0x0";
        }

        StringBuilder text = new($"0x{Bits:x} (");
        string separator = "";
        foreach (StateComponent component in this)
        {
            text.Append(separator).Append(StateComponents.NameOf(component));
            separator = ", ";
        }

        return text.Append(')').ToString();
    }

    /// <summary>Walks the set bits upwards.</summary>
    public struct Enumerator : IEnumerator<StateComponent>
    {
        private readonly ulong _all;
        private ulong _rest;

        internal Enumerator(ulong bits)
        {
            _all = bits;
            _rest = bits;
            Current = default;
        }

        /// <inheritdoc/>
        public StateComponent Current { get; private set; }

        readonly object IEnumerator.Current => Current;

        /// <inheritdoc/>
        public bool MoveNext()
        {
            if (_rest == 0)
            {
                return false;
            }

            Current = (StateComponent)BitOperations.TrailingZeroCount(_rest);
            _rest &= _rest - 1;
            return true;
        }

        /// <inheritdoc/>
        public void Reset() => _rest = _all;

        /// <inheritdoc/>
        public readonly void Dispose()
        {
        }
    }
}
