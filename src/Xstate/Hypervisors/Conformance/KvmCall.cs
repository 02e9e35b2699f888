using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Hypervisors.Conformance;

/// <summary>One call of a sequence, performed alike on a model and on a kernel.</summary>
public abstract record KvmCall
{
    private protected KvmCall()
    {
    }

    /// <summary>The request's name.</summary>
    public abstract string Request { get; }

    /// <summary>Performs the call.</summary>
    /// <param name="vcpu">The virtual CPU.</param>
    /// <param name="lastArea">The area that the last successful GET of this sequence returned; a GET replaces it.</param>
    public abstract KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea);

    /// <summary>The call in one line.</summary>
    public abstract override string ToString();

    private protected static KvmAnswer Answer(KvmReply reply, ReadOnlyMemory<byte> bytes = default) =>
        new(reply.Errno, bytes) { Why = reply.Why };

    private protected static byte[] Numbers(ImmutableArray<ulong> values)
    {
        byte[] bytes = new byte[values.Length * sizeof(ulong)];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), values[i]);
        }

        return bytes;
    }
}

/// <summary>KVM_SET_CPUID2.</summary>
public sealed record SetCpuid2Call(ImmutableArray<CpuidEntry> Entries) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_CPUID2";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetCpuid2(Entries.AsSpan()));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        IEnumerable<string> shown = Entries.Where(e => e.Leaf is CpuidTable.XsaveLeaf or 1 or 0x8000_0008).Take(8).Select(e =>
            $"{{{e.Leaf:x}.{e.Subleaf:x}{(e.SubleafSignificant ? "" : " any")} {e.Registers.Eax:x} {e.Registers.Ebx:x} "
            + $"{e.Registers.Ecx:x} {e.Registers.Edx:x}}}");
        return $"SET_CPUID2 {Entries.Length} entries {string.Join(' ', shown)}";
    }
}

/// <summary>KVM_GET_CPUID2.</summary>
/// <param name="Leaf">Compare this leaf only; null for all.</param>
public sealed record GetCpuid2Call(uint? Leaf) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_CPUID2";

    private const int EntryLength = 7 * sizeof(uint);

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetCpuid2(out ImmutableArray<CpuidEntry> entries);
        CpuidEntry[] compared = [.. entries.Where(e => Leaf is null || e.Leaf == Leaf)];
        byte[] bytes = new byte[compared.Length * EntryLength];
        for (int i = 0; i < compared.Length; i++)
        {
            Span<byte> to = bytes.AsSpan(i * EntryLength, EntryLength);
            CpuidRegisters registers = compared[i].Registers;
            ReadOnlySpan<uint> fields =
                [compared[i].Leaf, compared[i].Subleaf, compared[i].SubleafSignificant ? 1u : 0, registers.Eax, registers.Ebx,
                    registers.Ecx, registers.Edx];
            for (int field = 0; field < fields.Length; field++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(to[(field * sizeof(uint))..], fields[field]);
            }
        }

        return Answer(reply, bytes);
    }

    /// <inheritdoc/>
    public override string ToString() => Leaf is null ? "GET_CPUID2" : $"GET_CPUID2 (leaf 0x{Leaf:x})";
}

/// <summary>KVM_SET_XSAVE.</summary>
public sealed record SetXsaveCall(ReadOnlyMemory<byte> Image) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_XSAVE";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetXsave(Image.Span));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (Image.Length < XsaveFormat.ExtendedOffset)
        {
            return $"SET_XSAVE {Image.Length} bytes";
        }

        XsaveArea area = new(Image.Span);
        int reserved = area.ReservedHeader.IndexOfAnyExcept((byte)0);
        return $"SET_XSAVE {Image.Length} bytes XSTATE_BV={area.XstateBv} XCOMP_BV=0x{area.XcompBv:x} MXCSR=0x{area.Mxcsr:x} "
            + $"MXCSR_MASK=0x{area.MxcsrMask:x}"
            + (reserved < 0 ? "" : $" byte {XsaveFormat.ReservedHeaderOffset + reserved} not zero");
    }
}

/// <summary>KVM_SET_XSAVE with the area that the last GET returned: what a VMM does that saves and restores.</summary>
public sealed record SetXsaveBackCall : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_XSAVE";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetXsave(lastArea));
    }

    /// <inheritdoc/>
    public override string ToString() => "SET_XSAVE of what the last GET returned";
}

/// <summary>KVM_GET_XSAVE or KVM_GET_XSAVE2.</summary>
public sealed record GetXsaveCall(bool IsXsave2) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => IsXsave2 ? "KVM_GET_XSAVE2" : "KVM_GET_XSAVE";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = IsXsave2 ? vcpu.GetXsave2(out byte[] area) : vcpu.GetXsave(out area);
        if (reply.IsSuccess)
        {
            lastArea = area;
        }

        return Answer(reply, area);
    }

    /// <inheritdoc/>
    public override string ToString() => IsXsave2 ? "GET_XSAVE2" : "GET_XSAVE";
}

