using Xstate.Architecture;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>The MSRs of extended state of one virtual CPU, as KVM_SET_MSRS and KVM_GET_MSRS reach them.</summary>
internal sealed class GuestMsrs
{
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

    /// <summary>The CET MSRs that are not zero.</summary>
    internal Dictionary<uint, ulong> Cet => _cet;

    private KernelBehavior Behavior => _host.Behavior;

    /// <summary>Whether the model knows an MSR, whatever the kernel.</summary>
    internal static bool IsModelled(uint index) => index is KvmModelVcpu.MsrXss or KvmModelVcpu.MsrXfd or KvmModelVcpu.MsrXfdErr || IsCet(index);

    /// <summary>KVM_SET_MSRS with one MSR.</summary>
    internal KvmReply Set(uint index, ulong value, out int count)
    {
        Refusal? refusal = index switch
        {
            KvmModelVcpu.MsrXss => CheckXss(value),
            KvmModelVcpu.MsrXfd or KvmModelVcpu.MsrXfdErr => CheckXfd(index, value),
            _ when IsCet(index) => CheckCet(index, value),
            _ => new Refusal("XS0402", null, $"MSR 0x{index:x} is not modelled"),
        };
        count = refusal is null ? 1 : 0;
        if (refusal is not null)
        {
            return new KvmReply(Errno.None, refusal);
        }

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
            default:
                _cet[index] = value;
                break;
        }

        return KvmReply.Success;
    }

    /// <summary>KVM_GET_MSRS with one MSR.</summary>
    internal KvmReply Get(uint index, out int count, out ulong value)
    {
        (count, value) = index switch
        {
            KvmModelVcpu.MsrXss => (1, Xss.Bits),
            KvmModelVcpu.MsrXfd when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, _xsave.State.Xfd.Bits),
            KvmModelVcpu.MsrXfdErr when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, XfdErr),
            _ when IsCet(index) && CheckCet(index, 0) is null => (1, _cet.GetValueOrDefault(index)),
            _ => (0, 0UL),
        };
        return KvmReply.Success;
    }

    private static bool IsCet(uint index) => StateMsrs.Find(index)?.Component is StateComponent.CetU or StateComponent.CetS;

    private Refusal? CheckXss(ulong value)
    {
        StateComponentSet wanted = new(value);
        StateComponentSet allowed = _host.KvmXss & Cpuid.SupervisorComponents;
        bool hasXsaves = (Cpuid.Read(CpuidTable.XsaveLeaf, 1).Eax >> 3 & 1) != 0;
        if (allowed.ContainsAll(wanted) && (wanted.IsEmpty || hasXsaves))
        {
            return null;
        }

        KernelDifference difference = Behavior.Has(KernelDifference.KvmXssZero) ? KernelDifference.KvmXssZero : KernelDifference.KvmXssNeedsCpuid;
        return new Refusal("XS0402", KernelDifferences.Get(difference).Id, $"IA32_XSS {wanted}: this vCPU takes {allowed}")
        {
            Found = wanted.ToString(),
            Expected = $"no bit outside {allowed}",
            Since = KernelDifferences.Get(difference).Affected,
        };
    }

    // CET MSRs exist with KVM's support for their component (6.18) and one of the two features in the guest's CPUID.
    private Refusal? CheckCet(uint index, ulong value)
    {
        StateMsr msr = StateMsrs.Find(index)!;
        bool exists = _host.KvmXss.Contains(msr.Component) && StateComponents.Get(msr.Component).Features.Any(feature => feature.IsIn(Cpuid));
        return exists && msr.Accepts(ProcessorProfile.FromCpuid(Cpuid), value)
            ? null
            : new Refusal("XS0402", KernelDifferences.Get(KernelDifference.KvmXssZero).Id, $"{msr.Name} value 0x{value:x}: {(exists ? "not a value of this register" : "this vCPU has no CET")}");
    }

    private Refusal? CheckXfd(uint index, ulong value)
    {
        StateComponentSet allowed = _xsave.GuestXcr0 & StateComponentSet.Of(StateComponent.TileData);
        return Behavior.Has(KernelDifference.KvmXsaveDynamic) && allowed.ContainsAll(new StateComponentSet(value))
            ? null
            : new Refusal("XS0402", KernelDifferences.Get(KernelDifference.KvmXsaveDynamic).Id, $"MSR 0x{index:x} value 0x{value:x}: this vCPU takes {allowed}") { Found = $"0x{value:x}", Expected = $"no bit outside {allowed}" };
    }
}
