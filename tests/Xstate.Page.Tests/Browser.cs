using Microsoft.Playwright;

namespace Xstate.Page.Tests;

/// <summary>
/// Debian's Chromium, driven by Playwright, once for all tests. Where one of the two is missing, <see cref="Missing"/> says which.
/// </summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly string Program = Environment.GetEnvironmentVariable("XSTATE_CHROMIUM") ?? "/usr/bin/chromium";
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Why pages cannot be opened here; null where they can.</summary>
    public string? Missing { get; private set; }

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Program))
        {
            Missing = $"no Chromium is at {Program} (package chromium, or XSTATE_CHROMIUM)";
            return;
        }

        try
        {
            _playwright = await Playwright.CreateAsync();
            _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
            {
                ExecutablePath = Program,
                Args = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
            });
        }
        catch (PlaywrightException error)
        {
            Missing = $"Playwright does not start {Program} here: {error.Message.Split('\n')[0]}";
        }
    }

    /// <summary>Opens a window; skips the test where there is no browser.</summary>
    /// <param name="file">The page.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="theme">Light or dark.</param>
    /// <param name="fragment">What stands behind the file's name.</param>
    internal async Task<OpenedPage> Open(string file, int width = 1024, ColorScheme theme = ColorScheme.Light, string fragment = "")
    {
        Assert.SkipUnless(Missing is null, Missing ?? "");
        IBrowserContext context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = 900 },
            ColorScheme = theme,
            ReducedMotion = ReducedMotion.Reduce,
        });
        OpenedPage opened = new(context, await context.NewPageAsync());
        await opened.Page.GotoAsync(new Uri(file).AbsoluteUri + fragment);
        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
