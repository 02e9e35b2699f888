namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Walks over what stands before the virtual CPUs. Nothing of it is kept: it has to be passed because bincode has no frames.
/// </summary>
internal static class PreambleWalk
{
    private const int MaxText = 1 << 16;
    private const int MaxRegions = 1 << 12;
    private const int MaxCapabilities = 1 << 12;
    private const int MaxIds = 1 << 16;

    // An interval tree is balanced: 64 levels hold more intervals than there are addresses.
    private const int MaxDepth = 64;
    private const int PitLength = 112;
    private const int ClockLength = 48;
    private const int ChipLength = 520;

    /// <summary>Moves a cursor from the beginning of the state to the number of virtual CPUs.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are not what this version writes.</exception>
    public static void Pass(ref BincodeCursor cursor, SnapshotVersion version)
    {
        foreach (PreamblePart part in version.Preamble)
        {
            switch (part)
            {
                case PreamblePart.VmInfo:
                    PassVmInfo(ref cursor);
                    break;
                case PreamblePart.RegionsWithOffset:
                    PassItems(ref cursor, "memory regions", 24);
                    break;
                case PreamblePart.Regions:
                    PassItems(ref cursor, "memory regions", 16);
                    break;
                case PreamblePart.RegionsWithSlots:
                    PassRegionsWithSlots(ref cursor);
                    break;
                case PreamblePart.Capabilities:
                    PassCapabilities(ref cursor);
                    break;
                case PreamblePart.Chips:
                    PassChips(ref cursor, version.HasBlobs);
                    break;
                case PreamblePart.IdAllocator:
                    PassIdAllocator(ref cursor);
                    break;
                case PreamblePart.AddressAllocator:
                    cursor.Take(16, "an address range");
                    PassTree(ref cursor, 0);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(version));
            }
        }
    }

    private static void PassVmInfo(ref BincodeCursor cursor)
    {
        const uint Templates = 6;
        const uint HugePages = 2;
        cursor.UInt64("the memory size");
        cursor.Flag("SMT");
        PassEnumeration(ref cursor, Templates, "the CPU template");
        PassText(ref cursor, "the kernel's path");
        for (int option = 0; option < 2; option++)
        {
            if (cursor.Flag("whether there is an initrd path or are boot arguments"))
            {
                PassText(ref cursor, "the initrd's path or the boot arguments");
            }
        }

        PassEnumeration(ref cursor, HugePages, "the kind of huge pages");
    }

    private static void PassEnumeration(ref BincodeCursor cursor, uint count, string what)
    {
        uint value = cursor.UInt32(what);
        if (value >= count)
        {
            throw cursor.Malformed($"{value} before here", $"0 to {count - 1} for {what}");
        }
    }

    private static void PassText(ref BincodeCursor cursor, string what) => cursor.Take(cursor.Count($"bytes of {what}", MaxText, 1), what);

    private static void PassItems(ref BincodeCursor cursor, string what, int length)
    {
        int count = cursor.Count(what, MaxRegions, length);
        cursor.Take(count * length, what);
    }

    private static void PassRegionsWithSlots(ref BincodeCursor cursor)
    {
        const uint Kinds = 2;
        const int MinLength = 28;
        for (int count = cursor.Count("memory regions", MaxRegions, MinLength); count > 0; count--)
        {
            cursor.Take(16, "a memory region");
            PassEnumeration(ref cursor, Kinds, "the kind of a memory region");
            for (int slots = cursor.Count("memory slots", MaxIds, 1); slots > 0; slots--)
            {
                cursor.Flag("whether a memory slot is plugged");
            }
        }
    }

    private static void PassCapabilities(ref BincodeCursor cursor)
    {
        for (int count = cursor.Count("capabilities", MaxCapabilities, sizeof(ulong)); count > 0; count--)
        {
            PassText(ref cursor, "a capability");
        }
    }

    private static void PassChips(ref BincodeCursor cursor, bool isBlob)
    {
        cursor.Structure(PitLength, isBlob, "struct kvm_pit_state2");
        cursor.Structure(ClockLength, isBlob, "struct kvm_clock_data");
        for (int chip = 0; chip < 3; chip++)
        {
            cursor.Structure(ChipLength, isBlob, "struct kvm_irqchip");
        }
    }

    private static void PassIdAllocator(ref BincodeCursor cursor)
    {
        cursor.UInt32("the first identifier");
        if (cursor.Flag("whether an identifier is left"))
        {
            cursor.UInt32("the next identifier");
        }

        cursor.UInt32("the last identifier");
        int freed = cursor.Count("freed identifiers", MaxIds, sizeof(uint));
        cursor.Take(freed * sizeof(uint), "freed identifiers");
    }

    private static void PassTree(ref BincodeCursor cursor, int depth)
    {
        const uint NodeStates = 2;
        if (!cursor.Flag("whether there is an interval"))
        {
            return;
        }

        if (depth == MaxDepth)
        {
            throw cursor.Malformed($"an interval tree of more than {MaxDepth} levels", "a balanced one");
        }

        cursor.Take(16, "an interval");
        PassEnumeration(ref cursor, NodeStates, "the state of an interval");
        PassTree(ref cursor, depth + 1);
        PassTree(ref cursor, depth + 1);
        cursor.UInt64("the height of an interval");
    }
}
