using System.Buffers.Binary;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Finds virtual CPUs without walking what stands before them, by what KVM always leaves in struct kvm_xcrs: one register, number 0, and
/// zeros behind. The check of a walk, and the way into files whose preamble no released version wrote.
/// </summary>
internal static class VcpuSearch
{
    // KVM writes no extended control register but XCR0, whose bit 0 is always set.
    private const int EntryOffset = 8;
    private const int ValueOffset = EntryOffset + 8;
    private const int RestOffset = ValueOffset + sizeof(ulong);

    // Real vCPUs have some 20 KB of CPUID and MSRs before their registers.
    private const int MaxBeforeRegisters = 1 << 18;

    // Walks that begin at a place that turns out not to be a vCPU; a real file needs one for each vCPU.
    private const int MaxTries = 1 << 14;

    /// <summary>Where structures lie that can be struct kvm_xcrs with struct kvm_xsave behind it.</summary>
    public static List<int> FindXcrs(ReadOnlySpan<byte> state, VcpuShape shape, ArtifactLimits limits)
    {
        List<int> found = [];
        ReadOnlySpan<byte> start = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (int from = 0; from < state.Length && found.Count < limits.MaxStates;)
        {
            int at = state[from..].IndexOf(start);
            if (at < 0)
            {
                break;
            }

            at += from;
            if (IsXcrs(state, at, shape))
            {
                found.Add(at);
                from = at + KvmXcrsReader.Length;
            }
            else
            {
                from = at + 1;
            }
        }

        return found;
    }

    /// <summary>The virtual CPUs around the places that <see cref="FindXcrs"/> gave.</summary>
    /// <exception cref="MalformedArtifactException">Around one of them there is none.</exception>
    public static List<VcpuPlaces> FindVcpus(ReadOnlySpan<byte> state, List<int> xcrs, VcpuShape shape, ArtifactLimits limits)
    {
        List<VcpuPlaces> vcpus = [];
        int tries = MaxTries;
        foreach (int place in xcrs)
        {
            int registers = place - VcpuPlaces.LengthBeforeXcrs(shape.HasBlobs);
            int first = Math.Max(vcpus.Count > 0 ? vcpus[^1].End : 0, registers - MaxBeforeRegisters);
            vcpus.Add(FindOne(state, first, registers, place, shape, limits, ref tries)
                ?? throw new MalformedArtifactException(FirecrackerReader.Format, place,
                    "struct kvm_xcrs without CPUID and MSRs before it", "a virtual CPU around it"));
        }

        return vcpus;
    }

    private static VcpuPlaces? FindOne(ReadOnlySpan<byte> state, int first, int registers, int xcrs, VcpuShape shape,
        ArtifactLimits limits, ref int tries)
    {
        for (int at = first; at < registers; at++)
        {
            if (!CanBeCpuid(state[at..], shape.HasBlobs, limits))
            {
                continue;
            }

            if (tries-- == 0)
            {
                return null;
            }

            try
            {
                BincodeCursor cursor = new(state, at);
                VcpuPlaces places = VcpuPlaces.Walk(ref cursor, shape, limits);
                if (places.Xcrs == xcrs)
                {
                    return places;
                }
            }
            catch (MalformedArtifactException)
            {
                // Not a vCPU; the next byte may begin one.
            }
        }

        return null;
    }

    // The header's count and the list's are the same, not zero, and the padding between them is zero.
    private static bool CanBeCpuid(ReadOnlySpan<byte> bytes, bool isBlob, ArtifactLimits limits)
    {
        const int HeaderLength = 8;
        if (isBlob)
        {
            if (bytes.Length < sizeof(ulong) || BinaryPrimitives.ReadUInt64LittleEndian(bytes) != HeaderLength)
            {
                return false;
            }

            bytes = bytes[sizeof(ulong)..];
        }

        if (bytes.Length < HeaderLength + sizeof(ulong))
        {
            return false;
        }

        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return header != 0 && header <= (ulong)limits.MaxCpuidEntries
            && BinaryPrimitives.ReadUInt64LittleEndian(bytes[HeaderLength..]) == header;
    }

    private static bool IsXcrs(ReadOnlySpan<byte> state, int at, VcpuShape shape)
    {
        int end = at + KvmXcrsReader.Length;
        int prefix = shape.HasBlobs ? sizeof(ulong) : 0;
        if (at < prefix || state.Length - end < prefix + KvmXsaveReader.MinLength
            || (BinaryPrimitives.ReadUInt64LittleEndian(state[(at + ValueOffset)..]) & 1) == 0
            || state[(at + RestOffset)..end].ContainsAnyExcept((byte)0))
        {
            return false;
        }

        return !shape.HasBlobs
            || (BinaryPrimitives.ReadUInt64LittleEndian(state[(at - prefix)..]) == KvmXcrsReader.Length
                && BinaryPrimitives.ReadUInt64LittleEndian(state[end..]) == (ulong)(KvmXsaveReader.MinLength
                    + (shape.HasXsave2 ? sizeof(ulong) : 0)));
    }
}
