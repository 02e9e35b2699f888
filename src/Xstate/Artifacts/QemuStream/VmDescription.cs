using System.Collections.Immutable;

namespace Xstate.Artifacts.QemuStream;

/// <summary>One field of a device's state, or one array of equal fields.</summary>
/// <param name="Name">Its name in QEMU's source, such as <c>env.xcr0</c>.</param>
/// <param name="Size">Bytes of one element.</param>
/// <param name="Count">Elements, 1 for a plain field.</param>
internal readonly record struct VmField(string Name, int Size, int Count)
{
    public long Length => (long)Size * Count;
}

/// <summary>A part of a device's state that QEMU sends only when it holds something.</summary>
internal sealed record VmSubsection(string Name, uint Version, ImmutableArray<VmField> Fields, ImmutableArray<VmSubsection> Subsections)
{
    // 05, the name's length and the name, the version.
    public int HeaderLength => sizeof(byte) + sizeof(byte) + Name.Length + sizeof(uint);
}

/// <summary>One device of the description, in the order of the stream.</summary>
/// <param name="Name">The section's name, <c>cpu</c> for a virtual CPU.</param>
/// <param name="InstanceId">Which of several of that name.</param>
/// <param name="Version">Version of its state; null for devices that save themselves without a description.</param>
/// <param name="BodyLength">Bytes of its state in the stream.</param>
/// <param name="Fields">Its fields; kept for virtual CPUs only.</param>
/// <param name="Subsections">Its subsections; kept for virtual CPUs only.</param>
internal sealed record VmDevice(string Name, uint InstanceId, uint? Version, long BodyLength, ImmutableArray<VmField> Fields,
    ImmutableArray<VmSubsection> Subsections)
{
    public const string VirtualCpu = "cpu";

    // The section's type and id, the name's length and the name, instance and version.
    public int HeaderLength => sizeof(byte) + sizeof(uint) + sizeof(byte) + Name.Length + sizeof(uint) + sizeof(uint);
}

/// <summary>
/// What QEMU 2.4 and later write behind the state: every device with the names and sizes of its fields, as JSON. Sections have no length in
/// the stream, so this is the only way through it that does not need QEMU's own tables.
/// </summary>
/// <param name="Offset">Where its type byte is; the devices end just before.</param>
/// <param name="TextLength">Bytes of its text.</param>
/// <param name="Devices">The devices.</param>
internal sealed record VmDescription(long Offset, int TextLength, ImmutableArray<VmDevice> Devices)
{
    /// <summary>Where the text is.</summary>
    public long TextOffset => Offset + VmDescriptionReader.TextOffset;
}
