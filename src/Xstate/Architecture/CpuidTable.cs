using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>One of the four registers that CPUID writes.</summary>
internal enum CpuidRegister
{
    /// <summary>EAX.</summary>
    Eax,

    /// <summary>EBX.</summary>
    Ebx,

    /// <summary>ECX.</summary>
    Ecx,

    /// <summary>EDX.</summary>
    Edx,
}

/// <summary>The answer of CPUID for one leaf and sub-leaf.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct CpuidRegisters(uint Eax, uint Ebx, uint Ecx, uint Edx)
{
    /// <summary>Whether all four registers are zero, which is how CPUID answers for what it does not have.</summary>
    public bool IsZero => (Eax | Ebx | Ecx | Edx) == 0;

    /// <summary>EDX:EAX as one number.</summary>
    public ulong EdxEax => (ulong)Edx << 32 | Eax;

    /// <summary>EDX:ECX as one number.</summary>
    public ulong EdxEcx => (ulong)Edx << 32 | Ecx;

    /// <summary>One register by name.</summary>
    internal uint this[CpuidRegister register] => register switch
    {
        CpuidRegister.Eax => Eax,
        CpuidRegister.Ebx => Ebx,
        CpuidRegister.Ecx => Ecx,
        CpuidRegister.Edx => Edx,
        _ => throw new ArgumentOutOfRangeException(nameof(register)),
    };

    /// <summary>The same answer with one register replaced.</summary>
    internal CpuidRegisters With(CpuidRegister register, uint value) => register switch
    {
        CpuidRegister.Eax => this with { Eax = value },
        CpuidRegister.Ebx => this with { Ebx = value },
        CpuidRegister.Ecx => this with { Ecx = value },
        CpuidRegister.Edx => this with { Edx = value },
        _ => throw new ArgumentOutOfRangeException(nameof(register)),
    };
}

/// <summary>One recorded CPUID answer.</summary>
/// <param name="Leaf">EAX on input.</param>
/// <param name="Subleaf">ECX on input; meaningless unless <paramref name="SubleafSignificant"/>.</param>
/// <param name="SubleafSignificant">Whether the leaf has sub-leaves (KVM_CPUID_FLAG_SIGNIFCANT_INDEX).</param>
/// <param name="Registers">The answer.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct CpuidEntry(uint Leaf, uint Subleaf, bool SubleafSignificant, CpuidRegisters Registers)
{
    /// <summary>Whether this entry answers for the given input.</summary>
    public bool Answers(uint leaf, uint subleaf) => Leaf == leaf && (!SubleafSignificant || Subleaf == subleaf);
}

