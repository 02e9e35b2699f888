using System.Buffers.Binary;
using Xstate.Processor;

namespace Xstate.Guests;

/// <summary>
/// Guest memory as code reaches it: through the page tables that lie in it and through protection keys, or directly in real mode. Nothing
/// is cached, so there is no TLB to flush.
/// </summary>
/// <param name="cpu">The processor.</param>
/// <param name="memory">Physical memory.</param>
/// <param name="flatAt">Where the memory lies linearly without any translation; null for a guest with page tables.</param>
internal sealed class GuestMemory(ProcessorState cpu, byte[] memory, ulong? flatAt = null)
{
    private const int FourLevelBits = 48;
    private const int FiveLevelBits = 57;
    private const int FourLevelShift = 39;
    private const int FiveLevelShift = 48;
    private const ulong AddressMask = 0x000F_FFFF_FFFF_F000;
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong LargePage = 0x80;
    private const int PageLength = 0x1000;
    private const int KeyShift = 59;

    /// <summary>Physical address of the highest page table.</summary>
    public ulong Cr3 { get; set; }

    /// <summary>Physical memory.</summary>
    public byte[] Bytes => memory;

    /// <summary>Whether EFLAGS.AC lets CPL 0 reach user pages in spite of CR4.SMAP.</summary>
    public bool ReachesUserPages { get; set; }

    /// <summary>Set once code reaches for a physical address behind memory: a device's, for a hypervisor.</summary>
    public bool LeftMemory { get; private set; }

    /// <summary>Reads up to eight bytes.</summary>
    public Fault Read(ulong address, int size, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Clear();
        Fault fault = Misaligned(address, size);
        fault = fault.IsFault ? fault : Read(address, bytes[..size]);
        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return fault;
    }

    /// <summary>Writes up to eight bytes.</summary>
    public Fault Write(ulong address, int size, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Fault fault = Misaligned(address, size);
        return fault.IsFault ? fault : Write(address, bytes[..size]);
    }

    public Fault Read(ulong address, Span<byte> destination)
    {
        Fault fault = Window(address, destination.Length, AccessKind.Read, out Span<byte> window);
        if (!fault.IsFault)
        {
            window.CopyTo(destination);
        }

        return fault;
    }

    public Fault Write(ulong address, ReadOnlySpan<byte> source)
    {
        Fault fault = Window(address, source.Length, AccessKind.Write, out Span<byte> window);
        if (!fault.IsFault)
        {
            source.CopyTo(window);
        }

        return fault;
    }

    /// <summary>Exactly some bytes at an address, or the fault of the first that cannot be reached.</summary>
    public Fault Window(ulong address, int length, AccessKind kind, out Span<byte> window)
    {
        Fault fault = Accessible(address, length, kind, out window);
        return window.Length >= length ? Fault.None : fault;
    }

    /// <summary>
    /// As many bytes of code as can be fetched from an address on; when there are fewer than asked for, the fault of the next.
    /// </summary>
    public Fault Fetch(ulong address, int length, out ReadOnlyMemory<byte> code)
    {
        Fault fault = Locate(address, length, AccessKind.Fetch, out int start, out int reached);
        code = memory.AsMemory(start, reached);
        return fault;
    }

    /// <summary>As many of some bytes as can be reached from an address on; when there are fewer, the fault of the next.</summary>
    public Fault Accessible(ulong address, int length, AccessKind kind, out Span<byte> window)
    {
        Fault fault = Locate(address, length, kind, out int start, out int reached);
        window = memory.AsSpan(start, reached);
        return fault;
    }

    private Fault Locate(ulong address, int length, AccessKind kind, out int start, out int reached)
    {
        (start, reached) = (0, 0);
        if (cpu.Is64BitMode && flatAt is null && !IsCanonical(address))
        {
            return Fault.GeneralProtection;
        }

        ulong first = 0;
        ulong last = 0;
        while (reached < length)
        {
            ulong linear = address + (ulong)reached;
            Fault fault = Translate(linear, kind, out ulong physical);
            first = reached == 0 ? physical : first;

            // The layout maps one to one; tables that code made otherwise end the window, and an access across such a border is not
            // modelled.
            bool outside = physical >= (ulong)memory.Length || physical != first + (ulong)reached;
            if (fault.IsFault || outside)
            {
                LeftMemory |= !fault.IsFault && flatAt is null;
                start = (int)Math.Min(first, (ulong)memory.Length);
                reached = Math.Min(reached, memory.Length - start);
                return fault.IsFault ? fault : Fault.PageFault(PageFaultErrors.None, linear);
            }

            last = physical + (ulong)PageLength - linear % PageLength;
            reached = (int)(last - first);
        }

        start = (int)first;
        reached = Math.Min(length, memory.Length - start);
        return Fault.None;
    }

