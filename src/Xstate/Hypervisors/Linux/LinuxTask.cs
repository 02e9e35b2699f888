using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Kvm;
using Xstate.Processor;

namespace Xstate.Hypervisors.Linux;

/// <summary>A thread of an ordinary process: its state as a debugger reads and writes it, and as signals carry it.</summary>
public sealed class LinuxTask : ILinuxTask
{
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
    public KvmReply GetXstate(out byte[] image)
    {
        image = [];
        if (!_host.HasXsave)
        {
            return NoXsave();
        }

        image = new byte[XstateLength];
        UabiXstate.CopyToUser(_state, image, _state.UserXfeatures, _pkru);
        return KvmReply.Success;
    }

    /// <summary>PTRACE_SETREGSET with NT_X86_XSTATE. The kernel reads no more than the regset has.</summary>
    public KvmReply SetXstate(ReadOnlySpan<byte> image)
    {
        if (!_host.HasXsave)
        {
            return NoXsave();
        }

        if (image.Length % sizeof(ulong) != 0)
        {
            return Refuse(Errno.EINVAL, null, $"{image.Length} bytes are no multiple of 8");
        }

        if (image.Length < XstateLength && Behavior.Has(KernelDifference.PtraceSizeEfault))
        {
            return Refuse(Errno.EFAULT, KernelDifference.PtraceSizeEfault, $"{image.Length} bytes; the regset has {XstateLength}");
        }

        // What a short image leaves out stays as it is.
        byte[] taken = new byte[XstateLength];
        UabiXstate.CopyToUser(_state, taken, _state.UserXfeatures, _pkru);
        image[..Math.Min(image.Length, taken.Length)].CopyTo(taken);
        if (Behavior.Has(KernelDifference.PtraceLenient))
        {
            Span<byte> mxcsr = taken.AsSpan(XsaveFormat.MxcsrOffset, sizeof(uint));
            BinaryPrimitives.WriteUInt32LittleEndian(mxcsr, BinaryPrimitives.ReadUInt32LittleEndian(mxcsr) & _host.MxcsrMask);
        }

        Refusal? refusal = UabiXstate.CopyFromUser(_state, taken, PkruRule, ref _pkru, new XsaveArea(taken).XstateBv);
        if (refusal is not null && Behavior.Has(KernelDifference.PtraceLenient))
        {
            _state.Reset();
            KeepMxcsrMask();
            _pkru = 0;
        }

        return refusal is null ? KvmReply.Success : new KvmReply(Errno.EINVAL, refusal);
    }

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG: the FXSAVE image, without the bytes for software.</summary>
    public KvmReply GetFpregs(out byte[] image)
    {
        Span<byte> area = stackalloc byte[XsaveFormat.ExtendedOffset];
        area.Clear();
        UabiXstate.CopyToUser(_state, area, StateComponentSet.Legacy, _pkru);
        image = new byte[XsaveFormat.LegacyLength];
        area[..XsaveFormat.XmmEnd].CopyTo(image);
        return KvmReply.Success;
    }

    /// <summary>PTRACE_SETREGSET with NT_PRFPREG. x87 and SSE count as in use afterwards.</summary>
    public KvmReply SetFpregs(ReadOnlySpan<byte> image)
    {
        // Longer ones are cut to the regset before its own test of the length.
        if (image.Length < XsaveFormat.LegacyLength)
        {
            return Refuse(Errno.EINVAL, null, $"{image.Length} bytes; the regset has {XsaveFormat.LegacyLength}");
        }

        if (image.Length % sizeof(ulong) != 0)
        {
            return Refuse(Errno.EINVAL, null, $"{image.Length} bytes are no multiple of 8");
        }

        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[XsaveFormat.MxcsrOffset..]);
        if (UabiXstate.CheckMxcsr(mxcsr, _host, "all kernels") is { } refusal)
        {
            return new KvmReply(Errno.EINVAL, refusal);
        }

