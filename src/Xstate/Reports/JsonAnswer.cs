using System.Text.Encodings.Web;
using System.Text.Json;
using Xstate.Findings;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Reports;

/// <summary>What every JSON answer has in common: version and verb first, one notation for findings.</summary>
internal static class JsonAnswer
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
        using (Utf8JsonWriter json = CreateWriter(output))
        {
            WriteObject(json, verb, body);
        }

        output.WriteByte((byte)'\n');
    }

    /// <summary>Writes one answer as one line.</summary>
    /// <param name="output">Where to; not closed.</param>
    /// <param name="verb">The verb that answers.</param>
    /// <param name="body">Writes the fields after the first two.</param>
    public static void WriteLine(Stream output, string verb, Action<Utf8JsonWriter> body)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(body);
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            WriteObject(json, verb, body);
        }

        output.WriteByte((byte)'\n');
    }

    /// <summary>
    /// Writes the answers for several files as one: each is the object that its file alone would have, and is on its way before the next
    /// one is made.
    /// </summary>
    /// <param name="output">Where to; not closed.</param>
    /// <param name="verb">The verb that answers.</param>
    /// <param name="answers">For each file what writes its fields after the first two.</param>
    public static void WriteFiles(Stream output, string verb, IEnumerable<Action<Utf8JsonWriter>> answers)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answers);
        using (Utf8JsonWriter json = CreateWriter(output))
        {
            json.WriteStartObject();
            WriteHead(json, verb);
            json.WriteStartArray("files");
            foreach (Action<Utf8JsonWriter> answer in answers)
            {
                WriteObject(json, verb, answer);
                json.Flush();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
    }

    /// <summary>Writes what stands in place of an answer where there is none: <c>"error":{"exit":3,"message":…}</c>.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="exit">The exit code that it alone would have.</param>
    /// <param name="message">What is wrong.</param>
    public static void WriteError(Utf8JsonWriter json, int exit, string message)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteStartObject("error");
        json.WriteNumber("exit", exit);
        json.WriteString("message", message);
        json.WriteEndObject();
    }

    /// <summary>Writes inputs that could not be read, as objects of an array that is open.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="name">What the input is called there: <c>argument</c> or <c>file</c>.</param>
    /// <param name="inputs">The inputs.</param>
    public static void WriteUnread(Utf8JsonWriter json, string name, IEnumerable<UnreadInput> inputs)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(inputs);
        foreach (UnreadInput input in inputs)
        {
            json.WriteStartObject();
            json.WriteString(name, input.Argument);
            WriteError(json, input.Exit, input.Message);
            json.WriteEndObject();
        }
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

    /// <summary>Writes an array of strings under a name, empty too.</summary>
    public static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(texts);
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    /// <summary>Writes an array of strings under a name unless there are none.</summary>
    internal static void WriteSomeStrings(Utf8JsonWriter json, string name, IReadOnlyCollection<string> texts)
    {
        if (texts.Count > 0)
        {
            WriteStrings(json, name, texts);
        }
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

    private static Utf8JsonWriter CreateWriter(Stream output) =>
        new(output, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private static void WriteObject(Utf8JsonWriter json, string verb, Action<Utf8JsonWriter> body)
    {
        json.WriteStartObject();
        WriteHead(json, verb);
        body(json);
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, string verb)
    {
        json.WriteNumber("schemaVersion", SchemaVersion);
        json.WriteString("verb", verb);
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
