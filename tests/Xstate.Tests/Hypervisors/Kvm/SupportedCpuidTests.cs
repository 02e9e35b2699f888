using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>KVM_GET_SUPPORTED_CPUID by kernel, on hosts that record none.</summary>
public class SupportedCpuidTests
{
    // Each release that brought a feature has the one before it beside it.
    private static readonly string[] Kernels =
    [
        "5.10.223", "5.11.22", "5.12.19", "5.15.189", "5.16.20", "5.17.1", "6.1.192", "6.6.30", "6.12.107", "6.13.12", "6.14.1", "6.17.13",
            "6.18.5",
        "7.0.1", "7.3.4",
    ];

    [Theory]
    [InlineData("AMX_TILE", "5.17")]
    [InlineData("AMX_INT8", "5.17")]
    [InlineData("AMX_BF16", "5.17")]
    [InlineData("AVX512_FP16", "5.11")]
    [InlineData("AVX_VNNI", "5.12")]
    [InlineData("CET_SS", "6.18")]
    [InlineData("CET_IBT", "6.18")]
    [InlineData("PKS", null)]
    [InlineData("ENQCMD", null)]
    [InlineData("INTEL_PT", null)]
    [InlineData("ARCH_LBR", null)]
    [InlineData("UINTR", null)]
    [InlineData("APX_F", null)]
    [InlineData("MONITOR", null)]
    [InlineData("ACPI", null)]
    [InlineData("HWP", null)]
    [InlineData("HYPERVISOR", "6.14")]
    [InlineData("TSC_DEADLINE", "6.14")]
    [InlineData("X2APIC", "4.0")]
    [InlineData("TSC_ADJUST", "4.0")]
    public void A_feature_is_offered_from_the_kernel_on_that_brought_it(string name, string? since)
    {
        // A processor with everything.
        CpuidTable all = SampleHosts.Open("intel-sapphire-rapids").Cpuid;
        CpuidFeature feature = CpuidFeatures.All.Single(feature => feature.Name == name);
        foreach (CpuidFeature each in CpuidFeatures.All.Where(each => each.Leaf is 1 or 7 && each.Subleaf < 2))
        {
            CpuidRegisters found = all.Read(each.Leaf, each.Subleaf);
            all = all.With(each.Leaf, each.Subleaf, found.With(each.Register, found[each.Register] | 1u << each.Bit));
        }

        foreach (string kernel in Kernels)
        {
            Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
            bool expected = since is not null && KernelRelease.TryParse(since, out KernelRelease first)
                && release.IsAtLeast(first.Major, first.Minor);
            Assert.True(expected == feature.IsIn(Supported(Host(all, kernel))), $"{name} on {kernel}");
        }
    }

    [Fact]
    public void What_KVM_emulates_is_offered_on_a_processor_without_it()
    {
        foreach (string kernel in Kernels)
        {
            CpuidTable supported = Supported(Host(SampleHosts.Open("intel-haswell").Cpuid.With(1, 0, default).With(7, 0, default), kernel));
            Assert.True(CpuidFeatures.X2apic.IsIn(supported) && CpuidFeatures.TscAdjust.IsIn(supported), kernel);
            Assert.False(CpuidFeatures.Sse3.IsIn(supported), kernel);
        }
    }

