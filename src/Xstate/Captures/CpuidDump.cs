using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>CPUID of one logical processor in a dump.</summary>
/// <param name="Label">What the dump calls it, such as <c>CPU 0</c>.</param>
/// <param name="Cpuid">Its answers.</param>
internal sealed record CpuidProcessor(string Label, CpuidTable Cpuid)
{
    /// <summary>
    /// Answers whose sub-leaf the dump does not tell. They are not in <see cref="Cpuid"/>; their sub-leaf field is their position among the
    /// answers of that leaf.
    /// </summary>
    public ImmutableArray<CpuidEntry> Unplaced { get; init; } = [];

    /// <summary>Whether every component that leaf 0xD announces has a usable sub-leaf, so that a layout can be trusted.</summary>
    public bool HasCompleteXsaveLeaf =>
        !Cpuid.UserComponents.IsEmpty && XsaveLayout.FromCpuid(Cpuid).MissingComponents.IsEmpty;
}

/// <summary>What a remark about a dump is about.</summary>
internal enum CpuidDefect
{
    /// <summary>Leaf 0 is not recorded: the vendor is unknown.</summary>
    NoVendor,

    /// <summary>Leaf 1 announces XSAVE, and leaf 0xD.0 is all zero or not recorded.</summary>
    NoXsaveLeaf,

    /// <summary>Leaf 0xD.1 is not recorded: XSAVEOPT, XSAVEC, XSAVES, XFD and the supervisor components are unknown.</summary>
    NoXsaveFeatures,

    /// <summary>A component is announced and its sub-leaf is not recorded.</summary>
    SubleafAbsent,

    /// <summary>A component is announced and its sub-leaf is all zero.</summary>
    SubleafZero,

    /// <summary>A component is announced and its sub-leaf names no place that can be.</summary>
    SubleafImpossible,

    /// <summary>A component reaches beyond the size that leaf 0xD.0 states.</summary>
    BeyondStatedSize,

    /// <summary>The dump does not tell the sub-leaf of an answer, which was placed by its order or its looks.</summary>
    PlacedByInference,

    /// <summary>An answer is left out because its place is not known or taken.</summary>
    LeftOut,

    /// <summary>An answer for a leaf beyond the last that the processor has: it repeats another leaf, or nothing.</summary>
    BeyondLastLeaf,

    /// <summary>Logical processors of one machine answer leaf 0xD differently.</summary>
    ProcessorsDiffer,

    /// <summary>There are more remarks than are kept.</summary>
    TooMany,
}

/// <summary>
/// Something that a reader of a dump has to know: an answer that is missing, contradicts another, or was placed by inference.
/// </summary>
/// <param name="Defect">What it is about.</param>
/// <param name="Processor">Index of the logical processor in the dump.</param>
/// <param name="Leaf">The leaf.</param>
/// <param name="Subleaf">The sub-leaf, if one is concerned.</param>
/// <param name="Message">A sentence.</param>
internal sealed record CpuidRemark(CpuidDefect Defect, int Processor, uint Leaf, uint? Subleaf, string Message);

