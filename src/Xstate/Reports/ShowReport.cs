using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Reports;

/// <summary>What is in a capture: header, layout, components and registers of every state.</summary>
public static class ShowReport
{
    /// <summary>Writes the JSON answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="noticed">What its decoder noticed.</param>
    public static void WriteJson(Stream output, Capture capture, IEnumerable<Finding>? noticed = null)
    {
        (Capture complete, _, ImmutableArray<Finding> findings) = KnownCapture.Of(capture);
        bool process = complete.Kind == CaptureKind.Process;
        JsonAnswer.Write(output, "show", json =>
        {
            json.WriteString("format", complete.Format);
            JsonAnswer.WriteOptional(json, "note", complete.Note);
            JsonAnswer.WriteOptional(json, "source", complete.Source?.Value.Name);
            json.WriteStartArray(process ? "threads" : "vcpus");
            foreach (CapturedState state in complete.States)
            {
                WriteState(json, state, process ? "tid" : "vcpu");
            }

            json.WriteEndArray();
            JsonAnswer.WriteFindings(json, [.. noticed ?? [], .. findings, .. DefaultKey.Check(complete)]);
        });
    }

    /// <summary>Writes text for people.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="all">Whether registers that hold their initial value are listed too, not only counted.</param>
    /// <param name="noticed">What its decoder noticed.</param>
    public static void WriteText(TextWriter output, Capture capture, bool all, IEnumerable<Finding>? noticed = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        (Capture complete, _, ImmutableArray<Finding> findings) = KnownCapture.Of(capture);
        output.WriteLine($"{complete.Format}, {complete.States.Length} {(complete.Kind == CaptureKind.Process ? "thread" : "virtual CPU")}{(complete.States.Length == 1 ? "" : "s")}");
        if (complete.Source is { } source)
        {
            output.WriteLine($"from {Quotation.Cut(source.Value.Name)} ({Quotation.Cut(source.Provenance.Detail, Quotation.MaxProse)})");
        }

        if (complete.Note is { } note)
        {
            output.WriteLine(Quotation.Cut(note, Quotation.MaxProse));
        }

        foreach (CapturedState state in complete.States)
        {
            WriteState(output, state, FindingText.UnitOf(complete.Kind), all);
        }

        Finding[] told = [.. noticed ?? [], .. findings, .. DefaultKey.Check(complete)];
        if (told.Length > 0)
        {
            output.WriteLine();
            FindingText.Write(output, told, FindingText.UnitOf(complete.Kind));
        }
    }

    private static void WriteState(Utf8JsonWriter json, CapturedState state, string idName)
    {
        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet components = state.Components;
        json.WriteStartObject();
        json.WriteNumber(idName, state.Id);
        json.WriteString("xstateBv", (state.Stored?.XstateBv.Value ?? area.XstateBv).ToString());
        json.WriteString("xcompBv", Hex(area.XcompBv));
        WriteSet(json, "xcr0", state.Xcr0);
        WriteSet(json, "xss", state.Xss);
        WriteSet(json, "xfd", state.Xfd);
        json.WriteStartObject("layout");
        json.WriteString("source", NameOf(state.Layout.Provenance.Source));
        json.WriteString("detail", state.Layout.Provenance.Detail);
        json.WriteNumber("size", area.IsCompacted ? layout.CompactedLengthFor(new StateComponentSet(area.XcompBv)) : layout.StandardLengthFor(components));
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

            json.WriteString("state", !found ? "absent" : area.XstateBv.Contains(component) ? "in-use" : "init");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("registers");
        foreach (RegisterValue register in RegisterDump.Of(state, components))
        {
            json.WriteString(register.Name, register.Text);
        }

        json.WriteEndObject();
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

    private static void WriteState(TextWriter output, CapturedState state, string idName, bool all)
    {
        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet components = state.Components;
        output.WriteLine();
        output.WriteLine($"{idName} {state.Id}: XSTATE_BV {area.XstateBv}{(state.Stored is { } stored && stored.XstateBv.Value != area.XstateBv ? $" by the registers, {stored.XstateBv.Value} as stored" : "")}, XCOMP_BV {Hex(area.XcompBv)}{(area.IsCompacted ? " (compacted)" : "")}{Set("XCR0", state.Xcr0)}{Set("XSS", state.Xss)}{Set("XFD", state.Xfd)}");
        output.WriteLine($"  layout: {NameOf(state.Layout.Provenance.Source)}, {Quotation.Cut(state.Layout.Provenance.Detail, Quotation.MaxProse)}");
        ImmutableArray<RegisterValue> registers = RegisterDump.Of(state, components);
        foreach (StateComponent component in components | area.XstateBv)
        {
            (int offset, int size, bool found) = Place(component, layout, area);
            string place = found ? string.Create(CultureInfo.InvariantCulture, $"{offset,5} +{size,-5}") : "  no place ";
            string use = area.XstateBv.Contains(component) ? "in use" : "initial";
            output.WriteLine($"  {StateComponents.NameOf(component),-10} {place} {use}");
            WriteRegisters(output, registers, component, all);
        }
    }

    private static void WriteRegisters(TextWriter output, ImmutableArray<RegisterValue> registers, StateComponent component, bool all)
    {
        int zero = 0;
        foreach (RegisterValue register in registers.Where(r => r.Component == component))
        {
            if (!all && IsUninteresting(register))
            {
                zero++;
                continue;
            }

            output.WriteLine($"      {register.Name,-8} {register.Text}");
            if (component == StateComponent.Pkru)
            {
                output.WriteLine($"      {"",-8} {Rights(register.Text)}");
            }
        }

        if (zero > 0)
        {
            output.WriteLine($"      ({zero} register{(zero == 1 ? "" : "s")} with the initial value)");
        }
    }

    private static bool IsUninteresting(RegisterValue register) =>
        register.Text is "0x0" || (register.Name == "fcw" && register.Text == "0x37f") || (register.Name == "mxcsr" && register.Text == "0x1f80")
        || (!register.Text.StartsWith("0x", StringComparison.Ordinal) && register.Text.AsSpan().IndexOfAnyExcept('0') < 0);

    private static string Rights(string pkru)
    {
        Pkru rights = new(uint.Parse(pkru.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        StringBuilder text = new("keys 0-15:");
        for (int key = 0; key < Pkru.KeyCount; key++)
        {
            text.Append(' ').Append(rights.Rights(key));
        }

        return text.ToString();
    }

    private static (int Offset, int Size, bool Found) Place(StateComponent component, XsaveLayout layout, XsaveArea area) => component switch
    {
        StateComponent.X87 => (0, StateComponents.Get(component).Size, true),
        StateComponent.Sse => (XsaveFormat.XmmOffset, StateComponents.Get(component).Size, true),
        _ => layout.TryLocate(component, area.XcompBv, area.Bytes.Length, out int offset, out int size) ? (offset, size, true) : (0, 0, false),
    };

    private static void WriteSet(Utf8JsonWriter json, string name, Fact<StateComponentSet>? set) => JsonAnswer.WriteOptional(json, name, set?.Value.ToString());

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
