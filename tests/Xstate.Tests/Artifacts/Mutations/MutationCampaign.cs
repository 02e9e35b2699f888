using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>
/// Damages samples and uses what is left of them, one after the other on a thread of its own, while the test watches that thread: what does
/// not come to an end is reported, not waited for. Every mutation has its own seed, so that any of them runs alone.
/// </summary>
/// <param name="samples">What is damaged.</param>
/// <param name="seed">The seed of mutation 0.</param>
internal sealed class MutationCampaign(IReadOnlyList<MutationSample> samples, ulong seed)
{
    /// <summary>
    /// Bytes that opening may allocate apart from what its length pays for: one area of the largest size that the limits allow, and as much
    /// again.
    /// </summary>
    private static readonly long FixedAllowance = 2L * ArtifactLimits.Default.MaxArea;

    /// <summary>
    /// Bytes that opening may allocate for each byte of the content: a line of 37 characters gives an answer in growing lists, and at worst
    /// a remark.
    /// </summary>
    private const long AllowancePerByte = 64;

    /// <summary>Time on a processor that everything done with one file may take.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    // What comes to an end shortly after the limit is told with the time that it took; what does not is not waited for.
    private static readonly TimeSpan Patience = Limit * 1.5;

    // A thread that waits for something gets no time on a processor; nothing here has anything to wait for.
    private static readonly TimeSpan Stall = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(50);
    private const int DefectsEnough = 12;
    private const int StackLength = 1 << 20;

    private readonly Dictionary<string, MutationTally> _tallies = [];
    private readonly List<string> _defects = [];
    private readonly HashSet<string> _kinds = [];
    private volatile string _current = "";
    private volatile bool _abandoned;
    private long _number = -1;

    /// <summary>What opens an artifact; tests of the campaign itself put a defect here.</summary>
    public Func<Stream, ArtifactOptions, Artifact> Open { get; init; } = Artifact.Open;

    /// <summary>What was found wrong, each kind once.</summary>
    public IReadOnlyList<string> Defects => _defects;

    /// <summary>Counts by format.</summary>
    public IReadOnlyDictionary<string, MutationTally> Tallies => _tallies;

    /// <summary>Runs so many mutations from a number on, until enough defects are found or one does not end.</summary>
    public void Run(int count, int first = 0)
    {
        Exception? failure = null;
        ThreadClock? clock = null;
        using ManualResetEventSlim started = new();
        Thread worker = new(
            () =>
            {
                try
                {
                    clock = ThreadClock.OfThisThread();
                    started.Set();
                    Work(clock, count, first);
                }
                catch (Exception error) when (!_abandoned)
                {
                    failure = error;
                    started.Set();
                }
            },
            StackLength)
        { IsBackground = true };
        worker.Start();
        started.Wait();
        Watch(worker, clock);
        if (!worker.IsAlive)
        {
            clock?.Dispose();
        }

        Assert.Null(failure);
    }

    /// <summary>The counts as a table.</summary>
    public string Report()
    {
        MutationTally all = new();
        List<string> lines = [$"{samples.Count} samples, seed 0x{seed:x}, at most {FixedAllowance} + {AllowancePerByte} × length bytes "
            + $"allocated by opening, {Limit.TotalSeconds} s of a processor for everything"];
        foreach ((string format, MutationTally tally) in _tallies.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            lines.Add($"  {format,-22} {tally}");
            all.Add(tally);
        }

        lines.Insert(1, $"  {"all",-22} {all}");
        return string.Join('\n', lines);
    }

    private void Watch(Thread worker, ThreadClock? clock)
    {
        long number = -1;
        TimeSpan since = default;
        long seen = Stopwatch.GetTimestamp();
        while (!worker.Join(Glance))
        {
            long now = Interlocked.Read(ref _number);
            TimeSpan time = clock!.Elapsed;
            if (now != number)
            {
                (number, since, seen) = (now, time, Stopwatch.GetTimestamp());
            }
            else if (time - since > Patience || Stopwatch.GetElapsedTime(seen) > Stall)
            {
                _abandoned = true;
                _defects.Add($"{_current}: no end after {(time - since).TotalSeconds:f1} s on a processor");
                return;
            }
        }
    }

