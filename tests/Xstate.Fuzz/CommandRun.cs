using System.Text;
using System.Text.Json;
using Xstate.Cli;
using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Fuzz;

/// <summary>One run of the command in this process, held against what every run promises whatever its input.</summary>
internal sealed class CommandRun
{
    // The most that a run may allocate: what the command itself needs to parse a line, and a share for each byte of the input (text of
    // registers, in two forms).
    private const long FixedAllowance = 64L << 20;

    // Guest code that goes on and on without a loop is decoded instruction by instruction, within its budget.
    private const long ScenarioAllowance = 128L << 20;
    private const long AllowancePerByte = 100;
    private const int LongestMessage = 2000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private CommandRun(string[] arguments, int exitCode, string output, string error, TimeSpan taken, long allocated)
    {
        Taken = taken;
        Allocated = allocated;
        Arguments = arguments;
        ExitCode = exitCode;
        Output = output;
        Error = error;
    }

    public string[] Arguments { get; }

    public int ExitCode { get; }

    public string Output { get; }

    public string Error { get; }

    /// <summary>Time on a processor.</summary>
    public TimeSpan Taken { get; }

    /// <summary>Bytes.</summary>
    public long Allocated { get; }

    /// <summary>Performs it.</summary>
    /// <exception cref="DefectException">It broke a promise.</exception>
    public static CommandRun Perform(byte[] input, long inputLength, params string[] arguments)
    {
        using ThreadClock clock = ThreadClock.OfThisThread();
        using MemoryStream output = new();
        using MemoryStream error = new();
        TimeSpan start = clock.Elapsed;
        long before = GC.GetAllocatedBytesForCurrentThread();
        int code = App.Run(arguments, new StandardStreams(new BufferedStream(new MemoryStream(input)), output, error));
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        TimeSpan taken = clock.Elapsed - start;
        CommandRun run = new(arguments, code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()), taken,
            allocated);
        run.Require(code is >= 0 and <= 3, "exit code", $"{code}");
        run.Require(code is 0 or 1 || run.Error.StartsWith("xstate: ", StringComparison.Ordinal), "a failure without a message", "");
        run.Require(run.Error.Length <= LongestMessage, "a long message", $"{run.Error.Length} characters");
        run.Require(taken <= Limit, "time", $"{taken.TotalSeconds:f1} s on a processor");
        run.Require(allocated <= (arguments[0] == "run" ? ScenarioAllowance : FixedAllowance) + (AllowancePerByte * inputLength), "memory",
            $"{allocated} bytes for {inputLength}");
        run.RequirePrintable(run.Output);
        run.RequirePrintable(run.Error);
        return run;
    }

    /// <summary>Holds standard output to be JSON, one value or one a line.</summary>
    public void RequireJson(bool lines = false)
    {
        if (ExitCode > 1 && !lines)
        {
            Require(Output.Length == 0, "output of a run that failed", "");
            return;
        }

        foreach (string text in lines ? Output.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [Output])
        {
            try
            {
                JsonDocument.Parse(text).Dispose();
            }
            catch (JsonException error)
            {
                throw Defect("JSON", error.Message);
            }
        }
    }

    /// <summary>Throws a defect of this run unless something holds.</summary>
    public void Require(bool holds, string kind, string detail)
    {
        if (!holds)
        {
            throw Defect(kind, detail);
        }
    }

    private DefectException Defect(string kind, string detail) =>
        new(kind, $"{kind} {detail}: xstate {string.Join(' ', Arguments)}: {Error[..Math.Min(Error.Length, 600)]}");

    private void RequirePrintable(string text)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            // JSON may hold marks of direction as they are; a terminal acts on the others.
            bool isText = text.StartsWith('{') ? !Rune.IsControl(rune) : !TerminalWriter.IsUnsafe(rune);
            Require(isText || rune.Value == '\n', "a control character", $"U+{rune.Value:X4}");
        }
    }
}
