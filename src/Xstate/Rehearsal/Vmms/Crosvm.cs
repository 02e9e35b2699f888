using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal.Vmms;

/// <summary>crosvm: XCR0 and MSRs come before the area, each MSR by a call of its own.</summary>
internal sealed class Crosvm : KvmRestorer
{
    public override string Id => "crosvm";

    public override Vmm Vmm => Vmm.Crosvm;

    public override string Releases => "since January 2024";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source => "hypervisor/src/x86_64.rs, VcpuX86_64::restore, and x86_64/src/cpuid.rs, main of August 2026";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXcrs, RestoreCall.SetMsrs, RestoreCall.SetXsave];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.End;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Built;

    public override StateComponentSet AsksFor => StateComponentSet.Empty;

    public override ImmutableArray<string> Notes =>
    [
        "MSRs are set in ascending order, one a call, and those that have the value already are left alone; only some of the performance "
        + "counters may be refused (f159f4615).",
        "It never asks for the permission for tile data, so its guests have no AMX.",
        "An area whose length is not KVM_CAP_XSAVE2's is refused with EIO before the call.",
    ];

    public override ImmutableArray<ImmutableArray<MsrEntry>> MsrCalls(CapturedState state) =>
        [.. SavedMsrs.Of(state).OrderBy(msr => msr.Index).Select(msr => ImmutableArray.Create(msr))];

    public override bool IsSetAlready(IKvmVcpu vcpu, MsrEntry msr)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return vcpu.GetMsr(msr.Index, out int count, out ulong value).IsSuccess && count == 1 && value == msr.Value;
    }
}
