using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>What a destination takes: the facts that a repair needs of it.</summary>
/// <param name="Layout">The destination processor's layout.</param>
/// <param name="Components">Components that the destination's hypervisor can load.</param>
/// <param name="MxcsrMask">MXCSR bits of the destination processor.</param>
/// <param name="Length">Bytes of an image there.</param>
internal sealed record RepairTarget(XsaveLayout Layout, StateComponentSet Components, uint MxcsrMask, int Length);

/// <summary>
/// Makes one state loadable at a destination, in the order of the repair recipe: trim, format and layout, header, MXCSR, PKRU, XFD, length.
/// State that the guest could see is dropped only with force.
/// </summary>
internal static class RestoreRepair
{
    /// <summary>Repairs a state for a destination.</summary>
    /// <param name="state">The state; its layout must be known.</param>
    /// <param name="target">The destination.</param>
    /// <param name="guestComponents">Components in the guest's CPUID.</param>
    /// <param name="force">Whether state that can be seen may be dropped.</param>
    /// <param name="kind">Whose state it is.</param>
    /// <returns>The state. Where its layout is a guess, nothing is moved, and bytes are changed only where every processor has
    /// them.</returns>
    public static Transformed<CapturedState> Apply(CapturedState state, RepairTarget target, StateComponentSet guestComponents, bool force,
        CaptureKind kind = CaptureKind.VirtualMachine) =>
        Apply(state, target, guestComponents, new RepairManner(force, kind, state is { Layout.Provenance.Source: FactSource.Guess }));

    /// <summary>
    /// Repairs a state as if its layout were known, for a rehearsal that assumes it: what comes of it is not to be written before it holds
    /// for every layout that can be.
    /// </summary>
    internal static Transformed<CapturedState> Assume(CapturedState state, RepairTarget target, StateComponentSet guestComponents,
        bool force, CaptureKind kind = CaptureKind.VirtualMachine) =>
        Apply(state, target, guestComponents, new RepairManner(force, kind, IsGuess: false));

    private static Transformed<CapturedState> Apply(CapturedState state, RepairTarget target, StateComponentSet guestComponents,
        RepairManner manner)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(target);
        if (state.Layout is null)
        {
            throw new ArgumentException("the layout that the state was written with is not known", nameof(state));
        }

