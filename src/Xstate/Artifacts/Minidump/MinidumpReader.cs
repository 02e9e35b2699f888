using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Minidump;

/// <summary>
/// Reads the threads of an x86-64 minidump, as Windows, Breakpad, Crashpad and lldb write them: the FXSAVE image of each CONTEXT, and the
/// XSAVE state behind it where there is one. Structures are those of minidumpapiset.h and winnt.h. Only the streams that matter are read.
/// </summary>
internal static class MinidumpReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "minidump";

    private const int HeaderLength = 32;
    private const int DirectoryEntryLength = 12;
    private const int ThreadLength = 48;
    private const int ContextInThread = 40;
    private const int ContextInException = 160;
    private const uint ThreadListStream = 3;
    private const uint ExceptionStream = 6;
    private const uint SystemInfoStream = 7;
    private const ushort Amd64 = 9;

    internal static bool Recognizes(ReadOnlySpan<byte> head) => head.StartsWith("MDMP"u8);

    /// <exception cref="MalformedArtifactException">Not a minidump of an x86-64 process, damaged, or without any thread's
    /// registers.</exception>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        Dictionary<uint, Location> streams = ReadDirectory(source, limits);
        CheckProcessor(source, streams);
        Location threads = streams.TryGetValue(ThreadListStream, out Location list)
            ? list : throw Malformed(0, "no list of threads (stream 3)", "a minidump of a process");
        List<Finding> findings = [];
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        (uint Thread, Location Context)? crashed = ReadException(source, streams);
        HashSet<uint> seen = [];
        foreach ((uint id, Location context, long at) in ReadThreads(source, threads, limits))
        {
            if (id > int.MaxValue || !seen.Add(id))
            {
                throw Malformed(at, $"thread id {id}", $"each thread once, with an id up to {int.MaxValue}");
            }

            // The thread list has the crashed thread as it was inside the handler; the exception has it as it crashed.
            bool isCrashed = crashed?.Thread == id && crashed.Value.Context.Length > 0;
            if (ThreadContext.Read(source, isCrashed ? crashed!.Value.Context : context, (int)id, findings, limits) is { } state)
            {
                states.Add(state);
            }
        }

        if (states.Count == 0)
        {
            throw Malformed(threads.Offset, $"{seen.Count} thread{(seen.Count == 1 ? "" : "s")} without floating-point registers",
                "a CONTEXT with CONTEXT_FLOATING_POINT or CONTEXT_XSTATE");
        }

        string note = crashed is { } crash ? string.Create(CultureInfo.InvariantCulture, $"minidump, exception in thread {crash.Thread}")
            : "minidump";
        Capture capture = new() { Format = Format, Kind = CaptureKind.Process, States = states.ToImmutable(), Note = note };
        return Artifact.Of(capture, Format, encoder: null, [.. findings]);
    }

    internal static MalformedArtifactException Malformed(long offset, string found, string expected) =>
        new(Format, offset, found, expected);

    private static Dictionary<uint, Location> ReadDirectory(ArtifactSource source, ArtifactLimits limits)
    {
        byte[] header = source.Bytes(Format, 0, HeaderLength, "MINIDUMP_HEADER");
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8));
        uint at = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12));
        if (count > limits.MaxStates)
        {
            throw Malformed(8, $"{count} streams", $"at most {limits.MaxStates}");
        }

        byte[] directory = source.Bytes(Format, at, (int)count * DirectoryEntryLength, "the directory of streams");
        Dictionary<uint, Location> streams = [];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = directory.AsSpan(i * DirectoryEntryLength);
            streams.TryAdd(BinaryPrimitives.ReadUInt32LittleEndian(entry), Location.Read(entry[4..]));
        }

        return streams;
    }

    private static void CheckProcessor(ArtifactSource source, Dictionary<uint, Location> streams)
    {
        if (streams.TryGetValue(SystemInfoStream, out Location system))
        {
            ushort processor = BinaryPrimitives.ReadUInt16LittleEndian(source.Bytes(Format, system.Offset, sizeof(ushort),
                "MINIDUMP_SYSTEM_INFO"));
            if (processor != Amd64)
            {
                throw Malformed(system.Offset, $"processor architecture {processor}", $"{Amd64}: x86-64");
            }
        }
    }

    private static (uint Thread, Location Context)? ReadException(ArtifactSource source, Dictionary<uint, Location> streams)
    {
        if (!streams.TryGetValue(ExceptionStream, out Location exception) || exception.Length < ContextInException + Location.Size)
        {
            return null;
        }

        byte[] bytes = source.Bytes(Format, exception.Offset, ContextInException + Location.Size, "MINIDUMP_EXCEPTION_STREAM");
        return (BinaryPrimitives.ReadUInt32LittleEndian(bytes), Location.Read(bytes.AsSpan(ContextInException)));
    }

    private static IEnumerable<(uint Id, Location Context, long At)> ReadThreads(ArtifactSource source, Location list,
        ArtifactLimits limits)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(source.Bytes(Format, list.Offset, sizeof(uint), "the number of threads"));
        if (count > limits.MaxStates)
        {
            throw Malformed(list.Offset, $"{count} threads", $"at most {limits.MaxStates}");
        }

        // Some writers align the threads to eight bytes.
        long begin = list.Offset + sizeof(uint) + (list.Length == (2 * sizeof(uint)) + ((long)count * ThreadLength) ? sizeof(uint) : 0);
        for (int i = 0; i < count; i++)
        {
            long at = begin + ((long)i * ThreadLength);
            byte[] thread = source.Bytes(Format, at, ThreadLength, "MINIDUMP_THREAD");
            yield return (BinaryPrimitives.ReadUInt32LittleEndian(thread), Location.Read(thread.AsSpan(ContextInThread)), at);
        }
    }
}
