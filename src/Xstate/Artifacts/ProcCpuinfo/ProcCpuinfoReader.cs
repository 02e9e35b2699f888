using System.Collections.Immutable;
using System.Text;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.ProcCpuinfo;

/// <summary>
/// Reads Linux's <c>/proc/cpuinfo</c>: a block of <c>name : value</c> for each logical processor. Its <c>flags</c> are the features that the kernel uses, under the kernel's names: a feature that the
/// kernel turned off (MPX since 5.6) is not among them, whatever the processor has.
/// </summary>
public static class ProcCpuinfoReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "proc-cpuinfo";

    /// <summary>Whether the text begins with a processor's number.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head) => head.StartsWith("processor"u8) && head["processor".Length..].TrimStart("\t "u8).StartsWith(": "u8);

    /// <summary>Reads the text. Processors with the same flags are one model.</summary>
    /// <exception cref="MalformedArtifactException">A line has no colon, no processor has flags, or a limit is exceeded.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ImmutableArray<CpuModel>.Builder models = ImmutableArray.CreateBuilder<CpuModel>();
        LineCursor lines = new(text, Format, limits);
        string? flags = null;
        string? name = null;
        string? vendor = null;
        int processors = 0;
        HashSet<string> seen = [];
        while (lines.MoveNext())
        {
            ReadOnlySpan<byte> line = lines.Line;
            if (!line.ContainsAnyExcept((byte)' ', (byte)'\t'))
            {
                continue;
            }

            int colon = line.IndexOf((byte)':');
            if (colon < 0)
            {
                throw lines.Malformed("\"name : value\"");
            }

            ReadOnlySpan<byte> field = line[..colon].TrimEnd("\t "u8);
            string value = Encoding.UTF8.GetString(line[(colon + 1)..]).Trim();
            if (field.SequenceEqual("processor"u8))
            {
                Add();
                processors = processors < limits.MaxProcessors ? processors + 1 : throw lines.Malformed($"at most {limits.MaxProcessors} processors");
            }
            else if (field.SequenceEqual("model name"u8))
            {
                name = value;
            }
            else if (field.SequenceEqual("vendor_id"u8))
            {
                vendor = value;
            }
            else if (field.SequenceEqual("flags"u8))
            {
                flags = value;
            }
        }

        Add();
        return models.Count == 0
            ? throw new MalformedArtifactException(Format, 0, "no processor with flags", "at least one")
            : new CpuModelList { Format = Format, Models = models.ToImmutable(), Main = models.Count == 1 ? models[0] : null, Writer = $"Linux, {processors} logical processor{(processors == 1 ? "" : "s")}" };

        void Add()
        {
            if (flags is not null && seen.Add(flags) && models.Count < limits.MaxModels)
            {
                models.Add(new CpuModel
                {
                    Name = name ?? "processor",
                    Vendor = vendor,
                    ListsFeatures = true,
                    Features = flags.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(limits.MaxFeatures).ToImmutableSortedSet(StringComparer.Ordinal),
                    Provenance = new Provenance(FactSource.Artifact, "flags of /proc/cpuinfo"),
                });
            }

            (flags, name, vendor) = (null, null, null);
        }
    }
}