    private void Work(ThreadClock clock, int count, int first)
    {
        MutationSample[][] formats = [.. samples.GroupBy(sample => sample.Group).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => group.ToArray())];
        int[] weights = [.. formats.Select(group => group.Sum(sample => sample.Weight))];
        for (int i = first; i < first + count && _defects.Count < DefectsEnough; i++)
        {
            SplitMix64 random = new(seed + (ulong)i);
            int format = random.Below(formats.Length);
            MutationSample sample = Choose(ref random, formats[format], weights[format]);
            MutationTally tally = _tallies.TryGetValue(sample.Group, out MutationTally? known)
                ? known : _tallies[sample.Group] = new MutationTally();
            _current = string.Create(CultureInfo.InvariantCulture, $"mutation {i} of {sample.Name}");
            Interlocked.Increment(ref _number);
            TimeSpan start = clock.Elapsed;
            try
            {
                One(ref random, sample, tally, formats);
            }
            catch (Exception error) when (!_abandoned)
            {
                Note(error.GetType().Name, error);
            }

            if (_abandoned)
            {
                return;
            }

            TimeSpan taken = clock.Elapsed - start;
            tally.Count(taken);
            if (taken > Limit)
            {
                _defects.Add($"{_current}: {taken.TotalSeconds:f1} s on a processor");
            }
        }
    }

    private static MutationSample Choose(ref SplitMix64 random, MutationSample[] group, int weights)
    {
        int at = random.Below(weights);
        int i = 0;
        while ((at -= group[i].Weight) >= 0)
        {
            i++;
        }

        return group[i];
    }

    private void One(ref SplitMix64 random, MutationSample sample, MutationTally tally, MutationSample[][] formats)
    {
        MutationSample[] donors = formats[random.Below(formats.Length)];
        byte[] donor = random.OneIn(2) ? sample.Bytes : donors[random.Below(donors.Length)].Bytes;
        byte[] file = Mutator.Mutate(ref random, sample.Bytes, donor);
        if (random.OneIn(4))
        {
            file = Mutator.Mutate(ref random, file, sample.Bytes);
        }

        if (sample.Mend is { } mend && !random.OneIn(4))
        {
            file = mend(file);
        }

        ArtifactOptions options = new()
        {
            Format = random.OneIn(2) ? sample.Format : null,
            Limits = random.OneIn(16)
            ? Tight(ref random) : ArtifactLimits.Default
        };
        if (sample.Format == UndoFileReader.Format)
        {
            UndoRecord? undo = null;
            Expect(file, options, tally, () => undo = UndoFileReader.Read(file, options.Limits));
            if (undo is not null)
            {
                tally.Opened(0);
                Assert.Throws<MalformedArtifactException>(() => undo.Apply(new MemoryStream(file), Stream.Null));
            }

            return;
        }

        Artifact? artifact = null;
        long allocated = Expect(file, options, tally, () => artifact = Open(new MemoryStream(file), options));
        tally.Allocated(allocated);
        if (allocated > FixedAllowance + (AllowancePerByte * file.Length)
            && allocated > FixedAllowance + (AllowancePerByte * Length(file, options)))
        {
            Note("Allocation", new InvalidOperationException($"{allocated} bytes for {file.Length}, {artifact?.Format}"));
        }

        if (artifact is not null)
        {
            tally.Opened(artifact.Findings.Length);
            tally.Mended += EveryVerb.Run(ref random, artifact, file, options) ? 1 : 0;
        }
    }

    // A refusal names a place in the file, and what is wrong there.
    private static long Expect(byte[] file, ArtifactOptions options, MutationTally tally, Action open)
    {
        MalformedArtifactException? refusal = null;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            open();
        }
        catch (MalformedArtifactException error)
        {
            refusal = error;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (refusal is not null)
        {
            tally.Refused();
            Assert.True(refusal.Offset >= 0 && (refusal.Offset <= file.Length || refusal.Offset <= Length(file, options)),
                $"offset {refusal.Offset} of {file.Length}: {refusal.Message}");
            Assert.NotEmpty(refusal.Found);
            Assert.NotEmpty(refusal.Expected);
        }

        return allocated;
    }

    // Bytes of the file, or of what is compressed in it, all of it or the stream of a libvirt save: the most that decoders work on, up to a
    // damaged place or the limit.
    private static long Length(byte[] file, ArtifactOptions options)
    {
        const int xmlLength = 20;
        const int compression = 28;
        const int header = 92;
        long length = Math.Max(file.Length, UnpackedLength(file, 0, options));
        if (!file.AsSpan().StartsWith("LibvirtQemud"u8) || file.Length < header || BitConverter.ToUInt32(file, compression) != 1)
        {
            return length;
        }

        long stream = header + (long)BitConverter.ToUInt32(file, xmlLength);
        return stream < file.Length ? Math.Max(length, UnpackedLength(file, (int)stream, options)) : length;
    }

    private static long UnpackedLength(byte[] file, int start, ArtifactOptions options)
    {
        long length = 0;
        try
        {
            using GZipStream content = new(new MemoryStream(file, start, file.Length - start), CompressionMode.Decompress);
            byte[] chunk = new byte[1 << 16];
            int read;
            while (length <= options.Limits.MaxSpooled && (read = content.Read(chunk)) > 0)
            {
                length += read;
            }
        }
        catch (InvalidDataException)
        {
            // What came before was decompressed too.
        }

        return length;
    }

    private static ArtifactLimits Tight(ref SplitMix64 random) => new()
    {
        MaxStates = 1 + random.Below(3),
        MaxCpuidEntries = 1 + random.Below(40),
        MaxProcessors = 1 + random.Below(3),
        MaxWholeFile = 1 + random.Below(1 << 16),
        MaxSpooled = 1 + random.Below(1 << 18),
        MaxLine = 1 + random.Below(200),
        MaxMsrs = random.Below(4),
        MaxModels = 1 + random.Below(20),
        MaxFeatures = 1 + random.Below(40),
        MaxVmDescription = 1 + random.Below(1 << 16),
        MaxVmFields = 1 + random.Below(200),
        MaxCpuSection = 1 + random.Below(8192),
        MaxSegments = 1 + random.Below(8),
        MaxNotes = 1 + random.Below(20),
        MaxNoteBytes = 1 + random.Below(1 << 14),
        MaxArea = XsaveLengths[random.Below(XsaveLengths.Length)],
    };

    private static readonly int[] XsaveLengths = [576, 832, 2432, 4096, 11008];

    private void Note(string kind, Exception error)
    {
        // One of a kind: the same exception from the same place.
        string place = error.StackTrace?.Split('\n').FirstOrDefault(line => line.Contains("Xstate.", StringComparison.Ordinal)
            && !line.Contains("Mutation", StringComparison.Ordinal))?.Trim() ?? kind;
        if (_kinds.Add($"{kind} {place}"))
        {
            _defects.Add($"{_current}: {error}");
        }
    }
}
