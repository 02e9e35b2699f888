using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.QemuStream;

/// <summary>A stream as read: who wrote it, and its virtual CPUs as states.</summary>
internal sealed class QemuStreamContent
{
    // Where the registers are put: QEMU's own structures use these offsets, but nothing in the stream depends on them.
    private static readonly LayoutFamily Offsets = LayoutFamily.All.First(family =>
        family.Layout.UserComponents.Contains(StateComponent.BndRegs));
    private static readonly LayoutFamily OffsetsWithApx = LayoutFamily.All.First(family =>
        family.Layout.UserComponents.Contains(StateComponent.Apx));

    public QemuStreamContent(VmDescription description, string? machine, WriterEvidence writer, ImmutableArray<CpuSection> cpus)
    {
        Description = description;
        Machine = machine;
        Writer = writer;
        Sections = cpus;
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>(cpus.Length);
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        HashSet<int> ids = [];
        foreach (CpuSection cpu in cpus)
        {
            if (!ids.Add(cpu.Id))
            {
                throw new MalformedArtifactException(QemuStreamReader.Format, cpu.Offset, $"a second virtual CPU {cpu.Id}",
                    "an instance of its own for each");
            }

            CapturedState state = StateOf(cpu, writer);
            states.Add(state);
            findings.AddRange(StreamFindings.Of(cpu, state));
        }

        States = states.MoveToImmutable();
        Findings = findings.ToImmutable();
    }

    /// <summary>The description that led to them.</summary>
    public VmDescription Description { get; }

    /// <summary>The machine type, if the stream names one.</summary>
    public string? Machine { get; }

    /// <summary>Which accelerator wrote it.</summary>
    public WriterEvidence Writer { get; }

    /// <summary>The sections that the virtual CPUs were read from.</summary>
    public ImmutableArray<CpuSection> Sections { get; }

    /// <summary>The virtual CPUs, in the order of the sections.</summary>
    public ImmutableArray<CapturedState> States { get; }

    /// <summary>What is remarkable about them.</summary>
    public ImmutableArray<Finding> Findings { get; }

    /// <summary>As a capture of the format that contains the stream.</summary>
    public Capture ToCapture(string format, string prefix) => new()
    {
        Format = format,
        Kind = CaptureKind.VirtualMachine,
        States = States,
        Note = $"{prefix}{(Machine is null ? "machine type not named" : $"machine {Machine}")}, written under "
            + $"{(Writer.Accelerator == Accelerator.Kvm ? "KVM" : "TCG")} ({Writer.Detail})",
    };

    private static CapturedState StateOf(CpuSection cpu, WriterEvidence writer)
    {
        StateComponentSet known = cpu.Xcr0Value | cpu.XstateBvValue | RegisterMoves.Components(cpu.Fields);
        LayoutFamily family = known.Contains(StateComponent.Apx) ? OffsetsWithApx : Offsets;
        XsaveLayout layout = family.Layout.Restrict(known);
        Fact<X87Order> order = writer.OrderOf(cpu);
        byte[] area = cpu.ToArea(layout, order.Value);

        // KVM's bits are the processor's and clear ones mean the initial state, whatever an old kernel left in the bytes. Where TCG ran the
        // guest only the registers can tell.
        bool trustsBits = writer.Accelerator == Accelerator.Kvm && order.Value == X87Order.StackTop;
        StateComponentSet used = trustsBits ? cpu.XstateBvValue : cpu.XstateBvValue | CpuSection.InUse(area, layout);
        new XsaveAreaWriter(area).WriteXstateBv(used);
        return new CapturedState
        {
            Id = cpu.Id,
            Area = area,
            Layout = new Fact<XsaveLayout>(layout, FactSource.Inferred,
                "the stream stores registers by name; they are put at Intel's offsets here"),
            Xcr0 = new Fact<StateComponentSet>(cpu.Xcr0Value, FactSource.Artifact, "env.xcr0"),
            Xss = SetOf(cpu, CpuMsrs.Xss, "env.xss"),
            Xfd = SetOf(cpu, CpuMsrs.Xfd, "env.msr_xfd"),
            Msrs = CpuMsrs.Read(cpu.Fields, cpu.Bytes.Span),
            Lost = StreamFindings.Lost(cpu, area, layout),
            Stored = new StoredRegisters(new Fact<StateComponentSet>(cpu.XstateBvValue, FactSource.Artifact, "env.xstate_bv"), order,
                writer.ToFact())
            { NeedsKvm = writer.HasClock },
        };
    }

    // Subsections that are sent only when a value is not zero: their absence says zero.
    private static Fact<StateComponentSet> SetOf(CpuSection cpu, string subsection, string field) =>
        cpu.Fields.HasSubsection(subsection)
            ? new Fact<StateComponentSet>(new StateComponentSet(cpu.ReadUInt64(cpu.Fields.Get(subsection, field, sizeof(ulong)))),
                FactSource.Artifact, field)
            : new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Inferred,
                $"there is no {subsection}, which QEMU sends only when it is not zero");
}
