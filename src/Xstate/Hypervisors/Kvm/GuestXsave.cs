using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// KVM_SET_XSAVE and KVM_GET_XSAVE of one virtual CPU: what the kernel lets through between user space and its buffer, in its own order of
/// tests.
/// </summary>
internal sealed class GuestXsave
{
    private readonly LinuxHost _host;
    private readonly GuestProtection _protection;
    private StateComponentSet _enabled;
    private uint _pkru;
    private bool _isLimited;

    internal GuestXsave(LinuxHost host, GuestProtection protection)
    {
        _host = host;
        _protection = protection;
        State = new FpState(host);
        _enabled = host.DefaultUserFeatures;
        UabiLength = KvmModelMachine.XsaveLength;
    }

    /// <summary>The kernel's buffer.</summary>
    internal FpState State { get; }

    /// <summary>The guest's PKRU, which KVM keeps outside the buffer.</summary>
    internal uint Pkru
    {
        get => _pkru;
        set => _pkru = value;
    }

    /// <summary>Components that the guest's CPUID and the host allow in XCR0 (<c>guest_supported_xcr0</c>).</summary>
    internal StateComponentSet GuestXcr0 { get; private set; }

    /// <summary>Bytes that KVM_GET_XSAVE2 writes and KVM_SET_XSAVE reads (<c>uabi_size</c>).</summary>
    internal int UabiLength { get; private set; }

    /// <summary>Whether the guest's state is encrypted by now.</summary>
    internal bool IsLaunched { get; private set; }

    private KernelBehavior Behavior => _host.Behavior;

    // The VM type that copies state into the VMSA is as old as the refusals for VM types with protected state.
    private bool IsBeforeLaunch => _protection == GuestProtection.SevEsBeforeLaunch && Behavior.Has(KernelDifference.KvmProtectedEinval);

    /// <summary>
    /// KVM_SEV_LAUNCH_UPDATE_VMSA: of the buffer the x87, SSE and AVX registers and MXCSR go into the VMSA (<c>sev_es_sync_vmsa</c>); the
    /// guest begins with all other components initial.
    /// </summary>
    internal void Launch()
    {
        State.Xfeatures &= StateComponentSet.Of(StateComponent.X87, StateComponent.Sse, StateComponent.Avx);
        IsLaunched = true;
    }

    /// <summary>Enlarges the buffer for dynamic components that a new CPUID has, or says why not.</summary>
    internal KernelReply? EnableDynamic(CpuidTable asked, StateComponentSet permitted)
    {
        if (!Behavior.Has(KernelDifference.KvmXsaveDynamic) || !asked.UserComponents.Contains(StateComponent.TileData)
            || _enabled.Contains(StateComponent.TileData))
        {
            return null;
        }

        if (!permitted.Contains(StateComponent.TileData))
        {
            return new KernelReply(Errno.EPERM, new Refusal(Rules.NoGuestPermission, KernelDifference.KvmXsaveDynamic,
                "CPUID 0xD.0 has tile data (bit 18) without the process's guest permission")
            {
                Leaf = "0xd.0.eax",
                Found = asked.UserComponents.ToString(),
                Expected = "no bit 18, or ARCH_REQ_XCOMP_GUEST_PERM before the first vCPU",
            });
        }

        // The kernel allocates a larger buffer and does not copy the old one: whatever was set before is initial again.
        State.Reset();
        State.Legacy.Clear();
        _enabled = _enabled.With(StateComponent.TileData);
        State.UserXfeatures = State.UserXfeatures.With(StateComponent.TileData);
        UabiLength = Math.Max(KvmModelMachine.XsaveLength, _host.Layout.StandardLengthFor(_enabled));
        return null;
    }

    /// <summary>Takes over what a new CPUID of the guest allows.</summary>
    internal void Limit(CpuidTable cpuid)
    {
        _isLimited = true;
        GuestXcr0 = cpuid.UserComponents & _host.KvmXcr0;
        if (Behavior.Has(KernelDifference.KvmSetStrictCpuid))
        {
            // 5.17 to 6.5: what the guest's CPUID hides can no longer be set, and is trimmed because user_xfeatures shrank.
            State.UserXfeatures = Behavior.Has(KernelDifference.KvmSetFpSseReject) ? GuestXcr0 : GuestXcr0 | StateComponentSet.Legacy;
        }
    }

    /// <summary>KVM_SET_XSAVE.</summary>
    internal KernelReply Set(ReadOnlySpan<byte> image)
    {
        if (ProtectedReply() is { } reply)
        {
            return reply;
        }

        Span<byte> padded = UabiLength <= KvmModelMachine.XsaveLength ? stackalloc byte[KvmModelMachine.XsaveLength] : new byte[UabiLength];
        image[..Math.Min(image.Length, padded.Length)].CopyTo(padded);
        padded[Math.Min(image.Length, padded.Length)..].Clear();
        StateComponentSet xfeatures = new XsaveArea(padded).XstateBv;
        if (xfeatures.Contains(StateComponent.Pkru) && !GuestXcr0.Contains(StateComponent.Pkru)
            && Behavior.Has(KernelDifference.KvmSetPkruDrop))
        {
            xfeatures = xfeatures.Without(StateComponent.Pkru);
        }

        if (!_host.HasXsave)
        {
            return SetLegacyOnly(padded, xfeatures);
        }

        if (Behavior.Has(KernelDifference.KvmXsaveDynamic) && !Behavior.Has(KernelDifference.KvmSetXfdNm))
        {
            // b45f72177594 (6.19): bits that IA32_XFD disables are dropped before anything is checked.
            xfeatures = xfeatures.Except(State.Xfd);
        }

        StateComponentSet foreign = xfeatures.Except(_host.KvmXcr0);
        if (!foreign.IsEmpty)
        {
            return ForeignToHost(xfeatures, foreign);
        }

        return XsaveBorder.CopyFromUser(State, padded, ref _pkru, xfeatures) is { } refusal
            ? new KernelReply(Errno.EINVAL, refusal) : KernelReply.Success;
    }

