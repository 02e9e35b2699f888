using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Lint;

namespace Xstate.Benchmarks.Fleet;

/// <summary>
/// Writes a seeded fleet: a host record a machine in <c>hosts/</c>, and records of its VMs in <c>vms.jsonl</c>. The same
/// arguments give the same bytes on every machine. It is a program of the benchmarks and no verb of the command, because
/// users have fleets of their own.
/// </summary>
internal sealed class FleetGenerator
{
    private const int FilesOfFolder = 1_000;
    private const uint Xfd = 0x1C4;
    private const uint Xss = 0xDA0;

    // Of most, a few machines have the newest or the oldest kernel: squares of uniform numbers.
    private static readonly string[] Kernels =
    [
        "6.1.0-47-amd64", "5.14.0-427.13.1.el9_4.x86_64", "4.18.0-553.el8_10.x86_64", "6.12.30", "6.1.40", "5.15.100", "5.10.200", "6.18.0",
    ];

    private static readonly CpuidFeature[][] Hidden =
    [
        [], [CpuidFeatures.AmxTile], [CpuidFeatures.Avx512f, CpuidFeatures.AmxTile], [CpuidFeatures.Avx, CpuidFeatures.Pku],
    ];

    // What programs leave in use, least first.
    private static readonly StateComponentSet[] InUse =
    [
        new(0x3), new(0x7), new(0x207), new(0x2E7), new(0x60207), new(0x602E7),
    ];

    private static readonly (uint Index, ulong Value)[][] Msrs = [[], [(Xss, 0)], [(Xfd, 0), (Xss, 0)]];

    private readonly ImmutableArray<(HostRecord Record, string Kernel)> _kinds;
    private readonly Dictionary<string, ImmutableArray<(string, StateComponentSet)>> _written = [];
    private SplitMix64 _random;

    /// <param name="samples">A folder of host records: the processors.</param>
    /// <param name="seed">Where everything else comes from.</param>
    public FleetGenerator(string samples, ulong seed)
    {
        _random = new SplitMix64(seed);
        HostRecord[] records = [.. Directory.GetFiles(samples, "*.json").Order(StringComparer.Ordinal).Select(Open)];
        _kinds = [.. Kernels.SelectMany(kernel => records.Select(record => (record, kernel)))];
    }

    /// <summary>Writes the fleet.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="hosts">How many hosts.</param>
    /// <param name="vms">How many VMs.</param>
    public void Write(string folder, int hosts, int vms)
    {
        int[] kinds = [.. Enumerable.Range(0, hosts).Select(_ => Math.Min(_random.Below(_kinds.Length), _random.Below(_kinds.Length)))];
        for (int i = 0; i < hosts; i++)
        {
            string below = Path.Combine(folder, "hosts", string.Create(CultureInfo.InvariantCulture, $"{i / FilesOfFolder:d3}"));
            Directory.CreateDirectory(below);
            File.WriteAllBytes(Path.Combine(below, $"{NameOf(i)}.json"), HostFileWriter.Write(Machine(_kinds[kinds[i]], i)));
        }

        using FileStream file = File.Create(Path.Combine(folder, "vms.jsonl"));
        using BufferedStream output = new(file, 1 << 20);
        using Utf8JsonWriter json = new(output);
        ImmutableArray<(string Name, StateComponentSet Components)>[] cpuids =
            [.. _kinds.Select(kind => WriteCpuids(json, output, kind.Record))];
        for (int i = 0; i < vms; i++)
        {
            int host = _random.Below(hosts);
            ImmutableArray<(string Name, StateComponentSet Components)> known = cpuids[kinds[host]];
            WriteVm(json, i, host, known.IsEmpty ? null : known[_random.Below(known.Length)]);
            EndLine(json, output);
        }
    }

    private static HostRecord Open(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Artifact.Open(stream).Host!;
    }

    private static string NameOf(int host) => string.Create(CultureInfo.InvariantCulture, $"node-{host:d5}");

