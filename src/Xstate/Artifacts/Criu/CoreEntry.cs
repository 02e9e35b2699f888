using System.Collections.Immutable;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Criu;

/// <summary>A component in CRIU's image: a field of user_x86_xsave_entry.</summary>
/// <param name="Field">The field's number.</param>
/// <param name="Name">The field's name.</param>
/// <param name="Component">The component.</param>
/// <param name="Count">How many numbers.</param>
/// <param name="Size">Bytes of each.</param>
internal sealed record CoreComponent(int Field, string Name, StateComponent Component, int Count, int Size)
{
    /// <summary>All components that the image has fields for.</summary>
    public static ImmutableArray<CoreComponent> All { get; } =
    [
        new(2, "ymmh_space", StateComponent.Avx, 64, 4),
        new(3, "bndreg_state", StateComponent.BndRegs, 8, 8),
        new(4, "bndcsr_state", StateComponent.BndCsr, 8, 8),
        new(5, "opmask_reg", StateComponent.Opmask, 8, 8),
        new(6, "zmm_upper", StateComponent.ZmmHi256, 64, 8),
        new(7, "hi16_zmm", StateComponent.Hi16Zmm, 128, 8),
        new(8, "pkru", StateComponent.Pkru, 2, 4),
    ];

    /// <summary>Bytes of the whole component.</summary>
    public int Length => Count * Size;
}

/// <summary>
/// core_entry of an x86 thread as far as its extended state is concerned: numbers with their places, so that changed ones can be written
/// anew and every other field keeps its bytes.
/// </summary>
internal sealed class CoreEntry
{
    private const int MaxName = 256;

    // The registers of the legacy region: field of user_x86_fpregs_entry, where it is in the region, and its bytes.
    private static readonly (int Field, string Name, int Offset, int Size)[] Scalars =
    [
        (1, "cwd", XsaveFormat.FcwOffset, 2), (2, "swd", XsaveFormat.FswOffset, 2), (3, "twd", XsaveFormat.FtwOffset, 2),
            (4, "fop", XsaveFormat.FopOffset, 2),
        (5, "rip", XsaveFormat.FipOffset, 8), (6, "rdp", XsaveFormat.FdpOffset, 8), (7, "mxcsr", XsaveFormat.MxcsrOffset, 4),
            (8, "mxcsr_mask", XsaveFormat.MxcsrMaskOffset, 4),
    ];

    private const int StWords = 32;
    private const int XmmWords = 64;

    /// <summary>The numbers of the legacy region: where each is, and its bytes.</summary>
    public List<(int Offset, int Size, WireNumber Number)> Legacy { get; } = [];

    /// <summary>
    /// The numbers of each component that the image has a field for, in the order of <see cref="CoreComponent.All"/>; empty where it has
    /// none.
    /// </summary>
    public List<WireNumber>[] Components { get; } = [.. CoreComponent.All.Select(_ => new List<WireNumber>())];

    /// <summary>XSTATE_BV; null when the image has x87 and SSE only.</summary>
    public WireNumber? XstateBv { get; private set; }

    /// <summary>Features of the thread's shadow stack; null when the image has none.</summary>
    public ulong? ShadowStackFeatures { get; private set; }

    /// <summary>The shadow-stack pointer; null when the image has none.</summary>
    public WireNumber? ShadowStackPointer { get; private set; }

    /// <summary>The alternate signal stack; null when the image has none.</summary>
    public SignalStack? SignalStack { get; private set; }

    /// <summary>Whether the thread runs 32-bit code.</summary>
    public bool IsCompat { get; private set; }

    /// <summary>Whether there are registers: not in the image of a dead process.</summary>
    public bool HasRegisters => Legacy.Count > 0;

    /// <summary>The thread's name.</summary>
    public string? Name { get; private set; }

