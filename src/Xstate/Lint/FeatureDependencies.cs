using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>Takes away every feature that lacks what it builds upon. The lists are those of the rules that find it.</summary>
internal static class FeatureDependencies
{
    /// <summary>One pass over the dependencies.</summary>
    public static void Apply(CpuidDraft draft, LintContext context)
    {
        foreach ((ImmutableArray<CpuidFeature> features, CpuidFeature needs) in FeatureRules.Dependencies)
        {
            if (!draft.Has(needs))
            {
                draft.Clear(features.AsSpan());
            }
        }

        MendAvx10(draft);
        MendAmx(draft);
        MendLeaves(draft);
        MendVendor(draft, context);
    }

    private static void MendAvx10(CpuidDraft draft)
    {
        bool version = (draft[0x24, 0].Ebx & 0xFF) != 0 && (draft[0x24, 0].Ebx >> 16 & 7) != 0;
        if (draft.Has(CpuidFeatures.Avx10) && (!version || (draft.User & 0xE0) != 0xE0))
        {
            draft.Clear(CpuidFeatures.Avx10);
        }
    }

    private static void MendAmx(CpuidDraft draft)
    {
        CpuidRegisters palette = draft[0x1D, 1];
        uint total = palette.Eax & 0xFFFF;
        uint perTile = palette.Eax >> 16;
        uint perRow = palette.Ebx & 0xFFFF;
        uint rows = palette.Ecx & 0xFFFF;
        bool fits = draft[0x1D, 0].Eax != 0 && total != 0 && perRow * rows == perTile && perTile * (palette.Ebx >> 16) == total
            && total == StateComponents.Get(StateComponent.TileData).Size && draft.IsFilled(0x1E);
        if (draft.Has(CpuidFeatures.AmxTile) && (!fits || !draft.Has(CpuidFeatures.Xfd)))
        {
            draft.Clear(CpuidFeatures.AmxTile);
        }

        if (!draft.Has(CpuidFeatures.AmxTile))
        {
            draft.Clear(CpuidFeatures.AmxBf16, CpuidFeatures.AmxInt8, CpuidFeatures.AmxFp16, CpuidFeatures.AmxComplex, CpuidFeatures.Xfd);
            draft.Empty(0x1E, 1);
            return;
        }

        draft[0x1E, 0] = draft[0x1E, 0] with { Ebx = (draft[0x1E, 0].Ebx & ~0xFF_FFFFu) | rows | perRow << 8 };
        if (draft.IsFilled(0x1E, 1))
        {
            foreach ((CpuidFeature there, CpuidFeature here) in AmxRules.Mirrors)
            {
                draft.Set(there, draft.Has(here));
            }

            draft.Set(CpuidFeatures.AmxAvx512, draft.Has(CpuidFeatures.AmxAvx512) && draft.Has(CpuidFeatures.Avx512f));
            draft.Set(CpuidFeatures.AmxMovrs, draft.Has(CpuidFeatures.AmxMovrs) && draft.Has(CpuidFeatures.Movrs));
            if (draft.IsFilled(0x1E, 1) && draft[0x1E, 0].Eax == 0)
            {
                draft[0x1E, 0] = draft[0x1E, 0] with { Eax = 1 };
            }
        }
    }

    // A leaf that is there is counted; one that is not takes its feature along.
    private static void MendLeaves(CpuidDraft draft)
    {
        foreach ((CpuidFeature feature, uint leaf) in FeatureRules.NeedLeaf)
        {
            if (!draft.Has(feature) || draft.MaxBasic >= leaf)
            {
                continue;
            }

            if (draft.IsFilled(leaf))
            {
                draft[0, 0] = draft[0, 0] with { Eax = leaf };
            }
            else
            {
                draft.Clear(feature);
            }
        }

        if (draft.Has(CpuidFeatures.ArchLbr) && (draft[0x1C, 0].Eax & 0xFF) == 0)
        {
            draft.Clear(CpuidFeatures.ArchLbr);
        }

        if (draft.Has(CpuidFeatures.ApxF) && draft.MaxBasic >= 0x29 && !draft.Has(CpuidFeatures.ApxNciNddNf))
        {
            draft.Clear(CpuidFeatures.ApxF);
        }
    }

    private static void MendVendor(CpuidDraft draft, LintContext context)
    {
        ProcessorModel processor = ProcessorModel.From(draft.ToTable());
        if (processor.IsAmdLike)
        {
            draft.Clear(VendorRules.NeverAmd.AsSpan());
        }
        else if (processor.Vendor == ProcessorVendor.Intel)
        {
            draft.Clear(VendorRules.NeverIntel.AsSpan());
        }

        if (context.Host is { } host)
        {
            draft.Set(CpuidFeatures.Xsaveerptr, draft.Has(CpuidFeatures.Xsaveerptr) && host.Has(CpuidFeatures.Xsaveerptr));
            foreach (CpuidFeature feature in (ReadOnlySpan<CpuidFeature>)[CpuidFeatures.ZeroFcsFds, CpuidFeatures.FdpExcptnOnly])
            {
                if (draft.IsFilled(7) && host.TryRead(7, 0, out _))
                {
                    draft.Set(feature, host.Has(feature));
                }
            }
        }
    }
}
