using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal.CpuidGates;

namespace Xstate.Rehearsal.Vmms;

/// <summary>
/// QEMU with KVM: it builds the image at the host's offsets from registers by name, and gives MSRs in the order of its own source.
/// </summary>
internal abstract class QemuRestorer : KvmRestorer
{
    // kvm_put_msrs, of the MSRs that a stream names. CET's were appended with the support for CET.
    private static readonly ImmutableArray<uint> PutOrder =
    [
        0x174, 0x175, 0x176, 0x277, 0xC000_0081, 0xC000_0103, 0x3B, 0x1A0, 0x6E1, 0xD90, KvmModelVcpu.MsrXss, 0xE1, 0x48, 0xC000_0083,
            0xC000_0102,
        0xC000_0084, 0xC000_0082, 0x10, 0x2FF, KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr, KvmModelVcpu.MsrUserCet,
            KvmModelVcpu.MsrSupervisorCet,
        KvmModelVcpu.MsrPl0Ssp, KvmModelVcpu.MsrPl0Ssp + 1, KvmModelVcpu.MsrPl0Ssp + 2, KvmModelVcpu.MsrPl3Ssp, KvmModelVcpu.MsrSspTable,
    ];

    public override Vmm Vmm => Vmm.Qemu;

    internal override RestorerEvidence Evidence => RestorerEvidence.Run;

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.Abort;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Built;

    /// <summary>Whether it has a field for the MSR, so that it can carry it.</summary>
    protected virtual bool Carries(uint msr) => true;

    /// <summary>Whether its warnings write leaves as <c>CPUID[eax=07h,ecx=00h]</c>, and not as <c>CPUID.07H</c>.</summary>
    protected virtual bool WritesLeavesInBrackets => false;

    /// <summary>
    /// Whether a state has what releases treat differently: MSRs of CET, which those before 11.0 have no place for, and components that
    /// KVM does not announce, of which those before 8.2 send zeros.
    /// </summary>
    public static bool DependsOnRelease(Capture capture, LinuxHost host) =>
        capture.States.Any(state => SavedMsrs.Of(state).Any(msr => GuestMsrs.IsCet(msr.Index) && msr.Value != 0)
            || (state.Stored is { } stored && !(stored.XstateBv.Value & StoredImage.Hidden(host)).IsEmpty));

    internal override ImmutableArray<GateOfReleases> GatesBeforeKvm(GuestCpuPolicy policy) => policy switch
    {
        GuestCpuPolicy.Enforce => [new(new QemuEnforce(WritesLeavesInBrackets))],
        GuestCpuPolicy.Full => [new(new LibvirtFull())],
        _ => [],
    };

    public override XcrsPolicy OnXcrs => XcrsPolicy.SavedAndSupported;

    public override Capture Prepare(Capture capture, LinuxHost host) =>
        capture with
        {
            States = [.. StoredImage.ForKvm(base.Prepare(capture, host), host,
            LeftOut(host)).States.Select(state => WithSentMsrs(state, host))]
        };

    public override ImmutableArray<ImmutableArray<MsrEntry>> MsrCalls(CapturedState state)
    {
        ImmutableArray<MsrEntry> all = SavedMsrs.Of(state with { MsrOrder = [] });
        return all.IsEmpty ? [] : [[.. all.OrderBy(msr => PutOrder.IndexOf(msr.Index))]];
    }

    // What a stream holds goes to KVM under conditions of QEMU's own: IA32_XSS if KVM lists it, IA32_XFD and CET's if the guest's CPUID has
    // the feature. A capture that is no stream is taken at its word.
    private CapturedState WithSentMsrs(CapturedState state, LinuxHost host)
    {
        HashSet<uint> dropped = [.. SavedMsrs.Of(state).Select(msr => msr.Index).Where(index => !Carries(index))];
        if (state.Stored is not null)
        {
            if (host.KvmXss.IsEmpty)
            {
                dropped.Add(KvmModelVcpu.MsrXss);
            }

            if (!host.KvmXcr0.Contains(StateComponent.TileData))
            {
                dropped.UnionWith([KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr]);
            }

            if (!host.KvmShadowStack && !host.KvmBranchTracking)
            {
                dropped.UnionWith(state.Msrs.Keys.Where(GuestMsrs.IsCet));
            }
        }

        return SavedMsrs.Without(state, dropped);
    }
}
