using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>
/// The feature bits of CPUID that something here depends on, by the manual's names (SDM Vol. 2A, CPUID; APM Vol. 3, appendix E; Intel ISE
/// extensions reference): one row each, read by models, rehearsals, lint and output. Three bits of leaf 0x1E.1 repeat bits of leaf 7 and
/// carry their leaf in the name.
/// </summary>
internal static class CpuidFeatures
{
    // Instructions of CPL 0, ways into the kernel that the C library does not choose by CPUID, prefixes and prefetches that are no
    // operations elsewhere, and the bits of leaf 0x1E that repeat those of leaf 7.
    internal static readonly ImmutableHashSet<string> ForKernelsOrHints =
    [
        "SEP", "SYSCALL", "INVPCID", "SMAP", "PCOMMIT", "XSAVES", "WRMSRNS", "LKGS", "MSRLIST", "HRESET", "PCONFIG", "WBNOINVD", "KL",
        "PBNDKB", "MSR_IMM", "INVLPGB", "HLE", "PREFETCHWT1", "PREFETCHI", "AMD_PREFETCHI", "CLDEMOTE",
        "AMX_INT8_1E", "AMX_BF16_1E", "AMX_COMPLEX_1E", "AMX_FP16_1E",
    ];

    private static readonly List<CpuidFeature> Rows = [];

    // CPUID.1.0:ECX
    /// <summary>SSE3.</summary>
    public static readonly CpuidFeature Sse3 = Row("SSE3", 0x1, 0, CpuidRegister.Ecx, 0, FeatureEffect.Instructions);
    /// <summary>PCLMULQDQ.</summary>
    public static readonly CpuidFeature Pclmulqdq = Row("PCLMULQDQ", 0x1, 0, CpuidRegister.Ecx, 1, FeatureEffect.Instructions);
    /// <summary>DTES64.</summary>
    public static readonly CpuidFeature Dtes64 = Row("DTES64", 0x1, 0, CpuidRegister.Ecx, 2);
    /// <summary>MONITOR.</summary>
    public static readonly CpuidFeature Monitor = Row("MONITOR", 0x1, 0, CpuidRegister.Ecx, 3);
    /// <summary>DS_CPL.</summary>
    public static readonly CpuidFeature DsCpl = Row("DS_CPL", 0x1, 0, CpuidRegister.Ecx, 4);
    /// <summary>VMX.</summary>
    public static readonly CpuidFeature Vmx = Row("VMX", 0x1, 0, CpuidRegister.Ecx, 5);
    /// <summary>SMX.</summary>
    public static readonly CpuidFeature Smx = Row("SMX", 0x1, 0, CpuidRegister.Ecx, 6);
    /// <summary>EIST.</summary>
    public static readonly CpuidFeature Eist = Row("EIST", 0x1, 0, CpuidRegister.Ecx, 7);
    /// <summary>TM2.</summary>
    public static readonly CpuidFeature Tm2 = Row("TM2", 0x1, 0, CpuidRegister.Ecx, 8);
    /// <summary>SSSE3.</summary>
    public static readonly CpuidFeature Ssse3 = Row("SSSE3", 0x1, 0, CpuidRegister.Ecx, 9, FeatureEffect.Instructions);
    /// <summary>CNXT_ID.</summary>
    public static readonly CpuidFeature CnxtId = Row("CNXT_ID", 0x1, 0, CpuidRegister.Ecx, 10);
    /// <summary>SDBG.</summary>
    public static readonly CpuidFeature Sdbg = Row("SDBG", 0x1, 0, CpuidRegister.Ecx, 11);
    /// <summary>FMA.</summary>
    public static readonly CpuidFeature Fma = Row("FMA", 0x1, 0, CpuidRegister.Ecx, 12, FeatureEffect.Instructions);
    /// <summary>CX16.</summary>
    public static readonly CpuidFeature Cx16 = Row("CX16", 0x1, 0, CpuidRegister.Ecx, 13, FeatureEffect.Instructions);
    /// <summary>XTPR.</summary>
    public static readonly CpuidFeature Xtpr = Row("XTPR", 0x1, 0, CpuidRegister.Ecx, 14);
    /// <summary>PDCM.</summary>
    public static readonly CpuidFeature Pdcm = Row("PDCM", 0x1, 0, CpuidRegister.Ecx, 15);
    /// <summary>PCID.</summary>
    public static readonly CpuidFeature Pcid = Row("PCID", 0x1, 0, CpuidRegister.Ecx, 17);
    /// <summary>DCA.</summary>
    public static readonly CpuidFeature Dca = Row("DCA", 0x1, 0, CpuidRegister.Ecx, 18);
    /// <summary>SSE4_1.</summary>
    public static readonly CpuidFeature Sse41 = Row("SSE4_1", 0x1, 0, CpuidRegister.Ecx, 19, FeatureEffect.Instructions);
    /// <summary>SSE4_2.</summary>
    public static readonly CpuidFeature Sse42 = Row("SSE4_2", 0x1, 0, CpuidRegister.Ecx, 20, FeatureEffect.Instructions);
    /// <summary>X2APIC.</summary>
    public static readonly CpuidFeature X2apic = Row("X2APIC", 0x1, 0, CpuidRegister.Ecx, 21);
    /// <summary>MOVBE.</summary>
    public static readonly CpuidFeature Movbe = Row("MOVBE", 0x1, 0, CpuidRegister.Ecx, 22, FeatureEffect.Instructions);
    /// <summary>POPCNT.</summary>
    public static readonly CpuidFeature Popcnt = Row("POPCNT", 0x1, 0, CpuidRegister.Ecx, 23, FeatureEffect.Instructions);
    /// <summary>TSC_DEADLINE.</summary>
    public static readonly CpuidFeature TscDeadline = Row("TSC_DEADLINE", 0x1, 0, CpuidRegister.Ecx, 24);
    /// <summary>AES.</summary>
    public static readonly CpuidFeature Aes = Row("AES", 0x1, 0, CpuidRegister.Ecx, 25, FeatureEffect.Instructions);
    /// <summary>XSAVE.</summary>
    public static readonly CpuidFeature Xsave = Row("XSAVE", 0x1, 0, CpuidRegister.Ecx, 26, FeatureEffect.Instructions);
    /// <summary>OSXSAVE.</summary>
    public static readonly CpuidFeature Osxsave = Row("OSXSAVE", 0x1, 0, CpuidRegister.Ecx, 27);
    /// <summary>AVX.</summary>
    public static readonly CpuidFeature Avx = Row("AVX", 0x1, 0, CpuidRegister.Ecx, 28, FeatureEffect.State);
    /// <summary>F16C.</summary>
    public static readonly CpuidFeature F16c = Row("F16C", 0x1, 0, CpuidRegister.Ecx, 29, FeatureEffect.Instructions);
    /// <summary>RDRAND.</summary>
    public static readonly CpuidFeature Rdrand = Row("RDRAND", 0x1, 0, CpuidRegister.Ecx, 30, FeatureEffect.Instructions);
    /// <summary>HYPERVISOR.</summary>
    public static readonly CpuidFeature Hypervisor = Row("HYPERVISOR", 0x1, 0, CpuidRegister.Ecx, 31);

