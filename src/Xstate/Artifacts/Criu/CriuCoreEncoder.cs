using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Criu;

/// <summary>
/// Writes changed numbers anew and the lengths of the messages around them; every other byte stays, fields that are not known included. A
/// component's registers can be changed where the image has its field.
/// </summary>
internal sealed class CriuCoreEncoder(Capture decoded, ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        ReadOnlyMemory<byte> file = original.Whole(limits.MaxWholeFile);
        CoreEntry core = CoreEntry.Read(file.Span);
        CapturedState state = changed.States[0];
        SortedDictionary<int, (int End, byte[] Bytes)> writes = [];
        Dictionary<WireMessage, int> growth = [];
        foreach ((WireNumber number, ulong value) in Changes(core, state))
        {
            if (number.Value != value)
            {
                byte[] bytes = Varint(value);
                writes[number.Start] = (number.End, bytes);
                Grow(growth, number.Message, bytes.Length - (number.End - number.Start));
            }
        }

        WriteLengths(writes, growth);
        return [.. writes.Select(write => new ArtifactPatch(write.Key, file[write.Key..write.Value.End], write.Value.Bytes))];
    }

    private List<(WireNumber Number, ulong Value)> Changes(CoreEntry core, CapturedState state)
    {
        List<(WireNumber, ulong)> changes = [];
        byte[] area = XsaveArea.CopyPadded(state.Area.Span);
        XsaveLayout layout = state.Layout?.Value ?? decoded.States[0].Layout!.Value;
        foreach ((int offset, int size, WireNumber number) in core.Legacy)
        {
            changes.Add((number, Read(area.AsSpan(offset, size))));
        }

        StateComponentSet now = new XsaveArea(area).XstateBv;
        if (core.XstateBv is { } bv)
        {
            changes.Add((bv, now.Bits));
        }
        else if (now != StateComponentSet.Legacy)
        {
            throw new NotSupportedException($"the image is of a host without XSAVE: it has no place for XSTATE_BV {now}");
        }

        if (core.ShadowStackPointer is { } pointer && state.Msrs.TryGetValue(MsrNames.UserShadowStackPointer, out ulong ssp))
        {
            changes.Add((pointer, ssp));
        }

        for (int i = 0; i < core.Components.Length; i++)
        {
            AddComponent(changes, CoreComponent.All[i], core.Components[i], area, layout);
        }

        StateComponentSet added = now.Except(new XsaveArea(decoded.States[0].Area.Span).XstateBv).Except(CriuCoreReader.ComponentsOf(core));
        return added.IsEmpty ? changes : throw new NotSupportedException($"the image has no place for {added.Describe()}");
    }

    private static void AddComponent(List<(WireNumber, ulong)> changes, CoreComponent component, List<WireNumber> numbers, byte[] area,
        XsaveLayout layout)
    {
        byte[] bytes = new byte[component.Length];
        XsaveArea view = new(area);
        if (view.TryGetComponent(component.Component, layout, out ReadOnlySpan<byte> found))
        {
            found[..Math.Min(found.Length, bytes.Length)].CopyTo(bytes);
        }
        else if (!view.XstateBv.Contains(component.Component))
        {
            // Nothing counts there: what the image has stays.
            return;
        }

        for (int i = 0; i < component.Count; i++)
        {
            ulong value = Read(bytes.AsSpan(i * component.Size, component.Size));
            if (i < numbers.Count)
            {
                changes.Add((numbers[i], value));
            }
            else if (value != 0)
            {
                throw new NotSupportedException(
                    $"the image has no place for {StateComponents.NameOf(component.Component)}: {component.Name} has {numbers.Count} "
                    + "numbers");
            }
        }
    }

    // From the inside out: a length that becomes longer is one more byte for the message around it.
    private static void WriteLengths(SortedDictionary<int, (int End, byte[] Bytes)> writes, Dictionary<WireMessage, int> growth)
    {
        while (growth.Count > 0)
        {
            WireMessage innermost = growth.Keys.MaxBy(message => message.Start)!;
            growth.Remove(innermost, out int by);
            if (by == 0)
            {
                continue;
            }

            int length = innermost.End - innermost.Start + by;
            byte[] bytes = innermost.Parent is null ? Fixed((uint)length) : Varint((ulong)length);
            writes[innermost.LengthStart] = (innermost.Start, bytes);
            if (innermost.Parent is { } parent)
            {
                Grow(growth, parent, by + bytes.Length - (innermost.Start - innermost.LengthStart));
            }
        }
    }

    private static void Grow(Dictionary<WireMessage, int> growth, WireMessage message, int by) =>
        growth[message] = growth.GetValueOrDefault(message) + by;

    private static ulong Read(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            value |= (ulong)bytes[i] << (8 * i);
        }

        return value;
    }

    private static byte[] Fixed(uint value)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Varint(ulong value)
    {
        List<byte> bytes = [];
        while (value >= 0x80)
        {
            bytes.Add((byte)(value | 0x80));
            value >>= 7;
        }

        return [.. bytes, (byte)value];
    }
}