    /// <summary>KVM_GET_XSAVE.</summary>
    internal KernelReply Get(out byte[] area)
    {
        area = [];
        if (UabiLength > KvmModelMachine.XsaveLength)
        {
            return new KernelReply(Errno.EINVAL, new Refusal(Rules.StateNeedsXsave2, KernelDifference.KvmXsaveDynamic,
                $"the vCPU's state has {UabiLength} bytes, KVM_GET_XSAVE returns {KvmModelMachine.XsaveLength}")
            {
                Found = $"{UabiLength}",
                Expected = $"at most {KvmModelMachine.XsaveLength}",
            });
        }

        return CopyOut(KvmModelMachine.XsaveLength, ref area);
    }

    /// <summary>KVM_GET_XSAVE2.</summary>
    internal KernelReply Get2(out byte[] area)
    {
        area = [];
        return Behavior.Has(KernelDifference.KvmXsaveDynamic)
            ? CopyOut(UabiLength, ref area)
            : new KernelReply(Errno.EINVAL, new Refusal(Rules.UnknownCall, KernelDifference.KvmXsaveDynamic,
                "this kernel has no KVM_GET_XSAVE2")
            { Since = $"before {KernelDifference.KvmXsaveDynamic.Affected}" });
    }

    /// <summary>KVM_SET_FPU.</summary>
    internal KernelReply SetFpu(KvmFpu fpu)
    {
        if (ProtectedReply() is { } reply)
        {
            return reply;
        }

        fpu.StoreTo(State.Legacy);
        return KernelReply.Success;
    }

    /// <summary>KVM_GET_FPU.</summary>
    internal KernelReply GetFpu(out KvmFpu fpu)
    {
        fpu = new KvmFpu();
        if (ProtectedReply() is { } reply)
        {
            return reply;
        }

        fpu = KvmFpu.LoadFrom(State.Legacy);
        return KernelReply.Success;
    }

    private KernelReply? ProtectedReply()
    {
        if (_protection == GuestProtection.None || (IsBeforeLaunch && !IsLaunched))
        {
            return null;
        }

        if ((_protection == GuestProtection.ProtectedState || IsLaunched) && Behavior.Has(KernelDifference.KvmProtectedEinval))
        {
            return new KernelReply(Errno.EINVAL, new Refusal(Rules.ProtectedState, KernelDifference.KvmProtectedEinval,
                "the VM type has protected state"));
        }

        // A kernel without either answer has no protected guests: the state is an ordinary one there.
        return Behavior.Has(KernelDifference.KvmProtectedZero) ? KernelReply.Success : null;
    }

    private KernelReply ForeignToHost(StateComponentSet xfeatures, StateComponentSet foreign) =>
        new(Errno.EINVAL, new Refusal(Rules.ForeignComponents, null,
            $"XSTATE_BV {xfeatures} has {foreign.Describe()}, which this host's KVM does not support")
        {
            Offset = XsaveFormat.XstateBvOffset,
            Found = xfeatures.ToString(),
            Expected = $"no bit outside {_host.KvmXcr0}",
            Since = "all kernels",
        });

    // Hosts without XSAVE take the FXSAVE image; the header may name x87 and SSE only.
    private KernelReply SetLegacyOnly(ReadOnlySpan<byte> image, StateComponentSet xfeatures)
    {
        if (!StateComponentSet.Legacy.ContainsAll(xfeatures))
        {
            return new KernelReply(Errno.EINVAL, new Refusal(Rules.NoXsave, null, $"XSTATE_BV {xfeatures} on a host without XSAVE")
            {
                Offset = XsaveFormat.XstateBvOffset,
                Found = xfeatures.ToString(),
                Expected = "no bit outside 0x3",
            });
        }

        uint mxcsr = LegacyRegion.ReadMxcsr(image);
        if (UabiXstate.CheckMxcsr(mxcsr, _host, "all kernels") is { } refusal)
        {
            return new KernelReply(Errno.EINVAL, refusal);
        }

        image[..XsaveFormat.LegacyLength].CopyTo(State.Legacy);
        State.Xfeatures = StateComponentSet.Legacy;
        return KernelReply.Success;
    }

    private KernelReply CopyOut(int length, ref byte[] area)
    {
        if (ProtectedReply() is { } reply)
        {
            area = reply.IsSuccess ? new byte[length] : [];
            return reply;
        }

        area = new byte[length];
        if (!_host.HasXsave)
        {
            State.Legacy.CopyTo(area);
            new XsaveAreaWriter(area).WriteXstateBv(StateComponentSet.Legacy);
        }
        else
        {
            XsaveBorder.CopyToUser(State, area, AllowedOut(), _pkru);
        }

        return KernelReply.Success;
    }

    // 6.6: trimming happens here, as up to 5.15. 5.16 did not trim; 5.17 to 6.5 trimmed through user_xfeatures, which a vCPU without CPUID
    // has whole.
    private StateComponentSet AllowedOut()
    {
        bool all = _isLimited
            ? Behavior.Has(KernelDifference.KvmGetNoTrim) || Behavior.Has(KernelDifference.KvmSetStrictCpuid)
            : Behavior.Has(KernelDifference.KvmGetNoCpuid);
        return all ? new StateComponentSet(ulong.MaxValue) : GuestXcr0 | StateComponentSet.Legacy;
    }
}
