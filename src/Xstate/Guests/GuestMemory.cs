using System.Buffers.Binary;
using Xstate.Processor;

namespace Xstate.Guests;

/// <summary>Guest memory as code reaches it: through the page tables that lie in it and through protection keys, or directly in real mode. Nothing is cached, so there is no TLB to flush.</summary>
internal sealed class GuestMemory(ProcessorState cpu, byte[] memory)
{
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

    /// <summary>Set once code reaches for a physical address behind memory: a device's, for a hypervisor.</summary>
    public bool LeftMemory { get; private set; }

    /// <summary>Reads up to eight bytes.</summary>
    public Fault Read(ulong address, int size, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Clear();
        Fault fault = Read(address, bytes[..size]);
        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return fault;
    }

    /// <summary>Writes up to eight bytes.</summary>
    public Fault Write(ulong address, int size, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Write(address, bytes[..size]);
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

    /// <summary>As many of some bytes as can be reached from an address on; when there are fewer, the fault of the next.</summary>
    public Fault Accessible(ulong address, int length, AccessKind kind, out Span<byte> window)
    {
        window = [];
        if (cpu.Is64BitMode && !cpu.Profile.IsCanonical(address))
        {
            return Fault.GeneralProtection;
        }

        int reached = 0;
        ulong start = 0;
        while (reached < length)
        {
            ulong linear = address + (ulong)reached;
            Fault fault = Translate(linear, kind, out ulong physical);
            start = reached == 0 ? physical : start;

            // The layout maps one to one; tables that code made otherwise end the window, and an access across such a border is not modelled.
            bool outside = physical >= (ulong)memory.Length || physical != start + (ulong)reached;
            if (fault.IsFault || outside)
            {
                LeftMemory |= !fault.IsFault;
                window = memory.AsSpan((int)Math.Min(start, (ulong)memory.Length), reached);
                return fault.IsFault ? fault : Fault.PageFault(PageFaultErrors.None, linear);
            }

            reached += PageLength - (int)(linear % PageLength);
        }

        window = memory.AsSpan((int)start, Math.Min(length, memory.Length - (int)start));
        return Fault.None;
    }

    private Fault Translate(ulong linear, AccessKind kind, out ulong physical)
    {
        physical = linear;
        if (!cpu.Is64BitMode)
        {
            return Fault.None;
        }

        bool user = cpu.Cpl == 3;
        bool userPage = true;
        bool writable = true;
        ulong table = Cr3 & AddressMask;
        ulong entry = 0;
        int shift = 39;
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
                return PageFault(kind, user, linear, PageFaultErrors.None);
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
        bool writeBinds = user || (cpu.Cr0 & Cr0.WriteProtect) != Cr0.None;
        return (user && !userPage) || (kind == AccessKind.Write && writeBinds && !writable)
            ? PageFault(kind, user, linear, PageFaultErrors.Present)
            : ProtectionKeys.Check(cpu, new PageAccess(userPage, (int)(entry >> KeyShift & 0xF), kind, user, linear));
    }

    private static Fault PageFault(AccessKind kind, bool user, ulong linear, PageFaultErrors errors) => Fault.PageFault(
        errors | (kind == AccessKind.Write ? PageFaultErrors.Write : PageFaultErrors.None) | (user ? PageFaultErrors.User : PageFaultErrors.None), linear);
}