    // CPUID.1.0:EDX
    /// <summary>FPU.</summary>
    public static readonly CpuidFeature Fpu = Row("FPU", 0x1, 0, CpuidRegister.Edx, 0, FeatureEffect.State);
    /// <summary>VME.</summary>
    public static readonly CpuidFeature Vme = Row("VME", 0x1, 0, CpuidRegister.Edx, 1);
    /// <summary>DE.</summary>
    public static readonly CpuidFeature De = Row("DE", 0x1, 0, CpuidRegister.Edx, 2);
    /// <summary>PSE.</summary>
    public static readonly CpuidFeature Pse = Row("PSE", 0x1, 0, CpuidRegister.Edx, 3);
    /// <summary>TSC.</summary>
    public static readonly CpuidFeature Tsc = Row("TSC", 0x1, 0, CpuidRegister.Edx, 4, FeatureEffect.Instructions);
    /// <summary>MSR.</summary>
    public static readonly CpuidFeature Msr = Row("MSR", 0x1, 0, CpuidRegister.Edx, 5);
    /// <summary>PAE.</summary>
    public static readonly CpuidFeature Pae = Row("PAE", 0x1, 0, CpuidRegister.Edx, 6);
    /// <summary>MCE.</summary>
    public static readonly CpuidFeature Mce = Row("MCE", 0x1, 0, CpuidRegister.Edx, 7);
    /// <summary>CX8.</summary>
    public static readonly CpuidFeature Cx8 = Row("CX8", 0x1, 0, CpuidRegister.Edx, 8, FeatureEffect.Instructions);
    /// <summary>APIC.</summary>
    public static readonly CpuidFeature Apic = Row("APIC", 0x1, 0, CpuidRegister.Edx, 9);
    /// <summary>SEP.</summary>
    public static readonly CpuidFeature Sep = Row("SEP", 0x1, 0, CpuidRegister.Edx, 11, FeatureEffect.Instructions);
    /// <summary>MTRR.</summary>
    public static readonly CpuidFeature Mtrr = Row("MTRR", 0x1, 0, CpuidRegister.Edx, 12);
    /// <summary>PGE.</summary>
    public static readonly CpuidFeature Pge = Row("PGE", 0x1, 0, CpuidRegister.Edx, 13);
    /// <summary>MCA.</summary>
    public static readonly CpuidFeature Mca = Row("MCA", 0x1, 0, CpuidRegister.Edx, 14);
    /// <summary>CMOV.</summary>
    public static readonly CpuidFeature Cmov = Row("CMOV", 0x1, 0, CpuidRegister.Edx, 15, FeatureEffect.Instructions);
    /// <summary>PAT.</summary>
    public static readonly CpuidFeature Pat = Row("PAT", 0x1, 0, CpuidRegister.Edx, 16);
    /// <summary>PSE36.</summary>
    public static readonly CpuidFeature Pse36 = Row("PSE36", 0x1, 0, CpuidRegister.Edx, 17);
    /// <summary>PSN.</summary>
    public static readonly CpuidFeature Psn = Row("PSN", 0x1, 0, CpuidRegister.Edx, 18);
    /// <summary>CLFSH.</summary>
    public static readonly CpuidFeature Clfsh = Row("CLFSH", 0x1, 0, CpuidRegister.Edx, 19, FeatureEffect.Instructions);
    /// <summary>DS.</summary>
    public static readonly CpuidFeature Ds = Row("DS", 0x1, 0, CpuidRegister.Edx, 21);
    /// <summary>ACPI.</summary>
    public static readonly CpuidFeature Acpi = Row("ACPI", 0x1, 0, CpuidRegister.Edx, 22);
    /// <summary>MMX.</summary>
    public static readonly CpuidFeature Mmx = Row("MMX", 0x1, 0, CpuidRegister.Edx, 23, FeatureEffect.Instructions);
    /// <summary>FXSR.</summary>
    public static readonly CpuidFeature Fxsr = Row("FXSR", 0x1, 0, CpuidRegister.Edx, 24, FeatureEffect.Instructions);
    /// <summary>SSE.</summary>
    public static readonly CpuidFeature Sse = Row("SSE", 0x1, 0, CpuidRegister.Edx, 25, FeatureEffect.State);
    /// <summary>SSE2.</summary>
    public static readonly CpuidFeature Sse2 = Row("SSE2", 0x1, 0, CpuidRegister.Edx, 26, FeatureEffect.Instructions);
    /// <summary>SS.</summary>
    public static readonly CpuidFeature Ss = Row("SS", 0x1, 0, CpuidRegister.Edx, 27);
    /// <summary>HTT.</summary>
    public static readonly CpuidFeature Htt = Row("HTT", 0x1, 0, CpuidRegister.Edx, 28);
    /// <summary>TM.</summary>
    public static readonly CpuidFeature Tm = Row("TM", 0x1, 0, CpuidRegister.Edx, 29);
    /// <summary>PBE.</summary>
    public static readonly CpuidFeature Pbe = Row("PBE", 0x1, 0, CpuidRegister.Edx, 31);

    // CPUID.6.0:EAX
    /// <summary>HWP.</summary>
    public static readonly CpuidFeature Hwp = Row("HWP", 0x6, 0, CpuidRegister.Eax, 7, FeatureEffect.State);
    /// <summary>HDC.</summary>
    public static readonly CpuidFeature Hdc = Row("HDC", 0x6, 0, CpuidRegister.Eax, 13, FeatureEffect.State);

