using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Linux.Tests.Kvm;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Processor;

/// <summary>
/// What a process cannot execute: XSETBV at CPL 0, and XCR0 changing between the other instructions. A real-mode guest executes one
/// instruction after another while the model follows; registers, memory, XCR0 and faults are compared after each. INIT is delivered as
/// KVM_SET_VCPU_EVENTS can.
/// </summary>
public sealed class GuestInstructionTests(ITestOutputHelper output)
{
    private const ulong Seed = 20241118;
    private const int FullCount = 40_000;
    private const int InitCount = 400;
    private const int Code = 0x500;
    private const int Handlers = 0x600;
    private const int HandlerLength = 8;
    private const int Stack = 0x1000;
    private const int Area = 0x2000;
    private const int AreaLength = 0x1000;
    private const byte Hlt = 0xF4;
    private static readonly (StateInstruction Instruction, byte[] Code)[] Instructions16 =
    [
        // What the guest itself then finds in XCR0: xsetbv; xor ecx, ecx; xgetbv.
        (StateInstruction.Xsetbv, [0x0F, 0x01, 0xD1, 0x66, 0x31, 0xC9, 0x0F, 0x01, 0xD0]),
        (StateInstruction.Xgetbv, [0x0F, 0x01, 0xD0]),
        (StateInstruction.Rdpkru, [0x0F, 0x01, 0xEE]),
        (StateInstruction.Wrpkru, [0x0F, 0x01, 0xEF]),

        // The operand is [DI].
        (StateInstruction.Xsave, [0x0F, 0xAE, 0x25]),
        (StateInstruction.Xrstor, [0x0F, 0xAE, 0x2D]),
        (StateInstruction.Xsaveopt, [0x0F, 0xAE, 0x35]),
    ];

    private SplitMix64 _random = new(Seed);

