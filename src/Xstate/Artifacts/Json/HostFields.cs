using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Json;

/// <summary>A host's members, the same in a host file and inside a capture.</summary>
internal static class HostFields
{
    private const int Format = 0;
    private const int Version = 1;
    private const int Name = 2;
    private const int Kernel = 3;
    private const int Flavour = 4;
    private const int Xcr0 = 5;
    private const int MxcsrMask = 6;
    private const int Xsave2Size = 7;
    private const int Cpuid = 8;
    private const int SupportedCpuid = 9;
    private const int Probes = 10;
    private const int Origin = 11;
    private const int KernelVersion = 12;
    private const int Signature = 13;
    private const int OsId = 14;
    private const int OsName = 15;
    private const int Microcode = 16;
    private const int BootWords = 17;
    private const int KvmParameters = 18;
    private const int NotProbed = 19;

    private static readonly string[] Names =
    [
        "format", "version", "name", "kernel", "flavour", "xcr0", "mxcsrMask", "xsave2Size", "cpuid", "supportedCpuid", "probes",
            "provenance",
        "kernelVersion", "kernelSignature", "osId", "osName", "microcode", "bootWords", "kvmParameters", "notProbed",
    ];

    // In the order of KvmFlavour; the first is never written.
    private static readonly string[] Flavours = ["unknown", "kvm_intel", "kvm_amd", "kvm_pvm"];
    private const int MaxKernelName = 128;
    private static readonly string[] OpenNames = ["id", "why"];
    private static readonly string[] ProbeNames = ["id", "present", "evidence"];

    /// <summary>
    /// Reads a host. A document of its own has to have <c>format</c> and <c>version</c> too; what they say has been checked.
    /// </summary>
    public static HostRecord Read(ref JsonCursor cursor, bool isDocument)
    {
        int first = isDocument ? Format : Name;
        ReadOnlySpan<string> names = Names.AsSpan(first);
        cursor.BeginObject();
        ulong seen = 0;
        HostRecord host = new() { Name = "", Cpuid = CpuidTable.Empty, Provenance = new Provenance(FactSource.Guess, "") };
        while (cursor.NextMember(names, ref seen, out int member))
        {
            int field = member + first;
            if (field is Format or Version)
            {
                JsonEnvelope.ReadMember(in cursor, field == Format, HostFile.HostFileReader.Format);
                continue;
            }

            host = field switch
            {
                Name => host with { Name = cursor.ReadString() },
                Kernel => ReadKernel(in cursor, host),
                Flavour => host with { Flavour = (KvmFlavour)cursor.ReadWord(Flavours) },
                Xcr0 => host with { Xcr0 = new StateComponentSet(cursor.ReadHex(ulong.MaxValue)) },
                MxcsrMask => host with { MxcsrMask = (uint)cursor.ReadHex(uint.MaxValue) },
                Xsave2Size => host with { Xsave2Size = (int)cursor.ReadInteger(0, cursor.Limits.MaxArea) },
                Cpuid => host with { Cpuid = CpuidFields.Read(ref cursor) },
                SupportedCpuid => host with { SupportedCpuid = CpuidFields.Read(ref cursor) },
                Probes => host with { Probes = ReadProbes(ref cursor) },
                KernelVersion => host with { KernelVersion = cursor.ReadString() },
                Signature => host with { KernelSignature = cursor.ReadString() },
                OsId => host with { OsId = cursor.ReadString() },
                OsName => host with { OsName = cursor.ReadString() },
                Microcode => host with { Microcode = (uint)cursor.ReadHex(uint.MaxValue) },
                BootWords => host with { BootWords = ReadTexts(ref cursor) },
                KvmParameters => host with { KvmParameters = ReadTexts(ref cursor) },
                NotProbed => host with { NotProbed = ReadNotProbed(ref cursor) },
                _ => host with { Provenance = ProvenanceFields.Read(ref cursor) },
            };
        }

        cursor.Require(Names, seen << first, Name, Cpuid, Origin);
        if (isDocument)
        {
            cursor.Require(Names, seen, Format, Version);
        }

        return host;
    }

