using System.Collections.Immutable;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>
/// What follows of a host under each value of what is not known of its kernel; one answer where nothing that was asked for is unknown.
/// </summary>
internal static class KernelWorlds
{
    /// <summary>Values that are tried at most.</summary>
    public const int Max = 64;

    /// <summary>Asks a host in every world.</summary>
    /// <param name="host">The host.</param>
    /// <param name="ask">What is asked.</param>
    /// <param name="isComplete">Whether all worlds were tried.</param>
    public static ImmutableArray<T> Of<T>(LinuxHost host, Func<LinuxHost, T> ask, out bool isComplete)
    {
        ImmutableArray<T>.Builder answers = ImmutableArray.CreateBuilder<T>();
        Queue<ImmutableArray<int>> pending = new([[]]);
        isComplete = true;
        while (pending.TryDequeue(out ImmutableArray<int> decided))
        {
            if (answers.Count == Max)
            {
                isComplete = false;
                break;
            }

            FactChoices choices = new(decided);
            answers.Add(ask(host.Asking(new DifferenceChoices(host.Behavior, choices))));
            for (int i = choices.DecidedCount; i < choices.Asked.Count; i++)
            {
                ImmutableArray<int> before = [.. choices.Asked.Take(i).Select(asked => asked.Value)];
                for (int value = 1; value < choices.Asked[i].Fact.Values.Length; value++)
                {
                    pending.Enqueue(before.Add(value));
                }
            }
        }

        return answers.ToImmutable();
    }
}
