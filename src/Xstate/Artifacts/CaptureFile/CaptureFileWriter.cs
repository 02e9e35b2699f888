using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>Writes Xstate's own capture, the one format that keeps everything a <see cref="Capture"/> can hold.</summary>
internal static class CaptureFileWriter
{
    /// <summary>The capture as UTF-8 JSON; for one that this writer wrote and the reader read, the same bytes.</summary>
    /// <exception cref="ArgumentException">The capture has no state, or one with an id or an area that no reader takes.</exception>
    public static byte[] Write(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        if (capture.States.IsDefaultOrEmpty)
        {
            throw new ArgumentException("a capture file has at least one state", nameof(capture));
        }

        foreach (CapturedState state in capture.States)
        {
            if (state.Id < 0 || state.Area.Length is < XsaveFormat.ExtendedOffset or > XsaveLayout.MaxAreaLength)
            {
                throw new ArgumentException(
                    $"state {state.Id} has an area of {state.Area.Length} bytes: ids start at 0, areas have {XsaveFormat.ExtendedOffset} "
                    + $"to {XsaveLayout.MaxAreaLength} bytes", nameof(capture));
            }
        }

        using JsonOutput output = new();
        Utf8JsonWriter writer = output.Writer;
        writer.WriteStartObject();
        writer.WriteString("format", CaptureFileReader.Format);
        writer.WriteNumber("version", JsonEnvelope.Version);
        if (capture.Format != CaptureFileReader.Format)
        {
            writer.WriteString(CaptureNames.Origin, capture.Format);
        }

        writer.WriteString(CaptureNames.Kind, CaptureNames.Kinds[(int)capture.Kind]);
        if (capture.Note is not null)
        {
            writer.WriteString(CaptureNames.Note, capture.Note);
        }

        FactFields.Write(output, CaptureNames.Source, capture.Source);
        writer.WriteStartArray(CaptureNames.States);
        foreach (CapturedState state in capture.States)
        {
            WriteState(output, state);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        return output.ToBytes();
    }

    private static void WriteState(JsonOutput output, CapturedState state)
    {
        Utf8JsonWriter writer = output.Writer;
        writer.WriteStartObject();
        writer.WriteNumber(CaptureNames.Id, state.Id);
        if (state.Is32Bit)
        {
            writer.WriteNumber(CaptureNames.Bits, 32);
        }

        FactFields.Write(output, CaptureNames.Xcr0, state.Xcr0);
        FactFields.Write(output, CaptureNames.Xss, state.Xss);
        FactFields.Write(output, CaptureNames.Xfd, state.Xfd);
        WriteMsrs(output, state);
        writer.WritePropertyName(CaptureNames.Area);
        AreaFields.Write(output, state.Area.Span);
        WriteLost(output, state);
        if (state.Recorded is { } recorded)
        {
            JsonOutput.WriteHex(writer, CaptureNames.Recorded, recorded.Bits);
        }

        if (state.Fpu is { } fpu)
        {
            writer.WriteString(CaptureNames.Fpu, Convert.ToHexStringLower(fpu.Span));
        }

        StoredFields.Write(output, state.Stored);
        FactFields.Write(output, CaptureNames.Layout, state.Layout);
        FactFields.Write(output, CaptureNames.GuestCpuid, state.GuestCpuid);
        writer.WriteEndObject();
    }

    private static void WriteLost(JsonOutput output, CapturedState state)
    {
        if (state.Lost.IsEmpty)
        {
            return;
        }

        output.Writer.WriteStartArray(CaptureNames.Lost);
        foreach (AreaRange range in state.Lost)
        {
            Utf8JsonWriter line = output.BeginLine();
            line.WriteNumber(CaptureNames.Range[0], range.Offset);
            line.WriteNumber(CaptureNames.Range[1], range.Length);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
    }

    private static void WriteMsrs(JsonOutput output, CapturedState state)
    {
        if (state.Msrs.IsEmpty)
        {
            return;
        }

        output.Writer.WriteStartArray(CaptureNames.Msrs);
        foreach ((uint index, ulong value) in state.Msrs)
        {
            Utf8JsonWriter line = output.BeginLine();
            JsonOutput.WriteHex(line, CaptureNames.Msr[0], index);
            JsonOutput.WriteHex(line, CaptureNames.Msr[1], value);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
    }
}
