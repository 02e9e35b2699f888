using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Processor;

namespace Xstate.Hypervisors.Linux;

/// <summary>A thread of an ordinary process: its state as a debugger reads and writes it, and as signals carry it.</summary>
internal sealed class LinuxTask : ILinuxTask
{
    // XRSTOR of the standard format looks at bytes 8 to 23 of the header: XCOMP_BV and eight of the reserved ones.
    private const int XrstorReserved = 8;

    private readonly LinuxHost _host;
    private readonly FpState _state;
    private readonly HostProcessor _processor;
    private uint _pkru;

    /// <summary>A fresh thread that has run: all registers initial but PKRU, which Linux gives a value of its own.</summary>
    public LinuxTask(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        _host = host;
        _state = new FpState(host);
        _processor = new HostProcessor(host);
        _pkru = HasPkru ? Architecture.Pkru.LinuxDefault.Value : 0;
        KeepMxcsrMask();
        Run();
    }

    /// <summary>The kernel's buffer.</summary>
    public FpState State => _state;

    /// <summary>The thread's PKRU.</summary>
    public uint Pkru => _pkru;

    /// <summary>Bytes of NT_X86_XSTATE: all components of the host, also those that this thread may not use.</summary>
    public int XstateLength => _host.Layout.StandardLengthFor(_host.UserFeatures);

    private KernelBehavior Behavior => _host.Behavior;

    private bool HasPkru => _host.UserFeatures.Contains(StateComponent.Pkru);

    private bool OpensKeysForSignals => Behavior.Has(KernelDifference.SignalKeysOpen);

    // Up to 5.13 a debugger reads and writes the buffer itself where it has the standard format.
    private bool IsXstateRaw => !_host.UsesCompactedBuffers && Behavior.Has(KernelDifference.PtraceRawBuffer);

    private PkruRule PkruRule =>
        Behavior.Has(KernelDifference.PtracePkruIgnored) ? PkruRule.Ignore
        : Behavior.Has(KernelDifference.PtracePkruInit) ? PkruRule.RegisterOrInitial
        : PkruRule.RegisterOrKeep;

    /// <summary>The thread runs without touching its state, and stops again: XSTATE_BV becomes what the processor says is in use.</summary>
    public void Run()
    {
        LoadAll();
        SaveAll();
    }

    /// <summary>PTRACE_GETREGSET with NT_X86_XSTATE: ENODEV on hosts without XSAVE.</summary>
    public KernelReply GetXstate(out byte[] image)
    {
        image = [];
        if (!_host.HasXsave)
        {
            return NoXsave();
        }

        image = new byte[XstateLength];
        if (IsXstateRaw)
        {
            BufferRegsets.ReadXstate(_state, image);
            return KernelReply.Success;
        }

        UabiXstate.CopyToUser(_state, image, _state.UserXfeatures, _pkru);
        UabiXstate.ShowPkru(_state, image, _pkru);
        return KernelReply.Success;
    }

    /// <summary>PTRACE_SETREGSET with NT_X86_XSTATE. The kernel reads no more than the regset has.</summary>
    public KernelReply SetXstate(ReadOnlySpan<byte> image)
    {
        if (CheckMultiple(image.Length) is { } odd)
        {
            return odd;
        }

        if (!_host.HasXsave)
        {
            return NoXsave();
        }

        if (image.Length < XstateLength && Behavior.Has(KernelDifference.PtraceSizeEfault))
        {
            return Refuse(Errno.EFAULT, KernelDifference.PtraceSizeEfault, image.Length,
                $"{image.Length} bytes; the register set has {XstateLength}, which PTRACE_GETREGSET returns");
        }

        ReadOnlySpan<byte> given = image[..Math.Min(image.Length, XstateLength)];
        bool lenient = Behavior.Has(KernelDifference.PtraceLenient);
        Refusal? refusal = IsXstateRaw ? WriteRaw(given, lenient) : Write(given, lenient);
        return refusal is null ? KernelReply.Success : new KernelReply(Errno.EINVAL, refusal);
    }

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG: the FXSAVE image, without the bytes for software.</summary>
    public KernelReply GetFpregs(out byte[] image)
    {
        if (Behavior.Has(KernelDifference.PtraceRawFpregs))
        {
            image = BufferRegsets.ReadFpregs(_state);
            return KernelReply.Success;
        }

        if (!_host.HasXsave)
        {
            // xfpregs_get: without XSAVE there is no header that could call anything initial, and the FXSAVE image is handed over as it is.
            image = _state.Legacy[..XsaveFormat.LegacyLength].ToArray();
            return KernelReply.Success;
        }

        Span<byte> area = stackalloc byte[XsaveFormat.ExtendedOffset];
        area.Clear();
        UabiXstate.CopyToUser(_state, area, StateComponentSet.Legacy, _pkru);
        image = new byte[XsaveFormat.LegacyLength];
        area[..XsaveFormat.XmmEnd].CopyTo(image);
        return KernelReply.Success;
    }

