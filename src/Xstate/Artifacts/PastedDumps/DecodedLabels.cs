using System.Collections.Frozen;
using Xstate.Architecture;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// What the program cpuid calls the bits of leaves 1, 7 and 8000_0001h, as 20230120 prints them for each bit alone under Intel's and AMD's
/// name. It knows more leaves; nothing here depends on those.
/// </summary>
internal static class DecodedLabels
{
    private static readonly (string Section, uint Leaf, uint Subleaf, CpuidRegister Register, (int Bit, string Label)[] Bits)[] Rows =
    [
        ("1/ecx", 1, 0, CpuidRegister.Ecx,
        [
            (0, "PNI/SSE3: Prescott New Instructions"), (1, "PCLMULDQ instruction"), (2, "DTES64: 64-bit debug store"),
            (3, "MONITOR/MWAIT"), (4, "CPL-qualified debug store"), (5, "VMX: virtual machine extensions"),
            (6, "SMX: safer mode extensions"), (7, "Enhanced Intel SpeedStep Technology"), (8, "TM2: thermal monitor 2"),
            (9, "SSSE3 extensions"), (10, "context ID: adaptive or shared L1 data"), (11, "SDBG: IA32_DEBUG_INTERFACE"),
            (12, "FMA instruction"), (13, "CMPXCHG16B instruction"), (14, "xTPR disable"), (15, "PDCM: perfmon and debug"),
            (17, "PCID: process context identifiers"), (18, "DCA: direct cache access"), (19, "SSE4.1 extensions"),
            (20, "SSE4.2 extensions"), (21, "x2APIC: extended xAPIC support"), (22, "MOVBE instruction"), (23, "POPCNT instruction"),
            (24, "time stamp counter deadline"), (25, "AES instruction"), (26, "XSAVE/XSTOR states"), (27, "OS-enabled XSAVE/XSTOR"),
            (28, "AVX: advanced vector extensions"), (29, "F16C half-precision convert instruction"), (30, "RDRAND instruction"),
            (31, "hypervisor guest status"),
        ]),
        ("1/edx", 1, 0, CpuidRegister.Edx,
        [
            (0, "x87 FPU on chip"), (1, "VME: virtual-8086 mode enhancement"), (2, "DE: debugging extensions"),
            (3, "PSE: page size extensions"), (4, "TSC: time stamp counter"), (5, "RDMSR and WRMSR support"),
            (6, "PAE: physical address extensions"), (7, "MCE: machine check exception"), (8, "CMPXCHG8B inst."), (9, "APIC on chip"),
            (11, "SYSENTER and SYSEXIT"), (12, "MTRR: memory type range registers"), (13, "PTE global bit"),
            (14, "MCA: machine check architecture"), (15, "CMOV: conditional move/compare instr"), (16, "PAT: page attribute table"),
            (17, "PSE-36: page size extension"), (18, "PSN: processor serial number"), (19, "CLFLUSH instruction"),
            (21, "DS: debug store"), (22, "ACPI: thermal monitor and clock ctrl"), (23, "MMX Technology"), (24, "FXSAVE/FXRSTOR"),
            (25, "SSE extensions"), (26, "SSE2 extensions"), (27, "SS: self snoop"), (28, "hyper-threading / multi-core supported"),
            (29, "TM: therm. monitor"), (30, "IA64"), (31, "PBE: pending break event"),
        ]),
        ("7", 7, 0, CpuidRegister.Ebx,
        [
            (0, "FSGSBASE instructions"), (1, "IA32_TSC_ADJUST MSR supported"), (2, "SGX: Software Guard Extensions supported"),
            (3, "BMI1 instructions"), (4, "HLE hardware lock elision"), (5, "AVX2: advanced vector extensions 2"),
            (6, "FDP_EXCPTN_ONLY"), (7, "SMEP supervisor mode exec protection"), (8, "BMI2 instructions"),
            (9, "enhanced REP MOVSB/STOSB"), (10, "INVPCID instruction"), (11, "RTM: restricted transactional memory"),
            (12, "RDT-CMT/PQoS cache monitoring"), (13, "deprecated FPU CS/DS"), (14, "MPX: intel memory protection extensions"),
            (15, "RDT-CAT/PQE cache allocation"), (16, "AVX512F: AVX-512 foundation instructions"),
            (17, "AVX512DQ: double & quadword instructions"), (18, "RDSEED instruction"), (19, "ADX instructions"),
            (20, "SMAP: supervisor mode access prevention"), (21, "AVX512IFMA: integer fused multiply add"), (22, "PCOMMIT instruction"),
            (23, "CLFLUSHOPT instruction"), (24, "CLWB instruction"), (25, "Intel processor trace"),
            (26, "AVX512PF: prefetch instructions"), (27, "AVX512ER: exponent & reciprocal instrs"),
            (28, "AVX512CD: conflict detection instrs"), (29, "SHA instructions"), (30, "AVX512BW: byte & word instructions"),
            (31, "AVX512VL: vector length"),
        ]),
        ("7", 7, 0, CpuidRegister.Ecx,
        [
            (0, "PREFETCHWT1"), (1, "AVX512VBMI: vector byte manipulation"), (2, "UMIP: user-mode instruction prevention"),
            (3, "PKU protection keys for user-mode"), (4, "OSPKE CR4.PKE and RDPKRU/WRPKRU"), (5, "WAITPKG instructions"),
            (6, "AVX512_VBMI2: byte VPCOMPRESS, VPEXPAND"), (7, "CET_SS: CET shadow stack"), (8, "GFNI: Galois Field New Instructions"),
            (9, "VAES instructions"), (10, "VPCLMULQDQ instruction"), (11, "AVX512_VNNI: neural network instructions"),
            (12, "AVX512_BITALG: bit count/shiffle"), (13, "TME: Total Memory Encryption"), (14, "AVX512: VPOPCNTDQ instruction"),
            (16, "LA57: 57-bit addrs & 5-level paging"), (22, "RDPID: read processor ID supported"), (23, "KL: key locker"),
            (24, "bus lock detection"), (25, "CLDEMOTE supports cache line demote"), (27, "MOVDIRI instruction"),
            (28, "MOVDIR64B instruction"), (29, "ENQCMD instruction"), (30, "SGX_LC: SGX launch config supported"),
            (31, "PKS: supervisor protection keys"),
        ]),
        ("7", 7, 0, CpuidRegister.Edx,
        [
            (1, "SGX-KEYS: SGX attestation services"), (2, "AVX512_4VNNIW: neural network instrs"),
            (3, "AVX512_4FMAPS: multiply acc single prec"), (4, "fast short REP MOV"), (5, "UINTR: user interrupts"),
            (8, "AVX512_VP2INTERSECT: intersect mask regs"), (9, "IA32_MCU_OPT_CTRL SRBDS mitigation MSR"),
            (10, "VERW MD_CLEAR microcode support"), (11, "RTM transaction always aborts"), (13, "IA32_TSX_FORCE_ABORT MSR"),
            (14, "SERIALIZE instruction"), (15, "hybrid part"), (16, "TSXLDTRK: TSX suspend load addr tracking"),
            (18, "PCONFIG instruction"), (19, "LBR: architectural last branch records"), (20, "CET_IBT: CET indirect branch tracking"),
            (22, "AMX-BF16: tile bfloat16 support"), (23, "AVX512_FP16: fp16 support"), (24, "AMX-TILE: tile architecture support"),
            (25, "AMX-INT8: tile 8-bit integer support"), (26, "IBRS/IBPB: indirect branch restrictions"),
            (27, "STIBP: 1 thr indirect branch predictor"), (28, "L1D_FLUSH: IA32_FLUSH_CMD MSR"), (29, "IA32_ARCH_CAPABILITIES MSR"),
            (30, "IA32_CORE_CAPABILITIES MSR"), (31, "SSBD: speculative store bypass disable"),
        ]),
        ("7", 7, 1, CpuidRegister.Eax,
        [
            (3, "RAO-INT atomic instructions"), (4, "AVX-VNNI: AVX VNNI neural network instrs"),
            (5, "AVX512_BF16: bfloat16 instructions"), (6, "LASS: linear address space separation"), (7, "CMPccXADD instructions"),
            (8, "ArchPerfmonExt is valid"), (10, "fast zero-length MOVSB"), (11, "fast short STOSB"), (12, "fast short CMPSB, SCASB"),
            (19, "WRMSRNS instruction"), (21, "AMX-FP16: FP16 tile operations"), (22, "HRESET: history reset support"),
            (23, "AVX-IFMA: integer fused multiply add"), (26, "LAM: linear address masking"), (27, "RDMSRLIST, WRMSRLIST instructions"),
        ]),
        ("7", 7, 1, CpuidRegister.Ebx,
        [
            (0, "IA32_PPIN & IA32_PPIN_CTL MSRs supported"),
        ]),
        ("7", 7, 1, CpuidRegister.Edx,
        [
            (4, "AVX-VNNI-INT8 instructions"), (5, "AVX-NE-CONVERT instructions"), (14, "PREFETCHIT0, PREFETCHIT1 instructions"),
            (18, "CET_SSS: shadow stacks w/o page faults"),
        ]),
        ("7", 7, 2, CpuidRegister.Edx,
        [
            (0, "PSFD: fast store forwarding pred disable"), (1, "IPRED_CTRL: IBP disable"),
            (2, "RRSBA_CTRL: IBP bottomless RSB disable"), (3, "DDPD_U: data dep prefetcher disable"),
            (4, "BHI_CTRL: IBP BHB-focused disable"), (5, "MCDT_NO: MCDT mitigation not needed"),
        ]),
        ("0x80000001/ecx", 0x8000_0001, 0, CpuidRegister.Ecx,
        [
            (0, "LAHF/SAHF supported in 64-bit mode"), (1, "CMP Legacy"), (2, "SVM: secure virtual machine"), (3, "extended APIC space"),
            (4, "AltMovCr8"), (5, "LZCNT advanced bit manipulation"), (6, "SSE4A support"), (7, "misaligned SSE mode"),
            (8, "3DNow! PREFETCH/PREFETCHW instructions"), (9, "OS visible workaround"), (10, "instruction based sampling"),
            (11, "XOP support"), (12, "SKINIT/STGI support"), (13, "watchdog timer support"), (15, "lightweight profiling support"),
            (16, "4-operand FMA instruction"), (17, "TCE: translation cache extension"), (19, "NodeId MSR C001100C"),
            (21, "TBM support"), (22, "topology extensions"), (23, "core performance counter extensions"),
            (24, "NB/DF performance counter extensions"), (26, "data breakpoint extension"),
            (27, "performance time-stamp counter support"), (28, "LLC performance counter extensions"),
            (29, "MWAITX/MONITORX supported"), (30, "Address mask extension support"),
        ]),
        ("0x80000001/edx", 0x8000_0001, 0, CpuidRegister.Edx,
        [
            (0, "x87 FPU on chip"), (1, "virtual-8086 mode enhancement"), (2, "debugging extensions"), (3, "page size extensions"),
            (4, "time stamp counter"), (5, "RDMSR and WRMSR support"), (6, "physical address extensions"),
            (7, "machine check exception"), (8, "CMPXCHG8B inst."), (9, "APIC on chip"), (11, "SYSCALL and SYSRET instructions"),
            (12, "memory type range registers"), (13, "global paging extension"), (14, "machine check architecture"),
            (15, "conditional move/compare instruction"), (16, "page attribute table"), (17, "page size extension"),
            (19, "multiprocessing capable"), (20, "execution disable"), (20, "no-execute page protection"),
            (22, "AMD multimedia instruction extensions"), (23, "MMX Technology"), (24, "FXSAVE/FXRSTOR"), (25, "SSE extensions"),
            (26, "1-GB large page support"), (27, "RDTSCP"), (29, "64-bit extensions technology available"), (29, "long mode (AA-64)"),
            (30, "3DNow! instruction extensions"), (31, "3DNow! instructions"),
        ]),
    ];

    private static readonly FrozenDictionary<(string Section, string Label), (uint Leaf, uint Subleaf, CpuidRegister Register,
        int Bit)> Places =
        Rows.SelectMany(row => row.Bits.Select(bit => ((row.Section, bit.Label), (row.Leaf, row.Subleaf, row.Register, bit.Bit))))
            .ToFrozenDictionary(pair => pair.Item1, pair => pair.Item2);

    /// <summary>Whether a section lists features under labels.</summary>
    public static bool HasSection(string section) => Array.Exists(Rows, row => row.Section == section);

    /// <summary>The bit of a label in a section.</summary>
    public static bool TryFind(string section, string label, out (uint Leaf, uint Subleaf, CpuidRegister Register, int Bit) place) =>
        Places.TryGetValue((section, label), out place);
}
