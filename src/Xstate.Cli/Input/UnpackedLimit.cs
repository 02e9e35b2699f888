using System.CommandLine;
using System.Globalization;
using Xstate.Artifacts;

namespace Xstate.Cli.Input;

/// <summary>The option that bounds what a compressed file, or a pipe, may fill a disk with; every verb has it.</summary>
internal sealed class UnpackedLimit
{
    private const string Units = "KMGT";
    private const int UnitBits = 10;

    private readonly Option<string?> _option = new("--max-unpacked")
    {
        Description = "Most bytes that a compressed file or a pipe may hold, such as 500M or 64G (default "
            + $"{ArtifactLimits.Default.MaxSpooled >> 30}G). "
            + $"Beyond {ArtifactLimits.Default.MaxWholeFile >> 20}M they go to a file without a name in TMPDIR.",
        Recursive = true,
    };

    public void AddTo(Command root) => root.Add(_option);

    /// <summary>The limits that the command line asks for.</summary>
    public ArtifactLimits Limits(ParseResult parsed) =>
        parsed.GetValue(_option) is { } text ? ArtifactLimits.Default with { MaxSpooled = Parse(text) } : ArtifactLimits.Default;

    private long Parse(string text)
    {
        int unit = text.Length == 0 ? -1 : Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        ReadOnlySpan<char> digits = unit < 0 ? text : text.AsSpan(0, text.Length - 1);
        int shift = UnitBits * (unit + 1);
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number <= long.MaxValue >> shift
            ? number << shift
            : throw new UsageException($"{_option.Name} takes a size such as 500M or 64G, not '{text}'");
    }
}
