using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Rehearsal.Vmms;

namespace Xstate.Rehearsal;

/// <summary>All known restorers, and which of them restores a capture.</summary>
/// <threadsafety>Any thread.</threadsafety>
public static class Restorers
{
    /// <summary>CRIU: it restores every process, and no virtual machine.</summary>
    public static Restorer Criu => CriuRelease.From4Dot0;

    /// <summary>Those of virtual machines; of each program the current one first.</summary>
    public static ImmutableArray<Restorer> All { get; } =
    [
        new Qemu(),
        new Qemu10(),
        new Qemu7(),
        new QemuTcg(),
        new Firecracker(),
        new Firecracker1(),
        new CloudHypervisor(),
        new CloudHypervisor50(),
        new CloudHypervisor29(),
        new Crosvm(),
        new Dragonball(),
        new StratoVirt(),
        new OpenVmm(),
        new Hyperlight(),
        new Hyperlight16(),
    ];

    /// <summary>QEMU's current one, whose order is also the safe one.</summary>
    public static Restorer Default => All[0];

    /// <summary>The restorer with a name, in any case; null when there is none.</summary>
    public static Restorer? Find(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return All.FirstOrDefault(restorer => restorer.Aliases.Insert(0, restorer.Id).Contains(id, StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>The current restorer of a program.</summary>
    /// <exception cref="ArgumentException">None is known of this program.</exception>
    public static Restorer Of(Vmm vmm)
    {
        ArgumentNullException.ThrowIfNull(vmm);
        return vmm == Vmm.Criu ? Criu : All.FirstOrDefault(restorer => restorer.Vmm == vmm)
            ?? throw new ArgumentException($"nothing is known of how {vmm.Title} restores", nameof(vmm));
    }

    /// <summary>
    /// Who restores a capture when nothing else is said: CRIU a process, the program whose own format it is a virtual machine, and QEMU
    /// what belongs to none.
    /// </summary>
    public static Restorer For(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return capture.Kind == CaptureKind.Process ? Criu
            : capture.RestoredBy is { Value: Accelerator.Tcg } ? All.First(restorer => restorer is QemuTcg)
            : capture.Vmm is { } vmm ? Of(vmm) : Default;
    }

    /// <summary>
    /// The restorers that could be meant by one of them when the release is not known: those of the same program that restore by KVM. An
    /// answer depends on the release when they disagree.
    /// </summary>
    public static ImmutableArray<Restorer> Alternatives(Restorer restorer)
    {
        ArgumentNullException.ThrowIfNull(restorer);
        return restorer is KvmRestorer ? [.. All.Where(other => other is KvmRestorer && other.Vmm == restorer.Vmm)]
            : restorer is CriuRelease ? [.. CriuRelease.All] : [restorer];
    }
}
