using System.Buffers.Binary;
using System.Text;
using Xstate.Architecture;

namespace Xstate.Tests.Artifacts.Criu;

/// <summary>
/// Builds core and cpuinfo images field by field, as Protocol Buffers are written; also what CRIU itself would never write.
/// </summary>
internal sealed class CoreImageBuilder
{
    private readonly Dictionary<int, ulong[]> _components = [];

    /// <summary>fpregs fields 1 to 8: cwd to mxcsr_mask.</summary>
    public ulong[] Scalars { get; } = [0x37F, 0, 0, 0, 0, 0, 0x1F80, 0xFFFF];

    public ulong? XstateBv { get; set; } = 3;

    /// <summary>Repeated numbers as one field without tags between them, which proto2 readers take as well.</summary>
    public bool Packed { get; set; }

    public uint[] Xmm { get; } = new uint[64];

    /// <summary>machine type and mode of the registers.</summary>
    public (ulong Machine, ulong Mode) Kind { get; set; } = (1, 1);

    public string Name { get; set; } = "builder";

    /// <summary>thread_core.sas: address, size and flags of an alternate signal stack.</summary>
    public (ulong Address, ulong Size, ulong Flags)? SignalStack { get; set; }

    /// <summary>xsave.cet: features and pointer of a shadow stack.</summary>
    public (ulong Features, ulong Pointer)? ShadowStack { get; set; }

    /// <summary>Gives a component numbers.</summary>
    public CoreImageBuilder With(StateComponent component, params ulong[] numbers)
    {
        int field = component switch
        {
            StateComponent.Avx => 2,
            StateComponent.BndRegs => 3,
            StateComponent.BndCsr => 4,
            StateComponent.Opmask => 5,
            StateComponent.ZmmHi256 => 6,
            StateComponent.Hi16Zmm => 7,
            StateComponent.Pkru => 8,
            _ => throw new ArgumentOutOfRangeException(nameof(component)),
        };
        _components[field] = numbers;
        return this;
    }

    /// <summary>A component whose every number is the same.</summary>
    public CoreImageBuilder With(StateComponent component, ulong value) => With(component, [.. Enumerable.Repeat(value, component switch
    {
        StateComponent.Avx or StateComponent.ZmmHi256 => 64,
        StateComponent.Hi16Zmm => 128,
        StateComponent.Pkru => 2,
        _ => 8,
    })]);

    public byte[] Build()
    {
        MemoryStream fpregs = new();
        for (int i = 0; i < Scalars.Length; i++)
        {
            Number(fpregs, i + 1, Scalars[i]);
        }

        Repeated(fpregs, 9, new ulong[32]);
        Repeated(fpregs, 10, [.. Xmm.Select(word => (ulong)word)]);
        Number(fpregs, 77, 0x1234_5678_9ABC);
        if (XstateBv is { } bv)
        {
            MemoryStream xsave = new();
            Number(xsave, 1, bv);
            Bytes(xsave, 99, Encoding.ASCII.GetBytes("unknown"));
            foreach ((int field, ulong[] numbers) in _components)
            {
                Repeated(xsave, field, numbers);
            }

            if (ShadowStack is { } shadow)
            {
                MemoryStream cet = new();
                Number(cet, 1, shadow.Features);
                Number(cet, 2, shadow.Pointer);
                Bytes(xsave, 9, cet.ToArray());
            }

            Bytes(fpregs, 13, xsave.ToArray());
        }

        MemoryStream gpregs = new();
        Number(gpregs, 1, 15);
        Number(gpregs, 28, Kind.Mode);
        MemoryStream thread = new();
        Number(thread, 1, 0x7F00_0000_0000);
        Bytes(thread, 2, gpregs.ToArray());
        Bytes(thread, 3, fpregs.ToArray());
        MemoryStream threadCore = new();
        Bytes(threadCore, 13, Encoding.ASCII.GetBytes(Name));
        if (SignalStack is { } stack)
        {
            MemoryStream sas = new();
            Number(sas, 1, stack.Address);
            Number(sas, 2, stack.Size);
            Number(sas, 3, stack.Flags);
            Bytes(threadCore, 7, sas.ToArray());
        }

        MemoryStream core = new();
        Number(core, 1, Kind.Machine);
        Bytes(core, 2, thread.ToArray());
        Bytes(core, 5, threadCore.ToArray());

        // One field of each fixed width, which no field of the schema has.
        core.Write([(60 << 3 & 0x7F) | 1 | 0x80, 60 >> 4, 1, 2, 3, 4, 5, 6, 7, 8]);
        core.Write([(61 << 3 & 0x7F) | 5 | 0x80, 61 >> 4, 1, 2, 3, 4]);
        return Frame(0x5505_3847, core.ToArray());
    }

    /// <summary>cpuinfo.img of one processor.</summary>
    public static byte[] Cpuinfo(ulong vendor, ulong family, ulong model, ulong stepping, ulong version, uint[] words, ulong mask,
        ulong size, ulong max)
    {
        MemoryStream entry = new();
        Number(entry, 1, vendor);
        Number(entry, 2, family);
        Number(entry, 3, model);
        Number(entry, 4, stepping);
        Number(entry, 5, version);
        foreach (uint word in words)
        {
            Number(entry, 6, word);
        }

        Bytes(entry, 7, Encoding.ASCII.GetBytes("model"));
        Number(entry, 8, mask);
        Number(entry, 9, size);
        Number(entry, 10, max);
        MemoryStream image = new();
        Bytes(image, 1, entry.ToArray());
        return Frame(0x6140_4013, image.ToArray());
    }

    private static byte[] Frame(uint magic, byte[] message)
    {
        byte[] head = new byte[12];
        BinaryPrimitives.WriteUInt32LittleEndian(head, 0x5456_4319);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), magic);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(8), message.Length);
        return [.. head, .. message];
    }

    private void Repeated(Stream output, int field, ulong[] numbers)
    {
        if (!Packed)
        {
            foreach (ulong number in numbers)
            {
                Number(output, field, number);
            }

            return;
        }

        MemoryStream packed = new();
        foreach (ulong number in numbers)
        {
            Varint(packed, number);
        }

        Bytes(output, field, packed.ToArray());
    }

    private static void Number(Stream output, int field, ulong value)
    {
        Varint(output, (ulong)field << 3);
        Varint(output, value);
    }

    private static void Bytes(Stream output, int field, byte[] bytes)
    {
        Varint(output, (ulong)field << 3 | 2);
        Varint(output, (ulong)bytes.Length);
        output.Write(bytes);
    }

    private static void Varint(Stream output, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            output.WriteByte((byte)(value | 0x80));
        }

        output.WriteByte((byte)value);
    }
}
