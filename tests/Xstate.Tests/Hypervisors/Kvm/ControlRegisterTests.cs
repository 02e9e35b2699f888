using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>
/// What KVM_SET_SREGS takes of CR0, CR3, CR4 and EFER, by kernel, with ten and more seeded variants a rule. The rows were measured on
/// kernels from 5.4 to 7.3 over QEMU's code generator.
/// </summary>
public class ControlRegisterTests
{
    private const ulong Seed = 20261130;
    private const int Variants = 16;
    private const ulong Pae = 1 << 5;
    private const ulong Unconditional = 0x7FF;
    private const ulong NeverOffered = 1UL << 14 | 1UL << 15 | 1UL << 19 | 1UL << 24 | 1UL << 25 | 0xFFFF_FFFF_C000_0000 | 1UL << 26
        | 1UL << 27 | 1UL << 29;
    private static readonly string[] Kernels = ["5.10.262", "5.15.189", "5.19.17", "6.1.192", "6.5.13", "6.12.107", "6.12.117", "6.18.5",
        "7.2.13", "7.3.4"];
    private static readonly string[] Hosts = ["intel-sapphire-rapids", "intel-icelake", "amd-genoa", "qemu-tcg-max"];

    // Bit and the feature of leaf 7 or 1 that it needs.
    private static readonly (int Bit, uint Leaf, CpuidRegister Register, int FeatureBit)[] Conditional =
    [
        (11, 7, CpuidRegister.Ecx, 2), (12, 7, CpuidRegister.Ecx, 16), (13, 1, CpuidRegister.Ecx, 5), (16, 7, CpuidRegister.Ebx, 0),
            (17, 1, CpuidRegister.Ecx, 17),
        (18, 1, CpuidRegister.Ecx, 26), (20, 7, CpuidRegister.Ebx, 7), (21, 7, CpuidRegister.Ebx, 20), (22, 7, CpuidRegister.Ecx, 3),
    ];

