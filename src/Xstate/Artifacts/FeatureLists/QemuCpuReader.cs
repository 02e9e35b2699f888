using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.FeatureLists;

/// <summary>
/// Reads the <c>-cpu</c> option of a QEMU command line, alone or in it: <c>-cpu Skylake-Server,+pku,avx512f=off</c>. A model and what is
/// added or taken; what the model itself has, QEMU knows.
/// </summary>
internal static class QemuCpuReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "qemu-cpu";

    private static readonly SearchValues<byte> AfterValue = SearchValues.Create(" \t\r\n\0'\""u8);

    private const int LongestText = 1 << 16;

    // Properties of a CPU that are no features (qemu-system-x86_64 -cpu help): how it is made, not what it has.
    private static readonly ImmutableHashSet<string> Settings = ["host-phys-bits", "migratable", "enforce", "check", "kvm", "pmu",
        "host-cache-info", "l3-cache", "cpuid-0xb", "fill-mtrr-mask", "legacy-cache"];

    internal static bool Recognizes(ReadOnlySpan<byte> head) => Find(head) >= 0;

    /// <summary>Reads the text.</summary>
    /// <exception cref="MalformedArtifactException">There is no option, or more than one.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        int at = Find(text);
        if (at < 0)
        {
            throw new MalformedArtifactException(Format, 0, "no -cpu option", "\"-cpu MODEL,+FEATURE,-FEATURE,FEATURE=on\"");
        }

        int again = Find(text[at..]);
        if (again >= 0)
        {
            throw new MalformedArtifactException(Format, at + again, "a second -cpu option", "the command line of one machine");
        }

        ReadOnlySpan<byte> rest = text[at..];
        int end = rest.IndexOfAny(AfterValue);
        CpuModel model = Parse(Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]), at, limits);
        return new CpuModelList { Format = Format, Models = [model], Main = model, Writer = "QEMU's command line" };
    }

    /// <summary>The option's value.</summary>
    internal static CpuModel Parse(string value, long offset, ArtifactLimits limits)
    {
        string[] parts = value.Split(',');
        if (parts.Length - 1 > limits.MaxFeatures)
        {
            throw new MalformedArtifactException(Format, offset, $"{parts.Length - 1} properties", $"at most {limits.MaxFeatures}");
        }

        ImmutableSortedSet<string>.Builder present = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        ImmutableSortedSet<string>.Builder absent = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        if (parts[0].Length == 0)
        {
            throw new MalformedArtifactException(Format, offset, "no model", "a model such as host or Skylake-Server");
        }

        long position = offset + Encoding.UTF8.GetByteCount(parts[0]) + 1;
        foreach (string part in parts.Skip(1))
        {
            (string name, bool? has) = part switch
            {
                ['+', .. var given] => (given, true),
                ['-', .. var taken] => (taken, false),
                _ when part.Split('=') is [var key, "on" or "true" or "yes"] => (key, true),
                _ when part.Split('=') is [var key, "off" or "false" or "no"] => (key, false),
                _ when part.Contains('=', StringComparison.Ordinal) => (part, (bool?)null),
                _ => (part, true),
            };
            if (name.Length == 0)
            {
                throw new MalformedArtifactException(Format, position, Quotation.Of(part), "+FEATURE, -FEATURE or FEATURE=on");
            }

            // Numbers and names, such as level=0xd or hv_vendor_id=…, are no features.
            if (has is { } given1 && !Settings.Contains(name))
            {
                (given1 ? present : absent).Add(name);
                (given1 ? absent : present).Remove(name);
            }

            position += Encoding.UTF8.GetByteCount(part) + 1;
        }

        return new CpuModel
        {
            Name = "-cpu",
            Base = parts[0],
            ListsFeatures = true,
            Features = present.ToImmutable(),
            Absent = absent.ToImmutable(),
            Provenance = new Provenance(FactSource.Artifact, "-cpu of QEMU's command line"),
        };
    }

    // Where the value begins, or -1. A process's own command line (/proc/PID/cmdline) has zeros between its words.
    private static int Find(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> word = "-cpu"u8;
        ReadOnlySpan<byte> searched = text[..Math.Min(text.Length, LongestText)];
        for (int from = 0; from < searched.Length;)
        {
            int at = searched[from..].IndexOf(word);
            if (at < 0)
            {
                return -1;
            }

            at += from;
            int end = at + word.Length;
            bool begins = at == 0 || searched[at - 1] is (byte)' ' or (byte)'\t' or (byte)'\n' or 0;
            if (begins && end < searched.Length && searched[end] is (byte)' ' or 0)
            {
                int value = end;
                while (value < searched.Length && searched[value] is (byte)' ' or (byte)'\'' or (byte)'"' or 0)
                {
                    value++;
                }

                if (value < searched.Length && char.IsAsciiLetter((char)searched[value]))
                {
                    return value;
                }
            }

            from = end;
        }

        return -1;
    }
}
