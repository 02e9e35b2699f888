using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Writes changed virtual CPUs back to where they were found, each byte at its place, and the CRC anew. A file whose CRC did not hold
/// before does not hold after: its damage is not signed off.
/// </summary>
internal sealed class FirecrackerEncoder(Capture decoded, ImmutableArray<VcpuPlaces> vcpus, bool isWhole, ArtifactLimits limits)
    : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        ReadOnlyMemory<byte> before = original.Whole(limits.MaxWholeFile);
        byte[] after = before.ToArray();
        for (int i = 0; i < vcpus.Length; i++)
        {
            Write(after, vcpus[i], decoded.States[i], changed.States[i]);
        }

        if (isWhole && !after.AsSpan().SequenceEqual(before.Span))
        {
            Span<byte> trailer = after.AsSpan(after.Length - SnapshotHeader.TrailerLength);
            BinaryPrimitives.WriteUInt64LittleEndian(trailer, Crc64.Of(after.AsSpan(0, after.Length - SnapshotHeader.TrailerLength)));
        }

        return ArtifactPatch.Between(before, after);
    }

    private static void Write(Span<byte> file, VcpuPlaces vcpu, CapturedState before, CapturedState after)
    {
        ReadOnlySpan<byte> area = VcpuChange.Fit(after, KvmXsaveReader.MinLength + vcpu.XsaveExtraLength);
        area[..KvmXsaveReader.MinLength].CopyTo(file[vcpu.Xsave..]);
        area[KvmXsaveReader.MinLength..].CopyTo(file[vcpu.XsaveExtra..]);
        if (VcpuChange.Xcr0(before, after) is { } xcr0)
        {
            WriteXcr0(file.Slice(vcpu.Xcrs, KvmXcrsReader.Length), after, xcr0);
        }

        foreach ((uint index, ulong value) in VcpuChange.Msrs(before, after))
        {
            if (LastOf(file, vcpu, index) is { } place)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(file[(place + VcpuBytes.MsrValue)..], value);
            }
            else if (!VcpuChange.IsContext(after, index))
            {
                throw VcpuChange.NoPlace(after, $"MSR 0x{index:x}");
            }
        }

        DropMsrs(file, vcpu, after, [.. VcpuChange.DroppedMsrs(before, after)]);
        if (VcpuChange.Cpuid(before, after) is { } cpuid)
        {
            for (int i = 0; i < cpuid.Entries.Length; i++)
            {
                CpuidRegisters registers = cpuid.Entries[i].Registers;
                Span<byte> place = file[(vcpu.CpuidEntries[i] + VcpuBytes.CpuidRegisters)..];
                BinaryPrimitives.WriteUInt32LittleEndian(place, registers.Eax);
                BinaryPrimitives.WriteUInt32LittleEndian(place[4..], registers.Ebx);
                BinaryPrimitives.WriteUInt32LittleEndian(place[8..], registers.Ecx);
                BinaryPrimitives.WriteUInt32LittleEndian(place[12..], registers.Edx);
            }
        }
    }

    private static void DropMsrs(Span<byte> file, VcpuPlaces vcpu, CapturedState after, HashSet<uint> dropped)
    {
        if (dropped.Count == 0)
        {
            return;
        }

        uint[] indices = new uint[vcpu.MsrEntries.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            indices[i] = VcpuBytes.MsrIndexAt(file[vcpu.MsrEntries[i]..]);
        }

        Span<byte> entry = file.Slice(vcpu.MsrEntries[VcpuChange.StandIn(after, indices)], VcpuBytes.MsrLength);
        for (int i = 0; i < indices.Length; i++)
        {
            if (dropped.Contains(indices[i]))
            {
                entry.CopyTo(file[vcpu.MsrEntries[i]..]);
            }
        }
    }

    private static void WriteXcr0(Span<byte> xcrs, CapturedState state, StateComponentSet value)
    {
        uint count = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(xcrs), KvmXcrsBlob.MaxXcrs);
        for (int i = 0; i < count; i++)
        {
            Span<byte> entry = xcrs[(VcpuBytes.FirstXcr + (i * VcpuBytes.XcrLength))..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(entry) == 0)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], value.Bits);
                return;
            }
        }

        throw VcpuChange.NoPlace(state, "XCR0: its struct kvm_xcrs counts no such register");
    }

    private static int? LastOf(ReadOnlySpan<byte> file, VcpuPlaces vcpu, uint index)
    {
        int? last = null;
        foreach (int place in vcpu.MsrEntries)
        {
            last = VcpuBytes.MsrIndexAt(file[place..]) == index ? place : last;
        }

        return last;
    }
}
