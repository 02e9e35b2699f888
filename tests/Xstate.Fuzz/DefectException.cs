namespace Xstate.Fuzz;

/// <summary>A promise that was broken.</summary>
/// <param name="kind">Which one: of each kind and place one is reported.</param>
/// <param name="message">How.</param>
internal sealed class DefectException(string kind, string message) : Exception(message)
{
    public string Kind { get; } = kind;
}
