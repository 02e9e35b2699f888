using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>Which accelerator ran the guest, and what says so. The stream has no field for it.</summary>
/// <param name="Accelerator">The accelerator.</param>
/// <param name="IsCertain">Whether nothing else could have left these traces.</param>
/// <param name="Detail">The traces.</param>
internal sealed record WriterEvidence(Accelerator Accelerator, bool IsCertain, string Detail)
{
    /// <summary>The device that only KVM has.</summary>
    public const string KvmClock = "kvmclock";

    /// <summary>Whether the stream has the device that only KVM has.</summary>
    public bool HasClock { get; private init; }

    /// <summary>
    /// TCG does not keep XSTATE_BV, and only KVM has the clock device. A stream with XSTATE_BV and without the clock comes from KVM with
    /// the clock hidden, from TCG after it loaded one of KVM's, or was repaired.
    /// </summary>
    /// <param name="description">The devices.</param>
    /// <param name="cpus">The virtual CPUs.</param>
    /// <param name="told">What the file around the stream says; null when it says nothing.</param>
    public static WriterEvidence Of(VmDescription description, ImmutableArray<CpuSection> cpus, WriterEvidence? told)
    {
        if (description.Devices.Any(device => device.Name == KvmClock))
        {
            return new WriterEvidence(Accelerator.Kvm, IsCertain: true, "there is a kvmclock device") { HasClock = true };
        }

        if (told is not null)
        {
            return told;
        }

        return cpus.All(cpu => cpu.XstateBvValue.IsEmpty)
            ? new WriterEvidence(Accelerator.Tcg, IsCertain: true, "xstate_bv is 0 on every virtual CPU and there is no kvmclock device")
            : new WriterEvidence(Accelerator.Kvm, IsCertain: false,
                "xstate_bv is set, which TCG never does itself; there is no kvmclock device");
    }

    /// <summary>As a fact.</summary>
    public Fact<Accelerator> ToFact() => new(Accelerator, IsCertain ? FactSource.Inferred : FactSource.Guess, Detail);

    /// <summary>The order in which a virtual CPU's x87 registers are stored.</summary>
    public Fact<X87Order> OrderOf(CpuSection cpu)
    {
        if (IsCertain)
        {
            return Accelerator == Accelerator.Kvm
                ? new Fact<X87Order>(X87Order.StackTop, FactSource.Inferred, "KVM stores ST(0) first")
                : new Fact<X87Order>(X87Order.Physical, FactSource.Inferred, "TCG stores physical register R0 first");
        }

        return cpu.OrderByContents() is { } told
            ? new Fact<X87Order>(told, FactSource.Inferred, "only so is every register zero that is tagged empty")
            : new Fact<X87Order>(X87Order.StackTop, FactSource.Guess, "the writer's accelerator is a guess");
    }
}