    [Fact]
    public void XFD_comes_with_AMX_and_the_instructions_of_XSAVE_are_always_offered()
    {
        CpuidTable host = SampleHosts.Open("intel-sapphire-rapids").Cpuid;
        Assert.Equal(0x1Fu, host.Read(CpuidTable.XsaveLeaf, 1).Eax & 0xFF);
        host = host.With(CpuidTable.XsaveLeaf, 1, host.Read(CpuidTable.XsaveLeaf, 1) with { Eax = 0xFF });
        foreach (string kernel in Kernels)
        {
            LinuxHost linux = Host(host, kernel);
            uint expected = linux.Behavior.Release!.Value.IsAtLeast(5, 17) ? 0x1Fu : 0xF;
            Assert.Equal((kernel, expected), (kernel, Supported(linux).Read(CpuidTable.XsaveLeaf, 1).Eax));
            StateComponentSet without = linux.UserFeatures.Except(StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData));
            Assert.Equal((kernel, expected), (kernel, SupportedCpuid.Of(linux, without).Read(CpuidTable.XsaveLeaf, 1).Eax));
        }
    }

    [Theory]
    [InlineData("amd-genoa")]
    [InlineData("amd-milan")]
    [InlineData("qemu-tcg-max")]
    public void Under_SVM_there_is_no_MPX(string host)
    {
        foreach (string kernel in Kernels)
        {
            CpuidTable cpuid = SampleHosts.Open(host).Cpuid;
            CpuidTable supported = Supported(Host(cpuid.With(7, 0, cpuid.Read(7) with { Ebx = cpuid.Read(7).Ebx | 1 << 14 | 1 << 22 }),
                kernel));
            Assert.Equal(0u, supported.Read(7).Ebx & (1 << 14 | 1 << 22));
            Assert.Equal(0UL, supported.UserComponents.Bits & 0x18);
        }
    }

    [Fact]
    public void The_leaves_of_tiles_trace_and_last_branches_are_as_empty_as_their_features()
    {
        CpuidTable host = SampleHosts.Open("intel-sapphire-rapids").Cpuid;
        foreach (string kernel in Kernels)
        {
            CpuidTable supported = Supported(Host(host, kernel));
            bool tiles = CpuidFeatures.AmxTile.IsIn(supported);
            Assert.Equal((tiles, tiles), (supported.Read(0x1D, 1) != default, supported.Read(0x1E) != default));
            Assert.Equal((default, default, default), (supported.Read(0x14), supported.Read(0x14, 1), supported.Read(0x1C)));
            Assert.Equal(new CpuidRegisters(4, 0, 0, 0), supported.Read(6));
            Assert.Equal((0x4B4D_564Bu, 0x0100_7EFBu), (supported.Read(0x4000_0000).Ebx, supported.Read(0x4000_0001).Eax));
            Assert.Equal(default, supported.Read(0x8000_0002));
        }
    }

    [Theory]
    [InlineData("lab-debian-6.1.192", "6.1.192")]
    [InlineData("lab-debian-6.12.107", "6.12.107")]
    public void On_the_hosts_whose_KVM_was_asked_the_answer_is_the_recorded_one(string folder, string kernel)
    {
        CpuidTable recorded = Read(File.ReadAllBytes(Repository.Shared("data", "kvm", folder, "kvm_cpuid2_supported.bin")));
        CpuidTable supported = Supported(Host(SampleHosts.Open("qemu-tcg-max").Cpuid, kernel));
        foreach ((uint leaf, uint subleaf) in (ReadOnlySpan<(uint, uint)>)[(1, 0), (6, 0), (7, 0), (0xD, 0), (0xD, 1), (0xD, 2), (0xD, 9),
            (0x4000_0000, 0), (0x4000_0001, 0), (0x8000_0001, 0), (0x8000_0002, 0)])
        {
            // The recording machine had one processor more and another APIC number.
            CpuidRegisters expected = leaf == 1 ? recorded.Read(1) with { Ebx = 0 } : recorded.Read(leaf, subleaf);
            CpuidRegisters found = leaf == 1 ? supported.Read(1) with { Ebx = 0 } : supported.Read(leaf, subleaf);
            Assert.True(expected == found, $"leaf {leaf:x}.{subleaf:x}: {expected}, model {found}");
        }
    }

    [Fact]
    public void What_a_record_says_of_its_own_KVM_is_kept()
    {
        HostRecord record = SampleHosts.Open("intel-sapphire-rapids");
        CpuidTable told = record.Cpuid.With(1, 0, new CpuidRegisters(1, 2, 3, 4));
        LinuxHost host = new(record with { SupportedCpuid = told, Kernel = null }, KernelBehavior.Of(new KernelRelease(6, 12, 0)));
        Assert.Equal(told.Read(1), Supported(host).Read(1));
        Assert.Equal(told.Read(0x14), Supported(host).Read(0x14));
    }

    private static CpuidTable Read(byte[] file)
    {
        List<CpuidEntry> entries = [];
        for (int at = 8; at + 40 <= file.Length; at += 40)
        {
            uint Field(int index) => BitConverter.ToUInt32(file, at + (4 * index));
            entries.Add(new CpuidEntry(Field(0), Field(1), (Field(2) & 1) != 0,
                new CpuidRegisters(Field(3), Field(4), Field(5), Field(6))));
        }

        return new CpuidTable([.. entries]);
    }

    private static CpuidTable Supported(LinuxHost host) => SupportedCpuid.Of(host, host.UserFeatures);

    private static LinuxHost Host(CpuidTable cpuid, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(new HostRecord { Name = "host", Cpuid = cpuid, Provenance = new Provenance(FactSource.Given, "test") },
            KernelBehavior.Of(release));
    }
}