    public static TheoryData<string, string> Matrix()
    {
        TheoryData<string, string> data = [];
        foreach (string host in Hosts)
        {
            foreach (string kernel in Kernels)
            {
                data.Add(host, kernel);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void CR4_takes_what_the_guests_CPUID_has_and_never_a_bit_that_KVM_offers_to_nobody(string host, string kernel)
    {
        SplitMix64 random = new(Seed);
        CpuidTable supported = Supported(Host(host, kernel));
        for (int variant = 0; variant < Variants; variant++)
        {
            KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host(host, kernel));
            CpuidTable cpuid = supported;
            ulong allowed = Unconditional;
            foreach ((int bit, uint leaf, CpuidRegister register, int feature) in Conditional)
            {
                bool hidden = random.OneIn(3);
                CpuidRegisters found = cpuid.Read(leaf);
                cpuid = hidden ? cpuid.With(leaf, 0, found.With(register, found[register] & ~(1u << feature))) : cpuid;
                allowed |= (cpuid.Read(leaf)[register] >> feature & 1) != 0 ? 1UL << bit : 0;
            }

            Assert.True(vcpu.SetCpuid2(cpuid.Entries.AsSpan()).IsSuccess);
            ulong good = random.Next() & allowed;
            Assert.True(SetCr4(vcpu, good).IsSuccess, $"0x{good:x}");
            foreach (ulong bad in (ReadOnlySpan<ulong>)[1UL << random.Pick(14, 15, 19, 24, 25, 26, 27, 29, 31, 32, 36, 63),
                OneOf(ref random, NeverOffered), OneOf(ref random, ~allowed & 0x377800)])
            {
                KernelReply reply = SetCr4(vcpu, good | bad);
                Assert.True(bad == 0 || (reply.Errno, reply.Why?.Rule.Id) == (Errno.EINVAL, "XS0306"),
                    $"0x{good | bad:x} of 0x{allowed:x}: {reply}");
            }

            vcpu.GetControlRegisters(out KvmControlRegisters kept);
            Assert.Equal(good, kept.Cr4);
        }
    }

    [Theory]
    [InlineData("6.12.107", true)]
    [InlineData("6.13.0", true)]
    [InlineData("6.14.0", false)]
    [InlineData("7.2.13", false)]
    [InlineData("7.3.4", false)]
    public void Before_KVM_SET_CPUID2_CR4_is_checked_against_the_host_or_against_nothing(string kernel, bool hostDecides)
    {
        CpuidTable supported = Supported(Host("intel-sapphire-rapids", kernel));
        foreach ((int bit, uint leaf, CpuidRegister register, int feature) in Conditional)
        {
            bool offered = (supported.Read(leaf)[register] >> feature & 1) != 0;
            Assert.True(offered, $"bit {bit} of a host that has all of them");
            Assert.Equal(hostDecides, SetCr4(KvmModelMachine.CreateVcpu(Host("intel-sapphire-rapids", kernel)), 1UL << bit).IsSuccess);
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Long_mode_needs_PAE_and_LMA_and_other_modes_neither_LMA_nor_64_bit_code(string host, string kernel)
    {
        SplitMix64 random = new(Seed);
        for (int variant = 0; variant < Variants; variant++)
        {
            KvmModelVcpu vcpu = Vcpu(host, kernel);
            ulong cr4 = random.Next() & 0x7DF;
            KvmControlRegisters good = new(0x8000_0011, random.Next() & 0xFFFF_F000, cr4 | Pae, 0x500);
            Assert.True(vcpu.SetControlRegisters(good).IsSuccess);
            foreach (KvmControlRegisters bad in (ReadOnlySpan<KvmControlRegisters>)
                [
                    good with { Cr4 = cr4 },
                    good with { Efer = 0x100 },
                    good with { Efer = 0x400 },
                    good with { Cr0 = 0x11 },
                    good with { Cr3 = good.Cr3 | 1UL << random.Pick(52, 53, 60, 63) },
                    new(0x11, 0, cr4, 0x400),
                ])
            {
                KernelReply reply = vcpu.SetControlRegisters(bad);
                Assert.True((reply.Errno, reply.Why?.Rule.Id) == (Errno.EINVAL, "XS0312"), $"{bad}: {reply}");
            }

            Assert.True(vcpu.SetControlRegisters(new(0x11, ulong.MaxValue, cr4, 0x100)).IsSuccess);
        }
    }

    [Theory]
    [InlineData("5.10.262", false)]
    [InlineData("5.15.123", false)]
    [InlineData("5.15.189", true)]
    [InlineData("5.19.17", false)]
    [InlineData("6.1.192", true)]
    [InlineData("6.5.0", true)]
    [InlineData("6.12.117", true)]
    [InlineData("7.3.4", true)]
    public void CR0_is_checked_from_6_5_on_and_where_that_was_carried_back(string kernel, bool isChecked)
    {
        SplitMix64 random = new(Seed);
        for (int variant = 0; variant < Variants; variant++)
        {
            KvmModelVcpu vcpu = Vcpu("amd-genoa", kernel);
            foreach (ulong bad in (ReadOnlySpan<ulong>)[0x11 | 1UL << (32 + random.Below(32)), 0x2000_0011,
                0x2000_0010 | random.Next() & 0xFFFF, 0x8000_0010 | random.Next() & 0xE])
            {
                KernelReply reply = vcpu.SetControlRegisters(new(bad, 0, Pae, 0));
                Assert.True(isChecked ? (reply.Errno, reply.Why?.Rule.Id) == (Errno.EINVAL, "XS0311") : reply.IsSuccess,
                    $"0x{bad:x}: {reply}");
            }

            Assert.True(vcpu.SetControlRegisters(new(random.Next() & 0x1FFF_FFFF | 0x6000_0011, 0, 0, 0)).IsSuccess);
        }
    }

    [Theory]
    [InlineData("6.12.107", false)]
    [InlineData("6.12.112", true)]
    [InlineData("6.12.117", true)]
    [InlineData("6.18.5", false)]
    [InlineData("7.2.13", true)]
    [InlineData("7.3.4", true)]
    public void EFER_takes_only_what_KVM_and_the_guests_CPUID_know_on_kernels_that_look(string kernel, bool looks)
    {
        SplitMix64 random = new(Seed);
        for (int variant = 0; variant < Variants; variant++)
        {
            // Bits that no kernel knows; SVME, FFXSR and AUTOIBRS on Intel; NX for a guest without it.
            KvmModelVcpu intel = Vcpu("intel-icelake", kernel);
            foreach (ulong bad in (ReadOnlySpan<ulong>)[2, 8, 1UL << random.Pick(1, 2, 3, 9, 16, 22, 31, 40, 63), 0x1000, 0x4000,
                0x20_0000])
            {
                Assert.Equal(looks ? Errno.EINVAL : Errno.None, SetEfer(intel, bad));
            }

            Assert.Equal(Errno.None, SetEfer(intel, random.Next() & 0x901));

            KvmModelVcpu amd = Vcpu("amd-genoa", kernel);
            Assert.Equal(Errno.None, SetEfer(amd, random.Next() & 0x20_5901));
            LinuxHost host = Host("amd-genoa", kernel);
            CpuidTable supported = Supported(host);
            CpuidRegisters extended = supported.Read(0x8000_0001);
            KvmModelVcpu less = KvmModelMachine.CreateVcpu(host);
            less.SetCpuid2(supported.With(0x8000_0001, 0,
                extended with { Ecx = extended.Ecx & ~4u, Edx = extended.Edx & ~(1u << 20 | 1u << 25 | 1u << 29) }).Entries.AsSpan());
            foreach (ulong bad in (ReadOnlySpan<ulong>)[0x100, 0x800, 0x1000, 0x4000, 0x900])
            {
                Assert.Equal(looks ? Errno.EINVAL : Errno.None, SetEfer(less, bad));
            }
        }
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(11, true)]
    [InlineData(12, false)]
    [InlineData(13, false)]
    [InlineData(16, true)]
    [InlineData(17, false)]
    [InlineData(20, true)]
    [InlineData(21, true)]
    [InlineData(22, true)]
    [InlineData(23, false)]
    [InlineData(24, false)]
    public void Kvm_pvm_takes_the_same_bits_from_every_guest(int bit, bool taken)
    {
        // Measured on kvm_pvm 6.18, with and without CPUID.
        HostRecord record = new()
        {
            Name = "pvm",
            Cpuid = SampleHosts.Open("amd-zen4-pvm").Cpuid,
            Flavour = KvmFlavour.Pvm,
            Provenance = new Provenance(FactSource.Given, "test")
        };
        LinuxHost host = new(record, KernelBehavior.Of(new KernelRelease(6, 18, 44)).Set(KernelDifference.KvmPvmHostCpuid, true));
        Assert.Equal(taken, SetCr4(KvmModelMachine.CreateVcpu(host), 1UL << bit).IsSuccess);
    }

    private static ulong OneOf(ref SplitMix64 random, ulong bits)
    {
        if (bits == 0)
        {
            return 0;
        }

        ulong bit;
        do
        {
            bit = 1UL << random.Below(64);
        }
        while ((bits & bit) == 0);
        return bit;
    }

    private static KernelReply SetCr4(KvmModelVcpu vcpu, ulong value)
    {
        vcpu.GetControlRegisters(out KvmControlRegisters now);
        return vcpu.SetControlRegisters(now with { Cr4 = value });
    }

    private static Errno SetEfer(KvmModelVcpu vcpu, ulong value)
    {
        KernelReply reply = vcpu.SetControlRegisters(new(0x6000_0010, 0, 0, value & ~0x400UL));
        Assert.True(reply.IsSuccess || reply.Why?.Rule.Id == "XS0306");
        return reply.Errno;
    }

    private static KvmModelVcpu Vcpu(string host, string kernel)
    {
        LinuxHost modelled = Host(host, kernel);
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(modelled);
        Assert.True(vcpu.SetCpuid2(Supported(modelled).Entries.AsSpan()).IsSuccess);
        return vcpu;
    }

    private static CpuidTable Supported(LinuxHost host) => SupportedCpuid.Of(host, host.DefaultUserFeatures);

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new()
        {
            Name = name,
            Cpuid = SampleHosts.Open(name).Cpuid,
            Provenance = new Provenance(FactSource.Given, "test")
        };
        return new LinuxHost(record, KernelBehavior.Of(release));
    }
}
