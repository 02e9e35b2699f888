using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.Json;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>
/// An XSAVE area as its length and the rows of 32 bytes that are not zero: <c>{"offset":512,"hex":"e702…"}</c>. Zeros cost nothing, and a
/// changed register is one changed line.
/// </summary>
internal static class AreaFields
{
    private const int RowLength = 32;

    // A row that some other program wrote may be longer; this is enough for any component but tile data.
    private const int MaxRowLength = 4096;

    public static ReadOnlyMemory<byte> Read(ref JsonCursor cursor, long maxLength)
    {
        cursor.BeginObject();
        ulong seen = 0;
        byte[]? area = null;
        while (cursor.NextMember(CaptureNames.AreaMembers, ref seen, out int member))
        {
            if (member == 0)
            {
                area = new byte[cursor.ReadInteger(XsaveFormat.ExtendedOffset, Math.Min(maxLength, cursor.Limits.MaxArea))];
            }
            else
            {
                // Rows are checked against the length, and sorting programs keep this order.
                ReadRows(ref cursor, area ?? throw cursor.Malformed("rows before the length", "the length first"));
            }
        }

        cursor.Require(CaptureNames.AreaMembers, seen, 0, 1);
        return area;
    }

    public static void Write(JsonOutput output, ReadOnlySpan<byte> area)
    {
        output.Writer.WriteStartObject();
        output.Writer.WriteNumber(CaptureNames.AreaMembers[0], area.Length);
        output.Writer.WriteStartArray(CaptureNames.AreaMembers[1]);
        for (int offset = 0; offset < area.Length; offset += RowLength)
        {
            ReadOnlySpan<byte> row = area.Slice(offset, Math.Min(RowLength, area.Length - offset));
            if (row.ContainsAnyExcept((byte)0))
            {
                Utf8JsonWriter line = output.BeginLine();
                line.WriteNumber(CaptureNames.Row[0], offset);
                line.WriteString(CaptureNames.Row[1], Convert.ToHexStringLower(row));
                output.EndItem();
            }
        }

        output.Writer.WriteEndArray();
        output.Writer.WriteEndObject();
    }

    private static void ReadRows(ref JsonCursor cursor, byte[] area)
    {
        cursor.BeginArray();
        Span<byte> row = stackalloc byte[MaxRowLength];
        int end = 0;
        while (cursor.NextItem(area.Length))
        {
            cursor.BeginObject();
            ulong seen = 0;
            int offset = 0;
            int length = 0;
            while (cursor.NextMember(CaptureNames.Row, ref seen, out int member))
            {
                if (member == 0)
                {
                    offset = (int)cursor.ReadInteger(end, area.Length);
                }
                else
                {
                    length = cursor.ReadHexBytes(row);
                }
            }

            cursor.Require(CaptureNames.Row, seen, 0, 1);
            end = offset + length;
            if (end > area.Length)
            {
                throw cursor.Malformed($"{length} bytes at {offset}", $"rows within {area.Length} bytes");
            }

            row[..length].CopyTo(area.AsSpan(offset));
        }
    }
}
