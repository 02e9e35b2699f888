using System.Text.RegularExpressions;
using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>Foreign text is text: it makes no element, runs nothing, and hides nothing.</summary>
[Collection(BrowserCollection.Name)]
public sealed partial class HostileTextTests(Browser browser) : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Hostile_text_in_every_field_of_every_answer_appears_as_text()
    {
        string answers = _scratch.PathOf("answers.jsonl");
        int count = await HostileAnswers.Write(answers);
        string file = _scratch.PathOf("hostile.html");
        XstateProcess run = await XstateProcess.Run("report", "--from", answers, "-o", file);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));

        await using OpenedPage opened = await browser.Open(file);
        HashSet<int> seen = [];

        // With many subjects one is shown at a time.
        int subjects = await opened.Page.Locator("#overview tbody th a").CountAsync();
        Assert.InRange(subjects, 10, 100);
        for (int i = 0; i < subjects; i++)
        {
            await opened.Page.EvaluateAsync("i => document.querySelectorAll('#overview tbody th a')[i].click()", i);
            await opened.OpenAll(".timeline details");
            string text = await opened.Page.EvaluateAsync<string>(
                "() => document.body.textContent.replace(document.getElementById('data').textContent, '')");
            foreach (Match match in Number().Matches(text))
            {
                seen.Add(int.Parse(match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture));
            }

            Assert.DoesNotMatch(Raw(), text);
        }

        string elements = await opened.Page.EvaluateAsync<string>(
            """
            () => {
              const others = document.querySelectorAll("iframe,object,embed,link,base,form,style");
              return `${document.scripts.length} ${document.images.length} ${others.length} ${window.hit}`;
            }
            """);
        Assert.Equal("2 0 1 undefined", elements);
        Assert.Empty(opened.Complaints);
        Assert.Empty(await opened.Violations());

        // Masks that are no masks, names of views and the like have no place on the page; nearly everything else has.
        TestContext.Current.TestOutputHelper?.WriteLine($"{seen.Count} of {count} strings are on the page");
        Assert.InRange(seen.Count, count * 6 / 10, count);
    }

    [Fact]
    public async Task A_hostile_name_of_a_file_is_text_in_the_title_too()
    {
        string file = _scratch.Copy("samples/captures/leaked-pkru.json", "<img src=x onerror=hit=1>\u202e[red].json");
        string page = _scratch.PathOf("named.html");
        XstateProcess run = await XstateProcess.Run("report", file, "-o", page);
        Assert.Equal(0, run.ExitCode);
        await using OpenedPage opened = await browser.Open(page);
        Assert.Equal("<img src=x onerror=hit=1>\\u202e[red].json", await opened.Page.TitleAsync());
        Assert.Equal("<img src=x onerror=hit=1>\\u202e[red].json", await opened.Page.Locator("h1").InnerTextAsync());
        Assert.Empty(opened.Complaints);
    }

    [GeneratedRegex(@"<script>window\.hit=1</script><img src=x onerror=window\.hit=1>""'&amp;\[/\]\[red\]\$\{hit\}"
        + @"\\u001b\[31m\\u202egnp\.exe\\u0085([0-9]+)\.")]
    private static partial Regex Number();

    [GeneratedRegex(@"[\u001b\u202e\u0085]")]
    private static partial Regex Raw();
}
