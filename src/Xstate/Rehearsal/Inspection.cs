using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>Looks at one restored virtual CPU of the model: what its guest would find, against what was captured.</summary>
internal sealed class Inspection(CapturedState state, KvmModelVcpu vcpu, LinuxHost host, RehearsalOptions options)
{
    private readonly CpuidTable _guestCpuid = state.GuestCpuid!.Value;

    private readonly StateComponentSet _guest = state.GuestCpuid!.Value.UserComponents | StateComponentSet.Legacy;

    /// <summary>The verdict beyond register differences.</summary>
    public Verdict Verdict { get; private set; } = Verdict.Same;

    /// <summary>MSRs of which it is said already that they were not set.</summary>
    public IReadOnlySet<uint> Unset { get; init; } = new HashSet<uint>();

    private readonly byte[] _area = XsaveArea.CopyPadded(state.Area.Span);

    private XsaveArea Area => new(_area);

    // XSTATE_BV of the image that the kernel was given.
    private StateComponentSet Loaded => state.Stored?.XstateBv.Value ?? Area.XstateBv;

    public void Run(ICollection<Finding> findings, ICollection<RegisterDifference> differences)
    {
        if (FindNoSnapshot(findings))
        {
            return;
        }

        FindDanger(findings);
        FindMissingComponents(findings);
        FindForeignLayout(findings);
        FindForeignCpuidLayout(findings);
        FindHiddenState(findings);
        FindStalePkru(findings);
        FindStoredHeader(findings);
        FindStoredOrder(findings);
        FindMissingXss(findings);
        FindSecondFpu(findings);
        FindDifferences(findings, differences);
    }

    private FindingLocation At(int? offset = null, string? leaf = null, string? register = null) => new(state.Id, offset, leaf, register);

    private void Add(ICollection<Finding> findings, Rule rule, string message, FindingLocation where, Verdict verdict,
        string? found = null, string? expected = null)
    {
        findings.Add(RestoreRehearsal.OfRule(rule, message, where) with { Found = found, Expected = expected });
        Verdict = verdict > Verdict ? verdict : Verdict;
    }

    // A guest that runs has an MXCSR, and so has one that never ran: 0x1f80.
    private bool FindNoSnapshot(ICollection<Finding> findings)
    {
        bool isEmpty = EmptyArea.Is(state);
        if (isEmpty)
        {
            Add(findings, Rules.AllZeroArea,
                "the area holds nothing: MXCSR 0, FCW 0 and XSTATE_BV 0, which no guest has; it loads as a new virtual CPU's state",
                At(XsaveFormat.MxcsrOffset), Verdict.Differs, "0x0", "MXCSR 0x1f80 at least");
        }

        return isEmpty;
    }

    // The buffer holds a component that IA32_XFD disables, on a kernel that does not clear it: its own XRSTOR would take #NM. Never
    // executed, only said.
    private void FindDanger(ICollection<Finding> findings)
    {
        StateComponentSet fatal = vcpu.State.Xfeatures & vcpu.State.Xfd;
        if (!fatal.IsEmpty && host.Behavior.Has(KernelDifference.KvmSetXfdNm))
        {
            Add(findings, Rules.TileDataUnderXfd,
                $"DANGER: {fatal.Describe()} is loaded while IA32_XFD {vcpu.State.Xfd} disables it; the host kernel takes #NM",
                At(XsaveFormat.XstateBvOffset),
                Verdict.Dangerous, vcpu.State.Xfeatures.ToString(), $"no bit of {vcpu.State.Xfd}");
        }
    }

    private void FindMissingComponents(ICollection<Finding> findings)
    {
        StateComponentSet missing = _guestCpuid.UserComponents.Except(host.KvmXcr0);
        if (!missing.IsEmpty)
        {
            Add(findings, Rules.LiveComponentLacking,
                $"the guest's CPUID has {missing.Describe()}, which the host lacks: its next XSETBV takes #GP", At(leaf: "0xd.0.eax"),
                Verdict.Differs,
                _guestCpuid.UserComponents.ToString(), $"no bit outside {host.KvmXcr0}");
        }
    }

