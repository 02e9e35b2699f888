using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>One virtual CPU. Its buffers are sized here, so that no caller can hand the kernel one that is too small.</summary>
/// <threadsafety>One thread at a time: KVM takes the calls of a virtual CPU in turn.</threadsafety>
[SupportedOSPlatform("linux")]
public sealed class KvmVcpu : IDisposable
{
    private const int LegacyXsaveLength = 4096;
    private const int XcrsLength = 392;
    private const int XcrsHeaderLength = 8;
    private const int XcrEntryLength = 16;
    private const int MaxXcrs = 16;
    private const int MsrsHeaderLength = 8;
    private const int MsrEntryLength = 16;
    private const int MsrsLength = MsrsHeaderLength + MsrEntryLength;
    private const int OneRegisterLength = 16;

    // KVM defines one register of its own for x86 so far.
    private const int ListedRegisters = 64;

    private readonly SafeFileHandle _file;
    private readonly int _xsaveLength;
    private readonly bool _hasXsave2;
    private readonly Lazy<VcpuRunPage> _runPage;

    internal KvmVcpu(SafeFileHandle file, int xsave2Size, int runPageLength)
    {
        _file = file;

        // KVM_SET_XSAVE reads and KVM_GET_XSAVE2 writes what the vCPU's buffer holds, which is at most KVM_CAP_XSAVE2 of the VM. That
        // number is final here: the first vCPU of a process locks its permission for dynamic components.
        _xsaveLength = Math.Max(LegacyXsaveLength, xsave2Size);
        _hasXsave2 = xsave2Size != 0;
        _runPage = new Lazy<VcpuRunPage>(() => new VcpuRunPage(_file, runPageLength));
    }

    /// <summary>KVM_SET_CPUID2.</summary>
    /// <exception cref="KvmException">E2BIG for more than 256 entries, EPERM for AMX without permission, EINVAL.</exception>
    public void SetCpuid2(ReadOnlySpan<CpuidEntry> entries) => KvmIoctl.Check(TrySetCpuid2(entries), "KVM_SET_CPUID2");

    /// <summary>KVM_GET_CPUID2.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public CpuidTable GetCpuid2()
    {
        KvmIoctl.Check(TryGetCpuid2(out ImmutableArray<CpuidEntry> entries), "KVM_GET_CPUID2");
        return new CpuidTable(entries);
    }

    /// <summary>KVM_SET_XSAVE: loads a standard-format image in the layout of this host. A shorter image is padded with zeros.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image is longer than the call reads and has bytes there that are not
    /// zero.</exception>
    /// <exception cref="KvmException">EINVAL: the kernel refused the image.</exception>
    public void SetXsave(ReadOnlySpan<byte> image) => KvmIoctl.Check(TrySetXsave(image), "KVM_SET_XSAVE");

    /// <summary>KVM_SET_XSAVE, with the kernel's refusal as the result.</summary>
    /// <inheritdoc cref="SetXsave"/>
    /// <returns>EINVAL: the kernel refused the image.</returns>
    public Errno TrySetXsave(ReadOnlySpan<byte> image) =>
        image.Length > _xsaveLength && image[_xsaveLength..].ContainsAnyExcept((byte)0)
            ? throw new ArgumentOutOfRangeException(nameof(image), image.Length,
                $"KVM reads {_xsaveLength} bytes; the image has state behind them")
            : SetWhatKvmReads(image);

    /// <summary>Bytes of the whole image: 4096, or what KVM_CAP_XSAVE2 of the VM says where that is more.</summary>
    public int XsaveImageLength => _xsaveLength;

    /// <summary>The whole image in standard format: KVM_GET_XSAVE2 where the kernel has it (5.17), else KVM_GET_XSAVE.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public byte[] GetXsaveImage()
    {
        byte[] image = new byte[_xsaveLength];
        GetXsaveImage(image);
        return image;
    }

    /// <summary>As <see cref="GetXsaveImage()"/>, into memory of the caller's.</summary>
    /// <param name="destination">Receives the image; at least <see cref="XsaveImageLength"/> long.</param>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void GetXsaveImage(Span<byte> destination) =>
        KvmIoctl.Check(TryGetXsaveImage(destination), _hasXsave2 ? "KVM_GET_XSAVE2" : "KVM_GET_XSAVE");

