using System.Net;
using System.Text;
using Xstate.Cli.Output;

namespace Xstate.Cli.Pages;

/// <summary>Foreign text as HTML: what is not visible, or would turn the direction, as the escapes of the terminal; then encoded.</summary>
internal static class VisibleText
{
    /// <summary>Text for content or for an attribute in quotation marks.</summary>
    public static string Encode(string text)
    {
        StringBuilder visible = new(text.Length);
        using (StringWriter inner = new(visible))
        using (TerminalWriter writer = new(inner))
        {
            writer.Write(text);
        }

        return WebUtility.HtmlEncode(visible.ToString());
    }
}