    private void FindForeignLayout(ICollection<Finding> findings)
    {
        if (state.Stored is not null || options.Vmm is KvmRestorer { Placement: ImagePlacement.HostOffsets })
        {
            // The VMM builds the image itself, at this host's offsets.
            return;
        }

        XsaveLayout layout = state.Layout!.Value;
        foreach (StateComponent component in Area.XstateBv.Except(StateComponentSet.Legacy))
        {
            if (layout.TryGetSlot(component, out XsaveSlot here) && host.Layout.TryGetSlot(component, out XsaveSlot there)
                && here.Offset != there.Offset)
            {
                Add(findings, Rules.ForeignLayout,
                    $"the image has {StateComponents.NameOf(component)} at {here.Offset}, {host.Record.Name} reads it at {there.Offset}",
                    At(here.Offset), Verdict.Differs,
                    $"{here.Offset}", $"{there.Offset}");
                return;
            }
        }
    }

    // Reported for the first component only: one is enough to break the guest's own areas.
    private void FindForeignCpuidLayout(ICollection<Finding> findings)
    {
        XsaveLayout told = XsaveLayout.FromCpuid(_guestCpuid);
        foreach (XsaveSlot here in told.Slots)
        {
            if (!here.IsSupervisor && host.Layout.TryGetSlot(here.Component, out XsaveSlot there)
                && (here.Offset != there.Offset || here.Size != there.Size))
            {
                Add(findings, Rules.GuestToldOtherLayout,
                    $"the guest was told {StateComponents.NameOf(here.Component)} at {here.Offset} with {here.Size} bytes; the processor "
                    + $"of {host.Record.Name} has it at {there.Offset} with {there.Size}",
                    At(leaf: $"{CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, (uint)here.Component)}.ebx"), Verdict.Same, $"{here.Offset}",
                    $"{there.Offset}");
                return;
            }
        }
    }

    private void FindHiddenState(ICollection<Finding> findings)
    {
        StateComponentSet hidden = Area.XstateBv.Except(_guest);
        if (!hidden.IsEmpty)
        {
            Add(findings, Rules.UnusableState, $"the image holds {hidden.Describe()}, which the guest's CPUID hides",
                At(XsaveFormat.XstateBvOffset), Verdict.Same, Area.XstateBv.ToString(), $"no bit outside {_guest}");
        }
    }

    private void FindStalePkru(ICollection<Finding> findings)
    {
        if (_guest.Contains(StateComponent.Pkru) && host.KvmXcr0.Contains(StateComponent.Pkru) && !Loaded.Contains(StateComponent.Pkru))
        {
            string text = options.PreviousPkru is { } previous
                ? $"bit 9 of XSTATE_BV is clear, so the vCPU keeps its PKRU 0x{previous:x}"
                : "bit 9 of XSTATE_BV is clear, so PKRU becomes 0 on a fresh vCPU and stays what it was on a used one";
            Add(findings, Rules.OldPkruKept, text, At(XsaveFormat.XstateBvOffset, register: "pkru"), Verdict.Same, Loaded.ToString(),
                "bit 9 set");
        }
    }

    // The header of an image that the monitor builds is what the artifact stores beside the registers.
    private void FindStoredHeader(ICollection<Finding> findings)
    {
        StateComponentSet hidden = Area.XstateBv.Except(Loaded);
        if (!hidden.IsEmpty)
        {
            Add(findings, Rules.StreamHidesRegisters,
                $"the stored XSTATE_BV {Loaded} hides {hidden.Describe()}, which the registers hold: KVM gives the guest their initial "
                + "state", At(XsaveFormat.XstateBvOffset), Verdict.Same,
                Loaded.ToString(), Area.XstateBv.ToString());
        }
    }

    private void FindStoredOrder(ICollection<Finding> findings)
    {
        if (state.Stored is { X87Order.Value: X87Order.Physical } && StoredImage.OrderMatters(state))
        {
            Add(findings, Rules.OtherX87Order,
                "the x87 registers are stored with physical register R0 first; QEMU hands them to KVM as if ST(0) came first",
                At(XsaveFormat.StOffset, register: "st0"), Verdict.Same);
        }
    }

