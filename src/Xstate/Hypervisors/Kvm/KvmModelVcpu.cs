using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>One modelled virtual CPU: the extended-state calls of KVM with each kernel's own order of tests.</summary>
public sealed partial class KvmModelVcpu : IKvmVcpu
{
    /// <summary>KVM_MAX_CPUID_ENTRIES (80 before 5.11).</summary>
    public const int MaxCpuidEntries = 256;

    /// <summary>KVM_MAX_XCRS.</summary>
    public const int MaxXcrs = 16;

    /// <summary>IA32_XFD.</summary>
    public const uint MsrXfd = 0x1C4;

    /// <summary>IA32_XFD_ERR.</summary>
    public const uint MsrXfdErr = 0x1C5;

    /// <summary>IA32_XSS.</summary>
    public const uint MsrXss = 0xDA0;

    private const ulong LongModeBits = 1 << 8 | 1 << 10;
    private const Cr0 PowerUpCr0 = Cr0.CacheDisable | Cr0.NotWriteThrough | Cr0.ExtensionType;

    private readonly KvmModelMachine _machine;
    private readonly LinuxHost _host;
    private readonly FpState _state;
    private readonly Dictionary<uint, ulong> _cet = [];
    private CpuidTable _cpuid = CpuidTable.Empty;
    private bool _hasCpuid;
    private bool _hasRun;
    private StateComponentSet _guestXcr0;
    private StateComponentSet _enabled;
    private uint _pkru;
    private ulong _xfdErr;
    private HostProcessor? _processor;
    private KvmControlRegisters _control = new((ulong)PowerUpCr0, 0, 0, 0);

    internal KvmModelVcpu(KvmModelMachine machine)
    {
        _machine = machine;
        _host = machine.Host;
        _state = new FpState(_host);
        _enabled = _host.DefaultUserFeatures;
        UabiLength = KvmModelMachine.XsaveLength;
    }

    /// <summary>The kernel's buffer.</summary>
    public FpState State => _state;

    /// <summary>XCR0 of the guest.</summary>
    public StateComponentSet Xcr0 { get; private set; } = StateComponentSet.Of(StateComponent.X87);

    /// <summary>IA32_XSS of the guest.</summary>
    public StateComponentSet Xss { get; private set; }

    /// <summary>The guest's PKRU, which KVM keeps outside the buffer.</summary>
    public uint Pkru => _pkru;

    /// <summary>Components that the guest's CPUID and the host allow in XCR0 (<c>guest_supported_xcr0</c>).</summary>
    public StateComponentSet GuestXcr0 => _guestXcr0;

    /// <summary>Bytes that KVM_GET_XSAVE2 writes and KVM_SET_XSAVE reads (<c>uabi_size</c>).</summary>
    public int UabiLength { get; private set; }

    /// <summary>The guest's CPUID as last set, with the fields that the kernel keeps up to date.</summary>
    public CpuidTable Cpuid => AsSeen(_cpuid);

    private KernelBehavior Behavior => _host.Behavior;

