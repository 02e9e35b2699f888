using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>
/// Makes sequences of calls from seeds: about half of the calls are what a VMM does, the rest are nearly valid or hostile. No sequence asks
/// for a dynamic component with its permission, so none can reach the XFD defect that harms a host (rule XS0601).
/// </summary>
internal sealed class KvmSequenceGenerator
{
    private const int MinCalls = 6;
    private const int MaxCalls = 15;
    private const int MaxMsrs = 4;
    private const uint UnknownMsr = 0x1234_5678;
    private const uint LinearAddressLeaf = 0x8000_0008;

    /// <summary>Masks that real images and snapshots have, some beyond most hosts.</summary>
    private static readonly ulong[] KnownMasks = [0, 1, 2, 3, 4, 5, 6, 7, 0x1B, 0x1F, 0xE0, 0xE7, 0x200, 0x203, 0x207, 0x21F, 0x2E7, 0x2FF,
        0x602E7, 0x8_0000, 1UL << 62, 1UL << 63];

    /// <summary>
    /// The MSRs of extended state: IA32_XSS, IA32_XFD, and those of CET, which belong to guests from 6.18 on. The number of SSP is KVM's
    /// own and no MSR for user space.
    /// </summary>
    private static readonly uint[] Msrs =
    [
        KvmModelVcpu.MsrXss, KvmModelVcpu.MsrXss, KvmModelVcpu.MsrXss, KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr,
        KvmModelVcpu.MsrUserCet, KvmModelVcpu.MsrSupervisorCet, KvmModelVcpu.MsrPl0Ssp, KvmModelVcpu.MsrPl0Ssp + 1,
            KvmModelVcpu.MsrPl0Ssp + 2, KvmModelVcpu.MsrPl3Ssp, KvmModelVcpu.MsrSspTable,
        KvmModelVcpu.GuestSsp,
    ];

    private readonly KvmSequenceFacts _facts;

    /// <summary>A generator for one host.</summary>
    public KvmSequenceGenerator(KvmSequenceFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        _facts = facts;
    }

    /// <summary>The sequence of a seed: always the same on the same host.</summary>
    public KvmSequence Make(ulong seed)
    {
        SplitMix64 random = new(seed);
        ImmutableArray<KvmCall>.Builder calls = ImmutableArray.CreateBuilder<KvmCall>();

        // Most VMMs set CPUID first; the rest of the sequences look at what happens before it.
        if (!random.OneIn(5))
        {
            calls.Add(SetCpuid2(ref random));
        }

        int count = MinCalls + random.Below(MaxCalls - MinCalls + 1);
        while (calls.Count < count)
        {
            calls.Add(NextCall(ref random));
        }

        // Whatever was done last is looked at.
        calls.Add(new GetXsaveCall(random.OneIn(2)));
        calls.Add(new GetXcrsCall());
        return new KvmSequence(seed, calls.ToImmutable());
    }

    private KvmCall NextCall(ref SplitMix64 random) => random.Below(_facts.MovesThroughProcessor ? 28 : 26) switch
    {
        0 or 1 => SetCpuid2(ref random),
        2 => new GetCpuid2Call(_facts.ComparedLeaf),
        < 9 => SetXsave(ref random),
        9 => new SetXsaveBackCall(),
        < 13 => new GetXsaveCall(IsXsave2: false),
        13 or 14 => new GetXsaveCall(IsXsave2: true),
        15 or 16 => SetXcrs(ref random),
        17 => new GetXcrsCall(),
        18 => SetFpu(ref random),
        19 => new GetFpuCall(),
        20 or 21 => SetMsrs(ref random),
        22 => GetMsrs(ref random),
        23 => SetOneRegister(ref random),
        24 => random.OneIn(4) ? new GetRegisterListCall() : new GetOneRegisterCall(RegisterId(ref random)),
        25 when random.OneIn(3) =>
            new SetControlRegistersCall(Cr0: random.Pick(0x10UL, 0x11UL, 0x6000_0010UL, 0x2000_0011UL, 0x8000_0010UL, 1UL << 32 | 0x11)),
        25 => new SetControlRegistersCall(
            Cr4: random.Pick(0UL, 1UL << 18, 1UL << 22, 1UL << 23, 1UL << 18 | 1UL << 22, 1UL << 18 | 1UL << 23)),
        _ => new RunImmediateExitCall(),
    };

