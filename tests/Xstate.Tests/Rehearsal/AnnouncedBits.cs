using Xstate.Architecture;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// The CPUID bits that announce an instruction, by leaf and register as masks, written from the manuals (SDM Vol. 2A, CPUID; APM Vol. 3,
/// appendix E; Intel's ISE reference) and without the catalogue of the library, which tests hold against them.
/// </summary>
internal static class AnnouncedBits
{
    // Not here: nested virtualization, enclaves and FRED, which a guest turns on first in CR4, EFER or another MSR; bits that stand for a
    // component of state, whose use is tried instead; HLE, a prefix that others ignore; MONITOR, which KVM makes a no-operation (and MWAIT
    // with it); SYSCALL, which 32-bit dumps of Intel's processors do not show.
    public static readonly (uint Leaf, uint Subleaf, CpuidRegister Register, uint Mask)[] Instructions =
    [
        (0x1, 0, CpuidRegister.Ecx, 0x66D8_3203),
        (0x1, 0, CpuidRegister.Edx, 0x0788_8911),
        (0x7, 0, CpuidRegister.Ebx, 0xFDFE_0D29),
        (0x7, 0, CpuidRegister.Ecx, 0x3AC0_5F63),
        (0x7, 0, CpuidRegister.Edx, 0x02C5_412C),
        (0x7, 1, CpuidRegister.Eax, 0x88EC_00BF),
        (0x7, 1, CpuidRegister.Ebx, 0x2),
        (0x7, 1, CpuidRegister.Ecx, 0x20),
        (0x7, 1, CpuidRegister.Edx, 0x0008_C530),
        (0xD, 1, CpuidRegister.Eax, 0xF),
        (0x14, 0, CpuidRegister.Ebx, 0x10),
        (0x19, 0, CpuidRegister.Ebx, 0x5),
        (0x1E, 1, CpuidRegister.Eax, 0x1DF),
        (0x24, 0, CpuidRegister.Ebx, 0x4_0000),
        (0x29, 0, CpuidRegister.Ebx, 0x1),
        (0x8000_0001, 0, CpuidRegister.Ecx, 0x2021_8961),
        (0x8000_0001, 0, CpuidRegister.Edx, 0xE840_0000),
        (0x8000_0008, 0, CpuidRegister.Ebx, 0x319),
        (0x8000_0021, 0, CpuidRegister.Eax, 0x10_0000),
    ];

    /// <summary>What a guest is promised and neither the target's processor nor its KVM has, as text; empty when all is there.</summary>
    public static string Missing(CpuidTable guest, CpuidTable processor, CpuidTable offered)
    {
        List<string> missing = [];
        foreach ((uint leaf, uint subleaf, CpuidRegister register, uint mask) in Instructions)
        {
            uint there = processor.Read(leaf, subleaf)[register] | offered.Read(leaf, subleaf)[register];

            // What AMD calls MMXEXT came to Intel's processors with SSE.
            there |= leaf == 0x8000_0001 && register == CpuidRegister.Edx && (processor.Read(1)[register] >> 25 & 1) != 0 ? 1u << 22 : 0;
            uint lacking = guest.Read(leaf, subleaf)[register] & mask & ~there;
            if (lacking != 0)
            {
                missing.Add($"0x{leaf:x}.{subleaf}.{register} 0x{lacking:x}");
            }
        }

        uint version = guest.Read(0x24)[CpuidRegister.Ebx] & 0xFF;
        if (version > Math.Max(processor.Read(0x24)[CpuidRegister.Ebx] & 0xFF, offered.Read(0x24)[CpuidRegister.Ebx] & 0xFF))
        {
            missing.Add($"AVX10.{version}");
        }

        return string.Join(", ", missing);
    }
}
