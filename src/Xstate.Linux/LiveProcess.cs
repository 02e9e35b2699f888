using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Tracing;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Linux;

/// <summary>What was read of a running process.</summary>
/// <param name="Capture">Its threads.</param>
/// <param name="Findings">Threads that could not be read.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record LiveReading(Capture Capture, ImmutableArray<Finding> Findings);

/// <summary>
/// A running process through ptrace. Each thread is stopped for as long as its registers take to copy, and one after another: the threads'
/// states are not of one moment. The process goes on whatever happens to this one, because the kernel detaches when a tracer ends.
/// </summary>
/// <threadsafety>One thread at a time: ptrace belongs to the thread that attached, inside each call.</threadsafety>
[SupportedOSPlatform("linux")]
public sealed class LiveProcess
{
    /// <summary>Name of the capture's format.</summary>
    public const string Format = "process";

    // Registers of a 32-bit thread in NT_PRSTATUS; a 64-bit one, x32 included, has 27 of 8 bytes.
    private const int GeneralLength32 = 17 * sizeof(uint);

    // A process that starts threads without end would never be listed whole.
    private const int MaxPasses = 32;

    private readonly string _folder;
    private readonly Lazy<HostRecord> _host = new(() => HostProbe.RecordWithoutKvm());

    /// <summary>A process, or any one thread, by id.</summary>
    public LiveProcess(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(id);
        Id = id;
        _folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{id}");
    }

    /// <summary>The process id.</summary>
    public int Id { get; }

    private Fact<XsaveLayout> Layout => new(XsaveLayout.FromCpuid(_host.Value.Cpuid), FactSource.Cpuid, "this processor");

