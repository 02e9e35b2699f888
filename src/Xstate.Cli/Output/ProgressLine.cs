using System.Globalization;
using System.Text;

namespace Xstate.Cli.Output;

/// <summary>
/// One line on the terminal that says what is done and for how long, once that takes longer than a second. It is written over and over, is
/// erased before anything else is written there, and is gone at the end.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private const string Erase = "\r\e[K";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly Stream _terminal;
    private readonly int _width;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer _timer;
    private string _verb = App.Name;
    private string _what = "working";
    private string _shown = "";
    private bool _isInLine;
    private bool _isOver;

    /// <summary>Begins to wait.</summary>
    /// <param name="terminal">The terminal.</param>
    /// <param name="width">Cells of its lines.</param>
    /// <param name="time">What time it is.</param>
    public ProgressLine(Stream terminal, int width, TimeProvider time)
    {
        _terminal = terminal;
        _width = width;
        _time = time;
        _start = time.GetTimestamp();
        _timer = time.CreateTimer(_ => Tick(), null, Patience, Interval);
    }

    /// <summary>Says whose work it is.</summary>
    public void Begin(string verb)
    {
        lock (_gate)
        {
            _verb = verb;
        }
    }

    /// <summary>Says what is done. The text is the program's own: numbers and names of units.</summary>
    public void Show(string text)
    {
        lock (_gate)
        {
            _what = text;
        }
    }

    /// <summary>A stream to the same terminal, whose text the line does not write over.</summary>
    public Stream Beside(Stream inner) => new NeighbourStream(this, inner);

    /// <summary>Writes what is done, if it takes longer than a second.</summary>
    public void Tick()
    {
        lock (_gate)
        {
            TimeSpan passed = _time.GetElapsedTime(_start);
            if (_isOver || _isInLine || passed < Patience)
            {
                return;
            }

            string text = string.Create(CultureInfo.InvariantCulture, $"{_verb}: {_what}, {(int)passed.TotalSeconds} s");
            if (text != _shown)
            {
                _shown = text;
                Write(Erase + (text.Length < _width ? text : text[..(_width - 1)]));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_isOver)
            {
                Clear();
                _isOver = true;
                _timer.Dispose();
            }
        }
    }

    private void Clear()
    {
        if (_shown.Length > 0)
        {
            _shown = "";
            Write(Erase);
        }
    }

    private void Write(string text)
    {
        try
        {
            _terminal.Write(Encoding.UTF8.GetBytes(text));
            _terminal.Flush();
        }
        catch (IOException)
        {
            // A terminal that has gone sees no progress.
        }
    }

    // Erases the line before a text, and keeps it away while a line of that text is not ended.
    private sealed class NeighbourStream(ProgressLine line, Stream inner) : WriteOnlyStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (buffer.IsEmpty)
            {
                return;
            }

            lock (line._gate)
            {
                line.Clear();
                line._isInLine = buffer[^1] != (byte)'\n';
                inner.Write(buffer);
            }
        }

        public override void Flush() => inner.Flush();
    }
}