    // What is one machine's own, and decides nothing: its name and the APIC id of the processor that answered.
    private HostRecord Machine((HostRecord Record, string Kernel) kind, int index)
    {
        CpuidRegisters first = kind.Record.Cpuid.Read(1);
        return kind.Record with
        {
            Name = NameOf(index),
            Kernel = null,
            KernelName = kind.Kernel,
            Cpuid = kind.Record.Cpuid.With(1, 0, first with { Ebx = (first.Ebx & 0x00FF_FFFF) | ((uint)_random.Below(256) << 24) }),
        };
    }

    // What KVM of a new kernel gives on a processor, whole and with features hidden; each once.
    private ImmutableArray<(string Name, StateComponentSet Components)> WriteCpuids(Utf8JsonWriter json, Stream output, HostRecord record)
    {
        if (_written.TryGetValue(record.Name, out ImmutableArray<(string, StateComponentSet)> known))
        {
            return known;
        }

        // A guest of kvm_pvm has the CPUID of its host, whatever it is given.
        if (record.Flavour == KvmFlavour.Pvm)
        {
            return [];
        }

        // All that is not known of it is taken for absent: what counts is that the guests differ.
        KernelBehavior kernel = KernelBehavior.Of(new KernelRelease(6, 12, 30));
        kernel = kernel.Unknown.Append(KernelDifference.X86Erratum1386).Aggregate(kernel, (known, open) => known.Set(open, present: false));
        LinuxHost host = new(record with { Probes = [] }, kernel);
        CpuidTable offered = SupportedCpuid.Of(host, host.UserFeatures);
        List<(string, StateComponentSet)> names = [];
        for (int i = 0; i < Hidden.Length; i++)
        {
            CpuidTable cpuid = CpuidMaker.Make(offered, new CpuidWish { Without = [.. Hidden[i].Where(offered.Has)] }).Cpuid;
            string name = string.Create(CultureInfo.InvariantCulture, $"{record.Name}-{i}");
            json.WriteStartObject();
            json.WriteString("guestCpuid", name);
            json.WriteStartArray("cpuid");
            foreach (CpuidEntry entry in cpuid.Entries)
            {
                CpuidRegisters answer = entry.Registers;
                WriteNumbers(json, entry.Leaf, entry.Subleaf, answer.Eax, answer.Ebx, answer.Ecx, answer.Edx);
            }

            json.WriteEndArray();
            json.WriteEndObject();
            EndLine(json, output);
            names.Add((name, Xcr0Rules.LargestWithin(cpuid.UserComponents)));
        }

        _written.Add(record.Name, [.. names]);
        return [.. names];
    }

    private void WriteVm(Utf8JsonWriter json, int index, int host, (string Name, StateComponentSet Components)? cpuid)
    {
        json.WriteStartObject();
        json.WriteString("vm", string.Create(CultureInfo.InvariantCulture, $"vm-{index:d7}"));
        json.WriteString("host", NameOf(host));
        if (cpuid is var (name, components))
        {
            json.WriteString("guestCpuid", name);
            json.WriteString("xcr0", components.ToString());
            json.WriteStartArray("inUse");
            foreach (StateComponent component in InUse[_random.Below(InUse.Length)] & components)
            {
                json.WriteStringValue(StateComponents.Get(component).Name);
            }

            json.WriteEndArray();
            WriteMsrs(json, hasXfd: components.Contains(StateComponent.TileData));
        }

        json.WriteEndObject();
    }

    private void WriteMsrs(Utf8JsonWriter json, bool hasXfd)
    {
        json.WriteStartArray("msrs");
        foreach ((uint msr, ulong value) in Msrs[_random.Below(Msrs.Length)].Where(msr => msr.Index != Xfd || hasXfd))
        {
            WriteNumbers(json, msr, value);
        }

        json.WriteEndArray();
    }

    private static void WriteNumbers(Utf8JsonWriter json, params ReadOnlySpan<ulong> numbers)
    {
        json.WriteStartArray();
        foreach (ulong number in numbers)
        {
            json.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"0x{number:x}"));
        }

        json.WriteEndArray();
    }

    private static void EndLine(Utf8JsonWriter json, Stream output)
    {
        json.Flush();
        json.Reset();
        output.WriteByte((byte)'\n');
    }
}
