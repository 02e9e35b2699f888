using System.Collections.Immutable;
using System.Text;

namespace Xstate.Artifacts.QemuStream;

/// <summary>Where one field is in a virtual CPU's section.</summary>
/// <param name="Offset">From the section's first field.</param>
/// <param name="Size">Bytes of one element.</param>
/// <param name="Count">Elements.</param>
internal readonly record struct FieldPlace(int Offset, int Size, int Count)
{
    public int Length => Size * Count;
}

/// <summary>The fields of one virtual CPU by subsection and name, at the offsets that the description adds up to.</summary>
internal sealed class CpuFields
{
    /// <summary>What a subsection begins with.</summary>
    public const byte TypeSubsection = 5;

    private readonly Dictionary<(string Subsection, string Field), FieldPlace> _places = [];
    private readonly HashSet<string> _subsections = [];
    private readonly long _fileOffset;
    private readonly byte[] _body;
    private int _end;

    /// <summary>Walks the section's bytes; each subsection must be where the sizes lead.</summary>
    /// <exception cref="MalformedArtifactException">One is not.</exception>
    public CpuFields(VmDevice device, byte[] body, long fileOffset)
    {
        _body = body;
        _fileOffset = fileOffset;
        AddFields("", device.Fields);
        AddSubsections(device.Subsections);
    }

    /// <summary>Whether the stream has a subsection.</summary>
    public bool HasSubsection(string name) => _subsections.Contains(name);

    /// <summary>A field's place if the stream has it.</summary>
    public FieldPlace? Find(string subsection, string field) => _places.TryGetValue((subsection, field), out FieldPlace place)
        ? place : null;

    /// <summary>A field that every stream of a subsection has, with the element size that the registers need.</summary>
    /// <exception cref="MalformedArtifactException">It is missing or has another size.</exception>
    public FieldPlace Get(string subsection, string field, int size, params ReadOnlySpan<int> counts)
    {
        FieldPlace? found = Find(subsection, field);
        bool fits = found is { } place && place.Size == size && (counts.IsEmpty ? place.Count == 1 : counts.Contains(place.Count));
        if (fits)
        {
            return found!.Value;
        }

        string expected = counts.IsEmpty ? $"{size} bytes" : $"{string.Join(" or ", counts.ToArray())} times {size} bytes";
        throw new MalformedArtifactException(
            QemuStreamReader.Format, _fileOffset + (found?.Offset ?? 0), found is { } other
            ? $"{field} of {other.Count} times {other.Size} bytes"
            : $"no field {field} in {(subsection.Length == 0 ? "cpu" : subsection)}", $"{field} of {expected}");
    }

    private void AddFields(string subsection, ImmutableArray<VmField> fields)
    {
        foreach (VmField field in fields)
        {
            // An array whose elements differ is listed element by element under one name; only its first matters here, and none of the
            // registers is such an array.
            _places.TryAdd((subsection, field.Name), new FieldPlace(_end, field.Size, field.Count));
            _end += (int)field.Length;
        }
    }

    private void AddSubsections(ImmutableArray<VmSubsection> subsections)
    {
        foreach (VmSubsection subsection in subsections)
        {
            ReadOnlySpan<byte> header = _body.AsSpan(_end, subsection.HeaderLength);
            if (header[0] != TypeSubsection || header[1] != subsection.Name.Length
                || !Ascii.Equals(header.Slice(2, subsection.Name.Length), subsection.Name))
            {
                throw new MalformedArtifactException(QemuStreamReader.Format, _fileOffset + _end, Quotation.Of(header),
                    $"subsection '{subsection.Name}'");
            }

            _end += subsection.HeaderLength;
            _subsections.Add(subsection.Name);
            AddFields(subsection.Name, subsection.Fields);
            AddSubsections(subsection.Subsections);
        }
    }
}
