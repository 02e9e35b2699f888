using System.Text;
using System.Text.Json;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Pages;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Cli.Tests;

/// <summary><c>xstate report</c>: what is on a page, what it is made of, and what it refuses.</summary>
public sealed class ReportCommandTests : IDisposable
{
    private const string Sample = "samples/captures/intel-for-amd.json";
    private const string Genoa = "samples/hosts/amd-genoa.json@linux-6.12";

    private const string Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_page_holds_the_answers_of_show_and_check_and_the_state_after_the_repair()
    {
        JsonElement data = await Page("report", Sample, "--on", Genoa);
        JsonElement[] parts = [.. data.GetProperty("parts").EnumerateArray()];
        Assert.Equal(["show", "check", "show"], parts.Select(part => part.GetProperty("answer").GetProperty("verb").GetString()));
        Assert.Equal((await XstateProcess.Run("show", Sample, "--json")).Json.ToString(), Indented(parts[0].GetProperty("answer")));
        XstateProcess check = await XstateProcess.Run("check", Sample, "--on", Genoa, "--json");
        Assert.Equal(check.Json.ToString(), Indented(parts[1].GetProperty("answer")));
        Assert.Equal(Genoa, parts[2].GetProperty("on").GetString());
        Assert.Equal([1088, 832], [OffsetOfOpmask(parts[0]), OffsetOfOpmask(parts[2])]);
        Assert.Equal("0x2e7", parts[0].GetProperty("guest")[0].GetString());
        Assert.True(data.GetProperty("rules").TryGetProperty("XS0504", out _));
    }

    [Fact]
    public async Task A_kept_answer_gives_the_parts_that_the_file_itself_gives()
    {
        string kept = _scratch.PathOf("kept.jsonl");
        XstateProcess show = await XstateProcess.Run("show", Sample, "samples/hosts/amd-genoa.json", "--json");
        XstateProcess check = await XstateProcess.Run("check", Sample, "--on", Genoa, "--jsonl");
        await File.WriteAllTextAsync(kept, show.Output + check.Output, TestContext.Current.CancellationToken);
        JsonElement data = await Page("report", "--from", kept);
        Assert.Equal(["show", "show", "check"],
            data.GetProperty("parts").EnumerateArray().Select(part => part.GetProperty("answer").GetProperty("verb").GetString()));
    }

    [Fact]
    public async Task One_bad_file_of_several_stands_on_the_page_and_decides_the_exit_code()
    {
        string page = _scratch.PathOf("page.html");
        XstateProcess run = await XstateProcess.Run("report", Sample, "missing.json", "-o", page);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("missing.json", run.Error, StringComparison.Ordinal);
        JsonElement error = DataOf(page).GetProperty("parts")[1].GetProperty("answer").GetProperty("error");
        Assert.Contains("missing.json", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(3, (await XstateProcess.Run("report", "missing.json", "-o", _scratch.PathOf("none.html"))).ExitCode);
        Assert.Equal(["page.html"], _scratch.Names);
    }

    [Fact]
    public async Task A_page_is_as_open_as_the_file_that_the_fewest_may_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "modes of files are Linux's here");
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        string open = _scratch.Copy(Sample, "open.json", owner | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        string secret = _scratch.Copy(Sample, "secret.json", owner);
        Assert.Equal(0, (await XstateProcess.Run("report", open, secret, "-o", _scratch.PathOf("both.html"))).ExitCode);
        Assert.Equal(owner, OperatingSystem.IsWindows() ? owner : File.GetUnixFileMode(_scratch.PathOf("both.html")));
    }

