using System.Text.RegularExpressions;
using Xstate.Cli.Pages;
using Xstate.Tests.Support;

namespace Xstate.Page.Tests;

/// <summary>What the scripts of pages may not do, whatever the data is.</summary>
public sealed partial class AssetTests
{
    [Fact]
    public void No_script_parses_text_as_markup_or_code_or_asks_the_network()
    {
        string[] scripts = Directory.GetFiles(Repository.PathOf("src", "Xstate.Cli", "Pages", "Assets"), "*.js");
        Assert.NotEmpty(scripts);
        Assert.All(scripts, script => Assert.DoesNotMatch(Forbidden(), File.ReadAllText(script)));
    }

    [Fact]
    public void Data_with_markup_is_refused()
    {
        using MemoryStream output = new();
        Assert.Throws<ArgumentException>(() => PageShell.Write(output, "", "", "", "{\"a\":\"</script>\"}"u8));
        Assert.Equal(0, output.Length);
    }

    [GeneratedRegex(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setHTML|DOMParser|\bfetch\("
        + @"|XMLHttpRequest|import\(|WebSocket|\.src\s*=|https?://(?!www\.w3\.org/2000/svg)")]
    private static partial Regex Forbidden();
}
