using System.Text.Json;
using System.Text.Json.Nodes;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.HostFile;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>The published schemas say what the readers take.</summary>
public class JsonSchemaTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_shipped_sample_fits_its_schema()
    {
        JsonSchema host = new("host.schema.json");
        JsonSchema capture = new("capture.schema.json");
        string scenarios = Repository.PathOf("samples", "scenarios");

        // Scenarios are JSON Lines and have a strict reader of their own.
        string[] files = [.. Directory.GetFiles(Repository.PathOf("samples"), "*.json", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(scenarios, StringComparison.Ordinal))];
        int checkedFiles = 0;
        foreach (string file in files)
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonSchema? schema = document.RootElement.TryGetProperty("format", out JsonElement format)
                && format.ValueKind == JsonValueKind.String
                ? format.GetString() switch { HostFileReader.Format => host, CaptureFileReader.Format => capture, _ => null }
                : null;
            if (schema is not null)
            {
                Assert.Empty(schema.Errors(document.RootElement).Select(error => $"{file} {error}"));
                checkedFiles++;
            }
        }

        output.WriteLine($"{checkedFiles} samples");
        Assert.True(checkedFiles >= 12);
    }

    [Fact]
    public void Files_that_use_every_member_fit_the_schemas()
    {
        Assert.Empty(Errors("host.schema.json", HostFileWriter.Write(SampleCaptures.Host)));
        Assert.Empty(Errors("capture.schema.json", CaptureFileWriter.Write(SampleCaptures.Full)));
    }

    [Fact]
    public void A_member_that_is_removed_added_or_retyped_is_refused_by_reader_and_schema_alike()
    {
        int compared = CompareAll("host.schema.json", HostFileWriter.Write(SampleCaptures.Host));
        compared += CompareAll("capture.schema.json", CaptureFileWriter.Write(SampleCaptures.Full));
        output.WriteLine($"{compared} variants compared");
        Assert.True(compared > 1_000);
    }

    private static int CompareAll(string schemaName, byte[] good)
    {
        JsonSchema schema = new(schemaName);
        int compared = 0;
        JsonNode root = JsonNode.Parse(good)!;
        foreach (JsonObject target in Objects(root))
        {
            foreach (string name in target.Select(member => member.Key).ToArray())
            {
                JsonNode? original = target[name];
                int at = target.IndexOf(name);
                target.Remove(name);
                Compare($"without {target.GetPath()}.{name}");
                foreach (JsonNode? other in (ReadOnlySpan<JsonNode?>)[null, true, -1, 1.5, "?", new JsonArray(), new JsonObject()])
                {
                    target.Insert(at, name, other);
                    Compare($"{target.GetPath()}.{name} = {other?.ToJsonString() ?? "null"}");
                    target.Remove(name);
                }

                target.Insert(at, name, original);
            }

            target.Add("extra", 1);
            Compare($"extra in {target.GetPath()}");
            target.Remove("extra");
        }

        return compared;

        void Compare(string what)
        {
            byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(root);
            bool fits = schema.Errors(JsonDocument.Parse(bytes).RootElement).Count == 0;
            bool isRead = IsRead(bytes);

            // Names of components and where a slot may lie are the reader's to know; a schema has no words for them.
            bool readerKnowsMore = what.EndsWith("component = \"?\"", StringComparison.Ordinal)
                || what.EndsWith("supervisor", StringComparison.Ordinal);
            Assert.True(fits == isRead || (fits && readerKnowsMore), $"{what}: schema {fits}, reader {isRead}");
            compared++;
        }
    }

    private static bool IsRead(byte[] bytes)
    {
        try
        {
            Artifact.Open(new MemoryStream(bytes));
            return true;
        }
        catch (MalformedArtifactException)
        {
            return false;
        }
    }

    private static IEnumerable<JsonObject> Objects(JsonNode? node)
    {
        if (node is JsonObject self)
        {
            yield return self;
            foreach (JsonObject inner in self.ToArray().SelectMany(member => Objects(member.Value)))
            {
                yield return inner;
            }
        }
        else if (node is JsonArray array)
        {
            foreach (JsonObject inner in array.ToArray().SelectMany(Objects))
            {
                yield return inner;
            }
        }
    }

    private static List<string> Errors(string schema, byte[] json) => new JsonSchema(schema).Errors(JsonDocument.Parse(json).RootElement);
}
