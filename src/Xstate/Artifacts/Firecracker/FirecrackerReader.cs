using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Reads the vmstate file of a Firecracker snapshot: 1.7 to 1.14 (bincode) by walking it, 0.23 to 1.6 (versionize) by searching for the
/// virtual CPUs. Later ones are recognised and not read (<see cref="FirecrackerBitcodeReader"/>).
/// </summary>
internal static class FirecrackerReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "firecracker";

    internal static bool Recognizes(ArtifactSource source) => SnapshotHeader.HasMagic(source.Head);

    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        ReadOnlyMemory<byte> file = source.Whole(limits.MaxWholeFile);
        SnapshotHeader header = SnapshotHeader.Read(file.Span);
        if (file.Length - header.StateOffset < SnapshotHeader.TrailerLength)
        {
            throw new MalformedArtifactException(Format, file.Length, $"the end of the file at {file.Length}", "a state and its CRC");
        }

        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        bool isWhole = Crc64.Of(file.Span) == 0;
        if (!isWhole)
        {
            findings.Add(CrcFinding(file.Span));
        }

        ReadOnlySpan<byte> state = file.Span[..^SnapshotHeader.TrailerLength];
        List<VcpuPlaces> vcpus = Locate(state, header, limits, findings);
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>(vcpus.Count);
        foreach (VcpuPlaces vcpu in vcpus)
        {
            states.Add(StateOf(states.Count, file, vcpu));
        }

        SnapshotFindings.AddForeignLayouts(findings, states);
        SnapshotFindings.AddShortAreas(findings, states);
        Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.VirtualMachine,
            States = states.MoveToImmutable(),
            Note = $"Firecracker {(header.Releases.Length > 0 ? header.Releases : "(no known release)")}, snapshot version "
                + $"{header.Version}",
        };
        return Artifact.Of(capture, Format, new FirecrackerEncoder(capture, [.. vcpus], isWhole, limits), findings.ToImmutable());
    }

    private static List<VcpuPlaces> Locate(ReadOnlySpan<byte> state, SnapshotHeader header, ArtifactLimits limits,
        ImmutableArray<Finding>.Builder findings)
    {
        if (header.DataVersion > 0)
        {
            // Its devices and their versions are not walked: the search finds what is needed, and proves it by walking the vCPU itself.
            VcpuShape shape = VcpuShape.OfVersionize(header.DataVersion);
            return Search(state, shape, limits) ?? throw NothingFound(header);
        }

        MalformedArtifactException? first = null;
        foreach (SnapshotVersion version in SnapshotVersion.All.Where(known => known.Major == header.Major))
        {
            try
            {
                return Walk(state, header, version, limits, findings);
            }
            catch (MalformedArtifactException error)
            {
                // 1.13 and 1.14 share a version number. The one that came further tells more.
                first = first is null || error.Offset > first.Offset ? error : first;
            }
        }

        foreach (VcpuShape shape in (ReadOnlySpan<VcpuShape>)[new(true, true, true, true), new(true, false, true, true),
            new(false, false, true, true)])
        {
            if (TrySearch(state, shape, limits) is { } vcpus)
            {
                findings.Add(SnapshotFindings.Of(Rules.SnapshotMisfit, first is null
                    ? $"no release is known to write snapshot version {header.Version}; the virtual CPUs were found by their registers"
                    : $"what stands before the virtual CPUs is not what Firecracker {header.Releases} writes ({first.Message}); they "
                        + "were found by their registers",
                    new FindingLocation(Offset: first?.Offset ?? header.StateOffset)));
                return vcpus;
            }
        }

        throw first ?? NothingFound(header);
    }

    private static List<VcpuPlaces> Walk(ReadOnlySpan<byte> state, SnapshotHeader header, SnapshotVersion version, ArtifactLimits limits,
        ImmutableArray<Finding>.Builder findings)
    {
        const int MinVcpuLength = 4096;
        BincodeCursor cursor = new(state, header.StateOffset);
        PreambleWalk.Pass(ref cursor, version);
        int count = cursor.Count("virtual CPUs", limits.MaxStates, MinVcpuLength);
        if (count == 0)
        {
            throw cursor.Malformed("no virtual CPU", "at least one");
        }

        VcpuShape shape = VcpuShape.Of(version);
        List<VcpuPlaces> vcpus = [];
        for (int i = 0; i < count; i++)
        {
            vcpus.Add(VcpuPlaces.Walk(ref cursor, shape, limits));
        }

        // The search knows nothing of the walk. Guest memory is not in this file, so what it finds beside is no vCPU either, but then
        // somebody should look.
        List<int> anchors = VcpuSearch.FindXcrs(state, shape, limits);
        if (!anchors.SequenceEqual(vcpus.Select(vcpu => vcpu.Xcrs)))
        {
            findings.Add(SnapshotFindings.Of(Rules.SnapshotMisfit,
                $"the file counts {count} virtual CPUs, and {anchors.Count} places look like the control registers of one",
                new FindingLocation(Offset: vcpus[0].Start)));
        }

        return vcpus;
    }

    private static List<VcpuPlaces>? TrySearch(ReadOnlySpan<byte> state, VcpuShape shape, ArtifactLimits limits)
    {
        try
        {
            return Search(state, shape, limits);
        }
        catch (MalformedArtifactException)
        {
            return null;
        }
    }

    private static List<VcpuPlaces>? Search(ReadOnlySpan<byte> state, VcpuShape shape, ArtifactLimits limits)
    {
        List<int> xcrs = VcpuSearch.FindXcrs(state, shape, limits);
        if (xcrs.Count == 0)
        {
            return null;
        }

        List<VcpuPlaces> vcpus = VcpuSearch.FindVcpus(state, xcrs, shape, limits);

        // The vCPUs are a list: its length stands before the first, and nothing stands between them.
        ulong count = vcpus[0].Start >= sizeof(ulong)
            ? BinaryPrimitives.ReadUInt64LittleEndian(state[(vcpus[0].Start - sizeof(ulong))..]) : 0;
        if (count != (ulong)vcpus.Count)
        {
            throw new MalformedArtifactException(Format, Math.Max(0, vcpus[0].Start - sizeof(ulong)),
                $"{count} before {vcpus.Count} virtual CPUs", "their number");
        }

        for (int i = 1; i < vcpus.Count; i++)
        {
            if (vcpus[i].Start != vcpus[i - 1].End)
            {
                throw new MalformedArtifactException(Format, vcpus[i - 1].End,
                    $"{vcpus[i].Start - vcpus[i - 1].End} bytes between virtual CPUs", "none");
            }
        }

        return vcpus;
    }

    private static CapturedState StateOf(int id, ReadOnlyMemory<byte> file, VcpuPlaces vcpu)
    {
        ReadOnlySpan<byte> bytes = file.Span;
        ImmutableArray<CpuidEntry>.Builder cpuid = ImmutableArray.CreateBuilder<CpuidEntry>(vcpu.CpuidEntries.Length);
        foreach (int place in vcpu.CpuidEntries)
        {
            cpuid.Add(VcpuBytes.CpuidEntryAt(bytes[place..]));
        }

        Dictionary<uint, ulong> msrs = [];
        foreach (int place in vcpu.MsrEntries)
        {
            // The kernel sets them in order: the last of the same number counts.
            msrs[VcpuBytes.MsrIndexAt(bytes[place..])] = VcpuBytes.MsrValueAt(bytes[place..]);
        }

        StateComponentSet? xcr0 = KvmXcrsReader.Read(bytes.Slice(vcpu.Xcrs, KvmXcrsReader.Length)).Xcr0;
        ReadOnlyMemory<byte> area = file.Slice(vcpu.Xsave, KvmXsaveReader.MinLength);
        if (vcpu.XsaveExtraLength > 0)
        {
            area = (byte[])[.. area.Span, .. bytes.Slice(vcpu.XsaveExtra, vcpu.XsaveExtraLength)];
        }

        CapturedState state = VcpuFacts.ToState(id, area, new CpuidTable(cpuid.MoveToImmutable()), xcr0, msrs);
        return state with { MsrOrder = [.. vcpu.MsrEntries.Select(place => VcpuBytes.MsrIndexAt(file.Span[place..])).Distinct()] };
    }

    private static Finding CrcFinding(ReadOnlySpan<byte> file)
    {
        ulong stored = BinaryPrimitives.ReadUInt64LittleEndian(file[^SnapshotHeader.TrailerLength..]);
        ulong computed = Crc64.Of(file[..^SnapshotHeader.TrailerLength]);
        return SnapshotFindings.Of(Rules.ChecksumBroken,
            "the CRC64 at the end is not that of the file: it was damaged or changed, and Firecracker refuses to load it",
            new FindingLocation(Offset: file.Length - SnapshotHeader.TrailerLength)) with
        {
            Found = $"0x{stored:x16}",
            Expected = $"0x{computed:x16}",
        };
    }

    private static MalformedArtifactException NothingFound(SnapshotHeader header) =>
        new(Format, header.StateOffset, "no registers of a virtual CPU",
            $"those of {(header.Releases.Length > 0 ? $"Firecracker {header.Releases}" : "a release from 0.23 to 1.14")}");
}
