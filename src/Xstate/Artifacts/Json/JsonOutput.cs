using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Xstate.Artifacts.Json;

/// <summary>
/// Writes JSON that people read and compare: indented by two, but what belongs together (one CPUID answer, one row of bytes, one fact) on
/// one line. The same value always gives the same bytes.
/// </summary>
internal sealed class JsonOutput : IDisposable
{
    private const int IndentSize = 2;

    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly ArrayBufferWriter<byte> _lineBytes = new();
    private readonly Utf8JsonWriter _line;

    public JsonOutput()
    {
        // The file is not embedded in HTML: text stays as it was written.
        JavaScriptEncoder encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        Writer = new Utf8JsonWriter(_bytes, new JsonWriterOptions
        {
            Indented = true,
            IndentSize = IndentSize,
            NewLine = "\n",
            Encoder = encoder
        });
        _line = new Utf8JsonWriter(_lineBytes, new JsonWriterOptions { Encoder = encoder });
    }

    /// <summary>The writer of the document.</summary>
    public Utf8JsonWriter Writer { get; }

    /// <summary>Starts an object that will stand on one line: its members go to the writer that is returned.</summary>
    public Utf8JsonWriter BeginLine()
    {
        _lineBytes.ResetWrittenCount();
        _line.Reset();
        _line.WriteStartObject();
        return _line;
    }

    /// <summary>
    /// Ends the object that <see cref="BeginLine"/> started and makes it the value of the member whose name was written last.
    /// </summary>
    public void EndMember()
    {
        _line.WriteEndObject();
        _line.Flush();
        Writer.WriteRawValue(_lineBytes.WrittenSpan, skipInputValidation: true);
    }

    /// <summary>
    /// Ends the object that <see cref="BeginLine"/> started and makes it the next item of the array that is open, on a line of its own.
    /// </summary>
    public void EndItem()
    {
        _line.WriteEndObject();
        _line.Flush();

        // The document's writer does not indent raw values; white space before one is part of JSON all the same.
        int indent = Writer.CurrentDepth * IndentSize;
        Span<byte> item = new byte[1 + indent + _lineBytes.WrittenCount];
        item[..(1 + indent)].Fill((byte)' ');
        item[0] = (byte)'\n';
        _lineBytes.WrittenSpan.CopyTo(item[(1 + indent)..]);
        Writer.WriteRawValue(item, skipInputValidation: true);
    }

    /// <summary>A register value or mask as a member: <c>"0x2e7"</c>.</summary>
    public static void WriteHex(Utf8JsonWriter writer, string name, ulong value) =>
        writer.WriteString(name, string.Create(CultureInfo.InvariantCulture, $"0x{value:x}"));

    /// <summary>The document, closed by a line feed.</summary>
    public byte[] ToBytes()
    {
        Writer.Flush();
        return [.. _bytes.WrittenSpan, (byte)'\n'];
    }

    public void Dispose()
    {
        Writer.Dispose();
        _line.Dispose();
    }
}