    [Fact]
    public void A_guest_and_the_model_agree_on_every_instruction_at_CPL_0()
    {
        StateComponentSet offered = GuestProfile().UserComponents;
        ProcessorProfile profile = NativeProcessor.Profile;
        using KvmDevice device = LocalKvm.Open();
        using KvmVm vm = device.CreateVm();
        using GuestMemory memory = new(0x4000);
        vm.SetTssAddress(0xFFFB_D000);
        vm.SetMemory(0, 0, memory);
        for (int vector = 0; vector < 32; vector++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(memory.Bytes[(4 * vector)..], (uint)(Handlers + (HandlerLength * vector)));
            memory.Bytes[Handlers + (HandlerLength * vector)] = Hlt;
        }

        using KvmVcpu vcpu = vm.CreateVcpu(0);
        vcpu.SetCpuid2(device.GetSupportedCpuid().Entries.AsSpan());
        ProcessorState cpu = new(profile.With(ProcessorQuirks.ResetX87AsInitial));
        cpu.Reset();
        cpu.Cr4 = Cr4.OsXsave | Cr4.OsFxsr | Cr4.ProtectionKeys;
        KvmSystemRegisters system = vcpu.GetSystemRegisters();
        system[KvmSegmentName.Cs] = system[KvmSegmentName.Cs] with { Base = 0, Selector = 0 };
        system.Cr4 = (ulong)cpu.Cr4;
        vcpu.SetSystemRegisters(system);

        int count = Math.Max(1, (int)(FullCount * Repository.Scale));
        int[] perInstruction = new int[Instructions16.Length];
        int faults = 0;
        int changes = 0;
        int repeated = 0;
        byte[] expected = new byte[AreaLength];
        for (int number = 0; number < count; number++)
        {
            int index = _random.Below(Instructions16.Length);
            (StateInstruction instruction, byte[] code) = Instructions16[index];
            int misalignment = _random.OneIn(32) ? 8 : 0;
            (uint eax, uint edx, uint ecx) = Operands(instruction, profile);
            MakeArea(memory.Bytes.Slice(Area, AreaLength), instruction, profile);
            memory.Bytes.Slice(Area, AreaLength).CopyTo(expected);
            code.CopyTo(memory.Bytes[Code..]);
            memory.Bytes[Code + code.Length] = Hlt;
            KvmRegisters start = new()
            {
                Rax = eax,
                Rdx = edx,
                Rcx = ecx,
                Rdi = (ulong)(Area + misalignment),
                Rsp = Stack,
                Rip = Code,
                Rflags = 2,
            };
            vcpu.SetRegisters(start);

            string what = $"case {number}: {instruction} EDX:EAX={edx:x8}:{eax:x8} ECX={ecx:x} +{misalignment}, XCR0 {cpu.Xcr0}";
            StateComponentSet before = cpu.Xcr0;
            Assert.True(vcpu.Run().Reason == KvmExitReason.Halt, what);
            KvmRegisters after = vcpu.GetRegisters();
            ulong result = (ulong)edx << 32 | eax;
            Fault model = Execute(cpu, instruction, expected.AsSpan(misalignment), (ulong)(Area + misalignment), ecx, ref result);

            // An interrupt of the host between XSETBV and XGETBV brings back the XCR0 that KVM knows (see below); then both are executed
            // again.
            for (int attempt = 0; attempt < 3 && instruction == StateInstruction.Xsetbv && after.Rax == before.Bits
                && after.Rax != result; attempt++)
            {
                vcpu.SetRegisters(start);
                Assert.True(vcpu.Run().Reason == KvmExitReason.Halt, what);
                after = vcpu.GetRegisters();
                repeated++;
            }

            ulong stop = model.IsFault ? (ulong)(Handlers + (HandlerLength * (int)model.Vector) + 1) : (ulong)(Code + code.Length + 1);
            Assert.True(after.Rip == stop, $"{what}: stopped at {after.Rip:x}, model {model}");
            Assert.True((after.Rdx << 32 | after.Rax) == result,
                $"{what}: {after.Rdx:x}:{after.Rax:x}, model {result:x}, XCR0 {vcpu.GetXcr0()}");
            ReadOnlySpan<byte> real = memory.Bytes.Slice(Area, AreaLength);
            int at = real.CommonPrefixLength(expected);
            Assert.True(at == AreaLength, $"{what}: byte {at}");
            faults += model.IsFault ? 1 : 0;
            changes += cpu.Xcr0 != before ? 1 : 0;
            perInstruction[index]++;

            // QEMU 7.2 does not intercept XSETBV: the guest's own XCR0, with MPX too, is gone when KVM comes back. What KVM can keep is
            // told to it.
            if (cpu.Xcr0 != before)
            {
                cpu.Xcr0 &= offered;
                vcpu.SetXcr0(cpu.Xcr0);
            }
        }

        foreach (((StateInstruction instruction, _), int cases) in Instructions16.Zip(perInstruction))
        {
            output.WriteLine($"  {cases,8} {instruction}");
        }

        output.WriteLine($"{count} cases compared in a guest, {faults} of them faults, XCR0 changed {changes} times, {repeated} repeated");
        Assert.InRange(repeated, 0, 1 + (count / 100));
        Assert.True(count < 1000 || (faults > count / 50 && changes > count / 50));
    }

    [Fact]
    public void INIT_keeps_what_the_reset_table_says()
    {
        ProcessorProfile profile = GuestProfile();
        using KvmDevice device = LocalKvm.Open();
        using KvmVm vm = device.CreateVm();
        vm.CreateInterruptController();
        using KvmVcpu vcpu = vm.CreateVcpu(0);
        vcpu.SetCpuid2(device.GetSupportedCpuid().Entries.AsSpan());
        ProcessorState cpu = new(profile);
        cpu.Reset();
        int count = Math.Max(1, (int)(InitCount * Repository.Scale));
        byte[] image = new byte[AreaLength];
        byte[] before = new byte[AreaLength];
        byte[] after = new byte[AreaLength];
        for (int number = 0; number < count; number++)
        {
            MakeArea(image, StateInstruction.Xrstor, profile);
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XsaveFormat.XstateBvOffset), profile.UserComponents.Bits);
            image.AsSpan(XsaveFormat.XcompBvOffset, XsaveFormat.ExtendedOffset - XsaveFormat.XcompBvOffset).Clear();
            vcpu.SetXsave(image);
            image = vcpu.GetXsave();
            KvmSystemRegisters system = vcpu.GetSystemRegisters();
            cpu.Cr0 = Cr0.ExtensionType | _random.Pick(Cr0.None, Cr0.CacheDisable, Cr0.CacheDisable | Cr0.NotWriteThrough);
            system.Cr0 = (ulong)cpu.Cr0;
            system.Cr4 = (ulong)(Cr4.OsXsave | Cr4.OsFxsr | Cr4.ProtectionKeys);
            vcpu.SetSystemRegisters(system);
            StateComponentSet xcr0 = _random.OneIn(2) ? profile.UserComponents : StateComponentSet.Legacy;
            vcpu.SetXcr0(xcr0);

