using System.Text.Json;

namespace Xstate.Cli.Pages;

/// <summary>One answer on a page.</summary>
/// <param name="Answer">The answer as <c>--json</c> prints it.</param>
internal sealed record ReportPart(JsonElement Answer)
{
    /// <summary>Of a state after a repair: HOST for which it was repaired.</summary>
    public string? RepairedFor { get; init; }

    /// <summary>The components that the guest's CPUID offers, by virtual CPU or thread; null for one whose CPUID is not known.</summary>
    public IReadOnlyList<string?> GuestComponents { get; init; } = [];

    /// <summary>The verb that answered.</summary>
    public string Verb => Answer.GetProperty("verb").GetString()!;
}
