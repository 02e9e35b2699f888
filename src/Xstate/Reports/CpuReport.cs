using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Reports;

/// <summary>
/// What is in an artifact that holds no extended state: CPUID dumps, host records, CPU models and templates, and control registers.
/// </summary>
internal static class CpuReport
{
    private const int MostProbes = 12;

    /// <summary>Writes the JSON answer of <c>show</c>.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="artifact">What to show.</param>
    /// <param name="more">Findings besides the artifact's own.</param>
    public static void WriteJson(Stream output, Artifact artifact, ImmutableArray<Finding> more = default) =>
        JsonAnswer.Write(output, "show", json => WriteFields(json, artifact, more));

    /// <summary>Writes the fields of the JSON answer of <c>show</c> behind version, verb and file.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="artifact">What to show.</param>
    /// <param name="more">Findings besides the artifact's own.</param>
    public static void WriteFields(Utf8JsonWriter json, Artifact artifact, ImmutableArray<Finding> more = default)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(artifact);
        json.WriteString("format", artifact.Format);
        if (artifact.Xcrs is { } xcrs)
        {
            WriteXcrs(json, xcrs);
        }

        if (artifact.Host is { } host)
        {
            WriteHost(json, host);
        }

        if (artifact.Cpuid is { } dump)
        {
            WriteDump(json, dump);
        }

        if (artifact.Models is { } models)
        {
            ModelReport.WriteJson(json, models);
        }

        if (artifact.Template is { } template)
        {
            ModelReport.WriteJson(json, template);
        }