    // CPUID.7.0:EBX
    /// <summary>FSGSBASE.</summary>
    public static readonly CpuidFeature Fsgsbase = Row("FSGSBASE", 0x7, 0, CpuidRegister.Ebx, 0, FeatureEffect.Instructions);
    /// <summary>TSC_ADJUST.</summary>
    public static readonly CpuidFeature TscAdjust = Row("TSC_ADJUST", 0x7, 0, CpuidRegister.Ebx, 1);
    /// <summary>SGX.</summary>
    public static readonly CpuidFeature Sgx = Row("SGX", 0x7, 0, CpuidRegister.Ebx, 2);
    /// <summary>BMI1.</summary>
    public static readonly CpuidFeature Bmi1 = Row("BMI1", 0x7, 0, CpuidRegister.Ebx, 3, FeatureEffect.Instructions);
    /// <summary>HLE.</summary>
    public static readonly CpuidFeature Hle = Row("HLE", 0x7, 0, CpuidRegister.Ebx, 4, FeatureEffect.Instructions);
    /// <summary>AVX2.</summary>
    public static readonly CpuidFeature Avx2 = Row("AVX2", 0x7, 0, CpuidRegister.Ebx, 5, FeatureEffect.Instructions);
    /// <summary>FDP_EXCPTN_ONLY.</summary>
    public static readonly CpuidFeature FdpExcptnOnly = Row("FDP_EXCPTN_ONLY", 0x7, 0, CpuidRegister.Ebx, 6);
    /// <summary>SMEP.</summary>
    public static readonly CpuidFeature Smep = Row("SMEP", 0x7, 0, CpuidRegister.Ebx, 7);
    /// <summary>BMI2.</summary>
    public static readonly CpuidFeature Bmi2 = Row("BMI2", 0x7, 0, CpuidRegister.Ebx, 8, FeatureEffect.Instructions);
    /// <summary>ERMS.</summary>
    public static readonly CpuidFeature Erms = Row("ERMS", 0x7, 0, CpuidRegister.Ebx, 9);
    /// <summary>INVPCID.</summary>
    public static readonly CpuidFeature Invpcid = Row("INVPCID", 0x7, 0, CpuidRegister.Ebx, 10, FeatureEffect.Instructions);
    /// <summary>RTM.</summary>
    public static readonly CpuidFeature Rtm = Row("RTM", 0x7, 0, CpuidRegister.Ebx, 11, FeatureEffect.Instructions);
    /// <summary>RDT_M.</summary>
    public static readonly CpuidFeature RdtM = Row("RDT_M", 0x7, 0, CpuidRegister.Ebx, 12);
    /// <summary>ZERO_FCS_FDS.</summary>
    public static readonly CpuidFeature ZeroFcsFds = Row("ZERO_FCS_FDS", 0x7, 0, CpuidRegister.Ebx, 13);
    /// <summary>MPX.</summary>
    public static readonly CpuidFeature Mpx = Row("MPX", 0x7, 0, CpuidRegister.Ebx, 14, FeatureEffect.State);
    /// <summary>RDT_A.</summary>
    public static readonly CpuidFeature RdtA = Row("RDT_A", 0x7, 0, CpuidRegister.Ebx, 15);
    /// <summary>AVX512F.</summary>
    public static readonly CpuidFeature Avx512f = Row("AVX512F", 0x7, 0, CpuidRegister.Ebx, 16, FeatureEffect.State);
    /// <summary>AVX512DQ.</summary>
    public static readonly CpuidFeature Avx512dq = Row("AVX512DQ", 0x7, 0, CpuidRegister.Ebx, 17, FeatureEffect.Instructions);
    /// <summary>RDSEED.</summary>
    public static readonly CpuidFeature Rdseed = Row("RDSEED", 0x7, 0, CpuidRegister.Ebx, 18, FeatureEffect.Instructions);
    /// <summary>ADX.</summary>
    public static readonly CpuidFeature Adx = Row("ADX", 0x7, 0, CpuidRegister.Ebx, 19, FeatureEffect.Instructions);
    /// <summary>SMAP.</summary>
    public static readonly CpuidFeature Smap = Row("SMAP", 0x7, 0, CpuidRegister.Ebx, 20, FeatureEffect.Instructions);
    /// <summary>AVX512_IFMA.</summary>
    public static readonly CpuidFeature Avx512Ifma = Row("AVX512_IFMA", 0x7, 0, CpuidRegister.Ebx, 21, FeatureEffect.Instructions);
    /// <summary>PCOMMIT.</summary>
    public static readonly CpuidFeature Pcommit = Row("PCOMMIT", 0x7, 0, CpuidRegister.Ebx, 22, FeatureEffect.Instructions);
    /// <summary>CLFLUSHOPT.</summary>
    public static readonly CpuidFeature Clflushopt = Row("CLFLUSHOPT", 0x7, 0, CpuidRegister.Ebx, 23, FeatureEffect.Instructions);
    /// <summary>CLWB.</summary>
    public static readonly CpuidFeature Clwb = Row("CLWB", 0x7, 0, CpuidRegister.Ebx, 24, FeatureEffect.Instructions);
    /// <summary>INTEL_PT.</summary>
    public static readonly CpuidFeature IntelPt = Row("INTEL_PT", 0x7, 0, CpuidRegister.Ebx, 25, FeatureEffect.State);
    /// <summary>AVX512PF.</summary>
    public static readonly CpuidFeature Avx512pf = Row("AVX512PF", 0x7, 0, CpuidRegister.Ebx, 26, FeatureEffect.Instructions);
    /// <summary>AVX512ER.</summary>
    public static readonly CpuidFeature Avx512er = Row("AVX512ER", 0x7, 0, CpuidRegister.Ebx, 27, FeatureEffect.Instructions);
    /// <summary>AVX512CD.</summary>
    public static readonly CpuidFeature Avx512cd = Row("AVX512CD", 0x7, 0, CpuidRegister.Ebx, 28, FeatureEffect.Instructions);
    /// <summary>SHA.</summary>
    public static readonly CpuidFeature Sha = Row("SHA", 0x7, 0, CpuidRegister.Ebx, 29, FeatureEffect.Instructions);
    /// <summary>AVX512BW.</summary>
    public static readonly CpuidFeature Avx512bw = Row("AVX512BW", 0x7, 0, CpuidRegister.Ebx, 30, FeatureEffect.Instructions);
    /// <summary>AVX512VL.</summary>
    public static readonly CpuidFeature Avx512vl = Row("AVX512VL", 0x7, 0, CpuidRegister.Ebx, 31, FeatureEffect.Instructions);

