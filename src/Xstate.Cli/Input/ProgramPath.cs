namespace Xstate.Cli.Input;

/// <summary>
/// Where installed programs are. A bare name given to <see cref="System.Diagnostics.Process"/> is looked up beside this program and in the
/// current directory first, where a stranger's files may be.
/// </summary>
internal static class ProgramPath
{
    /// <summary>The full path of a program, from the absolute entries of PATH only; null when it is in none of them.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Where(Path.IsPathFullyQualified)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(IsExecutable);

    private static bool IsExecutable(string path)
    {
        const UnixFileMode execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & execute) != UnixFileMode.None);
    }
}
