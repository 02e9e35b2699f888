namespace Xstate.Cli.Site;

/// <summary>One file of the site.</summary>
/// <param name="Path">Its path in the site, with slashes.</param>
/// <param name="Bytes">What is in it.</param>
internal sealed record SiteFile(string Path, byte[] Bytes);
