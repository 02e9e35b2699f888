using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Tracing;

/// <summary>
/// Finds out which named differences of ptrace and signals the running kernel has, each on a fresh child. What cannot be told on this
/// processor has no answer rather than a guessed one.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ProcessBehaviorProbe
{
    private const uint Pattern = 0x2222_2222;

    private readonly XsaveLayout _layout;
    private readonly bool _hasXsaves;
    private readonly HostRecord _host;
    private readonly ImmutableArray<ProbedBehavior>.Builder _found = ImmutableArray.CreateBuilder<ProbedBehavior>();

    private ProcessBehaviorProbe(HostRecord host)
    {
        _host = host;
        _layout = XsaveLayout.FromCpuid(host.Cpuid);
        _hasXsaves = host.Cpuid.Has(CpuidFeatures.Xsaves);
    }

    /// <summary>Probes; empty where this process may not trace a child.</summary>
    public static ImmutableArray<ProbedBehavior> Run(HostRecord host)
    {
        ProcessBehaviorProbe probe = new(host);
        try
        {
            probe.RegisterSets();
            probe.Keys();
            probe.FrameSize();
            probe.StackSize();
            probe.FrameBit();
            probe.Compaction();
        }
        catch (LinuxException)
        {
            // What was found until then holds.
        }

        probe.ShadowStacks();
        probe.Components();
        return probe._found.ToImmutable();
    }

    private void RegisterSets()
    {
        using TracedChild child = new();
        if (!child.GetXstate(out byte[] image).IsSuccess)
        {
            return;
        }

        byte[] changed = [.. image];
        new XsaveAreaWriter(changed).WriteXstateBv(StateComponentSet.Of(StateComponent.X87)).WriteMxcsr(0x3F80);
        if (!_hasXsaves && child.SetXstate(changed).IsSuccess && child.GetXstate(out byte[] back).IsSuccess)
        {
            uint mxcsr = new XsaveArea(back).Mxcsr;
            Add(KernelDifference.PtraceRawBuffer, mxcsr == 0x3F80,
                $"PTRACE_SETREGSET with XSTATE_BV 0x1 and MXCSR 0x3f80 reads back as 0x{mxcsr:x}");
        }

        new XsaveAreaWriter(changed).WriteXstateBv(StateComponentSet.Legacy).WriteMxcsr(0xFFFF_0000);
        KernelReply lenient = child.SetXstate(changed);
        Add(KernelDifference.PtraceLenient, lenient.IsSuccess, $"PTRACE_SETREGSET with MXCSR 0xffff0000: {lenient.Errno}");

        KernelReply shorter = child.SetXstate(image.AsSpan(0, image.Length - sizeof(ulong)));
        Add(KernelDifference.PtraceSizeEfault, shorter.Errno == Errno.EFAULT,
            $"PTRACE_SETREGSET with {sizeof(ulong)} bytes less: {shorter.Errno}");

        KernelReply cut = child.SetFpregs(new byte[sizeof(ulong)]);
        Add(KernelDifference.PtraceRawFpregs, cut.IsSuccess, $"PTRACE_SETREGSET of 8 bytes of NT_PRFPREG: {cut.Errno}");
    }

    private void Keys()
    {
        const uint Value = 0x5555_5550;
        if (!ThreadPkruIsThere || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return;
        }

        using TracedChild child = new();
        if (!child.GetXstate(out byte[] image).IsSuccess || image.Length < slot.End)
        {
            return;
        }

        new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Legacy.With(StateComponent.Pkru));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), Value);
        child.SetXstate(image);
        child.GetXstate(out byte[] back);
        uint read = BinaryPrimitives.ReadUInt32LittleEndian(back.AsSpan(slot.Offset));
        bool ignored = read != Value;
        Add(KernelDifference.PtracePkruIgnored, ignored, $"PTRACE_SETREGSET of PKRU 0x{Value:x}; PTRACE_GETREGSET gives 0x{read:x}");

        new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Legacy);
        child.SetXstate(image);
        child.GetXstate(out back);
        read = BinaryPrimitives.ReadUInt32LittleEndian(back.AsSpan(slot.Offset));
        StateComponentSet bits = new XsaveArea(back).XstateBv;
        if (ignored && !bits.Contains(StateComponent.Pkru))
        {
            Add(KernelDifference.X86FpuPkruShown, read != 0,
                $"XSTATE_BV {bits} and PKRU 0x{read:x} after a write without bit 9, which is ignored");
        }

        child.View(out ThreadView? view);
        Add(KernelDifference.PtracePkruInit, view?.Pkru == 0, $"PTRACE_SETREGSET without bit 9; the child's RDPKRU gives 0x{view?.Pkru:x}");
        if (!ignored)
        {
            new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Legacy.With(StateComponent.Pkru));
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), Pkru.LinuxDefault.Value | 2);
            child.SetXstate(image);
            SignalReturn signal = child.RoundtripSignal(static _ => { });
            Add(KernelDifference.SignalKeysOpen, !signal.Killed,
                $"a signal with PKRU 0x{Pkru.LinuxDefault.Value | 2:x}, which forbids writes to the stack: "
                + $"{(signal.Killed ? "SIGSEGV" : "handled")}");
        }
    }

    // The smallest frame that the kernel's own rule permits ends behind the header. What it lists lies behind its end all the same, and is
    // loaded from there.
    private void FrameSize()
    {
        if (!_layout.TryGetSlot(StateComponent.Avx, out XsaveSlot avx))
        {
            return;
        }

        // The register after the one whose bytes the magic number takes.
        const int Register = 16;
        using TracedChild child = new();
        bool changed = false;
        SignalReturn back = child.RoundtripSignal(frame =>
        {
            uint size = frame.XstateSize;
            if (frame.Magic1 != SignalFrame.Magic1Value || size <= avx.Offset || frame.Bytes.Length < size + sizeof(uint))
            {
                return;
            }

            frame.XstateBv = frame.XstateBv.With(StateComponent.Avx);
            BinaryPrimitives.WriteUInt32LittleEndian(frame.Bytes.AsSpan(avx.Offset + Register), Pattern);
            frame.XstateSize = XsaveFormat.ExtendedOffset;
            frame.ExtendedSize = XsaveFormat.ExtendedOffset + sizeof(uint);
            frame.Bytes.AsSpan((int)size, sizeof(uint)).Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(frame.Bytes.AsSpan(XsaveFormat.ExtendedOffset), SignalFrame.Magic2Value);
            changed = true;
        });
        if (!changed || back.Killed || !child.GetXstate(out byte[] image).IsSuccess)
        {
            return;
        }

        uint left = BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(avx.Offset + Register));
        Add(KernelDifference.SignalFrameHostSize, left != Pattern,
            $"sigreturn from a frame that ends at byte {XsaveFormat.ExtendedOffset}: YMM1 has 0x{left:x} of 0x{Pattern:x}");
    }

    private void StackSize()
    {
        const ulong Small = 2048;
        using TracedChild child = new();
        if (!child.GetXstate(out byte[] image).IsSuccess)
        {
            return;
        }

        SignalStack stack = new(TracedChild.SignalStackLimit.First, Small, 0);
        StateComponentSet enabled = new StateComponentSet(new XsaveArea(image).SoftwareMask).Without(StateComponent.TileData);
        if (!stack.Holds(_layout.StandardLengthFor(enabled & _layout.UserComponents), is32Bit: false))
        {
            bool survived = child.SurvivesSignal(stack);
            Add(KernelDifference.SignalStackChecked, !survived,
                $"a signal on an alternate stack of {Small} bytes: {(survived ? "handled" : "SIGSEGV")}");
        }
    }

    // A thread's PKRU of 0, of which AMD's silicon says that it is not in use; that the bit is there all the same tells only there.
    private void FrameBit()
    {
        if (!ThreadPkruIsThere || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return;
        }

        using TracedChild child = new();
        if (!child.GetXstate(out byte[] image).IsSuccess || image.Length < slot.End)
        {
            return;
        }

        new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Legacy.With(StateComponent.Pkru));
        image.AsSpan(slot.Offset, sizeof(uint)).Clear();
        StateComponentSet? bits = null;
        if (!child.SetXstate(image).IsSuccess || child.View(out ThreadView? view).IsFault || view?.Pkru != 0
            || child.RoundtripSignal(frame => bits = frame.XstateBv).Killed || bits is not { } written)
        {
            return;
        }

        bool hasBit = written.Contains(StateComponent.Pkru);
        if (!hasBit || ProcessorIdentity.From(_host.Cpuid).IsAmdSilicon)
        {
            Add(KernelDifference.SignalPkruForced, hasBit, $"a signal to a thread with PKRU 0: XSTATE_BV of its frame is {written}");
        }
    }

    // Where there is XSAVEC alone: in the standard format AVX brings MXCSR along.
    private void Compaction()
    {
        if (_hasXsaves || !_host.Cpuid.Has(CpuidFeatures.Xsavec) || !_layout.TryGetSlot(StateComponent.Avx, out _))
        {
            return;
        }

        using TracedChild child = new();
        if (!child.GetXstate(out byte[] image).IsSuccess)
        {
            return;
        }

        new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Of(StateComponent.Avx)).WriteMxcsr(0x3F80);
        if (child.SetXstate(image).IsSuccess && !child.View(out ThreadView? view).IsFault && view is not null)
        {
            uint mxcsr = new XsaveArea(view.Area).Mxcsr;
            Add(
                KernelDifference.X86FpuXsavec, mxcsr == Mxcsr.Initial,
                $"PTRACE_SETREGSET with XSTATE_BV 0x4 and MXCSR 0x3f80: the child has 0x{mxcsr:x}");
        }
    }

    // What the kernel enabled in XCR0 of what the processor has.
    private void Components()
    {
        bool keysOff = _host.Cpuid.Has(CpuidFeatures.Pku) && !_host.Cpuid.Has(CpuidFeatures.Ospke);
        if (keysOff && _host.Xcr0 is { } keys && _layout.UserComponents.Contains(StateComponent.Pkru))
        {
            Add(
                KernelDifference.X86FpuNoPku, keys.Contains(StateComponent.Pkru),
                $"protection keys are off and XCR0 of the kernel is {keys}");
        }

        if (_host.Xcr0 is { } enabled && _layout.UserComponents.Contains(StateComponent.TileCfg))
        {
            Add(KernelDifference.X86FpuTiles, enabled.Contains(StateComponent.TileCfg),
                $"XCR0 of the kernel is {enabled}, the processor has {_layout.UserComponents}");
        }

        if (_host.Xcr0 is { } xcr0 && _layout.UserComponents.Contains(StateComponent.Apx))
        {
            Add(KernelDifference.X86FpuApx, xcr0.Contains(StateComponent.Apx),
                $"XCR0 of the kernel is {xcr0}, the processor has {_layout.UserComponents}");
        }
        else if (!_layout.UserComponents.Contains(StateComponent.Apx))
        {
            Errno asked = GuestPermission.TryRequest(StateComponent.Apx);
            if (asked is Errno.EINVAL or Errno.EOPNOTSUPP)
            {
                Add(KernelDifference.X86FpuApx, asked == Errno.EOPNOTSUPP, $"ARCH_REQ_XCOMP_GUEST_PERM with component 19: {asked}");
            }
        }
    }

    private void ShadowStacks()
    {
        const nint ARCH_SHSTK_STATUS = 0x5005;
        Span<byte> features = stackalloc byte[sizeof(ulong)];
        bool refused = LibC.syscall(LibC.SYS_arch_prctl, ARCH_SHSTK_STATUS, features) < 0;
        Errno errno = refused ? TracedThread.LastError() : Errno.None;
        if (errno is Errno.None or Errno.EINVAL)
        {
            Add(KernelDifference.UserShadowStack, !refused, $"arch_prctl(ARCH_SHSTK_STATUS): {errno}");
        }
    }

    private static bool ThreadPkruIsThere => NativeCode.ThreadPkru.IsSupported;

    private void Add(KernelDifference difference, bool present, string evidence) =>
        _found.Add(new ProbedBehavior(difference.Id, present, evidence));
}
