using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Xstate.Artifacts.QemuStream;

/// <summary>A virtual CPU's place in the stream.</summary>
/// <param name="Device">Its description.</param>
/// <param name="BodyOffset">Where its fields begin.</param>
/// <param name="Searched">Whether it had to be searched for, because the sizes of the devices behind it did not lead to it.</param>
internal sealed record CpuPlace(VmDevice Device, long BodyOffset, bool Searched);

/// <summary>
/// Finds the virtual CPUs from the end of the stream: devices lie in the order of the description, end to end, and the description gives
/// their sizes. The RAM before them is not read.
/// </summary>
internal sealed class SectionWalk(ArtifactSource source, ArtifactLimits limits)
{
    private const byte TypeEnd = 0;
    private const byte TypeFull = 4;
    private const byte TypeFooter = 0x7E;
    private const int FooterLength = sizeof(byte) + sizeof(uint);
    private const int SearchChunk = 1 << 18;

    private long _searchLeft = limits.MaxSectionSearch;

    /// <summary>The virtual CPUs in the stream's order.</summary>
    /// <exception cref="MalformedArtifactException">One is neither where the sizes lead nor anywhere near.</exception>
    public ImmutableArray<CpuPlace> Find(VmDescription description)
    {
        int cpus = description.Devices.Count(device => device.Name == VmDevice.VirtualCpu);
        if (cpus == 0 || cpus > limits.MaxStates)
        {
            throw new MalformedArtifactException(QemuStreamReader.Format, description.Offset, $"{cpus} virtual CPUs in the description",
                $"1 to {limits.MaxStates}");
        }

        long end = description.Offset - 1;
        byte[] mark = source.Bytes(QemuStreamReader.Format, end, 1, "the mark before the description");
        if (mark[0] != TypeEnd)
        {
            throw new MalformedArtifactException(QemuStreamReader.Format, end, $"0x{mark[0]:x2}", "0x00, the end of the devices");
        }

        CpuPlace[] places = new CpuPlace[cpus];
        for (int i = description.Devices.Length - 1; cpus > 0; i--)
        {
            VmDevice device = description.Devices[i];
            bool searched = false;
            if (StartOf(device, end) is not { } start)
            {
                // Sizes of other devices can be wrong (QEMU has described arrays with null pointers so); virtual CPUs are found by their
                // header then.
                while (description.Devices[i].Name != VmDevice.VirtualCpu)
                {
                    i--;
                }

                device = description.Devices[i];
                start = Search(device, end);
                searched = true;
            }

            if (device.Name == VmDevice.VirtualCpu)
            {
                places[--cpus] = new CpuPlace(device, start + device.HeaderLength, searched);
            }

            end = start;
        }

        return [.. places];
    }

    /// <summary>Where the section of a device is, header and footer included; null when the sizes do not lead to it.</summary>
    public (long Start, long End)? Locate(VmDescription description, string name)
    {
        ImmutableArray<CpuPlace> cpus = Find(description);
        int cpu = cpus.Length;
        long end = description.Offset - 1;
        for (int i = description.Devices.Length - 1; i >= 0; i--)
        {
            VmDevice device = description.Devices[i];
            long? start = device.Name == VmDevice.VirtualCpu ? cpus[--cpu].BodyOffset - device.HeaderLength : StartOf(device, end);
            if (start is null || device.Name == name)
            {
                return start is { } found ? (found, end) : null;
            }

            end = start.Value;
        }

        return null;
    }

    // Where the device's section starts if it ends here, with a footer (QEMU 2.4, machine types of then and later) or without one.
    private long? StartOf(VmDevice device, long end)
    {
        long start = end - FooterLength - device.BodyLength - device.HeaderLength;
        if (start >= 0 && HeaderAt(start, device) is { } id && FooterAt(end - FooterLength) == id)
        {
            return start;
        }

        start += FooterLength;
        return start >= 0 && HeaderAt(start, device) is not null ? start : null;
    }

    private uint? HeaderAt(long offset, VmDevice device)
    {
        Span<byte> header = stackalloc byte[device.HeaderLength];
        return source.ReadAt(offset, header) == header.Length && Fits(header, device)
            ? BinaryPrimitives.ReadUInt32BigEndian(header[1..]) : null;
    }

    private static bool Fits(ReadOnlySpan<byte> header, VmDevice device)
    {
        const int NameOffset = sizeof(byte) + sizeof(uint) + sizeof(byte);
        int nameEnd = NameOffset + device.Name.Length;
        return header[0] == TypeFull
            && header[NameOffset - 1] == device.Name.Length
            && Ascii.Equals(header[NameOffset..nameEnd], device.Name)
            && BinaryPrimitives.ReadUInt32BigEndian(header[nameEnd..]) == device.InstanceId
            && (device.Version is null || BinaryPrimitives.ReadUInt32BigEndian(header[(nameEnd + sizeof(uint))..]) == device.Version);
    }

    private uint? FooterAt(long offset)
    {
        Span<byte> footer = stackalloc byte[FooterLength];
        return source.ReadAt(offset, footer) == FooterLength && footer[0] == TypeFooter
            ? BinaryPrimitives.ReadUInt32BigEndian(footer[1..]) : null;
    }

    // Backwards, in chunks that overlap by a header; a hit counts only with the footer that the size leads to. All searches of one file
    // share one budget.
    private long Search(VmDevice device, long end)
    {
        byte[] chunk = new byte[SearchChunk + device.HeaderLength];
        long top = end;
        while (top > 0 && _searchLeft > 0)
        {
            long from = Math.Max(0, top - SearchChunk);
            _searchLeft -= top - from;
            Span<byte> rest = chunk.AsSpan(0, source.ReadAt(from, chunk.AsSpan(0, (int)(top - from) + device.HeaderLength)));
            rest = rest[..Math.Max(0, rest.Length - device.HeaderLength + 1)];
            while (rest.LastIndexOf(TypeFull) is int at and >= 0)
            {
                if (Fits(chunk.AsSpan(at, device.HeaderLength), device)
                    && FooterAt(from + at + device.HeaderLength
                        + device.BodyLength) == BinaryPrimitives.ReadUInt32BigEndian(chunk.AsSpan(at + 1)))
                {
                    return from + at;
                }

                rest = rest[..at];
            }

            top = from;
        }

        throw new MalformedArtifactException(
            QemuStreamReader.Format, top, $"no section '{device.Name}' {device.InstanceId} of {device.BodyLength} bytes",
            $"one in the {end - top} bytes before the devices that were found");
    }
}
