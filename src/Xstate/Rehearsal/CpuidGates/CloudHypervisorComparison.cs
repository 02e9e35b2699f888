using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.CpuidGates;

/// <summary>
/// Cloud Hypervisor's comparison of the snapshot's CPUID with the one that it makes on the target
/// (CpuidFeatureEntry::check_cpuid_compatibility, the same from 29 to 53). Without the leaves of KVM itself, which depend on how the guest
/// is configured.
/// </summary>
/// <param name="isLater">Whether it compares what was added after 53, in July and August 2026.</param>
/// <param name="isOld">Whether it writes as releases before 53.</param>
internal sealed class CloudHypervisorComparison(bool isLater = false, bool isOld = false) : CpuidGate
{
    private static readonly Row[] Rows =
    [
        new(0x1, 0, CpuidRegister.Ecx), new(0x1, 0, CpuidRegister.Edx), new(0x7, 0, CpuidRegister.Eax) { IsNumber = true },
        new(0x7, 0, CpuidRegister.Ebx), new(0x7, 0, CpuidRegister.Ecx), new(0x7, 0, CpuidRegister.Edx), new(0x7, 1, CpuidRegister.Eax),
        new(0x8000_0001, 0, CpuidRegister.Ecx), new(0x8000_0001, 0, CpuidRegister.Edx),
    ];

    // 579f0c11a, 193e99c23, c22b42d2d (July), f2d5f8229, bfbcbd2a3, cf5d9e6d8 (August).
    private static readonly Row[] LaterRows =
    [
        new(0x7, 1, CpuidRegister.Ecx), new(0x7, 1, CpuidRegister.Edx), new(0x7, 2, CpuidRegister.Edx),
        new(0x1D, 0, CpuidRegister.Eax) { IsNumber = true }, new(0x1E, 0, CpuidRegister.Eax) { IsNumber = true },
            new(0x1E, 1, CpuidRegister.Eax),
    ];

    /// <summary>Every register that is compared.</summary>
    public static IEnumerable<(uint Leaf, uint Subleaf, CpuidRegister Register)> Places =>
        Rows.Concat(LaterRows).Select(row => (row.Leaf, row.Subleaf, row.Register));

    public override string Name => "Cloud Hypervisor's CPUID comparison";

    public override ImmutableArray<string> Check(CpuidTable guest, LinuxHost host)
    {
        CpuidTable target = OfferedTo(guest, host);
        ImmutableArray<string>.Builder lines = ImmutableArray.CreateBuilder<string>();
        foreach (Row row in isLater ? [.. Rows, .. LaterRows] : Rows)
        {
            uint source = Value(row, guest);
            uint there = Value(row, target) | (row.IsNumber ? 0 : Patched(row));
            if (row.IsNumber ? source > there : (source & ~there) != 0)
            {
                string register = row.Register.ToString().ToUpperInvariant();
                string check = row.IsNumber ? "NumNotGreater" : "BitwiseSubset";
                lines.Add($"Detected incompatible CPUID entry: leaf={Hex(row.Leaf)} (subleaf={Hex(row.Subleaf)}), register='{register}', "
                    + $"compatible_check='{check}', source VM feature='{Hex(source)}', destination VM feature='{Hex(there)}'.");
            }
        }

        if (lines.Count > 0)
        {
            lines.Add(isOld ? "Error checking cpu feature compatibility': CpuidCheckCompatibility"
                : "Error checking cpu feature compatibility: Error checking CPUID compatibility");
        }

        return lines.ToImmutable();
    }

    private string Hex(uint value) => "0x" + value.ToString(isOld ? "x" : "x2", System.Globalization.CultureInfo.InvariantCulture);

    private static uint Value(Row row, CpuidTable cpuid) =>
        WithoutDynamic(row.Leaf, row.Subleaf, row.Register, cpuid.Read(row.Leaf, row.Subleaf)[row.Register]);

    // Set by Cloud Hypervisor itself on both sides: the hypervisor, the TSC deadline and the MTRR bits.
    private static uint Patched(Row row) => (row.Leaf, row.Register) switch
    {
        (1, CpuidRegister.Ecx) => 1u << CpuidFeatures.Hypervisor.Bit | 1u << CpuidFeatures.TscDeadline.Bit,
        (1, CpuidRegister.Edx) => 1u << CpuidFeatures.Mtrr.Bit,
        _ => 0,
    };

    private readonly record struct Row(uint Leaf, uint Subleaf, CpuidRegister Register)
    {
        /// <summary>Whether the target's must be at least as large; else every bit must be there.</summary>
        public bool IsNumber { get; init; }
    }
}
