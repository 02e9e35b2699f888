namespace Xstate.Scenarios.Conformance;

/// <summary>The model and the kernel answered one step differently.</summary>
/// <param name="Seed">The seed that the sequence was made from.</param>
/// <param name="Scenario">The shortest scenario found that still shows it, as one line of JSON for <c>xstate run</c>; its last step is the
/// one.</param>
/// <param name="Op">The step.</param>
/// <param name="Model">The model's answer.</param>
/// <param name="Kernel">The kernel's answer.</param>
internal sealed record ScenarioDisagreement(ulong Seed, string Scenario, string Op, string Model, string Kernel)
{
    private const int Shown = 48;
    private const string HexField = "\"hex\":\"";

    /// <summary>Seed, scenario, and where the answers part.</summary>
    public override string ToString()
    {
        int first = Model.AsSpan().CommonPrefixLength(Kernel);
        int hex = Model.IndexOf(HexField, StringComparison.Ordinal);
        string where = hex >= 0 && first > hex + HexField.Length && first < Model.Length - 3
            ? $" at byte {(first - hex - HexField.Length) / 2}" : "";
        int from = where.Length > 0 ? first - ((first - hex - HexField.Length) % 2) : Math.Max(0, first - Shown);
        return $"seed 0x{Seed:x}: {Op} differs{where}: model {Part(Model, from)}, kernel {Part(Kernel, from)}\n  {Scenario}";
    }

    private static string Part(string answer, int from) => answer[Math.Min(from, answer.Length)..Math.Min(from + Shown, answer.Length)];
}
