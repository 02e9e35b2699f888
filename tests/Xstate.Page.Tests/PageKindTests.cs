using Microsoft.Playwright;
using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>
/// Every kind of page in a browser: without complaint, fit for every reader, and as wide as its window. Pictures are kept below
/// artifacts/pages.
/// </summary>
[Collection(BrowserCollection.Name)]
public sealed class PageKindTests(Browser browser) : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(PageKinds.Names), MemberType = typeof(PageKinds))]
    public async Task A_page_opens_without_complaint_and_axe_finds_nothing(string kind)
    {
        string file = await PageKinds.Write(kind, _scratch);
        foreach (ColorScheme theme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using OpenedPage opened = await browser.Open(file, 1024, theme);
            foreach (int width in new[] { 390, 1920, 1024 })
            {
                await opened.Page.SetViewportSizeAsync(width, 900);
                Assert.InRange(await opened.Overflow(), int.MinValue, 0);
                await opened.Picture($"report-{kind}-{width}-{theme}".ToLowerInvariant());
            }

            // The large table of kernels is the same on all pages, and so are the reasons of a verdict; one of them is enough.
            string leftClosed = kind switch { "unknown" => "#none", "pool" => ":is(.timeline details, .target)", _ => ".timeline details" };
            await opened.OpenAll(leftClosed);
            Assert.Empty(await opened.Violations(theme == ColorScheme.Light ? [] : ["color-contrast"]));
            Assert.Empty(opened.Complaints);
        }
    }

    [Theory]
    [InlineData("repair")]
    [InlineData("pool")]
    public async Task Every_detail_is_reached_by_the_keyboard(string kind)
    {
        await using OpenedPage opened = await browser.Open(await PageKinds.Write(kind, _scratch));
        ILocator closed = opened.Page.Locator("details.target:not([open]) > summary").First;
        await closed.FocusAsync();
        int before = await opened.Page.Locator("details[open]").CountAsync();
        await opened.Page.Keyboard.PressAsync("Enter");
        Assert.Equal(before + 1, await opened.Page.Locator("details.target[open], details[open]").CountAsync());
        await opened.Page.EvaluateAsync("() => { document.activeElement.blur(); window.getSelection().removeAllRanges(); }");
        (int reached, string[] missed) = await opened.WalkByTab();
        Assert.Empty(missed);
        Assert.InRange(reached, 20, 10_000);
    }

    [Fact]
    public async Task A_verdict_of_the_overview_leads_to_its_reasons_and_a_rule_to_its_explanation()
    {
        await using OpenedPage opened = await browser.Open(await PageKinds.Write("pool", _scratch));
        PageGetByRoleOptions verdict = new() { Name = "refused: xfd-tiles on samples/hosts/amd-milan.json" };
        await opened.Page.GetByRole(AriaRole.Link, verdict).ClickAsync();
        ILocator card = opened.Page.Locator("details.target[open]", new PageLocatorOptions { HasText = "amd-milan" });
        await Assertions.Expect(card).ToBeVisibleAsync();
        ILocator rule = card.Locator("a.rule").First;
        string id = await rule.InnerTextAsync();
        await rule.ClickAsync();
        await Assertions.Expect(opened.Page.Locator($"article#{id}")).ToBeInViewportAsync();
    }

    [Fact]
    public async Task Arrow_keys_move_through_the_heat_map_and_each_cell_says_why()
    {
        await using OpenedPage opened = await browser.Open(await PageKinds.Write("pool", _scratch));
        ILocator map = opened.Page.Locator("canvas").First;
        ILocator cell = opened.Page.Locator(".heat .cell").First;
        await map.FocusAsync();
        await Assertions.Expect(cell).ToContainTextAsync("same");
        await opened.Page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(cell).ToContainTextAsync("To: Class 1");
        await Assertions.Expect(cell).ToContainTextAsync("XS0508");
        await opened.Page.Keyboard.PressAsync("End");
        await Assertions.Expect(cell).ToContainTextAsync("qemu-tcg-max");
    }

    [Fact]
    public async Task A_filter_leaves_the_rows_that_it_names()
    {
        await using OpenedPage opened = await browser.Open(await PageKinds.Write("pool", _scratch));
        ILocator cell = opened.Page.Locator(".heat .cell").First;
        await opened.Page.GetByLabel("From", new PageGetByLabelOptions { Exact = true }).First.FillAsync("turin");
        await Assertions.Expect(cell).ToContainTextAsync("From: Class 3");
        await opened.Page.GetByLabel("From", new PageGetByLabelOptions { Exact = true }).First.FillAsync("no such host");
        await Assertions.Expect(cell).ToContainTextAsync("Nothing fits the filter.");
    }

    [Fact]
    public async Task On_paper_there_is_no_navigation_and_nothing_is_cut()
    {
        await using OpenedPage opened = await browser.Open(await PageKinds.Write("repair", _scratch), 800);
        await opened.Page.EmulateMediaAsync(new PageEmulateMediaOptions { Media = Media.Print });
        await Assertions.Expect(opened.Page.Locator("nav")).ToBeHiddenAsync();
        await Assertions.Expect(opened.Page.Locator(".controls").First).ToBeHiddenAsync();
        Assert.InRange(await opened.Overflow(), int.MinValue, 0);
        await opened.Picture("report-repair-print");
    }
}