        Repair repair = new(state, target, guestComponents | StateComponentSet.Legacy, manner);
        repair.Run();
        return repair.Result();
    }

    private sealed record RepairManner(bool Force, CaptureKind Kind, bool IsGuess);

    private sealed class Repair(CapturedState state, RepairTarget target, StateComponentSet guest, RepairManner manner)
    {
        private readonly string _owner = manner.Kind == CaptureKind.Process ? "thread" : "guest";
        private readonly List<RepairStep> _steps = [];
        private readonly List<Finding> _obstacles = [];
        private byte[] _area = XsaveArea.CopyPadded(state.Area.Span);
        private XsaveLayout _layout = state.Layout!.Value;
        private Fact<StateComponentSet>? _xcr0 = state.Xcr0;

        public void Run()
        {
            TrimXcr0();
            Trim();
            DropDisabledByXfd();
            ExpandOrRelocate();
            CleanHeader();
            MendMxcsr();
            MakePkruExplicit();
            FitLength();
            FollowFpu();
            SignLayout();
        }

        public Transformed<CapturedState> Result()
        {
            Provenance origin = _layout.Equals(state.Layout!.Value)
                ? state.Layout.Provenance : new Provenance(FactSource.Inferred, "relocated to the destination's layout");
            CapturedState repaired = state with
            {
                Area = _area,
                Layout = new Fact<XsaveLayout>(_layout, origin),
                Xcr0 = _xcr0,
                Lost = CaptureTransforms.LostAt(state, _layout)
            };
            return new Transformed<CapturedState>(state.Fpu is { } fpu ? repaired with { Fpu = Followed(fpu) } : repaired, _steps,
                _obstacles);
        }

        private XsaveArea Area => new(_area);

        private XsaveAreaWriter Image => new(_area);

        // Bits are cleared where the header is on every processor; bytes only where the layout is known.
        private XsaveLayout Sure => manner.IsGuess ? XsaveLayout.LegacyOnly : _layout;

        // A guest reads its own XCR0 and acts on it, so a bit less is a loss like that of a register. Groups go together: their bits are
        // set all or none.
        private void TrimXcr0()
        {
            StateComponentSet foreign = (state.Xcr0?.Value ?? StateComponentSet.Empty).Except(target.Components | StateComponentSet.Legacy);
            if (foreign.IsEmpty)
            {
                return;
            }

            if (!manner.Force)
            {
                _obstacles.Add(new Finding(Rules.LiveComponentLacking, Severity.Error,
                    $"XCR0 {state.Xcr0!.Value} has {foreign.Describe()}, which the destination lacks; nothing was dropped")
                {
                    Where = new FindingLocation(state.Id, Register: "xcr0"),
                    Found = state.Xcr0.Value.ToString(),
                    Expected = $"no bit outside {target.Components | StateComponentSet.Legacy}",
                    Mend = "choose a destination that has the component, or drop it with --force",
                });
                return;
            }

            foreach (StateComponentInfo info in StateComponents.All)
            {
                foreign = (info.Group | info.Requires).Overlaps(foreign) ? foreign | info.Bit : foreign;
            }

            StateComponentSet left = state.Xcr0!.Value.Except(foreign);
            _xcr0 = new Fact<StateComponentSet>(left, FactSource.Inferred, "trimmed to what the destination has");
            _steps.Add(new RepairStep(RepairKind.Trim, state.Id,
                $"wrote XCR0 {left} over {state.Xcr0.Value}; LOST what the {_owner} had enabled", LosesState: true));
        }

        private void Trim()
        {
            StateComponentSet present = Area.XstateBv;
            StateComponentSet hidden = present.Except(guest);
            StateComponentSet unloadable = (present & guest).Except(target.Components | StateComponentSet.Legacy);
            StateComponentSet live = StateComponentSet.Empty;
            foreach (StateComponent component in unloadable)
            {
                live = IsReachable(component) && !IsInitial(component) ? live.With(component) : live;
            }

            if (!live.IsEmpty && !manner.Force)
            {
                _obstacles.Add(new Finding(Rules.LiveComponentLacking, Severity.Error,
                    $"the {_owner} has live state in {live.Describe()}, which the destination lacks; nothing was dropped")
                {
                    Where = new FindingLocation(state.Id, XsaveFormat.XstateBvOffset),
                    Found = present.ToString(),
                    Expected = $"no live component outside {target.Components | StateComponentSet.Legacy}",
                    Mend = "choose a destination that has the component, or drop the state with --force",
                });
            }

            StateComponentSet dropped = hidden | unloadable.Except(manner.Force ? StateComponentSet.Empty : live);
            if (dropped.IsEmpty)
            {
                return;
            }

            Image.Drop(dropped, Sure);
            StateComponentSet lost = dropped & live;
            string text = lost.IsEmpty
                ? $"trimmed {dropped.Describe()}: the {_owner} could not have used it"
                : $"trimmed {dropped.Describe()}; LOST state that the {_owner} can see in {lost.Describe()}";
            _steps.Add(new RepairStep(RepairKind.Trim, state.Id, text, XsaveFormat.XstateBvOffset, LosesState: !lost.IsEmpty));
        }

        // A component whose instructions need its XCR0 bit is out of reach while that bit is clear; PKRU never is.
        private bool IsReachable(StateComponent component) =>
            state.Xcr0 is null || state.Xcr0.Value.Contains(component) || StateComponents.Find(component) is not { XsaveEnabled: true };

        private bool IsInitial(StateComponent component) =>
            !manner.IsGuess && !state.LostComponents.Contains(component)
            && Area.TryGetComponent(component, _layout, out ReadOnlySpan<byte> bytes) && bytes.IndexOfAnyExcept((byte)0) < 0;

        private void DropDisabledByXfd()
        {
            StateComponentSet disabled = Area.XstateBv & (state.Xfd?.Value ?? StateComponentSet.Empty);
            if (!disabled.IsEmpty)
            {
                Image.Drop(disabled, Sure);
                _steps.Add(new RepairStep(RepairKind.Xfd, state.Id, $"cleared {disabled.Describe()}, which IA32_XFD disables",
                    XsaveFormat.XstateBvOffset));
            }
        }

        private void ExpandOrRelocate()
        {
            bool compacted = Area.IsCompacted;
            StateComponentSet extended = Area.XstateBv.Except(StateComponentSet.Legacy);
            StateComponentSet moved = StateComponentSet.Of([.. extended.Where(Moves)]);
            if (!compacted && moved.IsEmpty)
            {
                // Nothing has to move, so the destination's layout describes the image as well.
                _layout = !manner.IsGuess && extended.All(component => target.Layout.TryGetSlot(component, out _))
                    ? target.Layout : _layout;
                return;
            }

            if (manner.IsGuess)
            {
                _obstacles.Add(new Finding(Rules.RepairAtGuess, Severity.Error,
                    $"where {extended.Describe()} lies is not known ({state.Layout!.Provenance.Detail}): nothing is moved")
                {
                    Where = new FindingLocation(state.Id, XsaveFormat.ExtendedOffset),
                    Mend = Rules.RepairAtGuess.Mend,
                });
                return;
            }

            byte[] standard = new byte[Math.Max(target.Length, target.Layout.StandardLength)];
            StateComponentSet left = XsaveConversion.ToStandard(_area, _layout, standard, target.Layout);
            if (!left.IsEmpty)
            {
                _obstacles.Add(new Finding(Rules.LiveComponentLacking, Severity.Error,
                    $"{left.Describe()} has no place in the destination's standard format")
                {
                    Where = new FindingLocation(state.Id, XsaveFormat.XstateBvOffset),
                    Mend = "choose a destination that has the component",
                });
            }

            _area = standard;
            _layout = target.Layout;
            _steps.Add(compacted
                ? new RepairStep(RepairKind.Expand, state.Id, "expanded from the compacted to the standard format",
                    XsaveFormat.XcompBvOffset)
                : new RepairStep(RepairKind.Relocate, state.Id, $"moved {moved.Describe()} to the destination's offsets",
                    XsaveFormat.ExtendedOffset));
        }

        private bool Moves(StateComponent component) =>
            _layout.TryGetSlot(component, out XsaveSlot here) && target.Layout.TryGetSlot(component, out XsaveSlot there)
            && (here.Offset != there.Offset || here.Size != there.Size);

        private void CleanHeader()
        {
            Span<byte> header = _area.AsSpan(XsaveFormat.XcompBvOffset, XsaveFormat.ExtendedOffset - XsaveFormat.XcompBvOffset);
            int first = header.IndexOfAnyExcept((byte)0);
            if (first >= 0)
            {
                header.Clear();
                int offset = XsaveFormat.XcompBvOffset + first;
                _steps.Add(new RepairStep(RepairKind.Header, state.Id, $"zeroed the header from byte {offset}", offset));
            }
        }

        private void MendMxcsr()
        {
            uint mxcsr = Area.EffectiveMxcsr;
            uint foreign = mxcsr & ~target.MxcsrMask;
            if (foreign != 0)
            {
                bool couldBeLive = (foreign & Mxcsr.MaskFromImage(Area.MxcsrMask)) != 0 && Area.MxcsrMask != 0;
                if (couldBeLive && !manner.Force)
                {
                    _obstacles.Add(new Finding(Rules.ReservedMxcsrBits, Severity.Error,
                        $"MXCSR 0x{mxcsr:x} has bits 0x{foreign:x} that the destination lacks and the {_owner} may rely on")
                    {
                        Where = new FindingLocation(state.Id, XsaveFormat.MxcsrOffset, Register: "mxcsr"),
                        Found = $"0x{mxcsr:x}",
                        Expected = $"no bit outside 0x{target.MxcsrMask:x}",
                        Mend = "choose a destination of the same vendor, or drop the bits with --force",
                    });
                    return;
                }

                mxcsr &= target.MxcsrMask;
                Image.WriteMxcsr(mxcsr);
                _steps.Add(new RepairStep(RepairKind.Mxcsr, state.Id, $"masked MXCSR to 0x{mxcsr:x}", XsaveFormat.MxcsrOffset,
                    LosesState: couldBeLive));
            }

            if (mxcsr != Mxcsr.Initial && !Area.XstateBv.Contains(StateComponent.Sse))
            {
                Image.MakeExplicit(StateComponent.Sse, _layout);
                Image.WriteMxcsr(mxcsr);
                _steps.Add(new RepairStep(RepairKind.Mxcsr, state.Id, $"made MXCSR 0x{mxcsr:x} explicit with bit 1 of XSTATE_BV",
                    XsaveFormat.XstateBvOffset));
            }
        }

        private void MakePkruExplicit()
        {
            bool wanted = !manner.IsGuess && guest.Contains(StateComponent.Pkru) && target.Components.Contains(StateComponent.Pkru);
            if (!wanted || Area.XstateBv.Contains(StateComponent.Pkru)
                || !target.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
            {
                return;
            }

            Grow(slot.End);
            Image.MakeExplicit(StateComponent.Pkru, target.Layout);
            _steps.Add(new RepairStep(RepairKind.Pkru, state.Id, "made PKRU 0x0 explicit with bit 9 of XSTATE_BV", slot.Offset));
        }

        private void FitLength()
        {
            if (state.Stored is not null)
            {
                // The artifact has registers and no image; the monitor makes that at the destination's length.
                return;
            }

            int length = Math.Max(target.Length, _layout.StandardLengthFor(Area.XstateBv));
            if (_area.Length == length)
            {
                return;
            }

            int before = state.Area.Length;
            Array.Resize(ref _area, length);
            if (before != length)
            {
                _steps.Add(new RepairStep(RepairKind.Length, state.Id, $"changed the length from {before} to {length} bytes",
                    Math.Min(before, length)));
            }
        }

        // The monitor sets these last: whatever the repair made of the area counts only if it is here as well.
        private byte[] Followed(ReadOnlyMemory<byte> fpu)
        {
            byte[] followed = fpu.ToArray();
            foreach (StateComponent component in Area.XstateBv & StateComponentSet.Legacy)
            {
                LegacyRegion.Copy(component, _area, followed);
            }

            return followed;
        }

        private void FollowFpu()
        {
            if (state.FpuDisagreement is { } offset)
            {
                _steps.Add(new RepairStep(RepairKind.Register, state.Id,
                    "made the x87 and XMM registers that the monitor sets last those of the area", offset));
            }
        }

        // No load looks at MXCSR_MASK and the kernel's mask of components behind it, and they tell whoever reads the image later whose
        // offsets it has: they become what the target's kernel would have written.
        private void SignLayout()
        {
            if (!_steps.Exists(step => step.Kind is RepairKind.Relocate or RepairKind.Pkru))
            {
                return;
            }

            if (Area.MxcsrMask != 0)
            {
                Image.WriteMxcsrMask(target.MxcsrMask);
            }

            if (manner.Kind == CaptureKind.VirtualMachine && state.Stored is null && Area.SoftwareMask != 0)
            {
                Image.WriteSoftwareMask(target.Components);
            }
        }

        private void Grow(int length)
        {
            if (_area.Length < length)
            {
                Array.Resize(ref _area, length);
            }
        }
    }
}
