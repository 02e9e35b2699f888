using System.Text.Json.Serialization;

namespace Xstate.Cli.Tests;

/// <summary>A line of VM records as a row.</summary>
public sealed class VmRow
{
    [JsonPropertyName("vm")]
    public string? Vm { get; set; }

    [JsonPropertyName("host")]
    public string? Host { get; set; }

    [JsonPropertyName("guestCpuid")]
    public string? GuestCpuid { get; set; }

    [JsonPropertyName("xcr0")]
    public string? Xcr0 { get; set; }

    [JsonPropertyName("inUse")]
    public List<string>? InUse { get; set; }

    [JsonPropertyName("msrs")]
    public List<List<string>>? Msrs { get; set; }

    [JsonPropertyName("cpuid")]
    public List<List<string>>? Cpuid { get; set; }
}
