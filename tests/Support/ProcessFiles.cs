using System.Buffers.Binary;
using System.Text;

namespace Xstate.Tests.Support;

/// <summary>
/// Cores and dumps as the writers seen in the wild leave them, of threads whose registers come from a seed: the kernel with and without a
/// shadow stack and an XSAVE note, Delve, NetBSD, OpenBSD, valgrind, createdump, kernel dumps, QEMU's memory dumps and minidumps.
/// </summary>
internal static class ProcessFiles
{
    public const int ThreadId = 100;
    public const ulong ShadowStackPointer = 0x7FFF_F6BF_F7E8;

    // AVX, opmask, both ZMM parts and PKRU where Intel has them.
    private static readonly (int Component, int Size, int Offset)[] IntelLayout = [(2, 256, 576), (5, 64, 1088), (6, 512, 1152),
        (7, 1024, 1664), (9, 8, 2688)];

    /// <summary>An area of 2,696 bytes with XCR0 0x2e7, in which x87, SSE and AVX are in use.</summary>
    public static byte[] WideArea(ulong seed) => Area(seed, 0x2E7, 7, 2696);

    /// <summary>An area of 832 bytes with XCR0 7, all of it in use.</summary>
    public static byte[] AvxArea(ulong seed) => Area(seed, 7, 7, 832);

    /// <summary>The FXSAVE image of an area, as NT_FPREGSET has it.</summary>
    public static byte[] Fxsave(byte[] area)
    {
        byte[] image = new byte[512];
        area.AsSpan(0, 416).CopyTo(image);
        return image;
    }

    public static byte[] WithShadowStack(byte[] area, ulong pointer) => Kernel(area)
        .Note("LINUX", 0x204, Word(pointer)).Layout(IntelLayout).Build();

    /// <summary>A thread as the kernel writes it, without a layout note.</summary>
    public static CoreBuilder Kernel(byte[] area) => new CoreBuilder().Thread(ThreadId, 11).FpRegisters(Fxsave(area)).Area(area);

    /// <summary>Only NT_FPREGSET, as writers without XSAVE leave it.</summary>
    public static byte[] FxsaveOnly(byte[] area) => new CoreBuilder().Thread(ThreadId, 11).FpRegisters(Fxsave(area)).Build();

    /// <summary>Delve: owners are empty, and zeros of PTRACE_GETFPREGS cover the software bytes, XCR0 included.</summary>
    public static byte[] Delve(byte[] area)
    {
        byte[] zeroed = [.. area];
        zeroed.AsSpan(464, 48).Clear();
        byte[] status = new byte[336];
        BinaryPrimitives.WriteInt32LittleEndian(status.AsSpan(32), ThreadId);
        return new CoreBuilder().Note("Delve Header"u8.ToArray(), 0x444C_5645, [(byte)'x']).Note([], 3, new byte[136]).Note([], 1, status)
            .Note([], 0x202, zeroed).Build();
    }

    public static byte[] NetBsd(params IReadOnlyList<byte[]> threads)
    {
        byte[] process = new byte[160];
        BinaryPrimitives.WriteInt32LittleEndian(process, 1);
        BinaryPrimitives.WriteInt32LittleEndian(process.AsSpan(4), 160);
        BinaryPrimitives.WriteInt32LittleEndian(process.AsSpan(8), 6);
        "daemon"u8.CopyTo(process.AsSpan(124));
        CoreBuilder core = new CoreBuilder().Note("NetBSD-CORE", 1, process);
        for (int i = 0; i < threads.Count; i++)
        {
            core.Note($"NetBSD-CORE@{i + 1}", 33, new byte[208]).Note($"NetBSD-CORE@{i + 1}", 35, Fxsave(threads[i]));
        }

        return core.Build();
    }

    public static byte[] OpenBsd(byte[] area) =>
        new CoreBuilder().Note("OpenBSD", 10, new byte[72]).Note("OpenBSD@7", 20, new byte[208]).Note("OpenBSD@7", 21, Fxsave(area))
        .Build();

    /// <summary>valgrind fills XMM registers only.</summary>
    public static byte[] Valgrind(byte[] area)
    {
        byte[] image = Fxsave(area);
        image.AsSpan(0, 160).Clear();
        return new CoreBuilder().Note("CORE", 3, new byte[136]).Thread(ThreadId).FpRegisters(image).Build();
    }

    /// <summary>createdump writes what belongs to the process before its threads.</summary>
    public static byte[] CreateDump(byte[] area) =>
        new CoreBuilder().Note("CORE", 3, new byte[136]).Auxv((6, 4096)).Note("CORE", 0x4649_4C45, new byte[16]).Thread(ThreadId)
        .FpRegisters(Fxsave(area)).Build();

