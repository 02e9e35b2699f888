using System.Collections.Immutable;
using Xstate.Artifacts.QemuStream;
using Xstate.Findings;

namespace Xstate.Artifacts.QemuSnapshot;

/// <summary>
/// Reads the state that <c>savevm</c> leaves in a qcow2 image: a QEMU stream behind the disk, reached through the snapshot's own tables.
/// </summary>
internal static class QemuSnapshotReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "qemu-snapshot";

    internal static bool Recognizes(ReadOnlySpan<byte> head) =>
        head.StartsWith((ReadOnlySpan<byte>)[(byte)'Q', (byte)'F', (byte)'I', 0xFB]);

    /// <summary>Reads the last snapshot that has a state.</summary>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        Qcow2Image image = new(source, limits);
        Qcow2Snapshot snapshot = Choose(image);
        using ArtifactSource stream = new SnapshotState(source, image, snapshot).Open();
        QemuStreamContent content = ReadContent(stream, limits, snapshot);
        return Artifact.Of(content.ToCapture(Format, $"snapshot '{Quotation.Cut(snapshot.Name)}' (id {Quotation.Cut(snapshot.Id)}); "),
            Format, new QemuSnapshotEncoder(limits), [.. content.Findings, .. OfOthers(image, snapshot)]);
    }

    /// <summary>The snapshot that is read and written: the last one with a state.</summary>
    internal static Qcow2Snapshot Choose(Qcow2Image image) =>
        image.Snapshots.LastOrDefault(snapshot => snapshot.StateLength > 0)
        ?? throw new MalformedArtifactException(Format, 0, $"{image.Snapshots.Length} snapshots of the disk alone",
            "one with the state of the virtual machine, as savevm makes it");

    // The clusters of a state lie anywhere, so its offsets are told beside the place of the snapshot's table.
    private static QemuStreamContent ReadContent(ArtifactSource stream, ArtifactLimits limits, Qcow2Snapshot snapshot)
    {
        try
        {
            return QemuStreamReader.ReadContent(stream, limits);
        }
        catch (MalformedArtifactException error) when (error.Format == QemuStreamReader.Format)
        {
            throw new MalformedArtifactException(Format, snapshot.EntryOffset,
                $"{error.Found} at {error.Offset} of the state of snapshot '{Quotation.Cut(snapshot.Name)}'", error.Expected);
        }
    }

    private static ImmutableArray<Finding> OfOthers(Qcow2Image image, Qcow2Snapshot chosen)
    {
        string[] others = [.. image.Snapshots.Where(snapshot => snapshot != chosen && snapshot.StateLength > 0)
            .Select(snapshot => Quotation.Cut(snapshot.Name))];
        if (others.Length == 0)
        {
            return [];
        }

        string names = string.Join(", ", others.Take(4)) + (others.Length > 4 ? $" and {others.Length - 4} more" : "");
        return [Rules.OneOfSeveralSnapshots.At(new FindingLocation(),
            $"shown is the last snapshot, '{Quotation.Cut(chosen.Name)}'; there are also {names}")];
    }
}
