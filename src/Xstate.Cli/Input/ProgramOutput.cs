using System.ComponentModel;
using System.Diagnostics;

namespace Xstate.Cli.Input;

/// <summary>
/// What a program that decompresses prints. Its end is the end of the content only if the program was content with the input.
/// </summary>
internal sealed class ProgramOutput : ForwardStream
{
    private const string Advice = "install it, or decompress the file";

    private readonly string _program;
    private readonly Process _process;
    private readonly Stream _output;
    private readonly Task<string> _errors;
    private readonly Task _feeding;

    private ProgramOutput(string program, Process process, Stream compressed)
    {
        _program = program;
        _process = process;
        _output = process.StandardOutput.BaseStream;
        _errors = process.StandardError.ReadToEndAsync();
        _feeding = Task.Run(() => Feed(process.StandardInput.BaseStream, compressed));
    }

    /// <summary>Starts a program of PATH with <c>-dc</c> on a stream.</summary>
    /// <exception cref="IOException">It is not installed, or cannot be started.</exception>
    public static ProgramOutput Start(string program, Stream compressed)
    {
        string path = ProgramPath.Find(program)
            ?? throw new IOException($"the file is compressed with {program}, which is in no absolute directory of PATH; {Advice}");
        ProcessStartInfo start = new(path, ["-dc"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        try
        {
            return new ProgramOutput(program, Process.Start(start)!, compressed);
        }
        catch (Win32Exception error)
        {
            throw new IOException($"the file is compressed with {program}, and {path} cannot be started ({error.Message}); {Advice}",
                error);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        int read = _output.Read(buffer);
        if (read > 0 || buffer.IsEmpty)
        {
            return read;
        }

        _process.WaitForExit();
        return _process.ExitCode == 0
            ? 0
            : throw new InvalidDataException($"{_program} exited with {_process.ExitCode}: {_errors.GetAwaiter().GetResult().Trim()}");
    }

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
