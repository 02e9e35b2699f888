using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Makes a capture of a core's notes, and says what is strange about them.</summary>
internal sealed class CoreDecoder
{
    // In the software bytes the area has the kernel's mask, the FXSAVE image of the same thread zeros.
    private const int CommonLength = XsaveFormat.SoftwareOffset;

    private readonly CoreNotes _notes;
    private readonly ImmutableArray<CoreThread> _threads;
    private readonly CoreLayout _layout;
    private readonly CoreWriter _writer;
    private readonly List<Finding> _findings = [];

    public CoreDecoder(CoreNotes notes)
    {
        _notes = notes;
        _threads = [.. notes.Threads.Where(HasRegisters)];
        _writer = CoreWriter.Of(notes);
        _layout = new CoreLayout(notes,
            [.. _threads.Where(thread => thread.Area is not null).Select(thread => new XsaveNoteFacts(thread.Area!.Bytes))]);
    }

    private ImmutableArray<AreaRange> Lost => _layout.Damage?.Lost ?? _notes.Lost;

    /// <exception cref="MalformedArtifactException">No thread has registers.</exception>
    public Artifact Decode()
    {
        FindMissing();
        if (_threads.IsEmpty)
        {
            throw WithoutRegisters();
        }

        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>(_threads.Length);
        foreach (CoreThread thread in _threads)
        {
            states.Add(thread.Area is null ? OfLegacy(thread) : OfArea(thread, thread.Area));
        }

        Capture capture = new()
        {
            Format = ElfCoreReader.Format,
            Kind = CaptureKind.Process,
            States = states.MoveToImmutable(),
            Note = _notes.Remark(_writer),
            MinSignalStack = _notes.SignalStack is { } stack
                ? new Fact<ulong>(stack, FactSource.Artifact, "AT_MINSIGSTKSZ of NT_AUXV") : null,
        };
        if (_writer.Rule is { } rule)
        {
            _findings.Add(Of(rule, _writer.Message));
        }

        FindGcoreMarks();
        FindMendedDamage();
        _findings.AddRange(_layout.Findings(capture));
        return Artifact.Of(capture, ElfCoreReader.Format, new ElfCoreEncoder(_threads, Lost, _notes.Limits), [.. _findings],
            _layout.Damage?.Repair(capture));
    }

    // What the notes say the file is instead of a process's core.
    private MalformedArtifactException WithoutRegisters()
    {
        string threads = $"{_notes.Threads.Count} thread{(_notes.Threads.Count == 1 ? "" : "s")} without extended state";
        return _notes.Has(NoteOwner.VmCoreInfo)
            ? ElfHeader.Malformed(_notes.Segment.HeaderOffset, $"{threads} and VMCOREINFO: a kernel's crash dump (vmcore)",
                $"extended state, which a kernel dump does not hold; {ForeignFormats.ForGuests}")
            : _notes.Has(NoteOwner.Qemu)
            ? ElfHeader.Malformed(_notes.Segment.HeaderOffset,
                $"{threads} and notes of QEMU: a guest's memory (dump-guest-memory, virsh dump --memory-only)",
                $"extended state, which a memory dump does not hold; {ForeignFormats.ForGuests}")
            : ElfHeader.Malformed(_notes.Segment.HeaderOffset, threads, "a thread with NT_X86_XSTATE, NT_PRXFPREG or NT_FPREGSET");
    }

    private static bool HasRegisters(CoreThread thread) => thread.Area is not null || thread.Fxsave is not null || thread.Fsave is not null;

    private CapturedState OfArea(CoreThread thread, Description note)
    {
        XsaveNoteFacts facts = new(note.Bytes);
        FindStrangeHeader(thread, note, facts);
        FindContradictions(thread, note);
        return new CapturedState
        {
            Id = thread.Id,
            Area = note.Bytes,
            Is32Bit = _notes.Header.IsI386,
            Layout = _layout.Of(facts),
            Lost = Lost,
            Xcr0 = facts.Written.IsEmpty ? null : new Fact<StateComponentSet>(facts.Written, FactSource.Artifact,
                $"byte {XsaveFormat.SoftwareOffset} of NT_X86_XSTATE"),
            Msrs = MsrsOf(thread),
        };
    }

