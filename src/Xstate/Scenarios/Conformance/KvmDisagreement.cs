using System.Text;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>Two machines answered one call differently.</summary>
/// <param name="Sequence">The shortest sequence found that still shows it; its last call is the one.</param>
/// <param name="Left">The first machine's answer.</param>
/// <param name="Right">The second machine's answer.</param>
internal sealed record KvmDisagreement(KvmSequence Sequence, KvmAnswer Left, KvmAnswer Right)
{
    /// <summary>Seed, calls, and what differs first.</summary>
    public override string ToString()
    {
        StringBuilder text = new($"seed 0x{Sequence.Seed:x}:\n");
        foreach (KvmCall call in Sequence.Calls)
        {
            text.Append("  ").Append(call).Append('\n');
        }

        if (Left.Errno != Right.Errno)
        {
            return text.Append($"  answers: {Left.Errno} and {Right.Errno}").ToString();
        }

        int first = Left.CommonLength(Right);
        int different = 0;
        for (int i = 0; i < Math.Min(Left.Bytes.Length, Right.Bytes.Length); i++)
        {
            different += Left.Bytes.Span[i] == Right.Bytes.Span[i] ? 0 : 1;
        }

        return text.Append(
            $"  lengths {Left.Bytes.Length} and {Right.Bytes.Length}, {different} bytes differ, first at {first}: {Hex(Left, first)} and "
            + $"{Hex(Right, first)}").ToString();
    }

    private static string Hex(KvmAnswer answer, int from) =>
        Convert.ToHexStringLower(answer.Bytes.Span[from..Math.Min(answer.Bytes.Length, from + 16)]);
}
