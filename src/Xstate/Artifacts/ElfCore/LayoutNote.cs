using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// The description of NT_X86_XSAVE_LAYOUT (Linux 6.12): for each user component from 2 up its number, size, standard offset and a word that
/// is reserved, 32 bits each.
/// </summary>
internal static class LayoutNote
{
    public const int RecordLength = 4 * sizeof(uint);

    /// <summary>Components 2 to 62.</summary>
    public const int MaxLength = 61 * RecordLength;

    public const string Owner = "LINUX";

    /// <exception cref="MalformedArtifactException">A record is impossible.</exception>
    public static XsaveLayout Read(ReadOnlySpan<byte> description, long fileOffset)
    {
        List<XsaveSlot> slots = [];
        for (int at = 0; at < description.Length; at += RecordLength)
        {
            uint component = Word(description, at);
            uint size = Word(description, at + 4);
            uint offset = Word(description, at + 8);
            bool possible = component is >= 2 and <= 62 && size is > 0 and <= XsaveLayout.MaxAreaLength
                && offset is >= XsaveFormat.ExtendedOffset and <= XsaveLayout.MaxAreaLength;
            if (!possible)
            {
                throw ElfHeader.Malformed(fileOffset + at, $"component {component} with {size} bytes at {offset}",
                    $"a component from 2 to 62 with a place behind byte {XsaveFormat.ExtendedOffset}");
            }

            XsaveSlot slot = new((StateComponent)component, (int)size, (int)offset, IsSupervisor: false, IsAligned64: false,
                SupportsXfd: false);
            foreach (XsaveSlot other in slots)
            {
                if (slot.Component == other.Component || (slot.Offset < other.End && other.Offset < slot.End))
                {
                    throw ElfHeader.Malformed(fileOffset + at, $"{StateComponents.NameOf(slot.Component)} at {slot.Offset} to {slot.End}",
                        $"each component once, none over {StateComponents.NameOf(other.Component)} at {other.Offset} to {other.End}");
                }
            }

            slots.Add(slot);
        }

        return XsaveLayout.FromSlots(slots);
    }

    /// <summary>The description for a layout, as the kernel would write it.</summary>
    public static byte[] Write(XsaveLayout layout)
    {
        XsaveSlot[] slots = [.. layout.Slots.Where(slot => !slot.IsSupervisor)];
        byte[] description = new byte[slots.Length * RecordLength];
        for (int i = 0; i < slots.Length; i++)
        {
            Span<byte> record = description.AsSpan(i * RecordLength, RecordLength);
            BinaryPrimitives.WriteUInt32LittleEndian(record, (uint)slots[i].Component);
            BinaryPrimitives.WriteInt32LittleEndian(record[4..], slots[i].Size);
            BinaryPrimitives.WriteInt32LittleEndian(record[8..], slots[i].Offset);
        }

        return description;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}
