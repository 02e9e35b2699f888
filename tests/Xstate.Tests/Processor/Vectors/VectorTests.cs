using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>Every vector of <c>xsave-vectors.json</c>, by id.</summary>
public class VectorTests
{
    private const int ExpectedCount = 236;

    private static readonly Lazy<Dictionary<string, JsonElement>> All = new(Load);

    /// <summary>Ids of the vectors; one empty id where the file is absent, so that the skip is seen.</summary>
    public static TheoryData<string> Ids()
    {
        string path = SharedFile();
        TheoryData<string> ids = [];
        if (!File.Exists(path))
        {
            ids.Add("");
            return ids;
        }

        foreach (string id in All.Value.Keys)
        {
            ids.Add(id);
        }

        return ids;
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void The_model_does_what_the_vector_says(string id)
    {
        Repository.Shared("reference", "xsave-vectors.json");
        JsonElement vector = All.Value[id];

        VectorExpectations.Check(id, vector.Text("kind"), vector);
    }

    [Fact]
    public void No_vector_is_left_out()
    {
        Repository.Shared("reference", "xsave-vectors.json");

        Assert.Equal(ExpectedCount, All.Value.Count);
    }

    private static string SharedFile() =>
        Path.Combine(
            Environment.GetEnvironmentVariable("XSTATE_SHARED") ?? Path.Combine(Repository.Root, "..", "shared"), "reference",
            "xsave-vectors.json");

    private static Dictionary<string, JsonElement> Load()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(SharedFile()));
        return document.RootElement.GetProperty("vectors").EnumerateArray()
            .ToDictionary(vector => vector.Text("id"), vector => vector.Clone());
    }
}
