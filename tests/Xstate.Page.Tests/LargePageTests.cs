using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>A fleet of 500 classes of hosts and 500 classes of guests: half a million cells.</summary>
[Collection(BrowserCollection.Name)]
public sealed class LargePageTests(Browser browser) : IDisposable
{
    private const int Classes = 500;
    private const int MaxBytes = 5_000_000;

    // One frame at 60 Hz for a step of the cursor. A filter draws every cell anew, in the tests by the processor alone and beside other
    // tests: its bound only tells work for each cell from work for each pair of cells.
    private const double FrameBudget = 1000.0 / 60;
    private const double FilterBudget = 5_000;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_page_of_500_hosts_and_500_classes_stays_small_and_answers_within_a_frame()
    {
        string answer = _scratch.Write("pool.json", LargePool.Write(Classes));
        string file = _scratch.PathOf("large.html");
        XstateProcess run = await XstateProcess.Run("report", "--from", answer, "-o", file);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.InRange(new FileInfo(file).Length, 100_000, MaxBytes);

        await using OpenedPage opened = await browser.Open(file);
        double[] clicks = await opened.Page.EvaluateAsync<double[]>(
            """
            async () => {
              const canvas = document.querySelector("canvas");
              const taken = [];
              for (let i = 0; i < 41; i++) {
                const box = canvas.getBoundingClientRect();
                const [x, y] = [box.x + (box.width * (i + 0.5)) / 41, box.y + (box.height * ((i * 7) % 41)) / 41];
                const at = { bubbles: true, clientX: x, clientY: y };
                const start = performance.now();
                canvas.dispatchEvent(new MouseEvent("click", at));
                document.body.offsetHeight;
                taken.push(performance.now() - start);
                await new Promise(requestAnimationFrame);
              }
              return taken.sort((a, b) => a - b);
            }
            """);
        double filter = await opened.Page.EvaluateAsync<double>(
            """
            () => {
              const start = performance.now();
              document.querySelector("fieldset input").click();
              document.body.offsetHeight;
              return performance.now() - start;
            }
            """);
        double median = clicks[clicks.Length / 2];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{new FileInfo(file).Length} bytes; a click takes {median:0.0} ms in the middle of {clicks.Length}, a filter {filter:0} ms");
        Assert.InRange(median, 0, FrameBudget);
        Assert.InRange(filter, 0, FilterBudget);
        Assert.Contains("class", await opened.Page.Locator(".heat .cell").First.InnerTextAsync(), StringComparison.OrdinalIgnoreCase);
        Assert.Empty(opened.Complaints);
        await opened.Picture("report-large-1024-light");
    }
}
