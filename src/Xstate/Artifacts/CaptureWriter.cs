using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.KvmXsave;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>Writes captures in the formats that can hold them.</summary>
public static class CaptureWriter
{
    /// <summary>Names of the formats that can be written.</summary>
    public static IReadOnlyList<string> Formats { get; } = [CaptureFileReader.Format, KvmXsaveReader.Format];

    /// <summary>The capture in a format.</summary>
    /// <param name="capture">The capture.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <exception cref="ArgumentException">The format cannot be written, or cannot hold the capture.</exception>
    public static byte[] Write(Capture capture, string format)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return format switch
        {
            CaptureFileReader.Format => CaptureFileWriter.Write(capture),
            KvmXsaveReader.Format when capture.States is [var only] => KvmXsaveWriter.Write(only),
            KvmXsaveReader.Format => throw new ArgumentException($"{format} holds one virtual CPU, the capture has {capture.States.Length}", nameof(format)),
            _ => throw new ArgumentException($"{format} cannot be written; {string.Join(", ", Formats)} can", nameof(format)),
        };
    }
}
