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

    private static readonly string[] Names =
    [
        "format", "version", "name", "kernel", "flavour", "xcr0", "mxcsrMask", "xsave2Size", "cpuid", "supportedCpuid", "probes", "provenance",
    ];

    // In the order of KvmFlavour; the first is never written.
    private static readonly string[] Flavours = ["unknown", "kvm_intel", "kvm_amd", "kvm_pvm"];
    private static readonly string[] ProbeNames = ["id", "present", "evidence"];

    /// <summary>Reads a host. A document of its own has to have <c>format</c> and <c>version</c> too; what they say has been checked.</summary>
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
                Kernel => host with { Kernel = ReadKernel(in cursor) },
                Flavour => host with { Flavour = (KvmFlavour)cursor.ReadWord(Flavours) },
                Xcr0 => host with { Xcr0 = new StateComponentSet(cursor.ReadHex(ulong.MaxValue)) },
                MxcsrMask => host with { MxcsrMask = (uint)cursor.ReadHex(uint.MaxValue) },
                Xsave2Size => host with { Xsave2Size = (int)cursor.ReadInteger(0, cursor.Limits.MaxArea) },
                Cpuid => host with { Cpuid = CpuidFields.Read(ref cursor) },
                SupportedCpuid => host with { SupportedCpuid = CpuidFields.Read(ref cursor) },
                Probes => host with { Probes = ReadProbes(ref cursor) },
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
        if (host.Kernel is { } kernel)
        {
            writer.WriteString(Names[Kernel], kernel.ToString());
        }

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
    }

    private static KernelRelease ReadKernel(in JsonCursor cursor) =>
        KernelRelease.TryParse(cursor.ReadString(), out KernelRelease release) ? release : throw cursor.Malformed("a Linux release such as \"6.1.40\"");

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
