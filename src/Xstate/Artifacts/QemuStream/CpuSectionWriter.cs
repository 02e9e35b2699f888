using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>The bytes of a virtual CPU's section with changed registers in it.</summary>
internal static class CpuSectionWriter
{
    /// <summary>
    /// The section for a changed state, and the subsections that it got for it, which are behind the others; for an unchanged one the same
    /// bytes.
    /// </summary>
    /// <param name="section">The section as read.</param>
    /// <param name="before">The state that it was read as.</param>
    /// <param name="after">The changed state.</param>
    /// <exception cref="NotSupportedException">The section has no place for the change.</exception>
    public static (byte[] Bytes, ImmutableArray<VmSubsection> Added) Write(CpuSection section, CapturedState before, CapturedState after)
    {
        // What was lost is recognised by the zeros in its place; with one of them changed the others would read as values.
        bool sameLayout = after.Layout is null || after.Layout.Value.Equals(before.Layout!.Value);
        bool known = sameLayout
            ? !after.Lost.SequenceEqual(before.Lost) || before.Lost.Any(range => range.End <= after.Area.Length
                && after.Area.Span.Slice(range.Offset, range.Length).ContainsAnyExcept((byte)0))
            : after.LostComponents != before.LostComponents;
        if (known)
        {
            throw new NotSupportedException(
                $"virtual CPU {section.Id}: a register of which bytes were lost when the guest was saved cannot be given a value in this "
                + "stream");
        }

        XsaveLayout layout = after.Layout?.Value ?? before.Layout!.Value;
        byte[] area = AreaOf(after, layout);
        ImmutableArray<VmSubsection> added = SubsectionTemplate.MissingFrom(section, area, layout, Comes(before.Xss, after.Xss),
            Comes(before.Xfd, after.Xfd));
        section = section.With(added);
        XsaveArea view = new(area);
        X87Order order = (after.Stored ?? before.Stored)!.X87Order.Value;
        ImmutableArray<RegisterMove> moves = RegisterMoves.Of(section.Fields, layout, order, CpuSection.TopOf(view.Fsw));
        byte[] bytes = section.Bytes.ToArray();
        RegisterMoves.Store(moves, area, bytes);
        Verify(section, layout, area, moves, bytes);
        WriteUInt64(bytes, section.XstateBv, XstateBv(before, after, view));
        WriteUInt64(bytes, section.Xcr0, after.Xcr0?.Value ?? section.Xcr0Value);
        WriteSet(bytes, section, CpuMsrs.Xss, "env.xss", before.Xss, after.Xss);
        WriteSet(bytes, section, CpuMsrs.Xfd, "env.msr_xfd", before.Xfd, after.Xfd);
        if (!before.Msrs.SequenceEqual(after.Msrs))
        {
            throw new NotSupportedException("model-specific registers are not written back into a stream");
        }

        return (bytes, added);
    }

    private static bool Comes(Fact<StateComponentSet>? before, Fact<StateComponentSet>? after) => after is { Value.IsEmpty: false }
        && before?.Value != after.Value;

    private static byte[] AreaOf(CapturedState state, XsaveLayout layout)
    {
        byte[] area = new byte[Math.Max(layout.StandardLength, state.Area.Length)];
        state.Area.Span.CopyTo(area);
        return !new XsaveArea(area).IsCompacted
            ? area : throw new NotSupportedException("a stream stores registers by name; the area has to be in standard format");
    }

    // A repair says what the stream shall have. Otherwise a stream of KVM's follows the area's bits, because KVM takes only what they name,
    // and one of TCG's keeps its zero.
    private static StateComponentSet XstateBv(CapturedState before, CapturedState after, XsaveArea area)
    {
        StateComponentSet stored = before.Stored!.XstateBv.Value;
        if (after.Stored is { } repaired && repaired.XstateBv.Value != stored)
        {
            return repaired.XstateBv.Value;
        }

        StateComponentSet shown = new XsaveArea(before.Area.Span).XstateBv;
        return before.Stored.Writer.Value == Accelerator.Kvm && shown != area.XstateBv ? area.XstateBv : stored;
    }

    // What was stored must read back as the registers that were to be stored; what has no place in the stream shows here.
    private static void Verify(CpuSection section, XsaveLayout layout, byte[] area, ImmutableArray<RegisterMove> moves, byte[] bytes)
    {
        StateComponentSet wanted = new XsaveArea(area).XstateBv;
        StateComponentSet shown = (wanted & layout.UserComponents) | StateComponentSet.Legacy;
        byte[] back = new byte[area.Length];
        RegisterMoves.Load(moves, bytes, back);
        new XsaveAreaWriter(back).WriteXstateBv(wanted);
        ImmutableArray<RegisterValue> expected = RegisterDump.Read(area, layout, shown);
        ImmutableArray<RegisterValue> stored = RegisterDump.Read(back, layout, shown);
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] != stored[i])
            {
                string subsection = expected[i].Component == StateComponent.X87
                    ? RegisterMoves.X87Pointers : RegisterMoves.SubsectionOf(expected[i].Component) ?? "field";
                throw new NotSupportedException(
                    $"virtual CPU {section.Id} has no place for {expected[i].Name} {expected[i].Text}: its section has no {subsection}, "
                    + "which QEMU sends only when it is not zero");
            }
        }
    }

    private static void WriteSet(byte[] bytes, CpuSection section, string subsection, string field, Fact<StateComponentSet>? before,
        Fact<StateComponentSet>? after)
    {
        if (after is null || after.Value == before?.Value)
        {
            return;
        }

        if (!section.Fields.HasSubsection(subsection))
        {
            throw new NotSupportedException(
                $"virtual CPU {section.Id} has no place for {field} {after.Value}: its section has no {subsection}, which QEMU sends "
                + "only when it is not zero");
        }

        WriteUInt64(bytes, section.Fields.Get(subsection, field, sizeof(ulong)), after.Value);
    }

    private static void WriteUInt64(byte[] bytes, FieldPlace place, StateComponentSet value) =>
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(place.Offset), value.Bits);
}
