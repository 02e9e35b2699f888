using System.Globalization;
using Xstate.Artifacts;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>A running process in place of a FILE: <c>pid:1234</c>, or <c>--pid 1234</c> where FILE would stand.</summary>
internal static class LiveArgument
{
    private const string Prefix = "pid:";
    private const string Option = "--pid";

    /// <summary>Puts the process where FILE stands, so that each verb has one way to name its input.</summary>
    public static string[] Rewrite(string[] args)
    {
        List<string> rewritten = [];
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == Option)
            {
                rewritten.Add(Prefix + (i + 1 < args.Length ? args[++i] : ""));
            }
            else
            {
                rewritten.Add(args[i].StartsWith($"{Option}=", StringComparison.Ordinal)
                    ? Prefix + args[i][(Option.Length + 1)..] : args[i]);
            }
        }

        return [.. rewritten];
    }

    /// <summary>The process that an argument names, or null when it names a file.</summary>
    /// <exception cref="UsageException">It is no process id, or there is no Linux.</exception>
    public static LiveProcess? Find(string path)
    {
        if (!path.StartsWith(Prefix, StringComparison.Ordinal) || File.Exists(path))
        {
            return null;
        }

        return !OperatingSystem.IsLinux() ? throw new UsageException("a running process is read with Linux's ptrace")
            : int.TryParse(path.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id > 0
            ? new LiveProcess(id)
            : throw new UsageException(
            $"{Option} takes a process id, {(path.Length == Prefix.Length ? $"such as {Option} 1234" : $"not '{path[Prefix.Length..]}'")}");
    }

    /// <summary>Reads a process as an artifact; null when the argument names a file.</summary>
    public static Artifact? Open(string path)
    {
        if (Find(path) is not { } process || !OperatingSystem.IsLinux())
        {
            return null;
        }

        LiveReading reading = process.Read();
        return Artifact.OfLive(reading.Capture, reading.Findings);
    }
}
