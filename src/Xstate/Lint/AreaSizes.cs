using System.Numerics;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>Sizes of the XSAVE area that a table's own sub-leaves give, and whether some legal XCR0 and IA32_XSS give a told one.</summary>
internal static class AreaSizes
{
    private const ulong Legacy = 3;

    /// <summary>Bytes of a standard area for a set of components.</summary>
    public static uint Standard(in LintSubject cpuid, ulong components)
    {
        uint size = XsaveFormat.ExtendedOffset;
        for (ulong rest = Extended(components); rest != 0; rest &= rest - 1)
        {
            CpuidRegisters leaf = cpuid.Component(BitOperations.TrailingZeroCount(rest));
            size = Math.Max(size, leaf.Ebx + leaf.Eax);
        }

        return size;
    }

    /// <summary>Bytes of a compacted area for a set of components (SDM Vol. 1, 13.4.3).</summary>
    public static uint Compacted(in LintSubject cpuid, ulong components)
    {
        uint size = XsaveFormat.ExtendedOffset;
        for (ulong rest = Extended(components); rest != 0; rest &= rest - 1)
        {
            size = Append(size, cpuid.Component(BitOperations.TrailingZeroCount(rest)));
        }

        return size;
    }

    /// <summary>Whether a legal XCR0 within leaf 0xD.0 has a standard area of this size.</summary>
    public static bool IsStandardOfSome(in LintSubject cpuid, uint size)
    {
        if (size == XsaveFormat.ExtendedOffset)
        {
            return true;
        }

        // The size is the greatest end; the smallest legal set with a component decides whether that component can be the last.
        for (ulong rest = Extended(cpuid.User); rest != 0; rest &= rest - 1)
        {
            if (Closure(BitOperations.TrailingZeroCount(rest), cpuid.User) is { } least && Standard(cpuid, least) == size)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Whether a legal XCR0 whose standard area has the told size, together with some IA32_XSS, has a compacted area of the told size. No
    /// dump tells IA32_XSS, and Windows enables components that nobody would guess.
    /// </summary>
    public static bool IsCompactedOfSome(in LintSubject cpuid, uint standard, uint compacted, bool withSupervisor) =>
        Search(cpuid, 2, Legacy, XsaveFormat.ExtendedOffset, Remaining(cpuid, 2, withSupervisor), standard, compacted, withSupervisor);

    /// <summary>
    /// Whether each component of a mask has what it requires and the rest of its group. Where not, no XCR0 can have it, and other rules say
    /// so.
    /// </summary>
    public static bool HasWholeGroups(ulong offered)
    {
        for (ulong rest = Extended(offered); rest != 0; rest &= rest - 1)
        {
            if (Closure(BitOperations.TrailingZeroCount(rest), offered) is null)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The smallest legal XCR0 with a component: what it requires, with the rest of its group; null where the table lacks one of them.
    /// </summary>
    public static ulong? Closure(int component, ulong offered)
    {
        StateComponentInfo? info = StateComponents.Find((StateComponent)component);
        ulong set = Legacy | 1UL << component;
        set |= info is null ? 0 : info.Requires.Bits | info.Group.Bits;
        return (set & ~offered) == 0 ? set : null;
    }

    private static ulong Extended(ulong components) => components & ~(Legacy | XsaveFormat.CompactedFlag);

    private static uint Append(uint end, CpuidRegisters leaf)
    {
        const uint Alignment = XsaveFormat.CompactedAlignment;
        uint start = (leaf.Ecx & 2) != 0 ? (end + Alignment - 1) & ~(Alignment - 1) : end;
        return start + leaf.Eax;
    }

    // Upper bound of what the components from a number on can add.
    private static ulong Remaining(in LintSubject cpuid, int from, bool withSupervisor)
    {
        ulong sum = 0;
        ulong all = Extended(cpuid.User | (withSupervisor ? cpuid.Supervisor : 0)) & ~((1UL << from) - 1);
        for (; all != 0; all &= all - 1)
        {
            sum += cpuid.Component(BitOperations.TrailingZeroCount(all)).Eax + XsaveFormat.CompactedAlignment - 1u;
        }

        return sum;
    }

    // Depth-first over the components, with them before without them: what a running system has is nearly everything. A branch that has
    // passed the size, or can no longer reach it, ends.
    private static bool Search(
        in LintSubject cpuid, int from, ulong chosen, uint end, ulong remaining, uint standard, uint compacted, bool withSupervisor)
    {
        if (end > compacted || end + remaining < compacted)
        {
            return false;
        }

        ulong rest = Extended(cpuid.User | (withSupervisor ? cpuid.Supervisor : 0)) & ~((1UL << from) - 1);
        if (rest == 0)
        {
            ulong xcr0 = chosen & cpuid.User;
            return end == compacted && Standard(cpuid, xcr0) == standard && IsLegal(xcr0);
        }

        int next = BitOperations.TrailingZeroCount(rest);
        CpuidRegisters leaf = cpuid.Component(next);
        ulong less = remaining - (leaf.Eax + XsaveFormat.CompactedAlignment - 1u);
        bool user = (cpuid.User >> next & 1) != 0;
        bool with = !user || (leaf.Ebx + leaf.Eax <= standard && AgreesWithGroup(next, chosen, taken: true));
        bool without = !user || AgreesWithGroup(next, chosen, taken: false);
        return (with && Search(cpuid, next + 1, chosen | 1UL << next, Append(end, leaf), less, standard, compacted, withSupervisor))
            || (without && Search(cpuid, next + 1, chosen, end, less, standard, compacted, withSupervisor));
    }

    // Components of a group are neighbours by number: what was decided of the first holds for the rest.
    private static bool AgreesWithGroup(int component, ulong chosen, bool taken)
    {
        ulong earlier = StateComponents.Find((StateComponent)component) is { } info ? info.Group.Bits & ((1UL << component) - 1) : 0;
        return (chosen & earlier) == (taken ? earlier : 0);
    }

    private static bool IsLegal(ulong xcr0)
    {
        StateComponentSet set = new(xcr0);
        foreach (StateComponent component in set)
        {
            if (Xcr0Rules.BrokenDependency(component, set) is not null)
            {
                return false;
            }
        }

        return true;
    }
}
