using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Kvm;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>Model and kernel on lists of MSRs, single registers and the control registers that go with them: every error number, count and value.</summary>
public class MsrDifferentialTests
{
    private const ulong FirstSeed = 0x0E7_0000;
    private const int FullCount = 1_000;
    private const int CallsPerSequence = 12;

    // Without the permission for tiles, for which nobody asks here, IA32_XFD takes 0 only.
    private static readonly uint[] Known = [KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr, KvmModelVcpu.MsrXss, KvmModelVcpu.MsrUserCet, KvmModelVcpu.MsrSupervisorCet, KvmModelVcpu.MsrPl0Ssp, 0x6A5, 0x6A6, KvmModelVcpu.MsrPl3Ssp, KvmModelVcpu.MsrSspTable, KvmModelVcpu.GuestSsp];

    [Fact]
    public void The_model_answers_every_call_as_this_kernel_does()
    {
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine kernel = new(device);
        KvmModelMachine model = new(LocalKvm.Host);
        int sequences = Math.Max(1, (int)(FullCount * Repository.Scale));
        int calls = 0;
        int refused = 0;
        for (int i = 0; i < sequences; i++)
        {
            Assert.True(kernel.CreateVcpu(i, out IKvmVcpu? real).IsSuccess, $"vCPU {i}");
            model.CreateVcpu(i, out IKvmVcpu? modelled);
            using (real!)
            {
                SplitMix64 random = new(FirstSeed + (ulong)i);
                List<string> done = [];
                for (int call = 0; call < CallsPerSequence; call++)
                {
                    (string text, Func<IKvmVcpu, string> perform) = Next(ref random);
                    done.Add(text);
                    string answer = perform(real!);
                    Assert.True(perform(modelled!) == answer, $"seed 0x{FirstSeed + (ulong)i:x}: {string.Join("; ", done)}\nmodel  {perform(modelled!)}\nkernel {answer}");
                    calls++;
                    refused += answer.Contains("EINVAL", StringComparison.Ordinal) || answer.StartsWith("None 0", StringComparison.Ordinal) ? 1 : 0;
                }
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{LocalKvm.Record.Provenance.Detail}, {LocalKvm.Record.Flavour}: {calls} calls compared, {refused} refused by both");
    }

    [Fact]
    public void A_count_of_the_kernel_ends_at_the_first_refused_MSR_and_what_came_before_is_written()
    {
        const uint Pat = 0x277;
        const ulong Uncached = 0;
        const ulong WriteBack = 0x0606_0606_0606_0606;
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine kernel = new(device);
        kernel.CreateVcpu(0, out IKvmVcpu? vcpu);
        using (vcpu)
        {
            KvmReply reply = vcpu!.SetMsrs([new MsrEntry(Pat, Uncached), new MsrEntry(0x1234_5678, 1), new MsrEntry(Pat, WriteBack)], out int count);
            vcpu.GetMsrs([Pat, 0x1234_5678, Pat], out ImmutableArray<ulong> values);

            Assert.Equal((Errno.None, 1), (reply.Errno, count));
            Assert.Equal([Uncached], values);
            Assert.Equal(Errno.E2BIG, vcpu.SetMsrs(new MsrEntry[KvmModelVcpu.MaxMsrs], out _).Errno);
            Assert.Equal(Errno.E2BIG, KvmModelMachine.CreateVcpu(LocalKvm.Host).SetMsrs(new MsrEntry[KvmModelVcpu.MaxMsrs], out _).Errno);
        }
    }

    private static (string Text, Func<IKvmVcpu, string> Perform) Next(ref SplitMix64 random)
    {
        switch (random.Below(8))
        {
            case 0:
                CpuidEntry[] cpuid = Cpuid(ref random);
                return ($"SET_CPUID2 {cpuid.Length}", vcpu => $"{vcpu.SetCpuid2(cpuid).Errno}");
            case 1 or 2:
                MsrEntry[] written = new MsrEntry[1 + random.Below(4)];
                for (int i = 0; i < written.Length; i++)
                {
                    written[i] = new MsrEntry(Msr(ref random), Value(ref random));
                }

                return ($"SET_MSRS {string.Join(' ', written.Select(msr => $"0x{msr.Index:x}=0x{msr.Value:x}"))}", vcpu => $"{vcpu.SetMsrs(written, out int count).Errno} {count}");
            case 3:
                uint[] read = [Msr(ref random), Msr(ref random), Msr(ref random)];
                return ($"GET_MSRS {string.Join(' ', read.Select(msr => $"0x{msr:x}"))}", vcpu => $"{vcpu.GetMsrs(read, out ImmutableArray<ulong> values).Errno} {values.Length} {string.Join(' ', values)}");
            case 4:
                ulong set = Register(ref random);
                ulong value = Value(ref random);
                return ($"SET_ONE_REG 0x{set:x}=0x{value:x}", vcpu => $"{vcpu.SetOneRegister(set, value).Errno}");
            case 5:
                ulong got = Register(ref random);
                return ($"GET_ONE_REG 0x{got:x}", vcpu => $"{vcpu.GetOneRegister(got, out ulong found).Errno} 0x{found:x}");
            case 6:
                return ("GET_REG_LIST", vcpu => $"{vcpu.GetRegisterList(out ImmutableArray<ulong> ids).Errno} {string.Join(' ', ids)}");
            default:
                ulong cr4 = random.OneIn(2) ? 1UL << 23 : random.Pick(0UL, 1UL << 18, 1UL << 22, 1UL << 18 | 1UL << 23);
                return ($"SET_SREGS CR4 0x{cr4:x}", vcpu =>
                {
                    vcpu.GetControlRegisters(out KvmControlRegisters registers);
                    return $"{vcpu.SetControlRegisters(registers with { Cr4 = cr4 }).Errno}";
                }
                );
        }
    }

    private static uint Msr(ref SplitMix64 random) => random.OneIn(12) ? 0x1234_5678 : Known[random.Below(Known.Length)];

    private static ulong Register(ref SplitMix64 random)
    {
        ulong id = random.OneIn(3) ? KvmRegisterId.GuestSsp : KvmRegisterId.OfMsr(Msr(ref random));

        // Bits below 33 would make another register of it, which the model need not know.
        return random.OneIn(4) ? id ^ 1UL << (33 + random.Below(31)) : id;
    }

    private static ulong Value(ref SplitMix64 random) => random.Pick<ulong>(0, 0, 1, 3, 0x800, 0x1800, 0x40, 0x1000, 0x1001, 0x7FFF_FFFF_F000, 0x8000_0000_0000, random.Next());

    private static CpuidEntry[] Cpuid(ref SplitMix64 random)
    {
        CpuidTable cpuid = LocalKvm.Record.SupportedCpuid!;
        CpuidRegisters features = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        CpuidRegisters leaf7 = cpuid.Read(7);
        int change = random.Below(5);
        cpuid = change switch
        {
            0 => cpuid.With(CpuidTable.XsaveLeaf, 1, features with { Eax = features.Eax | 0xF, Ecx = 0x1800 }),
            1 => cpuid.With(CpuidTable.XsaveLeaf, 1, features with { Eax = 0 }),
            2 => cpuid.With(7, 0, leaf7 with { Ecx = leaf7.Ecx | 1u << 7, Edx = leaf7.Edx | 1u << 20 }),
            3 => cpuid.With(7, 0, leaf7 with { Ecx = leaf7.Ecx & ~(1u << 7) }),
            _ => cpuid,
        };
        return [.. cpuid.Entries];
    }
}
