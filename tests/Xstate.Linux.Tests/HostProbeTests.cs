using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Linux.Tests.Kvm;
using Xstate.Linux.Tracing;

namespace Xstate.Linux.Tests;

public class HostProbeTests
{
    [Theory]
    [InlineData("6.1.0-56-cloud-amd64",
        "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 "
        + "(2026-09-01)", null, "6.1.192")]
    [InlineData("6.12.117+deb12-cloud-amd64", "Linux version 6.12.117+deb12-cloud-amd64 (x) #1 SMP Debian 6.12.117-1~deb12u1 (2026-09-01)",
        null, "6.12.117")]
    [InlineData("5.15.0-25-generic", "Linux version 5.15.0-25-generic (buildd@x) #25-Ubuntu SMP", "Ubuntu 5.15.0-25.25-generic 5.15.30",
        "5.15.30")]
    [InlineData("6.18.44-custom", "Linux version 6.18.44-custom (x@y) #1 SMP", null, "6.18.44")]
    [InlineData("6.9", "Linux version 6.9 (x@y)", "", "6.9")]
    public void A_distributions_kernel_is_known_by_the_stable_release_it_is_built_from(string release, string version, string? signature,
        string expected)
    {
        HostRecord host = new()
        {
            Name = "x",
            Cpuid = CpuidTable.Empty,
            KernelName = release,
            KernelVersion = version,
            KernelSignature = signature,
            Provenance = new Provenance(FactSource.Given, "test"),
        };
        Assert.Equal(expected, KernelBehavior.Of(host)!.Release.ToString());
    }

    [Fact]
    public void Of_the_command_line_only_what_concerns_extended_state_is_kept() =>
        Assert.Equal(["noxsaves", "clearcpuid=avx512f,600"],
            HostFacts.ParseBootWords("root=/dev/sda1 noxsaves password=secret clearcpuid=avx512f,600 clearcpuid=\u001b[2J xnopku quiet"));

    [Theory]
    [InlineData("microcode\t: 0x8301052", 0x8301052u)]
    [InlineData("model name\t: 0x5", null)]
    [InlineData("microcode\t: none", null)]
    public void The_microcode_is_read_from_cpuinfo(string line, uint? expected) =>
        Assert.Equal(expected, HostFacts.ParseMicrocode(["processor\t: 0", line]));

    [Fact]
    public void Os_release_is_read_without_its_quotes()
    {
        IReadOnlyDictionary<string, string> read = HostFacts.ParseOsRelease(["PRETTY_NAME=\"Container-Optimized OS\"", "ID=cos",
            "# no assignment", "VERSION="]);
        Assert.Equal(("Container-Optimized OS", "cos", 2), (read["PRETTY_NAME"], read["ID"], read.Count));
    }

    [Fact]
    public void This_host_is_recorded()
    {
        HostRecord record = HostProbe.Record("here");
        Assert.Equal("here", record.Name);
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), record.KernelName);
        Assert.Equal(File.ReadAllText("/proc/version").Trim(), record.KernelVersion);
        Assert.Empty(record.Probes);
        Assert.Equal(FactSource.Measured, record.Provenance.Source);
        Assert.NotEqual(0u, record.Cpuid.Read(0).Eax);
    }

    // Inferred from the vendor it would be wrong on QEMU's code generator, which has AMD's name and no bit 17.
    [Fact]
    public void MXCSR_MASK_is_the_processor_s_own_without_KVM_too()
    {
        using TracedChild child = new();
        child.GetFpregs(out byte[] fpregs);
        Assert.Equal(BinaryPrimitives.ReadUInt32LittleEndian(fpregs.AsSpan(XsaveFormat.MxcsrMaskOffset)),
            HostProbe.RecordWithoutKvm().MxcsrMask);
    }

    [Fact]
    public void What_is_probed_here_is_what_the_release_says()
    {
        HostRecord record = LocalKvm.Record;
        KernelBehavior byRelease = KernelBehavior.Of(record with { Probes = [] })!;
        Assert.NotEmpty(record.Probes);
        foreach (ProbedBehavior probe in record.Probes)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{probe.Id}: {probe.Present} ({probe.Evidence})");
            KernelDifference info = KernelDifference.Find(probe.Id)!;
            if (record.Flavour == KvmFlavour.Pvm && info == KernelDifference.KvmXssZero)
            {
                // kvm_pvm takes XSAVES away from its guests (measured), so IA32_XSS stays 0 there whatever the release offers elsewhere.
                continue;
            }

            if (byRelease.Knows(info) == Knowledge.Unknown)
            {
                // Such as whether shadow stacks were built in (CONFIG_X86_USER_SHADOW_STACK): only the probe tells.
                continue;
            }

            Assert.True(byRelease.Has(info) == probe.Present, $"{probe.Id} is {probe.Present} on {record.KernelName}: {probe.Evidence}");
        }

        Assert.DoesNotContain(record.Probes, probe => probe.Id == KernelDifference.KvmSetXfdNm.Id);
    }
}
