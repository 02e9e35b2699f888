using System.Net;
using Xstate.Cli.Output;

namespace Xstate.Cli.Pages;

/// <summary>Foreign text as HTML: what is not visible, or would turn the direction, as the escapes of the terminal; then encoded.</summary>
internal static class VisibleText
{
    /// <summary>Text for content or for an attribute in quotation marks.</summary>
    public static string Encode(string text) => WebUtility.HtmlEncode(TerminalWriter.Escape(text));
}
