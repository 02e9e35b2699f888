namespace Xstate.Scenarios;

/// <summary>A scenario that cannot be read: what is wrong, in which line and which field.</summary>
internal sealed class ScenarioException : FormatException
{
    /// <summary>An error at a place.</summary>
    /// <param name="line">Line of the input, from 1.</param>
    /// <param name="field">Path of the field, as <c>steps[2].vcpu</c>; empty for the whole.</param>
    /// <param name="problem">What is wrong there.</param>
    public ScenarioException(int line, string field, string problem)
        : base(field.Length == 0 ? $"line {line}: {problem}" : $"line {line}, {field}: {problem}")
    {
        Line = line;
        Field = field;
    }

    /// <summary>Line of the input, from 1.</summary>
    public int Line { get; }

    /// <summary>Path of the field.</summary>
    public string Field { get; }
}
