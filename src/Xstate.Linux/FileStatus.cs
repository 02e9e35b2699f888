using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>What the kernel says of a file (statx, Linux 4.11).</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Mode">Its permission bits, with those of set-user-ID and the like.</param>
/// <param name="Owner">User id.</param>
/// <param name="Group">Group id.</param>
internal sealed record FileStatus(FileKind Kind, UnixFileMode Mode, uint Owner, uint Group)
{
    private const int KindMask = 0xF000;
    private const int ModeMask = 0xFFF;

    private ulong Inode { get; init; }

    private (uint Major, uint Minor) Device { get; init; }

    /// <summary>The status of what a name stands for, or null when nothing does or the kernel does not tell.</summary>
    /// <param name="path">The name.</param>
    /// <param name="followLinks">Whether a symbolic link stands for what it leads to.</param>
    [SupportedOSPlatform("linux")]
    public static FileStatus? Of(string path, bool followLinks)
    {
        ArgumentNullException.ThrowIfNull(path);
        int flags = followLinks ? 0 : FileCalls.AT_SYMLINK_NOFOLLOW;
        int result = FileCalls.statx(FileCalls.AT_FDCWD, path, flags, FileCalls.STATX_BASIC_STATS, out FileCalls.Status status);
        return result == 0 ? Of(status) : null;
    }

    /// <summary>The status of an open file, or null when the kernel does not tell.</summary>
    [SupportedOSPlatform("linux")]
    public static FileStatus? Of(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        int descriptor = file.DangerousGetHandle().ToInt32();
        int result = FileCalls.statx(descriptor, "", FileCalls.AT_EMPTY_PATH, FileCalls.STATX_BASIC_STATS, out FileCalls.Status status);
        return result == 0 ? Of(status) : null;
    }

    /// <summary>Which file it is: equal for all names of one file.</summary>
    public (uint Major, uint Minor, ulong Inode) Identity => (Device.Major, Device.Minor, Inode);

    /// <summary>The calling process's umask; that of a careful user where the kernel does not tell it (before Linux 4.7).</summary>
    [SupportedOSPlatform("linux")]
    public static UnixFileMode ReadUmask()
    {
        const string label = "Umask:";
        const int careful = 0x3F; // 077
        const string status = "/proc/self/status";
        IEnumerable<string> lines = File.Exists(status) ? File.ReadLines(status) : [];
        string? line = lines.FirstOrDefault(line => line.StartsWith(label, StringComparison.Ordinal));
        return (UnixFileMode)(line is null ? careful : Convert.ToInt32(line[label.Length..].Trim(), 8));
    }

    [SupportedOSPlatform("linux")]
    private static FileStatus Of(in FileCalls.Status status) =>
        new(KindOf(status.Mode), (UnixFileMode)(status.Mode & ModeMask), status.Owner, status.Group)
        {
            Inode = status.Inode,
            Device = (status.DeviceMajor, status.DeviceMinor),
        };

    private static FileKind KindOf(int mode) => (mode & KindMask) switch
    {
        0x8000 => FileKind.Regular,
        0x4000 => FileKind.Directory,
        0xA000 => FileKind.SymbolicLink,
        0x2000 or 0x6000 => FileKind.Device,
        0x1000 => FileKind.Fifo,
        0xC000 => FileKind.Socket,
        int other => throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture, $"a file of kind 0x{other:x}")),
    };
}
