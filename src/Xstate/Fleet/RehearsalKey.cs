using System.Globalization;
using Xstate.Hypervisors.Kvm;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>All that rehearsals assume, as one text that people can read: equal texts give equal outcomes.</summary>
internal static class RehearsalKey
{
    private const int Digits = 16;

    /// <summary>The text.</summary>
    public static string Of(RehearsalOptions options)
    {
        (string Name, string? Value)[] all =
        [
            ("VMM", options.Vmm?.Id),
            ("guest CPUID", options.GuestCpuid is { } cpuid ? GuestKey.Of(cpuid)[..Digits] : null),
            ("PKRU before", options.PreviousPkru?.ToString("x", CultureInfo.InvariantCulture)),
            ("state before", options.PreviousState is { } state ? GuestKey.Of(state)[..Digits] : null),
            ("guest CPU", options.GuestCpu?.ToString()),
            ("protection", options.Protection == GuestProtection.None ? null : options.Protection.ToString()),
            ("CRIU", options.Criu?.Id),
            ("CPU check", options.CpuCheck?.ToString()),
            ("force", options.Force ? "yes" : null),
        ];
        string[] given = [.. all.Where(one => one.Value is not null).Select(one => $"{one.Name} {one.Value}")];
        return given.Length == 0 ? "no option" : string.Join(", ", given);
    }
}