    /// <summary>Writes the members into the object that is open.</summary>
    public static void Write(JsonOutput output, HostRecord host)
    {
        Utf8JsonWriter writer = output.Writer;
        writer.WriteString(Names[Name], host.Name);
        WriteOptional(writer, Kernel, host.KernelName ?? host.Kernel?.ToString());
        WriteOptional(writer, KernelVersion, host.KernelVersion);
        WriteOptional(writer, Signature, host.KernelSignature);
        WriteOptional(writer, OsId, host.OsId);
        WriteOptional(writer, OsName, host.OsName);
        if (host.Microcode is { } microcode)
        {
            JsonOutput.WriteHex(writer, Names[Microcode], microcode);
        }

        WriteTexts(writer, BootWords, host.BootWords);
        WriteTexts(writer, KvmParameters, host.KvmParameters);

        if (host.Flavour != KvmFlavour.Unknown)
        {
            writer.WriteString(Names[Flavour], Flavours[(int)host.Flavour]);
        }

        if (host.Xcr0 is { } xcr0)
        {
            JsonOutput.WriteHex(writer, Names[Xcr0], xcr0.Bits);
        }

        if (host.MxcsrMask is { } mask)
        {
            JsonOutput.WriteHex(writer, Names[MxcsrMask], mask);
        }

        if (host.Xsave2Size is { } size)
        {
            writer.WriteNumber(Names[Xsave2Size], size);
        }

        writer.WritePropertyName(Names[Origin]);
        ProvenanceFields.Write(output.BeginLine(), host.Provenance);
        output.EndMember();

        writer.WritePropertyName(Names[Cpuid]);
        CpuidFields.Write(output, host.Cpuid);
        if (host.SupportedCpuid is { } supported)
        {
            writer.WritePropertyName(Names[SupportedCpuid]);
            CpuidFields.Write(output, supported);
        }

        WriteProbes(output, host.Probes);
        WriteNotProbed(output, host.NotProbed);
    }

    private static void WriteOptional(Utf8JsonWriter writer, int member, string? text)
    {
        if (text is not null)
        {
            writer.WriteString(Names[member], text);
        }
    }

    private static void WriteTexts(Utf8JsonWriter writer, int member, ImmutableArray<string> texts)
    {
        if (texts.IsDefaultOrEmpty)
        {
            return;
        }

        writer.WriteStartArray(Names[member]);
        foreach (string text in texts)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    private static ImmutableArray<string> ReadTexts(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableArray<string>.Builder texts = ImmutableArray.CreateBuilder<string>();
        while (cursor.NextItem(cursor.Limits.MaxProbes))
        {
            texts.Add(cursor.ReadString());
        }

        return texts.ToImmutable();
    }

    private static ImmutableArray<NotProbedBehavior> ReadNotProbed(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableArray<NotProbedBehavior>.Builder open = ImmutableArray.CreateBuilder<NotProbedBehavior>();
        while (cursor.NextItem(cursor.Limits.MaxProbes))
        {
            cursor.BeginObject();
            ulong seen = 0;
            NotProbedBehavior behavior = new("", "");
            while (cursor.NextMember(OpenNames, ref seen, out int member))
            {
                behavior = member == 0 ? behavior with { Id = cursor.ReadString() } : behavior with { Why = cursor.ReadString() };
            }

            cursor.Require(OpenNames, seen, 0, 1);
            open.Add(behavior);
        }

        return open.ToImmutable();
    }

    private static void WriteNotProbed(JsonOutput output, ImmutableArray<NotProbedBehavior> open)
    {
        if (open.IsDefaultOrEmpty)
        {
            return;
        }

        output.Writer.WriteStartArray(Names[NotProbed]);
        foreach (NotProbedBehavior behavior in open)
        {
            Utf8JsonWriter line = output.BeginLine();
            line.WriteString(OpenNames[0], behavior.Id);
            line.WriteString(OpenNames[1], behavior.Why);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
    }

    // A bare release, or what uname -r printed, which is never cut.
    private static HostRecord ReadKernel(in JsonCursor cursor, HostRecord host)
    {
        string text = cursor.ReadString();
        bool isName = text.Length <= MaxKernelName && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '+' or '~' or '-');
        return !isName || !KernelRelease.TryParse(text, out KernelRelease release)
            ? throw cursor.Malformed("a Linux release such as \"6.1.40\", or what uname -r prints")
            : release.ToString() == text ? host with { Kernel = release }
            : host with { KernelName = text };
    }

    private static ImmutableArray<ProbedBehavior> ReadProbes(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableArray<ProbedBehavior>.Builder probes = ImmutableArray.CreateBuilder<ProbedBehavior>();
        while (cursor.NextItem(cursor.Limits.MaxProbes))
        {
            cursor.BeginObject();
            ulong seen = 0;
            ProbedBehavior probe = new("", false, "");
            while (cursor.NextMember(ProbeNames, ref seen, out int member))
            {
                probe = member switch
                {
                    0 => probe with { Id = cursor.ReadString() },
                    1 => probe with { Present = cursor.ReadBoolean() },
                    _ => probe with { Evidence = cursor.ReadString() },
                };
            }

            cursor.Require(ProbeNames, seen, 0, 1, 2);
            probes.Add(probe);
        }

        return probes.ToImmutable();
    }

    private static void WriteProbes(JsonOutput output, ImmutableArray<ProbedBehavior> probes)
    {
        if (probes.IsDefaultOrEmpty)
        {
            return;
        }

        output.Writer.WriteStartArray(Names[Probes]);
        foreach (ProbedBehavior probe in probes)
        {
            Utf8JsonWriter line = output.BeginLine();
            line.WriteString(ProbeNames[0], probe.Id);
            line.WriteBoolean(ProbeNames[1], probe.Present);
            line.WriteString(ProbeNames[2], probe.Evidence);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
    }
}
