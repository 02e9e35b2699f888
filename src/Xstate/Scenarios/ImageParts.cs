using System.Buffers.Binary;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Scenarios;

/// <summary>An image as a scenario gives it: all bytes, or parts that are laid over a base.</summary>
internal sealed record ImageParts
{
    private const int MaxLength = 1 << 16;

    public byte[]? Hex { get; init; }

    public ulong? XstateBv { get; init; }

    public ulong? XcompBv { get; init; }

    public uint? MxcsrValue { get; init; }

    public uint? MxcsrMask { get; init; }

    public ushort? Fcw { get; init; }

    public List<(int Offset, byte[] Bytes)> Bytes { get; } = [];

    public List<(StateComponent Component, byte[] Bytes)> Components { get; } = [];

    public static ImageParts Take(ScenarioValue step)
    {
        ImageParts parts = new()
        {
            Hex = step.Take("hex")?.Bytes(MaxLength),
            XstateBv = step.Take("xstateBv")?.Number(),
            XcompBv = step.Take("xcompBv")?.Number(),
            MxcsrValue = (uint?)step.Take("mxcsr")?.Number(uint.MaxValue),
            MxcsrMask = (uint?)step.Take("mxcsrMask")?.Number(uint.MaxValue),
            Fcw = (ushort?)step.Take("fcw")?.Number(ushort.MaxValue),
        };
        foreach ((string name, ScenarioValue value) in step.Take("bytes")?.Members ?? [])
        {
            parts.Bytes.Add(int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int offset) && offset < MaxLength
                ? (offset, value.Bytes(MaxLength - offset))
                : throw value.Error($"the name must be an offset below {MaxLength}"));
        }

        foreach ((string name, ScenarioValue value) in step.Take("components")?.Members ?? [])
        {
            parts.Components.Add(StateComponents.TryParse(name, out StateComponent component)
                ? (component, value.Bytes(MaxLength))
                : throw value.Error("there is no such component"));
        }

        return parts;
    }

    /// <summary>The image over a base of zeros, or over what is there.</summary>
    public byte[] Build(XsaveLayout layout, ReadOnlySpan<byte> basis)
    {
        byte[] image = new byte[Math.Max(basis.Length, Hex?.Length ?? 0)];
        basis.CopyTo(image);
        Hex?.CopyTo(image, 0);
        Put(ref image, XsaveFormat.FcwOffset, Fcw, static (span, value) => BinaryPrimitives.WriteUInt16LittleEndian(span, value),
            sizeof(ushort));
        Put(ref image, XsaveFormat.MxcsrOffset, MxcsrValue, static (span, value) => BinaryPrimitives.WriteUInt32LittleEndian(span, value),
            sizeof(uint));
        Put(ref image, XsaveFormat.MxcsrMaskOffset, MxcsrMask,
            static (span, value) => BinaryPrimitives.WriteUInt32LittleEndian(span, value), sizeof(uint));
        Put(ref image, XsaveFormat.XstateBvOffset, XstateBv, static (span, value) => BinaryPrimitives.WriteUInt64LittleEndian(span, value),
            sizeof(ulong));
        Put(ref image, XsaveFormat.XcompBvOffset, XcompBv, static (span, value) => BinaryPrimitives.WriteUInt64LittleEndian(span, value),
            sizeof(ulong));
        foreach ((StateComponent component, byte[] bytes) in Components)
        {
            int offset = component switch
            {
                StateComponent.X87 or StateComponent.Sse => LegacyRegion.ExtentOf(component).Offset,
                _ => layout.TryGetSlot(component, out XsaveSlot slot) && !slot.IsSupervisor ? slot.Offset : -1,
            };

            // A component that the host has no place for has no bytes either; XSTATE_BV may still name it.
            if (offset >= 0)
            {
                Put(ref image, offset, bytes);
            }
        }

        foreach ((int offset, byte[] bytes) in Bytes)
        {
            Put(ref image, offset, bytes);
        }

        return image;
    }

    private static void Put(ref byte[] image, int offset, byte[] bytes)
    {
        if (image.Length < offset + bytes.Length)
        {
            Array.Resize(ref image, offset + bytes.Length);
        }

        bytes.CopyTo(image, offset);
    }

    private static void Put<T>(ref byte[] image, int offset, T? value, Action<Span<byte>, T> write, int length)
        where T : struct
    {
        if (value is { } given)
        {
            byte[] bytes = new byte[length];
            write(bytes, given);
            Put(ref image, offset, bytes);
        }
    }
}