    /// <summary>As <see cref="GetXsaveImage(Span{byte})"/>, with the kernel's refusal as the result.</summary>
    /// <inheritdoc cref="GetXsaveImage(Span{byte})"/>
    /// <returns>EINVAL where the guest's state is protected.</returns>
    public Errno TryGetXsaveImage(Span<byte> destination) =>
        destination.Length < _xsaveLength
            ? throw new ArgumentException($"{destination.Length} bytes, not the {_xsaveLength} of an image", nameof(destination))
            : KvmIoctl.Issue(_file, _hasXsave2 ? KvmRequest.GetXsave2 : KvmRequest.GetXsave, destination[.._xsaveLength]);

    /// <summary>KVM_GET_XSAVE: 4096 bytes in standard format.</summary>
    /// <exception cref="KvmException">EINVAL when the state is larger (AMX): use <see cref="GetXsave2"/>.</exception>
    public byte[] GetXsave()
    {
        KvmIoctl.Check(TryGetXsave(out byte[] area), "KVM_GET_XSAVE");
        return area;
    }

    /// <summary>KVM_GET_XSAVE2 (Linux 5.17): the whole state in standard format, as long as KVM_CAP_XSAVE2 of the VM says.</summary>
    /// <exception cref="KvmException">EINVAL on kernels without the call.</exception>
    public byte[] GetXsave2()
    {
        KvmIoctl.Check(TryGetXsave2(out byte[] area), "KVM_GET_XSAVE2");
        return area;
    }

    /// <summary>KVM_SET_XCRS with XCR0 alone.</summary>
    /// <exception cref="KvmException">EINVAL: a value that XSETBV would refuse, or that the guest's CPUID does not allow.</exception>
    public void SetXcr0(StateComponentSet value) => KvmIoctl.Check(TrySetXcrs(1, 0, [new XcrEntry(0, value.Bits)]), "KVM_SET_XCRS");

    /// <summary>KVM_GET_XCRS: XCR0, or null where the host has no XSAVE.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public StateComponentSet? GetXcr0()
    {
        KvmIoctl.Check(TryGetXcrs(out ImmutableArray<XcrEntry> entries), "KVM_GET_XCRS");
        return entries.IsEmpty ? null : new StateComponentSet(entries[0].Value);
    }

    /// <summary>KVM_SET_MSRS with one MSR. False when KVM did not take it.</summary>
    /// <exception cref="KvmException">The call itself failed.</exception>
    public bool SetMsr(uint index, ulong value)
    {
        KvmIoctl.Check(TrySetMsr(index, value, out int count), "KVM_SET_MSRS");
        return count == 1;
    }

    /// <summary>KVM_GET_MSRS with one MSR; null when KVM does not have it for this guest.</summary>
    /// <exception cref="KvmException">The call itself failed.</exception>
    public ulong? GetMsr(uint index)
    {
        KvmIoctl.Check(TryGetMsr(index, out int count, out ulong value), "KVM_GET_MSRS");
        return count == 1 ? value : null;
    }

    /// <summary>KVM_GET_REGS.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal KvmRegisters GetRegisters() => Get(KvmRequest.GetRegs, "KVM_GET_REGS", new KvmRegisters());

    /// <summary>KVM_SET_REGS.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal void SetRegisters(KvmRegisters registers) => Set(KvmRequest.SetRegs, "KVM_SET_REGS", registers);

    /// <summary>KVM_GET_SREGS.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal KvmSystemRegisters GetSystemRegisters() => Get(KvmRequest.GetSregs, "KVM_GET_SREGS", new KvmSystemRegisters());

    /// <summary>KVM_SET_SREGS.</summary>
    /// <exception cref="KvmException">EINVAL: a control register value that the guest's CPUID does not allow.</exception>
    internal void SetSystemRegisters(KvmSystemRegisters registers) => Set(KvmRequest.SetSregs, "KVM_SET_SREGS", registers);

    /// <summary>KVM_GET_FPU: x87 and XMM only.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public KvmFpu GetFpu()
    {
        KvmIoctl.Check(TryGetFpu(out KvmFpu fpu), "KVM_GET_FPU");
        return fpu;
    }