    // Without XSAVE in the kernel or in the debugger there is only what FXSAVE or FSAVE stores.
    private CapturedState OfLegacy(CoreThread thread)
    {
        byte[] area = new byte[XsaveFormat.ExtendedOffset];
        string note;
        if (thread.Fxsave is { } fxsave)
        {
            fxsave.Bytes.CopyTo(area, 0);
            new XsaveAreaWriter(area).WriteXstateBv(StateComponentSet.Legacy);
            note = ReferenceEquals(fxsave, thread.FxRegisters) ? "NT_PRXFPREG" : "NT_FPREGSET";
        }
        else
        {
            FsaveImage.ToArea(thread.Fsave!.Bytes, area);
            new XsaveAreaWriter(area).WriteMxcsr(Mxcsr.Initial).WriteXstateBv(StateComponentSet.Of(StateComponent.X87));
            note = "NT_FPREGSET";
        }

        string has = thread.Fxsave is null ? "x87 alone" : "x87 and SSE";
        if (_writer.Rule is null)
        {
            _findings.Add(Of(Rules.NoXsaveNote,
                $"thread {thread.Id} has no NT_X86_XSTATE; its {note} has {has}, so wider registers are not known", thread.Id));
        }

        return new CapturedState
        {
            Id = thread.Id,
            Area = area,
            Is32Bit = _notes.Header.IsI386,
            Layout = new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Inferred, $"{note} has {has}"),
            Recorded = thread.Fxsave is null ? StateComponentSet.Of(StateComponent.X87) : StateComponentSet.Legacy,
            Lost = thread.Fxsave is null ? [] : _writer.Unfilled,
            Msrs = MsrsOf(thread),
        };
    }

    public static ImmutableSortedDictionary<uint, ulong> MsrsOf(CoreThread thread) => thread.ShadowStack is { } pointer
        ? ImmutableSortedDictionary<uint, ulong>.Empty.Add(MsrNames.UserShadowStackPointer,
            BinaryPrimitives.ReadUInt64LittleEndian(pointer.Bytes))
        : ImmutableSortedDictionary<uint, ulong>.Empty;

    private void FindMissing()
    {
        if (_notes.MissingNotes > 0)
        {
            Finding cut = Of(Rules.TruncatedCore,
                $"the file ends {_notes.MissingNotes} bytes before its notes do: registers behind its end, and threads of which nothing "
                + "is left, are missing");
            _findings.Add(cut with { Mend = "write it again without a limit (ulimit -c unlimited)" });
        }
        else if (_notes.MissingBytes > 0)
        {
            _findings.Add(Of(Rules.TruncatedCore,
                $"the file ends {_notes.MissingBytes} bytes before its memory segments do; the registers are "
                + "whole") with
            { Severity = Severity.Info });
        }

        foreach (CoreThread thread in _notes.Threads.Where(thread => !HasRegisters(thread)))
        {
            _findings.Add(Of(Rules.NoXsaveNote, $"thread {thread.Id} has no extended state in this core", thread.Id));
        }
    }

    private void FindStrangeHeader(CoreThread thread, Description note, XsaveNoteFacts facts)
    {
        XsaveArea area = new(note.Bytes);
        (string What, int Offset, string Found, string Expected)? strange =
            area.XcompBv != 0 ? ("XCOMP_BV", XsaveFormat.XcompBvOffset, $"0x{area.XcompBv:x}", "0x0: notes hold the standard format")
            : area.ReservedHeader.ContainsAnyExcept((byte)0)
            ? ("a reserved byte of the header", XsaveFormat.ReservedHeaderOffset, "not zero", "zeros")
            : !facts.Mask.IsEmpty && !facts.Mask.ContainsAll(facts.XstateBv) ? ("XSTATE_BV", XsaveFormat.XstateBvOffset,
                facts.XstateBv.ToString(), $"no bit outside {facts.Mask}, the mask at byte {XsaveFormat.SoftwareOffset}")
            : null;
        if (strange is { } it)
        {
            _findings.Add(Of(Rules.AreaNotOfKernel, $"thread {thread.Id}: {it.What} is {it.Found}, which no kernel writes", thread.Id,
                note.Offset + it.Offset) with
            { Found = it.Found, Expected = it.Expected });
        }
    }

    private void FindContradictions(CoreThread thread, Description note)
    {
        if (thread.Fxsave is { } fxsave)
        {
            int first = fxsave.Bytes.AsSpan(0, CommonLength).CommonPrefixLength(note.Bytes.AsSpan(0, CommonLength));
            if (first < CommonLength)
            {
                string found = $"0x{fxsave.Bytes[first]:x2}";
                string expected = $"0x{note.Bytes[first]:x2}";
                Finding finding = Of(Rules.NotesDisagree,
                    $"thread {thread.Id}: byte {first} of the FXSAVE note is {found}, of NT_X86_XSTATE {expected}", thread.Id,
                    fxsave.Offset + first);
                _findings.Add(finding with { Found = found, Expected = expected });
            }
        }

        if (thread.Fsave is { } fsave && !FsaveImage.Agrees(fsave.Bytes, note.Bytes))
        {
            _findings.Add(Of(Rules.NotesDisagree, $"thread {thread.Id}: the x87 registers of NT_FPREGSET are not those of NT_X86_XSTATE",
                thread.Id, fsave.Offset));
        }
    }

    // gdb fills its register cache, which knows neither MXCSR_MASK nor which components are initial, and writes the note from that
    // (measured with 13.1 and 16.3).
    private void FindGcoreMarks()
    {
        XsaveNoteFacts[] areas = [.. _threads.Where(thread => thread.Area is not null)
            .Select(thread => new XsaveNoteFacts(thread.Area!.Bytes))];
        if (areas.Length == 0 || !Array.TrueForAll(areas, facts => facts.HasGcoreMarks))
        {
            return;
        }

        Finding marks = Of(Rules.GcoreHeader,
            $"XSTATE_BV is {areas[0].XstateBv} in every thread and MXCSR_MASK is 0: gcore wrote them, not the processor");
        _findings.Add(marks with { Found = areas[0].XstateBv.ToString(), Expected = "the components that each thread had in use" });
    }

    private void FindMendedDamage()
    {
        if (!_notes.Lost.IsEmpty)
        {
            string bytes = string.Join(", ", _notes.Lost.Select(range => $"{range.Offset} to {range.End - 1}"));
            _findings.Add(Of(Rules.LostBeforeRepair,
                $"bytes {bytes} of every area were lost before this core was mended; they are zeros and stand for no value"));
        }
    }

    private static Finding Of(Rule rule, string message, int? thread = null, long? offset = null) =>
        new(rule, rule.Severity, message) { Where = new FindingLocation(thread, offset) };
}