    private SetMsrsCall SetMsrs(ref SplitMix64 random)
    {
        MsrEntry[] entries = new MsrEntry[random.OneIn(2) ? 1 : 1 + random.Below(MaxMsrs)];
        for (int i = 0; i < entries.Length; i++)
        {
            uint index = Msr(ref random);
            entries[i] = new MsrEntry(index, MsrValue(index, ref random));
        }

        return new SetMsrsCall([.. entries]);
    }

    private static GetMsrsCall GetMsrs(ref SplitMix64 random)
    {
        uint[] indices = new uint[1 + random.Below(MaxMsrs)];
        for (int i = 0; i < indices.Length; i++)
        {
            indices[i] = Msr(ref random);
        }

        return new GetMsrsCall([.. indices]);
    }

    private SetOneRegisterCall SetOneRegister(ref SplitMix64 random)
    {
        ulong id = RegisterId(ref random);
        return new SetOneRegisterCall(id, MsrValue((uint)id, ref random));
    }

    private static uint Msr(ref SplitMix64 random) => random.OneIn(12) ? UnknownMsr : random.Pick(Msrs);

    private static ulong RegisterId(ref SplitMix64 random)
    {
        ulong id = random.OneIn(3) ? KvmRegisterId.GuestSsp : KvmRegisterId.OfMsr(Msr(ref random));

        // Another type, size or architecture. Bits below 33 would make another register of it, which the model need not know.
        return random.OneIn(4) ? id ^ 1UL << (33 + random.Below(31)) : id;
    }

    private ulong MsrValue(uint index, ref SplitMix64 random) => index switch
    {
        // Anything else, set together with tile data, would fault in the host (KVM-SET-XFD-NM).
        KvmModelVcpu.MsrXfd => 0,
        _ when random.OneIn(2) => 0,
        KvmModelVcpu.MsrXss => Mask(ref random),

        // Enable bits and reserved ones, and for all of CET addresses that are aligned, canonical or neither.
        KvmModelVcpu.MsrUserCet or KvmModelVcpu.MsrSupervisorCet when random.OneIn(2) => (ulong)random.Below(0x1000),
        _ when random.OneIn(8) => random.Next(),
        _ => random.Pick(0x1000UL, 0x1004UL, 0x1002UL, 0x7FFF_FFFF_FFF8UL, 0x8000_0000_0000UL, 0xFFFF_8000_0000_0000UL),
    };

    private SetCpuid2Call SetCpuid2(ref SplitMix64 random)
    {
        List<CpuidEntry> entries = [.. _facts.Supported];
        if (random.OneIn(3))
        {
            return new SetCpuid2Call([.. entries]);
        }

        for (int changes = 1 + random.Below(3); changes > 0; changes--)
        {
            Change(entries, ref random);
        }

        return new SetCpuid2Call([.. entries]);
    }

