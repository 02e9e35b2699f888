using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.QmpCpu;

/// <summary>
/// Reads QEMU's answers to <c>query-cpu-model-expansion</c> and <c>query-cpu-definitions</c>: one reply, several that follow each other as
/// a monitor's log or libvirt's test data has them, or an object whose members are replies under the commands that asked. They name
/// features; leaf 0xD is not among them.
/// </summary>
internal static class QmpCpuReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "qmp-cpu";

    private const string Return = "return";
    private const string CommandPrefix = "query-cpu-";

    /// <summary>Whether a reply's own members are where a reply has them.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        if (!head.TrimStart("\uFEFF \t\r\n"u8).StartsWith("{"u8))
        {
            return false;
        }

        Utf8JsonReader reader = new(head, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { AllowMultipleValues = true }));
        int reply = int.MaxValue;
        bool inModel = false;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                int depth = reader.CurrentDepth;
                if (depth <= 2 && reader.ValueTextEquals(Return))
                {
                    reply = depth;
                    inModel = false;
                }
                else if (depth <= reply)
                {
                    reply = int.MaxValue;
                    if (depth == 1 && reader.ValueSpan.StartsWith("query-cpu-"u8))
                    {
                        return true;
                    }
                }
                else if (depth == reply + 1)
                {
                    inModel = reader.ValueTextEquals("model"u8);
                }
                else if (depth == reply + 2 && (inModel ? reader.ValueTextEquals("props"u8) : reader.ValueTextEquals("typename"u8)
                    || reader.ValueTextEquals("unavailable-features"u8)))
                {
                    return true;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // What comes after the break is the reader's to report.
        }

        return false;
    }

    /// <summary>Reads the replies. Events, greetings and answers to other commands are passed over.</summary>
    /// <exception cref="MalformedArtifactException">It is no JSON, no reply tells of a CPU model, or a limit is exceeded.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonCursor cursor = new(json, Format, limits, allowSeveral: true);
        Replies replies = new();
        do
        {
            ReadMessage(ref cursor, "", replies);
        }
        while (cursor.NextDocument());

        ImmutableArray<CpuModel> models = replies.Models.ToImmutable();
        return models.IsEmpty
            ? throw new MalformedArtifactException(Format, 0, "no reply with a CPU model",
                "replies to query-cpu-model-expansion or query-cpu-definitions")
            : new CpuModelList { Format = Format, Models = models, Main = MainOf(models), Writer = replies.Writer };
    }

    // Several expansions of one model are one answer: the full one says most.
    private static CpuModel? MainOf(ImmutableArray<CpuModel> models)
    {
        CpuModel[] described = [.. models.Where(model => model.ListsFeatures)];
        return described.Length > 0 && described.All(model => model.Name == described[0].Name)
            ? described.MaxBy(model => model.Features.Count + model.Absent.Count) : null;
    }

    // A message at the top, or under the command that it answers.
    private static void ReadMessage(ref JsonCursor cursor, string command, Replies replies)
    {
        cursor.BeginObject();
        while (cursor.NextMember(out string name))
        {
            switch (name)
            {
                case Return:
                    ReadReturn(ref cursor, command, replies);
                    break;

                case "error" when command.Length > 0:
                    replies.Add(new CpuModel
                    {
                        Name = ModelOf(command) ?? command,
                        Error = ReadError(ref cursor),
                        Provenance = Origin(command)
                    }, in cursor);
                    break;

                case "QMP":
                    replies.Writer = ReadGreeting(ref cursor) ?? replies.Writer;
                    break;

                case "greeting" when command.Length == 0 && cursor.Kind == JsonTokenType.StartObject:
                    ReadMessage(ref cursor, name, replies);
                    break;

                case var asked when command.Length == 0 && asked.StartsWith(CommandPrefix, StringComparison.Ordinal):
                    ReadMessage(ref cursor, asked, replies);
                    break;

                default:
                    cursor.Skip();
                    break;
            }
        }
    }

    private static void ReadReturn(ref JsonCursor cursor, string command, Replies replies)
    {
        if (cursor.Kind == JsonTokenType.StartArray)
        {
            cursor.BeginArray();
            while (cursor.NextItem(cursor.Limits.MaxModels))
            {
                if (cursor.Kind != JsonTokenType.StartObject)
                {
                    cursor.Skip();
                }
                else if (ReadDefinition(ref cursor) is { } model)
                {
                    replies.Add(model, in cursor);
                }
            }
        }
        else if (cursor.Kind == JsonTokenType.StartObject)
        {
            cursor.BeginObject();
            while (cursor.NextMember(out string name))
            {
                if (name == "model")
                {
                    replies.Add(ReadModel(ref cursor, command), in cursor);
                }
                else
                {
                    cursor.Skip();
                }
            }
        }
        else
        {
            cursor.Skip();
        }
    }

    // One item of query-cpu-definitions; null for an item of another command's list.
    private static CpuModel? ReadDefinition(ref JsonCursor cursor)
    {
        string? name = null;
        bool isDefinition = false;
        bool? usable = null;
        ImmutableArray<string>.Builder blockers = ImmutableArray.CreateBuilder<string>();
        cursor.BeginObject();
        while (cursor.NextMember(out string member))
        {
            switch (member)
            {
                case "name":
                    name = cursor.ReadString();
                    break;

                case "unavailable-features":
                    isDefinition = true;
                    cursor.BeginArray();
                    while (cursor.NextItem(cursor.Limits.MaxFeatures))
                    {
                        blockers.Add(cursor.ReadString());
                    }

                    usable = blockers.Count == 0;
                    break;

                case "typename":
                    isDefinition = true;
                    cursor.Skip();
                    break;

                default:
                    cursor.Skip();
                    break;
            }
        }

        return name is null || !isDefinition
            ? null
            : new CpuModel
            {
                Name = name,
                IsUsable = usable,
                Blockers = [.. blockers.Distinct()],
                Provenance = Origin("query-cpu-definitions")
            };
    }

    // {"name": …, "props": {…}}: true and false are features, the rest describes the machine.
    private static CpuModel ReadModel(ref JsonCursor cursor, string command)
    {
        string? name = null;
        string? vendor = null;
        ImmutableSortedSet<string>.Builder features = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        ImmutableSortedSet<string>.Builder absent = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        cursor.BeginObject();
        while (cursor.NextMember(out string member))
        {
            if (member == "name")
            {
                name = cursor.ReadString();
            }
            else if (member == "props")
            {
                cursor.BeginObject();
                while (cursor.NextMember(out string property))
                {
                    bool isFeature = cursor.Kind is JsonTokenType.True or JsonTokenType.False;
                    if (isFeature && features.Count + absent.Count == cursor.Limits.MaxFeatures)
                    {
                        throw cursor.Malformed("one more property", $"at most {cursor.Limits.MaxFeatures}");
                    }

                    if (!isFeature)
                    {
                        vendor = property == "vendor" ? cursor.ReadString() : vendor;
                        cursor.Skip();
                    }
                    else if (!(cursor.ReadBoolean() ? features : absent).Add(property)
                        || (features.Contains(property) && absent.Contains(property)))
                    {
                        throw cursor.Malformed("the property again", "each property once");
                    }
                }
            }
            else
            {
                cursor.Skip();
            }
        }

        string answered = name ?? throw cursor.Malformed("a model without a name", "the member name");
        bool tellsXsave = features.Contains(FeatureNames.Xsave) || absent.Contains(FeatureNames.Xsave);
        return new CpuModel
        {
            Name = ModelOf(command) ?? answered,
            Vendor = vendor,
            ListsFeatures = true,

            // A static expansion lists everything against the empty model "base", a full one against nothing; only one without xsave leaves
            // something to a model.
            Base = tellsXsave ? null : answered,
            Features = features.ToImmutable(),
            Absent = absent.ToImmutable(),
            Provenance = Origin(command.Length == 0 ? "query-cpu-model-expansion" : command),
        };
    }

    private static string ReadError(ref JsonCursor cursor)
    {
        string description = "";
        if (cursor.Kind != JsonTokenType.StartObject)
        {
            cursor.Skip();
            return description;
        }

        cursor.BeginObject();
        while (cursor.NextMember(out string name))
        {
            if (name == "desc")
            {
                description = cursor.ReadString();
            }
            else
            {
                cursor.Skip();
            }
        }

        return description;
    }

    // {"version": {"qemu": {"major": 10, "minor": 0, "micro": 13}, "package": "…"}, …}
    private static string? ReadGreeting(ref JsonCursor cursor)
    {
        Dictionary<string, long> numbers = [];
        ReadVersion(ref cursor, numbers);
        return numbers.TryGetValue("major", out long major)
            ? $"QEMU {major}.{numbers.GetValueOrDefault("minor")}.{numbers.GetValueOrDefault("micro")}" : null;
    }

    private static void ReadVersion(ref JsonCursor cursor, Dictionary<string, long> numbers)
    {
        if (cursor.Kind != JsonTokenType.StartObject)
        {
            cursor.Skip();
            return;
        }

        cursor.BeginObject();
        while (cursor.NextMember(out string name))
        {
            if (name is "version" or "qemu")
            {
                ReadVersion(ref cursor, numbers);
            }
            else if (name is "major" or "minor" or "micro")
            {
                numbers[name] = cursor.ReadInteger(0, int.MaxValue);
            }
            else
            {
                cursor.Skip();
            }
        }
    }

    // "query-cpu-model-expansion type=full model=EPYC-Genoa-v1", as this project's own recordings name their replies.
    private static string? ModelOf(string command)
    {
        const string Mark = " model=";
        int at = command.LastIndexOf(Mark, StringComparison.Ordinal);
        return at < 0 ? null : command[(at + Mark.Length)..];
    }

    private static Provenance Origin(string command) => new(FactSource.Artifact, $"reply of QEMU to {command}");

    private sealed class Replies
    {
        public ImmutableArray<CpuModel>.Builder Models { get; } = ImmutableArray.CreateBuilder<CpuModel>();

        public string? Writer { get; set; }

        public void Add(CpuModel model, in JsonCursor cursor)
        {
            if (Models.Count == cursor.Limits.MaxModels)
            {
                throw cursor.Malformed("one more model", $"at most {cursor.Limits.MaxModels}");
            }

            Models.Add(model);
        }
    }
}
