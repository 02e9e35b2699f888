using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Xstate.Artifacts.QemuStream;

/// <summary>Finds the description at the end of a stream and reads it.</summary>
internal sealed class VmDescriptionReader
{
    /// <summary>From the type byte to the text: the text's length is between them.</summary>
    public const int TextOffset = LengthOffset + sizeof(uint);

    /// <summary>How deep the text may be nested.</summary>
    public const int MaxNesting = 128;

    private const byte TypeDescription = 6;
    private const int LengthOffset = sizeof(byte);

    // Files written in whole blocks have zeros behind the stream; the largest block known is libvirt's, of 1 MiB.
    private const int MaxPadding = 1 << 20;
    private const int FirstWindow = 1 << 18;

    private readonly ArtifactLimits _limits;
    private readonly long _length;
    private readonly long _textOffset;
    private int _items;

    private VmDescriptionReader(ArtifactLimits limits, long length, long textOffset)
    {
        _limits = limits;
        _length = length;
        _textOffset = textOffset;
    }

    /// <summary>Reads the end of the stream, in windows that grow until the description is inside.</summary>
    /// <exception cref="MalformedArtifactException">There is none, or it is not what QEMU writes.</exception>
    public static VmDescription Read(ArtifactSource source, ArtifactLimits limits)
    {
        long end = EndOfText(source);
        for (long window = FirstWindow; ; window *= 4)
        {
            int length = (int)Math.Min(Math.Min(window, limits.MaxVmDescription), end);
            byte[] tail = source.Bytes(QemuStreamReader.Format, end - length, length, "the stream's end");
            int start = FindStart(tail);
            if (start >= 0)
            {
                long offset = end - length + start;
                VmDescriptionReader reader = new(limits, source.Length, offset + TextOffset);
                return new VmDescription(offset, length - start - TextOffset, reader.ReadDocument(tail.AsSpan(start + TextOffset)));
            }

            if (length == end || length == limits.MaxVmDescription)
            {
                throw new MalformedArtifactException(
                    QemuStreamReader.Format, end, $"no description in the last {length} bytes",
                    "the JSON description that QEMU 2.4 and later write at the end, unless suppress-vmdesc is on or the migration ended "
                    + "in postcopy");
            }
        }
    }

    private static long EndOfText(ArtifactSource source)
    {
        int length = (int)Math.Min(source.Length, MaxPadding);
        int used = (int)Math.Min(length, 64);
        byte[] tail = source.Bytes(QemuStreamReader.Format, source.Length - used, used, "the stream's end");
        int last = tail.AsSpan().LastIndexOfAnyExcept((byte)0);
        if (last < 0)
        {
            tail = source.Bytes(QemuStreamReader.Format, source.Length - length, length, "the stream's end");
            used = length;
            last = tail.AsSpan().LastIndexOfAnyExcept((byte)0);
        }

        return last < 0
            ? throw new MalformedArtifactException(QemuStreamReader.Format, source.Length - length, $"{length} zero bytes at the end",
                "the JSON description that QEMU writes there")
            : source.Length - used + last + 1;
    }

    // The text has no byte below 20h, so the type byte is unmistakable once its length and the brace fit.
    private static int FindStart(ReadOnlySpan<byte> tail)
    {
        ReadOnlySpan<byte> before = tail;
        while (true)
        {
            int at = before.LastIndexOf(TypeDescription);
            if (at < 0)
            {
                return -1;
            }

            int text = tail.Length - at - TextOffset;
            if (text > 0 && tail[at + TextOffset] == (byte)'{' && BinaryPrimitives.ReadUInt32BigEndian(tail[(at + LengthOffset)..]) == text)
            {
                return at;
            }

            before = before[..at];
        }
    }