            cpu.Cr4 = Cr4.OsXsave | Cr4.OsFxsr | Cr4.ProtectionKeys;
            cpu.Xcr0 = profile.UserComponents;
            cpu.Is64BitMode = true;
            Assert.Equal(Fault.None, Instructions.Xrstor(cpu, image, 0, ulong.MaxValue));
            Assert.Equal(Fault.None, Instructions.Xsave(cpu, before, 0, ulong.MaxValue));
            cpu.Xcr0 = xcr0;

            vcpu.SetEvents(new KvmVcpuEvents { HasSystemManagementState = true, IsInitPending = true });
            Assert.Equal(KvmMpState.Runnable, vcpu.GetMpState());
            Assert.False(vcpu.GetEvents().IsInitPending);
            cpu.Init();

            system = vcpu.GetSystemRegisters();
            Assert.Equal((cpu.Cr0, cpu.Cr4, cpu.Efer), ((Cr0)system.Cr0, (Cr4)system.Cr4, system.Efer));
            Assert.Equal(cpu.Xcr0, vcpu.GetXcr0());
            cpu.Cr4 = Cr4.OsXsave | Cr4.OsFxsr;
            cpu.Xcr0 = profile.UserComponents;
            cpu.Is64BitMode = true;
            Assert.Equal(Fault.None, Instructions.Xsave(cpu, after, 0, ulong.MaxValue));
            Assert.Equal(before, after);
            Assert.Equal(image, vcpu.GetXsave());
        }

        output.WriteLine($"{count} times INIT compared, components {profile.UserComponents}");
    }

    [Fact]
    public void INIT_does_to_each_component_what_the_table_of_kernels_says()
    {
        LinuxHost host = LocalKvm.Host;
        Assert.SkipWhen(LocalKvm.Record.Flavour == KvmFlavour.Pvm, "kvm_pvm has no INIT of an ordinary virtual CPU");
        using KvmDevice device = LocalKvm.Open();
        int compared = 0;
        foreach (StateComponent component in host.KvmXcr0.Without(StateComponent.TileData).Without(StateComponent.TileCfg))
        {
            using KvmVm vm = device.CreateVm();
            vm.CreateInterruptController();
            using KvmVcpu vcpu = vm.CreateVcpu(0);
            vcpu.SetCpuid2(device.GetSupportedCpuid().Entries.AsSpan());
            byte[] image = new byte[AreaLength];
            int at = KvmInit.OffsetIn(host.Layout, component);
            image[at] = 1;
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XsaveFormat.XstateBvOffset),
                StateComponentSet.Legacy.With(component).Bits);
            vcpu.SetXsave(image);
            vcpu.SetEvents(new KvmVcpuEvents { HasSystemManagementState = true, IsInitPending = true });
            Assert.Equal(KvmMpState.Runnable, vcpu.GetMpState());
            Assert.False(vcpu.GetEvents().IsInitPending);
            KvmInitEffect found = vcpu.GetXsave()[at] == 1 ? KvmInitEffect.Unchanged : KvmInitEffect.Cleared;
            Assert.True(KvmInit.EffectOn(host, component) == found, $"{component}: INIT here leaves it {found}");
            compared++;
        }

        output.WriteLine($"{compared} components compared with the table: {host.KvmXcr0}");
    }

    // The host's processor with what KVM offers of it: the hypervisor leaf that guests see is KVM's and hides whose code executes the
    // instructions.
    private static ProcessorProfile GuestProfile()
    {
        bool translated = OperatingSystem.IsLinux() && System.Runtime.Intrinsics.X86.X86Base.IsSupported
            && NativeProcessor.Profile.Has(ProcessorQuirks.XinuseAlwaysOne);
        Assert.SkipUnless(translated, "compared in the lab, whose processor is the same whichever machine it runs on");
        CpuidTable offered = LocalKvm.Record.SupportedCpuid!;
        CpuidTable cpuid = NativeProcessor.Profile.Cpuid.With(CpuidTable.XsaveLeaf, 0, offered.Read(CpuidTable.XsaveLeaf, 0));
        return ProcessorProfile.FromCpuid(cpuid, "guest");
    }

    private static Fault Execute(ProcessorState cpu, StateInstruction instruction, Span<byte> memory, ulong address, uint ecx,
        ref ulong edxEax)
    {
        Fault fault;
        ulong value;
        switch (instruction)
        {
            case StateInstruction.Xsetbv:
                fault = Instructions.Xsetbv(cpu, ecx, edxEax);
                value = cpu.Xcr0.Bits;
                break;
            case StateInstruction.Wrpkru:
                return Instructions.Wrpkru(cpu, ecx, edxEax);
            case StateInstruction.Xsave:
                return Instructions.Xsave(cpu, memory, address, edxEax, XsaveOperand.Legacy);
            case StateInstruction.Xsaveopt:
                return Instructions.Xsaveopt(cpu, memory, address, edxEax, XsaveOperand.Legacy);
            case StateInstruction.Xrstor:
                return Instructions.Xrstor(cpu, memory, address, edxEax, XsaveOperand.Legacy);
            case StateInstruction.Xgetbv:
                fault = Instructions.Xgetbv(cpu, ecx, out value);
                break;
            default:
                fault = Instructions.Rdpkru(cpu, ecx, out value);
                break;
        }

        edxEax = fault.IsFault ? edxEax : value;
        return fault;
    }

    private (uint Eax, uint Edx, uint Ecx) Operands(StateInstruction instruction, ProcessorProfile profile)
    {
        switch (instruction)
        {
            case StateInstruction.Xsetbv:
                ulong value = _random.Next() & profile.UserComponents.Bits | 1;
                value = _random.OneIn(3) ? profile.UserComponents.Bits : value;
                value ^= _random.OneIn(6) ? 1UL << _random.Below(64) : 0;
                return ((uint)value, (uint)(value >> 32), _random.OneIn(12) ? 1U : 0);
            case StateInstruction.Xgetbv:
                return (5, 6, _random.OneIn(12) ? 2U : (uint)_random.Below(2));
            case StateInstruction.Rdpkru:
                return (5, 6, _random.OneIn(12) ? 1U : 0);
            case StateInstruction.Wrpkru:
                return ((uint)_random.Next(), _random.OneIn(12) ? 1U : 0, _random.OneIn(12) ? 1U : 0);
            default:
                return _random.OneIn(2) ? (uint.MaxValue, uint.MaxValue, 0U) : ((uint)_random.Next(), (uint)_random.Next(), 0U);
        }
    }

    private void MakeArea(Span<byte> area, StateInstruction instruction, ProcessorProfile profile)
    {
        _random.Fill(area);
        if (instruction != StateInstruction.Xrstor)
        {
            return;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(area[XsaveFormat.MxcsrOffset..], (uint)_random.Next() & profile.MxcsrMask);
        Span<byte> header = area[XsaveFormat.XstateBvOffset..XsaveFormat.ExtendedOffset];
        header.Clear();
        ulong present = _random.Next() & profile.UserComponents.Bits & (_random.OneIn(2) ? 7UL : ulong.MaxValue);
        present ^= _random.OneIn(16) ? 1UL << _random.Below(64) : 0;
        BinaryPrimitives.WriteUInt64LittleEndian(header, present);
        header[8 + _random.Below(16)] = _random.OneIn(16) ? (byte)1 : (byte)0;
    }
}