        image[..XsaveFormat.LegacyLength].CopyTo(_state.Legacy);
        _state.Xfeatures |= StateComponentSet.Legacy;
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public SignalReturn RoundtripSignal(Action<SignalFrame> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        SignalReturn back;
        if (!OpensKeysForSignals && !new Pkru(_pkru).IsOpen(0))
        {
            back = new SignalReturn(Killed: true, FxOnly: false, $"the frame cannot be written to the stack: PKRU 0x{_pkru:x} forbids it");
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
            return Fault.PageFault(PageFaultErrors.Present | PageFaultErrors.Write | PageFaultErrors.User | PageFaultErrors.ProtectionKey, 0);
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
        view = new ThreadView(area, _processor.Cpu.Xcr0, inUse is { } bits ? new StateComponentSet(bits) : null, _processor.Cpu.Profile.HasProtectionKeys ? _pkru : null);
        return fault;
    }

    /// <summary>The model has nothing to end.</summary>
    public void Dispose()
    {
    }

    /// <summary>Builds the frame of a signal: what XSAVE stores of the registers, framed by the two magic numbers. The stack counts as writable, whatever PKRU is.</summary>
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

        // Where the keys are opened, XSTATE_BV[9] is what the processor makes of a PKRU of 0: a value-tracking one clears it, and sigreturn does not see the value stored below (until 6.12.5).
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
    /// sigreturn. A 64-bit frame is loaded by XRSTOR as it lies in user memory, so the processor and not the kernel judges its header; a 32-bit one goes through the same
    /// function as ptrace and KVM.
    /// </summary>
    /// <param name="frame">The frame, as the process left it.</param>
    /// <param name="ia32">Whether the process is a 32-bit one.</param>
    public SignalReturn Sigreturn(SignalFrame frame, bool ia32 = false)
    {
        ArgumentNullException.ThrowIfNull(frame);
        int allowed = _host.HasXsave ? _host.Layout.StandardLengthFor(_state.UserXfeatures) : XsaveFormat.LegacyLength;
        bool fxOnly = !_host.HasXsave || frame.IsFxOnly(allowed);
        StateComponentSet listed = fxOnly ? StateComponentSet.Legacy : frame.Xfeatures;
        string? why = ia32 ? Copy(frame, fxOnly, listed) : Restore(frame, fxOnly, listed);
        if (why is not null)
        {
            ResetRegisters();
            return new SignalReturn(Killed: true, fxOnly, why);
        }

        if (!ia32 && !OpensKeysForSignals && new Pkru(_pkru).AccessDisabled(0))
        {
            // The alternate stack is read last, with the PKRU of the frame in force. All registers have the frame's values then.
            return new SignalReturn(Killed: true, fxOnly, $"the rest of the frame cannot be read: its PKRU 0x{_pkru:x} forbids it");
        }

        return new SignalReturn(Killed: false, fxOnly, null);
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

    // Components of the task that the frame does not list become initial, PKRU among them.
    private string? Restore(SignalFrame frame, bool fxOnly, StateComponentSet listed)
    {
        StateComponentSet loaded = listed & _state.UserXfeatures;
        _processor.Load(_state);
        _processor.Pkru = _pkru;
        Fault fault = fxOnly
            ? Instructions.Fxrstor(_processor.Cpu, frame.Bytes, 0)
            : Instructions.Xrstor(_processor.Cpu, frame.Bytes, 0, loaded.Bits);
        if (fault.IsFault)
        {
            return $"{(fxOnly ? "FXRSTOR" : "XRSTOR")} of the frame raises {fault}";
        }

        LoadInitial(_state.UserXfeatures.Except(loaded));
        _processor.Save(_state);
        _pkru = _processor.Pkru;
        return null;
    }

    // What a failed sigreturn leaves: the registers are initial, the buffer is as the next save leaves it. So an MXCSR from before can be read beside AVX in use, as
    // components that are initial are not written (measured on 6.18).
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

    // After the frame, and by XRSTOR of the kernel's own initial image: in the standard format AVX alone brings the initial MXCSR along, in the compacted one it does not.
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
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | _host.UserFeatures.Bits);
        }

        Instructions.Xrstor(_processor.Cpu, image, 0, components.Bits);
    }

    private string? Copy(SignalFrame frame, bool fxOnly, StateComponentSet listed)
    {
        if (fxOnly)
        {
            uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(frame.Bytes.AsSpan(XsaveFormat.MxcsrOffset));
            if (UabiXstate.CheckMxcsr(mxcsr, _host, "all kernels") is { } bad)
            {
                return bad.Message;
            }

            frame.Bytes.AsSpan(0, XsaveFormat.LegacyLength).CopyTo(_state.Legacy);
            _state.Xfeatures = StateComponentSet.Legacy;
            return null;
        }

        Refusal? refusal = UabiXstate.CopyFromUser(_state, frame.Bytes, PkruRule, ref _pkru, frame.XstateBv);
        _state.Xfeatures &= listed;
        return refusal?.Message;
    }

    private static KvmReply NoXsave() => new(Errno.ENODEV, new Refusal(Rules.NoXsave, null, "the host has no XSAVE, so there is no such regset"));

    private static KvmReply Refuse(Errno errno, KernelDifference? difference, string message) =>
        new(errno, new Refusal(Rules.ShortImage, difference, message));
}