    /// <inheritdoc/>
    public KvmReply SetCpuid2(ReadOnlySpan<CpuidEntry> entries)
    {
        if (entries.Length > MaxCpuidEntries)
        {
            return new KvmReply(Errno.E2BIG, new Refusal("XS0303", null, $"{entries.Length} CPUID entries; the kernel takes {MaxCpuidEntries}"));
        }

        ImmutableArray<CpuidEntry> copied = [.. entries];
        CpuidTable asked = new(copied);
        if (_hasRun && Behavior.Has(KernelDifference.KvmCpuidAfterRun))
        {
            // kvm_pvm too compares with what user space gives, although it rewrote that when it took it over.
            return CheckUnchanged(asked);
        }

        if (asked.TryRead(0x8000_0008, 0, out CpuidRegisters widths) && (widths.Eax >> 8 & 0xFF) is not (0 or 48 or 57))
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0304", null, $"leaf 0x80000008 gives {widths.Eax >> 8 & 0xFF} linear-address bits")
            {
                Leaf = "0x80000008.0.eax",
                Found = $"0x{widths.Eax:x}",
                Expected = "48 or 57 in bits 8 to 15",
            });
        }

        if (EnableDynamic(asked) is { } refusal)
        {
            return refusal;
        }

        if (Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            asked = new CpuidTable(PvmCpuid.Rewrite(copied, _host));
        }

        _cpuid = asked;
        _hasCpuid = true;
        _guestXcr0 = asked.UserComponents & _host.KvmXcr0;
        if (Behavior.Has(KernelDifference.KvmSetStrictCpuid))
        {
            // 5.17 to 6.5: what the guest's CPUID hides can no longer be set, and is trimmed because user_xfeatures shrank.
            _state.UserXfeatures = Behavior.Has(KernelDifference.KvmSetFpSseReject) ? _guestXcr0 : _guestXcr0 | StateComponentSet.Legacy;
        }

        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply GetCpuid2(out ImmutableArray<CpuidEntry> entries)
    {
        entries = Cpuid.Entries;
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply SetXsave(ReadOnlySpan<byte> image)
    {
        if (ProtectedReply() is { } reply)
        {
            return reply;
        }

        Span<byte> padded = UabiLength <= KvmModelMachine.XsaveLength ? stackalloc byte[KvmModelMachine.XsaveLength] : new byte[UabiLength];
        image[..Math.Min(image.Length, padded.Length)].CopyTo(padded);
        padded[Math.Min(image.Length, padded.Length)..].Clear();
        StateComponentSet xfeatures = new XsaveArea(padded).XstateBv;
        if (!_host.HasXsave)
        {
            return SetLegacyOnly(padded, xfeatures);
        }

        if (Behavior.Has(KernelDifference.KvmXsaveDynamic) && !Behavior.Has(KernelDifference.KvmSetXfdNm))
        {
            // b45f72177594 (6.19): bits that IA32_XFD disables are dropped before anything is checked.
            xfeatures = xfeatures.Except(_state.Xfd);
        }

        StateComponentSet foreign = xfeatures.Except(_host.KvmXcr0);
        if (!foreign.IsEmpty)
        {
            return ForeignToHost(xfeatures, foreign);
        }

        Refusal? refusal = Behavior.Has(KernelDifference.KvmGetRaw)
            ? RawXsave.CopyFromUser(_state, padded, ref _pkru, xfeatures)
            : UabiXstate.CopyFromUser(_state, padded, PkruRule.RegisterOrKeep, ref _pkru, xfeatures);
        return refusal is null ? KvmReply.Success : new KvmReply(Errno.EINVAL, refusal);
    }

    /// <inheritdoc/>
    public KvmReply GetXsave(out byte[] area)
    {
        area = [];
        if (UabiLength > KvmModelMachine.XsaveLength)
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0108", KernelDifferences.Get(KernelDifference.KvmXsaveDynamic).Id, $"the vCPU's state has {UabiLength} bytes, KVM_GET_XSAVE returns {KvmModelMachine.XsaveLength}")
            {
                Found = $"{UabiLength}",
                Expected = $"at most {KvmModelMachine.XsaveLength}",
                Since = "5.17",
            });
        }

        return CopyOut(KvmModelMachine.XsaveLength, ref area);
    }

    /// <inheritdoc/>
    public KvmReply GetXsave2(out byte[] area)
    {
        area = [];
        return Behavior.Has(KernelDifference.KvmXsaveDynamic)
            ? CopyOut(UabiLength, ref area)
            : new KvmReply(Errno.EINVAL, new Refusal("XS0111", null, "this kernel has no KVM_GET_XSAVE2") { Since = "5.17" });
    }

    /// <inheritdoc/>
    public KvmReply SetXcrs(uint count, uint flags, ReadOnlySpan<XcrEntry> entries)
    {
        if (!_host.HasXsave)
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0204", null, "the host has no XSAVE, so the guest has no XCR0"));
        }

        if (count > MaxXcrs || flags != 0)
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0203", null, $"nr_xcrs {count} and flags 0x{flags:x}")
            {
                Offset = count > MaxXcrs ? 0 : sizeof(uint),
                Found = count > MaxXcrs ? $"{count}" : $"0x{flags:x}",
                Expected = count > MaxXcrs ? $"at most {MaxXcrs}" : "0x0",
            });
        }

        for (int i = 0; i < count; i++)
        {
            // Entries that the caller did not fill are zeros in the structure.
            XcrEntry entry = i < entries.Length ? entries[i] : default;
            if (entry.Index == 0)
            {
                return SetXcr0(new StateComponentSet(entry.Value));
            }
        }

        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply GetXcrs(out ImmutableArray<XcrEntry> entries)
    {
        entries = _host.HasXsave ? [new XcrEntry(0, Xcr0.Bits)] : [];
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply SetMsr(uint index, ulong value, out int count)
    {
        Refusal? refusal = index switch
        {
            MsrXss => CheckXss(value),
            MsrXfd or MsrXfdErr => CheckXfd(index, value),
            _ when IsCet(index) => CheckCet(index, value),
            _ => new Refusal("XS0402", null, $"MSR 0x{index:x} is not modelled"),
        };
        count = refusal is null ? 1 : 0;
        if (refusal is not null)
        {
            return new KvmReply(Errno.None, refusal);
        }

        switch (index)
        {
            case MsrXss:
                Xss = new StateComponentSet(value);
                break;
            case MsrXfd:
                _state.Xfd = new StateComponentSet(value);
                if (!Behavior.Has(KernelDifference.KvmSetXfdNm))
                {
                    // b45f72177594: a component that becomes disabled leaves the buffer at once.
                    _state.Xfeatures = _state.Xfeatures.Except(_state.Xfd);
                }

                break;
            case MsrXfdErr:
                _xfdErr = value;
                break;
            default:
                _cet[index] = value;
                break;
        }

        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply GetMsr(uint index, out int count, out ulong value)
    {
        (count, value) = index switch
        {
            MsrXss => (1, Xss.Bits),
            MsrXfd when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, _state.Xfd.Bits),
            MsrXfdErr when Behavior.Has(KernelDifference.KvmXsaveDynamic) => (1, _xfdErr),
            _ when IsCet(index) && CheckCet(index, 0) is null => (1, _cet.GetValueOrDefault(index)),
            _ => (0, 0UL),
        };
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    /// <remarks>Of CR4 the bits of extended state are checked against the guest's CPUID; all other bits are stored as given.</remarks>
    public KvmReply SetControlRegisters(KvmControlRegisters registers)
    {
        Cr4 cr4 = (Cr4)registers.Cr4;
        CpuidTable offered = (!_hasCpuid && Behavior.Has(KernelDifference.KvmCr4NoCpuid)) || Behavior.Has(KernelDifference.KvmPvmHostCpuid) ? _host.Record.Cpuid : _cpuid;
        bool xsave = (offered.Read(1).Ecx >> 26 & 1) != 0 && _host.HasXsave;
        bool keys = (offered.Read(7).Ecx >> 3 & 1) != 0 && _host.UserFeatures.Contains(StateComponent.Pkru);
        Cr4 foreign = (xsave ? Cr4.None : cr4 & Cr4.OsXsave) | (keys ? Cr4.None : cr4 & Cr4.ProtectionKeys);
        if (foreign != Cr4.None)
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0306", null, $"CR4 0x{registers.Cr4:x} has {foreign}, which the guest's CPUID does not offer")
            {
                Found = $"0x{registers.Cr4:x}",
                Expected = $"no bit of 0x{(ulong)foreign:x}",
            });
        }

        // A record of a host without the extended leaves says nothing of LM.
        bool hidden = HasLongMode(_host.Record.Cpuid) && !HasLongMode(_cpuid) && !Behavior.Has(KernelDifference.KvmPvmHostCpuid);
        if (hidden && (registers.Efer & LongModeBits) != 0 && Behavior.Has(KernelDifference.KvmEferNeedsCpuid))
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0306", KernelDifferences.Get(KernelDifference.KvmEferNeedsCpuid).Id, $"EFER 0x{registers.Efer:x} asks for long mode, which the guest's CPUID does not offer")
            {
                Found = $"0x{registers.Efer:x}",
                Expected = "bits 8 and 10 clear, or LM in leaf 0x80000001",
                Since = "6.12",
            });
        }

        _control = registers;
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply GetControlRegisters(out KvmControlRegisters registers)
    {
        registers = _control;
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply SetFpu(KvmFpu fpu)
    {
        ArgumentNullException.ThrowIfNull(fpu);
        if (_machine.Protection != GuestProtection.None)
        {
            return ProtectedReply() ?? KvmReply.Success;
        }

        fpu.StoreTo(_state.Legacy);
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public KvmReply GetFpu(out KvmFpu fpu)
    {
        fpu = new KvmFpu();
        if (_machine.Protection != GuestProtection.None)
        {
            return ProtectedReply() ?? KvmReply.Success;
        }

        fpu = KvmFpu.LoadFrom(_state.Legacy);
        return KvmReply.Success;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    // 5.17: equal to what is in force, both with the fields that KVM keeps up to date.
    private KvmReply CheckUnchanged(CpuidTable asked)
    {
        bool isSame = !Behavior.Has(KernelDifference.KvmCpuidNoRepeat) && AsSeen(asked).Entries.SequenceEqual(Cpuid.Entries);
        KernelDifference difference = Behavior.Has(KernelDifference.KvmCpuidNoRepeat) ? KernelDifference.KvmCpuidNoRepeat : KernelDifference.KvmCpuidAfterRun;
        return isSame
            ? KvmReply.Success
            : new KvmReply(Errno.EINVAL, new Refusal("XS0302", KernelDifferences.Get(difference).Id, "the guest has run, so that its CPUID is fixed") { Since = "5.16" });
    }

    private CpuidTable AsSeen(CpuidTable table) => RuntimeCpuid.Of(table, (Cr4)_control.Cr4, Xcr0, Xss, _host.Layout);

    private KvmReply? EnableDynamic(CpuidTable asked)
    {
        if (!Behavior.Has(KernelDifference.KvmXsaveDynamic) || !asked.UserComponents.Contains(StateComponent.TileData) || _enabled.Contains(StateComponent.TileData))
        {
            return null;
        }

        if (!_machine.Permitted.Contains(StateComponent.TileData))
        {
            return new KvmReply(Errno.EPERM, new Refusal("XS0301", KernelDifferences.Get(KernelDifference.KvmXsaveDynamic).Id, "CPUID 0xD.0 has tile data (bit 18) without the process's guest permission")
            {
                Leaf = "0xd.0.eax",
                Found = asked.UserComponents.ToString(),
                Expected = "no bit 18, or ARCH_REQ_XCOMP_GUEST_PERM before the first vCPU",
                Since = "5.17",
            });
        }

        // The kernel allocates a larger buffer and does not copy the old one: whatever was set before is initial again.
        _state.Reset();
        _state.Legacy.Clear();
        _enabled = _enabled.With(StateComponent.TileData);
        _state.UserXfeatures = _state.UserXfeatures.With(StateComponent.TileData);
        UabiLength = Math.Max(KvmModelMachine.XsaveLength, _host.Layout.StandardLengthFor(_enabled));
        return null;
    }

    private KvmReply? ProtectedReply()
    {
        if (_machine.Protection == GuestProtection.None)
        {
            return null;
        }

        return _machine.Protection == GuestProtection.ProtectedState && Behavior.Has(KernelDifference.KvmProtectedEinval)
            ? new KvmReply(Errno.EINVAL, new Refusal("XS0109", KernelDifferences.Get(KernelDifference.KvmProtectedEinval).Id, "the VM type has protected state") { Since = "6.10" })
            : KvmReply.Success;
    }

    private KvmReply ForeignToHost(StateComponentSet xfeatures, StateComponentSet foreign) =>
        new(Errno.EINVAL, new Refusal("XS0102", null, $"XSTATE_BV {xfeatures} has {foreign.Describe()}, which this host's KVM does not support")
        {
            Offset = XsaveFormat.XstateBvOffset,
            Found = xfeatures.ToString(),
            Expected = $"no bit outside {_host.KvmXcr0}",
            Since = "all kernels",
        });

    // Hosts without XSAVE take the FXSAVE image; the header may name x87 and SSE only.
    private KvmReply SetLegacyOnly(ReadOnlySpan<byte> image, StateComponentSet xfeatures)
    {
        if (!StateComponentSet.Legacy.ContainsAll(xfeatures))
        {
            return new KvmReply(Errno.EINVAL, new Refusal("XS0204", null, $"XSTATE_BV {xfeatures} on a host without XSAVE")
            {
                Offset = XsaveFormat.XstateBvOffset,
                Found = xfeatures.ToString(),
                Expected = "no bit outside 0x3",
            });
        }

        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[XsaveFormat.MxcsrOffset..]);
        if (UabiXstate.CheckMxcsr(mxcsr, _host, "all kernels") is { } refusal)
        {
            return new KvmReply(Errno.EINVAL, refusal);
        }

        image[..XsaveFormat.LegacyLength].CopyTo(_state.Legacy);
        _state.Xfeatures = StateComponentSet.Legacy;
        return KvmReply.Success;
    }

    private KvmReply CopyOut(int length, ref byte[] area)
    {
        if (ProtectedReply() is { } reply)
        {
            area = reply.IsSuccess ? new byte[length] : [];
            return reply;
        }

        area = new byte[length];
        if (!_host.HasXsave)
        {
            _state.Legacy.CopyTo(area);
            BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), StateComponentSet.Legacy.Bits);
        }
        else if (Behavior.Has(KernelDifference.KvmGetRaw))
        {
            RawXsave.CopyToUser(_state, area, _guestXcr0 | StateComponentSet.Legacy, _pkru);
        }
        else
        {
            UabiXstate.CopyToUser(_state, area, AllowedOut(), _pkru);
        }

        return KvmReply.Success;
    }

    // 6.6: trimming happens here. 5.16 did not trim; 5.17 to 6.5 trimmed through user_xfeatures.
    private StateComponentSet AllowedOut() =>
        Behavior.Has(KernelDifference.KvmGetNoTrim) || Behavior.Has(KernelDifference.KvmSetStrictCpuid)
            ? new StateComponentSet(ulong.MaxValue)
            : _guestXcr0 | StateComponentSet.Legacy;

    private KvmReply SetXcr0(StateComponentSet value)
    {
        if (KvmXcr0Rules.Check(value, _guestXcr0.With(StateComponent.X87)) is { } refusal)
        {
            return new KvmReply(Errno.EINVAL, refusal);
        }

        Xcr0 = value;
        return KvmReply.Success;
    }

    private Refusal? CheckXss(ulong value)
    {
        StateComponentSet wanted = new(value);
        StateComponentSet allowed = _host.KvmXss & _cpuid.SupervisorComponents;
        bool hasXsaves = (_cpuid.Read(CpuidTable.XsaveLeaf, 1).Eax >> 3 & 1) != 0;
        if (allowed.ContainsAll(wanted) && (wanted.IsEmpty || hasXsaves))
        {
            return null;
        }

        KernelDifference difference = Behavior.Has(KernelDifference.KvmXssZero) ? KernelDifference.KvmXssZero : KernelDifference.KvmXssNeedsCpuid;
        return new Refusal("XS0402", KernelDifferences.Get(difference).Id, $"IA32_XSS {wanted}: this vCPU takes {allowed}")
        {
            Found = wanted.ToString(),
            Expected = $"no bit outside {allowed}",
            Since = KernelDifferences.Get(difference).Affected,
        };
    }

    private static bool HasLongMode(CpuidTable cpuid) => (cpuid.Read(0x8000_0001).Edx >> 29 & 1) != 0;

    private static bool IsCet(uint index) => StateMsrs.Find(index)?.Component is StateComponent.CetU or StateComponent.CetS;

    // CET MSRs exist with KVM's support for their component (6.18) and one of the two features in the guest's CPUID.
    private Refusal? CheckCet(uint index, ulong value)
    {
        StateMsr msr = StateMsrs.Find(index)!;
        bool exists = _host.KvmXss.Contains(msr.Component) && StateComponents.Get(msr.Component).Features.Any(feature => feature.IsIn(_cpuid));
        return exists && msr.Accepts(ProcessorProfile.FromCpuid(_cpuid), value)
            ? null
            : new Refusal("XS0402", KernelDifferences.Get(KernelDifference.KvmXssZero).Id, $"{msr.Name} value 0x{value:x}: {(exists ? "not a value of this register" : "this vCPU has no CET")}");
    }

    private Refusal? CheckXfd(uint index, ulong value)
    {
        StateComponentSet allowed = _guestXcr0 & StateComponentSet.Of(StateComponent.TileData);
        return Behavior.Has(KernelDifference.KvmXsaveDynamic) && allowed.ContainsAll(new StateComponentSet(value))
            ? null
            : new Refusal("XS0402", KernelDifferences.Get(KernelDifference.KvmXsaveDynamic).Id, $"MSR 0x{index:x} value 0x{value:x}: this vCPU takes {allowed}") { Found = $"0x{value:x}", Expected = $"no bit outside {allowed}" };
    }
}