    // CPUID.7.0:ECX
    /// <summary>PREFETCHWT1.</summary>
    public static readonly CpuidFeature Prefetchwt1 = Row("PREFETCHWT1", 0x7, 0, CpuidRegister.Ecx, 0, FeatureEffect.Instructions);
    /// <summary>AVX512_VBMI.</summary>
    public static readonly CpuidFeature Avx512Vbmi = Row("AVX512_VBMI", 0x7, 0, CpuidRegister.Ecx, 1, FeatureEffect.Instructions);
    /// <summary>UMIP.</summary>
    public static readonly CpuidFeature Umip = Row("UMIP", 0x7, 0, CpuidRegister.Ecx, 2);
    /// <summary>PKU.</summary>
    public static readonly CpuidFeature Pku = Row("PKU", 0x7, 0, CpuidRegister.Ecx, 3, FeatureEffect.State);
    /// <summary>OSPKE.</summary>
    public static readonly CpuidFeature Ospke = Row("OSPKE", 0x7, 0, CpuidRegister.Ecx, 4);
    /// <summary>WAITPKG.</summary>
    public static readonly CpuidFeature Waitpkg = Row("WAITPKG", 0x7, 0, CpuidRegister.Ecx, 5, FeatureEffect.Instructions);
    /// <summary>AVX512_VBMI2.</summary>
    public static readonly CpuidFeature Avx512Vbmi2 = Row("AVX512_VBMI2", 0x7, 0, CpuidRegister.Ecx, 6, FeatureEffect.Instructions);
    /// <summary>CET_SS.</summary>
    public static readonly CpuidFeature CetSs = Row("CET_SS", 0x7, 0, CpuidRegister.Ecx, 7, FeatureEffect.State);
    /// <summary>GFNI.</summary>
    public static readonly CpuidFeature Gfni = Row("GFNI", 0x7, 0, CpuidRegister.Ecx, 8, FeatureEffect.Instructions);
    /// <summary>VAES.</summary>
    public static readonly CpuidFeature Vaes = Row("VAES", 0x7, 0, CpuidRegister.Ecx, 9, FeatureEffect.Instructions);
    /// <summary>VPCLMULQDQ.</summary>
    public static readonly CpuidFeature Vpclmulqdq = Row("VPCLMULQDQ", 0x7, 0, CpuidRegister.Ecx, 10, FeatureEffect.Instructions);
    /// <summary>AVX512_VNNI.</summary>
    public static readonly CpuidFeature Avx512Vnni = Row("AVX512_VNNI", 0x7, 0, CpuidRegister.Ecx, 11, FeatureEffect.Instructions);
    /// <summary>AVX512_BITALG.</summary>
    public static readonly CpuidFeature Avx512Bitalg = Row("AVX512_BITALG", 0x7, 0, CpuidRegister.Ecx, 12, FeatureEffect.Instructions);
    /// <summary>TME.</summary>
    public static readonly CpuidFeature Tme = Row("TME", 0x7, 0, CpuidRegister.Ecx, 13);
    /// <summary>AVX512_VPOPCNTDQ.</summary>
    public static readonly CpuidFeature Avx512Vpopcntdq = Row("AVX512_VPOPCNTDQ", 0x7, 0, CpuidRegister.Ecx, 14,
        FeatureEffect.Instructions);
    /// <summary>LA57.</summary>
    public static readonly CpuidFeature La57 = Row("LA57", 0x7, 0, CpuidRegister.Ecx, 16);
    /// <summary>RDPID.</summary>
    public static readonly CpuidFeature Rdpid = Row("RDPID", 0x7, 0, CpuidRegister.Ecx, 22, FeatureEffect.Instructions);
    /// <summary>KL.</summary>
    public static readonly CpuidFeature Kl = Row("KL", 0x7, 0, CpuidRegister.Ecx, 23, FeatureEffect.Instructions);
    /// <summary>BUS_LOCK_DETECT.</summary>
    public static readonly CpuidFeature BusLockDetect = Row("BUS_LOCK_DETECT", 0x7, 0, CpuidRegister.Ecx, 24);
    /// <summary>CLDEMOTE.</summary>
    public static readonly CpuidFeature Cldemote = Row("CLDEMOTE", 0x7, 0, CpuidRegister.Ecx, 25, FeatureEffect.Instructions);
    /// <summary>MOVDIRI.</summary>
    public static readonly CpuidFeature Movdiri = Row("MOVDIRI", 0x7, 0, CpuidRegister.Ecx, 27, FeatureEffect.Instructions);
    /// <summary>MOVDIR64B.</summary>
    public static readonly CpuidFeature Movdir64b = Row("MOVDIR64B", 0x7, 0, CpuidRegister.Ecx, 28, FeatureEffect.Instructions);
    /// <summary>ENQCMD.</summary>
    public static readonly CpuidFeature Enqcmd = Row("ENQCMD", 0x7, 0, CpuidRegister.Ecx, 29, FeatureEffect.State);
    /// <summary>SGX_LC.</summary>
    public static readonly CpuidFeature SgxLc = Row("SGX_LC", 0x7, 0, CpuidRegister.Ecx, 30);
    /// <summary>PKS.</summary>
    public static readonly CpuidFeature Pks = Row("PKS", 0x7, 0, CpuidRegister.Ecx, 31);

