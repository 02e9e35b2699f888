using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Scenarios;

/// <summary>A step whose fields were read and whose action remains.</summary>
internal sealed record ActionStep(string Op, Func<ScenarioRun, StepAnswer> Action) : ScenarioStep(Op)
{
    internal override StepAnswer Perform(ScenarioRun run) => Action(run);
}

/// <summary>One register of one CPUID answer, as <c>0xd.0.eax</c>.</summary>
internal readonly record struct CpuidField(uint Leaf, uint Subleaf, CpuidRegister Register)
{
    public static CpuidField? Parse(string text)
    {
        string[] parts = text.Split('.');
        return parts.Length == 3 && TryNumber(parts[0], out uint leaf) && TryNumber(parts[1], out uint subleaf)
            && parts[2] is "eax" or "ebx" or "ecx" or "edx" && Enum.TryParse(parts[2], ignoreCase: true, out CpuidRegister register)
            ? new CpuidField(leaf, subleaf, register)
            : null;
    }

    private static bool TryNumber(string text, out uint value) => text.StartsWith("0x", StringComparison.Ordinal)
        ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
        : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
