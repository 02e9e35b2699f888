using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>
/// Who may read a finished output. Registers and memory of a guest are secrets: an output that holds them is never more open than what it
/// was made from.
/// </summary>
internal sealed record OutputMode
{
    private const UnixFileMode Everybody =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead
        | UnixFileMode.OtherWrite;

    private OutputMode(UnixFileMode most, bool keepsExisting)
    {
        Most = most;
        KeepsExisting = keepsExisting;
    }

    /// <summary>0600, also over an existing file: undo files, with the bytes that were taken out of a state.</summary>
    public static OutputMode Secret { get; } = new(OwnerOnly, keepsExisting: false);

    /// <summary>0600: made from a running process or from standard input.</summary>
    public static OutputMode Private { get; } = new(OwnerOnly, keepsExisting: true);

    /// <summary>Without anybody's registers: 0666 less the umask, as for any program's output.</summary>
    public static OutputMode Public { get; } = new(Everybody, keepsExisting: true);

    /// <summary>0600.</summary>
    public static UnixFileMode OwnerOnly => UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Whether an existing file that is replaced lends its mode, owner and label.</summary>
    public bool KeepsExisting { get; }

    private UnixFileMode Most { get; }

    /// <summary>As open as an input, less the umask.</summary>
    /// <param name="input">The input's name on the command line.</param>
    public static OutputMode Like(string input)
    {
        // What is no regular file, such as a pipe with a name, says nothing of who may read what came through it.
        if (input == "-" || OperatingSystem.IsWindows() || !File.Exists(input))
        {
            return Private;
        }

        bool isRegular = !OperatingSystem.IsLinux() || FileStatus.Of(input, followLinks: true) is { Kind: FileKind.Regular };
        return isRegular ? new OutputMode(File.GetUnixFileMode(input) & Everybody, keepsExisting: true) : Private;
    }

    /// <summary>As open as the input that the fewest may read, less the umask; without inputs it holds nobody's registers.</summary>
    /// <param name="inputs">The inputs' names on the command line.</param>
    public static OutputMode LikeAll(IReadOnlyList<string> inputs) => inputs.Count == 0
        ? Public : new OutputMode(inputs.Aggregate(Everybody, (most, input) => most & Like(input).Most), keepsExisting: true);

    /// <summary>The mode of a new file.</summary>
    public UnixFileMode OfNewFile()
    {
        // Elsewhere nothing tells the umask without changing it for all threads; this is the usual one.
        const UnixFileMode usual = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
        return Most & ~(OperatingSystem.IsLinux() ? FileStatus.ReadUmask() : usual);
    }
}
