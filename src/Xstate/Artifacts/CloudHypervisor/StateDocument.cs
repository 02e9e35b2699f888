using System.Globalization;
using System.Text.Json;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>The state of one virtual CPU as the document has it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Text">Its state, JSON again.</param>
internal sealed record EmbeddedVcpu(int Id, EmbeddedText Text);

/// <summary>
/// Finds the virtual CPUs in state.json: <c>snapshots → cpu-manager → snapshots → number → snapshot_data</c>. Everything else is passed
/// over, because every release adds to it.
/// </summary>
internal static class StateDocument
{
    private const int MaxDepth = 64;
    private static readonly string[] Path = ["snapshots", "cpu-manager", "snapshots"];

    /// <summary>
    /// Whether a file begins as such a document: an object with snapshots, before anything else that is larger than the head.
    /// </summary>
    public static bool Recognizes(ReadOnlySpan<byte> head)
    {
        if (!head.TrimStart(" \t\r\n"u8).StartsWith("{"u8))
        {
            return false;
        }

        Utf8JsonReader reader = new(head, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        try
        {
            while (reader.Read())
            {
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName
                    && (reader.ValueTextEquals("snapshots"u8) || reader.ValueTextEquals("snapshot_data"u8)))
                {
                    return true;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // No JSON, so no such document.
        }

        return false;
    }

    /// <summary>The virtual CPUs in the order of the document.</summary>
    public static List<EmbeddedVcpu> ReadVcpus(ReadOnlyMemory<byte> document, ArtifactLimits limits)
    {
        Utf8JsonReader reader = new(document.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            reader.Read();
            foreach (string name in Path)
            {
                Enter(ref reader, name);
            }

            List<EmbeddedVcpu> vcpus = ReadManager(document, ref reader, limits);
            while (reader.Read())
            {
                // A file that was cut behind the virtual CPUs is no snapshot either.
            }

            return vcpus;
        }
        catch (JsonException error)
        {
            throw Malformed(Math.Min(reader.BytesConsumed, document.Length),
                $"what is no JSON: {Quotation.Cut(error.Message, Quotation.MaxProse)}", "JSON");
        }
    }

    // Moves from the beginning of an object to the value of one of its members.
    private static void Enter(ref Utf8JsonReader reader, string name)
    {
        Expect(reader, JsonTokenType.StartObject, $"an object with {name}");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool found = IsName(reader, name);
            reader.Read();
            if (found)
            {
                return;
            }

            reader.Skip();
        }

        throw Malformed(reader.TokenStartIndex, $"no member {name}", string.Join(" → ", Path));
    }

    private static List<EmbeddedVcpu> ReadManager(ReadOnlyMemory<byte> document, ref Utf8JsonReader reader, ArtifactLimits limits)
    {
        Expect(reader, JsonTokenType.StartObject, "an object with the virtual CPUs");
        List<EmbeddedVcpu> vcpus = [];
        HashSet<int> seen = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            long at = reader.TokenStartIndex;
            ReadOnlySpan<byte> name = reader.ValueSpan;
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || !seen.Add(id))
            {
                throw Malformed(at, Quotation.Of(name), "the number of a virtual CPU, each once");
            }

            if (vcpus.Count == limits.MaxStates)
            {
                throw Malformed(at, "one more virtual CPU", $"at most {limits.MaxStates}");
            }

            reader.Read();
            int depth = reader.CurrentDepth;
            Enter(ref reader, "snapshot_data");
            vcpus.Add(new EmbeddedVcpu(id, ReadData(document, ref reader)));
            while (reader.CurrentDepth > depth && reader.Read())
            {
                reader.TrySkip();
            }
        }

        return vcpus.Count > 0 ? vcpus : throw Malformed(reader.TokenStartIndex, "no virtual CPU", "at least one");
    }

    private static EmbeddedText ReadData(ReadOnlyMemory<byte> document, ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                return EmbeddedText.OfList(document, ref reader);
            case JsonTokenType.StartObject:
                long start = reader.TokenStartIndex;
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    bool isState = IsName(reader, "state");
                    reader.Read();
                    if (isState && reader.TokenType == JsonTokenType.String)
                    {
                        return EmbeddedText.OfString(document, ref reader);
                    }

                    reader.Skip();
                }

                throw Malformed(start, "a map of sections, as Cloud Hypervisor before 29 wrote",
                    "\"state\" with text (39 and later), or a list of bytes (29 to 38): restore and save with a later release");
            default:
                throw Malformed(reader.TokenStartIndex, $"{reader.TokenType} as snapshot_data", "the state of a virtual CPU");
        }
    }

    private static void Expect(in Utf8JsonReader reader, JsonTokenType type, string expected)
    {
        if (reader.TokenType != type)
        {
            throw Malformed(reader.TokenStartIndex, $"{reader.TokenType}", expected);
        }
    }

    private static bool IsName(in Utf8JsonReader reader, string name)
    {
        try
        {
            return reader.ValueTextEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static MalformedArtifactException Malformed(long offset, string found, string expected) =>
        new(CloudHypervisorReader.Format, offset, found, expected);
}
