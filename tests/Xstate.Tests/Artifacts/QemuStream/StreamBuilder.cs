using System.Text;
using System.Text.Json;

namespace Xstate.Tests.Artifacts.QemuStream;

/// <summary>One virtual CPU of a generated stream.</summary>
internal sealed record BuiltCpu(int Seed, ulong Xcr0, ulong XstateBv)
{
    /// <summary>Stored from physical R0 on, as TCG does.</summary>
    public bool PhysicalX87 { get; init; }

    public int Top { get; init; } = 6;

    public int InstanceId { get; init; }

    public int VectorBytes { get; init; } = 64;

    public bool Avx512 { get; init; }

    public bool Mpx { get; init; }

    public bool Amx { get; init; }

    public bool Apx { get; init; }

    public uint? Pkru { get; init; }

    public ulong? Xfd { get; init; }

    public ulong? Xss { get; init; }
}

/// <summary>
/// Writes streams of the shape that QEMU writes, with the registers of <see cref="SeededGuest"/>: header, configuration, RAM, devices, end,
/// description. Own work from the format's description; no byte comes from QEMU.
/// </summary>
internal sealed class StreamBuilder
{
    private readonly List<byte> _devices = [];
    private readonly List<Dictionary<string, object>> _descriptions = [];
    private uint _nextId = 1;

    public string Machine { get; init; } = "pc-i440fx-7.2";

    public bool WithFooters { get; init; } = true;

    /// <summary>A stream of TCG with one virtual CPU.</summary>
    public static byte[] Tcg(int seed = 5) => new StreamBuilder().Timer()
        .Cpu(new BuiltCpu(seed, 0x207, 0) { PhysicalX87 = true, VectorBytes = 32, Pkru = SeededGuest.Pkru }).Device("i8259", 0, 24)
        .Build(new byte[8192]);

    /// <summary>A stream of KVM with one virtual CPU.</summary>
    public static byte[] Kvm(int seed = 5) => new StreamBuilder().Timer().Cpu(new BuiltCpu(seed, 0xE7, 0xE7) { Avx512 = true })
        .Device("kvmclock", 0, 8).Device("i8259", 0, 24).Build(new byte[8192]);

    public StreamBuilder Timer() => Device("timer", 0, 24);

    /// <summary>A device of some bytes; the description can be made to lie about their number.</summary>
    public StreamBuilder Device(string name, uint instance, int length, int? described = null)
    {
        byte[] body = [.. Enumerable.Range(0, length).Select(i => (byte)(i * 7))];
        Dictionary<string, object> description = new()
        {
            ["name"] = name,
            ["instance_id"] = instance,
            ["vmsd_name"] = name,
            ["version"] = 1,
            ["fields"] = new object[] { Field("data", "buffer", described ?? length) }
        };
        return Section(name, instance, 1, body, description);
    }

    public StreamBuilder Cpu(BuiltCpu cpu)
    {
        List<byte> body = [];
        List<object> fields = [];
        MainFields(cpu, body, fields);
        List<object> subsections = [];
        Subsections(cpu, body, subsections);
        Dictionary<string, object> description = new()
        {
            ["name"] = "cpu",
            ["instance_id"] = cpu.InstanceId,
            ["vmsd_name"] = "cpu",
            ["version"] = 12,
            ["fields"] = fields,
            ["subsections"] = subsections
        };
        return Section("cpu", (uint)cpu.InstanceId, 12, [.. body], description);
    }

    /// <summary>The stream around RAM of any content.</summary>
    public byte[] Build(byte[] ram)
    {
        (byte[] head, byte[] tail) = BuildAround(ram.Length);
        return [.. head, .. ram, .. tail];
    }