/// <summary>KVM_SET_XCRS.</summary>
public sealed record SetXcrsCall(uint Count, uint Flags, ImmutableArray<XcrEntry> Entries) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_XCRS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetXcrs(Count, Flags, Entries.AsSpan()));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"SET_XCRS nr={Count} flags=0x{Flags:x} {string.Join(' ', Entries.Select(e => $"{e.Index}:0x{e.Value:x}"))}";
}

/// <summary>KVM_GET_XCRS.</summary>
public sealed record GetXcrsCall : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_XCRS";

    private const int EntryLength = sizeof(uint) + sizeof(ulong);

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetXcrs(out ImmutableArray<XcrEntry> entries);
        byte[] bytes = new byte[entries.Length * EntryLength];
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * EntryLength), entries[i].Index);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((i * EntryLength) + sizeof(uint)), entries[i].Value);
        }

        return Answer(reply, bytes);
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_XCRS";
}

/// <summary>KVM_SET_FPU.</summary>
public sealed record SetFpuCall(ReadOnlyMemory<byte> Fpu) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_FPU";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetFpu(KvmFpu.Parse(Fpu.Span)));
    }

    /// <inheritdoc/>
    public override string ToString() => "SET_FPU";
}

/// <summary>KVM_GET_FPU.</summary>
public sealed record GetFpuCall : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_FPU";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetFpu(out KvmFpu fpu);
        byte[] bytes = new byte[KvmFpu.Length];
        fpu.Write(bytes);
        return Answer(reply, bytes);
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_FPU";
}

/// <summary>KVM_RUN with immediate_exit: the state goes through the processor.</summary>
public sealed record RunImmediateExitCall : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_RUN";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.RunImmediateExit());
    }

    /// <inheritdoc/>
    public override string ToString() => "RUN immediate_exit";
}

/// <summary>KVM_SET_MSRS: the kernel answers how many it took before the first that it refuses.</summary>
public sealed record SetMsrsCall(ImmutableArray<MsrEntry> Entries) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_MSRS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.SetMsrs(Entries.AsSpan(), out int count);
        return Answer(reply, new[] { (byte)count });
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_MSRS {string.Join(' ', Entries.Select(entry => $"0x{entry.Index:x}=0x{entry.Value:x}"))}";
}

/// <summary>KVM_GET_MSRS.</summary>
public sealed record GetMsrsCall(ImmutableArray<uint> Indices) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_MSRS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetMsrs(Indices.AsSpan(), out ImmutableArray<ulong> values);
        return Answer(reply, Numbers(values));
    }

    /// <inheritdoc/>
    public override string ToString() => $"GET_MSRS {string.Join(' ', Indices.Select(index => $"0x{index:x}"))}";
}

/// <summary>KVM_SET_ONE_REG.</summary>
public sealed record SetOneRegisterCall(ulong Id, ulong Value) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_ONE_REG";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return Answer(vcpu.SetOneRegister(Id, Value));
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_ONE_REG 0x{Id:x}=0x{Value:x}";
}

/// <summary>KVM_GET_ONE_REG.</summary>
public sealed record GetOneRegisterCall(ulong Id) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_ONE_REG";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetOneRegister(Id, out ulong value);
        return Answer(reply, Numbers([value]));
    }

    /// <inheritdoc/>
    public override string ToString() => $"GET_ONE_REG 0x{Id:x}";
}

/// <summary>KVM_GET_REG_LIST.</summary>
public sealed record GetRegisterListCall : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_REG_LIST";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply reply = vcpu.GetRegisterList(out ImmutableArray<ulong> ids);
        return Answer(reply, Numbers(ids));
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_REG_LIST";
}

/// <summary>KVM_SET_SREGS that changes CR4 alone: OSXSAVE and PKE show in CPUID, and CET is refused by kernel.</summary>
public sealed record SetCr4Call(ulong Cr4) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_SREGS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply read = vcpu.GetControlRegisters(out KvmControlRegisters registers);
        return Answer(read.IsSuccess ? vcpu.SetControlRegisters(registers with { Cr4 = Cr4 }) : read);
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_SREGS CR4=0x{Cr4:x}";
}

/// <summary>KVM_SET_SREGS that changes CR0 alone: what no processor can have is refused, by kernel.</summary>
public sealed record SetCr0Call(ulong Cr0) : KvmCall
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_SREGS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KvmReply read = vcpu.GetControlRegisters(out KvmControlRegisters registers);
        return Answer(read.IsSuccess ? vcpu.SetControlRegisters(registers with { Cr0 = Cr0 }) : read);
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_SREGS CR0=0x{Cr0:x}";
}
