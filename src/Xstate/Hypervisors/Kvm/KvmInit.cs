using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>What an event does to one part of a virtual CPU's state.</summary>
internal enum KvmInitEffect
{
    /// <summary>Guests on this host under this kernel have no such state.</summary>
    NotOffered,

    /// <summary>The registers keep their values.</summary>
    Unchanged,

    /// <summary>The registers get their initial configuration.</summary>
    Cleared,
}

/// <summary>
/// INIT under KVM as one answer for each component, found out by doing it: a modelled virtual CPU gets a value into every component that it
/// takes one for, receives INIT, and what is left is looked at.
/// </summary>
internal static class KvmInit
{
    // Valid everywhere: palette 1 of a tile configuration, the enable bit of BNDCFGU, the lowest bit of any other register.
    private const byte Mark = 1;

    // Valid in every CET register: a shadow-stack pointer is a multiple of 4, and bit 3 of U_CET is LEG_IW_EN.
    private const ulong MsrMark = 8;

    /// <summary>What INIT does to a component on a host.</summary>
    public static KvmInitEffect EffectOn(LinuxHost host, StateComponent component)
    {
        ArgumentNullException.ThrowIfNull(host);
        KvmModelVcpu vcpu = Vcpu(host);
        return !host.Layout.SupervisorComponents.Contains(component) ? OnImage(vcpu, host, component)
            : StateMsrs.Of(component) is [StateMsr first, ..] ? OnMsr(vcpu, first.Address, MsrMark)
            : KvmInitEffect.NotOffered;
    }

    /// <summary>What INIT does to IA32_XSS.</summary>
    public static KvmInitEffect EffectOnXss(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);

        // Before 6.18 only 0 can be in it, so that its zeroing until 5.17 could not be seen.
        return host.KvmXss.IsEmpty ? KvmInitEffect.NotOffered : OnMsr(Vcpu(host), KvmModelVcpu.MsrXss, host.KvmXss.Bits);
    }

    /// <summary>What INIT does to a CET register that no component holds: IA32_S_CET, IA32_INTERRUPT_SSP_TABLE_ADDR or SSP.</summary>
    public static KvmInitEffect EffectOnCet(LinuxHost host, uint index)
    {
        ArgumentNullException.ThrowIfNull(host);
        return OnMsr(Vcpu(host), index, MsrMark);
    }

    private static KvmModelVcpu Vcpu(LinuxHost host)
    {
        KvmModelMachine machine = new(host);
        machine.RequestGuestPermission(StateComponent.TileData);
        machine.CreateVcpu(0, out IKvmVcpu? made);
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> supported);
        made!.SetCpuid2(supported.AsSpan());
        return (KvmModelVcpu)made;
    }

    private static KvmInitEffect OnImage(KvmModelVcpu vcpu, LinuxHost host, StateComponent component)
    {
        StateComponentSet bits = StateComponentSet.Legacy.With(component);
        if (!host.KvmXcr0.Contains(component) || !vcpu.GuestXcr0.Contains(component))
        {
            return KvmInitEffect.NotOffered;
        }

        byte[] image = new byte[vcpu.UabiLength];
        new XsaveAreaWriter(image).WriteMxcsr(Mxcsr.Initial).WriteXstateBv(bits);
        int at = OffsetIn(host.Layout, component);
        image[at] = Mark;
        if (!vcpu.SetXsave(image).IsSuccess)
        {
            return KvmInitEffect.NotOffered;
        }

        vcpu.Init();
        KernelReply read = vcpu.UabiLength > KvmModelMachine.XsaveLength ? vcpu.GetXsave2(out byte[] area) : vcpu.GetXsave(out area);
        return read.IsSuccess && area[at] == Mark ? KvmInitEffect.Unchanged : KvmInitEffect.Cleared;
    }

    private static KvmInitEffect OnMsr(KvmModelVcpu vcpu, uint index, ulong mark)
    {
        vcpu.SetMsr(index, mark, out int taken);
        vcpu.Init();
        vcpu.GetMsr(index, out _, out ulong left);
        return taken == 0 ? KvmInitEffect.NotOffered : left == 0 ? KvmInitEffect.Cleared : KvmInitEffect.Unchanged;
    }

    /// <summary>A byte of a component in a standard-format image that may hold any value: ST0 and XMM0 for the legacy ones.</summary>
    public static int OffsetIn(XsaveLayout layout, StateComponent component)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return component switch
        {
            StateComponent.X87 => XsaveFormat.StOffset,
            StateComponent.Sse => XsaveFormat.XmmOffset,
            _ => layout.TryGetSlot(component, out XsaveSlot slot)
                ? slot.Offset : throw new ArgumentException($"the layout has no {component}", nameof(component)),
        };
    }
}
