using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Xstate.WorldSwitch;

/// <summary>What may happen between two steps, where the masks allow it.</summary>
[Flags]
internal enum HostEvents
{
    /// <summary>Nothing happens but the protocol.</summary>
    None = 0,

    /// <summary>An NMI whose handler walks the user stack, as perf does for a call chain.</summary>
    Nmi = 1,

    /// <summary>An interrupt whose handler or softirq uses the FPU.</summary>
    Irq = 2,

    /// <summary>The thread is preempted; it may go on on another processor.</summary>
    Preempt = 4,

    /// <summary>User space reads the vCPU's image.</summary>
    GetXsave = 8,

    /// <summary>User space writes an image that carries PKRU.</summary>
    SetXsave = 16,

    /// <summary>A signal is delivered to the VMM's thread: the kernel writes a frame with its FPU state.</summary>
    Signal = 32,

    /// <summary>A machine check.</summary>
    MachineCheck = 64,

    /// <summary>A system-management interrupt.</summary>
    Smi = 128,

    /// <summary>User space writes an image with XSTATE_BV[9] clear, which KVM takes as "leave PKRU alone".</summary>
    SetXsaveKeep = 256,

    /// <summary>What is explored when nothing is asked for.</summary>
    Default = Nmi | Irq | Preempt | GetXsave | SetXsave | Signal,

    /// <summary>Everything.</summary>
    All = Default | MachineCheck | Smi | SetXsaveKeep,
}

/// <summary>An event's public name.</summary>
/// <param name="Event">Which.</param>
/// <param name="Id">The name on the command line; never changed.</param>
/// <param name="Text">What happens.</param>
internal sealed record HostEventInfo(HostEvents Event, string Id, string Text);

/// <summary>The events by name.</summary>
internal static class HostEventCatalogue
{
    /// <summary>Every event.</summary>
    public static ImmutableArray<HostEventInfo> All { get; } =
    [
        new(HostEvents.Nmi, "nmi", "an NMI whose handler reads host user memory (a perf call chain)"),
        new(HostEvents.Irq, "irq", "an interrupt whose handler uses the FPU"),
        new(HostEvents.Preempt, "preempt", "preemption, and going on on any free processor"),
        new(HostEvents.GetXsave, "get-xsave", "user space reads the vCPU's XSAVE image"),
        new(HostEvents.SetXsave, "set-xsave", "user space writes an XSAVE image that carries PKRU"),
        new(HostEvents.Signal, "signal", "a signal frame is written for the VMM's thread"),
        new(HostEvents.MachineCheck, "machine-check", "a machine check"),
        new(HostEvents.Smi, "smi", "a system-management interrupt"),
        new(HostEvents.SetXsaveKeep, "set-xsave-keep", "user space writes an XSAVE image without PKRU (XSTATE_BV[9] = 0)"),
    ];

    /// <summary>What a list may name.</summary>
    public static string Known { get; } = string.Join(", ", [.. All.Select(entry => entry.Id), "default", "all", "none"]);

    /// <summary>Reads a comma-separated list of ids; <c>default</c> and <c>all</c> stand for their sets.</summary>
    /// <exception cref="ArgumentException">A name is unknown.</exception>
    public static HostEvents Parse(string list) => TryParse(list, out HostEvents events, out string? unknown)
        ? events
        : throw new ArgumentException($"unknown event '{unknown}'; known: {Known}", nameof(list));

    /// <summary>Reads such a list; if a name is unknown, says which.</summary>
    public static bool TryParse(string list, out HostEvents events, [NotNullWhen(false)] out string? unknown)
    {
        ArgumentNullException.ThrowIfNull(list);
        events = HostEvents.None;
        unknown = null;
        foreach (string name in list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            HostEvents? named = name switch
            {
                "default" => HostEvents.Default,
                "all" => HostEvents.All,
                "none" => HostEvents.None,
                _ => All.FirstOrDefault(entry => entry.Id == name)?.Event,
            };
            if (named is null)
            {
                unknown = name;
                return false;
            }

            events |= named.Value;
        }

        return true;
    }

    /// <summary>The ids of a set, comma-separated.</summary>
    public static string Format(HostEvents events) =>
        events == HostEvents.None ? "none" : string.Join(',', All.Where(entry => (events & entry.Event) != HostEvents.None)
            .Select(entry => entry.Id));
}
