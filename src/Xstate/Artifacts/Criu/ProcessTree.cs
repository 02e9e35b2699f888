using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Artifacts.Criu;

/// <summary>One process of a dump.</summary>
/// <param name="Id">Its number in its PID namespace.</param>
/// <param name="Threads">The numbers of its threads, its own first.</param>
internal sealed record DumpedProcess(int Id, ImmutableArray<int> Threads);

/// <summary>Reads pstree.img: the processes of a dump and their threads.</summary>
internal static class ProcessTree
{
    /// <summary>The image's name in the directory.</summary>
    public const string FileName = "pstree.img";

    // PSTREE_MAGIC.
    private const uint Magic = 0x5027_3030;

    /// <summary>The processes in the image's order, which is parents first.</summary>
    /// <exception cref="MalformedArtifactException">It is not the image of a process tree.</exception>
    public static ImmutableArray<DumpedProcess> Read(ReadOnlySpan<byte> file, ArtifactLimits limits)
    {
        if (file.Length < CriuImage.SizeOffset || BinaryPrimitives.ReadUInt32LittleEndian(file) != CriuImage.CommonMagic
            || BinaryPrimitives.ReadUInt32LittleEndian(file[sizeof(uint)..]) != Magic)
        {
            throw new MalformedArtifactException(CriuImages.Format, 0, Quotation.Of(file[..Math.Min(file.Length, CriuImage.SizeOffset)]),
                $"0x{CriuImage.CommonMagic:x8} and 0x{Magic:x8}");
        }

        ImmutableArray<DumpedProcess>.Builder processes = ImmutableArray.CreateBuilder<DumpedProcess>();
        HashSet<int> seen = [];
        for (int at = CriuImage.SizeOffset; at < file.Length;)
        {
            uint size = file.Length - at < sizeof(uint) ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(file[at..]);
            int start = at + sizeof(uint);
            if (size > file.Length - start)
            {
                throw new MalformedArtifactException(CriuImages.Format, at, $"{file.Length - at} bytes",
                    "the length of an entry, and the entry");
            }

            processes.Add(ReadProcess(file, new WireMessage(at, start, start + (int)size, null), seen, limits));
            at = start + (int)size;
        }

        return processes.ToImmutable();
    }

    private static DumpedProcess ReadProcess(ReadOnlySpan<byte> file, WireMessage message, HashSet<int> seen, ArtifactLimits limits)
    {
        WireReader reader = new(file, message, CriuImages.Format);
        int? id = null;
        List<WireNumber> threads = [];
        while (reader.Next())
        {
            if (reader.Field == 1)
            {
                id = (int)reader.Number(int.MaxValue).Value;
            }
            else if (reader.Field == 5)
            {
                reader.AddNumbers(threads, int.MaxValue, limits.MaxStates, "threads");
            }
        }

        foreach (WireNumber thread in threads)
        {
            if (!seen.Add((int)thread.Value) || seen.Count > limits.MaxStates)
            {
                throw reader.Malformed(thread.Start, $"thread {thread.Value} as number {seen.Count}",
                    $"each thread once, and at most {limits.MaxStates}");
            }
        }

        return new DumpedProcess(id ?? throw reader.Malformed(message.Start, "a process without a number", "field 1"),
            [.. threads.Select(thread => (int)thread.Value)]);
    }
}
