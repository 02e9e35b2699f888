using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal.CpuidGates;

namespace Xstate.Fleet;

/// <summary>
/// All that a rehearsal reads of a host, as one text: hosts with equal keys cannot be told apart by any outcome. What belongs to one
/// processor or one machine and decides nothing stays out: APIC ids, topology, caches, frequencies, brand, the sizes for the XCR0 that was
/// enabled when CPUID was read, names, and what a kernel's name says beyond its behaviours.
/// </summary>
internal static class HostKey
{
    // From here on KVM_SET_CPUID2 may have too many entries, so that their number matters.
    private const int ManyEntries = 80;

    // What is read beside the features by name: vendor, signature, the highest leaves, the signature of QEMU's code generator, address
    // widths, what comes with tiles, and the version of AVX10.
    private static readonly ImmutableArray<(uint Leaf, uint Subleaf, CpuidRegister Register)> Others =
    [
        (0, 0, CpuidRegister.Eax), (0, 0, CpuidRegister.Ebx), (0, 0, CpuidRegister.Ecx), (0, 0, CpuidRegister.Edx),
            (1, 0, CpuidRegister.Eax),
        (0x4000_0000, 0, CpuidRegister.Ebx), (0x4000_0000, 0, CpuidRegister.Ecx), (0x4000_0000, 0, CpuidRegister.Edx),
        (7, 0, CpuidRegister.Eax), (0x8000_0000, 0, CpuidRegister.Eax), (0x8000_0008, 0, CpuidRegister.Eax),
        (0x1D, 0, CpuidRegister.Eax), (0x1D, 1, CpuidRegister.Eax), (0x1D, 1, CpuidRegister.Ebx), (0x1D, 1, CpuidRegister.Ecx),
        (0x1E, 0, CpuidRegister.Ebx), (0x24, 0, CpuidRegister.Ebx),
    ];

    private static readonly ImmutableArray<(uint Leaf, uint Subleaf, CpuidRegister Register)> Registers =
    [
        .. Others.Concat(CpuidFeatures.All.Select(feature => (feature.Leaf, feature.Subleaf, feature.Register)))
            .Concat(CloudHypervisorComparison.Places).Where(place => place.Leaf != CpuidTable.XsaveLeaf).Distinct()
            .OrderBy(place => place.Leaf).ThenBy(place => place.Subleaf).ThenBy(place => place.Register),
    ];

    /// <summary>The key of a host.</summary>
    public static string Of(LinuxHost host)
    {
        HostRecord record = host.Record;
        StringBuilder key = new(2048);
        Add(key, record.Cpuid);
        if (record.SupportedCpuid is { } supported)
        {
            key.Append("|kvm ");
            Add(key, supported);
        }

        bool isPvm = record.Flavour == KvmFlavour.Pvm;
        bool isAssembled = record.Provenance.Source is FactSource.Inferred or FactSource.Guess;
        bool concerns = Erratum1386.Concerns(record.Processor);
        string microcode = !concerns ? "" : record.Microcode is null ? "?" : Erratum1386.IsFixed(record.Processor, record.Microcode)
            ? "fixed" : "old";
        key.Append(CultureInfo.InvariantCulture,
            $"|mxcsr {host.MxcsrMask:x}|xcr0 {record.Xcr0?.Bits:x}|svm {host.UsesSvm}|pvm {isPvm}|{isAssembled}|{microcode}");
        key.Append(CultureInfo.InvariantCulture,
            $"|drift {host.DriftingInUse.Bits:x}|era {KvmFeatureOffers.EraOf(host.Behavior.OfferedBy)}|bare "
            + $"{(host.Behavior.WithoutBackports is { } bare ? KvmFeatureOffers.EraOf(bare.OfferedBy) : "")}|");
        foreach (KernelDifference difference in KernelDifference.All)
        {
            key.Append(host.Behavior.Knows(difference) switch { Knowledge.Present => '1', Knowledge.Absent => '0', _ => '?' });
        }

        return key.ToString();
    }

    private static void Add(StringBuilder key, CpuidTable cpuid)
    {
        if (cpuid.Entries.Length >= ManyEntries)
        {
            key.Append(CultureInfo.InvariantCulture, $"{cpuid.Entries.Length} entries ");
        }

        foreach ((uint leaf, uint subleaf, CpuidRegister register) in Registers)
        {
            // That a leaf is not recorded is not that its features are absent.
            key.Append(cpuid.TryRead(leaf, subleaf, out CpuidRegisters answer)
                ? answer[register].ToString("x", CultureInfo.InvariantCulture) : "-").Append(',');
        }

        for (uint subleaf = 0; subleaf < 64; subleaf++)
        {
            if (cpuid.TryRead(CpuidTable.XsaveLeaf, subleaf, out CpuidRegisters answer))
            {
                uint size = subleaf > 1 ? answer.Ebx : 0;
                key.Append(CultureInfo.InvariantCulture, $";{subleaf}:{answer.Eax:x},{size:x},{answer.Ecx:x},{answer.Edx:x}");
            }
        }
    }
}
