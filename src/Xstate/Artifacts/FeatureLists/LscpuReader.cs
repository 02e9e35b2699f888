using System.Text;
using System.Text.Json;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.FeatureLists;

/// <summary>
/// Reads what <c>lscpu</c> and <c>lscpu -J</c> of util-linux print, with anything around the text form. The flags are those of
/// <c>/proc/cpuinfo</c>.
/// </summary>
internal static class LscpuReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "lscpu";

    private const string Origin = "flags that lscpu shows";
    private const string JsonRoot = "lscpu";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        if (IsJson(head))
        {
            return true;
        }

        return PastedLines.Any(head, Format, static line =>
            TryReadField(line, out string field, out string value) && field == "Flags"
            && $" {value} ".Contains(" fpu ", StringComparison.Ordinal));
    }

    /// <summary>Reads either form.</summary>
    /// <exception cref="MalformedArtifactException">There are no flags, the JSON is none, or a limit is exceeded.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        NamedProcessor processor = new();
        SkippedText? skipped = null;
        if (IsJson(text))
        {
            ReadJson(text, processor, limits);
        }
        else
        {
            PastedLines lines = new(text, Format, limits);
            while (lines.MoveNext())
            {
                if (!TryReadField(lines.Line, out string field, out string value))
                {
                    lines.Skip();
                }
                else if (field == "Flags" && processor.Flags is not null)
                {
                    throw lines.Malformed("the flags of one machine");
                }
                else
                {
                    processor.Take(field, value);
                }
            }

            skipped = lines.Skipped;
        }

        if (processor.Flags is null)
        {
            throw new MalformedArtifactException(Format, 0, "no flags", "the line Flags");
        }

        CpuModel model = processor.ToModel(limits, Origin);
        return new CpuModelList { Format = Format, Models = [model], Main = model, Writer = "lscpu", Skipped = skipped };
    }

    private static bool IsJson(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> rest = head.TrimStart("\uFEFF \t\r\n"u8);
        return rest.StartsWith("{"u8) && rest[1..].TrimStart(" \t\r\n"u8).StartsWith("\"lscpu\""u8);
    }

    // {"lscpu": [{"field": "Flags:", "data": "fpu …", "children": […]}]}; children since util-linux 2.38.
    private static void ReadJson(ReadOnlySpan<byte> json, NamedProcessor processor, ArtifactLimits limits)
    {
        Json.JsonCursor cursor = new(json, Format, limits);
        cursor.BeginObject();
        while (cursor.NextMember(out string name))
        {
            if (name == JsonRoot)
            {
                ReadFields(ref cursor, processor);
            }
            else
            {
                cursor.Skip();
            }
        }

        cursor.End();
    }

    private static void ReadFields(ref Json.JsonCursor cursor, NamedProcessor processor)
    {
        cursor.BeginArray();
        while (cursor.NextItem(cursor.Limits.MaxFeatures))
        {
            string field = "";
            string value = "";
            cursor.BeginObject();
            while (cursor.NextMember(out string name))
            {
                switch (name)
                {
                    case "field" when cursor.Kind == JsonTokenType.String:
                        field = cursor.ReadString().TrimEnd(':');
                        break;
                    case "data" when cursor.Kind == JsonTokenType.String:
                        value = cursor.ReadString();
                        break;
                    case "children" when cursor.Kind == JsonTokenType.StartArray:
                        ReadFields(ref cursor, processor);
                        break;
                    default:
                        cursor.Skip();
                        break;
                }
            }

            processor.Take(field, value);
        }
    }

    private static bool TryReadField(ReadOnlySpan<byte> line, out string field, out string value)
    {
        const int LongestName = 48;
        (field, value) = ("", "");
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || colon > LongestName)
        {
            return false;
        }

        field = Encoding.UTF8.GetString(line[..colon]).Trim();
        value = Encoding.UTF8.GetString(line[(colon + 1)..]).Trim();
        return true;
    }
}
