using System.Text;

namespace Xstate.Scenarios;

/// <summary>The lines of a text, none of them longer than a limit: a file without an end of line is not read into memory first.</summary>
internal sealed class ScenarioLines(TextReader input, int maxLength)
{
    private readonly char[] _chunk = new char[1 << 14];
    private int _begin;
    private int _end;

    /// <summary>Number of the last line that was given, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>The next line, without what ends it; null at the end of the text.</summary>
    /// <exception cref="ScenarioException">It is longer than the limit.</exception>
    public string? Next()
    {
        StringBuilder? line = null;
        while (_begin < _end || Fill())
        {
            Number += line is null ? 1 : 0;
            line ??= new StringBuilder();
            int length = _chunk.AsSpan(_begin, _end - _begin).IndexOf('\n');
            bool ended = length >= 0;
            length = ended ? length : _end - _begin;
            Append(line, length, Number);
            _begin += ended ? 1 : 0;
            if (ended)
            {
                break;
            }
        }

        if (line?.Length > 0 && line[^1] == '\r')
        {
            line.Length--;
        }

        return line?.ToString();
    }

    /// <summary>Everything behind the last line.</summary>
    /// <param name="taken">Characters of the scenario that were read before.</param>
    /// <exception cref="ScenarioException">It is longer than the limit together with those.</exception>
    public string Rest(int taken)
    {
        StringBuilder rest = new();
        int first = Number;
        while (_begin < _end || Fill())
        {
            if (taken + rest.Length + _end - _begin > maxLength)
            {
                throw TooLong(first);
            }

            Append(rest, _end - _begin, first);
        }

        return rest.ToString();
    }

    private void Append(StringBuilder text, int length, int line)
    {
        if (text.Length + length > maxLength)
        {
            throw TooLong(line);
        }

        text.Append(_chunk, _begin, length);
        _begin += length;
    }

    private ScenarioException TooLong(int line) => new(line, "", $"a scenario has at most {maxLength} characters");

    private bool Fill()
    {
        _begin = 0;
        _end = input.Read(_chunk, 0, _chunk.Length);
        return _end > 0;
    }
}