    // CR4.LA57, not the processor's width, decides what is canonical.
    private bool IsCanonical(ulong address)
    {
        int unused = 64 - (HasFiveLevels ? FiveLevelBits : FourLevelBits);
        return (ulong)((long)(address << unused) >> unused) == address;
    }

    private bool HasFiveLevels => (cpu.Cr4 & Cr4.FiveLevelPaging) != Cr4.None;

    private Fault Misaligned(ulong address, int size) =>
        cpu.AlignmentCheck && address % (ulong)size != 0 ? Fault.AlignmentCheck : Fault.None;

    private Fault Translate(ulong linear, AccessKind kind, out ulong physical)
    {
        physical = linear - (flatAt ?? 0);
        if (!cpu.Is64BitMode || flatAt is not null)
        {
            return Fault.None;
        }

        bool user = cpu.Cpl == 3;
        bool userPage = true;
        bool writable = true;
        ulong table = Cr3 & AddressMask;
        ulong entry = 0;
        int shift = HasFiveLevels ? FiveLevelShift : FourLevelShift;
        for (; shift >= 12; shift -= 9)
        {
            ulong at = table + ((linear >> shift & 0x1FF) * sizeof(ulong));
            if (at > (ulong)(memory.Length - sizeof(ulong)))
            {
                LeftMemory = true;
                return Fault.PageFault(PageFaultErrors.None, linear);
            }

            entry = BinaryPrimitives.ReadUInt64LittleEndian(memory.AsSpan((int)at));
            if ((entry & Present) == 0)
            {
                return PageFault(kind, linear, PageFaultErrors.None);
            }

            userPage &= (entry & User) != 0;
            writable &= (entry & Writable) != 0;
            table = entry & AddressMask;
            if (shift is 21 or 30 && (entry & LargePage) != 0)
            {
                break;
            }
        }

        shift = Math.Max(shift, 12);
        ulong offsetMask = (1UL << shift) - 1;
        physical = entry & AddressMask & ~offsetMask | linear & offsetMask;
        PageAccess access = new(userPage, (int)(entry >> KeyShift & 0xF), kind, user, linear);
        return user && !userPage ? PageFault(kind, linear, PageFaultErrors.Present) : CheckRights(access, writable);
    }

    // SDM Vol. 3A, 4.6.1.
    private Fault CheckRights(PageAccess access, bool writable)
    {
        bool ofUser = access is { IsUserPage: true, IsUserAccess: false };
        bool binds = access.IsUserAccess || (cpu.Cr0 & Cr0.WriteProtect) != Cr0.None;
        bool refused = access.Kind switch
        {
            AccessKind.Fetch => ofUser && (cpu.Cr4 & Cr4.ExecutionPrevention) != Cr4.None,
            AccessKind.Write when binds && !writable => true,
            _ => ofUser && (cpu.Cr4 & Cr4.AccessPrevention) != Cr4.None && !ReachesUserPages,
        };
        return refused ? PageFault(access.Kind, access.Address, PageFaultErrors.Present) : ProtectionKeys.Check(cpu, access);
    }

    private Fault PageFault(AccessKind kind, ulong linear, PageFaultErrors errors)
    {
        bool tellsFetch = kind == AccessKind.Fetch && (cpu.Cr4 & Cr4.ExecutionPrevention) != Cr4.None;
        errors |= kind == AccessKind.Write ? PageFaultErrors.Write : PageFaultErrors.None;
        errors |= tellsFetch ? PageFaultErrors.Fetch : PageFaultErrors.None;
        return Fault.PageFault(errors | (cpu.Cpl == 3 ? PageFaultErrors.User : PageFaultErrors.None), linear);
    }
}