    /// <summary>Reads an image.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are not the core image of an x86 thread.</exception>
    public static CoreEntry Read(ReadOnlySpan<byte> file)
    {
        CoreEntry core = new();
        WireMessage root = CriuImage.Entry(file, CriuImage.CoreMagic, CriuCoreReader.Format);
        WireReader reader = new(file, root, CriuCoreReader.Format);
        WireMessage? registers = null;
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    const ulong X86 = 1;
                    WireNumber machine = reader.Number(uint.MaxValue);
                    if (machine.Value != X86)
                    {
                        throw reader.Malformed(machine.Start, $"machine type {machine.Value}", "1: x86-64, which has XSAVE state");
                    }

                    break;
                case 2:
                    core.ReadThread(file, Once(ref registers, ref reader));
                    break;
                case 3:
                    core.Name ??= NameIn(file, reader.Message(), 6);
                    break;
                case 5:
                    core.ReadThreadCore(file, reader.Message());
                    break;
                default:
                    break;
            }
        }

        return core;
    }

    private void ReadThreadCore(ReadOnlySpan<byte> file, WireMessage message)
    {
        Name = NameIn(file, message, 13) ?? Name;
        WireReader reader = new(file, message, CriuCoreReader.Format);
        while (reader.Next())
        {
            if (reader.Field == 7)
            {
                WireMessage stack = reader.Message();
                SignalStack = new SignalStack(NumberIn(file, stack, 1) ?? 0, NumberIn(file, stack, 2) ?? 0,
                    (uint)(NumberIn(file, stack, 3) ?? 0));
            }
        }
    }

    private void ReadThread(ReadOnlySpan<byte> file, WireMessage message)
    {
        const ulong Compat = 2;
        WireReader reader = new(file, message, CriuCoreReader.Format);
        WireMessage? fpregs = null;
        while (reader.Next())
        {
            if (reader.Field == 2)
            {
                IsCompat = NumberIn(file, reader.Message(), 28) == Compat;
            }
            else if (reader.Field == 3)
            {
                ReadFpregs(file, Once(ref fpregs, ref reader));
            }
        }
    }

    private void ReadFpregs(ReadOnlySpan<byte> file, WireMessage message)
    {
        List<WireNumber> st = [];
        List<WireNumber> xmm = [];
        WireNumber?[] scalars = new WireNumber?[Scalars.Length];
        WireReader reader = new(file, message, CriuCoreReader.Format);
        WireMessage? xsave = null;
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case >= 1 and <= 8:
                    scalars[reader.Field - 1] = reader.Number(ulong.MaxValue >> (64 - (8 * Scalars[reader.Field - 1].Size)));
                    break;
                case 9:
                    reader.AddNumbers(st, uint.MaxValue, StWords, "st_space");
                    break;
                case 10:
                    reader.AddNumbers(xmm, uint.MaxValue, XmmWords, "xmm_space");
                    break;
                case 13:
                    ReadXsave(file, Once(ref xsave, ref reader));
                    break;
                default:
                    break;
            }
        }

        for (int i = 0; i < Scalars.Length; i++)
        {
            Legacy.Add((Scalars[i].Offset, Scalars[i].Size, scalars[i]
                ?? throw reader.Malformed(message.Start, $"fpregs without {Scalars[i].Name}", $"field {Scalars[i].Field}")));
        }

        AddWords(st, XsaveFormat.StOffset, StWords, "st_space", message, reader);
        AddWords(xmm, XsaveFormat.XmmOffset, XmmWords, "xmm_space", message, reader);
    }

    private void AddWords(List<WireNumber> words, int offset, int count, string name, WireMessage message, in WireReader reader)
    {
        if (words.Count != count)
        {
            throw reader.Malformed(message.Start, $"{words.Count} words of {name}", $"{count}");
        }

        for (int i = 0; i < count; i++)
        {
            Legacy.Add((offset + (i * sizeof(uint)), sizeof(uint), words[i]));
        }
    }

    private void ReadXsave(ReadOnlySpan<byte> file, WireMessage message)
    {
        WireReader reader = new(file, message, CriuCoreReader.Format);
        while (reader.Next())
        {
            if (reader.Field == 1)
            {
                XstateBv = reader.Number(ulong.MaxValue);
            }
            else if (reader.Field == 9)
            {
                ReadShadowStack(file, reader.Message());
            }
            else if (reader.Field <= 8)
            {
                CoreComponent component = CoreComponent.All[reader.Field - 2];
                reader.AddNumbers(Components[reader.Field - 2], ulong.MaxValue >> (64 - (8 * component.Size)), component.Count,
                    component.Name);
            }
        }

        if (XstateBv is null)
        {
            throw reader.Malformed(message.Start, "xsave without xstate_bv", "field 1");
        }
    }

    // user_x86_cet_entry: cet, ssp.
    private void ReadShadowStack(ReadOnlySpan<byte> file, WireMessage message)
    {
        WireReader reader = new(file, message, CriuCoreReader.Format);
        while (reader.Next())
        {
            if (reader.Field == 1)
            {
                ShadowStackFeatures = reader.Number(ulong.MaxValue).Value;
            }
            else if (reader.Field == 2)
            {
                ShadowStackPointer = reader.Number(ulong.MaxValue);
            }
        }
    }

    // A message that stands twice would have to be merged; no writer does that.
    private static WireMessage Once(ref WireMessage? seen, ref WireReader reader)
    {
        WireMessage message = reader.Message();
        seen = seen is null ? message : throw reader.Malformed(message.LengthStart, $"field {reader.Field} again", "each message once");
        return message;
    }

    private static ulong? NumberIn(ReadOnlySpan<byte> file, WireMessage message, int field)
    {
        WireReader reader = new(file, message, CriuCoreReader.Format);
        ulong? value = null;
        while (reader.Next())
        {
            value = reader.Field == field ? reader.Number(ulong.MaxValue).Value : value;
        }

        return value;
    }

    private static string? NameIn(ReadOnlySpan<byte> file, WireMessage message, int field)
    {
        WireReader reader = new(file, message, CriuCoreReader.Format);
        string? name = null;
        while (reader.Next())
        {
            if (reader.Field == field)
            {
                WireMessage text = reader.Message();
                ReadOnlySpan<byte> bytes = file[text.Start..Math.Min(text.End, text.Start + MaxName)];
                StringBuilder printable = new();
                foreach (byte value in bytes)
                {
                    printable.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
                }

                name = printable.ToString();
            }
        }

        return name;
    }
}
