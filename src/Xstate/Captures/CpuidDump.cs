using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>CPUID of one logical processor in a dump.</summary>
/// <param name="Label">What the dump calls it, such as <c>CPU 0</c>.</param>
/// <param name="Cpuid">Its answers.</param>
public sealed record CpuidProcessor(string Label, CpuidTable Cpuid)
{
    /// <summary>
    /// Answers whose sub-leaf the dump does not tell. They are not in <see cref="Cpuid"/>; their sub-leaf field is their position among the answers of that leaf.
    /// </summary>
    public ImmutableArray<CpuidEntry> Unplaced { get; init; } = [];

    /// <summary>Whether every component that leaf 0xD announces has a usable sub-leaf, so that a layout can be trusted.</summary>
    public bool HasCompleteXsaveLeaf =>
        !Cpuid.UserComponents.IsEmpty && XsaveLayout.FromCpuid(Cpuid).MissingComponents.IsEmpty;
}

/// <summary>Something that a reader of a dump has to know: an answer that is missing, contradicts another, or was placed by inference.</summary>
/// <param name="Processor">Index of the logical processor in the dump.</param>
/// <param name="Leaf">The leaf.</param>
/// <param name="Subleaf">The sub-leaf, if one is concerned.</param>
/// <param name="Message">A sentence.</param>
public sealed record CpuidRemark(int Processor, uint Leaf, uint? Subleaf, string Message);

/// <summary>CPUID answers of one or more logical processors, whatever file they came from.</summary>
public sealed record CpuidDump
{
    /// <summary>How many remarks a dump keeps. A hostile one of a few hundred kilobytes could ask for hundreds of megabytes of them.</summary>
    public const int MaxRemarks = 65_536;

    private CpuidDump(string format, ImmutableArray<CpuidProcessor> processors, ImmutableArray<CpuidRemark> remarks)
    {
        Format = format;
        Processors = processors;
        Remarks = remarks;
    }

    /// <summary>The artifact format, such as <c>instlatx64</c>.</summary>
    public string Format { get; }

    /// <summary>The logical processors in the order of the dump; at least one.</summary>
    public ImmutableArray<CpuidProcessor> Processors { get; }

    /// <summary>What is missing or doubtful.</summary>
    public ImmutableArray<CpuidRemark> Remarks { get; }

    /// <summary>CPUID of the first logical processor, which stands for the machine wherever one table is asked for.</summary>
    public CpuidTable Cpuid => Processors[0].Cpuid;

    /// <summary>A dump with the remarks that every format shares added: what leaf 0xD announces and does not describe.</summary>
    /// <param name="format">The artifact format.</param>
    /// <param name="processors">At least one logical processor.</param>
    /// <param name="remarks">What the format's reader noticed.</param>
    /// <exception cref="ArgumentException">There is no processor.</exception>
    public static CpuidDump Create(string format, ImmutableArray<CpuidProcessor> processors, IEnumerable<CpuidRemark> remarks)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(remarks);
        if (processors.IsDefaultOrEmpty)
        {
            throw new ArgumentException("a dump has at least one logical processor", nameof(processors));
        }

        ImmutableArray<CpuidRemark>.Builder all = ImmutableArray.CreateBuilder<CpuidRemark>();
        all.AddRange(remarks);
        for (int i = 0; i < processors.Length; i++)
        {
            if (all.Count >= MaxRemarks)
            {
                all.Add(new CpuidRemark(i, CpuidTable.XsaveLeaf, null, "too many remarks: nothing is remarked on this and the later processors"));
                break;
            }

            AddXsaveRemarks(all, i, processors[i].Cpuid);
        }

        return new CpuidDump(format, processors, all.ToImmutable());
    }

    /// <summary>The first logical processor as a host about whose kernel nothing is known.</summary>
    public HostRecord ToHostRecord(string name, Provenance provenance) => new() { Name = name, Cpuid = Cpuid, Provenance = provenance };

    private static void AddXsaveRemarks(ImmutableArray<CpuidRemark>.Builder remarks, int processor, CpuidTable cpuid)
    {
        if (!cpuid.TryRead(0, 0, out _))
        {
            remarks.Add(new CpuidRemark(processor, 0, null, "leaf 0 is not recorded: the vendor is unknown"));
        }

        const uint XsaveBit = 1u << 26;
        if (cpuid.UserComponents.IsEmpty && (cpuid.Read(1).Ecx & XsaveBit) != 0)
        {
            string what = cpuid.TryRead(CpuidTable.XsaveLeaf, 0, out _) ? "all zero" : "not recorded";
            remarks.Add(new CpuidRemark(processor, CpuidTable.XsaveLeaf, 0, $"leaf 0xd.0 is {what} although leaf 1 announces XSAVE"));
        }

        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        foreach (StateComponent component in layout.MissingComponents)
        {
            uint subleaf = (uint)component;
            string what = cpuid.TryRead(CpuidTable.XsaveLeaf, subleaf, out CpuidRegisters leaf)
                ? leaf.IsZero ? "all zero" : string.Create(CultureInfo.InvariantCulture, $"no place for a component ({leaf.Eax} bytes at {leaf.Ebx})")
                : "not recorded";
            remarks.Add(new CpuidRemark(
                processor, CpuidTable.XsaveLeaf, subleaf, $"leaf 0xd.{subleaf:x} ({StateComponents.NameOf(component)}) is {what} although leaf 0xd announces it"));
        }

        uint announced = cpuid.Read(CpuidTable.XsaveLeaf, 0).Ecx;
        foreach (XsaveSlot slot in layout.Slots)
        {
            if (!slot.IsSupervisor && slot.End > announced)
            {
                remarks.Add(new CpuidRemark(
                    processor,
                    CpuidTable.XsaveLeaf,
                    (uint)slot.Component,
                    $"{StateComponents.NameOf(slot.Component)} ends at byte {slot.End}, beyond the {announced} bytes of leaf 0xd.0 ecx"));
            }
        }
    }
}
