using System.Globalization;

namespace Xstate.Fuzz;

/// <summary>Runs cases one after the other on a thread with a small stack, and keeps one defect of each kind.</summary>
internal abstract class Fuzzer
{
    private const int DefectsEnough = 20;
    private const int StackLength = 1 << 20;

    // Longer than any case may take on the busiest machine: then the case is named, and the program ends.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly List<string> _defects = [];
    private readonly HashSet<string> _kinds = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _counts = new(StringComparer.Ordinal);
    private volatile int _current;
    private volatile bool _ended;

    /// <summary>What was found wrong.</summary>
    public IReadOnlyList<string> Defects => _defects;

    /// <summary>Runs cases, until enough defects are found.</summary>
    public void Run(int first, int count)
    {
        Thread worker = new(() => Work(first, count), StackLength) { IsBackground = true };
        worker.Start();
        int seen = -1;
        while (!worker.Join(Patience) && !_ended)
        {
            if (seen == _current)
            {
                _defects.Add(string.Create(CultureInfo.InvariantCulture, $"case {seen}: no end after {Patience.TotalMinutes} minutes"));
                return;
            }

            seen = _current;
        }
    }

    /// <summary>Counts of what happened.</summary>
    public string Report() =>
        string.Join('\n', _counts.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value,9} {pair.Key}")));

    /// <summary>The number of the case that runs.</summary>
    protected int Current => _current;

    /// <summary>Performs one case.</summary>
    protected abstract void One(ref SplitMix64 random);

    /// <summary>Counts something that happened.</summary>
    protected void Count(string what) => _counts[what] = _counts.GetValueOrDefault(what) + 1;

    /// <summary>The seed of case 0.</summary>
    protected abstract ulong Seed { get; }

    private void Work(int first, int count)
    {
        for (int i = first; i < first + count && _defects.Count < DefectsEnough; i++)
        {
            _current = i;
            SplitMix64 random = new(Seed + (ulong)i);
            try
            {
                One(ref random);
                Count("cases");
            }
            catch (DefectException defect)
            {
                Note(i, defect.Kind, defect.Message);
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                Note(i, error.GetType().Name, error.ToString());
            }
        }

        _ended = true;
    }

    private void Note(int i, string kind, string message)
    {
        Count($"DEFECT {kind}");

        // The same kind on the same line of the program, or with the same words.
        string place = new([.. message.TakeWhile(letter => letter is not ('\n' or '/')).Where(letter => !char.IsDigit(letter)).Take(60)]);
        if (_kinds.Add($"{kind} {place}"))
        {
            _defects.Add(string.Create(CultureInfo.InvariantCulture, $"case {i}: {message}"));
        }
    }
}
