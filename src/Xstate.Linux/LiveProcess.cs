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
public sealed record LiveReading(Capture Capture, ImmutableArray<Finding> Findings);

/// <summary>
/// A running process through ptrace. Each thread is stopped for as long as its registers take to copy, and one after another: the threads' states are not of one moment. The process goes on
/// whatever happens to this one, because the kernel detaches when a tracer ends.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class LiveProcess
{
    /// <summary>Name of the capture's format.</summary>
    public const string Format = "process";

    // Registers of a 32-bit thread in NT_PRSTATUS; a 64-bit one, x32 included, has 27 of 8 bytes.
    private const int GeneralLength32 = 17 * sizeof(uint);

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

    /// <summary>Reads all threads.</summary>
    /// <exception cref="LinuxException">There is no such process, or it may not be traced.</exception>
    public LiveReading Read()
    {
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        Errno refusal = Errno.None;
        using (TracerThread tracer = new("tracer"))
        {
            foreach (int id in Threads())
            {
                CapturedState? state = null;
                Errno errno = tracer.Perform(() => ReadThread(id, out state));
                if (state is not null)
                {
                    states.Add(state);
                }
                else if (errno == Errno.EAGAIN)
                {
                    findings.Add(new Finding("XS1303", Severity.Warning, $"thread {id} did not stop: it sleeps where nothing can wake it") { Where = new FindingLocation(id) });
                }
                else if (refusal == Errno.None)
                {
                    // A thread may end at any time, and an ended one is refused. That counts only if no thread is left.
                    refusal = errno;
                }
            }
        }

        if (states.Count == 0 && findings.Count == 0)
        {
            throw new LinuxException($"ptrace of {Id}", refusal == Errno.None ? Errno.ESRCH : refusal);
        }

        Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.Process,
            States = states.ToImmutable(),
            Source = new Fact<HostRecord>(_host.Value, _host.Value.Provenance),
            Note = Describe(),
        };
        return new LiveReading(capture, findings.ToImmutable());
    }

    /// <summary>Gives registers of one thread values, and reads them back.</summary>
    /// <param name="edits">The registers.</param>
    /// <param name="thread">The thread; by default the one whose id is the process's.</param>
    /// <exception cref="LinuxException">The thread cannot be traced.</exception>
    /// <exception cref="RegisterEditException">The processor has no such register.</exception>
    public WriteOutcome Set(IReadOnlyCollection<RegisterEdit> edits, int? thread = null)
    {
        int id = thread ?? Id;
        if (!Threads().Contains(id))
        {
            throw new LinuxException($"ptrace of {id}, which is no thread of {Id}", Errno.ESRCH);
        }

        KernelBehavior? behavior = KernelBehavior.Of(_host.Value);
        LinuxHost? host = behavior is null ? null : new LinuxHost(_host.Value, behavior);
        using TracerThread tracer = new("tracer");
        WriteOutcome? outcome = null;
        Errno errno = tracer.Perform(() => WithStopped(id, stopped => outcome = RegisterWrite.Perform(new ThreadRegsets(stopped), id, Layout, edits, host)));
        return outcome ?? throw new LinuxException($"ptrace of {id}", errno);
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
        });
        errno = errno == Errno.None ? answer : errno;
        state = errno == Errno.None ? StateOf(id, area, general.Length == GeneralLength32) : null;
        return errno;
    }

    private CapturedState StateOf(int id, byte[] area, bool is32Bit)
    {
        if (area.Length < XsaveFormat.ExtendedOffset)
        {
            Array.Resize(ref area, XsaveFormat.ExtendedOffset);
            area[XsaveFormat.XstateBvOffset] = (byte)StateComponentSet.Legacy.Bits;
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
        };
    }

    private int[] Threads()
    {
        try
        {
            return
            [
                .. Directory.GetDirectories(Path.Combine(_folder, "task"))
                    .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : 0)
                    .Where(id => id > 0)
                    .OrderBy(id => id != Id)
                    .ThenBy(id => id),
            ];
        }
        catch (IOException)
        {
            throw new LinuxException($"ptrace of {Id}", Errno.ESRCH);
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
}