    // CPUID.7.0:EDX
    /// <summary>SGX_KEYS.</summary>
    public static readonly CpuidFeature SgxKeys = Row("SGX_KEYS", 0x7, 0, CpuidRegister.Edx, 1);
    /// <summary>AVX512_4VNNIW.</summary>
    public static readonly CpuidFeature Avx5124vnniw = Row("AVX512_4VNNIW", 0x7, 0, CpuidRegister.Edx, 2, FeatureEffect.Instructions);
    /// <summary>AVX512_4FMAPS.</summary>
    public static readonly CpuidFeature Avx5124fmaps = Row("AVX512_4FMAPS", 0x7, 0, CpuidRegister.Edx, 3, FeatureEffect.Instructions);
    /// <summary>FSRM.</summary>
    public static readonly CpuidFeature Fsrm = Row("FSRM", 0x7, 0, CpuidRegister.Edx, 4);
    /// <summary>UINTR.</summary>
    public static readonly CpuidFeature Uintr = Row("UINTR", 0x7, 0, CpuidRegister.Edx, 5, FeatureEffect.State);
    /// <summary>AVX512_VP2INTERSECT.</summary>
    public static readonly CpuidFeature Avx512Vp2intersect = Row("AVX512_VP2INTERSECT", 0x7, 0, CpuidRegister.Edx, 8,
        FeatureEffect.Instructions);
    /// <summary>SRBDS_CTRL.</summary>
    public static readonly CpuidFeature SrbdsCtrl = Row("SRBDS_CTRL", 0x7, 0, CpuidRegister.Edx, 9);
    /// <summary>MD_CLEAR.</summary>
    public static readonly CpuidFeature MdClear = Row("MD_CLEAR", 0x7, 0, CpuidRegister.Edx, 10);
    /// <summary>RTM_ALWAYS_ABORT.</summary>
    public static readonly CpuidFeature RtmAlwaysAbort = Row("RTM_ALWAYS_ABORT", 0x7, 0, CpuidRegister.Edx, 11);
    /// <summary>SERIALIZE.</summary>
    public static readonly CpuidFeature Serialize = Row("SERIALIZE", 0x7, 0, CpuidRegister.Edx, 14, FeatureEffect.Instructions);
    /// <summary>HYBRID.</summary>
    public static readonly CpuidFeature Hybrid = Row("HYBRID", 0x7, 0, CpuidRegister.Edx, 15);
    /// <summary>TSXLDTRK.</summary>
    public static readonly CpuidFeature Tsxldtrk = Row("TSXLDTRK", 0x7, 0, CpuidRegister.Edx, 16, FeatureEffect.Instructions);
    /// <summary>PCONFIG.</summary>
    public static readonly CpuidFeature Pconfig = Row("PCONFIG", 0x7, 0, CpuidRegister.Edx, 18, FeatureEffect.Instructions);
    /// <summary>ARCH_LBR.</summary>
    public static readonly CpuidFeature ArchLbr = Row("ARCH_LBR", 0x7, 0, CpuidRegister.Edx, 19, FeatureEffect.State);
    /// <summary>CET_IBT.</summary>
    public static readonly CpuidFeature CetIbt = Row("CET_IBT", 0x7, 0, CpuidRegister.Edx, 20, FeatureEffect.State);
    /// <summary>AMX_BF16.</summary>
    public static readonly CpuidFeature AmxBf16 = Row("AMX_BF16", 0x7, 0, CpuidRegister.Edx, 22, FeatureEffect.Instructions);
    /// <summary>AVX512_FP16.</summary>
    public static readonly CpuidFeature Avx512Fp16 = Row("AVX512_FP16", 0x7, 0, CpuidRegister.Edx, 23, FeatureEffect.Instructions);
    /// <summary>AMX_TILE.</summary>
    public static readonly CpuidFeature AmxTile = Row("AMX_TILE", 0x7, 0, CpuidRegister.Edx, 24, FeatureEffect.State);
    /// <summary>AMX_INT8.</summary>
    public static readonly CpuidFeature AmxInt8 = Row("AMX_INT8", 0x7, 0, CpuidRegister.Edx, 25, FeatureEffect.Instructions);
    /// <summary>IBRS_IBPB.</summary>
    public static readonly CpuidFeature IbrsIbpb = Row("IBRS_IBPB", 0x7, 0, CpuidRegister.Edx, 26);
    /// <summary>STIBP.</summary>
    public static readonly CpuidFeature Stibp = Row("STIBP", 0x7, 0, CpuidRegister.Edx, 27);
    /// <summary>L1D_FLUSH.</summary>
    public static readonly CpuidFeature L1dFlush = Row("L1D_FLUSH", 0x7, 0, CpuidRegister.Edx, 28);
    /// <summary>ARCH_CAPABILITIES.</summary>
    public static readonly CpuidFeature ArchCapabilities = Row("ARCH_CAPABILITIES", 0x7, 0, CpuidRegister.Edx, 29);
    /// <summary>CORE_CAPABILITIES.</summary>
    public static readonly CpuidFeature CoreCapabilities = Row("CORE_CAPABILITIES", 0x7, 0, CpuidRegister.Edx, 30);
    /// <summary>SSBD.</summary>
    public static readonly CpuidFeature Ssbd = Row("SSBD", 0x7, 0, CpuidRegister.Edx, 31);

    // CPUID.7.1:EAX
    /// <summary>SHA512.</summary>
    public static readonly CpuidFeature Sha512 = Row("SHA512", 0x7, 1, CpuidRegister.Eax, 0, FeatureEffect.Instructions);
    /// <summary>SM3.</summary>
    public static readonly CpuidFeature Sm3 = Row("SM3", 0x7, 1, CpuidRegister.Eax, 1, FeatureEffect.Instructions);
    /// <summary>SM4.</summary>
    public static readonly CpuidFeature Sm4 = Row("SM4", 0x7, 1, CpuidRegister.Eax, 2, FeatureEffect.Instructions);
    /// <summary>RAO_INT.</summary>
    public static readonly CpuidFeature RaoInt = Row("RAO_INT", 0x7, 1, CpuidRegister.Eax, 3, FeatureEffect.Instructions);
    /// <summary>AVX_VNNI.</summary>
    public static readonly CpuidFeature AvxVnni = Row("AVX_VNNI", 0x7, 1, CpuidRegister.Eax, 4, FeatureEffect.Instructions);
    /// <summary>AVX512_BF16.</summary>
    public static readonly CpuidFeature Avx512Bf16 = Row("AVX512_BF16", 0x7, 1, CpuidRegister.Eax, 5, FeatureEffect.Instructions);
    /// <summary>LASS.</summary>
    public static readonly CpuidFeature Lass = Row("LASS", 0x7, 1, CpuidRegister.Eax, 6);
    /// <summary>CMPCCXADD.</summary>
    public static readonly CpuidFeature Cmpccxadd = Row("CMPCCXADD", 0x7, 1, CpuidRegister.Eax, 7, FeatureEffect.Instructions);
    /// <summary>ARCH_PERFMON_EXT.</summary>
    public static readonly CpuidFeature ArchPerfmonExt = Row("ARCH_PERFMON_EXT", 0x7, 1, CpuidRegister.Eax, 8);
    /// <summary>FZRM.</summary>
    public static readonly CpuidFeature Fzrm = Row("FZRM", 0x7, 1, CpuidRegister.Eax, 10);
    /// <summary>FSRS.</summary>
    public static readonly CpuidFeature Fsrs = Row("FSRS", 0x7, 1, CpuidRegister.Eax, 11);
    /// <summary>FSRC.</summary>
    public static readonly CpuidFeature Fsrc = Row("FSRC", 0x7, 1, CpuidRegister.Eax, 12);
    /// <summary>FRED.</summary>
    public static readonly CpuidFeature Fred = Row("FRED", 0x7, 1, CpuidRegister.Eax, 17);
    /// <summary>LKGS.</summary>
    public static readonly CpuidFeature Lkgs = Row("LKGS", 0x7, 1, CpuidRegister.Eax, 18, FeatureEffect.Instructions);
    /// <summary>WRMSRNS.</summary>
    public static readonly CpuidFeature Wrmsrns = Row("WRMSRNS", 0x7, 1, CpuidRegister.Eax, 19, FeatureEffect.Instructions);
    /// <summary>AMX_FP16.</summary>
    public static readonly CpuidFeature AmxFp16 = Row("AMX_FP16", 0x7, 1, CpuidRegister.Eax, 21, FeatureEffect.Instructions);
    /// <summary>HRESET.</summary>
    public static readonly CpuidFeature Hreset = Row("HRESET", 0x7, 1, CpuidRegister.Eax, 22, FeatureEffect.Instructions);
    /// <summary>AVX_IFMA.</summary>
    public static readonly CpuidFeature AvxIfma = Row("AVX_IFMA", 0x7, 1, CpuidRegister.Eax, 23, FeatureEffect.Instructions);
    /// <summary>LAM.</summary>
    public static readonly CpuidFeature Lam = Row("LAM", 0x7, 1, CpuidRegister.Eax, 26);
    /// <summary>MSRLIST.</summary>
    public static readonly CpuidFeature Msrlist = Row("MSRLIST", 0x7, 1, CpuidRegister.Eax, 27, FeatureEffect.Instructions);
    /// <summary>INVD_DISABLE.</summary>
    public static readonly CpuidFeature InvdDisable = Row("INVD_DISABLE", 0x7, 1, CpuidRegister.Eax, 30);
    /// <summary>MOVRS.</summary>
    public static readonly CpuidFeature Movrs = Row("MOVRS", 0x7, 1, CpuidRegister.Eax, 31, FeatureEffect.Instructions);

