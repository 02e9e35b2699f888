using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Answers of several tables that a text tells in turn, such as those of a guest and of its host, brought together by table.
/// </summary>
internal sealed class CollectedDump(string format, ArtifactLimits limits)
{
    private readonly List<(string Label, List<(uint Leaf, uint? Subleaf, CpuidRegisters Registers, long Offset)> Answers)> _tables = [];

    /// <summary>Whether there is an answer.</summary>
    public bool IsEmpty => _tables.Count == 0;

    /// <summary>Adds an answer to the table of a label.</summary>
    /// <exception cref="MalformedArtifactException">There are more tables, or more answers of one, than the limits allow.</exception>
    public void Add(string label, uint leaf, uint? subleaf, CpuidRegisters registers, long offset)
    {
        int index = _tables.FindIndex(table => table.Label == label);
        if (index < 0)
        {
            if (_tables.Count == limits.MaxProcessors)
            {
                throw new MalformedArtifactException(format, offset, "one more table", $"at most {limits.MaxProcessors}");
            }

            index = _tables.Count;
            _tables.Add((label, []));
        }

        if (_tables[index].Answers.Count == limits.MaxCpuidEntries)
        {
            throw new MalformedArtifactException(format, offset, "one more answer", $"at most {limits.MaxCpuidEntries} for one table");
        }

        _tables[index].Answers.Add((leaf, subleaf, registers, offset));
    }

    /// <summary>The answers of one table that were added so far.</summary>
    public IEnumerable<(uint Leaf, uint? Subleaf, CpuidRegisters Registers, long Offset)> AnswersOf(string label) =>
        _tables.Find(table => table.Label == label).Answers ?? [];

    /// <summary>The dump.</summary>
    /// <param name="first">The label of the table that stands for the machine; others follow in the order of the text.</param>
    /// <param name="skipped">What the text has besides.</param>
    /// <param name="areProcessors">Whether the tables are the logical processors of one machine, which ought to be alike.</param>
    /// <exception cref="MalformedArtifactException">There is no answer.</exception>
    public CpuidDump Build(string? first, SkippedText? skipped, bool areProcessors = false)
    {
        CpuidDumpBuilder dump = new(format, limits) { Skipped = skipped, AreProcessors = areProcessors };
        foreach ((string label, List<(uint Leaf, uint? Subleaf, CpuidRegisters Registers, long Offset)> answers) in _tables.OrderBy(
            table => table.Label == first ? 0 : 1))
        {
            dump.StartProcessor(label, answers[0].Offset);
            foreach ((uint leaf, uint? subleaf, CpuidRegisters registers, long offset) in answers)
            {
                dump.Add(leaf, subleaf, registers, offset);
            }
        }

        return dump.Build();
    }
}
