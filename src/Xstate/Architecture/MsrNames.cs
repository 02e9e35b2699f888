using System.Collections.Immutable;
using System.Globalization;

namespace Xstate.Architecture;

/// <summary>
/// Names of model-specific registers: the manuals' for the processor's own (SDM Vol. 4, APM Vol. 2 appendix A), the kernel's for those of
/// KVM (Documentation/virt/kvm/x86/msr.rst).
/// </summary>
internal static class MsrNames
{
    /// <summary>IA32_PL3_SSP: the shadow-stack pointer of user code.</summary>
    public const uint UserShadowStackPointer = 0x6A7;

    private const uint FirstMtrrPair = 0x200;
    private const uint LastMtrrPair = 0x213;
    private const uint FirstMachineCheck = 0x400;
    private const uint LastMachineCheck = 0x47F;

    private static readonly ImmutableSortedDictionary<uint, string> ByIndex = ImmutableSortedDictionary.CreateRange<uint, string>(
    [
        new(0x10, "IA32_TIME_STAMP_COUNTER"),
        new(0x11, "KVM_WALL_CLOCK"),
        new(0x12, "KVM_SYSTEM_TIME"),
        new(0x17, "IA32_PLATFORM_ID"),
        new(0x1B, "IA32_APIC_BASE"),
        new(0x34, "MSR_SMI_COUNT"),
        new(0x3A, "IA32_FEATURE_CONTROL"),
        new(0x3B, "IA32_TSC_ADJUST"),
        new(0x48, "IA32_SPEC_CTRL"),
        new(0x49, "IA32_PRED_CMD"),
        new(0x79, "IA32_BIOS_UPDT_TRIG"),
        new(0x8B, "IA32_BIOS_SIGN_ID"),
        new(0x9E, "IA32_SMBASE"),
        new(0xCE, "MSR_PLATFORM_INFO"),
        new(0xCF, "IA32_CORE_CAPABILITIES"),
        new(0xE1, "IA32_UMWAIT_CONTROL"),
        new(0xE7, "IA32_MPERF"),
        new(0xE8, "IA32_APERF"),
        new(0xFE, "IA32_MTRRCAP"),
        new(0x10A, "IA32_ARCH_CAPABILITIES"),
        new(0x10B, "IA32_FLUSH_CMD"),
        new(0x122, "IA32_TSX_CTRL"),
        new(0x140, "MSR_MISC_FEATURES_ENABLES"),
        new(0x174, "IA32_SYSENTER_CS"),
        new(0x175, "IA32_SYSENTER_ESP"),
        new(0x176, "IA32_SYSENTER_EIP"),
        new(0x179, "IA32_MCG_CAP"),
        new(0x17A, "IA32_MCG_STATUS"),
        new(0x17B, "IA32_MCG_CTL"),
        new(0x198, "IA32_PERF_STATUS"),
        new(0x199, "IA32_PERF_CTL"),
        new(0x19A, "IA32_CLOCK_MODULATION"),
        new(0x19B, "IA32_THERM_INTERRUPT"),
        new(0x19C, "IA32_THERM_STATUS"),
        new(0x1A0, "IA32_MISC_ENABLE"),
        new(0x1B0, "IA32_ENERGY_PERF_BIAS"),
        new(0x1C4, "IA32_XFD"),
        new(0x1C5, "IA32_XFD_ERR"),
        new(0x1D9, "IA32_DEBUGCTL"),
        new(0x1DD, "IA32_LER_FROM_IP"),
        new(0x1DE, "IA32_LER_TO_IP"),
        new(0x1E0, "IA32_LER_INFO"),
        new(0x250, "MTRR_FIX64K_00000"),
        new(0x258, "MTRR_FIX16K_80000"),
        new(0x259, "MTRR_FIX16K_A0000"),
        new(0x268, "MTRR_FIX4K_C0000"),
        new(0x269, "MTRR_FIX4K_C8000"),
        new(0x26A, "MTRR_FIX4K_D0000"),
        new(0x26B, "MTRR_FIX4K_D8000"),
        new(0x26C, "MTRR_FIX4K_E0000"),
        new(0x26D, "MTRR_FIX4K_E8000"),
        new(0x26E, "MTRR_FIX4K_F0000"),
        new(0x26F, "MTRR_FIX4K_F8000"),
        new(0x277, "IA32_PAT"),
        new(0x2FF, "IA32_MTRR_DEF_TYPE"),
        new(0x345, "IA32_PERF_CAPABILITIES"),
        new(0x38D, "IA32_FIXED_CTR_CTRL"),
        new(0x38E, "IA32_PERF_GLOBAL_STATUS"),
        new(0x38F, "IA32_PERF_GLOBAL_CTRL"),
        new(0x390, "IA32_PERF_GLOBAL_OVF_CTRL"),
        new(0x3F1, "IA32_PEBS_ENABLE"),
        new(0x3F2, "IA32_PEBS_DATA_CFG"),
        new(0x480, "IA32_VMX_BASIC"),
        new(0x481, "IA32_VMX_PINBASED_CTLS"),
        new(0x482, "IA32_VMX_PROCBASED_CTLS"),
        new(0x483, "IA32_VMX_EXIT_CTLS"),
        new(0x484, "IA32_VMX_ENTRY_CTLS"),
        new(0x485, "IA32_VMX_MISC"),
        new(0x486, "IA32_VMX_CR0_FIXED0"),
        new(0x487, "IA32_VMX_CR0_FIXED1"),
        new(0x488, "IA32_VMX_CR4_FIXED0"),
        new(0x489, "IA32_VMX_CR4_FIXED1"),
        new(0x48A, "IA32_VMX_VMCS_ENUM"),
        new(0x48B, "IA32_VMX_PROCBASED_CTLS2"),
        new(0x48C, "IA32_VMX_EPT_VPID_CAP"),
        new(0x48D, "IA32_VMX_TRUE_PINBASED_CTLS"),
        new(0x48E, "IA32_VMX_TRUE_PROCBASED_CTLS"),
        new(0x48F, "IA32_VMX_TRUE_EXIT_CTLS"),
        new(0x490, "IA32_VMX_TRUE_ENTRY_CTLS"),
        new(0x491, "IA32_VMX_VMFUNC"),
        new(0x560, "IA32_RTIT_OUTPUT_BASE"),
        new(0x561, "IA32_RTIT_OUTPUT_MASK_PTRS"),
        new(0x570, "IA32_RTIT_CTL"),
        new(0x571, "IA32_RTIT_STATUS"),
        new(0x572, "IA32_RTIT_CR3_MATCH"),
        new(0x580, "IA32_RTIT_ADDR0_A"),
        new(0x581, "IA32_RTIT_ADDR0_B"),
        new(0x582, "IA32_RTIT_ADDR1_A"),
        new(0x583, "IA32_RTIT_ADDR1_B"),
        new(0x600, "IA32_DS_AREA"),
        new(0x6A0, "IA32_U_CET"),
        new(0x6A2, "IA32_S_CET"),
        new(0x6A4, "IA32_PL0_SSP"),
        new(0x6A5, "IA32_PL1_SSP"),
        new(0x6A6, "IA32_PL2_SSP"),
        new(0x6A7, "IA32_PL3_SSP"),
        new(0x6A8, "IA32_INTERRUPT_SSP_TABLE_ADDR"),
        new(0x6E0, "IA32_TSC_DEADLINE"),
        new(0x6E1, "IA32_PKRS"),
        new(0x770, "IA32_PM_ENABLE"),
        new(0x771, "IA32_HWP_CAPABILITIES"),
        new(0x774, "IA32_HWP_REQUEST"),
        new(0x777, "IA32_HWP_STATUS"),
        new(0x985, "IA32_UINTR_RR"),
        new(0x986, "IA32_UINTR_HANDLER"),
        new(0x987, "IA32_UINTR_STACKADJUST"),
        new(0x988, "IA32_UINTR_MISC"),
        new(0x989, "IA32_UINTR_PD"),
        new(0x98A, "IA32_UINTR_TT"),
        new(0xD90, "IA32_BNDCFGS"),
        new(0xD93, "IA32_PASID"),
        new(0xDA0, "IA32_XSS"),
        new(0xDB1, "IA32_PM_CTL1"),
        new(0x14CE, "IA32_LBR_CTL"),
        new(0x14CF, "IA32_LBR_DEPTH"),
        new(0x4B56_4D00, "KVM_WALL_CLOCK_NEW"),
        new(0x4B56_4D01, "KVM_SYSTEM_TIME_NEW"),
        new(0x4B56_4D02, "KVM_ASYNC_PF_EN"),
        new(0x4B56_4D03, "KVM_STEAL_TIME"),
        new(0x4B56_4D04, "KVM_PV_EOI_EN"),
        new(0x4B56_4D05, "KVM_POLL_CONTROL"),
        new(0x4B56_4D06, "KVM_ASYNC_PF_INT"),
        new(0x4B56_4D07, "KVM_ASYNC_PF_ACK"),
        new(0x4B56_4D08, "KVM_MIGRATION_CONTROL"),
        new(0xC000_0080, "IA32_EFER"),
        new(0xC000_0081, "IA32_STAR"),
        new(0xC000_0082, "IA32_LSTAR"),
        new(0xC000_0083, "IA32_CSTAR"),
        new(0xC000_0084, "IA32_FMASK"),
        new(0xC000_0100, "IA32_FS_BASE"),
        new(0xC000_0101, "IA32_GS_BASE"),
        new(0xC000_0102, "IA32_KERNEL_GS_BASE"),
        new(0xC000_0103, "IA32_TSC_AUX"),
        new(0xC000_0104, "TSC_RATIO"),
        new(0xC001_0010, "SYSCFG"),
        new(0xC001_0015, "HWCR"),
        new(0xC001_001F, "NB_CFG"),
        new(0xC001_0114, "VM_CR"),
        new(0xC001_0117, "VM_HSAVE_PA"),
        new(0xC001_011F, "VIRT_SPEC_CTRL"),
        new(0xC001_1020, "LS_CFG"),
        new(0xC001_1029, "DE_CFG"),
    ]);

