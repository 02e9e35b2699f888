using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class ProcessorStateTests
{
    private static readonly StateComponentSet Halves = StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx,
        StateComponent.ZmmHi256);

    private readonly ProcessorState _cpu = ProcessorState.ForUserProcess(ProcessorProfiles.IntelSapphireRapids);

    [Fact]
    public void A_user_process_finds_everything_enabled_and_initial()
    {
        Assert.Equal(0x602E7UL, _cpu.Xcr0.Bits);
        Assert.Equal(StateComponentSet.Empty, _cpu.Xinuse);
        Assert.Equal(3, _cpu.Cpl);
        Assert.True(_cpu.Is64BitMode);
        Assert.Equal(Cr4.OsFxsr | Cr4.OsXsave | Cr4.ProtectionKeys, _cpu.Cr4);
        Assert.Equal(Cr4.OsFxsr | Cr4.OsXsave, ProcessorState.ForUserProcess(NoPkeys()).Cr4);
    }

    [Fact]
    public void Cpuid_mirrors_control_registers_and_sizes()
    {
        Assert.NotEqual(0U, _cpu.Cpuid(1).Ecx & 1U << 27);
        Assert.NotEqual(0U, _cpu.Cpuid(7).Ecx & 1U << 4);
        Assert.Equal(11008U, _cpu.Cpuid(0xD).Ebx);
        _cpu.Xss = StateComponentSet.Of(StateComponent.Pasid, StateComponent.Lbr);
        Assert.Equal(11520U, _cpu.Cpuid(0xD, 1).Ebx);

        _cpu.Cr4 = Cr4.None;
        _cpu.Xcr0 = new StateComponentSet(3);
        _cpu.Xss = StateComponentSet.Empty;
        Assert.Equal(0U, _cpu.Cpuid(1).Ecx & 1U << 27);
        Assert.Equal(0U, _cpu.Cpuid(7).Ecx & 1U << 4);
        Assert.Equal(576U, _cpu.Cpuid(0xD).Ebx);
        Assert.Equal(576U, _cpu.Cpuid(0xD, 1).Ebx);
        Assert.Equal(_cpu.Profile.Cpuid.Read(0xD, 2), _cpu.Cpuid(0xD, 2));
    }

    [Fact]
    public void Cpuid_loses_the_mirrored_bits_that_its_source_had()
    {
        CpuidTable cpuid = ProcessorProfiles.IntelSapphireRapids.Cpuid;
        CpuidRegisters features = cpuid.Read(1);
        CpuidRegisters extended = cpuid.Read(7);
        ProcessorState cpu = new(ProcessorProfile.FromCpuid(cpuid
            .With(1, 0, features with { Ecx = features.Ecx | 1U << 27 })
            .With(7, 0, extended with { Ecx = extended.Ecx | 1U << 4 })));

        Assert.Equal(features with { Ecx = features.Ecx & ~(1U << 27) }, cpu.Cpuid(1));
        Assert.Equal(extended with { Ecx = extended.Ecx & ~(1U << 4) }, cpu.Cpuid(7));
    }

    [Fact]
    public void Initializing_the_visible_registers_is_enough_where_the_hidden_ones_are_initial()
    {
        _cpu.Registers.Write(StateComponent.Avx)[0] = 1;
        _cpu.Is64BitMode = false;
        byte[] area = new byte[16384];
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);

        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, area, 0, 4));
        _cpu.Is64BitMode = true;

        Assert.False(_cpu.Xinuse.Contains(StateComponent.Avx));
    }

    [Fact]
    public void Without_compaction_there_is_no_compacted_size()
    {
        Assert.Equal(0U, ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg).Cpuid(0xD, 1).Ebx);
        ProcessorState cpu = ProcessorState.ForUserProcess(TestProcessors.WithUserComponents(new StateComponentSet(7), xsaves: false));
        Assert.Equal(832U, cpu.Cpuid(0xD, 1).Ebx);
    }

    [Fact]
    public void Registers_take_only_what_the_processor_has()
    {
        Assert.Throws<ArgumentException>(() => _cpu.Xcr0 = StateComponentSet.Of(StateComponent.BndRegs));
        Assert.Throws<ArgumentException>(() => _cpu.Xss = StateComponentSet.Of(StateComponent.Avx));
        Assert.Throws<ArgumentException>(() => _cpu.Xfd = StateComponentSet.Of(StateComponent.TileCfg));
        Assert.Throws<ArgumentOutOfRangeException>(() => _cpu.Cpl = 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => _cpu.Cpl = -1);
    }

    [Fact]
    public void A_copy_has_the_same_content_until_one_changes()
    {
        Action<ProcessorState>[] changes =
        [
            cpu => cpu.Cr0 ^= Cr0.TaskSwitched, cpu => cpu.Cr4 ^= Cr4.OsXsave, cpu => cpu.Efer = 1, cpu => cpu.Cpl = 0,
                cpu => cpu.Is64BitMode = false,
            cpu => cpu.VmxNonRoot = true, cpu => cpu.AlignmentCheck = true, cpu => cpu.Xcr0 = new StateComponentSet(1),
            cpu => cpu.Xss = StateComponentSet.Of(StateComponent.CetU), cpu => cpu.Xfd = StateComponentSet.Of(StateComponent.TileData),
            cpu => cpu.XfdErr = StateComponentSet.Of(StateComponent.TileData), cpu => cpu.Pkrs = new Pkru(1),
            cpu => cpu.LastRestore = new XrstorInfo(true, 0, false, 0, 0), cpu => cpu.Registers.Mxcsr = 0,
                cpu => cpu.Registers.Write(StateComponent.Hwp)[0] = 0,
            cpu => cpu.Registers.Write(StateComponent.Avx), cpu => cpu.Registers.X87.Fip = 3,
        ];
        Assert.All(changes, change =>
        {
            ProcessorState copy = _cpu.Clone();
            Assert.True(copy.HasSameContentAs(_cpu));
            change(copy);
            Assert.False(copy.HasSameContentAs(_cpu));
            ProcessorState second = copy.Clone();
            Assert.True(second.HasSameContentAs(copy));
        });
        Assert.Throws<ArgumentException>(() => _cpu.CopyFrom(new ProcessorState(ProcessorProfiles.AmdZen3)));
        Assert.False(_cpu.HasSameContentAs(new ProcessorState(ProcessorProfiles.AmdZen3)));
    }

    [Fact]
    public void Xinuse_by_history_needs_an_initialization_to_return_to_0()
    {
        _cpu.Registers.Write(StateComponent.Avx)[0] = 1;
        _cpu.Registers.Write(StateComponent.Avx)[0] = 0;
        Assert.Equal(StateComponentSet.Of(StateComponent.Avx), _cpu.Xinuse);

        byte[] area = new byte[16384];
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, area, 0, 4));
        Assert.Equal(StateComponentSet.Empty, _cpu.Xinuse);
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.XstateBvOffset), 6UL);
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, area, 0, 4));
        Assert.Equal(StateComponentSet.Of(StateComponent.Avx), _cpu.Xinuse);
    }

    [Fact]
    public void A_partial_initialization_leaves_hidden_registers_in_use()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(
            ProcessorProfiles.IntelSapphireRapids.Without(ProcessorQuirks.HiddenHalvesInUse));
        cpu.Registers.Write(StateComponent.Avx).Fill(1);
        cpu.Is64BitMode = false;

        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, InitialArea(), 0, 4));
        Assert.False(cpu.Xinuse.Contains(StateComponent.Avx));
        cpu.Is64BitMode = true;
        Assert.True(cpu.Xinuse.Contains(StateComponent.Avx));
        Assert.Equal(0, cpu.Registers.Read(StateComponent.Avx)[127]);
        Assert.Equal(1, cpu.Registers.Read(StateComponent.Avx)[128]);
    }

    [Theory]
    [InlineData(StateComponent.Sse)]
    [InlineData(StateComponent.Avx)]
    [InlineData(StateComponent.ZmmHi256)]
    public void On_intel_one_bit_above_register_7_keeps_what_32_bit_code_initializes_in_use(StateComponent hidden)
    {
        foreach (StateComponent component in Halves)
        {
            _cpu.Registers.Write(component)[0] = 1;
        }

        _cpu.Is64BitMode = false;
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, InitialArea(), 0, Halves.Bits));
        Assert.Equal(StateComponentSet.Empty, _cpu.Xinuse & Halves);

        foreach (StateComponent component in Halves)
        {
            _cpu.Registers.Write(component)[0] = 1;
        }

        _cpu.Registers.Write(hidden)[^1] = 1;
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, InitialArea(), 0, Halves.Bits));
        Assert.Equal(Halves, _cpu.Xinuse & Halves);
    }

    [Fact]
    public void On_intel_nobody_looks_above_register_7_while_only_sse_is_in_use()
    {
        _cpu.Registers.Write(StateComponent.Sse)[0] = 1;
        _cpu.Is64BitMode = false;
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, InitialArea(), 0, 2));
        Assert.True(_cpu.Xinuse.Contains(StateComponent.Sse));

        _cpu.Registers.Write(StateComponent.ZmmHi256);
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, InitialArea(), 0, 2));
        Assert.False(_cpu.Xinuse.Contains(StateComponent.Sse));
    }

    [Fact]
    public void Code_of_32_bits_neither_sees_nor_changes_whether_zmm16_to_31_are_in_use()
    {
        byte[] area = InitialArea();
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.XstateBvOffset), 0x80UL);
        _cpu.Is64BitMode = false;
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, area, 0, 0x80));
        _cpu.Is64BitMode = true;
        Assert.False(_cpu.Xinuse.Contains(StateComponent.Hi16Zmm));

        _cpu.Registers.Write(StateComponent.Hi16Zmm);
        _cpu.Is64BitMode = false;
        Assert.False(_cpu.Xinuse.Contains(StateComponent.Hi16Zmm));
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, InitialArea(), 0, 0x80));
        _cpu.Is64BitMode = true;
        Assert.True(_cpu.Xinuse.Contains(StateComponent.Hi16Zmm));
    }

    [Fact]
    public void Always_one_means_every_component_that_exists()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        Assert.Equal(0x217UL, cpu.Xinuse.Bits);
        cpu.Registers.Write(StateComponent.BndRegs);
        Assert.Equal(0x21FUL, cpu.Xinuse.Bits);
    }

    [Fact]
    public void Xmodified_counts_from_the_last_restore()
    {
        byte[] area = new byte[16384];
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        Assert.Equal(_cpu.Profile.Components, _cpu.Xmodified);
        Assert.Equal(Fault.None, Instructions.Xrstor(_cpu, area, 0x40, 7));
        Assert.Equal(_cpu.Profile.Components.Except(new StateComponentSet(7)), _cpu.Xmodified);
        Assert.Equal(new XrstorInfo(true, 3, false, 0x40, 0), _cpu.LastRestore);
        _cpu.Registers.Write(StateComponent.Sse);
        Assert.True(_cpu.Xmodified.Contains(StateComponent.Sse));
    }

    [Fact]
    public void Init_returns_to_real_mode_and_keeps_most_registers()
    {
        _cpu.Registers.Write(StateComponent.Avx).Fill(1);
        _cpu.Registers.Write(StateComponent.CetU).Fill(1);
        _cpu.Registers.Mxcsr = 0x1F00;
        _cpu.Xfd = StateComponentSet.Of(StateComponent.TileData);
        _cpu.Pkrs = new Pkru(5);
        _cpu.VmxNonRoot = true;
        _cpu.AlignmentCheck = true;

        _cpu.Init();

        Assert.Equal((Cr4.None, 0, false, false, false), (_cpu.Cr4, _cpu.Cpl, _cpu.Is64BitMode, _cpu.VmxNonRoot, _cpu.AlignmentCheck));
        Assert.Equal(1, _cpu.Registers.Read(StateComponent.Avx)[0]);
        Assert.True(_cpu.Registers.IsInitial(StateComponent.CetU));
        Assert.Equal(0x1F00U, _cpu.Registers.Mxcsr);
        Assert.Equal(0x602E7UL, _cpu.Xcr0.Bits);
        Assert.Equal(StateComponentSet.Of(StateComponent.TileData), _cpu.Xfd);
        Assert.Equal(new Pkru(0), _cpu.Pkrs);
        Assert.Equal(Cr0.ExtensionType, _cpu.Cr0);
    }

    [Theory]
    [InlineData(Cr0.None)]
    [InlineData(Cr0.CacheDisable)]
    [InlineData(Cr0.CacheDisable | Cr0.NotWriteThrough)]
    public void Init_leaves_the_caches_as_they_are_and_reset_turns_them_off(Cr0 caches)
    {
        _cpu.Cr0 |= caches;
        _cpu.Init();
        Assert.Equal(Cr0.ExtensionType | caches, _cpu.Cr0);
        _cpu.Reset();
        Assert.Equal(Cr0.ExtensionType | Cr0.CacheDisable | Cr0.NotWriteThrough, _cpu.Cr0);
    }

    [Fact]
    public void Hdc_and_hwp_start_with_values_of_their_own()
    {
        ProcessorState cpu = new(TestProcessors.EverySupervisorComponent);

        Assert.Equal(1UL, BitConverter.ToUInt64(cpu.Registers.Read(StateComponent.Hdc)));
        Assert.Equal(0x8000_FF01UL, BitConverter.ToUInt64(cpu.Registers.Read(StateComponent.Hwp)));
        Assert.True(cpu.Registers.IsInitial(StateComponent.Hwp));
        cpu.Registers.Write(StateComponent.Hwp).Clear();
        Assert.False(cpu.Registers.IsInitial(StateComponent.Hwp));
    }

    private static ProcessorProfile NoPkeys()
    {
        CpuidTable cpuid = ProcessorProfiles.AmdZen3.Cpuid;
        return ProcessorProfile.FromCpuid(cpuid.With(7, 0, cpuid.Read(7) with { Ecx = 0 }));
    }

    private static byte[] InitialArea()
    {
        byte[] area = new byte[16384];
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        return area;
    }
}