    /// <summary>
    /// KVM_SET_FPU: x87 and XMM only. Since 5.16 XSTATE_BV stays as it was, so that on a vCPU whose x87 and SSE are initial the call has no
    /// effect.
    /// </summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void SetFpu(KvmFpu fpu) => KvmIoctl.Check(TrySetFpu(fpu), "KVM_SET_FPU");

    /// <summary>KVM_GET_VCPU_EVENTS.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal KvmVcpuEvents GetEvents() => Get(KvmRequest.GetVcpuEvents, "KVM_GET_VCPU_EVENTS", new KvmVcpuEvents());

    /// <summary>KVM_SET_VCPU_EVENTS.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal void SetEvents(KvmVcpuEvents events) => Set(KvmRequest.SetVcpuEvents, "KVM_SET_VCPU_EVENTS", events);

    /// <summary>KVM_GET_MP_STATE.</summary>
    /// <exception cref="KvmException">EINVAL without an in-kernel interrupt controller on some kernels.</exception>
    internal KvmMpState GetMpState()
    {
        Span<byte> state = stackalloc byte[sizeof(uint)];
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.GetMpState, state), "KVM_GET_MP_STATE");
        return (KvmMpState)BinaryPrimitives.ReadUInt32LittleEndian(state);
    }

    /// <summary>KVM_SET_MP_STATE.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    internal void SetMpState(KvmMpState value)
    {
        Span<byte> state = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(state, (uint)value);
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.SetMpState, state), "KVM_SET_MP_STATE");
    }

    /// <summary>KVM_RUN until the guest stops for a reason of its own.</summary>
    /// <exception cref="KvmException">The kernel refused; EINTR when a signal ended the run.</exception>
    public KvmExit Run()
    {
        KvmIoctl.Check(TryRun(immediateExit: false), "KVM_RUN");
        return ReadExit();
    }

    /// <summary>
    /// KVM_RUN with immediate_exit: KVM loads the guest's state into the processor and saves it again, and no instruction of the guest
    /// runs.
    /// </summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void RunImmediateExit() => KvmIoctl.Check(TryRunImmediateExit(), "KVM_RUN");

    /// <summary>Closes the virtual CPU.</summary>
    public void Dispose()
    {
        if (_runPage.IsValueCreated)
        {
            _runPage.Value.Dispose();
        }

        _file.Dispose();
    }

    /// <summary>KVM_SET_CPUID2, with the kernel's refusal as the result.</summary>
    public Errno TrySetCpuid2(ReadOnlySpan<CpuidEntry> entries) =>
        KvmIoctl.Issue(_file, KvmRequest.SetCpuid2, CpuidBuffer.ForEntries(entries));

    /// <summary>KVM_GET_CPUID2, with the kernel's refusal as the result.</summary>
    public Errno TryGetCpuid2(out ImmutableArray<CpuidEntry> entries, int room = CpuidBuffer.RoomyCount)
    {
        byte[] buffer = CpuidBuffer.ForAnswer(room);
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetCpuid2, buffer);
        entries = errno == Errno.None ? CpuidBuffer.Read(buffer) : [];
        return errno;
    }

    /// <summary>KVM_SET_XSAVE as the kernel sees it: bytes behind those that it reads do not exist for it.</summary>
    internal Errno SetWhatKvmReads(ReadOnlySpan<byte> image)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(_xsaveLength);
        try
        {
            Span<byte> read = buffer.AsSpan(0, _xsaveLength);
            int taken = Math.Min(image.Length, read.Length);
            image[..taken].CopyTo(read);
            read[taken..].Clear();
            return KvmIoctl.Issue(_file, KvmRequest.SetXsave, read);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    internal Errno TryGetXsave(out byte[] area)
    {
        area = new byte[LegacyXsaveLength];
        return EmptyWhenRefused(KvmIoctl.Issue(_file, KvmRequest.GetXsave, area), ref area);
    }

    internal Errno TryGetXsave2(out byte[] area)
    {
        area = new byte[_xsaveLength];
        return EmptyWhenRefused(KvmIoctl.Issue(_file, KvmRequest.GetXsave2, area), ref area);
    }

    internal Errno TrySetXcrs(uint count, uint flags, ReadOnlySpan<XcrEntry> entries)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entries.Length, MaxXcrs, nameof(entries));
        Span<byte> xcrs = stackalloc byte[XcrsLength];
        xcrs.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(xcrs, count);
        BinaryPrimitives.WriteUInt32LittleEndian(xcrs[4..], flags);
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> entry = xcrs.Slice(XcrsHeaderLength + (i * XcrEntryLength), XcrEntryLength);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, entries[i].Index);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], entries[i].Value);
        }

        return KvmIoctl.Issue(_file, KvmRequest.SetXcrs, xcrs);
    }

    internal Errno TryGetXcrs(out ImmutableArray<XcrEntry> entries)
    {
        entries = [];
        Span<byte> xcrs = stackalloc byte[XcrsLength];
        xcrs.Clear();
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetXcrs, xcrs);
        if (errno == Errno.None)
        {
            int count = Math.Min(BinaryPrimitives.ReadInt32LittleEndian(xcrs), MaxXcrs);
            ImmutableArray<XcrEntry>.Builder builder = ImmutableArray.CreateBuilder<XcrEntry>(count);
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> entry = xcrs.Slice(XcrsHeaderLength + (i * XcrEntryLength), XcrEntryLength);
                builder.Add(new XcrEntry(BinaryPrimitives.ReadUInt32LittleEndian(entry),
                    BinaryPrimitives.ReadUInt64LittleEndian(entry[8..])));
            }

            entries = builder.MoveToImmutable();
        }

        return errno;
    }

    internal Errno TrySetMsr(uint index, ulong value, out int count)
    {
        Span<byte> msrs = stackalloc byte[MsrsLength];
        FillMsr(msrs, index, value);
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.SetMsrs, msrs, out count);
        count = Math.Max(count, 0);
        return errno;
    }

    internal Errno TryGetMsr(uint index, out int count, out ulong value)
    {
        Span<byte> msrs = stackalloc byte[MsrsLength];
        FillMsr(msrs, index, 0);
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetMsrs, msrs, out count);
        value = errno == Errno.None && count == 1 ? BinaryPrimitives.ReadUInt64LittleEndian(msrs[16..]) : 0;
        count = Math.Max(count, 0);
        return errno;
    }

    /// <summary>KVM_SET_MSRS: how many of a list KVM took, from its beginning.</summary>
    public Errno TrySetMsrs(ReadOnlySpan<MsrEntry> entries, out int count)
    {
        byte[] msrs = new byte[MsrsHeaderLength + (entries.Length * MsrEntryLength)];
        BinaryPrimitives.WriteInt32LittleEndian(msrs, entries.Length);
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> entry = msrs.AsSpan(MsrsHeaderLength + (i * MsrEntryLength), MsrEntryLength);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, entries[i].Index);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], entries[i].Value);
        }

        Errno errno = KvmIoctl.Issue(_file, KvmRequest.SetMsrs, msrs, out count);
        count = Math.Max(count, 0);
        return errno;
    }

    /// <summary>KVM_GET_MSRS: the values of a list, as far as KVM has them, from its beginning.</summary>
    public Errno TryGetMsrs(ReadOnlySpan<uint> indices, out ImmutableArray<ulong> values)
    {
        byte[] msrs = new byte[MsrsHeaderLength + (indices.Length * MsrEntryLength)];
        BinaryPrimitives.WriteInt32LittleEndian(msrs, indices.Length);
        for (int i = 0; i < indices.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(msrs.AsSpan(MsrsHeaderLength + (i * MsrEntryLength)), indices[i]);
        }

        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetMsrs, msrs, out int count);
        ImmutableArray<ulong>.Builder read = ImmutableArray.CreateBuilder<ulong>();
        for (int i = 0; errno == Errno.None && i < count; i++)
        {
            read.Add(BinaryPrimitives.ReadUInt64LittleEndian(msrs.AsSpan(MsrsHeaderLength + (i * MsrEntryLength) + 8)));
        }

        values = read.ToImmutable();
        return errno;
    }

    internal Errno TrySetOneRegister(ulong id, ulong value) => OneRegister(KvmRequest.SetOneRegister, id, ref value);

    internal Errno TryGetOneRegister(ulong id, out ulong value)
    {
        value = 0;
        return OneRegister(KvmRequest.GetOneRegister, id, ref value);
    }

    internal Errno TryGetRegisterList(out ImmutableArray<ulong> ids)
    {
        byte[] list = new byte[sizeof(ulong) * (1 + ListedRegisters)];
        BinaryPrimitives.WriteUInt64LittleEndian(list, ListedRegisters);
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetRegisterList, list);
        int count = errno == Errno.None ? (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(list), ListedRegisters) : 0;
        ids = [.. MemoryMarshal.Cast<byte, ulong>(list.AsSpan(sizeof(ulong), count * sizeof(ulong)))];
        return errno;
    }

    /// <summary>KVM_SET_FPU, with the kernel's refusal as the result.</summary>
    public Errno TrySetFpu(KvmFpu fpu)
    {
        ArgumentNullException.ThrowIfNull(fpu);
        Span<byte> buffer = stackalloc byte[KvmFpu.Length];
        fpu.Write(buffer);
        return KvmIoctl.Issue(_file, KvmRequest.SetFpu, buffer);
    }

    /// <summary>KVM_GET_FPU, with the kernel's refusal as the result.</summary>
    public Errno TryGetFpu(out KvmFpu fpu)
    {
        Span<byte> buffer = stackalloc byte[KvmFpu.Length];
        buffer.Clear();
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetFpu, buffer);
        fpu = KvmFpu.Parse(buffer);
        return errno;
    }

    internal Errno TryGetSystemRegisters(out KvmSystemRegisters registers)
    {
        registers = new KvmSystemRegisters();
        return KvmIoctl.Issue(_file, KvmRequest.GetSregs, registers.Bytes);
    }

    internal Errno TrySetSystemRegisters(KvmSystemRegisters registers) => KvmIoctl.Issue(_file, KvmRequest.SetSregs, registers.Bytes);

    internal Errno TryRunImmediateExit()
    {
        Errno errno = TryRun(immediateExit: true);
        return errno == Errno.EINTR ? Errno.None : errno;
    }

    private static Errno EmptyWhenRefused(Errno errno, ref byte[] area)
    {
        if (errno != Errno.None)
        {
            area = [];
        }

        return errno;
    }

    // struct kvm_one_reg: the number, and where the value lies.
    private Errno OneRegister(uint request, ulong id, ref ulong value)
    {
        GCHandle place = GCHandle.Alloc(new[] { value }, GCHandleType.Pinned);
        try
        {
            Span<byte> register = stackalloc byte[OneRegisterLength];
            BinaryPrimitives.WriteUInt64LittleEndian(register, id);
            BinaryPrimitives.WriteUInt64LittleEndian(register[8..], (ulong)place.AddrOfPinnedObject());
            Errno errno = KvmIoctl.Issue(_file, request, register);
            value = ((ulong[])place.Target!)[0];
            return errno;
        }
        finally
        {
            place.Free();
        }
    }

    // struct kvm_msrs: count, padding, then index, reserved, value.
    private static void FillMsr(Span<byte> msrs, uint index, ulong value)
    {
        msrs.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(msrs, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(msrs[8..], index);
        BinaryPrimitives.WriteUInt64LittleEndian(msrs[16..], value);
    }

    /// <summary>How the last KVM_RUN ended.</summary>
    internal KvmExit ReadExit() => _runPage.Value.ReadExit();

    /// <summary>Answers an IN: every byte of the data that the kernel will take.</summary>
    internal void FillPortData(byte value) => _runPage.Value.FillPortData(value);

    internal Errno TryRun(bool immediateExit)
    {
        // Not repeated on EINTR: with immediate_exit that is the answer, and without it the caller decides what a signal means.
        _runPage.Value.SetImmediateExit(immediateExit);
        return LibC.ioctl(_file, KvmRequest.Run, 0) < 0 ? KvmIoctl.LastError() : Errno.None;
    }

    private T Get<T>(uint request, string name, T structure)
        where T : KvmStructure
    {
        KvmIoctl.Check(KvmIoctl.Issue(_file, request, structure.Bytes), name);
        return structure;
    }

    private void Set(uint request, string name, KvmStructure structure)
    {
        ArgumentNullException.ThrowIfNull(structure);
        KvmIoctl.Check(KvmIoctl.Issue(_file, request, structure.Bytes), name);
    }
}