    private void Change(List<CpuidEntry> entries, ref SplitMix64 random)
    {
        switch (random.Below(16))
        {
            // What the guest may enable: narrower than the host, or wider.
            case 0 or 1 or 2 or 3:
                ulong mask = Mask(ref random);
                Replace(entries, CpuidTable.XsaveLeaf, 0, registers => registers with { Eax = (uint)mask, Edx = (uint)(mask >> 32) });
                break;
            case 4:
                entries.RemoveAll(entry => entry.Leaf == CpuidTable.XsaveLeaf);
                break;
            case 5:
                uint leaf = random.Pick(1u, 7u, LinearAddressLeaf, CpuidTable.XsaveLeaf);
                entries.RemoveAll(entry => entry.Leaf == leaf);
                break;
            case 6:
                entries.Clear();
                break;
            case 14:
                // A sub-leaf where the leaf has none: KVM_GET_CPUID2 and CR4 show whether it still is leaf 1.
                int first = entries.FindIndex(entry => entry.Leaf == 1);
                if (first >= 0)
                {
                    entries[first] = entries[first] with { Subleaf = 1 + (uint)random.Below(3), SubleafSignificant = true };
                }

                break;
            case 7:
                Replace(entries, 1, 0, registers => registers with { Ecx = registers.Ecx & ~(3u << 26) });
                break;

            // Sub-leaves of the host's, but with other sizes and places: user space may say what it likes.
            case 8:
                uint subleaf = (uint)random.Below(20);
                CpuidRegisters invented = RandomRegisters(ref random);
                Replace(entries, CpuidTable.XsaveLeaf, subleaf == 0 ? 1 : subleaf, _ => invented);
                break;
            case 9:
                CpuidEntry extra = new(random.Pick(CpuidTable.XsaveLeaf, 0xDu, 1u, 7u, 0x1234u), (uint)random.Below(66), random.OneIn(2),
                    HarmlessRegisters(ref random));
                entries.Insert(random.Below(entries.Count + 1), extra);
                break;
            case 10:
                if (entries.Count > 0)
                {
                    int index = random.Below(entries.Count);
                    entries[index] = entries[index] with { SubleafSignificant = !entries[index].SubleafSignificant };
                }

                break;
            case 11:
                uint width = (uint)random.Pick(0, 1, 32, 47, 48, 49, 52, 57, 58, 64, 255);
                Replace(entries, LinearAddressLeaf, 0, registers => registers with { Eax = (registers.Eax & ~0xFF00u) | width << 8 });
                break;
            case 12:
                for (int target = random.Pick(250, 253, 254, 256, 257, 258, 300); entries.Count < target;)
                {
                    entries.Add(new CpuidEntry(0xC000_0000 + (uint)entries.Count, 0, SubleafSignificant: false, default));
                }

                break;
            case 13:
                // Shadow stacks and indirect branch tracking, which hosts without CET refuse in the MSRs and not here.
                Replace(entries, 7, 0, registers => registers with { Ecx = registers.Ecx ^ 1u << 7, Edx = registers.Edx ^ 1u << 20 });
                Replace(entries, CpuidTable.XsaveLeaf, 1, registers => registers with { Ecx = registers.Ecx ^ 0x1800 });
                break;
            default:
                Replace(entries, 1, 0, registers => registers with { Edx = registers.Edx ^ 1u << 9, Ecx = registers.Ecx ^ 1u << 27 });
                Replace(entries, 7, 0, registers => registers with { Ecx = registers.Ecx ^ 1u << 4 });
                break;
        }
    }

