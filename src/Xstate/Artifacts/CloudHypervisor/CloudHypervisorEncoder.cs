using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>
/// Writes changed numbers where they stand, inside the text that is inside the document, and touches nothing else. <c>fpu</c> follows
/// <c>xsave.region</c>, because it is set after it and wins.
/// </summary>
internal sealed class CloudHypervisorEncoder(Capture decoded, ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        ReadOnlyMemory<byte> document = original.Whole(limits.MaxWholeFile);
        List<EmbeddedVcpu> vcpus = StateDocument.ReadVcpus(document, limits);
        ImmutableArray<ArtifactPatch>.Builder patches = ImmutableArray.CreateBuilder<ArtifactPatch>();
        for (int i = 0; i < vcpus.Count; i++)
        {
            VcpuText vcpu = VcpuText.Read(vcpus[i].Text, limits);
            foreach ((Number number, ulong value) in Changes(vcpu, decoded.States[i], changed.States[i])
                .OrderBy(change => change.Number.Start))
            {
                if (number.Value != value)
                {
                    patches.Add(vcpu.Text.Patch(number.Start, number.End, value.ToString(CultureInfo.InvariantCulture)));
                }
            }
        }

        return patches.ToImmutable();
    }

    private static IEnumerable<(Number Number, ulong Value)> Changes(VcpuText vcpu, CapturedState before, CapturedState after) =>
    [
        .. AreaChanges(vcpu, after), .. FpuChanges(vcpu, before, after), .. Xcr0Changes(vcpu, before, after),
            .. MsrChanges(vcpu, before, after), .. DroppedMsrs(vcpu, before, after), .. CpuidChanges(vcpu, before, after),
    ];

    private static IEnumerable<(Number Number, ulong Value)> AreaChanges(VcpuText vcpu, CapturedState after)
    {
        byte[] area = VcpuChange.Fit(after, KvmXsaveReader.MinLength + (vcpu.Extra.Count * sizeof(uint)));
        for (int i = 0; i < area.Length / sizeof(uint); i++)
        {
            Number word = i < vcpu.Region.Count ? vcpu.Region[i] : vcpu.Extra[i - vcpu.Region.Count];
            yield return (word, BinaryPrimitives.ReadUInt32LittleEndian(area.AsSpan(i * sizeof(uint))));
        }
    }

    private static List<(Number Number, ulong Value)> FpuChanges(VcpuText vcpu, CapturedState before, CapturedState after)
    {
        List<(Number, ulong)> changes = [];
        if (!vcpu.HasFpu)
        {
            return changes;
        }

        ReadOnlySpan<byte> fpu = FollowedFpu(before, after);
        foreach ((int offset, int length, Number number) in vcpu.FpuNumbers)
        {
            changes.Add((number, BinaryPrimitives.ReadUInt64LittleEndian(fpu[offset..]) & ulong.MaxValue >> (64 - (8 * length))));
        }

        for (int i = 0; i < vcpu.Fpr.Count; i++)
        {
            changes.Add((vcpu.Fpr[i], fpu[XsaveFormat.StOffset + i]));
        }

        for (int i = 0; i < vcpu.Xmm.Count; i++)
        {
            changes.Add((vcpu.Xmm[i], fpu[XsaveFormat.XmmOffset + i]));
        }

        return changes;
    }

    // Whatever was changed in the area is changed here as well; what was not stays, even where the two disagreed.
    private static byte[] FollowedFpu(CapturedState before, CapturedState after)
    {
        byte[] fpu = (after.Fpu ?? before.Fpu!.Value).ToArray();
        ReadOnlySpan<byte> old = before.Area.Span;
        ReadOnlySpan<byte> now = after.Area.Span;
        for (int i = 0; i < XsaveFormat.XmmEnd; i++)
        {
            if (old[i] != now[i])
            {
                fpu[i] = now[i];
            }
        }

        return fpu;
    }

    private static IEnumerable<(Number Number, ulong Value)> Xcr0Changes(VcpuText vcpu, CapturedState before, CapturedState after)
    {
        if (VcpuChange.Xcr0(before, after) is not { } xcr0)
        {
            return [];
        }

        if (vcpu.Xcr0 is { } number)
        {
            return [(number, xcr0.Bits)];
        }

        int? entry = null;
        if (vcpu.XcrsBytes.Count > 0)
        {
            ulong count = WordAt(vcpu.XcrsBytes, 0);
            for (int i = KvmXcrsBlob.MaxXcrs - 1; i >= 0; i--)
            {
                int at = KvmXcrsReader.HeaderLength + (i * KvmXcrsReader.EntryLength);
                entry = (ulong)i < count && WordAt(vcpu.XcrsBytes, at) == 0 ? at + sizeof(ulong) : entry;
            }
        }

        return entry is { } value
            ? Enumerable.Range(0, sizeof(ulong)).Select(i => (vcpu.XcrsBytes[value + i], (xcr0.Bits >> (8 * i)) & 0xFF))
            : throw VcpuChange.NoPlace(after, "XCR0: its xcrs counts no such register");
    }

    private static ulong WordAt(NumberList bytes, int at) => bytes[at].Value | bytes[at + 1].Value << 8 | bytes[at + 2].Value << 16
        | bytes[at + 3].Value << 24;

    private static IEnumerable<(Number Number, ulong Value)> MsrChanges(VcpuText vcpu, CapturedState before, CapturedState after)
    {
        foreach ((uint index, ulong value) in VcpuChange.Msrs(before, after))
        {
            if (vcpu.Msrs.FindLast(msr => msr[0].Value == index) is { } found)
            {
                yield return (found[1], value);
            }
            else if (!VcpuChange.IsContext(after, index))
            {
                throw VcpuChange.NoPlace(after, $"MSR 0x{index:x}");
            }
        }
    }

    private static IEnumerable<(Number Number, ulong Value)> DroppedMsrs(VcpuText vcpu, CapturedState before, CapturedState after)
    {
        HashSet<uint> dropped = [.. VcpuChange.DroppedMsrs(before, after)];
        if (dropped.Count == 0)
        {
            yield break;
        }

        Number[] stays = vcpu.Msrs[VcpuChange.StandIn(after, [.. vcpu.Msrs.Select(msr => (uint)msr[0].Value)])];
        foreach (Number[] msr in vcpu.Msrs.Where(msr => dropped.Contains((uint)msr[0].Value)))
        {
            yield return (msr[0], stays[0].Value);
            yield return (msr[1], stays[1].Value);
        }
    }

    private static IEnumerable<(Number Number, ulong Value)> CpuidChanges(VcpuText vcpu, CapturedState before, CapturedState after)
    {
        if (VcpuChange.Cpuid(before, after) is not { } cpuid)
        {
            yield break;
        }

        for (int i = 0; i < cpuid.Entries.Length; i++)
        {
            CpuidRegisters registers = cpuid.Entries[i].Registers;
            yield return (vcpu.Cpuid[i][3], registers.Eax);
            yield return (vcpu.Cpuid[i][4], registers.Ebx);
            yield return (vcpu.Cpuid[i][5], registers.Ecx);
            yield return (vcpu.Cpuid[i][6], registers.Edx);
        }
    }
}
