using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Tests.Samples;

/// <summary>How each host of samples/hosts was recorded: from which dump or measurement, and what was added to it.</summary>
public sealed record RecordedHost(string Name, string[] Dump, string What)
{
    private const string Collection = "the InstLatx64 collection, commit 087af2c7";
    private const string PvmFolder = "pvm-6.18-thismachine";
    private const string LabFolder = "lab-debian-6.12.107";

    /// <summary>
    /// The leaves that say what extended state a processor has, who it is, and what hypervisors mask by it. The rest is caches and
    /// topology.
    /// </summary>
    private static readonly uint[] Leaves =
    [
        0, 1, 6, 7, 0xD, 0x14, 0x19, 0x1C, 0x1D, 0x1E, 0x24, 0x29, 0x8000_0000, 0x8000_0001, 0x8000_0007, 0x8000_0008, 0x8000_000A,
            0x8000_0021,
    ];

    private Func<HostRecord, HostRecord> Add { get; init; } = host => host;

    private FactSource Source { get; init; } = FactSource.Artifact;

    /// <summary>All records.</summary>
    public static ImmutableArray<RecordedHost> All { get; } =
    [
        FromCollection("intel-haswell", "GenuineIntel00306F2_HaswellEP_05_CPUID.txt", "Xeon E5-4669 v3"),
        FromCollection("intel-skylake-sp", "GenuineIntel0050654_SkylakeXeon_20_CPUID.txt", "Xeon Platinum 8160"),
        FromCollection("intel-cascadelake", "GenuineIntel0050657_CascadeLakeSP_CPUID1.txt", "Xeon Gold 5215"),
        FromCollection("intel-icelake", "GenuineIntel00606A6_ICX_CPUID3.txt", "Xeon Platinum 8351N"),
        FromCollection("intel-sapphire-rapids", "GenuineIntel00806F8_SapphireRapids_05_CPUID.txt", "Xeon w7-2475X"),
        FromCollection("intel-alderlake", "GenuineIntel0090672_AlderLake_01_LC_BC_CPUID.txt", "Core i9-12900K, first P-core"),
        FromCollection("amd-rome", "AuthenticAMD0830F10_K17_Rome_CPUID.txt", "EPYC 7742"),
        FromCollection("amd-milan", "AuthenticAMD0A00F11_K19_Milan_02_CPUID.txt", "EPYC 7763"),
        FromCollection("amd-genoa", "AuthenticAMD0A10F11_K19_Genoa_01_CPUID.txt", "EPYC 9654"),
        FromCollection("amd-turin", "AuthenticAMD0B00F21_K20_Turin_01_CPUID.txt", "EPYC 9655"),
        new(
            "amd-zen4-pvm",
            ["cpuid", "thismachine", "zen4-pvm-guest.cpuid-r.txt"],
            "measured 2026-11-21 in a cloud VM on AMD family 25 model 17, Linux 6.18, module kvm_pvm; CPUID by cpuid 20230120, the rest "
            + "by KVM's own answers")
        {
            Source = FactSource.Measured,
            Add = host => host with
            {
                Kernel = new KernelRelease(6, 18),
                Flavour = KvmFlavour.Pvm,
                Xcr0 = new StateComponentSet(FreshArea(PvmFolder, "fresh_nocpuid_kvm_xsave.bin").SoftwareMask),
                MxcsrMask = FreshArea(PvmFolder, "fresh_nocpuid_kvm_xsave.bin").MxcsrMask,
                Xsave2Size = LoggedXsave2Size(PvmFolder, "experiment-1-matrix.txt", "cap 208 XSAVE2 = "),
                SupportedCpuid = Supported(PvmFolder),
            },
        },
        new(
            "qemu-tcg-max",
            ["kvm", LabFolder, "kvm_cpuid2_supported.bin"],
            "measured 2026-11-21 on Debian Linux 6.12.107 in QEMU 10.0 (TCG, -cpu max, nested SVM); leaf 0xd by CPUID, the other leaves "
            + "as KVM_GET_SUPPORTED_CPUID "
            + "gives them, with what KVM hides or changes of them put back: MPX, PKU as enabled by the system, and the signature of QEMU's "
            + "code generator")
        {
            Source = FactSource.Measured,
            Add = host => host with
            {
                Cpuid = WithWhatKvmHides(WithLoggedXsaveLeaf(host.Cpuid)),
                Flavour = KvmFlavour.Amd,
                Xcr0 = new StateComponentSet(FreshArea(LabFolder, "fresh_kvm_xsave.bin").SoftwareMask),
                MxcsrMask = FreshArea(LabFolder, "fresh_kvm_xsave.bin").MxcsrMask,
                Xsave2Size = LoggedXsave2Size(LabFolder, "experiment-log.txt", "XSAVE2 "),
                SupportedCpuid = Supported(LabFolder),
            },
        },
    ];

