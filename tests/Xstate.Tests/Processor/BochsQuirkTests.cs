using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Tests.Processor;

/// <summary>What each quirk of Bochs changes. The comparison with Bochs itself runs where the program is installed.</summary>
public class BochsQuirkTests
{
    private const ulong All = ulong.MaxValue;
    private const ulong Avx = 1 << 2;
    private const ulong ZmmHi256 = 1 << 6;
    private const ulong CetU = 1 << 11;
    private const ulong CetS = 1 << 12;
    private readonly byte[] _area = new byte[16384];

    [Fact]
    public void A_compacted_save_places_components_from_byte_160_on()
    {
        Assert.Equal(ExtendedOffset, PlaceOfYmm(Make(null), Avx));
        Assert.Equal(XmmOffset, PlaceOfYmm(Make(ProcessorQuirks.CompactedPlacesByRfbm), Avx));
        Assert.Equal(XmmEnd, PlaceOfYmm(Make(ProcessorQuirks.CompactedPlacesByRfbm), Avx | 2));
    }

    [Fact]
    public void A_compacted_restore_takes_components_from_where_RFBM_would_put_them()
    {
        // The image has opmask and PKRU; only PKRU is asked for.
        Assert.Equal(0x22U, RestoredPkru(null));
        Assert.Equal(0x11U, RestoredPkru(ProcessorQuirks.CompactedPlacesByRfbm));
    }