    [Theory]
    [InlineData("", "found nothing")]
    [InlineData("{", "found no JSON")]
    [InlineData("[1]", "at offset 0 found JSON that is no answer")]
    [InlineData("{\"verb\":\"show\",\"schemaVersion\":2}", "found schemaVersion 2, expected 1")]
    [InlineData("{\"verb\":\"show\",\"schemaVersion\":1}\n{\"name\":\"a scenario\"}", "at offset 34 found JSON that is no answer")]
    [InlineData("{\"verb\":\"show\",\"schemaVersion\":1,\"file\":\"\\ud800\"}", "found a string that is no text")]
    public void What_is_no_answer_is_refused_with_its_place(string text, string told)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => AnswerFile.Parse(Encoding.UTF8.GetBytes(text)));
        Assert.Contains(told, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("report needs FILE")]
    [InlineData("--on checks FILEs", "--on", Genoa)]
    [InlineData("--pool needs the HOSTs", Sample, "--pool")]
    public async Task What_makes_no_page_is_a_usage_error(string told, params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(["report", .. arguments, "-o", _scratch.PathOf("page.html")]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(told, run.Error, StringComparison.Ordinal);
        Assert.Empty(_scratch.Names);
    }

    [Fact]
    public async Task The_compact_matrix_of_a_pool_has_every_outcome_in_its_place()
    {
        XstateProcess pool = await XstateProcess.Run("pool", "samples/hosts", "--kernel", "linux-6.12", "--json");
        string kept = _scratch.Write("pool.json", Encoding.UTF8.GetBytes(pool.Output));
        JsonElement matrix = (await Page("report", "--from", kept)).GetProperty("parts")[0].GetProperty("answer").GetProperty("matrix");
        JsonElement[] outcomes = [.. matrix.GetProperty("outcomes").EnumerateArray()];
        string[] rows = [.. matrix.GetProperty("rows").EnumerateArray().Select(row => row.GetString()!)];
        Assert.Equal(1, matrix.GetProperty("width").GetInt32());
        foreach (JsonElement move in pool.Json.GetProperty("matrix").EnumerateArray())
        {
            char digit = rows[move.GetProperty("from").GetInt32()][move.GetProperty("to").GetInt32()];
            JsonElement outcome = outcomes[Digits.IndexOf(digit, StringComparison.Ordinal)];
            Assert.Equal(move.GetProperty("verdict").GetString(), outcome.GetProperty("verdict").GetString());
            Assert.Equal(Indented(move.GetProperty("why")), Indented(outcome.GetProperty("why")));
        }
    }

    [Fact]
    public void Each_landmark_is_a_kernel_of_a_known_distribution() => Assert.All(KernelTimeline.Landmarks, name =>
    {
        Assert.True(KernelNames.TryRead(name, new KernelEvidence(null, null, null), out KernelBehavior? kernel, out _), name);
        Assert.NotEqual("none", kernel.Reading.Family);
    });

    [Theory]
    [InlineData("KVM-SET-STRICT-CPUID", "5.16", 'a')]
    [InlineData("KVM-SET-STRICT-CPUID", "5.17", 'p')]
    [InlineData("KVM-SET-STRICT-CPUID", "6.1", 'm')]
    [InlineData("KVM-SET-STRICT-CPUID", "6.6", 'a')]
    [InlineData("KVM-SET-HDR-STRICT", "7.3", 'p')]
    public void The_timeline_says_of_a_series_what_the_releases_say(string id, string series, char expected)
    {
        Assert.True(KernelRelease.TryParse(series, out KernelRelease release));
        Assert.Contains(release, KernelTimeline.Series);
        Assert.Equal(expected, KernelTimeline.Over(KernelDifference.Find(id)!, release));
    }

    private async Task<JsonElement> Page(params string[] arguments)
    {
        string page = _scratch.PathOf("page.html");
        XstateProcess run = await XstateProcess.Run([.. arguments, "-o", page]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        return DataOf(page);
    }

    private static JsonElement DataOf(string page)
    {
        string text = File.ReadAllText(page).Split("<script type=\"application/json\" id=\"data\">", 2)[1];
        return JsonDocument.Parse(text[..text.IndexOf("</script>", StringComparison.Ordinal)]).RootElement;
    }

    private static int OffsetOfOpmask(JsonElement part) => part.GetProperty("answer").GetProperty("vcpus")[0].GetProperty("components")
        .EnumerateArray().First(component => component.GetProperty("component").GetString() == "opmask").GetProperty("offset").GetInt32();

    // As the answer of a verb is printed.
    private static string Indented(JsonElement element)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions
        {
            Indented = true,
            NewLine = "\n",
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        }))
        {
            element.WriteTo(json);
        }

        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
