using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Xstate.Page.Tests;

/// <summary>
/// The reference site in a browser, from a folder: every kind of page without complaint and fit for every reader, and the search from the
/// words of an error to its cause. Pictures are kept below artifacts/pages.
/// </summary>
[Collection(BrowserCollection.Name)]
public sealed class SitePageTests(Browser browser, SiteFixture site) : IClassFixture<SiteFixture>
{
    private const string Einval = "?q=KVM_SET_XSAVE%3A+Invalid+argument";

    /// <summary>One page of each kind, with what stands behind its path.</summary>
    public static TheoryData<string, string, string> Kinds => new()
    {
        { "home", "index.html", "" }, { "search", "index.html", Einval },
        { "symptom", "symptoms/kvm_set_xsave-invalid-argument.html", "" },
        { "how-to", "how-to/kvm-set-xsave-invalid-argument.html", "" }, { "how-tos", "how-to/index.html", "" },
        { "tutorial", "tutorials/trimming-and-pools.html", "" }, { "rule", "rules/XS0101.html", "" }, { "rules", "rules/index.html", "" },
        { "difference", "rules/KVM-SET-STRICT-CPUID.html", "" }, { "kernels", "kernels/index.html", "" },
        { "series", "kernels/linux-6.1.html", "" }, { "distribution", "kernels/debian-abi.html", "" },
        { "component", "components/pkru.html", "" }, { "components", "components/index.html", "" },
        { "format", "formats/qemu-stream.html", "" }, { "formats", "formats/index.html", "" }, { "command", "commands/check.html", "" },
        { "glossary", "glossary.html", "" }, { "questions", "faq.html", "" }, { "guide", "world-switch.html", "" },
        { "schemas", "schemas/index.html", "" },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_page_opens_without_complaint_and_axe_finds_nothing(string kind, string page, string query)
    {
        foreach (ColorScheme theme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using OpenedPage opened = await browser.Open(site.PathOf(page), 1024, theme, query);
            foreach (int width in new[] { 390, 1920, 1024 })
            {
                await opened.Page.SetViewportSizeAsync(width, 900);
                Assert.InRange(await opened.Overflow(), int.MinValue, 0);
                await opened.Picture($"site-{kind}-{width}-{theme}".ToLowerInvariant());
            }

            // axe asks for the style sheet with a request of its own, which the page's policy refuses.
            Assert.Empty(opened.Complaints);
            Assert.Empty(await opened.Violations(theme == ColorScheme.Light ? [] : ["color-contrast"]));
        }
    }

    [Theory]
    [InlineData("KVM_SET_XSAVE: Invalid argument", "XS0101")]
    [InlineData("Invalid argument", "XS0101")]
    [InlineData("qemu-system-x86_64: Putting registers after init: Failed to set XSAVE: Invalid argument", "XS0101")]
    [InlineData("Unable to set XSAVE state", "XS0101")]
    [InlineData("Bad FPU state detected", "XS0401")]
    [InlineData("Bad FPU state detected at restore_fpregs_from_fpstate+0x45/0xa0, reinitializing FPU registers.", "XS0401")]
    [InlineData("XSAVE consistency problem", "XS0320")]
    public async Task From_the_words_of_an_error_a_page_with_the_cause_is_one_click_away(string typed, string cause)
    {
        await using OpenedPage opened = await browser.Open(site.PathOf("index.html"));
        await opened.Page.GetByLabel("Search this site").FillAsync(typed);
        ILocator results = opened.Page.Locator("#results li a");
        await Assertions.Expect(results.First).ToBeVisibleAsync();

        // Each of the first two is a page about it: how to solve it, or the causes of the message.
        for (int i = 0; i < 2; i++)
        {
            await using OpenedPage again = await browser.Open(site.PathOf("index.html"), fragment: $"?q={Uri.EscapeDataString(typed)}");
            await again.Page.Locator("#results li a").Nth(i).ClickAsync();
            await Assertions.Expect(again.Page.Locator("main")).ToContainTextAsync(cause);
            Assert.DoesNotContain("index.html", again.Page.Url, StringComparison.Ordinal);
            Assert.Empty(again.Complaints);
        }

        Assert.Empty(opened.Complaints);
    }

    [Fact]
    public async Task Every_page_leads_to_the_search_by_the_keyboard()
    {
        await using OpenedPage opened = await browser.Open(site.PathOf("rules/XS0504.html"));
        await opened.Page.GetByLabel("Search this site").FocusAsync();
        await opened.Page.Keyboard.TypeAsync("pkru");
        await opened.Page.Keyboard.PressAsync("Enter");
        await opened.Page.WaitForURLAsync(new Regex(@"/index\.html\?q=pkru$", RegexOptions.None, TimeSpan.FromSeconds(1)));
        ILocator component = opened.Page.Locator("#results li a").Filter(new LocatorFilterOptions { HasText = "Component pkru" });
        await component.FocusAsync();
        await opened.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(opened.Page.Locator("h1")).ToHaveTextAsync("Component pkru");
        Assert.Empty(opened.Complaints);
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("symptoms/kvm_set_xsave-invalid-argument.html")]
    [InlineData("rules/KVM-SET-STRICT-CPUID.html")]
    public async Task Everything_is_reached_by_the_keyboard(string page)
    {
        await using OpenedPage opened = await browser.Open(site.PathOf(page));
        (int reached, string[] missed) = await opened.WalkByTab();
        Assert.Empty(missed);
        Assert.InRange(reached, 15, 10_000);
    }

    [Fact]
    public async Task What_is_typed_is_text_and_what_nobody_wrote_about_is_said()
    {
        await using OpenedPage opened = await browser.Open(
            site.PathOf("index.html"), fragment: "?q=%3Cimg%20src%3Dx%20onerror%3Dhit%3D1%3E");
        ILocator search = opened.Page.GetByLabel("Search this site");
        await Assertions.Expect(search).ToHaveValueAsync("<img src=x onerror=hit=1>");
        Assert.Equal(0, await opened.Page.Locator("img").CountAsync());
        await search.FillAsync("qzxwv");
        await Assertions.Expect(opened.Page.Locator("#results")).ToContainTextAsync("No page has any of these words");
        await search.FillAsync("pkru qzxwv");
        await Assertions.Expect(opened.Page.Locator("#results h2")).ToContainTextAsync("No page has all of these words");
        await search.FillAsync("");
        await Assertions.Expect(opened.Page.Locator("#document")).ToBeVisibleAsync();
        Assert.Empty(opened.Complaints);
    }

    [Fact]
    public async Task The_search_answers_a_letter_within_a_tenth_of_a_second()
    {
        await using OpenedPage opened = await browser.Open(site.PathOf("index.html"));
        double[] taken = await opened.Page.EvaluateAsync<double[]>(
            """
            async () => {
              const input = document.getElementById("q");
              const taken = [];
              for (const letter of "kvm_set_xsave: invalid argument") {
                const start = performance.now();
                input.value += letter;
                input.dispatchEvent(new Event("input"));
                document.body.offsetHeight;
                taken.push(performance.now() - start);
                await new Promise(requestAnimationFrame);
              }
              return taken.sort((a, b) => a - b);
            }
            """);
        TestContext.Current.TestOutputHelper?.WriteLine($"median {taken[taken.Length / 2]:0.0} ms, longest {taken[^1]:0.0} ms");
        Assert.InRange(taken[taken.Length / 2], 0, 100);
    }

    [Fact]
    public async Task Without_its_script_the_site_is_read_as_it_is()
    {
        string text = await File.ReadAllTextAsync(site.PathOf("index.html"), TestContext.Current.CancellationToken);
        Assert.Contains("how-to/kvm-set-xsave-invalid-argument.html", text, StringComparison.Ordinal);
        string rule = await File.ReadAllTextAsync(site.PathOf("rules/XS0101.html"), TestContext.Current.CancellationToken);
        Assert.DoesNotContain("<script", rule, StringComparison.Ordinal);
    }
}
