using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>
/// Reads state.json of a Cloud Hypervisor snapshot, 29 and later: a document in whose tree the state of each virtual CPU is JSON again,
/// kept as text.
/// </summary>
internal static class CloudHypervisorReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "cloud-hypervisor";

    internal static bool Recognizes(ArtifactSource source) => StateDocument.Recognizes(source.Head);

    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        ReadOnlyMemory<byte> document = source.Whole(limits.MaxWholeFile);
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        foreach (EmbeddedVcpu embedded in StateDocument.ReadVcpus(document, limits))
        {
            CapturedState state = StateOf(embedded.Id, VcpuText.Read(embedded.Text, limits));
            states.Add(state);
            if (state.FpuDisagreement is { } offset)
            {
                findings.Add(SnapshotFindings.Of(Rules.FpuDisagrees,
                    $"fpu and xsave.region differ from byte {offset} of the legacy region on: fpu is set last and wins",
                    new FindingLocation(state.Id, offset)));
            }
        }

        SnapshotFindings.AddForeignLayouts(findings, states);
        SnapshotFindings.AddShortAreas(findings, states);
        Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.VirtualMachine,
            States = states.ToImmutable(),
            Note = "Cloud Hypervisor"
        };
        return Artifact.Of(capture, Format, new CloudHypervisorEncoder(capture, limits), findings.ToImmutable());
    }

    private static CapturedState StateOf(int id, VcpuText vcpu)
    {
        byte[] area = new byte[KvmXsaveReader.MinLength + (vcpu.Extra.Count * sizeof(uint))];
        for (int i = 0; i < area.Length / sizeof(uint); i++)
        {
            Number word = i < vcpu.Region.Count ? vcpu.Region[i] : vcpu.Extra[i - vcpu.Region.Count];
            BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(i * sizeof(uint)), (uint)word.Value);
        }

        ImmutableArray<CpuidEntry>.Builder cpuid = ImmutableArray.CreateBuilder<CpuidEntry>(vcpu.Cpuid.Count);
        foreach (Number[] entry in vcpu.Cpuid)
        {
            cpuid.Add(new CpuidEntry(
                (uint)entry[0].Value,
                (uint)entry[1].Value,
                (entry[2].Value & KvmCpuidEntry2.SignificantIndex) != 0,
                new CpuidRegisters((uint)entry[3].Value, (uint)entry[4].Value, (uint)entry[5].Value, (uint)entry[6].Value)));
        }

        Dictionary<uint, ulong> msrs = [];
        foreach (Number[] msr in vcpu.Msrs)
        {
            // The kernel sets them in order: the last of the same number counts.
            msrs[(uint)msr[0].Value] = msr[1].Value;
        }

        CapturedState state = VcpuFacts.ToState(id, area, new CpuidTable(cpuid.MoveToImmutable()), Xcr0Of(vcpu),
            msrs) with
        { MsrOrder = [.. vcpu.Msrs.Select(msr => (uint)msr[0].Value).Distinct()] };
        return vcpu.HasFpu ? state with { Fpu = FpuOf(vcpu) } : state;
    }

    private static StateComponentSet? Xcr0Of(VcpuText vcpu)
    {
        if (vcpu.XcrsBytes.Count == 0)
        {
            return vcpu.Xcr0 is { } value ? new StateComponentSet(value.Value) : null;
        }

        Span<byte> bytes = stackalloc byte[KvmXcrsReader.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)vcpu.XcrsBytes[i].Value;
        }

        return KvmXcrsReader.Read(bytes).Xcr0;
    }

    private static byte[] FpuOf(VcpuText vcpu)
    {
        byte[] legacy = new byte[XsaveFormat.LegacyLength];
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        foreach ((int offset, int length, Number number) in vcpu.FpuNumbers)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(value, number.Value);
            value[..length].CopyTo(legacy.AsSpan(offset));
        }

        Fill(legacy.AsSpan(XsaveFormat.StOffset), vcpu.Fpr);
        Fill(legacy.AsSpan(XsaveFormat.XmmOffset), vcpu.Xmm);
        return legacy;

        static void Fill(Span<byte> destination, NumberList bytes)
        {
            for (int i = 0; i < bytes.Count; i++)
            {
                destination[i] = (byte)bytes[i].Value;
            }
        }
    }
}
