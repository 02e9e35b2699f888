using System.Runtime.InteropServices;

namespace Xstate.Cli.Output;

/// <summary>
/// Temporary files and folders that have a name, for as long as they have it. SIGINT, SIGTERM and SIGHUP leave none of them.
/// </summary>
internal sealed class Temporaries : IDisposable
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<string> Names = [];
    private static bool _ending;

    private readonly List<PosixSignalRegistration> _registrations = [];

    private Temporaries()
    {
    }

    /// <summary>From now on a signal deletes them before it ends the process.</summary>
    public static Temporaries DeletedOnSignals()
    {
        Temporaries temporaries = new();
        if (!OperatingSystem.IsWindows())
        {
            foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
            {
                temporaries._registrations.Add(PosixSignalRegistration.Create(signal, static _ => DeleteAll()));
            }
        }

        return temporaries;
    }

    /// <summary>A name in a directory that no file has, short enough for every file system.</summary>
    public static string NameIn(string directory) => Path.Combine(directory, $".xstate-{Path.GetRandomFileName()}");

    /// <summary>Makes a file or a folder under a temporary name. Once the process is ending it makes none and does not return.</summary>
    public static void Make(string name, Action make) => Do(() =>
    {
        Names.Add(name);
        try
        {
            make();
        }
        catch
        {
            Names.Remove(name);
            throw;
        }
    });

    /// <summary>Does something to a temporary folder, unless the process is ending: then it does not return.</summary>
    public static void Do(Action act)
    {
        bool ending;
        lock (Gate)
        {
            ending = _ending;
            if (!ending)
            {
                act();
            }
        }

        if (ending)
        {
            Thread.Sleep(Timeout.Infinite);
        }
    }

    /// <summary>Gives a file its final name in place of the temporary one.</summary>
    public static void Rename(string name, string final, bool replace)
    {
        lock (Gate)
        {
            File.Move(name, final, replace);
            Names.Remove(name);
        }
    }

    /// <summary>
    /// Gives a folder its final name, with the one of that name out of the way first. Between the two renames there is none of the name: a
    /// crash in that moment leaves both, complete, under names that begin with <c>.xstate-</c>.
    /// </summary>
    /// <param name="name">The temporary name.</param>
    /// <param name="final">The final one.</param>
    /// <param name="aside">Another temporary name, which the folder of the final name takes; null when there is none.</param>
    public static void RenameFolder(string name, string final, string? aside)
    {
        lock (Gate)
        {
            if (aside is not null)
            {
                Directory.Move(final, aside);
            }

            try
            {
                Directory.Move(name, final);
            }
            catch when (aside is not null)
            {
                Directory.Move(aside, final);
                throw;
            }

            Names.Remove(name);
            if (aside is not null)
            {
                Names.Add(aside);
            }
        }
    }

    /// <summary>Deletes a file or a folder under a temporary name, if it is still there.</summary>
    public static void Delete(string name)
    {
        lock (Gate)
        {
            if (Names.Remove(name))
            {
                Remove(name);
            }
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private static void Remove(string name)
    {
        if (Directory.Exists(name))
        {
            Directory.Delete(name, recursive: true);
        }
        else
        {
            File.Delete(name);
        }
    }

    private static void DeleteAll()
    {
        lock (Gate)
        {
            _ending = true;
            foreach (string name in Names)
            {
                try
                {
                    Remove(name);
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException)
                {
                    // What cannot be deleted stays complete or partial under its temporary name; the signal does not wait.
                }
            }

            Names.Clear();
        }
    }
}
