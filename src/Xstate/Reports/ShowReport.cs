using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Reports;

/// <summary>What is in a capture: header, layout, components and registers of every state.</summary>
internal static class ShowReport
{
    private const int MostStates = 8;

    /// <summary>Writes the JSON answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="noticed">What its decoder noticed.</param>
    /// <param name="options">What of it is shown.</param>
    public static void WriteJson(Stream output, Capture capture, IEnumerable<Finding>? noticed = null, ShowOptions? options = null) =>
        JsonAnswer.Write(output, "show", json => WriteFields(json, capture, noticed, options));

    /// <summary>Writes the fields of the JSON answer behind version, verb and file.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="noticed">What its decoder noticed.</param>
    /// <param name="options">What of it is shown.</param>
    public static void WriteFields(Utf8JsonWriter json, Capture capture, IEnumerable<Finding>? noticed = null, ShowOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        options ??= ShowOptions.Default;
        (Capture complete, _, ImmutableArray<Finding> findings) = KnownCapture.Of(capture);
        bool process = complete.Kind == CaptureKind.Process;
        json.WriteString("format", complete.Format);
        JsonAnswer.WriteOptional(json, "note", complete.Note);
        JsonAnswer.WriteOptional(json, "source", complete.Source?.Value.Name);
        SignalFrameText.WriteAnnounced(json, complete);
        json.WriteStartArray(process ? "threads" : "vcpus");
        foreach (CapturedState state in Chosen(complete, options))
        {
            WriteState(json, state, process, options);
        }

        json.WriteEndArray();
        JsonAnswer.WriteFindings(json, Told(complete, [.. noticed ?? [], .. findings, .. EmptyArea.Check(complete)], options));
    }