    private SetXsaveCall SetXsave(ref SplitMix64 random)
    {
        byte[] image = new byte[_facts.ImageLength];
        XsaveAreaWriter writer = new(image);
        if (!random.OneIn(6))
        {
            random.Fill(image);
            writer.ClearHeader();
        }

        ulong components = random.Below(8) switch
        {
            0 or 1 or 2 => _facts.Components.Bits,
            3 or 4 or 5 => random.Next() & _facts.Components.Bits,
            6 => (random.Next() & _facts.Components.Bits) | 1UL << random.Below(64),
            _ => Mask(ref random),
        };
        uint mxcsr = random.Below(8) switch
        {
            0 or 1 => Mxcsr.Initial,
            < 6 => (uint)random.Next() & _facts.MxcsrMask,
            6 => ((uint)random.Next() & _facts.MxcsrMask) | 1u << random.Below(32),
            _ => (uint)random.Next(),
        };
        writer.WriteMxcsr(mxcsr).WriteXstateBv(new StateComponentSet(components));
        if (random.OneIn(10))
        {
            writer.WriteXcompBv(random.Pick(1UL, components, XsaveFormat.CompactedFlag, XsaveFormat.CompactedFlag | components,
                random.Next()));
        }

        if (random.OneIn(10))
        {
            image[XsaveFormat.ReservedHeaderOffset + random.Below(XsaveFormat.ReservedHeaderLength)] = (byte)(1 << random.Below(8));
        }

        if (random.OneIn(12))
        {
            // Nearly initial: values that a processor would call initial, with their bits set.
            LegacyRegion.Initialize(StateComponent.X87, image);
            LegacyRegion.Initialize(StateComponent.Sse, image);
        }

        // A short image ends somewhere; what the call reads behind it are zeros.
        return new SetXsaveCall(random.OneIn(10)
            ? image.AsMemory(0, XsaveFormat.ExtendedOffset + random.Below(image.Length - XsaveFormat.ExtendedOffset)) : image);
    }

    private SetXcrsCall SetXcrs(ref SplitMix64 random)
    {
        XcrEntry First(ref SplitMix64 r) => new(0, Mask(ref r) | (r.OneIn(4) ? 0UL : 1UL));
        switch (random.Below(8))
        {
            case 0:
                return new SetXcrsCall((uint)random.Below(20), 0, [First(ref random)]);
            case 1:
                return new SetXcrsCall(1, 1u << random.Below(32), [First(ref random)]);
            case 2:
                uint count = (uint)random.Below(5);
                XcrEntry[] entries = [First(ref random), First(ref random), First(ref random), First(ref random)];
                for (int i = 0; i < entries.Length; i++)
                {
                    entries[i] = entries[i] with { Index = random.OneIn(2) ? 0u : (uint)random.Next() };
                }

                return new SetXcrsCall(count, 0, [.. entries]);
            case 3:
                return new SetXcrsCall((uint)random.Next(), 0, []);
            default:
                return new SetXcrsCall(1, 0, [First(ref random)]);
        }
    }

    private static SetFpuCall SetFpu(ref SplitMix64 random)
    {
        byte[] fpu = new byte[KvmFpu.Length];
        random.Fill(fpu);
        return new SetFpuCall(KvmFpu.Parse(fpu));
    }

    private ulong Mask(ref SplitMix64 random) => random.Below(6) switch
    {
        0 or 1 => random.Next() & _facts.Components.Bits,
        2 => (random.Next() & _facts.Components.Bits) | 1UL << random.Below(64),
        3 => _facts.Components.Bits,
        4 => random.Next(),
        _ => random.Pick<ulong>(KnownMasks),
    };

    private static CpuidRegisters RandomRegisters(ref SplitMix64 random)
    {
        ulong low = random.Next();
        ulong high = random.Next();
        return new CpuidRegisters((uint)low, (uint)(low >> 32), (uint)high, (uint)(high >> 32));
    }

    // Bits 0 to 2 only where an entry may land as leaf 0xD.0, so that such an entry is not refused for tile data every other time.
    private static CpuidRegisters HarmlessRegisters(ref SplitMix64 random) =>
        random.OneIn(2) ? new CpuidRegisters((uint)random.Below(8), 0, 0, 0) : RandomRegisters(ref random);

    private static void Replace(List<CpuidEntry> entries, uint leaf, uint subleaf, Func<CpuidRegisters, CpuidRegisters> change)
    {
        int index = entries.FindIndex(entry => entry.Answers(leaf, subleaf));
        if (index < 0)
        {
            entries.Add(new CpuidEntry(leaf, subleaf, SubleafSignificant: true, change(default)));
        }
        else
        {
            entries[index] = entries[index] with { Registers = change(entries[index].Registers) };
        }
    }
}
