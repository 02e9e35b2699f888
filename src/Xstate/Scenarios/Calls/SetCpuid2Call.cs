using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_CPUID2.</summary>
internal sealed record SetCpuid2Call(ImmutableArray<CpuidEntry> Entries) : KvmCall("set_cpuid2")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetCpuid2(Entries.AsSpan()));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        IEnumerable<string> shown = Entries.Where(e => e.Leaf is CpuidTable.XsaveLeaf or 1 or 0x8000_0008).Take(8).Select(e =>
            $"{{{e.Leaf:x}.{e.Subleaf:x}{(e.SubleafSignificant ? "" : " any")} {e.Registers.Eax:x} {e.Registers.Ebx:x} "
            + $"{e.Registers.Ecx:x} {e.Registers.Edx:x}}}");
        return $"SET_CPUID2 {Entries.Length} entries {string.Join(' ', shown)}";
    }

    internal override void Write(Utf8JsonWriter json) => CallJson.WriteCpuid(json, "cpuid", Entries);
}
