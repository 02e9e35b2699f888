using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Cli.Output;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>Opens what a command line names: a file, or standard input for <c>-</c>.</summary>
internal static class ArtifactInput
{
    /// <summary>Opens and reads an artifact.</summary>
    public static Artifact Open(string path, string? format = null)
    {
        if (LiveArgument.Open(path) is { } live)
        {
            return live;
        }

        if (OperatingSystem.IsLinux() && CpuidDevice.IsPath(path, out _))
        {
            return Artifact.FromCpuid(CpuidDevice.Read(path));
        }

        if (OpenDirectory(path, format) is { } images)
        {
            return images;
        }

        using Stream stream = OpenStream(path);
        return Artifact.Open(stream, Options(format));
    }

    /// <summary>Reads a directory with the images of CRIU; null when the path is not a directory.</summary>
    /// <exception cref="UsageException">There is no core image in it.</exception>
    public static Artifact? OpenDirectory(string path, string? format)
    {
        if (!Directory.Exists(path))
        {
            return null;
        }

        string[] names = [.. Directory.EnumerateFiles(path).Where(FileTree.IsRegular).Select(file => Path.GetFileName(file)!)];
        return format is null && CriuImages.Recognizes(names)
            ? CriuImages.Read(names, name => OpenStream(Path.Combine(path, name)), Options(null))
            : throw new UsageException(
            $"{path} is a directory; only one with CRIU's images (core-N.img) is read as a whole, and without --format");
    }

    /// <summary>The bytes of a file, or of standard input.</summary>
    public static Stream OpenStream(string path)
    {
        Session.Current.Inputs.Add(path);
        return path == "-" ? Standard.Input : File.OpenRead(path);
    }

    /// <summary>How the command opens artifacts: with the format that was asked for, and with what decompresses.</summary>
    public static ArtifactOptions Options(string? format)
    {
        if (format is not null && !Artifact.Formats.Any(f => f.Name == format))
        {
            throw new UsageException($"there is no format {format}; there are {string.Join(", ", Artifact.Formats.Select(f => f.Name))}");
        }

        return new ArtifactOptions { Format = format, Decompressor = ContentDecompressor.Open, Limits = Session.Current.Limits };
    }

    /// <summary>CPUID of the first processor of any CPUID artifact or host record.</summary>
    public static CpuidTable OpenCpuid(string path)
    {
        Artifact artifact = Open(path);
        return artifact.Cpuid?.Cpuid ?? artifact.Host?.Cpuid ?? throw new UsageException(
            $"{path} is {artifact.Format}, which "
            + (artifact.Models is null ? "holds no CPUID"
                : "names features and has no CPUID: sizes and offsets of components are not in it"));
    }
}