    /// <summary>Reads all threads. Threads come and go meanwhile, so they are listed again until nothing is new.</summary>
    /// <exception cref="LinuxException">There is no such process, or it may not be traced.</exception>
    public LiveReading Read()
    {
        Reading reading = new();
        using (TracerThread tracer = new("tracer"))
        {
            bool isNew = true;
            for (int pass = 0; isNew && pass < MaxPasses; pass++)
            {
                isNew = false;
                foreach (int id in Threads(reading.Seen))
                {
                    isNew = true;
                    CapturedState? state = null;
                    Errno errno = tracer.Perform(() => ReadThread(id, out state));
                    reading.Add(id, state, errno);
                }
            }

            if (isNew)
            {
                reading.Findings.Add(Of(Rules.ThreadsStartTooFast,
                    $"process {Id} starts threads faster than they can be listed; after {MaxPasses} listings the search ended, so some "
                    + "are missing"));
            }
        }

        if (reading.States.Count == 0 && !reading.HasAnswer)
        {
            Errno refusal = reading.Refusal == Errno.None ? Errno.ESRCH : reading.Refusal;
            throw new LinuxException($"ptrace of {Id}", refusal, TraceRefusal.Explain(Id, refusal));
        }

        Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.Process,
            States = [.. reading.States],
            Source = new Fact<HostRecord>(_host.Value, _host.Value.Provenance),
            Note = Describe(),
            MinSignalStack = MinSignalStackOf(Id) is { } stack
                ? new Fact<ulong>(stack, FactSource.Artifact, "AT_MINSIGSTKSZ of /proc/PID/auxv") : null,
        };
        return new LiveReading(capture, [.. reading.Findings]);
    }

    /// <summary>Gives registers of one thread values, and reads them back.</summary>
    /// <param name="edits">The registers.</param>
    /// <param name="thread">The thread; by default the one whose id is the process's.</param>
    /// <exception cref="LinuxException">The thread cannot be traced.</exception>
    /// <exception cref="RegisterEditException">The processor has no such register.</exception>
    internal WriteOutcome Set(IReadOnlyCollection<RegisterEdit> edits, int? thread = null)
    {
        int id = thread ?? Id;
        if (!Threads([]).Contains(id))
        {
            throw new LinuxException($"ptrace of {id}, which is no thread of {Id}", Errno.ESRCH);
        }

        KernelBehavior? behavior = KernelBehavior.Of(_host.Value);
        LinuxHost? host = behavior is null ? null : new LinuxHost(_host.Value, behavior);
        using TracerThread tracer = new("tracer");
        WriteOutcome? outcome = null;
        Errno errno = tracer.Perform(() => WithStopped(id,
            stopped => outcome = RegisterWrite.Perform(new ThreadRegsets(stopped), id, Layout, edits, host)));
        return outcome ?? throw new LinuxException($"ptrace of {id}", errno, TraceRefusal.Explain(id, errno));
    }

    /// <summary>
    /// AT_MINSIGSTKSZ that the kernel told a process when it started; null before Linux 5.14, or where /proc does not let it be read.
    /// </summary>
    internal static ulong? MinSignalStackOf(int id)
    {
        const ulong MinSignalStack = 51;
        const int EntryLength = 2 * sizeof(ulong);
        try
        {
            byte[] auxv = File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/auxv"));
            for (int at = 0; at + EntryLength <= auxv.Length; at += EntryLength)
            {
                if (BitConverter.ToUInt64(auxv, at) == MinSignalStack)
                {
                    return BitConverter.ToUInt64(auxv, at + sizeof(ulong));
                }
            }

            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Errno WithStopped(int id, Action<TracedThread> action)
    {
        Errno errno = TracedThread.TrySeize(id, killWithTracer: false, out TracedThread? thread);
        if (thread is null)
        {
            return errno;
        }

        if (!thread.TryStop())
        {
            return Errno.EAGAIN;
        }

        try
        {
            action(thread);
        }
        finally
        {
            thread.Detach();
        }

        return Errno.None;
    }

    private Errno ReadThread(int id, out CapturedState? state)
    {
        byte[] area = [];
        byte[] general = [];
        ulong? shadowStack = null;
        Errno answer = Errno.None;
        Errno errno = WithStopped(id, stopped =>
        {
            answer = stopped.TryGet(RegisterSet.Xstate, out area);
            if (answer == Errno.ENODEV)
            {
                // No XSAVE on this host: the FXSAVE image is all there is.
                answer = stopped.TryGet(RegisterSet.Fpregs, out area);
            }

            stopped.TryGet(RegisterSet.General, out general);
            shadowStack = stopped.TryGetShadowStack(out ulong pointer) == Errno.None ? pointer : null;
        });
        errno = errno == Errno.None ? answer : errno;
        state = errno == Errno.None ? StateOf(id, area, general.Length == GeneralLength32, shadowStack) : null;
        return errno;
    }

    private CapturedState StateOf(int id, byte[] area, bool is32Bit, ulong? shadowStack)
    {
        if (area.Length < XsaveFormat.ExtendedOffset)
        {
            Array.Resize(ref area, XsaveFormat.ExtendedOffset);
            new XsaveAreaWriter(area).WriteXstateBv(StateComponentSet.Legacy);
        }

        // The kernel writes the components that it enables into the bytes for software, as it does in cores.
        StateComponentSet enabled = new(new XsaveArea(area).SoftwareMask);
        return new CapturedState
        {
            Id = id,
            Area = area,
            Layout = Layout,
            Xcr0 = enabled.IsEmpty ? null : new Fact<StateComponentSet>(enabled, FactSource.Artifact, "software bytes of NT_X86_XSTATE"),
            Is32Bit = is32Bit,
            Msrs = shadowStack is { } pointer ? ImmutableSortedDictionary<uint, ulong>.Empty.Add(MsrNames.UserShadowStackPointer,
                pointer) : ImmutableSortedDictionary<uint, ulong>.Empty,
        };
    }

    // Those that were not seen before.
    private int[] Threads(HashSet<int> seen)
    {
        try
        {
            return
            [
                .. Directory.GetDirectories(Path.Combine(_folder, "task"))
                    .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                        ? id : 0)
                    .Where(id => id > 0 && seen.Add(id))
                    .OrderBy(id => id != Id)
                    .ThenBy(id => id),
            ];
        }
        catch (IOException) when (seen.Count == 0)
        {
            throw new LinuxException($"ptrace of {Id}", Errno.ESRCH, TraceRefusal.Explain(Id, Errno.ESRCH));
        }
        catch (IOException)
        {
            // It ended while it was read.
            return [];
        }
    }

    private string Describe()
    {
        try
        {
            return string.Create(CultureInfo.InvariantCulture, $"process {Id}, {File.ReadAllText(Path.Combine(_folder, "comm")).Trim()}");
        }
        catch (IOException)
        {
            return string.Create(CultureInfo.InvariantCulture, $"process {Id}");
        }
    }

    private static Finding Of(Rule rule, string message, int? thread = null) =>
        new(rule, rule.Severity, message) { Where = new FindingLocation(thread) };

    // What the passes over the list of threads gave.
    private sealed class Reading
    {
        public HashSet<int> Seen { get; } = [];

        public List<CapturedState> States { get; } = [];

        public List<Finding> Findings { get; } = [];

        public Errno Refusal { get; private set; }

        public bool HasAnswer { get; private set; }

        public void Add(int id, CapturedState? state, Errno errno)
        {
            if (state is not null)
            {
                States.Add(state);
            }
            else if (errno == Errno.EAGAIN)
            {
                HasAnswer = true;
                Findings.Add(Of(Rules.ThreadDidNotStop, $"thread {id} did not stop: it sleeps where nothing can wake it", id));
            }
            else
            {
                // A thread may end at any time, and an ended one is refused. That counts only if no thread is left.
                Refusal = Refusal == Errno.None ? errno : Refusal;
                Findings.Add(errno == Errno.ESRCH
                    ? Of(Rules.ThreadEnded, $"thread {id} ended before it could be read", id)
                    : Of(Rules.ThreadNotTraceable,
                        $"thread {id} was not read, {errno}: {TraceRefusal.Explain(id, errno) ?? "the kernel refused"}", id));
            }
        }
    }
}
