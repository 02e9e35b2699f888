using System.ComponentModel;
using System.Diagnostics;
using Xstate.Artifacts;

namespace Xstate.Cli.Input;

/// <summary>Decompresses with the programs that every distribution has, as people do by hand: <c>bzip2 -dc</c>, <c>xz -dc</c>, <c>zstd -dc</c>, <c>lzop -dc</c>.</summary>
internal static class ProgramDecompressor
{
    /// <summary>The content of a compressed stream, or null when a program of that name is not installed.</summary>
    public static Stream? Open(Compression compression, Stream compressed)
    {
        string program = NameOf(compression);
        ProcessStartInfo start = new(program, ["-dc"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        try
        {
            return new ProgramOutput(program, Process.Start(start)!, compressed);
        }
        catch (Win32Exception error)
        {
            throw new IOException($"the file is compressed with {program}, and that program cannot be started ({error.Message}); install it, or decompress the file", error);
        }
    }

    private static string NameOf(Compression compression) => compression switch
    {
        Compression.Gzip => "gzip",
        Compression.Bzip2 => "bzip2",
        Compression.Xz => "xz",
        Compression.Lzop => "lzop",
        Compression.Zstd => "zstd",
        _ => throw new ArgumentOutOfRangeException(nameof(compression)),
    };

    // What the program prints. Its end is the end of the content only if the program was content with the input.
    private sealed class ProgramOutput : Stream
    {
        private readonly string _program;
        private readonly Process _process;
        private readonly Stream _output;
        private readonly Task<string> _errors;
        private readonly Task _feeding;

        public ProgramOutput(string program, Process process, Stream compressed)
        {
            _program = program;
            _process = process;
            _output = process.StandardOutput.BaseStream;
            _errors = process.StandardError.ReadToEndAsync();
            _feeding = Task.Run(() => Feed(process.StandardInput.BaseStream, compressed));
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int read = _output.Read(buffer);
            if (read > 0 || buffer.IsEmpty)
            {
                return read;
            }

            _process.WaitForExit();
            return _process.ExitCode == 0 ? 0 : throw new InvalidDataException($"{_program} exited with {_process.ExitCode}: {_errors.GetAwaiter().GetResult().Trim()}");
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                if (!_process.HasExited)
                {
                    _process.Kill();
                }

                // The compressed stream belongs to the caller: nothing may read it any more once this returns.
                _feeding.GetAwaiter().GetResult();
                _process.Dispose();
            }

            base.Dispose(disposing);
        }

        // A program that ends early, content or not, breaks the pipe; its exit code says which.
        private static void Feed(Stream input, Stream compressed)
        {
            try
            {
                using (input)
                {
                    compressed.CopyTo(input);
                }
            }
            catch (IOException)
            {
            }
        }
    }
}
