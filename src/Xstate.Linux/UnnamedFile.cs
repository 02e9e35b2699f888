using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>
/// A file without a name (O_TMPFILE, Linux 3.11): whatever ends the process, nothing is left of it. Given a name when it is complete.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class UnnamedFile
{
    private const uint OwnerOnly = 0x180; // 0600
    private const string Label = "security.selinux";
    private const string Descriptors = "/proc/self/fd";

    /// <summary>
    /// Opens one for reading and writing that only its owner may open, or gives null where the file system has none, or where no /proc is
    /// mounted, as in a bare chroot: without it only a privileged user could give it a name.
    /// </summary>
    /// <param name="directory">Any directory of the file system in which it shall get its name.</param>
    public static SafeFileHandle? TryCreate(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        while (Directory.Exists(Descriptors))
        {
            SafeFileHandle file = FileCalls.open(directory, LibC.O_RDWR | LibC.O_CLOEXEC | FileCalls.O_TMPFILE, OwnerOnly);
            if (!file.IsInvalid)
            {
                return file;
            }

            bool again = IsInterrupted();
            file.Dispose();
            if (!again)
            {
                break;
            }
        }

        return null;
    }

    /// <summary>Gives it a name that nothing has yet.</summary>
    /// <exception cref="LinuxException">The kernel refuses; <see cref="Errno.EEXIST"/> when something has that name.</exception>
    public static void Link(SafeFileHandle file, string path)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(path);
        string itself = string.Create(CultureInfo.InvariantCulture, $"{Descriptors}/{file.DangerousGetHandle()}");
        while (FileCalls.linkat(FileCalls.AT_FDCWD, itself, FileCalls.AT_FDCWD, path, FileCalls.AT_SYMLINK_FOLLOW) != 0)
        {
            if (!IsInterrupted())
            {
                throw new LinuxException($"linkat {path}", (Errno)Marshal.GetLastPInvokeError());
            }
        }
    }

    /// <summary>Sees a file on its disk. The runtime's own way keeps an error to itself, and a full disk may show here first.</summary>
    /// <exception cref="LinuxException">It did not get there.</exception>
    public static void Synchronize(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        do
        {
            if (FileCalls.fsync(file) == 0)
            {
                return;
            }
        }
        while (IsInterrupted());

        // Where a file system has nothing to synchronise, it says that the call makes no sense, or that it is read-only.
        const Errno readOnly = (Errno)30;
        Errno error = (Errno)Marshal.GetLastPInvokeError();
        if (error is not (Errno.EINVAL or readOnly))
        {
            throw new LinuxException("fsync", error);
        }
    }

    /// <summary>Gives an open file the owner, group and security label of another one, as far as the kernel allows it.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="path">The name of the other one.</param>
    /// <param name="status">What the kernel says of it.</param>
    /// <returns>Whether it has that owner and group now.</returns>
    public static bool TakeOwnerAndLabel(SafeFileHandle file, string path, FileStatus status)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(status);
        bool owned;
        do
        {
            owned = FileCalls.fchown(file, status.Owner, status.Group) == 0;
        }
        while (!owned && IsInterrupted());

        Span<byte> label = stackalloc byte[256];
        nint length = FileCalls.getxattr(path, Label, label, (nuint)label.Length);
        if (length > 0)
        {
            _ = FileCalls.fsetxattr(file, Label, label[..(int)length], (nuint)length, 0);
        }

        return owned;
    }

    // File systems of other machines and of user space let a signal end a call, as the runtime's own calls know.
    private static bool IsInterrupted() => Marshal.GetLastPInvokeError() == (int)Errno.EINTR;
}
