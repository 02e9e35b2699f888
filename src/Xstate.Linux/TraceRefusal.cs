using System.Globalization;
using System.Runtime.Versioning;
using Xstate.Hypervisors;

namespace Xstate.Linux;

/// <summary>
/// Why a process may not be traced. The kernel answers EPERM to all of it (ptrace(2), Linux kernel/ptrace.c: ptrace_attach and
/// __ptrace_may_access; security/yama); what tells the causes apart is in /proc.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class TraceRefusal
{
    private const string Root = "/proc";
    private const ulong PfKthread = 0x0020_0000;
    private const int CapSysPtrace = 19;

    /// <summary>One sentence about the cause, or null when nothing tells it.</summary>
    /// <param name="id">The process or thread.</param>
    /// <param name="errno">What ptrace answered.</param>
    /// <param name="root">Where proc is mounted.</param>
    public static string? Explain(int id, Errno errno, string root = Root)
    {
        Dictionary<string, string> status = Status(Path.Combine(root, id.ToString(CultureInfo.InvariantCulture)));
        if (status.Count == 0)
        {
            return errno == Errno.ESRCH ? $"there is no process {id}" : null;
        }

        if (errno is not (Errno.EPERM or Errno.ESRCH))
        {
            return null;
        }

        return status.GetValueOrDefault("State", "").StartsWith('Z')
            ? $"process {id} is a zombie: it has ended and has no registers any more; its parent {status.GetValueOrDefault("PPid", "?")} "
                + "has not asked for its exit status"
            : IsKernelThread(root, id, status) ? $"{id} is a kernel thread, which has no user registers"
            : Number(status, "TracerPid") is { } tracer and not 0
            ? $"process {id} is already traced by process {tracer}{NameOf(root, tracer)}; a thread has one tracer at a time"
            : errno == Errno.EPERM ? ExplainPermission(id, root, status)
            : null;
    }

    private static string? ExplainPermission(int id, string root, Dictionary<string, string> status)
    {
        Dictionary<string, string> own = Status(Path.Combine(root, "self"));
        bool capable = ulong.TryParse(own.GetValueOrDefault("CapEff"), NumberStyles.HexNumber, CultureInfo.InvariantCulture,
            out ulong capabilities) && (capabilities >> CapSysPtrace & 1) != 0;
        string? user = Field(status, "Uid", 0);
        string? mine = Field(own, "Uid", 0);
        if (!capable && user is not null && user != mine)
        {
            return $"process {id} belongs to user {user} and this one to {mine}: run as that user or with CAP_SYS_PTRACE";
        }

        return Scope(root) switch
        {
            "1" when !capable =>
                "Yama's ptrace_scope is 1: without CAP_SYS_PTRACE only descendants may be traced (sysctl kernel.yama.ptrace_scope)",
            "2" when !capable => "Yama's ptrace_scope is 2: only a process with CAP_SYS_PTRACE may trace (sysctl kernel.yama.ptrace_scope)",
            "3" => "Yama's ptrace_scope is 3: nobody may trace until the next boot (sysctl kernel.yama.ptrace_scope)",
            _ when !capable =>
                $"process {id} may not be looked into: it changed its user, cannot be dumped (prctl PR_SET_DUMPABLE) or is in another "
                + "user namespace; CAP_SYS_PTRACE would permit it",
            _ => null,
        };
    }

    // Kthread stands in status from 6.8 on, the flags in stat always have.
    private static bool IsKernelThread(string root, int id, Dictionary<string, string> status)
    {
        if (Number(status, "Kthread") is { } told)
        {
            return told == 1;
        }

        string stat = Read(Path.Combine(root, id.ToString(CultureInfo.InvariantCulture), "stat"));
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        const int Flags = 6;
        return fields.Length > Flags && ulong.TryParse(fields[Flags], NumberStyles.None, CultureInfo.InvariantCulture, out ulong flags)
            && (flags & PfKthread) != 0;
    }

    private static string Scope(string root) => Read(Path.Combine(root, "sys/kernel/yama/ptrace_scope")).Trim();

    private static string NameOf(string root, int id)
    {
        string name = Read(Path.Combine(root, id.ToString(CultureInfo.InvariantCulture), "comm")).Trim();
        return name.Length == 0 ? "" : $" ({new string([.. name.Select(c => c is >= ' ' and < (char)0x7F ? c : '?')])})";
    }

    private static int? Number(Dictionary<string, string> status, string field) =>
        int.TryParse(status.GetValueOrDefault(field), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    private static string? Field(Dictionary<string, string> status, string field, int index) =>
        status.GetValueOrDefault(field)?.Split('\t', ' ').ElementAtOrDefault(index);

    private static Dictionary<string, string> Status(string folder)
    {
        Dictionary<string, string> fields = [];
        foreach (string line in Read(Path.Combine(folder, "status")).Split('\n'))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                fields.TryAdd(line[..colon], line[(colon + 1)..].Trim());
            }
        }

        return fields;
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
