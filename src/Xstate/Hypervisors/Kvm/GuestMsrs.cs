using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// The MSRs of extended state of one virtual CPU, as KVM_SET_MSRS, KVM_GET_MSRS and the guest reach them. The CET part was read from Linux
/// 6.18 to 7.2 (<c>__kvm_set_msr</c>, <c>kvm_do_msr_access</c>,
/// <c>kvm_is_valid_u_s_cet</c>), for want of a processor with CET under a KVM that could be asked; IA32_XSS is measured on 6.1, 6.12, 7.2
/// and kvm_pvm 6.18.
/// </summary>
internal sealed class GuestMsrs
{
    // Shadow-stack pointers are multiples of 4; the table that IA32_INTERRUPT_SSP_TABLE_ADDR points to may lie anywhere.
    private const ulong SspAlignment = 4;

    // KVM takes the legacy bitmap's base in units of 16 KiB: bits 12 and 13 must be clear (IS_ALIGNED of the base in pages). The manual has
    // no such rule.
    private const ulong BitmapMisalignment = 3UL << 12;

    private readonly LinuxHost _host;
    private readonly GuestXsave _xsave;
    private readonly Dictionary<uint, ulong> _cet = [];

    internal GuestMsrs(LinuxHost host, GuestXsave xsave)
    {
        _host = host;
        _xsave = xsave;
    }

    /// <summary>The guest's CPUID as user space set it.</summary>
    internal CpuidTable Cpuid { get; set; } = CpuidTable.Empty;

    /// <summary>IA32_XSS of the guest.</summary>
    internal StateComponentSet Xss { get; set; }

    /// <summary>IA32_XFD_ERR of the guest.</summary>
    internal ulong XfdErr { get; set; }

    private KernelBehavior Behavior => _host.Behavior;

    /// <summary>Shadow stacks as the guest's CPUID and KVM have them (<c>guest_cpu_cap_has</c>).</summary>
    internal bool HasShadowStack => _host.KvmShadowStack && LinuxHost.HasShadowStack(Cpuid);

    private bool HasBranchTracking => _host.KvmBranchTracking && LinuxHost.HasBranchTracking(Cpuid);

    private bool HasXsaves => Cpuid.Has(CpuidFeatures.Xsaves);

    /// <summary>Whether the model knows an MSR, whatever the kernel.</summary>
    internal static bool IsModelled(uint index) => index is KvmModelVcpu.MsrXss or KvmModelVcpu.MsrXfd or KvmModelVcpu.MsrXfdErr
        or KvmModelVcpu.MsrPkrs || IsCet(index);

    /// <summary>KVM_SET_MSRS with one MSR.</summary>
    internal KernelReply Set(uint index, ulong value, out int count)
    {
        if (CheckWrite(index, value) is { } refused)
        {
            // Since 6.12 (kvm_do_msr_access) user space may write 0 to an MSR that KVM advertises, also where this guest does not have it;
            // nothing is stored.
            bool passes = refused.Unsupported && value == 0 && IsAdvertised(index);
            count = passes ? 1 : 0;
            return passes ? KernelReply.Success : new KernelReply(Errno.None, refused.Why);
        }

        count = 1;
        switch (index)
        {
            case KvmModelVcpu.MsrXss:
                Xss = new StateComponentSet(value);
                break;
            case KvmModelVcpu.MsrXfd:
                FpState state = _xsave.State;
                state.Xfd = new StateComponentSet(value);
                if (!Behavior.Has(KernelDifference.KvmSetXfdNm))
                {
                    // b45f72177594: a component that becomes disabled leaves the buffer at once.
                    state.Xfeatures = state.Xfeatures.Except(state.Xfd);
                }

                break;
            case KvmModelVcpu.MsrXfdErr:
                XfdErr = value;
                break;
            case KvmModelVcpu.MsrUserCet when !_host.Processor.IsCanonical(value & ~0xFFFUL):
                // KVM does not look; its own WRMSR takes #GP, warns ("unchecked MSR access") and goes on, so that the old value stays.
                break;
            default:
                _cet[index] = value;
                break;
        }

        return KernelReply.Success;
    }