    // CPUID.7.1:EBX
    /// <summary>PBNDKB.</summary>
    public static readonly CpuidFeature Pbndkb = Row("PBNDKB", 0x7, 1, CpuidRegister.Ebx, 1, FeatureEffect.Instructions);

    // CPUID.7.1:ECX
    /// <summary>MSR_IMM.</summary>
    public static readonly CpuidFeature MsrImm = Row("MSR_IMM", 0x7, 1, CpuidRegister.Ecx, 5, FeatureEffect.Instructions);

    // CPUID.7.1:EDX
    /// <summary>AVX_VNNI_INT8.</summary>
    public static readonly CpuidFeature AvxVnniInt8 = Row("AVX_VNNI_INT8", 0x7, 1, CpuidRegister.Edx, 4, FeatureEffect.Instructions);
    /// <summary>AVX_NE_CONVERT.</summary>
    public static readonly CpuidFeature AvxNeConvert = Row("AVX_NE_CONVERT", 0x7, 1, CpuidRegister.Edx, 5, FeatureEffect.Instructions);
    /// <summary>AMX_COMPLEX.</summary>
    public static readonly CpuidFeature AmxComplex = Row("AMX_COMPLEX", 0x7, 1, CpuidRegister.Edx, 8, FeatureEffect.Instructions);
    /// <summary>AVX_VNNI_INT16.</summary>
    public static readonly CpuidFeature AvxVnniInt16 = Row("AVX_VNNI_INT16", 0x7, 1, CpuidRegister.Edx, 10, FeatureEffect.Instructions);
    /// <summary>PREFETCHI.</summary>
    public static readonly CpuidFeature Prefetchi = Row("PREFETCHI", 0x7, 1, CpuidRegister.Edx, 14, FeatureEffect.Instructions);
    /// <summary>USER_MSR.</summary>
    public static readonly CpuidFeature UserMsr = Row("USER_MSR", 0x7, 1, CpuidRegister.Edx, 15, FeatureEffect.Instructions);
    /// <summary>UIRET_UIF.</summary>
    public static readonly CpuidFeature UiretUif = Row("UIRET_UIF", 0x7, 1, CpuidRegister.Edx, 17);
    /// <summary>CET_SSS.</summary>
    public static readonly CpuidFeature CetSss = Row("CET_SSS", 0x7, 1, CpuidRegister.Edx, 18);
    /// <summary>AVX10.</summary>
    public static readonly CpuidFeature Avx10 = Row("AVX10", 0x7, 1, CpuidRegister.Edx, 19, FeatureEffect.Instructions);
    /// <summary>APX_F.</summary>
    public static readonly CpuidFeature ApxF = Row("APX_F", 0x7, 1, CpuidRegister.Edx, 21, FeatureEffect.State);

    // CPUID.D.1:EAX
    /// <summary>XSAVEOPT.</summary>
    public static readonly CpuidFeature Xsaveopt = Row("XSAVEOPT", 0xD, 1, CpuidRegister.Eax, 0, FeatureEffect.Instructions);
    /// <summary>XSAVEC.</summary>
    public static readonly CpuidFeature Xsavec = Row("XSAVEC", 0xD, 1, CpuidRegister.Eax, 1, FeatureEffect.Instructions);
    /// <summary>XGETBV1.</summary>
    public static readonly CpuidFeature Xgetbv1 = Row("XGETBV1", 0xD, 1, CpuidRegister.Eax, 2, FeatureEffect.Instructions);
    /// <summary>XSAVES.</summary>
    public static readonly CpuidFeature Xsaves = Row("XSAVES", 0xD, 1, CpuidRegister.Eax, 3, FeatureEffect.Instructions);
    /// <summary>XFD.</summary>
    public static readonly CpuidFeature Xfd = Row("XFD", 0xD, 1, CpuidRegister.Eax, 4, FeatureEffect.State);

    // CPUID.14.0:EBX
    /// <summary>PTWRITE.</summary>
    public static readonly CpuidFeature Ptwrite = Row("PTWRITE", 0x14, 0, CpuidRegister.Ebx, 4, FeatureEffect.Instructions);

    // CPUID.19.0:EBX
    /// <summary>AESKLE.</summary>
    public static readonly CpuidFeature Aeskle = Row("AESKLE", 0x19, 0, CpuidRegister.Ebx, 0, FeatureEffect.Instructions);
    /// <summary>WIDE_KL.</summary>
    public static readonly CpuidFeature WideKl = Row("WIDE_KL", 0x19, 0, CpuidRegister.Ebx, 2, FeatureEffect.Instructions);