    private ImmutableArray<VmDevice> ReadDocument(ReadOnlySpan<byte> text)
    {
        Utf8JsonReader json = new(text, new JsonReaderOptions { MaxDepth = MaxNesting });
        ImmutableArray<VmDevice>? devices = null;
        try
        {
            json.Read();
            while (NextProperty(ref json, out string name))
            {
                if (name == "devices")
                {
                    devices = ReadDevices(ref json);
                }
                else
                {
                    json.Skip();
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Names that are not UTF-8 are the reader's InvalidOperationException.
            throw Malformed(json, $"text that is not JSON ({Quotation.Cut(error.Message.Split('.')[0], Quotation.MaxProse)})",
                "QEMU's description");
        }

        return devices ?? throw Malformed(json, "no devices", "a member devices");
    }

    private ImmutableArray<VmDevice> ReadDevices(ref Utf8JsonReader json)
    {
        ImmutableArray<VmDevice>.Builder devices = ImmutableArray.CreateBuilder<VmDevice>();
        while (NextItem(ref json, devices.Count))
        {
            devices.Add(ReadDevice(ref json));
        }

        return devices.ToImmutable();
    }

    private VmDevice ReadDevice(ref Utf8JsonReader json)
    {
        Section section = ReadSection(ref json, "name");
        long length = LengthOf(json, section.Fields, section.Subsections);
        bool isCpu = section.Name == VmDevice.VirtualCpu;
        return new VmDevice(section.Name, section.Instance, section.Version, length, isCpu ? section.Fields : [], isCpu
            ? section.Subsections : []);
    }

    private ImmutableArray<VmSubsection> ReadSubsections(ref Utf8JsonReader json)
    {
        ImmutableArray<VmSubsection>.Builder subsections = ImmutableArray.CreateBuilder<VmSubsection>();
        while (NextItem(ref json, subsections.Count))
        {
            Section section = ReadSection(ref json, "vmsd_name");
            subsections.Add(new VmSubsection(section.Name, section.Version ?? 0, section.Fields, section.Subsections));
        }

        return subsections.ToImmutable();
    }

    // Devices and subsections are described alike, but for the member that names them; only devices have an instance.
    private Section ReadSection(ref Utf8JsonReader json, string nameMember)
    {
        Section section = new("", 0, null, [], []);
        while (NextProperty(ref json, out string member))
        {
            if (member == nameMember)
            {
                section = section with { Name = ReadName(ref json) };
                continue;
            }

            switch (member)
            {
                case "instance_id":
                    section = section with { Instance = (uint)ReadInteger(ref json, uint.MaxValue) };
                    break;
                case "version":
                    section = section with { Version = (uint)ReadInteger(ref json, uint.MaxValue) };
                    break;
                case "fields":
                    section = section with { Fields = ReadFields(ref json) };
                    break;
                case "subsections":
                    section = section with { Subsections = ReadSubsections(ref json) };
                    break;
                default:
                    json.Skip();
                    break;
            }
        }

        return section;
    }

    private ImmutableArray<VmField> ReadFields(ref Utf8JsonReader json)
    {
        ImmutableArray<VmField>.Builder fields = ImmutableArray.CreateBuilder<VmField>();
        while (NextItem(ref json, fields.Count))
        {
            string field = "";
            long size = 0;
            long count = 1;
            while (NextProperty(ref json, out string name))
            {
                switch (name)
                {
                    case "name":
                        field = ReadName(ref json);
                        break;
                    case "size":
                        size = ReadInteger(ref json, int.MaxValue);
                        break;
                    case "array_len":
                        count = ReadInteger(ref json, int.MaxValue);
                        break;
                    default:
                        json.Skip();
                        break;
                }
            }

            fields.Add(new VmField(field, (int)size, (int)count));
        }

        return fields.ToImmutable();
    }

    private long LengthOf(in Utf8JsonReader json, ImmutableArray<VmField> fields, ImmutableArray<VmSubsection> subsections)
    {
        long length = 0;
        foreach (VmField field in fields)
        {
            length = Plus(json, length, field.Length);
        }

        foreach (VmSubsection subsection in subsections)
        {
            length = Plus(json, Plus(json, length, subsection.HeaderLength), LengthOf(json, subsection.Fields, subsection.Subsections));
        }

        return length;
    }

    private long Plus(in Utf8JsonReader json, long length, long more) =>
        more <= _length - length ? length + more : throw Malformed(json, $"a device with more bytes than the {_length} of the stream",
            "sizes that fit");

    private bool NextProperty(ref Utf8JsonReader json, out string name)
    {
        name = "";
        json.Read();
        if (json.TokenType == JsonTokenType.EndObject)
        {
            return false;
        }

        if (json.TokenType != JsonTokenType.PropertyName)
        {
            throw Malformed(json, $"{json.TokenType}", "a member of an object");
        }

        name = json.GetString() ?? "";
        json.Read();
        return true;
    }

    private bool NextItem(ref Utf8JsonReader json, int count)
    {
        if (count == 0 && json.TokenType != JsonTokenType.StartArray)
        {
            throw Malformed(json, $"{json.TokenType}", "an array");
        }

        json.Read();
        if (json.TokenType == JsonTokenType.EndArray)
        {
            return false;
        }

        if (json.TokenType != JsonTokenType.StartObject)
        {
            throw Malformed(json, $"{json.TokenType}", "an object");
        }

        return ++_items <= _limits.MaxVmFields
            ? true : throw Malformed(json, $"more than {_limits.MaxVmFields} devices, fields and subsections", "no more than the limit");
    }

    // Names are length-prefixed with one byte in the stream.
    private string ReadName(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.String || json.ValueSpan.Length > byte.MaxValue)
        {
            throw Malformed(json, json.TokenType == JsonTokenType.String
                ? $"a name of {json.ValueSpan.Length} bytes" : $"{json.TokenType}", "a name of at most 255 bytes");
        }

        string name = json.GetString() ?? "";
        return Ascii.IsValid(name) ? name : throw Malformed(json, "a name that is not ASCII", "an ASCII name");
    }

    private long ReadInteger(ref Utf8JsonReader json, long most) =>
        json.TokenType == JsonTokenType.Number && json.TryGetInt64(out long value) && value >= 0 && value <= most
            ? value
            : throw Malformed(json, Quoted(json), $"an integer from 0 to {most}");

    private static string Quoted(in Utf8JsonReader json) => Quotation.Of(json.ValueSpan);

    private MalformedArtifactException Malformed(in Utf8JsonReader json, string found, string expected) =>
        new(QemuStreamReader.Format, _textOffset + json.TokenStartIndex, found, expected);

    private readonly record struct Section(string Name, uint Instance, uint? Version, ImmutableArray<VmField> Fields,
        ImmutableArray<VmSubsection> Subsections);
}