    /// <summary>What a line of a table says of a capture: FORMAT, CONTENTS, FINDINGS.</summary>
    public static ImmutableArray<string> RowOf(Capture capture, IEnumerable<Finding> noticed, ShowOptions options)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(options);
        (Capture complete, _, ImmutableArray<Finding> findings) = KnownCapture.Of(capture);
        StateComponentSet used = complete.States.Aggregate(StateComponentSet.Empty, (set, state) => set | state.ReadArea().XstateBv);
        string states = string.Create(CultureInfo.InvariantCulture,
            $"{complete.States.Length} {FindingText.UnitOf(complete.Kind)}{(complete.States.Length == 1 ? "" : "s")}");
        return [complete.Format, $"{states}, {used}",
            FindingText.RulesOf(Told(complete, [.. noticed, .. findings, .. EmptyArea.Check(complete)], options))];
    }

    /// <summary>Writes text for people.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="options">What of it is shown.</param>
    /// <param name="noticed">What its decoder noticed.</param>
    public static void WriteText(TextWriter output, Capture capture, ShowOptions options, IEnumerable<Finding>? noticed = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(options);
        (Capture complete, _, ImmutableArray<Finding> findings) = KnownCapture.Of(capture);
        string unit = FindingText.UnitOf(complete.Kind);
        if (options.Draw)
        {
            (CapturedState State, StateComponentSet LeftOut)[] chosen = [.. complete.States
                .Select((state, index) => (state, options.LeftOut.IsDefault ? StateComponentSet.Empty : options.LeftOut[index]))
                .Where(one => options.State is null || options.State == one.state.Id)];
            WriteHead(output, complete);
            output.WriteList(chosen, MostStates, "", (unit, $"{unit}s"), one => AreaDrawing.Write(output, one.State, unit, one.LeftOut));
            AreaDrawing.WriteLegend(output, chosen);
        }
        else if (options.IsSelective)
        {
            WriteLines(output, complete, options);
        }
        else
        {
            WriteHead(output, complete);
            SignalFrameText.WriteText(output, complete);
            output.WriteList(complete.States, MostStates, "", (unit, $"{unit}s"),
                state => WriteState(output, state, complete.Kind, options.All));
        }

        Finding[] told = Told(complete, [.. noticed ?? [], .. findings, .. EmptyArea.Check(complete)], options);
        if (told.Length > 0)
        {
            output.WriteLine();
            FindingText.Write(output, told, unit);
        }
    }

    private static void WriteHead(TextWriter output, Capture capture)
    {
        output.MarkLine("", TextMark.Heading,
            $"{capture.Format}, {capture.States.Length} "
            + $"{(capture.Kind == CaptureKind.Process ? "thread" : "virtual CPU")}{(capture.States.Length == 1 ? "" : "s")}");
        if (capture.Source is { } source)
        {
            output.WriteLine($"from {Quotation.Cut(source.Value.Name)} ({Quotation.Cut(source.Provenance.Detail, Quotation.MaxProse)})");
        }

        if (capture.Note is { } note)
        {
            output.GoOnAt(0);
            output.WriteLine(Quotation.Cut(note, Quotation.MaxProse));
        }
    }

    // One register a line, each with its thread: what grep and awk want.
    private static void WriteLines(TextWriter output, Capture capture, ShowOptions options)
    {
        string unit = FindingText.UnitOf(capture.Kind);
        foreach (CapturedState state in Chosen(capture, options))
        {
            foreach (RegisterReading reading in Readings(state, capture.Kind, options)
                .Where(reading => options.All || options.Registers is not null || !IsInitial(reading)))
            {
                string text = options.View is { } view ? RegisterText.Describe(reading, view) : RegisterText.Describe(reading);
                output.WriteHanging(string.Create(CultureInfo.InvariantCulture, $"{unit} {state.Id} {reading.Place.Name} "), text);
            }
        }
    }

    private static IEnumerable<CapturedState> Chosen(Capture capture, ShowOptions options) =>
        capture.States.Where(state => options.State is null || options.State == state.Id);

    // What is said of other threads than the one that was asked for is left out.
    private static Finding[] Told(Capture capture, IEnumerable<Finding> noticed, ShowOptions options) =>
    [
        .. noticed.Concat(DefaultKey.Check(capture)).Concat(ExceptionMasks.Check(capture)).Concat(SignalStackHazard.Check(capture))
            .Where(finding => options.State is null || finding.Where.Vcpu is null || finding.Where.Vcpu == options.State),
    ];

    // The registers that were asked for; without a choice those that the state has.
    private static IEnumerable<RegisterReading> Readings(CapturedState state, CaptureKind kind, ShowOptions options)
    {
        IEnumerable<RegisterPlace> places = options.Registers?.Places
            ?? RegisterCatalog.Of(state.Components.Except(state.NotRecorded)).Where(place => !state.NotRecorded.Overlaps(place.Components))
            .Concat(Msrs(state, kind));
        return places.Select(place => RegisterReading.Of(state, place)).Where(reading => options.Registers is not null || reading.HasBytes);
    }

    // A thread's shadow-stack pointer has a name of its own.
    private static IEnumerable<RegisterPlace> Msrs(CapturedState state, CaptureKind kind) => state.Msrs.Keys.Select(index =>
        kind == CaptureKind.Process && index == MsrNames.UserShadowStackPointer
        ? RegisterCatalog.Find(RegisterCatalog.ShadowStackPointer)! : RegisterCatalog.OfMsr(index));

    private static void WriteState(Utf8JsonWriter json, CapturedState state, bool process, ShowOptions options)
    {
        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet components = state.Components;
        json.WriteStartObject();
        json.WriteNumber(process ? "tid" : "vcpu", state.Id);
        json.WriteString("xstateBv", (state.Stored?.XstateBv.Value ?? area.XstateBv).ToString());
        json.WriteString("xcompBv", Hex(area.XcompBv));
        WriteSet(json, "xcr0", state.Xcr0);
        WriteSet(json, "xss", state.Xss);
        WriteSet(json, "xfd", state.Xfd);
        JsonAnswer.WriteOptional(json, "recorded", state.Recorded?.ToString());
        SignalFrameText.WriteStack(json, state);
        json.WriteStartObject("layout");
        json.WriteString("source", NameOf(state.Layout.Provenance.Source));
        json.WriteString("detail", state.Layout.Provenance.Detail);
        json.WriteNumber("size", area.IsCompacted
            ? layout.CompactedLengthFor(new StateComponentSet(area.XcompBv)) : layout.StandardLengthFor(components));
        json.WriteEndObject();
        json.WriteStartArray("components");
        foreach (StateComponent component in components | area.XstateBv)
        {
            (int offset, int size, bool found) = Place(component, layout, area);
            json.WriteStartObject();
            json.WriteString("component", StateComponents.NameOf(component));
            json.WriteNumber("bit", (int)component);
            if (found)
            {
                json.WriteNumber("offset", offset);
                json.WriteNumber("size", size);
            }

            json.WriteString("state", state.NotRecorded.Contains(component) ? "not-recorded" : !found
                ? "absent" : area.XstateBv.Contains(component) ? "in-use" : "init");
            if (area.XstateBv.Contains(component) && AreaRow.IsHidden(state, component))
            {
                json.WriteBoolean("hidden", true);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteRegisters(json, [.. Readings(state, process ? CaptureKind.Process : CaptureKind.VirtualMachine, options)], options);
        if (!state.Msrs.IsEmpty)
        {
            json.WriteStartObject("msrs");
            foreach ((uint index, ulong value) in state.Msrs)
            {
                json.WriteString(Hex(index), Hex(value));
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteRegisters(Utf8JsonWriter json, ImmutableArray<RegisterReading> readings, ShowOptions options)
    {
        json.WriteStartObject("registers");
        foreach (RegisterReading reading in readings.Where(reading => reading.HasBytes
            && reading.Place is { Msr: null } or { Name: RegisterCatalog.ShadowStackPointer }))
        {
            json.WriteString(reading.Place.Name, reading.Text);
        }

        json.WriteEndObject();
        if (options.Registers is not null)
        {
            WriteUnknown(json, readings);
        }

        if (options.View is { } view)
        {
            json.WriteStartObject("views");
            json.WriteStartObject(view.Name);
            foreach (RegisterReading reading in readings.Where(reading => reading.HasBytes))
            {
                RegisterText.WriteElements(json, reading.Place.Name, reading, view);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        if (options.IsSelective)
        {
            WriteFields(json, readings);
        }
    }

    private static void WriteUnknown(Utf8JsonWriter json, ImmutableArray<RegisterReading> readings)
    {
        foreach ((string name, RegisterKnowledge knowledge) in new[] { ("absent", RegisterKnowledge.Absent),
            ("notRecorded", RegisterKnowledge.NotRecorded) })
        {
            RegisterReading[] unknown = [.. readings.Where(reading => reading.Knowledge == knowledge)];
            if (unknown.Length == 0)
            {
                continue;
            }

            JsonAnswer.WriteStrings(json, name, unknown.Select(reading => reading.Place.Name));
        }
    }

    private static void WriteFields(Utf8JsonWriter json, ImmutableArray<RegisterReading> readings)
    {
        json.WriteStartObject("fields");
        foreach (RegisterReading reading in readings)
        {
            string[] fields = [.. RegisterText.Fields(reading)];
            if (fields.Length == 0)
            {
                continue;
            }

            JsonAnswer.WriteStrings(json, reading.Place.Name, fields);
        }

        json.WriteEndObject();
    }

    private static void WriteState(TextWriter output, CapturedState state, CaptureKind kind, bool all)
    {
        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet components = state.Components;
        StateComponentSet notRecorded = state.NotRecorded;
        output.WriteLine();
        output.Mark(TextMark.Heading, $"{FindingText.UnitOf(kind)} {state.Id}");
        output.WriteLine(
            $": XSTATE_BV {area.XstateBv}"
            + (state.Stored is { } stored && stored.XstateBv.Value != area.XstateBv
                ? $" by the registers, {stored.XstateBv.Value} as stored" : "")
            + $", XCOMP_BV {Hex(area.XcompBv)}{(area.IsCompacted ? " (compacted)" : "")}"
            + $"{Set("XCR0", state.Xcr0)}{Set("XSS", state.Xss)}{Set("XFD", state.Xfd)}");
        output.WriteLine(
            $"  layout: {NameOf(state.Layout.Provenance.Source)}, {Quotation.Cut(state.Layout.Provenance.Detail, Quotation.MaxProse)}");
        RegisterReading[] readings = [.. Readings(state, kind, ShowOptions.Default)];
        foreach (StateComponent component in components | area.XstateBv)
        {
            (int offset, int size, bool found) = Place(component, layout, area);
            string place = found ? string.Create(CultureInfo.InvariantCulture, $"{offset,5} +{size,-5}") : "  no place ";
            string use = notRecorded.Contains(component) ? "not recorded" : area.XstateBv.Contains(component) ? "in use" : "initial";
            output.Write($"  {StateComponents.NameOf(component),-10} {place} ");
            output.MarkLine("", use == "in use" ? TextMark.Fine : use == "initial" ? TextMark.Aside : TextMark.Doubtful, use);
            WriteRegisters(output, readings.Where(reading => reading.Place.Msr is null && reading.Place.Component == component), all);
        }

        if (state.Recorded is { } recorded)
        {
            output.WriteLine($"  not recorded: everything but {recorded.Describe()}");
        }

        if (!state.Msrs.IsEmpty)
        {
            output.WriteLine(kind == CaptureKind.Process ? "  beside the area" : "  msrs");
            WriteRegisters(output, readings.Where(reading => reading.Place.Msr is not null), all: true);
        }
    }

    private static void WriteRegisters(TextWriter output, IEnumerable<RegisterReading> readings, bool all)
    {
        int initial = 0;
        foreach (RegisterReading reading in readings)
        {
            if (!all && IsInitial(reading))
            {
                initial++;
                continue;
            }

            bool isPkru = reading.Place.Component == StateComponent.Pkru && reading.Lost.Length == 0;
            output.WriteHanging($"      {reading.Place.Name,-8} ", isPkru ? reading.Text : RegisterText.Describe(reading));
            if (isPkru)
            {
                output.WriteHanging($"      {"",-8} ", RegisterText.Rights(reading));
            }
        }

        if (initial > 0)
        {
            output.MarkLine("      ", TextMark.Aside, $"({initial} register{(initial == 1 ? "" : "s")} with the initial value)");
        }
    }

    private static bool IsInitial(RegisterReading reading) => reading.Lost.Length == 0 && reading.HasBytes && reading.Place.Msr is null
        && RegisterCatalog.IsInitial(reading.Place, reading.Bytes);

    internal static (int Offset, int Size, bool Found) Place(StateComponent component, XsaveLayout layout, XsaveArea area) =>
        area.TryLocate(component, layout, out int offset, out int size) ? (offset, size, true) : (0, 0, false);

    private static void WriteSet(Utf8JsonWriter json, string name, Fact<StateComponentSet>? set) =>
        JsonAnswer.WriteOptional(json, name, set?.Value.ToString());

    private static string Set(string name, Fact<StateComponentSet>? set) => set is null ? "" : $", {name} {set.Value}";

    private static string NameOf(FactSource source) => source switch
    {
        FactSource.Artifact or FactSource.Cpuid or FactSource.Measured or FactSource.Given => "cpuid",
        FactSource.Note => "note",
        FactSource.Inferred => "inferred",
        FactSource.Guess => "guess",
        _ => throw new ArgumentOutOfRangeException(nameof(source)),
    };

    private static string Hex(ulong value) => $"0x{value:x}";
}
