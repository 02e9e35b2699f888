using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>The model prints, line by line, what an experiment printed on six stock kernels (QEMU TCG, nested SVM, XCR0 0x21f).</summary>
public class ExperimentLogTests
{
    [Theory]
    [InlineData("lab-debian-5.10.223", "5.10.223")]
    [InlineData("lab-ubuntu-5.15.0-25", "5.15.30")]
    [InlineData("lab-ubuntu-5.19.0-50", "5.19.17")]
    [InlineData("lab-ubuntu-6.5.0-14", "6.5.3")]
    [InlineData("lab-debian-6.1.192", "6.1.192")]
    [InlineData("lab-debian-6.12.107", "6.12.107")]
    public void The_model_repeats_the_log_of_a_real_kernel(string folder, string release)
    {
        string[] log = File.ReadAllLines(Repository.Shared("data", "kvm", folder, "experiment-log.txt"));
        Assert.True(KernelRelease.TryParse(release, out KernelRelease kernel));
        KernelBehavior behavior = KernelBehavior.Of(kernel);

        // Ubuntu's 5.19.0-50 has the PKRU change of 6.2 without its exception for KVM.
        behavior = folder == "lab-ubuntu-5.19.0-50" ? behavior.Set(KernelDifference.KvmSetPkruKeep, false) : behavior;
        LinuxHost host = new(LabHost(log), behavior);

        string[] model = new ExperimentScript(() => new KvmModelMachine(host), host.Layout).Run()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);

        // Left out: lines about the machine (uname, host CPUID, leaf 7) and the probe of the readable length, which no modelled call can
        // express.
        string[] real = [.. log.SkipWhile(line => !line.StartsWith("sup d.0", StringComparison.Ordinal))
            .TakeWhile(line => !line.StartsWith("SET_XSAVE EFAULT", StringComparison.Ordinal))
            .Where(line => !line.StartsWith("XCOMP_GUEST_SUPP", StringComparison.Ordinal)
                && !line.StartsWith("FILE ", StringComparison.Ordinal))];
        Assert.Equal(real, model);
        TestContext.Current.TestOutputHelper?.WriteLine($"{real.Length} lines of {folder} compared");
    }

    private static HostRecord LabHost(string[] log)
    {
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        entries.Add(new CpuidEntry(0, 0, false, new CpuidRegisters(0xD, 0x68747541, 0x444d4163, 0x69746e65)));
        entries.Add(new CpuidEntry(1, 0, false, new CpuidRegisters(0x000A_20F0, 0, 1u << 26 | 1u << 28, 1u << 0 | 1u << 24 | 1u << 25)));
        entries.Add(new CpuidEntry(7, 0, true, new CpuidRegisters(1, 1u << 14, 1u << 3 | 1u << 4, 0)));
        foreach (string line in log.Where(line => line.StartsWith("host 0xd.", StringComparison.Ordinal)))
        {
            string[] parts = line["host 0xd.".Length..].Split(' ');
            uint[] values = [.. parts.Skip(1).Select(p => uint.Parse(p, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            entries.Add(new CpuidEntry(
                CpuidTable.XsaveLeaf, uint.Parse(parts[0], CultureInfo.InvariantCulture), true,
                new CpuidRegisters(values[0], values[1], values[2], values[3])));
        }

        return new HostRecord
        {
            Name = "lab",
            Cpuid = new CpuidTable(entries.ToImmutable()),
            Flavour = KvmFlavour.Amd,
            MxcsrMask = Mxcsr.IntelMask,
            Provenance = new Provenance(FactSource.Measured, "experiment log"),
        };
    }
}
