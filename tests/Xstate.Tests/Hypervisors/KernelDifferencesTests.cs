using System.Reflection;
using Xstate.Captures;
using Xstate.Hypervisors;

namespace Xstate.Tests.Hypervisors;

public class KernelDifferencesTests
{
    [Fact]
    public void Every_difference_that_is_declared_stands_in_the_table_once()
    {
        IEnumerable<KernelDifference> declared = typeof(KernelDifference)
            .GetFields(BindingFlags.NonPublic | BindingFlags.Static).Where(field => field.FieldType == typeof(KernelDifference))
            .Select(field => (KernelDifference)field.GetValue(null)!);
        Assert.Equal(declared.Select(difference => difference.Id).Order(StringComparer.Ordinal),
            KernelDifference.All.Select(difference => difference.Id).Order(StringComparer.Ordinal));
        Assert.Equal(KernelDifference.All.Length, KernelDifference.All.Select(info => info.Id).Distinct().Count());
    }

    [Theory]
    [InlineData("KVM-GET-RAW", "5.15.190 5.10", "5.16.0 6.12")]
    [InlineData("KVM-GET-NOTRIM", "5.16.0 5.16.15 5.16", "5.15 5.17")]
    [InlineData("KVM-SET-STRICT-CPUID", "5.17 5.19.0 6.1.0 6.1.59 6.2 6.4 6.5.0 6.5.8", "5.15 5.16.0 5.16.20 6.1.60 6.1 6.5.9 6.6.0 6.12")]
    [InlineData("KVM-SET-FPSSE-REJECT", "5.17 5.18 5.19.0 5.19.11", "5.16.0 5.19.12 6.0 6.1.0")]
    [InlineData("KVM-GET-NOCPUID", "5.16.0 5.19 6.1.40 6.5.0", "5.15 6.1.60 6.5.9 6.6")]
    [InlineData("KVM-SET-HDR-STRICT", "5.16.0 6.12", "5.15")]
    [InlineData("KVM-XSAVE-DYN", "5.17 6.12", "5.16")]
    [InlineData("KVM-SET-XFD-NM", "5.17 6.6.121 6.8 6.12.10 6.18.0", "5.16 6.6.122 6.12 6.18 6.19")]
    [InlineData("KVM-SET-XFD-NM", "6.1.161 6.12.66 6.18.6", "6.1.162 6.12.67 6.18.7")]
    [InlineData("KVM-CPUID-INDEX", "4.19 5.4 5.10", "6.1 6.12 7.2")]
    [InlineData("KVM-CR4-NOCPUID", "6.1 6.12 6.13", "6.14 7.2")]
    [InlineData("KVM-EFER-CPUID", "6.12.112 6.12.117 7.2.13 7.3", "6.1.192 6.12.43 6.12.107 6.12.111 6.14 7.1")]
    [InlineData("KVM-XTILE-HALF", "5.17 6.3", "6.4 5.16")]
    [InlineData("KVM-XSS-ZERO", "5.10 6.17", "6.18")]
    [InlineData("KVM-INIT-XSS-ZERO", "5.16", "5.17")]
    [InlineData("KVM-INIT-CET", "6.18", "6.17")]
    [InlineData("KVM-PKRU-WIDE", "6.19", "6.18")]
    [InlineData("X86FPU-TILES", "5.16 6.12", "5.15")]
    [InlineData("X86FPU-APX", "6.16 7.2", "6.15")]
    [InlineData("PTRACE-PKRU-IGN", "5.14 5.15.87 6.0 6.1.0 6.1.5", "5.13 5.15.88 6.1.6 6.2")]
    [InlineData("PTRACE-PKRU-INIT", "5.13 5.15.88 6.1.6 6.2", "5.14 6.1.5 5.15.87")]
    public void A_difference_begins_and_ends_with_its_releases(string id, string having, string lacking)
    {
        KernelDifference difference = KernelDifference.Find(id)!;
        foreach (string release in having.Split(' '))
        {
            Assert.True(Kernel(release).Has(difference), $"{release} has {id}");
        }

        foreach (string release in lacking.Split(' '))
        {
            Assert.False(Kernel(release).Has(difference), $"{release} lacks {id}");
        }
    }

    [Fact]
    public void What_was_probed_wins_over_the_release()
    {
        HostRecord host = new()
        {
            Name = "patched",
            Cpuid = Xstate.Architecture.CpuidTable.Empty,
            Kernel = new KernelRelease(6, 1, 40),
            Probes = [new ProbedBehavior("KVM-SET-STRICT-CPUID", Present: false, "a distribution's backport")],
            Provenance = new Provenance(FactSource.Measured, "test"),
        };
        Assert.False(KernelBehavior.Of(host)!.Has(KernelDifference.KvmSetStrictCpuid));
        Assert.True(KernelBehavior.Of(host with { Probes = [] })!.Has(KernelDifference.KvmSetStrictCpuid));
    }

    [Fact]
    public void The_pvm_flavour_brings_its_own_difference()
    {
        HostRecord host = new()
        {
            Name = "pvm",
            Cpuid = Xstate.Architecture.CpuidTable.Empty,
            Kernel = new KernelRelease(6, 18),
            Flavour = KvmFlavour.Pvm,
            Provenance = new Provenance(FactSource.Measured, "test"),
        };
        Assert.True(KernelBehavior.Of(host)!.Has(KernelDifference.KvmPvmHostCpuid));
        Assert.False(KernelBehavior.Of(host with { Flavour = KvmFlavour.Amd })!.Has(KernelDifference.KvmPvmHostCpuid));
    }

    private static KernelBehavior Kernel(string text)
    {
        Assert.True(KernelRelease.TryParse(text, out KernelRelease release));
        return KernelBehavior.Of(release);
    }
}
