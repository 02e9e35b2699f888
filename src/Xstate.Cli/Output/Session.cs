using System.Text;
using Xstate.Artifacts;
using Xstate.Cli.Input;

namespace Xstate.Cli.Output;

/// <summary>
/// One run of the command: its standard streams, its limits, what it has opened and what it has written. Several may run at the same time
/// in one process, as in the tests.
/// </summary>
internal sealed class Session : IDisposable
{
    private const string StandardOutput = "standard output";
    private static readonly AsyncLocal<Session?> Running = new();

    private readonly Session? _outer;
    private readonly Stream _error;
    private readonly GuardedStream _output;
    private readonly StreamWriter _text;
    private readonly StreamWriter _errorText;
    private readonly TerminalWriter _plain;
    private TextWriter _report;

    private Session(StandardStreams streams)
    {
        _outer = Running.Value;
        Streams = streams;
        Progress = streams is { IsErrorTerminal: true, Look: { } look } ? new ProgressLine(streams.Error, look.Width, TimeProvider.System)
            : null;
        _error = Progress?.Beside(streams.Error) ?? streams.Error;
        _output = new GuardedStream(streams.IsOutputTerminal ? Progress?.Beside(streams.Output) ?? streams.Output : streams.Output,
            StandardOutput);
        _text = new StreamWriter(_output, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        _errorText = new StreamWriter(new QuietStream(_error), new UTF8Encoding(false), leaveOpen: true)
        {
            AutoFlush = true,
            NewLine = "\n",
        };
        _plain = new TerminalWriter(_text);
        _report = _plain;
        Error = new TerminalWriter(_errorText);
        Running.Value = this;
    }

    /// <summary>
    /// The run that the calling code belongs to. Parts of the command that are called by themselves, as by tests, belong to one with the
    /// process's own streams.
    /// </summary>
    public static Session Current => Running.Value ?? Begin(StandardStreams.OfProcess());

    /// <summary>Where it reads from and writes to.</summary>
    public StandardStreams Streams { get; }

    /// <summary>For messages; whatever is written is escaped, and that nobody reads it is no error.</summary>
    public TextWriter Error { get; private set; }

    /// <summary>
    /// For text of this program itself that has more than one line, such as help: not escaped, so nothing foreign may be in it.
    /// </summary>
    public TextWriter Document => IsOutputTaken ? _errorText : _text;

    /// <summary>For reports in text; whatever is written is escaped.</summary>
    public TextWriter Report => IsOutputTaken ? Error : _report;

    /// <summary>For text whose lines are records, such as CSV: escaped, and never laid out.</summary>
    public TextWriter Records => IsOutputTaken ? Error : _plain;

    /// <summary>For what is no text for people: JSON, and what <c>-o -</c> writes.</summary>
    public Stream Output => _output;

    /// <summary>Whether standard output belongs to an output file (<c>-o -</c>), so that reports go to standard error.</summary>
    public bool IsOutputTaken { get; set; }

    /// <summary>Says on the terminal how far long work is; null where nobody sees it.</summary>
    public ProgressLine? Progress { get; }

    /// <summary>The command line, as it was typed.</summary>
    public string[] Arguments { get; set; } = [];

    /// <summary>Whether everything is written, of several files too.</summary>
    public bool IsDetailed { get; private set; }

    /// <summary>Ceilings for what files control.</summary>
    public ArtifactLimits Limits { get; set; } = ArtifactLimits.Default;

    /// <summary>Files that were opened for reading; none of them is written to.</summary>
    public InputFiles Inputs { get; } = new();

    /// <summary>Files of directories that are no artifacts.</summary>
    public LeftOutFiles LeftOut { get; } = new();

    /// <summary>Output files that are in place.</summary>
    public List<string> Written { get; } = [];

    /// <summary>Begins a run; it ends when it is disposed.</summary>
    public static Session Begin(StandardStreams streams) => new(streams);

    /// <summary>Has text written as the command line asks; before that it is plain.</summary>
    /// <param name="isPlain">Whether a terminal gets what a pipe gets.</param>
    /// <param name="isDetailed">Whether everything is written.</param>
    public void Write(bool isPlain, bool isDetailed)
    {
        IsDetailed = isDetailed;
        _plain.ListsAll = isDetailed;
        if (isPlain || Streams.Look is not { } look)
        {
            return;
        }

        _report = Streams.IsOutputTerminal ? new TerminalReport(_text, look, isDetailed) : _report;

        // A message stands behind what was written before it, and in no line of it.
        Action? before = Streams.IsOutputTerminal ? FlushText : null;
        Error = Streams.IsErrorTerminal ? new TerminalReport(_errorText, look, isDetailed, before) : Error;
    }

    /// <summary>Standard input; what somebody types is not written over.</summary>
    public Stream TakeInput()
    {
        if (Streams.IsInputTerminal)
        {
            Progress?.Dispose();
        }

        return Streams.Input;
    }

    /// <summary>Writes one answer in JSON.</summary>
    public void WriteAnswer(Action<Stream> answer)
    {
        Flush();
        answer(IsOutputTaken ? new QuietStream(_error) : _output);
    }

    /// <summary>Sees what was written on its way.</summary>
    /// <exception cref="OutputException">It does not get there.</exception>
    public void Flush()
    {
        _report.Flush();
        _text.Flush();
        _output.Flush();
    }

    public void Dispose()
    {
        Running.Value = _outer;
        Progress?.Dispose();
        try
        {
            _text.Dispose();
        }
        catch (OutputException)
        {
            // Told already, or the run failed before for a better reason.
        }

        _errorText.Dispose();
    }

    private void FlushText()
    {
        try
        {
            _text.Flush();
        }
        catch (OutputException)
        {
            // Told when the run ends; a message comes first.
        }
    }

    // Standard error that is closed or full: there is nowhere else to say so.
    private sealed class QuietStream(Stream inner) : WriteOnlyStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                inner.Write(buffer);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
            }
        }

        public override void Flush()
        {
            try
            {
                inner.Flush();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
            }
        }
    }
}
