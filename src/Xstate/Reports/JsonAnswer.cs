using System.Text.Encodings.Web;
using System.Text.Json;
using Xstate.Findings;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Reports;

/// <summary>What every JSON answer has in common: version and verb first, one notation for findings.</summary>
public static class JsonAnswer
{
    /// <summary>The version of all answers. A field is never renamed or retyped within a version; new fields may appear.</summary>
    public const int SchemaVersion = 1;

    /// <summary>Writes one answer.</summary>
    /// <param name="output">Where to; not closed.</param>
    /// <param name="verb">The verb that answers.</param>
    /// <param name="body">Writes the fields after the first two.</param>
    public static void Write(Stream output, string verb, Action<Utf8JsonWriter> body)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(body);
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("schemaVersion", SchemaVersion);
            json.WriteString("verb", verb);
            body(json);
            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
    }

    /// <summary>Writes an array of findings under a name.</summary>
    public static void WriteFindings(Utf8JsonWriter json, IEnumerable<Finding> findings, string name = "findings")
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(findings);
        json.WriteStartArray(name);
        foreach (Finding finding in findings)
        {
            Write(json, finding);
        }

        json.WriteEndArray();
    }

    /// <summary>Writes a string field unless it is null.</summary>
    public static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static void Write(Utf8JsonWriter json, Finding finding)
    {
        json.WriteStartObject();
        json.WriteString("rule", finding.Rule.Id);
        json.WriteString("severity", NameOf(finding.Severity));
        json.WriteString("message", finding.Message);
        FindingLocation where = finding.Where;
        if (where != new FindingLocation())
        {
            json.WriteStartObject("where");
            if (where.Vcpu is { } vcpu)
            {
                json.WriteNumber("vcpu", vcpu);
            }

            if (where.Offset is { } offset)
            {
                json.WriteNumber("offset", offset);
            }

            WriteOptional(json, "leaf", where.Leaf);
            WriteOptional(json, "register", where.Register);
            json.WriteEndObject();
        }

        WriteOptional(json, "found", finding.Found);
        WriteOptional(json, "expected", finding.Expected);
        WriteOptional(json, "since", finding.Since);
        WriteOptional(json, "mend", finding.Mend);
        json.WriteEndObject();
    }

    /// <summary>A severity's name.</summary>
    internal static string NameOf(Severity severity) => severity switch
    {
        Severity.Error => "error",
        Severity.Warning => "warning",
        Severity.Info => "info",
        _ => throw new ArgumentOutOfRangeException(nameof(severity)),
    };

    /// <summary>Writes how a kernel's name was read.</summary>
    public static void WriteKernelRead(Utf8JsonWriter json, KernelReading? reading)
    {
        if (reading is null)
        {
            return;
        }

        json.WriteStartObject("kernelRead");
        json.WriteString("family", reading.Family);
        json.WriteString("base", reading.Base);
        json.WriteString("confidence", reading.Confidence);
        if (reading.HasBackports)
        {
            json.WriteBoolean("backports", true);
        }

        WriteOptional(json, "remark", reading.Remark);
        WriteOptional(json, "findOut", reading.Check);
        json.WriteEndObject();
    }
}