    /// <summary>A kernel's crash dump, with a thread for each processor.</summary>
    public static byte[] VmCore(int processors)
    {
        CoreBuilder core = new();
        for (int i = 0; i < processors; i++)
        {
            core.Thread(i * 7);
        }

        return core.Note("VMCOREINFO", 0, Encoding.ASCII.GetBytes($"OSRELEASE=6.{processors}.0\n")).Build();
    }

    /// <summary>A guest's memory as QEMU dumps it, with QEMU's own note for each processor.</summary>
    public static byte[] QemuMemory(int processors)
    {
        byte[] state = new byte[440];
        BinaryPrimitives.WriteInt32LittleEndian(state, 1);
        BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan(4), 440);
        CoreBuilder core = new();
        for (int i = 1; i <= processors; i++)
        {
            core.Thread(i);
        }

        for (int i = 0; i < processors; i++)
        {
            core.Note("QEMU", 0, state);
        }

        return core.Build();
    }

    /// <summary>The header of a minidump without any stream.</summary>
    public static byte[] EmptyMinidump(ushort implementation)
    {
        byte[] file = new byte[32];
        "MDMP"u8.CopyTo(file);
        Put(file, 4, 0xA793 | (uint)implementation << 16, 0, 32);
        return file;
    }

    /// <summary>A minidump with the threads of these ids, each with a CONTEXT.</summary>
    public static byte[] Minidump(params IReadOnlyList<(int Id, byte[] Context)> threads)
    {
        const int Streams = 2;
        int systemAt = 32 + (Streams * 12);
        int listAt = systemAt + 56;
        int contextsAt = listAt + 4 + (threads.Count * 48);
        byte[] file = new byte[contextsAt + threads.Sum(thread => thread.Context.Length)];
        "MDMP"u8.CopyTo(file);
        Put(file, 4, 0xA793, Streams, 32);
        Put(file, 32, 7, 56, (uint)systemAt, 3, (uint)(4 + (threads.Count * 48)), (uint)listAt);
        file[systemAt] = 9;
        Put(file, listAt, (uint)threads.Count);
        int at = contextsAt;
        for (int i = 0; i < threads.Count; i++)
        {
            int thread = listAt + 4 + (i * 48);
            Put(file, thread, (uint)threads[i].Id);
            Put(file, thread + 40, (uint)threads[i].Context.Length, (uint)at);
            threads[i].Context.CopyTo(file, at);
            at += threads[i].Context.Length;
        }

        return file;
    }

    /// <summary>CONTEXT with x87 and SSE of an area.</summary>
    public static byte[] Context(byte[] area)
    {
        byte[] context = new byte[1232];
        Put(context, 0x30, 0x10_000B);
        area.AsSpan(24, 4).CopyTo(context.AsSpan(0x34));
        Fxsave(area).CopyTo(context, 0x100);
        return context;
    }

    /// <summary>CONTEXT, CONTEXT_EX and a compacted XSAVE state of components from 2 up.</summary>
    /// <param name="area">x87 and SSE.</param>
    /// <param name="used">XSTATE_BV.</param>
    /// <param name="inImage">The components that have a place.</param>
    /// <param name="bytes">The components' bytes, in their order.</param>
    public static byte[] Context(byte[] area, ulong used, ulong inImage, byte[] bytes)
    {
        byte[] legacy = Context(area);
        byte[] context = new byte[1232 + 32 + 64 + bytes.Length];
        legacy.CopyTo(context, 0);
        Put(context, 0x30, 0x10_004B);
        Put(context, 1232, unchecked((uint)-1232), (uint)context.Length, unchecked((uint)-1232), 1232, 32, (uint)(64 + bytes.Length));
        BinaryPrimitives.WriteUInt64LittleEndian(context.AsSpan(1264), used);
        BinaryPrimitives.WriteUInt64LittleEndian(context.AsSpan(1272), inImage | 1UL << 63);
        bytes.CopyTo(context, 1328);
        return context;
    }

    private static byte[] Area(ulong seed, ulong xcr0, ulong used, int length)
    {
        SplitMix64 random = new(seed);
        byte[] area = new byte[length];
        random.Fill(area.AsSpan(32, 384));
        random.Fill(area.AsSpan(576, 256));
        for (int slot = 32; slot < 160; slot += 16)
        {
            area.AsSpan(slot + 10, 6).Clear();
        }

        BinaryPrimitives.WriteUInt16LittleEndian(area, 0x27F);
        area[4] = (byte)random.Next();
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), 0x3FA0);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(28), 0xFFFF);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(464), xcr0);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), used);
        return area;
    }

    private static byte[] Word(ulong value)
    {
        byte[] bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    private static void Put(byte[] bytes, int at, params ReadOnlySpan<uint> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + (4 * i)), values[i]);
        }
    }
}
