using System.Collections.Frozen;

namespace Xstate.Guests;

/// <summary>Operations by mnemonic.</summary>
internal static class GuestOperations
{
    private static readonly FrozenDictionary<string, (GuestOperation, GuestCondition)> ByMnemonic = Make();

    /// <summary>The operation of a mnemonic (lower case) and the condition in it, if it has one.</summary>
    public static (GuestOperation Operation, GuestCondition Condition) Of(string mnemonic) => ByMnemonic.GetValueOrDefault(mnemonic);

    private static FrozenDictionary<string, (GuestOperation, GuestCondition)> Make()
    {
        Dictionary<string, (GuestOperation, GuestCondition)> operations = new(StringComparer.Ordinal);
        foreach (GuestOperation operation in Enum.GetValues<GuestOperation>())
        {
            if (operation is not (GuestOperation.Other or GuestOperation.Jcc or GuestOperation.Setcc or GuestOperation.Cmovcc))
            {
                operations.Add(operation.ToString().ToLowerInvariant(), (operation, default));
            }
        }

        foreach (GuestCondition condition in Enum.GetValues<GuestCondition>())
        {
            string suffix = condition.ToString().ToLowerInvariant();
            operations.Add($"j{suffix}", (GuestOperation.Jcc, condition));
            operations.Add($"set{suffix}", (GuestOperation.Setcc, condition));
            operations.Add($"cmov{suffix}", (GuestOperation.Cmovcc, condition));
        }

        return operations.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
