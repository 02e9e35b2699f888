using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>Where a run of the command reads from and writes to.</summary>
/// <param name="Input">Standard input.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="IsOutputTerminal">Whether somebody sees the output as it comes.</param>
/// <param name="IsErrorTerminal">Whether somebody sees the messages as they come.</param>
internal sealed record StandardStreams(
    Stream Input, Stream Output, Stream Error, bool IsOutputTerminal = false, bool IsErrorTerminal = false)
{
    /// <summary>Whether somebody types the input.</summary>
    public bool IsInputTerminal { get; init; }

    /// <summary>What the terminal among them shows; null where text is written as it is.</summary>
    public TerminalLook? Look { get; init; }

    /// <summary>Those of this process.</summary>
    public static StandardStreams OfProcess() => new(
        Open(0, Console.OpenStandardInput, "standard input"),
        Open(1, Console.OpenStandardOutput, "standard output"),
        Open(2, Console.OpenStandardError, "standard error"),
        !Console.IsOutputRedirected,
        !Console.IsErrorRedirected)
    {
        IsInputTerminal = !Console.IsInputRedirected,
        Look = Console.IsOutputRedirected && Console.IsErrorRedirected ? null
            : TerminalLook.Of([1, 2], Environment.GetEnvironmentVariable),
    };

    // Where the caller has closed a descriptor, its number belongs to a file of the runtime's by now: reading waits for ever, and writing
    // damages something.
    private static Stream Open(int descriptor, Func<Stream> open, string name) =>
        OperatingSystem.IsLinux() && !StandardDescriptors.IsInherited(descriptor) ? new ClosedStream(name) : open();

    private sealed class ClosedStream(string name) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new IOException($"{name} is closed");

        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("it is closed");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