    /// <summary>Derives the record again; skips the test where the dump is absent.</summary>
    public HostRecord Derive()
    {
        CpuidTable whole = Open([.. Dump]).Cpuid!.Cpuid;
        CpuidTable trimmed = new([.. whole.Entries.Where(entry => Leaves.Contains(entry.Leaf) && !entry.Registers.IsZero)]);
        return Add(new HostRecord { Name = Name, Cpuid = trimmed, Provenance = new Provenance(Source, What) });
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static RecordedHost FromCollection(string name, string file, string model) =>
        new(name, ["cpuid", "instlatx64", file], $"CPUID of {model}: {file} of {Collection}, first logical processor");

    private static Artifact Open(params ReadOnlySpan<string> path)
    {
        using FileStream stream = File.OpenRead(Repository.Shared(["data", .. path]));
        return Artifact.Open(stream);
    }

    private static CpuidTable Supported(string folder) => Open("kvm", folder, "kvm_cpuid2_supported.bin").Cpuid!.Cpuid;

    private static XsaveArea FreshArea(string folder, string file) => new(Open("kvm", folder, file).Capture!.States[0].Area.Span);

    private static int LoggedXsave2Size(string folder, string file, string label)
    {
        string log = File.ReadAllText(Repository.Shared("data", "kvm", folder, file));
        int at = log.IndexOf(label, StringComparison.Ordinal) + label.Length;
        return int.Parse(log.AsSpan(at, log.AsSpan(at).IndexOf('\n')), CultureInfo.InvariantCulture);
    }

    // KVM's answer has KVM's own signature, no MPX (under SVM), and neither OSXSAVE nor OSPKE, which follow CR4. The rules that hang on the
    // processor itself (XRSTOR with CR0.TS, XSETBV at CPL 3) ask for the signature.
    private static CpuidTable WithWhatKvmHides(CpuidTable cpuid)
    {
        CpuidRegisters one = cpuid.Read(1);
        CpuidRegisters seven = cpuid.Read(7);
        return cpuid
            .With(1, 0, one with { Ecx = one.Ecx | 1u << 27 | 1u << 31 })
            .With(7, 0, seven with { Ebx = seven.Ebx | 1u << 14, Ecx = seven.Ecx | 1u << 4 })
            .With(0x4000_0000, 0, ProcessorProfiles.QemuTcg.Cpuid.Read(0x4000_0000));
    }

    /// <summary>Replaces leaf 0xD by the lines "host 0xd.2 00000100 00000240 00000000 00000000" of the log.</summary>
    private static CpuidTable WithLoggedXsaveLeaf(CpuidTable cpuid)
    {
        CpuidTable table = new([.. cpuid.Entries.Where(entry => entry.Leaf != CpuidTable.XsaveLeaf)]);
        const string Prefix = "host 0xd.";
        foreach (string line in File.ReadLines(Repository.Shared("data", "kvm", LabFolder, "experiment-log.txt")))
        {
            if (line.StartsWith(Prefix, StringComparison.Ordinal))
            {
                uint[] words = [.. line[Prefix.Length..].Split(' ')
                    .Select(word => uint.Parse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))];
                table = table.With(CpuidTable.XsaveLeaf, words[0], new CpuidRegisters(words[1], words[2], words[3], words[4]));
            }
        }

        return table;
    }
}