    // CPUID.1E.1:EAX
    /// <summary>AMX_INT8_1E.</summary>
    public static readonly CpuidFeature AmxInt81e = Row("AMX_INT8_1E", 0x1E, 1, CpuidRegister.Eax, 0, FeatureEffect.Instructions);
    /// <summary>AMX_BF16_1E.</summary>
    public static readonly CpuidFeature AmxBf161e = Row("AMX_BF16_1E", 0x1E, 1, CpuidRegister.Eax, 1, FeatureEffect.Instructions);
    /// <summary>AMX_COMPLEX_1E.</summary>
    public static readonly CpuidFeature AmxComplex1e = Row("AMX_COMPLEX_1E", 0x1E, 1, CpuidRegister.Eax, 2, FeatureEffect.Instructions);
    /// <summary>AMX_FP16_1E.</summary>
    public static readonly CpuidFeature AmxFp161e = Row("AMX_FP16_1E", 0x1E, 1, CpuidRegister.Eax, 3, FeatureEffect.Instructions);
    /// <summary>AMX_FP8.</summary>
    public static readonly CpuidFeature AmxFp8 = Row("AMX_FP8", 0x1E, 1, CpuidRegister.Eax, 4, FeatureEffect.Instructions);
    /// <summary>AMX_TF32.</summary>
    public static readonly CpuidFeature AmxTf32 = Row("AMX_TF32", 0x1E, 1, CpuidRegister.Eax, 6, FeatureEffect.Instructions);
    /// <summary>AMX_AVX512.</summary>
    public static readonly CpuidFeature AmxAvx512 = Row("AMX_AVX512", 0x1E, 1, CpuidRegister.Eax, 7, FeatureEffect.Instructions);
    /// <summary>AMX_MOVRS.</summary>
    public static readonly CpuidFeature AmxMovrs = Row("AMX_MOVRS", 0x1E, 1, CpuidRegister.Eax, 8, FeatureEffect.Instructions);

    // CPUID.24.0:EBX
    /// <summary>AVX10_512.</summary>
    public static readonly CpuidFeature Avx10512 = Row("AVX10_512", 0x24, 0, CpuidRegister.Ebx, 18, FeatureEffect.Instructions);

    // CPUID.29.0:EBX
    /// <summary>APX_NCI_NDD_NF.</summary>
    public static readonly CpuidFeature ApxNciNddNf = Row("APX_NCI_NDD_NF", 0x29, 0, CpuidRegister.Ebx, 0, FeatureEffect.Instructions);

    // CPUID.80000001.0:ECX
    /// <summary>LAHF_LM.</summary>
    public static readonly CpuidFeature LahfLm = Row("LAHF_LM", 0x8000_0001, 0, CpuidRegister.Ecx, 0, FeatureEffect.Instructions);
    /// <summary>CMP_LEGACY.</summary>
    public static readonly CpuidFeature CmpLegacy = Row("CMP_LEGACY", 0x8000_0001, 0, CpuidRegister.Ecx, 1);
    /// <summary>SVM.</summary>
    public static readonly CpuidFeature Svm = Row("SVM", 0x8000_0001, 0, CpuidRegister.Ecx, 2);
    /// <summary>EXTAPIC.</summary>
    public static readonly CpuidFeature Extapic = Row("EXTAPIC", 0x8000_0001, 0, CpuidRegister.Ecx, 3);
    /// <summary>CR8_LEGACY.</summary>
    public static readonly CpuidFeature Cr8Legacy = Row("CR8_LEGACY", 0x8000_0001, 0, CpuidRegister.Ecx, 4);
    /// <summary>LZCNT.</summary>
    public static readonly CpuidFeature Lzcnt = Row("LZCNT", 0x8000_0001, 0, CpuidRegister.Ecx, 5, FeatureEffect.Instructions);
    /// <summary>SSE4A.</summary>
    public static readonly CpuidFeature Sse4a = Row("SSE4A", 0x8000_0001, 0, CpuidRegister.Ecx, 6, FeatureEffect.Instructions);
    /// <summary>MISALIGNSSE.</summary>
    public static readonly CpuidFeature Misalignsse = Row("MISALIGNSSE", 0x8000_0001, 0, CpuidRegister.Ecx, 7);
    /// <summary>PREFETCHW.</summary>
    public static readonly CpuidFeature Prefetchw = Row("PREFETCHW", 0x8000_0001, 0, CpuidRegister.Ecx, 8, FeatureEffect.Instructions);
    /// <summary>OSVW.</summary>
    public static readonly CpuidFeature Osvw = Row("OSVW", 0x8000_0001, 0, CpuidRegister.Ecx, 9);
    /// <summary>IBS.</summary>
    public static readonly CpuidFeature Ibs = Row("IBS", 0x8000_0001, 0, CpuidRegister.Ecx, 10);
    /// <summary>XOP.</summary>
    public static readonly CpuidFeature Xop = Row("XOP", 0x8000_0001, 0, CpuidRegister.Ecx, 11, FeatureEffect.Instructions);
    /// <summary>SKINIT.</summary>
    public static readonly CpuidFeature Skinit = Row("SKINIT", 0x8000_0001, 0, CpuidRegister.Ecx, 12);
    /// <summary>WDT.</summary>
    public static readonly CpuidFeature Wdt = Row("WDT", 0x8000_0001, 0, CpuidRegister.Ecx, 13);
    /// <summary>LWP.</summary>
    public static readonly CpuidFeature Lwp = Row("LWP", 0x8000_0001, 0, CpuidRegister.Ecx, 15, FeatureEffect.State);
    /// <summary>FMA4.</summary>
    public static readonly CpuidFeature Fma4 = Row("FMA4", 0x8000_0001, 0, CpuidRegister.Ecx, 16, FeatureEffect.Instructions);
    /// <summary>TCE.</summary>
    public static readonly CpuidFeature Tce = Row("TCE", 0x8000_0001, 0, CpuidRegister.Ecx, 17);
    /// <summary>TBM.</summary>
    public static readonly CpuidFeature Tbm = Row("TBM", 0x8000_0001, 0, CpuidRegister.Ecx, 21, FeatureEffect.Instructions);
    /// <summary>TOPOEXT.</summary>
    public static readonly CpuidFeature Topoext = Row("TOPOEXT", 0x8000_0001, 0, CpuidRegister.Ecx, 22);
    /// <summary>PERFCTR_CORE.</summary>
    public static readonly CpuidFeature PerfctrCore = Row("PERFCTR_CORE", 0x8000_0001, 0, CpuidRegister.Ecx, 23);
    /// <summary>PERFCTR_NB.</summary>
    public static readonly CpuidFeature PerfctrNb = Row("PERFCTR_NB", 0x8000_0001, 0, CpuidRegister.Ecx, 24);
    /// <summary>PERFTSC.</summary>
    public static readonly CpuidFeature Perftsc = Row("PERFTSC", 0x8000_0001, 0, CpuidRegister.Ecx, 27);
    /// <summary>PERFCTR_LLC.</summary>
    public static readonly CpuidFeature PerfctrLlc = Row("PERFCTR_LLC", 0x8000_0001, 0, CpuidRegister.Ecx, 28);
    /// <summary>MONITORX.</summary>
    public static readonly CpuidFeature Monitorx = Row("MONITORX", 0x8000_0001, 0, CpuidRegister.Ecx, 29, FeatureEffect.Instructions);

