using System.Collections.Immutable;
using System.Text;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.ProcCpuinfo;

/// <summary>
/// Reads Linux's <c>/proc/cpuinfo</c>: a block of <c>name : value</c> for each logical processor, whole or only its <c>flags</c> line, with
/// anything around it. The <c>flags</c> are the features that the kernel uses, under the kernel's names: a feature that the kernel turned
/// off (MPX since 5.6) is not among them, whatever the processor has.
/// </summary>
internal static class ProcCpuinfoReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "proc-cpuinfo";

    /// <summary>Whether a line begins a processor, or lists the features of one.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            TryReadField(line, out string field, out string value)
            && (field == "processor" ? IsNumber(value) : field == "flags" && $" {value} ".Contains(" fpu ", StringComparison.Ordinal)));
    }

    /// <summary>Reads the text. Processors with the same flags are one model.</summary>
    /// <exception cref="MalformedArtifactException">No processor has flags, or a limit is exceeded.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ImmutableArray<CpuModel>.Builder models = ImmutableArray.CreateBuilder<CpuModel>();
        PastedLines lines = new(text, Format, limits);
        NamedProcessor processor = new();
        int processors = 0;
        HashSet<string> seen = [];
        while (lines.MoveNext())
        {
            if (!TryReadField(lines.Line, out string field, out string value))
            {
                lines.Skip();
            }
            else if (field == "processor" && IsNumber(value))
            {
                Add();
                processors = processors < limits.MaxProcessors
                    ? processors + 1 : throw lines.Malformed($"at most {limits.MaxProcessors} processors");
            }
            else
            {
                if (field == "flags" && processor.Flags is not null)
                {
                    Add();
                }

                processor.Take(field, value);
            }
        }

        Add();
        string writer = processors == 0 ? "Linux" : $"Linux, {processors} logical processor{(processors == 1 ? "" : "s")}";
        return models.Count == 0
            ? throw new MalformedArtifactException(Format, 0, "no processor with flags", "at least one")
            : new CpuModelList
            {
                Format = Format,
                Models = models.ToImmutable(),
                Main = models.Count == 1 ? models[0] : null,
                Writer = writer,
                Skipped = lines.Skipped
            };

        void Add()
        {
            if (processor.Flags is { } flags && seen.Add(flags) && models.Count < limits.MaxModels)
            {
                models.Add(processor.ToModel(limits, "flags of /proc/cpuinfo"));
            }

            processor = new NamedProcessor();
        }
    }

    // "name<tabs>: value". The blank or tab before the colon is the kernel's own; other texts seldom have it.
    private static bool TryReadField(ReadOnlySpan<byte> line, out string field, out string value)
    {
        const int LongestName = 32;
        (field, value) = ("", "");
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || colon > LongestName || line[colon - 1] is not ((byte)' ' or (byte)'\t'))
        {
            return false;
        }

        field = Encoding.UTF8.GetString(line[..colon]).Trim();
        value = Encoding.UTF8.GetString(line[(colon + 1)..]).Trim();
        return field.Length > 0;
    }

    private static bool IsNumber(string text) => text.Length is > 0 and < 10 && text.All(char.IsAsciiDigit);
}
