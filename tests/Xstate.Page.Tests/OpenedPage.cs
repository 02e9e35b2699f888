using System.Text.Json;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xstate.Tests.Support;

namespace Xstate.Page.Tests;

/// <summary>A page in a window, with everything that it complained of.</summary>
internal sealed class OpenedPage : IAsyncDisposable
{
    private static readonly string Artifacts = Repository.PathOf("artifacts", "pages");
    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    public OpenedPage(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                _complaints.Add($"{message.Type}: {message.Text}");
            }
        };
        page.PageError += (_, error) => _complaints.Add($"uncaught: {error}");
        page.Dialog += (_, dialog) =>
        {
            _complaints.Add($"dialog: {dialog.Message}");
            _ = dialog.DismissAsync();
        };
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith("file:", StringComparison.Ordinal))
            {
                _complaints.Add($"request: {request.Url}");
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Console errors and warnings, exceptions, dialogs, and requests of anything but files.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>Opens everything that is closed, until nothing is.</summary>
    /// <param name="leaveClosed">What stays as it is; a selector.</param>
    public Task OpenAll(string leaveClosed = "#none") => Page.EvaluateAsync(
        """
        async (leaveClosed) => {
          for (let round = 0; round < 20; round++) {
            const closed = [...document.querySelectorAll(`details:not([open]):not(${leaveClosed})`)];
            if (closed.length === 0) return;
            closed.forEach((one) => { one.open = true; });
            await new Promise((done) => setTimeout(done, 20));
          }
        }
        """, leaveClosed);

    /// <summary>What axe finds wrong, one line each.</summary>
    /// <param name="rules">The rules; all without a choice.</param>
    public async Task<string[]> Violations(params string[] rules)
    {
        // What is as it should be is counted and not listed: that would be most of the page once more.
        AxeRunOptions options = new() { ResultTypes = [ResultType.Violations] };
        if (rules.Length > 0)
        {
            options.RunOnly = RunOnlyOptions.Rules(rules);
        }

        AxeResult result = await Page.RunAxe(options);
        Assert.NotEmpty(result.Passes);
        return [.. result.Violations.SelectMany(rule => rule.Nodes.Take(3).Select(node => $"{rule.Id}: {node.Html} {node.Target}"))];
    }

    /// <summary>Pixels by which the page is wider than the window.</summary>
    public Task<int> Overflow() => Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - innerWidth");

    /// <summary>Keeps a picture of the window among the artifacts.</summary>
    public Task Picture(string name)
    {
        string file = Path.Combine(Directory.CreateDirectory(Artifacts).FullName, $"{name}.png");
        return Page.ScreenshotAsync(new PageScreenshotOptions { Path = file });
    }

    /// <summary>Everything that the keyboard reaches, in the order of Tab, and what is there to be reached but was not.</summary>
    public async Task<(int Reached, string[] Missed)> WalkByTab()
    {
        int stops = await Page.EvaluateAsync<int>(
            """
            () => {
              const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
              window.stops = new Set(all.filter((one) => one.checkVisibility()));
              document.body.focus();
              return window.stops.size;
            }
            """);
        int left = stops;
        for (int i = 0; i < stops + 20 && left > 0; i++)
        {
            await Page.Keyboard.PressAsync("Tab");
            left = await Page.EvaluateAsync<int>("() => { window.stops.delete(document.activeElement); return window.stops.size; }");
        }

        JsonElement missed = await Page.EvaluateAsync<JsonElement>("() => [...window.stops].map((one) => one.outerHTML.slice(0, 120))");
        return (stops - left, [.. missed.EnumerateArray().Select(one => one.GetString()!)]);
    }

    public ValueTask DisposeAsync() => _context.DisposeAsync();
}