    // CPUID.80000001.0:EDX
    /// <summary>SYSCALL.</summary>
    public static readonly CpuidFeature Syscall = Row("SYSCALL", 0x8000_0001, 0, CpuidRegister.Edx, 11);
    /// <summary>NX.</summary>
    public static readonly CpuidFeature Nx = Row("NX", 0x8000_0001, 0, CpuidRegister.Edx, 20);
    /// <summary>MMXEXT.</summary>
    public static readonly CpuidFeature Mmxext = Row("MMXEXT", 0x8000_0001, 0, CpuidRegister.Edx, 22, FeatureEffect.Instructions);
    /// <summary>FFXSR.</summary>
    public static readonly CpuidFeature Ffxsr = Row("FFXSR", 0x8000_0001, 0, CpuidRegister.Edx, 25);
    /// <summary>PDPE1GB.</summary>
    public static readonly CpuidFeature Pdpe1gb = Row("PDPE1GB", 0x8000_0001, 0, CpuidRegister.Edx, 26);
    /// <summary>RDTSCP.</summary>
    public static readonly CpuidFeature Rdtscp = Row("RDTSCP", 0x8000_0001, 0, CpuidRegister.Edx, 27, FeatureEffect.Instructions);
    /// <summary>LM.</summary>
    public static readonly CpuidFeature Lm = Row("LM", 0x8000_0001, 0, CpuidRegister.Edx, 29, FeatureEffect.Instructions);
    /// <summary>3DNOWEXT.</summary>
    public static readonly CpuidFeature ThreeDNowExt = Row("3DNOWEXT", 0x8000_0001, 0, CpuidRegister.Edx, 30, FeatureEffect.Instructions);
    /// <summary>3DNOW.</summary>
    public static readonly CpuidFeature ThreeDNow = Row("3DNOW", 0x8000_0001, 0, CpuidRegister.Edx, 31, FeatureEffect.Instructions);

    // CPUID.80000008.0:EBX
    /// <summary>CLZERO.</summary>
    public static readonly CpuidFeature Clzero = Row("CLZERO", 0x8000_0008, 0, CpuidRegister.Ebx, 0, FeatureEffect.Instructions);
    /// <summary>XSAVEERPTR.</summary>
    public static readonly CpuidFeature Xsaveerptr = Row("XSAVEERPTR", 0x8000_0008, 0, CpuidRegister.Ebx, 2);
    /// <summary>INVLPGB.</summary>
    public static readonly CpuidFeature Invlpgb = Row("INVLPGB", 0x8000_0008, 0, CpuidRegister.Ebx, 3, FeatureEffect.Instructions);
    /// <summary>RDPRU.</summary>
    public static readonly CpuidFeature Rdpru = Row("RDPRU", 0x8000_0008, 0, CpuidRegister.Ebx, 4, FeatureEffect.Instructions);
    /// <summary>MCOMMIT.</summary>
    public static readonly CpuidFeature Mcommit = Row("MCOMMIT", 0x8000_0008, 0, CpuidRegister.Ebx, 8, FeatureEffect.Instructions);
    /// <summary>WBNOINVD.</summary>
    public static readonly CpuidFeature Wbnoinvd = Row("WBNOINVD", 0x8000_0008, 0, CpuidRegister.Ebx, 9, FeatureEffect.Instructions);
    /// <summary>IBPB.</summary>
    public static readonly CpuidFeature Ibpb = Row("IBPB", 0x8000_0008, 0, CpuidRegister.Ebx, 12);
    /// <summary>IBRS.</summary>
    public static readonly CpuidFeature Ibrs = Row("IBRS", 0x8000_0008, 0, CpuidRegister.Ebx, 14);
    /// <summary>AMD_STIBP.</summary>
    public static readonly CpuidFeature AmdStibp = Row("AMD_STIBP", 0x8000_0008, 0, CpuidRegister.Ebx, 15);
    /// <summary>AMD_SSBD.</summary>
    public static readonly CpuidFeature AmdSsbd = Row("AMD_SSBD", 0x8000_0008, 0, CpuidRegister.Ebx, 24);

    // CPUID.80000021.0:EAX
    /// <summary>LFENCE_RDTSC.</summary>
    public static readonly CpuidFeature LfenceRdtsc = Row("LFENCE_RDTSC", 0x8000_0021, 0, CpuidRegister.Eax, 2);
    /// <summary>NULL_SEL_CLR_BASE.</summary>
    public static readonly CpuidFeature NullSelClrBase = Row("NULL_SEL_CLR_BASE", 0x8000_0021, 0, CpuidRegister.Eax, 6);
    /// <summary>AUTOIBRS.</summary>
    public static readonly CpuidFeature Autoibrs = Row("AUTOIBRS", 0x8000_0021, 0, CpuidRegister.Eax, 8);
    /// <summary>AMD_PREFETCHI.</summary>
    public static readonly CpuidFeature AmdPrefetchi = Row("AMD_PREFETCHI", 0x8000_0021, 0, CpuidRegister.Eax, 20,
        FeatureEffect.Instructions);

    /// <summary>All rows, by leaf, sub-leaf, register and bit.</summary>
    public static ImmutableArray<CpuidFeature> All { get; } = [.. Rows];

    /// <summary>The feature with a name of the manuals, in any case; null if there is none.</summary>
    public static CpuidFeature? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (CpuidFeature feature in All)
        {
            if (string.Equals(feature.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                return feature;
            }
        }

        return null;
    }

    private static CpuidFeature Row(
        string name, uint leaf, uint subleaf, CpuidRegister register, int bit, FeatureEffect effect = FeatureEffect.None)
    {
        CpuidFeature feature = new(name, leaf, subleaf, register, bit) { Effect = effect, Row = Rows.Count };
        Rows.Add(feature);
        return feature;
    }
}
