using System.Numerics;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>
/// Makes a table consistent by taking away what lacks its ground, never by promising more: a feature without its component goes, a
/// component without its feature or its sub-leaf goes, half a group goes. Sizes are computed anew. What the processor fixes (size, offset,
/// alignment) is taken from the host when it is known.
/// </summary>
internal static class CpuidMend
{
    // Each pass only takes away, so that the number of passes is bounded by the longest chain of dependencies.
    private const int MaxPasses = 16;

    private const ulong Legacy = 3;

    /// <summary>The table without contradictions.</summary>
    /// <param name="cpuid">The table.</param>
    /// <param name="context">What it is, and what is known beside it.</param>
    public static MendedCpuid Mend(CpuidTable cpuid, LintContext context)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ArgumentNullException.ThrowIfNull(context);
        CpuidDraft draft = new(cpuid);
        CpuidTable before;
        CpuidTable after = cpuid;
        int pass = 0;
        do
        {
            before = after;
            MendXsave(draft);
            MendComponents(draft, context);
            FeatureDependencies.Apply(draft, context);
            MendComponentFeatures(draft, context);
            after = draft.ToTable();
        }
        while (!after.Entries.SequenceEqual(before.Entries) && ++pass < MaxPasses);

        MendSubleaves(draft);
        MendSizes(draft, context);
        MendMirrors(draft);
        CpuidTable mended = draft.ToTable();
        return new MendedCpuid(mended, [.. CpuidChange.Between(cpuid, mended)], CpuidLint.Check(mended, context));
    }

    private static void MendXsave(CpuidDraft draft)
    {
        bool ground = draft.Has(CpuidFeatures.Fxsr) && draft.Has(CpuidFeatures.Sse) && draft.Has(CpuidFeatures.Sse2);
        bool leaf = draft.IsFilled(CpuidTable.XsaveLeaf) && (draft.User & Legacy) == Legacy;
        if (draft.Has(CpuidFeatures.Xsave) && ground && leaf)
        {
            if (draft.MaxBasic < CpuidTable.XsaveLeaf)
            {
                draft[0, 0] = draft[0, 0] with { Eax = CpuidTable.XsaveLeaf };
            }

            return;
        }

        draft.Clear(CpuidFeatures.Xsave, CpuidFeatures.Osxsave);
        draft.User = 0;
        draft.Supervisor = 0;
        draft[CpuidTable.XsaveLeaf, 0] = default;
        draft[CpuidTable.XsaveLeaf, 1] = default;
    }

    private static void MendComponents(CpuidDraft draft, LintContext context)
    {
        ulong user = draft.User & StateComponents.UserComponents.Bits;
        ulong supervisor = draft.Supervisor & StateComponents.SupervisorComponents.Bits;
        if (context.Xfam is { } xfam)
        {
            user &= xfam.Bits;
            supervisor &= xfam.Bits;
        }

        if (context.AcceptedXcr0 is { } xcr0)
        {
            user &= xcr0.Bits;
        }

        if (context.AcceptedXss is { } xss)
        {
            supervisor &= xss.Bits;
        }

        if (!draft.Has(CpuidFeatures.Xsaves))
        {
            supervisor = 0;
        }

        foreach (StateComponentInfo info in StateComponents.All)
        {
            ulong bit = info.Bit.Bits;
            if (info.Component is StateComponent.X87 or StateComponent.Sse || ((user | supervisor) & bit) == 0)
            {
                continue;
            }

            bool keep = MendSubleaf(draft, info, context)
                && (user & info.Requires.Bits) == info.Requires.Bits
                && (user & info.Group.Bits) == info.Group.Bits
                && HasFeature(draft, info, context)
                && !(context.View == LintView.Snp && (draft[CpuidTable.XsaveLeaf, (uint)info.Component].Ecx & 2) != 0);
            if (!keep)
            {
                user &= ~bit;
                supervisor &= ~bit;
            }
        }

        if ((user & StateComponents.Get(StateComponent.Apx).Bit.Bits) != 0)
        {
            user &= ~StateComponents.Get(StateComponent.Apx).Excludes.Bits;
        }

        if ((user & 1UL << (int)StateComponent.Opmask) != 0)
        {
            user &= ~(1UL << (int)StateComponent.Lwp);
        }

        // CET's components are switched together: one alone does not protect user code.
        const ulong Cet = 3UL << (int)StateComponent.CetU;
        supervisor = (supervisor & Cet) == Cet ? supervisor : supervisor & ~Cet;
        if (user != draft.User)
        {
            draft.User = user;
        }

        if (supervisor != draft.Supervisor)
        {
            draft.Supervisor = supervisor;
        }
    }

    // Zen 2 has PKRU's component without PKU.
    private static bool HasFeature(CpuidDraft draft, StateComponentInfo info, LintContext context) =>
        info.Features.Any(draft.Has)
        || (info.Component == StateComponent.Pkru && context.View == LintView.BareMetal
            && ProcessorModel.From(draft.ToTable()) is { IsAmdLike: true, Family: 0x17 });

    // Whether the component has a place after all: the host's, or its own with the size and the flags that the manual fixes.
    private static bool MendSubleaf(CpuidDraft draft, StateComponentInfo info, LintContext context)
    {
        uint number = (uint)info.Component;
        CpuidRegisters own = draft[CpuidTable.XsaveLeaf, number];
        if (context.Host is { } host && host.TryRead(CpuidTable.XsaveLeaf, number, out CpuidRegisters there) && there.Eax != 0)
        {
            own = there;
        }

        bool supervisor = info.EnabledBy == EnabledBy.Xss;
        bool tile = info.Component is StateComponent.TileCfg or StateComponent.TileData;
        bool zen2 = info.Component == StateComponent.Pkru && own.Eax == 64 && (draft.User & 1UL << (int)StateComponent.Opmask) == 0;
        uint depths = draft[0x1C, 0].Eax & 0xFF;
        bool lbr = info.Component == StateComponent.Lbr && depths != 0 && own.Eax == SupervisorRules.LbrLength(depths);
        if (own.Eax == 0 || (!supervisor && !VendorRules.IsKnownOffset((int)number, own.Ebx)))
        {
            return false;
        }

        uint flags = (supervisor ? 1u : 0u) | (tile ? 2u : 0u) | (info.Component == StateComponent.TileData ? 4u : 0u);
        draft[CpuidTable.XsaveLeaf, number] = new CpuidRegisters(zen2 || lbr ? own.Eax : (uint)info.Size, supervisor ? 0 : own.Ebx, flags,
            0);
        return !Overlaps(draft, info);
    }

    private static bool Overlaps(CpuidDraft draft, StateComponentInfo info)
    {
        if (info.EnabledBy == EnabledBy.Xss)
        {
            return false;
        }

        CpuidRegisters own = draft[CpuidTable.XsaveLeaf, (uint)info.Component];
        for (ulong rest = draft.User & ~Legacy & StateComponents.UserComponents.Bits & ~info.Excludes.Bits
            & (info.Bit.Bits - 1); rest != 0; rest &= rest - 1)
        {
            CpuidRegisters other = draft[CpuidTable.XsaveLeaf, (uint)BitOperations.TrailingZeroCount(rest)];
            if (own.Ebx < other.Ebx + other.Eax && other.Ebx < own.Ebx + own.Eax)
            {
                return true;
            }
        }

        return false;
    }

    // A feature whose component is gone goes too.
    private static void MendComponentFeatures(CpuidDraft draft, LintContext context)
    {
        foreach (StateComponentInfo info in StateComponents.All)
        {
            bool optional = info.Component is StateComponent.X87 or StateComponent.Sse or StateComponent.Pt or StateComponent.Hdc
                or StateComponent.Lbr or StateComponent.Hwp;
            if (optional || ((draft.User | draft.Supervisor) & info.Bit.Bits) != 0)
            {
                continue;
            }

            foreach (CpuidFeature feature in info.Features)
            {
                draft.Set(feature, value: false);
            }
        }

        if (context.Xfam is { } xfam)
        {
            foreach (StateComponentInfo info in StateComponents.All.Where(info => !xfam.Contains(info.Component)))
            {
                draft.Clear(info.Features.AsSpan());
            }
        }
    }

    private static void MendSubleaves(CpuidDraft draft)
    {
        for (uint i = 2; i < 63; i++)
        {
            if (((draft.User | draft.Supervisor) >> (int)i & 1) == 0)
            {
                draft.Empty(CpuidTable.XsaveLeaf, i);
            }
        }
    }

    private static void MendSizes(CpuidDraft draft, LintContext context)
    {
        if (draft.User == 0)
        {
            return;
        }

        LintSubject subject = new(draft.ToTable(), context);
        CpuidRegisters sizes = draft[CpuidTable.XsaveLeaf, 0];
        uint all = AreaSizes.Standard(subject, draft.User);
        bool compacts = draft.Has(CpuidFeatures.Xsavec) || draft.Has(CpuidFeatures.Xsaves);
        uint told = draft[CpuidTable.XsaveLeaf, 1].Ebx;
        bool isVirtual = context.View != LintView.BareMetal;
        ulong? live = context.Xcr0?.Bits & draft.User ?? (isVirtual && !draft.Has(CpuidFeatures.Osxsave) ? 1UL : null);
        uint enabled = live is { } xcr0 ? AreaSizes.Standard(subject, xcr0) : AreaSizes.IsStandardOfSome(subject, sizes.Ebx)
            ? sizes.Ebx : all;
        draft[CpuidTable.XsaveLeaf, 0] = sizes with { Ebx = enabled, Ecx = all };
        bool keepsCompacted = live is null && compacts && told >= XsaveFormat.ExtendedOffset
            && AreaSizes.IsCompactedOfSome(subject, enabled, told, draft.Has(CpuidFeatures.Xsaves));
        ulong compacted = live ?? (enabled == all ? draft.User : LargestOf(subject, enabled));
        compacted |= draft.Has(CpuidFeatures.Xsaves) ? (context.Xss?.Bits ?? 0) & draft.Supervisor : 0;
        uint size = !compacts ? 0 : keepsCompacted ? told : AreaSizes.Compacted(subject, compacted);
        draft[CpuidTable.XsaveLeaf, 1] = draft[CpuidTable.XsaveLeaf, 1] with
        {
            Eax = draft[CpuidTable.XsaveLeaf, 1].Eax & 0x1F,
            Ebx = size
        };
    }

    // The components that lie within a standard size, without halves of groups.
    private static ulong LargestOf(in LintSubject subject, uint standard)
    {
        ulong set = Legacy;
        for (ulong rest = subject.User & ~Legacy; rest != 0; rest &= rest - 1)
        {
            int i = BitOperations.TrailingZeroCount(rest);
            if (AreaSizes.Closure(i, subject.User) is { } closure && AreaSizes.Standard(subject, closure) <= standard)
            {
                set |= closure;
            }
        }

        return set;
    }

    private static void MendMirrors(CpuidDraft draft)
    {
        if (!draft.Has(CpuidFeatures.Xsave))
        {
            draft.Clear(CpuidFeatures.Osxsave);
        }

        if (!draft.Has(CpuidFeatures.Pku))
        {
            draft.Clear(CpuidFeatures.Ospke);
        }

        uint last = draft.IsFilled(7, 2) ? 2u : draft.IsFilled(7, 1) ? 1u : 0u;
        if (draft.IsFilled(7) && draft[7, 0].Eax < last)
        {
            draft[7, 0] = draft[7, 0] with { Eax = last };
        }

        if (ProcessorModel.From(draft.ToTable()).IsAmdLike && draft.IsFilled(0x8000_0001))
        {
            CpuidRegisters extended = draft[0x8000_0001, 0];
            uint mirrored = VendorRules.MirroredBits;
            draft[0x8000_0001, 0] = extended with { Edx = (extended.Edx & ~mirrored) | (draft[1, 0].Edx & mirrored) };
        }
    }
}