/// <summary>CPUID answers of one or more logical processors, whatever file they came from.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record CpuidDump
{
    /// <summary>
    /// How many remarks a dump keeps. A hostile one of a few hundred kilobytes could ask for hundreds of megabytes of them.
    /// </summary>
    internal const int MaxRemarks = 65_536;

    private CpuidDump(string format, ImmutableArray<CpuidProcessor> processors, ImmutableArray<CpuidRemark> remarks)
    {
        Format = format;
        Processors = processors;
        Remarks = remarks;
    }

    /// <summary>The artifact format, such as <c>instlatx64</c>.</summary>
    public string Format { get; }

    /// <summary>The logical processors in the order of the dump; at least one.</summary>
    internal ImmutableArray<CpuidProcessor> Processors { get; }

    /// <summary>What is missing or doubtful.</summary>
    internal ImmutableArray<CpuidRemark> Remarks { get; }

    /// <summary>
    /// Whether the tables are the logical processors of one machine. Else each is a view of its own, such as a guest's beside its host's,
    /// or a policy of Xen.
    /// </summary>
    public bool AreProcessors { get; private init; } = true;

    /// <summary>What the text that the dump was found in has besides it; null for nothing.</summary>
    internal SkippedText? Skipped { get; init; }

    /// <summary>CPUID of the first logical processor, which stands for the machine wherever one table is asked for.</summary>
    public CpuidTable Cpuid => Processors[0].Cpuid;

    /// <summary>A dump with the remarks that every format shares added: what leaf 0xD announces and does not describe.</summary>
    /// <param name="format">The artifact format.</param>
    /// <param name="processors">At least one logical processor.</param>
    /// <param name="remarks">What the format's reader noticed.</param>
    /// <param name="areProcessors">
    /// Whether the tables are the logical processors of one machine, so that a difference is worth a remark; a guest's beside its host's
    /// are not.
    /// </param>
    /// <exception cref="ArgumentException">There is no processor.</exception>
    internal static CpuidDump Create(string format, ImmutableArray<CpuidProcessor> processors, IEnumerable<CpuidRemark> remarks,
        bool areProcessors = true)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(remarks);
        if (processors.IsDefaultOrEmpty)
        {
            throw new ArgumentException("a dump has at least one logical processor", nameof(processors));
        }

        ImmutableArray<CpuidRemark>.Builder all = ImmutableArray.CreateBuilder<CpuidRemark>();
        all.AddRange(remarks);
        if (areProcessors)
        {
            AddDifferences(all, processors);
        }

        for (int i = 0; i < processors.Length; i++)
        {
            if (all.Count >= MaxRemarks)
            {
                all.Add(new CpuidRemark(CpuidDefect.TooMany, i, CpuidTable.XsaveLeaf, null,
                    "too many remarks: nothing is remarked on this and the later processors"));
                break;
            }

            AddXsaveRemarks(all, i, processors[i].Cpuid);
        }

        return new CpuidDump(format, processors, all.ToImmutable()) { AreProcessors = areProcessors };
    }

    /// <summary>The first logical processor as a host about whose kernel nothing is known.</summary>
    public HostRecord ToHostRecord(string name, Provenance provenance) => new() { Name = name, Cpuid = Cpuid, Provenance = provenance };

    // EBX of 0xD.0 and 0xD.1 is the size for what XCR0 and IA32_XSS hold at the moment, which differs without meaning anything.
    private static void AddDifferences(ImmutableArray<CpuidRemark>.Builder remarks, ImmutableArray<CpuidProcessor> processors)
    {
        CpuidTable first = processors[0].Cpuid;
        XsaveLayout layout = XsaveLayout.FromCpuid(first);
        for (int i = 1; i < processors.Length && remarks.Count < MaxRemarks; i++)
        {
            CpuidTable other = processors[i].Cpuid;
            if (first.UserComponents != other.UserComponents || first.SupervisorComponents != other.SupervisorComponents
                || !layout.Equals(XsaveLayout.FromCpuid(other)))
            {
                remarks.Add(new CpuidRemark(
                    CpuidDefect.ProcessorsDiffer, i, CpuidTable.XsaveLeaf, null,
                    $"leaf 0xd is not the one of processor 0: components {other.UserComponents} and {other.SupervisorComponents}"));
            }
        }
    }

    private static void AddXsaveRemarks(ImmutableArray<CpuidRemark>.Builder remarks, int processor, CpuidTable cpuid)
    {
        if (!cpuid.TryRead(0, 0, out _))
        {
            remarks.Add(new CpuidRemark(CpuidDefect.NoVendor, processor, 0, null, "leaf 0 is not recorded: the vendor is unknown"));
        }

        if (cpuid.UserComponents.IsEmpty && cpuid.Has(CpuidFeatures.Xsave))
        {
            string what = cpuid.TryRead(CpuidTable.XsaveLeaf, 0, out _) ? "all zero" : "not recorded";
            remarks.Add(new CpuidRemark(CpuidDefect.NoXsaveLeaf, processor, CpuidTable.XsaveLeaf, 0,
                $"leaf 0xd.0 is {what} although leaf 1 announces XSAVE"));
        }

        if (!cpuid.UserComponents.IsEmpty && !cpuid.TryRead(CpuidTable.XsaveLeaf, 1, out _))
        {
            remarks.Add(new CpuidRemark(
                CpuidDefect.NoXsaveFeatures, processor, CpuidTable.XsaveLeaf, 1,
                "leaf 0xd.1 is not recorded: XSAVEOPT, XSAVEC, XSAVES, XFD and the supervisor components are unknown"));
        }

        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        foreach (StateComponent component in layout.MissingComponents)
        {
            uint subleaf = (uint)component;
            (CpuidDefect defect, string what) = cpuid.TryRead(CpuidTable.XsaveLeaf, subleaf, out CpuidRegisters leaf)
                ? leaf.IsZero
                    ? (CpuidDefect.SubleafZero, "all zero")
                    : (CpuidDefect.SubleafImpossible,
                        string.Create(CultureInfo.InvariantCulture, $"no place for a component ({leaf.Eax} bytes at {leaf.Ebx})"))
                : (CpuidDefect.SubleafAbsent, "not recorded");
            string place = CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, subleaf);
            string name = StateComponents.NameOf(component);
            remarks.Add(new CpuidRemark(
                defect, processor, CpuidTable.XsaveLeaf, subleaf, $"leaf {place} ({name}) is {what} although leaf 0xd announces it"));
        }

        uint announced = cpuid.LargestAreaLength;
        foreach (XsaveSlot slot in layout.Slots)
        {
            if (!slot.IsSupervisor && slot.End > announced)
            {
                remarks.Add(new CpuidRemark(
                    CpuidDefect.BeyondStatedSize,
                    processor,
                    CpuidTable.XsaveLeaf,
                    (uint)slot.Component,
                    $"{StateComponents.NameOf(slot.Component)} ends at byte {slot.End}, beyond the {announced} bytes of leaf 0xd.0 ecx"));
            }
        }
    }
}