    [Fact]
    public void MXCSR_counts_as_SSE_in_every_form()
    {
        foreach (ProcessorQuirk? quirk in new[] { null, ProcessorQuirks.MxcsrInUseAsSse })
        {
            (ulong inUse, uint stored, uint loaded) = quirk is null ? (0UL, 0U, Mxcsr.Initial) : (2UL, Mxcsr.Initial, 0x1FA0U);
            ProcessorState cpu = Make(quirk);
            cpu.Registers.Mxcsr = 0x1FA0;
            _area.AsSpan().Clear();
            Assert.Equal(Fault.None, Instructions.Xsave(cpu, _area, 0, 2));
            Assert.Equal(inUse, Read64(XstateBvOffset));

            // Nothing of SSE is in use: the compacted save has nothing to store.
            cpu.Registers.Mxcsr = Mxcsr.Initial;
            _area.AsSpan().Clear();
            Assert.Equal(Fault.None, Instructions.Xsavec(cpu, _area, 0, 2));
            Assert.Equal(0UL, Read64(XstateBvOffset));
            Assert.Equal(stored, BinaryPrimitives.ReadUInt32LittleEndian(_area.AsSpan(MxcsrOffset)));

            BinaryPrimitives.WriteUInt32LittleEndian(_area.AsSpan(MxcsrOffset), 0x1FA0);
            Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 2));
            Assert.Equal(loaded, cpu.Registers.Mxcsr);
        }
    }

    [Theory]
    [InlineData(false, 0x0C7F)]
    [InlineData(true, 0x037F)]
    public void A_bad_MXCSR_is_noticed_after_x87_is_initialized(bool quirk, int fcw)
    {
        ProcessorState cpu = Make(quirk ? ProcessorQuirks.MxcsrCheckedAfterX87 : null);
        BinaryPrimitives.WriteUInt16LittleEndian(cpu.Registers.Write(StateComponent.X87), 0x0C7F);
        cpu.Registers.Write(StateComponent.Avx)[0] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(_area.AsSpan(MxcsrOffset), uint.MaxValue);

        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(cpu, _area, 0, All));

        Assert.Equal(fcw, BinaryPrimitives.ReadUInt16LittleEndian(cpu.Registers.Read(StateComponent.X87)));
        Assert.Equal(1, cpu.Registers.Read(StateComponent.Avx)[0]);
    }

    [Fact]
    public void Hi16_ZMM_is_in_use_outside_64_bit_mode()
    {
        foreach (ProcessorQuirk? quirk in new[] { null, ProcessorQuirks.Hi16ZmmInUseOutside64BitMode })
        {
            ulong inUse = quirk is null ? 0UL : 1UL << 7;
            ProcessorState cpu = Make(quirk);
            cpu.Is64BitMode = false;
            Assert.Equal(inUse, cpu.Xinuse.Bits & 1UL << 7);
            cpu.Is64BitMode = true;
            Assert.Equal(0UL, cpu.Xinuse.Bits & 1UL << 7);
        }
    }

    [Fact]
    public void XINUSE_of_CET_is_mistaken()
    {
        ProcessorState right = Make(null);
        ProcessorState mistaken = Make(ProcessorQuirks.CetXinuseMistaken);
        Assert.Equal((0UL, CetU), (CetInUse(right), CetInUse(mistaken)));

        Assert.Equal(Fault.None, Instructions.Wrmsr(right, 0x6A7, 0x1000));
        Assert.Equal(Fault.None, Instructions.Wrmsr(mistaken, 0x6A7, 0x1000));
        Assert.Equal((CetU, 0UL), (CetInUse(right), CetInUse(mistaken)));

        Assert.Equal(Fault.None, Instructions.Wrmsr(right, 0x6A5, 0x1000));
        Assert.Equal(Fault.None, Instructions.Wrmsr(mistaken, 0x6A5, 0x1000));
        Assert.Equal((CetU | CetS, 0UL), (CetInUse(right), CetInUse(mistaken)));

        Assert.Equal(Fault.None, Instructions.Wrmsr(mistaken, 0x6A4, 0x1000));
        Assert.Equal(CetS, CetInUse(mistaken));
    }

    [Fact]
    public void An_MSR_of_CET_keeps_its_value_where_the_image_has_a_bad_one()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XstateBvOffset), CetU);
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XcompBvOffset), CompactedFlag | CetU);
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(ExtendedOffset), 0x3C0);
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(ExtendedOffset + sizeof(ulong)), 0x2000);

        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstors(Make(null), _area, 0, All));
        ProcessorState cpu = Make(ProcessorQuirks.CetImageUnchecked);
        Assert.Equal(Fault.None, Instructions.Wrmsr(cpu, 0x6A0, 1));
        Assert.Equal(Fault.None, Instructions.Xrstors(cpu, _area, 0, All));

        Assert.Equal(Fault.None, Instructions.Rdmsr(cpu, 0x6A0, out ulong control));
        Assert.Equal(Fault.None, Instructions.Rdmsr(cpu, 0x6A7, out ulong pointer));
        Assert.Equal((1UL, 0x2000UL), (control, pointer));
    }

    [Fact]
    public void Eight_bytes_of_the_slot_of_PKRU_are_stored()
    {
        foreach (ProcessorQuirk? quirk in new[] { null, ProcessorQuirks.PkruQuadwordStored })
        {
            int written = quirk is null ? 64 : 8;
            ProcessorState cpu = Make(quirk, pkruSize: 64);
            cpu.Registers.Pkru = new Pkru(0x1234_5678);
            _area.AsSpan().Fill(0xCC);
            Assert.Equal(Fault.None, Instructions.Xsave(cpu, _area, 0, 1 << 9));
            Span<byte> slot = _area.AsSpan(2688, 64);
            Assert.Equal(0x1234_5678UL, BinaryPrimitives.ReadUInt64LittleEndian(slot));
            Assert.Equal(written, 64 - slot.Count((byte)0xCC));
        }
    }

    [Fact]
    public void Bit_63_of_XSTATE_BV_is_ignored_in_the_compacted_form()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XstateBvOffset), CompactedFlag);
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XcompBvOffset), CompactedFlag);

        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(Make(null), _area, 0, All));
        Assert.Equal(Fault.None, Instructions.Xrstor(Make(ProcessorQuirks.XstateBv63Ignored), _area, 0, All));
    }

    [Fact]
    public void Initializing_AVX_takes_ZMM_Hi256_with_it()
    {
        foreach (ProcessorQuirk? quirk in new[] { null, ProcessorQuirks.AvxInitialClearsZmmHi256 })
        {
            ulong inUse = quirk is null ? ZmmHi256 : 0UL;
            ProcessorState cpu = Make(quirk);
            cpu.Registers.Write(StateComponent.ZmmHi256)[0] = 1;
            _area.AsSpan().Clear();
            Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, Avx));
            Assert.Equal(inUse, cpu.Xinuse.Bits & ZmmHi256);
        }
    }

    [Fact]
    public void INIT_sets_the_cache_bits_of_CR0()
    {
        foreach (ProcessorQuirk? quirk in new[] { null, ProcessorQuirks.InitResetsCr0 })
        {
            Cr0 cr0 = Cr0.ExtensionType | (quirk is null ? Cr0.None : Cr0.CacheDisable | Cr0.NotWriteThrough);
            ProcessorState cpu = Make(quirk);
            cpu.Cr0 = Cr0.ProtectionEnable | Cr0.ExtensionType;
            cpu.Init();
            Assert.Equal(cr0, cpu.Cr0);
        }
    }

    // A processor whose XINUSE goes by value, as Bochs' does, with everything enabled and initial.
    private static ProcessorState Make(ProcessorQuirk? quirk, int pkruSize = 8)
    {
        CpuidTable cpuid = ProcessorProfiles.IntelSapphireRapids.Cpuid;
        CpuidRegisters pkru = cpuid.Read(CpuidTable.XsaveLeaf, (uint)StateComponent.Pkru);
        cpuid = cpuid.With(CpuidTable.XsaveLeaf, (uint)StateComponent.Pkru, pkru with { Eax = (uint)pkruSize });
        ProcessorProfile profile = ProcessorProfile.FromCpuid(cpuid);
        profile = profile.Quirks.Aggregate(profile, (with, other) => with.Without(other)).With(ProcessorQuirks.XinuseByValue);
        ProcessorState cpu = ProcessorState.ForUserProcess(quirk is null ? profile : profile.With(quirk));
        cpu.Cpl = 0;
        cpu.Xss = StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS);
        return cpu;
    }

    private int PlaceOfYmm(ProcessorState cpu, ulong rfbm)
    {
        cpu.Registers.Write(StateComponent.Avx).Fill(0xA5);
        _area.AsSpan().Clear();
        Assert.Equal(Fault.None, Instructions.Xsavec(cpu, _area, 0, rfbm));
        return _area.AsSpan().IndexOf((byte)0xA5);
    }

    private uint RestoredPkru(ProcessorQuirk? quirk)
    {
        ulong image = 1UL << 5 | 1UL << 9;
        _area.AsSpan().Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XstateBvOffset), image);
        BinaryPrimitives.WriteUInt64LittleEndian(_area.AsSpan(XcompBvOffset), CompactedFlag | image);
        _area[ExtendedOffset] = 0x11;
        _area[ExtendedOffset + 64] = 0x22;
        ProcessorState cpu = Make(quirk);
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 1 << 9));
        return cpu.Registers.Pkru.Value;
    }

    private static ulong CetInUse(ProcessorState cpu) => cpu.Xinuse.Bits & (CetU | CetS);

    private ulong Read64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_area.AsSpan(offset));
}