    /// <summary>PTRACE_SETREGSET with NT_PRFPREG. x87 and SSE count as in use afterwards.</summary>
    public KernelReply SetFpregs(ReadOnlySpan<byte> image)
    {
        if (CheckMultiple(image.Length) is { } odd)
        {
            return odd;
        }

        if (Behavior.Has(KernelDifference.PtraceRawFpregs))
        {
            BufferRegsets.WriteFpregs(_state, image);
            return KernelReply.Success;
        }

        // Longer ones are cut to the register set before its own test of the length.
        if (image.Length < XsaveFormat.LegacyLength)
        {
            return Refuse(Errno.EINVAL, KernelDifference.PtraceRawFpregs, image.Length,
                $"{image.Length} bytes; the register set has {XsaveFormat.LegacyLength}");
        }

        uint mxcsr = LegacyRegion.ReadMxcsr(image);
        if (UabiXstate.CheckMxcsr(mxcsr, _host, "5.14 and later", UabiBorder.Process) is { } refusal)
        {
            return new KernelReply(Errno.EINVAL, refusal);
        }

        image[..XsaveFormat.LegacyLength].CopyTo(_state.Legacy);
        _state.Xfeatures |= StateComponentSet.Legacy;
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply GetXstate(int length, out byte[] image)
    {
        image = [];
        return CheckMultiple(length) ?? Cut(GetXstate(out image), length, ref image);
    }

    /// <inheritdoc/>
    public KernelReply GetFpregs(int length, out byte[] image)
    {
        image = [];
        return CheckMultiple(length) ?? Cut(GetFpregs(out image), length, ref image);
    }

    /// <inheritdoc/>
    public SignalReturn RoundtripSignal(Action<SignalFrame> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        SignalReturn back;
        if (!OpensKeysForSignals && !new Pkru(_pkru).IsOpen(0))
        {
            back = new SignalReturn(Killed: true, FxOnly: false,
                KeyClosed($"the frame cannot be written to the stack: PKRU 0x{_pkru:x} forbids it"));
        }
        else
        {
            SignalFrame frame = BuildSignalFrame();
            change(frame);
            back = Sigreturn(frame);
        }

        if (back.Killed)
        {
            // Its signal held back, the thread goes on with the state that the failure leaves.
            Run();
        }

        return back;
    }

    /// <inheritdoc/>
    public Fault Restore(ReadOnlySpan<byte> area, StateComponentSet components)
    {
        if (new Pkru(_pkru).AccessDisabled(0))
        {
            // It has run as far as the instruction, and stops there.
            Run();
            return Fault.PageFault(PageFaultErrors.Present | PageFaultErrors.User | PageFaultErrors.ProtectionKey, 0);
        }

        LoadAll();
        Fault fault = Instructions.Xrstor(_processor.Cpu, area, 0, components.Bits);
        SaveAll();
        return fault;
    }

    /// <inheritdoc/>
    public Fault View(out ThreadView? view)
    {
        view = null;
        if (!new Pkru(_pkru).IsOpen(0))
        {
            Run();
            return Fault.PageFault(PageFaultErrors.Present | PageFaultErrors.Write | PageFaultErrors.User | PageFaultErrors.ProtectionKey,
                0);
        }

        LoadAll();
        byte[] area = new byte[_host.Layout.StandardLengthFor(_state.UserXfeatures)];
        ulong? inUse = null;
        Fault fault = Instructions.Xsave(_processor.Cpu, area, 0, _state.UserXfeatures.Bits);
        if (_processor.Cpu.Profile.HasXgetbv1)
        {
            Instructions.Xgetbv(_processor.Cpu, 1, out ulong value);
            inUse = value;
        }

        SaveAll();
        view = new ThreadView(area, _processor.Cpu.Xcr0, inUse is { } bits ? new StateComponentSet(bits) : null,
            _processor.Cpu.Profile.HasProtectionKeys ? _pkru : null);
        return fault;
    }

    /// <summary>The model has nothing to end.</summary>
    public void Dispose()
    {
    }

    /// <summary>
    /// Builds the frame of a signal: what XSAVE stores of the registers, framed by the two magic numbers. The stack counts as writable,
    /// whatever PKRU is.
    /// </summary>
    public SignalFrame BuildSignalFrame()
    {
        StateComponentSet features = _state.UserXfeatures;
        int length = _host.HasXsave ? _host.Layout.StandardLengthFor(features) : XsaveFormat.LegacyLength;
        SignalFrame frame = new(length, features, _host.HasXsave);
        _processor.Load(_state);
        _processor.Pkru = OpensKeysForSignals ? 0 : _pkru;
        if (!_host.HasXsave)
        {
            Instructions.Fxsave(_processor.Cpu, frame.Bytes, 0);
            return frame;
        }

        // Where the keys are opened, XSTATE_BV[9] is what the processor makes of a PKRU of 0: a value-tracking one clears it, and sigreturn
        // does not see the value stored below (until 6.12.5).
        Instructions.Xsave(_processor.Cpu, frame.Bytes, 0, features.Bits);
        if (HasPkru && OpensKeysForSignals && _host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(frame.Bytes.AsSpan(slot.Offset), _pkru);
        }

        StateComponentSet stored = new XsaveArea(frame.Bytes).XstateBv | StateComponentSet.Legacy;
        if (HasPkru && Behavior.Has(KernelDifference.SignalPkruForced))
        {
            stored = stored.With(StateComponent.Pkru);
        }

        frame.XstateBv = stored;
        frame.Seal(features);
        return frame;
    }

    /// <summary>
    /// sigreturn. A 64-bit frame is loaded by XRSTOR as it lies in user memory, so the processor and not the kernel judges its header; a
    /// 32-bit one goes through the same function as ptrace and KVM.
    /// </summary>
    /// <param name="frame">The frame, as the process left it.</param>
    /// <param name="ia32">Whether the process is a 32-bit one.</param>
    public SignalReturn Sigreturn(SignalFrame frame, bool ia32 = false)
    {
        ArgumentNullException.ThrowIfNull(frame);
        int allowed = _host.HasXsave ? _host.Layout.StandardLengthFor(_state.UserXfeatures) : XsaveFormat.LegacyLength;
        Refusal? framing = _host.HasXsave ? CheckFraming(frame, allowed) : null;
        bool fxOnly = !_host.HasXsave || framing is not null;
        StateComponentSet listed = fxOnly ? StateComponentSet.Legacy : frame.Xfeatures;
        Refusal? why = ia32 ? Copy(frame, fxOnly, listed) : Restore(frame, fxOnly, listed);
        if (why is not null)
        {
            ResetRegisters();
            return new SignalReturn(Killed: true, fxOnly, why);
        }

        if (!ia32 && !OpensKeysForSignals && new Pkru(_pkru).AccessDisabled(0))
        {
            // The alternate stack is read last, with the PKRU of the frame in force. All registers have the frame's values then.
            return new SignalReturn(Killed: true, fxOnly,
                KeyClosed($"the rest of the frame cannot be read: its PKRU 0x{_pkru:x} forbids it"));
        }

        return new SignalReturn(Killed: false, fxOnly, framing ?? (fxOnly ? null : NotListed(frame)));
    }

    // Which of the two ways a kernel has is asked only where they part.
    private Refusal? CheckFraming(SignalFrame frame, int allowed)
    {
        Refusal? own = frame.CheckFraming(allowed, atHostSize: false);
        Refusal? host = frame.CheckFraming(allowed, atHostSize: true);
        return (own is null) == (host is null) || !Behavior.Has(KernelDifference.SignalFrameHostSize) ? own : host;
    }

    private static Refusal KeyClosed(string message) =>
        new(Rules.SignalKeyClosed, KernelDifference.SignalKeysOpen, message) { Since = "up to 6.11" };

    // Success, and not what the frame holds: the kernel restores what its own description of the frame lists.
    private Refusal? NotListed(SignalFrame frame)
    {
        StateComponentSet lost = (frame.XstateBv & _state.UserXfeatures).Except(frame.Xfeatures);
        return lost.IsEmpty
            ? null
            : new Refusal(Rules.FrameComponentNotListed, null,
                $"xfeatures {frame.Xfeatures} does not list {lost.Describe()}, which XSTATE_BV {frame.XstateBv} has: initial afterwards")
            {
                Offset = SignalFrame.XfeaturesOffset,
                Found = frame.Xfeatures.ToString(),
                Expected = (frame.Xfeatures | lost).ToString(),
            };
    }

    // A process starts with a copy of the kernel's own initial image, which the processor wrote: unlike a virtual CPU's, with MXCSR_MASK.
    private void KeepMxcsrMask() => BinaryPrimitives.WriteUInt32LittleEndian(_state.Legacy[XsaveFormat.MxcsrMaskOffset..], _host.MxcsrMask);

    private void LoadAll()
    {
        _processor.Load(_state);
        _processor.Pkru = _pkru;
    }

    private void SaveAll()
    {
        _processor.Save(_state);
        _pkru = _processor.Pkru;
    }

    private Refusal? Write(ReadOnlySpan<byte> given, bool lenient)
    {
        // What a short image leaves out stays as it is.
        byte[] taken = new byte[XstateLength];
        UabiXstate.CopyToUser(_state, taken, _state.UserXfeatures, _pkru);
        given.CopyTo(taken);
        if (lenient)
        {
            Span<byte> mxcsr = taken.AsSpan(XsaveFormat.MxcsrOffset, sizeof(uint));
            BinaryPrimitives.WriteUInt32LittleEndian(mxcsr, BinaryPrimitives.ReadUInt32LittleEndian(mxcsr) & _host.MxcsrMask);
        }

        Refusal? refusal = UabiXstate.CopyFromUser(_state, taken, PkruRule, ref _pkru, new XsaveArea(taken).XstateBv, UabiBorder.Process);
        if (refusal is not null && lenient)
        {
            _state.Reset();
            _pkru = 0;
        }

        return refusal;
    }

    // PKRU is what the buffer holds: there is no other place for it.
    private Refusal? WriteRaw(ReadOnlySpan<byte> given, bool lenient)
    {
        Refusal? refusal = BufferRegsets.WriteXstate(_state, given, lenient);
        if (refusal is null || lenient)
        {
            _pkru = _state.Xfeatures.Contains(StateComponent.Pkru)
                ? BinaryPrimitives.ReadUInt32LittleEndian(_state.Component(StateComponent.Pkru)) : 0;
        }

        return refusal;
    }

    // Components of the task that the frame does not list become initial, PKRU among them.
    private Refusal? Restore(SignalFrame frame, bool fxOnly, StateComponentSet listed)
    {
        StateComponentSet loaded = listed & _state.UserXfeatures;
        _processor.Load(_state);
        _processor.Pkru = _pkru;
        Fault fault = fxOnly
            ? Instructions.Fxrstor(_processor.Cpu, frame.Bytes, 0)
            : Instructions.Xrstor(_processor.Cpu, frame.Bytes, 0, loaded.Bits);
        if (fault.IsFault)
        {
            return new Refusal(Rules.FrameRefused, null,
                $"{(fxOnly ? "FXRSTOR" : "XRSTOR")} of the frame raises {fault}{BadField(frame, fxOnly, loaded)}");
        }

        LoadInitial(_state.UserXfeatures.Except(loaded));
        _processor.Save(_state);
        _pkru = _processor.Pkru;
        return null;
    }

    // What a failed sigreturn leaves: the registers are initial, the buffer is as the next save leaves it. So an MXCSR from before can be
    // read beside AVX in use, as components that are initial are not written (measured on 6.18).
    private void ResetRegisters()
    {
        _pkru = HasPkru ? Architecture.Pkru.LinuxDefault.Value : 0;
        if (!_host.HasXsave)
        {
            _state.Reset();
            KeepMxcsrMask();
            return;
        }

        LoadInitial(_state.UserXfeatures.Without(StateComponent.Pkru));
        _processor.Pkru = _pkru;
        _processor.Save(_state);
    }

    // After the frame, and by XRSTOR of the kernel's own initial image: in the standard format AVX alone brings the initial MXCSR along, in
    // the compacted one it does not.
    private void LoadInitial(StateComponentSet components)
    {
        if (!_host.HasXsave || components.IsEmpty)
        {
            return;
        }

        byte[] image = new byte[XstateLength];
        _host.InitialLegacy.CopyTo(image);
        if (_host.UsesCompactedBuffers)
        {
            new XsaveAreaWriter(image).WriteCompacted(_host.UserFeatures);
        }

        Instructions.Xrstor(_processor.Cpu, image, 0, components.Bits);
    }

    private Refusal? Copy(SignalFrame frame, bool fxOnly, StateComponentSet listed)
    {
        if (fxOnly)
        {
            uint mxcsr = LegacyRegion.ReadMxcsr(frame.Bytes);
            if (UabiXstate.CheckMxcsr(mxcsr, _host, "all kernels", UabiBorder.Process) is { } bad)
            {
                return bad;
            }

            frame.Bytes.AsSpan(0, XsaveFormat.LegacyLength).CopyTo(_state.Legacy);
            _state.Xfeatures = StateComponentSet.Legacy;
            return null;
        }

        Refusal? refusal = UabiXstate.CopyFromUser(_state, frame.Bytes, PkruRule, ref _pkru, frame.XstateBv, UabiBorder.Process);
        _state.Xfeatures &= listed;
        return refusal;
    }

    // The processor says no more than #GP(0); these are the fields it looks at.
    private string BadField(SignalFrame frame, bool fxOnly, StateComponentSet loaded)
    {
        XsaveArea area = new(frame.Bytes);
        uint mxcsr = LegacyRegion.ReadMxcsr(frame.Bytes);
        StateComponentSet foreign = fxOnly ? StateComponentSet.Empty : area.XstateBv.Except(_host.UserFeatures);
        bool takesMxcsr = fxOnly || loaded.Contains(StateComponent.Sse) || loaded.Contains(StateComponent.Avx);
        return !foreign.IsEmpty ? $": XSTATE_BV {area.XstateBv} has {foreign.Describe()}, which is not in XCR0"
            : !fxOnly && area.XcompBv != 0 ? $": XCOMP_BV is 0x{area.XcompBv:x}"
            : !fxOnly && area.ReservedHeader[..XrstorReserved].IndexOfAnyExcept((byte)0) >= 0 ? ": bytes 528 to 535 are not zero"
            : takesMxcsr && (mxcsr & ~_host.MxcsrMask) != 0 ? $": MXCSR 0x{mxcsr:x} has bits outside 0x{_host.MxcsrMask:x}"
            : "";
    }

    private static KernelReply NoXsave() =>
        new(Errno.ENODEV, new Refusal(Rules.NoXsaveRegisterSet, null, "the host has no XSAVE, so there is no NT_X86_XSTATE"));

    private static KernelReply Cut(KernelReply reply, int length, ref byte[] image)
    {
        image = image[..Math.Min(length, image.Length)];
        return reply;
    }

    // ptrace_regset looks at this before it asks the register set for anything, so a read that it refuses leaves the thread's buffer as
    // it is.
    private static KernelReply? CheckMultiple(int length) =>
        length % sizeof(ulong) == 0 ? null : Refuse(Errno.EINVAL, null, length, $"{length} bytes are no multiple of 8");

    private static KernelReply Refuse(Errno errno, KernelDifference? difference, int length, string message) =>
        new(errno, new Refusal(Rules.RegisterSetLength, difference, message) { Found = $"{length} bytes" });
}