    private static readonly Dictionary<string, uint> ByName = ByIndex.ToDictionary(row => row.Value, row => row.Key,
        StringComparer.OrdinalIgnoreCase);

    /// <summary>The name of a register, such as <c>IA32_U_CET</c>; null for one without a name here.</summary>
    public static string? Find(uint index) =>
        ByIndex.GetValueOrDefault(index) ?? index switch
        {
            >= FirstMtrrPair and <= LastMtrrPair => Numbered(index % 2 == 0 ? "IA32_MTRR_PHYSBASE" : "IA32_MTRR_PHYSMASK",
                (index - FirstMtrrPair) / 2),
            >= FirstMachineCheck and <= LastMachineCheck => Numbered("IA32_MC", (index - FirstMachineCheck) / 4) + MachineCheck(index),
            >= 0xC1 and <= 0xC8 => Numbered("IA32_PMC", index - 0xC1),
            >= 0x186 and <= 0x18D => Numbered("IA32_PERFEVTSEL", index - 0x186),
            >= 0x309 and <= 0x311 => Numbered("IA32_FIXED_CTR", index - 0x309),
            >= 0x4C1 and <= 0x4C8 => Numbered("IA32_A_PMC", index - 0x4C1),
            >= 0xC001_0000 and <= 0xC001_0003 => Numbered("PERFEVTSEL", index - 0xC001_0000),
            >= 0xC001_0004 and <= 0xC001_0007 => Numbered("PERFCTR", index - 0xC001_0004),
            _ => null,
        };

    /// <summary>The name in lower case as registers are printed, or <c>msr 0x…</c> for one without a name.</summary>
    public static string NameOf(uint index) => Find(index)?.ToLowerInvariant() ?? $"msr 0x{index:x}";

    /// <summary>Finds a register of the table by its name, in any case.</summary>
    public static bool TryParse(string name, out uint index) => ByName.TryGetValue(name, out index);

    private static string MachineCheck(uint index) => (index % 4) switch { 0 => "_CTL", 1 => "_STATUS", 2 => "_ADDR", _ => "_MISC" };

    private static string Numbered(string name, uint number) => string.Create(CultureInfo.InvariantCulture, $"{name}{number}");
}