        JsonAnswer.WriteFindings(json, [.. artifact.Findings, .. more.IsDefault ? [] : more]);
    }

    /// <summary>What a line of a table says of an artifact: FORMAT, CONTENTS, FINDINGS.</summary>
    public static ImmutableArray<string> RowOf(Artifact artifact, ImmutableArray<Finding> more)
    {
        ArgumentNullException.ThrowIfNull(artifact);
        string contents = artifact switch
        {
            { Host: { } host } =>
                $"{Quotation.Cut(host.Name)}: {ProcessorOf(host.Cpuid)}"
                + ((host.KernelName ?? host.Kernel?.ToString()) is { } kernel ? $", {Quotation.Cut(kernel)}" : ""),
            { Cpuid: { } dump } => string.Create(CultureInfo.InvariantCulture,
                $"{dump.Processors.Length} processor{(dump.Processors.Length == 1 ? "" : "s")}: {ProcessorOf(dump.Cpuid)}"),
            { Xcrs: { } xcrs } => $"XCR0 {xcrs.Xcr0}",
            { Models: { } models } => string.Create(CultureInfo.InvariantCulture,
                $"{models.Models.Length} CPU model{(models.Models.Length == 1 ? "" : "s")}"),
            _ => "",
        };
        return [artifact.Format, contents, FindingText.RulesOf([.. artifact.Findings, .. more])];
    }

    private static string ProcessorOf(CpuidTable cpuid)
    {
        ProcessorModel model = ProcessorModel.From(cpuid);
        return string.Create(CultureInfo.InvariantCulture,
            $"{Quotation.Cut(cpuid.Vendor)} {model.Family}-{model.Model}-{model.Stepping}, "
            + $"{cpuid.UserComponents | cpuid.SupervisorComponents}");
    }

    /// <summary>Writes the host of a record as the answer of a verb.</summary>
    public static void WriteHostJson(Stream output, string verb, HostRecord host) => JsonAnswer.Write(output, verb, json =>
    {
        WriteHost(json, host);

        // The whole record, so that the answer opens as a HOST.
        json.WritePropertyName("record");
        json.WriteRawValue(HostFileWriter.Write(host));
    });

    /// <summary>Writes text for people.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="artifact">What to show.</param>
    /// <param name="more">Findings besides the artifact's own.</param>
    public static void WriteText(TextWriter output, Artifact artifact, ImmutableArray<Finding> more = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(artifact);
        output.MarkLine("", TextMark.Heading, artifact.Format);
        if (artifact.Xcrs is { } xcrs)
        {
            output.WriteLine($"  nr_xcrs {xcrs.Count}, flags 0x{xcrs.Flags:x}");
            foreach (KvmXcrsEntry entry in Counted(xcrs))
            {
                output.WriteLine($"  XCR{entry.Xcr} {new StateComponentSet(entry.Value).Describe()}");
            }
        }

        if (artifact.Host is { } host)
        {
            WriteHostText(output, host);
        }

        if (artifact.Cpuid is { } dump)
        {
            WriteDump(output, dump);
        }

        if (artifact.Models is { } models)
        {
            ModelReport.WriteText(output, models);
        }

        if (artifact.Template is { } template)
        {
            ModelReport.WriteText(output, template);
        }

        FindingText.Write(output, [.. artifact.Findings, .. more.IsDefault ? [] : more], "processor", "  ");
    }

    /// <summary>Writes a host for people.</summary>
    public static void WriteHostText(TextWriter output, HostRecord host)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(host);
        output.WriteLine($"  host {Quotation.Cut(host.Name)} ({Quotation.Cut(host.Provenance.Detail, Quotation.MaxProse)})");
        string kernel = KernelBehavior.Of(host)?.Reading.ToString()
            ?? (host.KernelName is { } unread ? $"{Quotation.Cut(unread)}, which cannot be read" : "not recorded");
        output.WriteLine(
            $"  kernel {kernel}, KVM flavour {host.Flavour.ToString().ToLowerInvariant()}, KVM_CAP_XSAVE2 "
            + $"{host.Xsave2Size?.ToString(CultureInfo.InvariantCulture) ?? "not recorded"}");
        WriteKernelFacts(output, host);
        WriteProcessor(output, host.Cpuid, host.Xcr0);
        if (host.Xcr0 is { } xcr0)
        {
            output.WriteLine($"  XCR0 of the host {xcr0.Describe()}");
        }

        if (host.SupportedCpuid is { } supported)
        {
            output.WriteLine($"  KVM supports {supported.UserComponents.Describe()}");
        }

        output.WriteList(host.Probes, MostProbes, "  ", ("probe", "probes"), probe => output.WriteLine(
            $"  {(probe.Present ? "has " : "lacks")} {Quotation.Cut(probe.Id)}: {Quotation.Cut(probe.Evidence, Quotation.MaxProse)}"));
        output.WriteList(host.NotProbed, MostProbes, "  ", ("that was not probed", "that were not probed"), open =>
            output.WriteLine($"  not probed {Quotation.Cut(open.Id)}: {Quotation.Cut(open.Why, Quotation.MaxProse)}"));
    }

    private static void WriteKernelFacts(TextWriter output, HostRecord host)
    {
        foreach ((string name, string? text) in new[] { ("version", host.KernelVersion), ("signature", host.KernelSignature),
            ("system", host.OsName) })
        {
            if (text is not null)
            {
                output.WriteLine($"  {name} {Quotation.Cut(text, Quotation.MaxProse)}");
            }
        }

        if (host.Microcode is { } microcode)
        {
            output.WriteLine($"  microcode {Hex(microcode)}");
        }

        foreach ((string name, ImmutableArray<string> texts) in new[] { ("boot words", host.BootWords),
            ("KVM parameters", host.KvmParameters) })
        {
            if (!texts.IsDefaultOrEmpty)
            {
                output.WriteLine($"  {name} {string.Join(' ', texts.Select(text => Quotation.Cut(text)))}");
            }
        }
    }

    private static ReadOnlySpan<KvmXcrsEntry> Counted(KvmXcrsBlob xcrs) =>
        xcrs.Entries.AsSpan()[..(int)Math.Min(xcrs.Count, (uint)xcrs.Entries.Length)];

    private static void WriteDump(TextWriter output, CpuidDump dump)
    {
        if (dump.AreProcessors)
        {
            output.WriteLine($"  {dump.Processors.Length} logical processor{(dump.Processors.Length == 1 ? "" : "s")}");
            WriteProcessor(output, dump.Cpuid);
            return;
        }

        foreach (CpuidProcessor table in dump.Processors)
        {
            output.WriteLine($"  {Quotation.Cut(table.Label)}:");
            WriteProcessor(output, table.Cpuid);
        }
    }

    private static void WriteProcessor(TextWriter output, CpuidTable cpuid, StateComponentSet? enabled = null)
    {
        ProcessorModel model = ProcessorModel.From(cpuid);
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        string vendor = cpuid.Vendor.Length == 0 ? "vendor not recorded" : cpuid.Vendor;
        output.WriteLine(model is not { Family: 0, Model: 0 }
            ? $"  {vendor} family {model.Family} model {model.Model} stepping {model.Stepping}"
                : $"  {vendor}, family and model not recorded");
        output.WriteLine($"  {SignalFrameText.Of(cpuid, enabled)}");
        output.WriteLine(
            $"  XCR0 may enable {cpuid.UserComponents.Describe()}, IA32_XSS {cpuid.SupervisorComponents.Describe()}; standard area "
            + $"{StandardArea(cpuid, layout)}");
        foreach (XsaveSlot slot in layout.Slots)
        {
            string place = slot.IsSupervisor ? "supervisor" : string.Create(CultureInfo.InvariantCulture, $"at {slot.Offset}");
            output.WriteLine(
                $"    {StateComponents.NameOf(slot.Component),-10} {slot.Size,5} bytes "
                + $"{place}{(slot.IsAligned64 ? ", aligned" : "")}{(slot.SupportsXfd ? ", XFD" : "")}");
        }
    }

    // The size that leaf 0xD.0 tells is the processor's; that of the sub-leaves is another where some are missing or contradict it.
    private static string StandardArea(CpuidTable cpuid, XsaveLayout layout) => cpuid.LargestAreaLength == layout.StandardLength
        ? string.Create(CultureInfo.InvariantCulture, $"{layout.StandardLength} bytes")
        : string.Create(CultureInfo.InvariantCulture,
            $"{cpuid.LargestAreaLength} bytes as told (0xd.0.ecx), {layout.StandardLength} by the sub-leaves that are recorded");

    private static void WriteXcrs(Utf8JsonWriter json, KvmXcrsBlob xcrs)
    {
        json.WriteNumber("count", xcrs.Count);
        json.WriteString("flags", Hex(xcrs.Flags));
        json.WriteStartArray("xcrs");
        foreach (KvmXcrsEntry entry in Counted(xcrs))
        {
            json.WriteStartObject();
            json.WriteNumber("xcr", entry.Xcr);
            json.WriteString("value", Hex(entry.Value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteHost(Utf8JsonWriter json, HostRecord host)
    {
        json.WriteString("host", host.Name);
        json.WriteString("provenance", host.Provenance.Detail);
        KernelBehavior? kernel = KernelBehavior.Of(host);
        JsonAnswer.WriteOptional(json, "kernel", kernel?.Name ?? host.KernelName);
        JsonAnswer.WriteKernelRead(json, kernel?.Reading);
        JsonAnswer.WriteOptional(json, "kernelVersion", host.KernelVersion);
        JsonAnswer.WriteOptional(json, "kernelSignature", host.KernelSignature);
        JsonAnswer.WriteOptional(json, "osId", host.OsId);
        JsonAnswer.WriteOptional(json, "osName", host.OsName);
        JsonAnswer.WriteOptional(json, "microcode", host.Microcode is { } microcode ? Hex(microcode) : null);
        JsonAnswer.WriteSomeStrings(json, "bootWords", host.BootWords);
        JsonAnswer.WriteSomeStrings(json, "kvmParameters", host.KvmParameters);
        json.WriteString("flavour", host.Flavour.ToString().ToLowerInvariant());
        JsonAnswer.WriteOptional(json, "xcr0", host.Xcr0?.ToString());
        JsonAnswer.WriteOptional(json, "mxcsrMask", host.MxcsrMask is { } mask ? Hex(mask) : null);
        if (host.Xsave2Size is { } size)
        {
            json.WriteNumber("xsave2Size", size);
        }

        WriteProcessor(json, "processor", host.Cpuid, host.Xcr0);
        if (host.SupportedCpuid is { } supported)
        {
            json.WriteString("supportedXcr0", supported.UserComponents.ToString());
            WriteEntries(json, "supportedCpuid", supported.Entries);
        }

        WriteEntries(json, "cpuid", host.Cpuid.Entries);
        json.WriteStartArray("probes");
        foreach (ProbedBehavior probe in host.Probes)
        {
            json.WriteStartObject();
            json.WriteString("behavior", probe.Id);
            json.WriteBoolean("present", probe.Present);
            json.WriteString("evidence", probe.Evidence);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (host.NotProbed.IsDefaultOrEmpty)
        {
            return;
        }

        json.WriteStartArray("notProbed");
        foreach (NotProbedBehavior open in host.NotProbed)
        {
            json.WriteStartObject();
            json.WriteString("behavior", open.Id);
            json.WriteString("why", open.Why);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteDump(Utf8JsonWriter json, CpuidDump dump)
    {
        json.WriteStartArray("processors");
        foreach (CpuidProcessor processor in dump.Processors)
        {
            json.WriteStartObject();
            json.WriteString("label", processor.Label);
            WriteProcessor(json, "processor", processor.Cpuid);
            json.WriteBoolean("completeXsaveLeaf", processor.HasCompleteXsaveLeaf);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("remarks");
        foreach (CpuidRemark remark in dump.Remarks)
        {
            json.WriteStartObject();
            json.WriteNumber("processor", remark.Processor);
            json.WriteString("leaf", Hex(remark.Leaf));
            JsonAnswer.WriteOptional(json, "subleaf", remark.Subleaf is { } subleaf ? Hex(subleaf) : null);
            json.WriteString("message", remark.Message);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteProcessor(Utf8JsonWriter json, string name, CpuidTable cpuid, StateComponentSet? enabled = null)
    {
        ProcessorModel model = ProcessorModel.From(cpuid);
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        json.WriteStartObject(name);
        json.WriteString("vendor", cpuid.Vendor);
        json.WriteNumber("family", model.Family);
        json.WriteNumber("model", model.Model);
        json.WriteNumber("stepping", model.Stepping);
        json.WriteString("userComponents", cpuid.UserComponents.ToString());
        json.WriteString("supervisorComponents", cpuid.SupervisorComponents.ToString());
        json.WriteNumber("standardSize", layout.StandardLength);
        if (cpuid.LargestAreaLength != layout.StandardLength)
        {
            json.WriteNumber("toldStandardSize", cpuid.LargestAreaLength);
        }

        SignalFrameText.Write(json, cpuid, enabled);
        json.WriteStartArray("components");
        foreach (XsaveSlot slot in layout.Slots)
        {
            json.WriteStartObject();
            json.WriteString("component", StateComponents.NameOf(slot.Component));
            json.WriteNumber("bit", (int)slot.Component);
            json.WriteNumber("size", slot.Size);
            if (!slot.IsSupervisor)
            {
                json.WriteNumber("offset", slot.Offset);
            }

            json.WriteBoolean("supervisor", slot.IsSupervisor);
            json.WriteBoolean("aligned64", slot.IsAligned64);
            json.WriteBoolean("xfd", slot.SupportsXfd);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteEntries(Utf8JsonWriter json, string name, ImmutableArray<CpuidEntry> entries)
    {
        json.WriteStartArray(name);
        foreach (CpuidEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteString("leaf", Hex(entry.Leaf));
            if (entry.SubleafSignificant)
            {
                json.WriteString("subleaf", Hex(entry.Subleaf));
            }

            json.WriteString("eax", Hex(entry.Registers.Eax));
            json.WriteString("ebx", Hex(entry.Registers.Ebx));
            json.WriteString("ecx", Hex(entry.Registers.Ecx));
            json.WriteString("edx", Hex(entry.Registers.Edx));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Hex(ulong value) => $"0x{value:x}";
}
