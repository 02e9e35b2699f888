using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_SREGS that changes control registers and leaves everything else, null ones too, as it is.</summary>
internal sealed record SetControlRegistersCall(ulong? Cr0 = null, ulong? Cr3 = null, ulong? Cr4 = null, ulong? Efer = null)
    : KvmCall("set_sregs")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply read = vcpu.GetControlRegisters(out KvmControlRegisters now);
        return KvmAnswer.Of(!read.IsSuccess ? read : vcpu.SetControlRegisters(new KvmControlRegisters(Cr0 ?? now.Cr0, Cr3 ?? now.Cr3,
            Cr4 ?? now.Cr4, Efer ?? now.Efer)));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"SET_SREGS {string.Join(' ', Given().Select(given => $"{given.Name.ToUpperInvariant()}=0x{given.Value:x}"))}";

    internal static SetControlRegistersCall Parse(ScenarioValue step) => new(step.Take("cr0")?.Number(), step.Take("cr3")?.Number(),
        step.Take("cr4")?.Number(), step.Take("efer")?.Number());

    internal override void Write(Utf8JsonWriter json)
    {
        foreach ((string name, ulong value) in Given())
        {
            json.WriteString(name, CallJson.Hex(value));
        }
    }

    private IEnumerable<(string Name, ulong Value)> Given()
    {
        (string Name, ulong? Value)[] all = [("cr0", Cr0), ("cr3", Cr3), ("cr4", Cr4), ("efer", Efer)];
        return all.Where(register => register.Value is not null).Select(register => (register.Name, register.Value!.Value));
    }
}
