using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts;

/// <summary>What is missing or doubtful in CPUID dumps and CPU models, as findings. Nothing of it is ever filled in.</summary>
internal static class CpuFindings
{
    /// <summary>Findings of one artifact; a hostile dump could ask for a remark in every line.</summary>
    internal const int MaxFindings = 1_000;

    private static readonly Dictionary<CpuidDefect, Rule> RuleOf = new()
    {
        [CpuidDefect.SubleafZero] = Rules.SubleafZero,
        [CpuidDefect.SubleafAbsent] = Rules.SubleafAbsent,
        [CpuidDefect.NoXsaveLeaf] = Rules.XsaveLeafSilent,
        [CpuidDefect.SubleafImpossible] = Rules.SubleafImpossible,
        [CpuidDefect.BeyondStatedSize] = Rules.SubleafImpossible,
        [CpuidDefect.NoXsaveFeatures] = Rules.XsaveFeaturesAbsent,
        [CpuidDefect.PlacedByInference] = Rules.SubleafInferred,
        [CpuidDefect.LeftOut] = Rules.AnswerWithoutPlace,
        [CpuidDefect.BeyondLastLeaf] = Rules.AnswerBeyondLastLeaf,
        [CpuidDefect.ProcessorsDiffer] = Rules.ProcessorsDiffer,
        [CpuidDefect.NoVendor] = Rules.VendorUnknown,
        [CpuidDefect.TooMany] = Rules.VendorUnknown,
    };

    /// <summary>One finding for each thing to know, however many processors it concerns.</summary>
    public static ImmutableArray<Finding> Of(CpuidDump dump)
    {
        ArgumentNullException.ThrowIfNull(dump);
        Dictionary<(CpuidDefect, uint, uint?, string), (CpuidRemark First, int Count)> things = [];
        foreach (CpuidRemark remark in dump.Remarks)
        {
            (CpuidDefect, uint, uint?, string) thing = (remark.Defect, remark.Leaf, remark.Subleaf, remark.Message);
            if (things.TryGetValue(thing, out (CpuidRemark First, int Count) seen))
            {
                things[thing] = seen with { Count = seen.Count + 1 };
            }
            else if (things.Count < MaxFindings)
            {
                things.Add(thing, (remark, 1));
            }
        }

        return [.. OfSkipped(dump.Skipped),
            .. things.Values.Select(thing => OfRule(RuleOf[thing.First.Defect], Sentence(dump, thing.First, thing.Count),
                new FindingLocation(Leaf: LeafOf(thing.First))))];
    }

    /// <summary>What the CPUID of a record lacks, and that a fingerprint's is a guest's.</summary>
    internal static ImmutableArray<Finding> Of(HostRecord host, string format)
    {
        CpuidDump dump = CpuidDump.Create(format, [new CpuidProcessor(host.Name, host.Cpuid)], []);
        return [OfRule(Rules.CpuidOfGuest,
            $"{Quotation.Cut(host.Provenance.Detail, Quotation.MaxProse)}: the processor may have more than this kernel's KVM offers",
            new FindingLocation()), .. Of(dump)];
    }

    /// <summary>What names of features leave open.</summary>
    public static ImmutableArray<Finding> Of(CpuModelList list)
    {
        ArgumentNullException.ThrowIfNull(list);
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        foreach (CpuModel model in list.Models.TakeWhile(_ => findings.Count < MaxFindings))
        {
            if (model.Error is { } error)
            {
                findings.Add(OfRule(Rules.ModelUnknown, $"{Quotation.Cut(model.Name)}: {Quotation.Cut(error, Quotation.MaxProse)}",
                    new FindingLocation()));
            }

            if (model.Base is { } named)
            {
                string open = model.LacksXsave
                    ? "it rules XSAVE out, so no component is left open" : $"undecided are {model.Undecided.Describe()}";
                findings.Add(OfRule(Rules.ModelBaseUnknown,
                    $"{Quotation.Cut(model.Name)} is {Quotation.Cut(named)} with differences, and {Quotation.Cut(named)} is not "
                    + $"described here: {open}", new FindingLocation()));
            }

            if (!model.Unusable.IsEmpty)
            {
                findings.Add(OfRule(Rules.ModelComponentUnusable,
                    $"{Quotation.Cut(model.Name)} names {model.Unusable.Describe()} without what it builds upon", new FindingLocation()));
            }
        }

        findings.AddRange(OfSkipped(list.Skipped));
        if (list.Models.Any(model => model.ListsFeatures))
        {
            findings.Add(OfRule(Rules.ModelWithoutLayout,
                "features are named, CPUID leaf 0xd is not told: sizes and offsets of the components are not known",
                new FindingLocation()));
        }

        return findings.ToImmutable();
    }

    /// <summary>That lines around an artifact were passed over.</summary>
    internal static IEnumerable<Finding> OfSkipped(SkippedText? skipped) => skipped is null
        ? []
        : [OfRule(Rules.TextPassedOver, string.Create(CultureInfo.InvariantCulture,
            $"{skipped.Lines} line{(skipped.Lines == 1 ? " is" : "s are")} no part of it and passed over, the first at offset "
            + $"{skipped.Offset}: {skipped.First}"), new FindingLocation())];

    private static string Sentence(CpuidDump dump, CpuidRemark remark, int count) => dump.Processors.Length switch
    {
        1 => remark.Message,
        var all when all == count => string.Create(CultureInfo.InvariantCulture, $"{remark.Message} (all {all} processors)"),
        _ when count > 1 => string.Create(CultureInfo.InvariantCulture,
            $"{remark.Message} (processor {remark.Processor} and {count - 1} more)"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{remark.Message} (processor {remark.Processor})"),
    };

    private static string LeafOf(CpuidRemark remark) => remark.Subleaf is { } subleaf
        ? CpuidLeaves.PlaceOf(remark.Leaf, subleaf) : $"0x{remark.Leaf:x}";

    private static Finding OfRule(Rule rule, string message, FindingLocation where) => rule.At(where, message);
}
