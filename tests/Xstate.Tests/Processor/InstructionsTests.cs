using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class InstructionsTests
{
    private readonly byte[] _area = new byte[16384];
    private readonly ProcessorState _amd = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4);
    private readonly ProcessorState _intel = ProcessorState.ForUserProcess(ProcessorProfiles.IntelSapphireRapids);

    public InstructionsTests()
    {
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        ProcessorState[] processors = [_amd, _intel];
        byte[] compacted = new byte[16384];
        Assert.Equal(Fault.None, Instructions.Xsavec(_amd, compacted, 0, ulong.MaxValue));
        for (int round = 0; round < 3; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (ProcessorState cpu in processors)
            {
                cpu.Registers.Write(StateComponent.Avx)[0]++;
                Instructions.Xsave(cpu, _area, 0, ulong.MaxValue);
                Instructions.Xrstor(cpu, _area, 0, ulong.MaxValue);
                Instructions.Xsaveopt(cpu, _area, 0, ulong.MaxValue);
                Instructions.Xsavec(cpu, compacted, 0, ulong.MaxValue);
                Instructions.Xrstor(cpu, compacted, 0, ulong.MaxValue);
                Instructions.Fxsave(cpu, _area, 0);
                Instructions.Fxrstor(cpu, _area, 0);
                Instructions.Xgetbv(cpu, 1, out _);
                Instructions.Wrpkru(cpu, 0, 4);
                Instructions.Rdpkru(cpu, 0, out _);
                Instructions.Xsave(cpu, _area, 8, 1);
                cpu.Cpl = 0;
                cpu.Xss = cpu.Profile.SupervisorComponents;
                Instructions.Xsetbv(cpu, 0, cpu.Xcr0.Bits);
                Instructions.Xsaves(cpu, compacted, 0, ulong.MaxValue);
                Instructions.Xrstors(cpu, compacted, 0, ulong.MaxValue);
                ProtectionKeys.Check(cpu, new PageAccess(true, 1, AccessKind.Read, true));
                cpu.Xss = StateComponentSet.Empty;
                cpu.Cpl = 3;
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(round == 0 || allocated == 0, $"{allocated} bytes");
        }
    }

    [Fact]
    public void Faults_come_in_order()
    {
        _amd.Cr4 &= ~Cr4.OsXsave;
        _amd.Cr0 |= Cr0.TaskSwitched;
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xrstors(_amd, default, 1, 0));
        _amd.Cr4 |= Cr4.OsXsave;
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.Xrstors(_amd, default, 1, 0));
        _amd.Cr0 &= ~Cr0.TaskSwitched;
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstors(_amd, default, 1, 0));
        _amd.Cpl = 0;
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstors(_amd, default, 1, 0));
        Assert.Equal(Fault.PageFault(PageFaultErrors.None, 64), Instructions.Xrstors(_amd, default, 64, 0));
        Assert.Equal(Fault.PageFault(PageFaultErrors.Write, 64), Instructions.Xsaves(_amd, default, 64, 0));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstors(_amd, _area, 64, 0));
    }

    [Fact]
    public void Emulation_matters_to_fxsave_only()
    {
        _amd.Cr0 |= Cr0.Emulation;
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.Fxrstor(_amd, _area, 0));
        Assert.Equal(Fault.None, Instructions.Xsave(_amd, _area, 0, 1));
        _amd.Cr0 = (_amd.Cr0 & ~Cr0.Emulation) | Cr0.TaskSwitched;
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(Fault.None, Instructions.Xgetbv(_amd, 0, out _));
    }

    [Fact]
    public void An_address_that_is_not_canonical_is_a_general_protection_fault_in_64_bit_mode()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen3);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xsave(cpu, _area, 1UL << 47, 1));
        Assert.Equal(Fault.GeneralProtection, Instructions.Fxsave(cpu, _area, 1UL << 47));
        cpu.Is64BitMode = false;
        Assert.Equal(Fault.None, Instructions.Xsave(cpu, _area, 1UL << 47, 1));
        Assert.Equal(Fault.None, Instructions.Fxsave(cpu, _area, 1UL << 47));
    }

    [Fact]
    public void Reaching_past_the_accessible_bytes_is_a_page_fault_that_writes_nothing()
    {
        byte[] before = new byte[2432];
        Assert.Equal(
            Fault.PageFault(PageFaultErrors.Write | PageFaultErrors.User, 0x1000 + 2431),
            Instructions.Xsave(_amd, before.AsSpan(0, 2431), 0x1000, 0xE7));
        Assert.False(before.AsSpan().ContainsAnyExcept((byte)0));
        Assert.Equal(Fault.None, Instructions.Xsave(_amd, before, 0x1000, 0xE7));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 0x1000 + 575), Instructions.Xrstor(_amd, _area.AsSpan(0, 575), 0x1000, 0));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 0x1000 + 831), Instructions.Xrstor(_amd, _area.AsSpan(0, 831), 0x1000, 4));
        Assert.Equal(Fault.None, Instructions.Xrstor(_amd, _area.AsSpan(0, 832), 0x1000, 4));
        Assert.Equal(
            Fault.PageFault(PageFaultErrors.Write | PageFaultErrors.User, 511), Instructions.Fxsave(_amd, before.AsSpan(0, 511), 0));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 511), Instructions.Fxrstor(_amd, _area.AsSpan(0, 511), 0));
    }

    [Fact]
    public void A_compacted_restore_reads_only_what_it_loads()
    {
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | 0xE7);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 0x24UL);

        Assert.Equal(Fault.None, Instructions.Xrstor(_amd, _area.AsSpan(0, 896), 0, 0xE7));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 895), Instructions.Xrstor(_amd, _area.AsSpan(0, 895), 0, 0xE7));
        Assert.Equal(Fault.None, Instructions.Xrstor(_amd, _area.AsSpan(0, 832), 0, 0xC7));
    }

    [Fact]
    public void Without_compaction_the_format_flag_is_a_bad_header()
    {
        ProcessorState tcg = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag);

        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(tcg, _area, 0, 0));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xsavec(tcg, _area, 0, 0));
        Assert.Equal(Fault.None, Instructions.Xsaveopt(tcg, _area, 0, 0));
    }

    [Fact]
    public void Misaligned_fxsave_depends_on_alignment_checking()
    {
        Assert.Equal(Fault.GeneralProtection, Instructions.Fxsave(_amd, _area, 1));
        _amd.AlignmentCheck = true;
        Assert.Equal(Fault.AlignmentCheck, Instructions.Fxsave(_amd, _area, 1));
        Assert.Equal(Fault.AlignmentCheck, Instructions.Fxrstor(_amd, _area, 2));
        Assert.Equal(Fault.GeneralProtection, Instructions.Fxsave(_amd, _area, 4));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xsave(_amd, _area, 1, 1));
        Assert.Equal(Fault.None, Instructions.Fxsave(_amd, _area, 16));
        ProcessorState tcg = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        tcg.AlignmentCheck = true;
        Assert.Equal(Fault.GeneralProtection, Instructions.Fxsave(tcg, _area, 1));
    }

    [Fact]
    public void Intel_checks_alignment_in_the_xsave_family_too()
    {
        Assert.Equal(Fault.GeneralProtection, Instructions.Xsave(_intel, _area, 1, 1));
        _intel.AlignmentCheck = true;
        Assert.Equal(Fault.AlignmentCheck, Instructions.Fxsave(_intel, _area, 2));
        Assert.Equal(Fault.AlignmentCheck, Instructions.Xsave(_intel, _area, 1, 1));
        Assert.Equal(Fault.AlignmentCheck, Instructions.Xrstor(_intel, _area, 2, 1));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_intel, _area, 4, 1));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xsave(_intel, _area, 0x8000_0000_0000_0001, 1));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xsaves(_intel, _area, 1, 1));
    }

    [Theory]
    [InlineData(0x0100_FF78_90AB_CDEFUL, 0xFF00_FF78_90AB_CDEFUL)]
    [InlineData(0x00FF_0078_90AB_CDEFUL, 0x00FF_0078_90AB_CDEFUL)]
    [InlineData(0x1234_5678_90AB_CDEFUL, 0x0034_5678_90AB_CDEFUL)]
    public void Intel_keeps_fip_canonical_and_fdp_as_it_is(ulong image, ulong fip)
    {
        _area[0] = 0x7F;
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.FipOffset), image);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.FdpOffset), image);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 1UL);

        Assert.Equal(Fault.None, Instructions.Xrstor(_intel, _area, 0, 1));

        Assert.Equal((fip, image), (_intel.Registers.X87.Fip, _intel.Registers.X87.Fdp));
    }

    [Fact]
    public void Intel_notices_the_mxcsr_of_a_compacted_image_when_it_is_half_done()
    {
        FillVectors(_intel, 0x11);
        _intel.Registers.Pkru = new Pkru(0x10);
        _intel.Registers.X87.Fcw = 0x27F;
        byte[] before = new byte[16384];
        Assert.Equal(Fault.None, Instructions.Xsave(_intel, before, 0, ulong.MaxValue));
        _area.AsSpan(XsaveFormat.XmmOffset, 256).Fill(0x22);
        _area.AsSpan(XsaveFormat.ExtendedOffset, 4096).Fill(0x22);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.MxcsrOffset), 0x1_0000U);

        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 0x42UL);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_intel, _area, 0, 0x2E7));
        byte[] after = new byte[16384];
        Assert.Equal(Fault.None, Instructions.Xsave(_intel, after, 0, ulong.MaxValue));
        Assert.Equal(before, after);

        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | 0x2E7);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_intel, _area, 0, 0x2E7));
        Assert.Equal((0x37F, 0x22), (_intel.Registers.X87.Fcw, _intel.Registers.Read(StateComponent.Sse)[0]));
        Assert.Equal((0, 0), (_intel.Registers.Read(StateComponent.Avx)[0], _intel.Registers.Read(StateComponent.Hi16Zmm)[0]));
        Assert.Equal(0x11, _intel.Registers.Read(StateComponent.ZmmHi256)[0]);
        Assert.Equal((0x10U, Mxcsr.Initial), (_intel.Registers.Pkru.Value, _intel.Registers.Mxcsr));
        Assert.Equal(0x242UL, _intel.Xinuse.Bits);

        FillVectors(_amd, 0x11);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.MxcsrOffset), 0x10_0000U);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_amd, _area, 0, 0x2E7));
        Assert.Equal((0x11, 0x11), (_amd.Registers.Read(StateComponent.Sse)[0], _amd.Registers.Read(StateComponent.Avx)[0]));
    }

    [Theory]
    [InlineData(StateInstruction.Xsave, 0x602E7, 11007)]
    [InlineData(StateInstruction.Xsave, 0x40001, 11007)]
    [InlineData(StateInstruction.Xsave, 0x7, 831)]
    [InlineData(StateInstruction.Xsaveopt, 0x602E7, 2815)]
    [InlineData(StateInstruction.Xsaveopt, 0x40001, 2815)]
    [InlineData(StateInstruction.Xsaveopt, 0x201, 2695)]
    [InlineData(StateInstruction.Xsavec, 0x602E7, 2559)]
    [InlineData(StateInstruction.Xsavec, 0x40201, 583)]
    [InlineData(StateInstruction.Xrstor, 0x40001, 11007)]
    [InlineData(StateInstruction.Fxsave, 0, 511)]
    public void Intel_tries_the_last_byte_first(StateInstruction instruction, ulong mask, int last)
    {
        const ulong Address = 0x1000;
        _intel.Xfd = StateComponentSet.Of(StateComponent.TileData);
        Span<byte> memory = _area.AsSpan(0, last);
        Fault Execute(Span<byte> accessible)
        {
            ulong requested = mask;
            InstructionEncoding encoding = new(instruction, XsaveOperand.Rex64, ModRmOffset: 0);
            return Instructions.Execute(_intel, encoding, accessible, Address, ecx: 0, ref requested);
        }

        Fault fault = Execute(memory);
        Assert.Equal((FaultVector.PageFault, Address + (ulong)last), (fault.Vector, fault.Address));
        Assert.Equal(Fault.None, Execute(_area.AsSpan(0, last + 1)));
    }

    [Fact]
    public void Intel_tries_the_area_before_it_judges_the_header()
    {
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 1UL << 63);
        Assert.Equal(0x1000UL + XsaveFormat.XcompBvOffset, Instructions.Xrstor(_intel, _area.AsSpan(0, 512), 0x1000, 4).Address);
        Assert.Equal(0x1000UL + 831, Instructions.Xrstor(_intel, _area.AsSpan(0, 640), 0x1000, 4).Address);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_amd, _area.AsSpan(0, 640), 0x1000, 4));
        Assert.Equal(0x1000UL + 512, Instructions.Xrstor(_amd, _area.AsSpan(0, 512), 0x1000, 4).Address);

        // In the compacted form XCOMP_BV is judged first, and what RFBM and XCOMP_BV have in common counts, loaded or not.
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | 0x26);
        Assert.Equal(0x1000UL + 895, Instructions.Xrstor(_intel, _area.AsSpan(0, 640), 0x1000, 0x26).Address);
        Assert.Equal(0x1000UL + 831, Instructions.Xrstor(_intel, _area.AsSpan(0, 640), 0x1000, 4).Address);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | 1 << 14 | 4);
        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_intel, _area.AsSpan(0, 640), 0x1000, 4));
    }

    [Fact]
    public void Fast_fxsave_skips_xmm_at_cpl_0_in_64_bit_mode()
    {
        _amd.Registers.Write(StateComponent.Sse).Fill(1);
        _amd.Registers.Mxcsr = 0x1F00;
        _amd.Efer = 1UL << 14;
        _amd.Cpl = 0;
        Assert.Equal(Fault.None, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(0, _area[160]);
        Assert.Equal(0x1F00U, new XsaveArea(_area).Mxcsr);
        Assert.Equal(0x2FFFFU, new XsaveArea(_area).MxcsrMask);
        Assert.Equal(Fault.None, Instructions.Fxrstor(_amd, _area, 0));
        Assert.Equal(1, _amd.Registers.Read(StateComponent.Sse)[0]);

        _amd.Cpl = 3;
        Assert.Equal(Fault.None, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(1, _area[160]);
        _amd.Cpl = 0;
        _amd.Is64BitMode = false;
        _area.AsSpan(160).Clear();
        Assert.Equal(Fault.None, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(1, _area[160]);
    }

    [Fact]
    public void Without_osfxsr_fxsave_is_x87_only()
    {
        _amd.Registers.Write(StateComponent.Sse).Fill(1);
        _amd.Cr4 &= ~Cr4.OsFxsr;
        _area.AsSpan().Fill(0xEE);
        Assert.Equal(Fault.None, Instructions.Fxsave(_amd, _area, 0));
        Assert.Equal(0xEE, _area[24]);
        Assert.Equal(0xEE, _area[160]);
        Assert.Equal(0x7F, _area[0]);
        Assert.Equal(Fault.None, Instructions.Fxrstor(_amd, _area, 0));
        Assert.Equal(Mxcsr.Initial, _amd.Registers.Mxcsr);
        Assert.Equal(1, _amd.Registers.Read(StateComponent.Sse)[0]);
    }

    [Fact]
    public void Old_amd_processors_neither_save_nor_load_pointers_without_an_error()
    {
        ProcessorProfile old = ProcessorProfiles.IntelSapphireRapids.With(ProcessorQuirks.X87PointersSkippedWithoutError);
        ProcessorState cpu = ProcessorState.ForUserProcess(old);
        cpu.Registers.X87.Fip = 0x1111;
        cpu.Registers.X87.Fop = 0x222;
        _area.AsSpan(0, 512).Fill(0xEE);
        Assert.Equal(Fault.None, Instructions.Fxsave(cpu, _area, 0));
        Assert.Equal(0xEE, _area[8]);
        Assert.Equal(0xEE, _area[6]);
        Assert.Equal(0, _area[5]);

        BitConverter.TryWriteBytes(_area.AsSpan(24), Mxcsr.Initial);
        Assert.Equal(Fault.None, Instructions.Fxrstor(cpu, _area, 0));
        Assert.Equal(0x1111UL, cpu.Registers.X87.Fip);

        cpu.Registers.X87.Fcw = 0x37E;
        cpu.Registers.X87.Fsw = 1;
        Assert.Equal(Fault.None, Instructions.Fxsave(cpu, _area, 0));
        Assert.Equal(0x11, _area[8]);
    }

    [Fact]
    public void Selectors_are_kept_where_they_are_not_deprecated()
    {
        ProcessorState tcgLike = ProcessorState.ForUserProcess(Selectors());
        _area[8] = 1;
        _area[12] = 0x34;
        _area[13] = 0x12;
        _area[14] = 0x99;
        _area[20] = 0x78;
        Assert.Equal(Fault.None, Instructions.Fxrstor(tcgLike, _area, 0, XsaveOperand.Legacy));
        Assert.Equal((0x1234, 0x78), (tcgLike.Registers.Fcs, tcgLike.Registers.Fds));
        Assert.False(tcgLike.Registers.IsInitial(StateComponent.X87));
        byte[] saved = new byte[512];
        Assert.Equal(Fault.None, Instructions.Fxsave(tcgLike, saved, 0, XsaveOperand.Legacy));
        Assert.Equal([1, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x78, 0], saved[8..22]);
        Assert.Equal(Fault.None, Instructions.Fxrstor(_intel, _area, 0, XsaveOperand.Legacy));
        Assert.Equal((0, 0), (_intel.Registers.Fcs, _intel.Registers.Fds));
        Assert.Equal(1UL, _intel.Registers.X87.Fip);
        Assert.Equal(Fault.None, Instructions.Fxrstor(_intel, _area, 0, XsaveOperand.Rex64));
        Assert.Equal(0x0099_1234_0000_0001UL, _intel.Registers.X87.Fip);
    }

    [Fact]
    public void Mov_to_cr4_refuses_what_the_processor_lacks()
    {
        ProcessorState tcg = new(ProcessorProfiles.QemuTcg);
        Assert.Equal(Fault.None, Instructions.MovToCr4(tcg, Cr4.OsXsave | Cr4.ProtectionKeys | (Cr4)1));
        Assert.Equal(Cr4.OsXsave | Cr4.ProtectionKeys | (Cr4)1, tcg.Cr4);
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(tcg, Cr4.SupervisorKeys));
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(tcg, Cr4.UserInterrupts));
        tcg.Cr0 |= Cr0.WriteProtect;
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(tcg, Cr4.ControlFlowEnforcement));
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(_intel, Cr4.OsXsave));
        ProcessorState spr = new(ProcessorProfiles.IntelSapphireRapids);
        Assert.Equal(Fault.None, Instructions.MovToCr4(spr, Cr4.SupervisorKeys | Cr4.UserInterrupts));
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(spr, Cr4.ControlFlowEnforcement));
        spr.Cr0 |= Cr0.WriteProtect;
        Assert.Equal(Fault.None, Instructions.MovToCr4(spr, Cr4.ControlFlowEnforcement));
        ProcessorState tracking = new(TrackingOnly()) { Cr0 = Cr0.WriteProtect };
        Assert.Equal(Fault.None, Instructions.MovToCr4(tracking, Cr4.ControlFlowEnforcement));
        ProcessorProfile bare = TestProcessors.WithUserComponents(new StateComponentSet(3));
        bare = ProcessorProfile.FromCpuid(bare.Cpuid.With(1, 0, default).With(7, 0, default));
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(new ProcessorState(bare), Cr4.OsXsave));
        Assert.Equal(Fault.GeneralProtection, Instructions.MovToCr4(new ProcessorState(bare), Cr4.ProtectionKeys));
    }

    [Fact]
    public void Xfd_speaks_through_xfd_err()
    {
        _intel.Xfd = StateComponentSet.Of(StateComponent.TileData);
        Assert.Equal(Fault.None, Instructions.UseState(_intel, StateComponentSet.Of(StateComponent.Avx)));
        Assert.Equal(StateComponentSet.Empty, _intel.XfdErr);
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.UseState(_intel, _intel.Xcr0));
        Assert.Equal(StateComponentSet.Of(StateComponent.TileData), _intel.XfdErr);
        _intel.Xcr0 = new StateComponentSet(7);
        Assert.Equal(Fault.None, Instructions.UseState(_intel, StateComponentSet.Of(StateComponent.TileData)));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Tilerelease(_intel));
    }

    [Fact]
    public void Disabled_tile_data_does_not_count_as_in_use()
    {
        _intel.Registers.Write(StateComponent.TileData)[0] = 1;
        Assert.Equal(Fault.None, Instructions.Xgetbv(_intel, 1, out ulong inUse));
        Assert.Equal(1UL << 18, inUse);
        _intel.Xfd = StateComponentSet.Of(StateComponent.TileData);
        Assert.Equal(Fault.None, Instructions.Xgetbv(_intel, 1, out inUse));
        Assert.Equal(0UL, inUse);
    }

    [Fact]
    public void Tilerelease_initializes_both_components()
    {
        _intel.Registers.Write(StateComponent.TileData)[0] = 1;
        _intel.Registers.Write(StateComponent.TileCfg)[0] = 1;
        Assert.Equal(Fault.None, Instructions.Tilerelease(_intel));
        Assert.Equal(StateComponentSet.Empty, _intel.Xinuse);
        _intel.Is64BitMode = false;
        Assert.Equal(Fault.InvalidOpcode, Instructions.Tilerelease(_intel));
    }

    [Theory]
    [InlineData(0, 1, true)]
    [InlineData(0, 0, false)]
    [InlineData(0, 2, false)]
    [InlineData(1, 255, true)]
    [InlineData(2, 1, false)]
    [InlineData(15, 1, false)]
    [InlineData(32, 1, false)]
    [InlineData(47, 1, false)]
    [InlineData(56, 1, false)]
    [InlineData(63, 1, false)]
    [InlineData(16, 64, true)]
    [InlineData(16, 65, false)]
    [InlineData(17, 1, false)]
    [InlineData(18, 65, false)]
    [InlineData(48, 16, true)]
    [InlineData(48, 17, false)]
    [InlineData(48, 0, false)]
    [InlineData(55, 4, false)]
    public void A_tile_configuration_is_loaded_only_if_ldtilecfg_would_accept_it(int offset, byte value, bool accepted)
    {
        Assert.True(_intel.Profile.Layout.TryGetSlot(StateComponent.TileCfg, out XsaveSlot slot));
        Span<byte> image = _area.AsSpan(slot.Offset, slot.Size);
        image[0] = 1;
        image[16] = 64;
        image[48] = 16;
        image[offset] = value;
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 1UL << 17);

        Assert.Equal(Fault.None, Instructions.Xrstor(_intel, _area, 0, 1UL << 17));

        Assert.Equal(accepted ? image.ToArray() : new byte[64], _intel.Registers.Read(StateComponent.TileCfg).ToArray());
        Assert.Equal(accepted, _intel.Xinuse.Contains(StateComponent.TileCfg));
    }

    [Fact]
    public void A_tile_configuration_may_use_all_eight_tiles()
    {
        Assert.True(_intel.Profile.Layout.TryGetSlot(StateComponent.TileCfg, out XsaveSlot slot));
        Span<byte> image = _area.AsSpan(slot.Offset, slot.Size);
        image[0] = 1;
        for (int tile = 0; tile < 8; tile++)
        {
            image[16 + (2 * tile)] = 64;
            image[48 + tile] = 16;
        }

        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 1UL << 17);
        Assert.Equal(Fault.None, Instructions.Xrstor(_intel, _area, 0, 1UL << 17));
        Assert.Equal(image.ToArray(), _intel.Registers.Read(StateComponent.TileCfg).ToArray());
    }

    [Fact]
    public void The_standard_form_looks_at_24_header_bytes_and_the_compacted_form_at_all()
    {
        for (int at = XsaveFormat.ReservedHeaderOffset; at < XsaveFormat.ExtendedOffset; at++)
        {
            _area[at] = 1;
            BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), 0UL);
            Assert.Equal(
                at < XsaveFormat.XstateBvOffset + 24 ? Fault.GeneralProtection : Fault.None,
                Instructions.Xrstor(_intel, _area, 0, ulong.MaxValue));
            BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag);
            Assert.Equal(Fault.GeneralProtection, Instructions.Xrstor(_intel, _area, 0, ulong.MaxValue));
            _area[at] = 0;
        }
    }

    [Fact]
    public void Xfd_err_names_only_what_is_disabled()
    {
        _intel.Xfd = StateComponentSet.Of(StateComponent.TileData);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 1UL << 18 | 4);
        Assert.Equal(Fault.DeviceNotAvailable, Instructions.Xrstor(_intel, _area, 0, ulong.MaxValue));
        Assert.Equal(StateComponentSet.Of(StateComponent.TileData), _intel.XfdErr);
    }

    [Fact]
    public void Tcg_restores_touch_only_what_they_load()
    {
        ProcessorState tcg = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 4UL);
        Assert.Equal(Fault.None, Instructions.Xrstor(tcg, _area.AsSpan(0, 832), 0, 0x21F));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 831), Instructions.Xrstor(tcg, _area.AsSpan(0, 831), 0, 0x21F));

        ProcessorState probing = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg.Without(ProcessorQuirks.AreaAccessedPiecewise));
        Assert.Equal(Fault.PageFault(PageFaultErrors.User, 832), Instructions.Xrstor(probing, _area.AsSpan(0, 832), 0, 0x21F));
    }

    [Fact]
    public void Tcg_stores_control_word_and_tags_but_nothing_behind_the_x87_registers()
    {
        ProcessorState tcg = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        tcg.Registers.X87.Fcw = 0x27F;
        tcg.Registers.X87.AbridgedFtw = 0x81;
        _area.AsSpan().Fill(0xEE);
        Assert.Equal(Fault.None, Instructions.Xsave(tcg, _area, 0, 1));
        Assert.Equal([0x7F, 0x02, 0, 0, 0x81, 0], _area[..6]);
        Assert.Equal((0, 0xEE), (_area[145], _area[160]));
    }

    [Fact]
    public void Without_the_feature_or_its_control_bit_there_is_no_instruction()
    {
        _intel.Cr4 &= ~Cr4.OsXsave;
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xgetbv(_intel, 0, out ulong value));
        Assert.Equal(0UL, value);
        Assert.Equal(Fault.InvalidOpcode, Instructions.Tilerelease(_intel));

        CpuidTable cpuid = ProcessorProfiles.AmdZen3.Cpuid;
        ProcessorState cpu = new(ProcessorProfile.FromCpuid(cpuid.With(1, 0, cpuid.Read(1) with { Edx = 0 })));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Fxsave(cpu, _area, 0));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Fxrstor(cpu, _area, 0));
    }

    [Fact]
    public void A_processor_must_be_given()
    {
        Assert.Throws<ArgumentNullException>(() => Instructions.Wrmsr(null!, 0, 0));
        Assert.Throws<ArgumentNullException>(() => Instructions.Rdmsr(null!, 0, out _));
        Assert.Throws<ArgumentNullException>(() => Instructions.MovToCr4(null!, Cr4.None));
        Assert.Throws<ArgumentNullException>(() => Instructions.UseState(null!, StateComponentSet.Empty));
        Assert.Throws<ArgumentNullException>(() => Instructions.Tilerelease(null!));
        Assert.Throws<ArgumentNullException>(() => _amd.CopyFrom(null!));
        Assert.Throws<ArgumentNullException>(() => _amd.HasSameContentAs(null!));
        Assert.Throws<ArgumentNullException>(() => ProcessorQuirks.Get(null!));
    }

    [Fact]
    public void Unused_bytes_behind_registers_are_stored_as_zero()
    {
        ProcessorState skylake = ProcessorState.ForUserProcess(ProcessorProfiles.IntelSkylakeServer);
        _area.AsSpan(576).Fill(0xEE);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 0x218UL);
        Assert.Equal(Fault.None, Instructions.Xrstor(skylake, _area, 0, 0x218));
        byte[] saved = new byte[4096];
        saved.AsSpan(576).Fill(0x77);
        Assert.Equal(Fault.None, Instructions.Xsave(skylake, saved, 0, 0x218));
        Assert.Equal((0xEE, 0, 0), (saved[1024 + 15], saved[1024 + 16], saved[1024 + 63]));
        Assert.Equal(0xEE, saved[960 + 63]);
        Assert.Equal(Fault.None, Instructions.Xsave(_amd, saved, 0, 0x200));
        Assert.Equal((0, 0, 0x77), (saved[2432 + 4], saved[2432 + 7], saved[2432 + 8]));
    }

    [Fact]
    public void Quirks_leave_unused_bytes_alone()
    {
        ProcessorProfile profile = ProcessorProfiles.IntelSkylakeServer.With(ProcessorQuirks.PkruPaddingLeft)
            .With(ProcessorQuirks.BndCsrPaddingLeft)
            .With(ProcessorQuirks.X87PaddingLeft);
        ProcessorState cpu = ProcessorState.ForUserProcess(profile);
        byte[] saved = new byte[4096];
        saved.AsSpan().Fill(0x77);
        Assert.Equal(Fault.None, Instructions.Xsave(cpu, saved, 0, 0x219));
        Assert.Equal((0, 0x77, 0x77), (saved[1024 + 15], saved[1024 + 16], saved[1024 + 63]));
        Assert.Equal((0, 0x77, 0x77), (saved[2688 + 3], saved[2688 + 4], saved[2688 + 7]));
        Assert.Equal((0, 0x77, 0), (saved[32 + 9], saved[32 + 10], saved[48]));
    }

    [Fact]
    public void Tcg_reads_the_manual_in_its_own_way()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.QemuTcg);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.MxcsrOffset), 0xFFFF_0000U);
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 4));
        Assert.Equal(Mxcsr.Initial, cpu.Registers.Mxcsr);
        _area.AsSpan(0, 24).Fill(0xFF);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 3UL);
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 3));
        Assert.Equal(0xFFFF_0000U, cpu.Registers.Mxcsr);
        Assert.Equal((0xFFFF, 0xFFFF), (cpu.Registers.X87.Fcw, cpu.Registers.X87.Fsw));
        byte[] saved = new byte[4096];
        saved.AsSpan().Fill(0x77);
        Assert.Equal(Fault.None, Instructions.Xsave(cpu, saved, 0, 7));
        Assert.Equal((0x77, 0, 0), (saved[6], saved[8], saved[23]));
        Assert.Equal(Fault.None, Instructions.Xgetbv(cpu, 1, out ulong inUse));
        Assert.Equal(0x217UL, inUse);
        _area.AsSpan(2, 2).Clear();
        _area[3] = 0x80;
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 1));
        Assert.Equal(0, cpu.Registers.X87.Fsw);
    }

    [Fact]
    public void An_xgetbv_that_is_not_enumerated_faults()
    {
        CpuidTable cpuid = ProcessorProfiles.AmdZen3.Cpuid;
        ProcessorState cpu = ProcessorState.ForUserProcess(
            ProcessorProfile.FromCpuid(cpuid.With(CpuidTable.XsaveLeaf, 1, cpuid.Read(CpuidTable.XsaveLeaf, 1) with { Eax = 0 })));
        Assert.Equal(Fault.GeneralProtection, Instructions.Xgetbv(cpu, 1, out _));
        Assert.Equal(Fault.None, Instructions.Xgetbv(cpu, 0, out _));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xsaveopt(cpu, _area, 0, 0));
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xsaves(cpu, _area, 0, 0));
    }

    [Fact]
    public void Pkru_is_read_back()
    {
        Assert.Equal(Fault.None, Instructions.Wrpkru(_amd, 0, 0x5555_5554));
        Assert.Equal(Fault.None, Instructions.Rdpkru(_amd, 0, out ulong value));
        Assert.Equal(0x5555_5554UL, value);
    }

    [Fact]
    public void Modified_optimization_needs_the_same_privilege_and_root_mode()
    {
        ProcessorProfile profile = ProcessorProfiles.AmdZen4.With(ProcessorQuirks.ModifiedOptimization);
        Action<ProcessorState>[] differences = [cpu => cpu.Cpl = 0, cpu => cpu.VmxNonRoot = true];
        foreach (Action<ProcessorState> difference in differences)
        {
            ProcessorState cpu = ProcessorState.ForUserProcess(profile);
            cpu.Registers.Write(StateComponent.Avx).Fill(1);
            Assert.Equal(Fault.None, Instructions.Xsave(cpu, _area, 0, 4));
            Assert.Equal(Fault.None, Instructions.Xrstor(cpu, _area, 0, 4));
            _area.AsSpan(576, 256).Fill(9);
            Assert.Equal(Fault.None, Instructions.Xsaveopt(cpu, _area, 0, 4));
            Assert.Equal(9, _area[576]);
            difference(cpu);
            Assert.Equal(Fault.None, Instructions.Xsaveopt(cpu, _area, 0, 4));
            Assert.Equal(1, _area[576]);
        }
    }

    [Fact]
    public void Xsaves_skips_what_xrstors_restored_from_the_same_place()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4.With(ProcessorQuirks.ModifiedOptimization));
        cpu.Cpl = 0;
        cpu.Registers.Write(StateComponent.Avx).Fill(1);
        Assert.Equal(Fault.None, Instructions.Xsaves(cpu, _area, 0, 4));
        Assert.Equal(Fault.None, Instructions.Xrstors(cpu, _area, 0, 4));
        _area.AsSpan(576, 256).Fill(9);
        Assert.Equal(Fault.None, Instructions.Xsavec(cpu, _area.AsSpan(), 64, 4));
        _area.AsSpan(576, 256).Fill(9);
        Assert.Equal(Fault.None, Instructions.Xsaves(cpu, _area, 0, 4));
        Assert.Equal(9, _area[576]);
        Assert.Equal(4UL, new XsaveArea(_area).XstateBv.Bits);
        Assert.Equal(Fault.None, Instructions.Xsavec(cpu, _area, 0, 4));
        Assert.Equal(1, _area[576]);
    }

    [Fact]
    public void Without_shadow_stacks_their_half_of_the_CET_control_is_reserved()
    {
        ProcessorState tracking = new(TrackingOnly());
        Assert.Equal(Fault.None, Instructions.Wrmsr(tracking, 0x6A0, 4));
        Assert.Equal(Fault.GeneralProtection, Instructions.Wrmsr(tracking, 0x6A0, 1));
        Assert.Equal(Fault.GeneralProtection, Instructions.Wrmsr(tracking, 0x6A0, 2));
    }

    [Fact]
    public void A_selector_alone_puts_x87_in_use()
    {
        _area[12] = 1;
        _area[0] = 0x7F;
        _area[1] = 3;
        ProcessorState cpu = ProcessorState.ForUserProcess(Selectors());
        Assert.Equal(Fault.None, Instructions.Fxrstor(cpu, _area, 0, XsaveOperand.Legacy));
        Assert.Equal((1, 0, 0UL), (cpu.Registers.Fcs, cpu.Registers.Fds, cpu.Registers.X87.Fip));
        Assert.False(cpu.Registers.IsInitial(StateComponent.X87));
    }

    private static ProcessorProfile TrackingOnly()
    {
        CpuidTable cpuid = ProcessorProfiles.IntelSapphireRapids.Cpuid;
        CpuidRegisters leaf = cpuid.Read(7);
        return ProcessorProfile.FromCpuid(cpuid.With(7, 0, leaf with { Ecx = leaf.Ecx & ~(1U << 7) }));
    }

    private static ProcessorProfile Selectors()
    {
        CpuidTable cpuid = ProcessorProfiles.IntelSapphireRapids.Cpuid;
        return ProcessorProfile.FromCpuid(cpuid.With(7, 0, cpuid.Read(7) with { Ebx = 0 }));
    }

    private static void FillVectors(ProcessorState cpu, byte value)
    {
        foreach (StateComponent component in StateComponentSet.Of(
            StateComponent.Sse, StateComponent.Avx, StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm))
        {
            cpu.Registers.Write(component).Fill(value);
        }
    }
}