/// <summary>
/// What CPUID answers on one logical processor: a recorded dump, a guest's CPUID, or what a hypervisor supports. Entries keep their
/// order; the first that answers wins, as in KVM.
/// </summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed class CpuidTable
{
    /// <summary>The leaf that enumerates the XSAVE feature set.</summary>
    public const uint XsaveLeaf = 0xD;

    /// <summary>Characters in a vendor string.</summary>
    internal const int VendorLength = 12;

    /// <summary>A table with the given entries.</summary>
    public CpuidTable(ImmutableArray<CpuidEntry> entries)
    {
        Entries = entries.IsDefault ? [] : entries;
    }

    /// <summary>A table without entries: a guest before KVM_SET_CPUID2.</summary>
    public static CpuidTable Empty { get; } = new([]);

    /// <summary>The recorded answers, in their original order.</summary>
    public ImmutableArray<CpuidEntry> Entries { get; }

    /// <summary>The twelve characters of leaf 0, or an empty string without leaf 0.</summary>
    public string Vendor => ReadVendor(stackalloc char[VendorLength]).ToString();

    /// <summary>Components that XCR0 may enable: leaf 0xD.0 EDX:EAX.</summary>
    public StateComponentSet UserComponents => new(Read(XsaveLeaf, 0).EdxEax);

    /// <summary>Components that IA32_XSS may enable: leaf 0xD.1 EDX:ECX.</summary>
    public StateComponentSet SupervisorComponents => new(Read(XsaveLeaf, 1).EdxEcx);

    /// <summary>Bytes of a standard area for what XCR0 enabled when it was read: leaf 0xD.0 EBX.</summary>
    public uint EnabledAreaLength => Read(XsaveLeaf, 0).Ebx;

    /// <summary>Bytes of a standard area for all that XCR0 may enable: leaf 0xD.0 ECX.</summary>
    public uint LargestAreaLength => Read(XsaveLeaf, 0).Ecx;

    /// <summary>Width of a linear address: leaf 8000_0008 EAX[15:8]; 0 where it is not told.</summary>
    public int LinearAddressBits => (int)(Read(0x8000_0008).Eax >> 8 & 0xFF);

    /// <summary>Whether a feature's bit is set; a missing leaf counts as zero, as on the processor.</summary>
    internal bool Has(CpuidFeature feature)
    {
        ArgumentNullException.ThrowIfNull(feature);
        return feature.IsIn(this);
    }

    /// <summary>The answer for a leaf and sub-leaf, or zeros when the table has none.</summary>
    public CpuidRegisters Read(uint leaf, uint subleaf = 0) => TryRead(leaf, subleaf, out CpuidRegisters found) ? found : default;

    /// <summary>The answer for a leaf and sub-leaf, if recorded.</summary>
    public bool TryRead(uint leaf, uint subleaf, out CpuidRegisters registers)
    {
        foreach (ref readonly CpuidEntry entry in Entries.AsSpan())
        {
            if (entry.Answers(leaf, subleaf))
            {
                registers = entry.Registers;
                return true;
            }
        }

        registers = default;
        return false;
    }

    /// <summary>The vendor written to a buffer of <see cref="VendorLength"/> characters, for callers that only compare it.</summary>
    internal ReadOnlySpan<char> ReadVendor(Span<char> buffer)
    {
        if (!TryRead(0, 0, out CpuidRegisters leaf0))
        {
            return default;
        }

        ReadOnlySpan<uint> parts = [leaf0.Ebx, leaf0.Edx, leaf0.Ecx];
        for (int i = 0; i < VendorLength; i++)
        {
            buffer[i] = (char)(parts[i / 4] >> (i % 4 * 8) & 0xFF);
        }

        return buffer[..VendorLength].Trim('\0');
    }

    /// <summary>The same table with one answer replaced, or added at the end.</summary>
    public CpuidTable With(uint leaf, uint subleaf, CpuidRegisters registers)
    {
        for (int i = 0; i < Entries.Length; i++)
        {
            if (Entries[i].Answers(leaf, subleaf))
            {
                return new CpuidTable(Entries.SetItem(i, Entries[i] with { Registers = registers }));
            }
        }

        return new CpuidTable(Entries.Add(new CpuidEntry(leaf, subleaf, SubleafSignificant: true, registers)));
    }

    /// <summary>
    /// The same table with other components in leaf 0xD: sizes, offsets and XFD follow from them, the XSAVE instructions of 0xD.1 stay. EBX
    /// of 0xD.0 is for all of them enabled.
    /// </summary>
    /// <param name="user">Components in 0xD.0.</param>
    /// <param name="supervisor">Components in 0xD.1.</param>
    /// <param name="layout">Where they are.</param>
    public CpuidTable WithComponents(StateComponentSet user, StateComponentSet supervisor, XsaveLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        bool hasXfd = layout.Slots.Any(slot => slot.SupportsXfd && user.Contains(slot.Component));
        CpuidRegisters instructions = CpuidFeatures.Xfd.SetIn(Read(XsaveLeaf, 1), hasXfd);
        bool compacts = CpuidFeatures.Xsavec.IsIn(instructions) || CpuidFeatures.Xsaves.IsIn(instructions);
        uint size = (uint)layout.StandardLengthFor(user);
        uint compacted = compacts ? (uint)layout.CompactedLengthFor(user | supervisor) : 0;
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        entries.AddRange(Entries.Where(entry => entry.Leaf != XsaveLeaf));
        entries.Add(Entry(0, new CpuidRegisters((uint)user.Bits, size, size, (uint)(user.Bits >> 32))));
        entries.Add(Entry(1, new CpuidRegisters(instructions.Eax, compacted, (uint)supervisor.Bits, (uint)(supervisor.Bits >> 32))));
        foreach (StateComponent component in user | supervisor)
        {
            if (layout.TryGetSlot(component, out XsaveSlot slot))
            {
                entries.Add(Entry((uint)component, slot.ToCpuid()));
            }
        }

        return new CpuidTable(entries.ToImmutable());

        static CpuidEntry Entry(uint subleaf, CpuidRegisters registers) => new(XsaveLeaf, subleaf, SubleafSignificant: true, registers);
    }
}