    /// <summary>What comes before and after RAM of a length, which need not fit into memory.</summary>
    public (byte[] Head, byte[] Tail) BuildAround(long ramLength)
    {
        List<byte> head = [.. "QEVM"u8, .. U32(3), 7, .. U32((uint)Machine.Length), .. Encoding.ASCII.GetBytes(Machine), 1, .. U32(2), 3,
            .. "ram"u8, .. U32(0), .. U32(4), .. U64((ulong)ramLength)];
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            ["page_size"] = 4096,
            ["devices"] = _descriptions
        });
        List<byte> tail = [0x7E, .. U32(2), .. _devices, 0, 6, .. U32((uint)text.Length), .. text];
        return ([.. head], [.. tail]);
    }

    private StreamBuilder Section(string name, uint instance, uint version, byte[] body, Dictionary<string, object> description)
    {
        uint id = ++_nextId;
        _devices.AddRange([4, .. U32(id), (byte)name.Length, .. Encoding.ASCII.GetBytes(name), .. U32(instance), .. U32(version), .. body]);
        if (WithFooters)
        {
            _devices.AddRange([0x7E, .. U32(id)]);
        }

        _descriptions.Add(description);
        return this;
    }

    private static void MainFields(BuiltCpu cpu, List<byte> body, List<object> fields)
    {
        Add("env.regs", "uint64", 8, 16, new byte[128]);
        Add("env.hflags", "uint32", 4, null, new byte[4]);
        Add("env.fpuc", "uint16", 2, null, U16(SeededGuest.Fcw(cpu.Seed)));
        Add("env.fpus_vmstate", "uint16", 2, null, U16((ushort)(cpu.Top << 11)));
        Add("env.fptag_vmstate", "uint16", 2, null, U16((ushort)(1 << cpu.Top | 1 << (cpu.Top + 1) % 8)));
        Add("env.fpregs_format_vmstate", "uint16", 2, null, U16(0));
        byte[][] st = [.. Enumerable.Range(0, 8).Select(i => SeededGuest.St(cpu.Seed, cpu.PhysicalX87 ? (i + 8 - cpu.Top) % 8 : i))];
        Add("env.fpregs", "struct", 10, 8,
            [.. st.SelectMany(register => new byte[][] { [.. register[..8].Reverse()], [.. register[8..].Reverse()] })
                .SelectMany(part => part)]);
        Add("env.mxcsr", "uint32", 4, null, U32(SeededGuest.Mxcsr(cpu.Seed)));
        Add("env.xmm_regs[0]", "struct", 16, 16, Vectors(cpu, 0, 16, 0, 16));
        Add("env.efer", "uint64", 8, null, U64(0xD01));
        Add("env.xcr0", "uint64", 8, null, U64(cpu.Xcr0));
        Add("env.xstate_bv", "uint64", 8, null, U64(cpu.XstateBv));
        Add("env.xmm_regs[1]", "struct", 16, 16, Vectors(cpu, 0, 16, 16, 16));

        void Add(string name, string type, int size, int? count, byte[] bytes)
        {
            fields.Add(Field(name, type, size, count));
            body.AddRange(bytes);
        }
    }

    private static void Subsections(BuiltCpu cpu, List<byte> body, List<object> subsections)
    {
        if (cpu.Mpx)
        {
            byte[] bounds = [.. Enumerable.Range(0, 8).SelectMany(i => U64(0x1000_0000UL * ((ulong)i + 1)))];
            Add("cpu/mpx", (Field("env.bnd_regs", "struct", 16, 4), bounds), (Field("env.bndcs_regs.cfgu", "uint64", 8), U64(3)),
                (Field("env.bndcs_regs.sts", "uint64", 8), U64(5)), (Field("env.msr_bndcfgs", "uint64", 8), U64(1)));
        }

        if (cpu.Avx512)
        {
            byte[] masks = [.. Enumerable.Range(0, 8).SelectMany(i => U64(SeededGuest.Opmask(cpu.Seed, i)))];
            Add("cpu/avx512", (Field("env.opmask_regs", "uint64", 8, 8), masks), (Field("env.xmm_regs[0]", "struct", 32, 16),
                Vectors(cpu, 0, 16, 32, 32)), (Field("env.xmm_regs[1]", "struct", 64, 16), Vectors(cpu, 16, 16, 0, 64)));
        }

        if (cpu.Xss is { } xss)
        {
            Add("cpu/xss", (Field("env.xss", "uint64", 8), U64(xss)));
        }

        if (cpu.Pkru is { } pkru)
        {
            Add("cpu/pkru", (Field("env.pkru", "uint32", 4), U32(pkru)));
        }

        if (cpu.Xfd is { } xfd)
        {
            Add("cpu/msr_xfd", (Field("env.msr_xfd", "uint64", 8), U64(xfd)), (Field("env.msr_xfd_err", "uint64", 8), U64(0)));
        }

        if (cpu.Amx)
        {
            Add("cpu/intel_amx_xtile", (Field("env.xtilecfg", "uint8", 1, 64), [1, .. new byte[63]]),
                (Field("env.xtiledata", "uint8", 1, 8192), [.. Enumerable.Range(0, 8192).Select(i => (byte)(i >> 4))]));
        }

        if (cpu.Apx)
        {
            Add("cpu/apx", (Field("env.egprs", "uint64", 8, 16), [.. Enumerable.Range(16, 16).SelectMany(i => U64((ulong)i))]));
        }

        void Add(string name, params (object Field, byte[] Bytes)[] fields)
        {
            body.AddRange([5, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), .. U32(1), .. fields.SelectMany(field => field.Bytes)]);
            subsections.Add(new Dictionary<string, object>
            {
                ["vmsd_name"] = name,
                ["version"] = 1,
                ["fields"] = fields.Select(field => field.Field).ToArray()
            });
        }
    }

    // Bytes from to from+length of registers, each group of eight most significant byte first.
    private static byte[] Vectors(BuiltCpu cpu, int first, int count, int from, int length)
    {
        List<byte> bytes = [];
        for (int register = first; register < first + count; register++)
        {
            byte[] value = new byte[64];
            SeededGuest.Vector(cpu.Seed, register, 64).AsSpan(0, cpu.VectorBytes).CopyTo(value);
            for (int at = from; at < from + length; at += 8)
            {
                bytes.AddRange(value[at..(at + 8)].Reverse());
            }
        }

        return [.. bytes];
    }

    private static Dictionary<string, object> Field(string name, string type, int size, int? count = null)
    {
        Dictionary<string, object> field = new() { ["name"] = name, ["type"] = type, ["size"] = size };
        if (count is { } elements)
        {
            field["array_len"] = elements;
        }

        return field;
    }

    private static byte[] U16(ushort value) => Reversed(BitConverter.GetBytes(value));

    private static byte[] U32(uint value) => Reversed(BitConverter.GetBytes(value));

    private static byte[] U64(ulong value) => Reversed(BitConverter.GetBytes(value));

    private static byte[] Reversed(byte[] bytes)
    {
        Array.Reverse(bytes);
        return bytes;
    }
}
