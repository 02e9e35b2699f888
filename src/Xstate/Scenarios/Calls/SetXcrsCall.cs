using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_XCRS.</summary>
internal sealed record SetXcrsCall(uint Count, uint Flags, ImmutableArray<XcrEntry> Entries) : KvmCall("set_xcrs")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetXcrs(Count, Flags, Entries.AsSpan()));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"SET_XCRS nr={Count} flags=0x{Flags:x} {string.Join(' ', Entries.Select(e => $"{e.Index}:0x{e.Value:x}"))}";

    internal static SetXcrsCall Parse(ScenarioValue step)
    {
        ScenarioValue? xcr0 = step.Take("xcr0");
        ScenarioValue? listed = step.Take("entries");
        if (xcr0 is null == listed is null)
        {
            throw step.Error("either xcr0 or entries is expected");
        }

        ImmutableArray<XcrEntry> entries = xcr0 is not null ? [new XcrEntry(0, xcr0.Number())] : [.. listed!.Items.Select(ReadXcr)];
        uint flags = (uint)(step.Take("flags")?.Number(uint.MaxValue) ?? 0);

        // nr_xcrs, for hostile ones: the kernel believes it rather than what follows.
        uint count = (uint)(step.Take("count")?.Number(uint.MaxValue) ?? (ulong)entries.Length);
        return entries.Length <= KvmModelVcpu.MaxXcrs ? new SetXcrsCall(count, flags, entries)
            : throw listed!.Error($"at most {KvmModelVcpu.MaxXcrs} entries are expected");
    }

    internal override void Write(Utf8JsonWriter json)
    {
        json.WriteNumber("count", Count);
        json.WriteString("flags", CallJson.Hex(Flags));
        CallJson.WriteEntries(json, "xcr", Entries.Select(entry => (entry.Index, entry.Value)));
    }

    private static XcrEntry ReadXcr(ScenarioValue entry)
    {
        XcrEntry read = new((uint)entry.Require("xcr").Number(uint.MaxValue), entry.Require("value").Number());
        entry.End();
        return read;
    }
}
