using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>A VMM that restores virtual CPUs by calls of KVM.</summary>
internal abstract class KvmRestorer : Restorer
{
    /// <summary>What it does when a call is refused.</summary>
    public virtual RefusedCallPolicy OnRefusedCall => RefusedCallPolicy.End;

    /// <summary>What it does when KVM_SET_MSRS processes fewer MSRs than it was given.</summary>
    public abstract ShortCountPolicy OnShortCount { get; }

    /// <summary>Where the restored guest's CPUID comes from.</summary>
    public abstract GuestCpuidSource CpuidSource { get; }

    /// <summary>At which offsets the components lie in its image.</summary>
    public virtual ImagePlacement Placement => ImagePlacement.AsSaved;

    /// <summary>The dynamic components that it asks the kernel's permission for before it makes virtual CPUs.</summary>
    public virtual StateComponentSet AsksFor => StateComponentSet.Of(StateComponent.TileData);

    /// <summary>When it calls KVM_SET_XCRS.</summary>
    public virtual XcrsPolicy OnXcrs => XcrsPolicy.Saved;

    /// <summary>The entries that KVM_SET_XCRS gets; null when the call is not made.</summary>
    /// <param name="state">The state as <see cref="Prepare"/> made it.</param>
    public ImmutableArray<XcrEntry>? XcrsCall(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.Xcr0 is { } xcr0 ? [new XcrEntry(0, xcr0.Value.Bits)] : OnXcrs == XcrsPolicy.Always ? [] : null;
    }

    /// <summary>The capture as this VMM hands it to KVM: images that it builds itself, MSRs that it leaves out.</summary>
    /// <param name="capture">What was captured; every state has a layout.</param>
    /// <param name="host">The host that it is restored on.</param>
    public virtual Capture Prepare(Capture capture, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        return OnXcrs == XcrsPolicy.SavedAndSupported && !host.HasXsave
            ? capture with { States = [.. capture.States.Select(state => state with { Xcr0 = null })] }
            : capture;
    }

    /// <summary>Components whose registers are not in the image that it builds, though their bit of XSTATE_BV stays set.</summary>
    /// <param name="host">The host that it restores on.</param>
    public virtual StateComponentSet LeftOut(LinuxHost host) => StateComponentSet.Empty;

    /// <summary>
    /// The lists of MSRs that one virtual CPU gets, one for each call of KVM_SET_MSRS. Without an override: one call, in the order of
    /// <see cref="SavedMsrs.Of"/>.
    /// </summary>
    /// <param name="state">The state as <see cref="Prepare"/> made it.</param>
    public virtual ImmutableArray<ImmutableArray<MsrEntry>> MsrCalls(CapturedState state)
    {
        ImmutableArray<MsrEntry> all = SavedMsrs.Of(state);
        return all.IsEmpty ? [] : [all];
    }

    /// <summary>What it compares of the guest's CPUID before it asks KVM for anything, in order.</summary>
    internal virtual ImmutableArray<CpuidGates.GateOfReleases> GatesBeforeKvm(GuestCpuPolicy policy) => [];

    /// <summary>Whether an MSR's call is left out because the virtual CPU already has the value.</summary>
    /// <param name="vcpu">The virtual CPU.</param>
    /// <param name="msr">The MSR and the value that it shall have.</param>
    public virtual bool IsSetAlready(IKvmVcpu vcpu, MsrEntry msr) => false;
}