    private void FindMissingXss(ICollection<Finding> findings)
    {
        StateComponentSet supervisor = _guestCpuid.SupervisorComponents & host.KvmXss;
        if (!supervisor.IsEmpty && state.Xss is null)
        {
            Add(findings, Rules.MissingXss, $"the guest's CPUID has {supervisor.Describe()} but the capture has no IA32_XSS: it will be 0",
                At(leaf: "0xd.1.ecx", register: "ia32_xss"), Verdict.Differs,
                "none", supervisor.ToString());
        }
    }

    private void FindSecondFpu(ICollection<Finding> findings)
    {
        if (options.Vmm is { } vmm && vmm.Order.Contains(RestoreCall.SetFpu) && state.FpuDisagreement is { } offset)
        {
            Add(findings, Rules.FpuDisagrees,
                $"{vmm.Title} sets x87 and XMM registers again after the area, and they differ from byte {offset} on: the guest gets the "
                + "second ones", At(offset), Verdict.Differs);
        }
    }

    private void FindDifferences(ICollection<Finding> findings, ICollection<RegisterDifference> differences)
    {
        int others = differences.Count;
        StateComponentSet xfd = state.Xfd?.Value ?? StateComponentSet.Empty;
        ImmutableArray<RegisterValue> before = RegisterDump.Of(state, _guest, xfd);
        ImmutableArray<RegisterValue> after = RegisterDump.Read(GuestView.Of(vcpu), host.Layout, _guest, xfd);
        Dictionary<string, string> found = after.ToDictionary(register => register.Name, register => register.Text);
        foreach (RegisterValue register in before)
        {
            string now = found.GetValueOrDefault(register.Name, "absent");
            if (!register.CanBe(now))
            {
                differences.Add(new RegisterDifference(state.Id, register.Name, register.Text, now));
                Verdict = Verdict > Verdict.Differs ? Verdict : Verdict.Differs;
            }
        }

        FindXcr0Difference(differences);
        FindMsrDifferences(findings, differences);
        string[] changed = [.. differences.Skip(others).Select(d => d.Register)
            .Where(register => !register.StartsWith("ia32_", StringComparison.Ordinal))];
        if (changed.Length > 0)
        {
            Rule rule = changed is ["mxcsr"] ? Rules.MxcsrReplaced : Rules.RegisterDiffers;
            string names = string.Join(", ", changed.Take(4)) + (changed.Length > 4 ? $" and {changed.Length - 4} more" : "");
            findings.Add(RestoreRehearsal.OfRule(rule, $"after the restore the guest finds other values in {names}",
                At(register: changed[0])));
        }
    }

    // Only a monitor that goes on after a failed KVM_SET_XCRS leaves another value.
    private void FindXcr0Difference(ICollection<RegisterDifference> differences)
    {
        vcpu.GetXcrs(out ImmutableArray<XcrEntry> now);
        if (state.Xcr0 is { } before && now is [var first, ..] && first.Value != before.Value.Bits)
        {
            differences.Add(new RegisterDifference(state.Id, "xcr0", before.Value.ToString(), $"0x{first.Value:x}"));
            Verdict = Verdict > Verdict.Differs ? Verdict : Verdict.Differs;
        }
    }

    // What the VMM did not send, what the kernel did not take, and what a used virtual CPU still had.
    private void FindMsrDifferences(ICollection<Finding> findings, ICollection<RegisterDifference> differences)
    {
        foreach (MsrEntry msr in SavedMsrs.Of(state).Where(msr => GuestMsrs.IsModelled(msr.Index)))
        {
            vcpu.GetMsr(msr.Index, out _, out ulong now);
            if (now != msr.Value)
            {
                string register = RefusedCalls.RegisterOf(msr);
                differences.Add(new RegisterDifference(state.Id, register, $"0x{msr.Value:x}", $"0x{now:x}"));
                Verdict = Verdict > Verdict.Differs ? Verdict : Verdict.Differs;
                if (!Unset.Contains(msr.Index))
                {
                    Add(findings, Rules.MsrDiffers, $"the guest had {register} 0x{msr.Value:x} and finds 0x{now:x}",
                        At(register: register), Verdict.Differs, $"0x{now:x}", $"0x{msr.Value:x}");
                }
            }
        }
    }
}