    /// <summary>KVM_GET_MSRS with one MSR.</summary>
    internal KernelReply Get(uint index, out int count, out ulong value)
    {
        (count, value) = index switch
        {
            KvmModelVcpu.MsrXss when !_host.HasXsaves && Behavior.Has(KernelDifference.KvmXssNoRead) => (0, 0UL),
            KvmModelVcpu.MsrXss => (1, Xss.Bits),
            KvmModelVcpu.MsrXfd when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, _xsave.State.Xfd.Bits),
            KvmModelVcpu.MsrXfdErr when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, XfdErr),
            _ when IsCet(index) && HasCet(index) => (1, _cet.GetValueOrDefault(index)),
            _ => (IsAdvertised(index) ? 1 : 0, 0UL),
        };
        return KernelReply.Success;
    }

    /// <summary>
    /// RDMSR or WRMSR of the guest. It needs the feature in its own CPUID; CET MSRs are the processor's then, so that its rules for values
    /// hold and not KVM's.
    /// </summary>
    /// <returns>Whether the guest goes on without #GP.</returns>
    internal bool AccessAsGuest(uint index, ref ulong value, bool write)
    {
        bool offered = index switch
        {
            KvmModelVcpu.MsrXss => HasXsaves,
            KvmModelVcpu.MsrXfd or KvmModelVcpu.MsrXfdErr => Cpuid.Has(CpuidFeatures.Xfd),
            KvmModelVcpu.GuestSsp or KvmModelVcpu.MsrPkrs => false,
            _ => HasCet(index),
        };
        if (!offered)
        {
            return false;
        }

        if (!write)
        {
            Get(index, out int read, out value);
            return read == 1;
        }

        if (IsCet(index) && index != KvmModelVcpu.MsrSspTable)
        {
            // IA32_S_CET has IA32_U_CET's rules.
            StateMsr rules = StateMsrs.Find(index) ?? StateMsrs.Find(KvmModelVcpu.MsrUserCet)!;
            bool accepted = rules.Accepts(_host.Processor, value);
            _cet[index] = accepted ? value : _cet.GetValueOrDefault(index);
            return accepted;
        }

        return CheckWrite(index, value) is null && Set(index, value, out _).IsSuccess;
    }

    /// <summary>
    /// Gives a processor the CET MSRs that XSAVES manages. S_CET, SSP and the table's address are fields of the VMCS or VMCB: XSAVES does
    /// not reach them.
    /// </summary>
    internal void LoadInto(ProcessorState cpu)
    {
        foreach (StateMsr msr in Managed)
        {
            Instructions.Wrmsr(cpu, msr.Address, _cet.GetValueOrDefault(msr.Address));
        }
    }

    /// <summary>Takes them back: the guest may have changed them by XRSTORS.</summary>
    internal void TakeFrom(ProcessorState cpu)
    {
        foreach (StateMsr msr in Managed)
        {
            if (!Instructions.Rdmsr(cpu, msr.Address, out ulong value).IsFault)
            {
                _cet[msr.Address] = value;
            }
        }
    }

    /// <summary>
    /// INIT: the components CET_U and CET_S, and what of CET the VMCS holds (<c>kvm_xstate_reset</c> and <c>vmx_vcpu_reset</c> of 6.18;
    /// that SVM does the same is from the manual, not read).
    /// </summary>
    internal void ClearCet() => _cet.Clear();

    private static IEnumerable<StateMsr> Managed => StateMsrs.Of(StateComponent.CetU).Concat(StateMsrs.Of(StateComponent.CetS));

    private static bool IsControl(uint index) => index is KvmModelVcpu.MsrUserCet or KvmModelVcpu.MsrSupervisorCet;

    internal static bool IsCet(uint index) =>
        IsControl(index) || index is KvmModelVcpu.MsrSspTable or KvmModelVcpu.GuestSsp
        || StateMsrs.Find(index)?.Component is StateComponent.CetU or StateComponent.CetS;

    private bool HasCet(uint index) => IsControl(index) ? HasShadowStack || HasBranchTracking : HasShadowStack;

    // What KVM_GET_MSR_INDEX_LIST has on this host (kvm_probe_msr_to_save), whatever one guest's CPUID says.
    private bool IsAdvertised(uint index) => index switch
    {
        KvmModelVcpu.MsrXss => !_host.KvmXss.IsEmpty,
        _ when IsControl(index) => _host.KvmShadowStack || _host.KvmBranchTracking,
        _ => index != KvmModelVcpu.GuestSsp && IsCet(index) && _host.KvmShadowStack,
    };

    private Refused? CheckWrite(uint index, ulong value) => index switch
    {
        KvmModelVcpu.MsrXss => CheckXss(value),
        KvmModelVcpu.MsrXfd or KvmModelVcpu.MsrXfdErr => CheckXfd(index, value),
        _ when IsCet(index) => CheckCet(index, value),
        _ => new Refused(new Refusal(Rules.XssRefused, null, $"MSR 0x{index:x} is not modelled"), Unsupported: true),
    };

    private Refused? CheckXss(ulong value)
    {
        StateComponentSet wanted = new(value);
        bool needsCpuid = Behavior.Has(KernelDifference.KvmXssNeedsCpuid);
        StateComponentSet allowed = needsCpuid ? _host.KvmXss & Cpuid.SupervisorComponents : _host.KvmXss;
        bool unsupported = needsCpuid && !HasXsaves;
        if (allowed.ContainsAll(wanted) && !unsupported)
        {
            return null;
        }

        KernelDifference difference = Behavior.Has(KernelDifference.KvmXssZero) && !unsupported
            ? KernelDifference.KvmXssZero : KernelDifference.KvmXssNeedsCpuid;
        return new Refused(
            new Refusal(Rules.XssRefused, difference, unsupported
                ? $"IA32_XSS {wanted}: the guest's CPUID has no XSAVES" : $"IA32_XSS {wanted}: this vCPU takes {allowed}")
            {
                Found = wanted.ToString(),
                Expected = unsupported ? "XSAVES in 0xD.1 EAX" : $"no bit outside {allowed}",
            },
            unsupported);
    }

    // Before 6.18 KVM knows none of these MSRs.
    private Refused? CheckCet(uint index, ulong value)
    {
        bool inLongMode = index != KvmModelVcpu.MsrSspTable || ControlRegisterRules.HasLongMode(Cpuid)
            || !ControlRegisterRules.HasLongMode(_host.Record.Cpuid);
        if (!HasCet(index) || !inLongMode)
        {
            return Cet(index, value, IsControl(index) ? "CET_SS or CET_IBT in leaf 7" : "CET_SS in leaf 7", unsupported: true);
        }

        return IsControl(index) ? CheckControl(index, value) : CheckPointer(index, value);
    }

    private Refused? CheckControl(uint index, ulong value)
    {
        ulong branchTrackingBits = ~(StateMsrs.CetShadowStackBits | StateMsrs.CetReserved);
        return (value & StateMsrs.CetReserved) != 0 ? Cet(index, value, "bits 6 to 9 clear")
            : !HasShadowStack && (value & StateMsrs.CetShadowStackBits) != 0
            ? Cet(index, value, "bits 0 and 1 clear: the guest has no shadow stacks")
            : !HasBranchTracking && (value & branchTrackingBits) != 0
            ? Cet(index, value, "bits 2 to 5 and 10 to 63 clear: the guest has no indirect branch tracking")
            : (value & BitmapMisalignment) != 0 ? Cet(index, value, "bits 12 and 13 clear")
            : (value & (StateMsrs.CetSuppress | StateMsrs.CetTracker)) == (StateMsrs.CetSuppress | StateMsrs.CetTracker)
            ? Cet(index, value, "not SUPPRESS and TRACKER together")
            : null;
    }

    private Refused? CheckPointer(uint index, ulong value) =>
        !_host.Processor.IsCanonical(value) ? Cet(index, value, "a canonical address")
        : index != KvmModelVcpu.MsrSspTable && value % SspAlignment != 0 ? Cet(index, value, $"a multiple of {SspAlignment}")
        : null;

    private Refused Cet(uint index, ulong value, string expected, bool unsupported = false)
    {
        string name = NameOf(index);
        KernelDifference? difference = Behavior.Has(KernelDifference.KvmXssZero) ? KernelDifference.KvmXssZero : null;
        return new Refused(new Refusal(Rules.CetRegisterRefused, difference,
            $"{name} 0x{value:x}: {(unsupported ? "this vCPU does not have it" : "not a value that KVM takes")}")
        {
            Found = $"0x{value:x}",
            Expected = expected,
            Since = "6.18"
        }, unsupported);
    }

    // The manual's name of an MSR that is modelled.
    internal static string NameOf(uint index) => index switch
    {
        KvmModelVcpu.MsrXss => "IA32_XSS",
        KvmModelVcpu.MsrXfd => "IA32_XFD",
        KvmModelVcpu.MsrXfdErr => "IA32_XFD_ERR",
        KvmModelVcpu.MsrSupervisorCet => "IA32_S_CET",
        KvmModelVcpu.MsrSspTable => "IA32_INTERRUPT_SSP_TABLE_ADDR",
        KvmModelVcpu.GuestSsp => "SSP",
        _ => StateMsrs.Find(index)!.Name,
    };

    private Refused? CheckXfd(uint index, ulong value)
    {
        StateComponentSet allowed = _xsave.GuestXcr0 & StateComponentSet.Of(StateComponent.TileData);
        return Behavior.Has(KernelDifference.KvmXsaveDynamic) && allowed.ContainsAll(new StateComponentSet(value))
            ? null
            : new Refused(
                new Refusal(Rules.XssRefused, KernelDifference.KvmXsaveDynamic,
                    $"{NameOf(index)} 0x{value:x}: this vCPU takes {allowed}")
                {
                    Found = $"0x{value:x}",
                    Expected = $"no bit outside {allowed}"
                },
                Unsupported: false);
    }

    // KVM_MSR_RET_UNSUPPORTED and all other refusals.
    private sealed record Refused(Refusal Why, bool Unsupported);
}
