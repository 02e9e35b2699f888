using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>XRSTOR of an x87 image, possibly an instruction on it, and XSAVE.</summary>
internal static class X87RoundTrip
{
    private static readonly byte[] One = VectorStates.Extended(0x3FFF, 0x8000_0000_0000_0000);
    private static readonly byte[] Pi = VectorStates.Extended(0x4000, 0xC90F_DAA2_2168_C235);

    public static void Check(JsonElement image, JsonElement expect)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4);
        byte[] area = new byte[VectorMachine.AreaLength];
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        Describe(image, area);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), 1);
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, area, 0, 1));
        foreach (string instruction in image.Text("then")
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            Execute(cpu.Registers.X87, instruction);
        }

        byte[] saved = new byte[VectorMachine.AreaLength];
        saved.AsSpan().Fill(0xEE);
        bool legacy = image.Text("form") == "REX.W=0";
        Assert.Equal(Fault.None, Instructions.Xsave(cpu, saved, 0, 1, legacy ? XsaveOperand.Legacy : XsaveOperand.Rex64));
        foreach (JsonProperty field in expect.EnumerateObject())
        {
            Assert.Equal(ValueOf(field.Value), Read(saved, field.Name));
        }
    }

    /// <summary>Writes the fields that a vector names into an area.</summary>
    public static void Describe(JsonElement image, byte[] area)
    {
        if (image.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        foreach (JsonProperty field in image.EnumerateObject().Where(field => field.Name is not ("then" or "form")))
        {
            (int offset, int length) = Place(field.Name);
            byte[] value = new byte[Math.Max(length, sizeof(ulong))];
            Convert.FromHexString(ValueOf(field.Value)).CopyTo(value, 0);
            for (int slot = 0; slot < (field.Name == "st_pad" ? 8 : 1); slot++)
            {
                value.AsSpan(0, length).CopyTo(area.AsSpan(offset + (slot * XsaveFormat.StSlotLength)));
            }
        }
    }

    private static void Execute(X87Registers x87, string instruction)
    {
        switch (instruction.Split(' '))
        {
            case ["FLDCW", string value]:
                x87.Fcw = ushort.Parse(value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                break;
            case ["FNINIT"]:
                x87.Fninit();
                break;
            case ["FLD1"]:
                x87.Push(One);
                break;
            case ["FLDPI"]:
                x87.Push(Pi);
                break;
            default:
                throw new NotSupportedException(instruction);
        }
    }

    private static (int Offset, int Length) Place(string field) => field switch
    {
        "fcw" => (XsaveFormat.FcwOffset, 2),
        "fsw" => (XsaveFormat.FswOffset, 2),
        "ftw" => (XsaveFormat.FtwOffset, 1),
        "byte5" => (XsaveFormat.FtwOffset + 1, 1),
        "fop" => (XsaveFormat.FopOffset, 2),
        "fip" => (XsaveFormat.FipOffset, 8),
        "fdp" => (XsaveFormat.FdpOffset, 8),
        "st0" or "slot0" => (XsaveFormat.StOffset, XsaveFormat.StLength),
        "slot1" => (XsaveFormat.StOffset + XsaveFormat.StSlotLength, XsaveFormat.StLength),
        "st_pad" => (XsaveFormat.StOffset + XsaveFormat.StLength, 1),
        _ => throw new NotSupportedException(field),
    };

    // Hexadecimal bytes in memory order, without trailing zeros: "4000:8000000000000000" is sign and exponent before the significand.
    private static string ValueOf(JsonElement value)
    {
        byte[] bytes = value.ValueKind == JsonValueKind.String && value.GetString() is { } text
            ? text switch
            {
                "pi" => Pi,
                "1.0" => One,
                _ when text.Contains(':') => VectorStates.Extended(
                    ushort.Parse(text.Split(':')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                    ulong.Parse(text.Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
                _ => BitConverter.GetBytes(VectorReader.Number(value)),
            }
            : BitConverter.GetBytes(VectorReader.Number(value));
        return Trim(bytes);
    }

    private static string Read(byte[] area, string field)
    {
        (int offset, int length) = Place(field);
        return Trim(area.AsSpan(offset, length).ToArray());
    }

    private static string Trim(byte[] bytes) => Convert.ToHexString(bytes.AsSpan(0, bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1));
}
