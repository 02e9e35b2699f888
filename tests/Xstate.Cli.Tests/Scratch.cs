using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>A folder for one test, with samples copied into it.</summary>
internal sealed class Scratch : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("xstate-test-").FullName;

    /// <summary>What is in the folder, by name.</summary>
    public IEnumerable<string> Names => Directory.EnumerateFileSystemEntries(Folder).Select(path => Path.GetFileName(path)!)
        .Order(StringComparer.Ordinal);

    /// <summary>A file in the folder, whether it exists or not.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>A copy of a file of the repository.</summary>
    public string Copy(string sample, string name, UnixFileMode? mode = null)
    {
        File.Copy(Repository.PathOf(sample.Split('/')), PathOf(name));
        if (mode is { } bits && !OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(PathOf(name), bits);
        }

        return PathOf(name);
    }

    /// <summary>A file with these bytes.</summary>
    public string Write(string name, ReadOnlySpan<byte> bytes)
    {
        File.WriteAllBytes(PathOf(name), bytes);
        return PathOf(name);
    }

    /// <summary>A program that says in a file beside it that it was started.</summary>
    public string Plant(string folder, string program)
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(Folder, folder)).FullName, program);
        File.WriteAllText(path, $"#!/bin/sh\ntouch '{PathOf("started")}'\nexec cat\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
