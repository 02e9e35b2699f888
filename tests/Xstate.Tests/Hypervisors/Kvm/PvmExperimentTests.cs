using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>
/// The logs of the seventh kernel: kvm_pvm 6.18 on a Zen 4 without PKU. Their lines are read as questions, and the model gives the same
/// answers.
/// </summary>
public partial class PvmExperimentTests
{
    private const string Folder = "pvm-6.18-thismachine";

    [Fact]
    public void The_model_answers_every_question_of_the_matrix_like_kvm_pvm()
    {
        string[] log = File.ReadAllLines(Repository.Shared("data", "kvm", Folder, "experiment-1-matrix.txt"));
        (LinuxHost host, CpuidTable supported) = Host();
        KvmModelVcpu? vcpu = null;
        int compared = 0;
        foreach (string line in log)
        {
            if (line.StartsWith("--- ", StringComparison.Ordinal))
            {
                vcpu = KvmModelMachine.CreateVcpu(host);
                SetCpuid(vcpu, line, supported);
            }
            else if (line.StartsWith("order", StringComparison.Ordinal))
            {
                break;
            }
            else if (vcpu is not null)
            {
                foreach ((KernelReply reply, string expected, string question) in Ask(vcpu, host, line))
                {
                    Assert.True((reply.IsSuccess ? "OK" : reply.Errno.ToString()) == expected,
                        $"{question}: the kernel answered {expected}, the model {reply.Errno}");
                    compared++;
                }
            }
        }

        Assert.True(compared > 200, $"only {compared} answers compared");
        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} answers compared");
    }

    [Fact]
    public void A_narrowed_CPUID_changes_nothing_on_kvm_pvm()
    {
        string[] log = File.ReadAllLines(Repository.Shared("data", "kvm", Folder, "experiment-2-cpuid-limits.txt"));
        (LinuxHost host, CpuidTable supported) = Host();
        int compared = 0;
        foreach (Match match in log.Select(line => LimitLine().Match(line)).Where(match => match.Success))
        {
            KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
            Assert.True(vcpu.SetCpuid2(Limit(supported, Hex(match.Groups["mask"].Value))).IsSuccess);
            Assert.Equal(Hex(match.Groups["eax"].Value), vcpu.Cpuid.Read(CpuidTable.XsaveLeaf).Eax);
            byte[] image = Image(host, 0xe7, Mxcsr.Initial);
            image.AsSpan(576, 256).Fill(0x77);
            image.AsSpan(1408, 1024).Fill(0x77);
            Assert.True(vcpu.SetXsave(image).IsSuccess);
            vcpu.GetXsave(out byte[] area);
            Assert.Equal((Hex(match.Groups["bv"].Value), Hex(match.Groups["sw"].Value)),
                (new XsaveArea(area).XstateBv.Bits, new XsaveArea(area).SoftwareMask));
            Assert.Equal((0x77, 0x77), (area[576], area[1408]));
            Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0xe7)]).IsSuccess);
            compared++;
        }

        Assert.Equal(7, compared);
    }

    private static IEnumerable<(KernelReply Reply, string Expected, string Question)> Ask(KvmModelVcpu vcpu, LinuxHost host, string line)
    {
        foreach (Match match in Question().Matches(line))
        {
            string answer = match.Groups["answer"].Value;
            KernelReply reply = match.Groups["kind"].Value switch
            {
                "bv=" => vcpu.SetXsave(Image(host, Hex(match.Groups["value"].Value), Mxcsr.Initial)),
                "xcomp=" => vcpu.SetXsave(With(Image(host, 7, Mxcsr.Initial), 520, Hex(match.Groups["value"].Value))),
                "rsv@" => vcpu.SetXsave(With(Image(host, 7, Mxcsr.Initial),
                    int.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture))),
                "xcr0=" => vcpu.SetXcrs(1, 0, [new XcrEntry(0, Hex(match.Groups["value"].Value))]),
                "/mxcsr" => vcpu.SetXsave(Image(host, Hex(match.Groups["bv"].Value), (uint)Hex(match.Groups["value"].Value))),
                "nr=" => vcpu.SetXcrs(uint.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture), 0, [new XcrEntry(0, 1)]),
                "flags=" => vcpu.SetXcrs(1, (uint)Hex(match.Groups["value"].Value), [new XcrEntry(0, 1)]),
                "xcr idx " => vcpu.SetXcrs(1, 0, [new XcrEntry((uint)Hex(match.Groups["value"].Value), 0)]),
                string other => throw new InvalidOperationException(other),
            };
            yield return (reply, answer, match.Value);
        }
    }

    private static void SetCpuid(KvmModelVcpu vcpu, string section, CpuidTable supported)
    {
        Match limit = LimitedSection().Match(section);
        if (limit.Success)
        {
            Assert.True(vcpu.SetCpuid2(Limit(supported, Hex(limit.Groups[1].Value))).IsSuccess);
        }
        else if (section.Contains("supported", StringComparison.Ordinal))
        {
            Assert.True(vcpu.SetCpuid2(supported.Entries.AsSpan()).IsSuccess);
        }
    }

    private static (LinuxHost Host, CpuidTable Supported) Host()
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "kvm", Folder, "kvm_cpuid2_supported.bin"));
        CpuidTable supported = Artifact.Open(stream).Cpuid!.Cpuid;
        HostRecord record = SampleHosts.Open("amd-zen4-pvm");
        return (new LinuxHost(record, KernelBehavior.Of(new KernelRelease(6, 18)).Set(KernelDifference.KvmPvmHostCpuid, true)), supported);
    }

    private static CpuidEntry[] Limit(CpuidTable cpuid, ulong mask) =>
        [.. cpuid.With(CpuidTable.XsaveLeaf, 0, cpuid.Read(CpuidTable.XsaveLeaf) with { Eax = (uint)mask,
            Edx = (uint)(mask >> 32) }).Entries];

    private static byte[] Image(LinuxHost host, ulong bv, uint mxcsr)
    {
        byte[] image = new byte[KvmModelMachine.XsaveLength];
        host.InitialLegacy.CopyTo(image);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), mxcsr);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XsaveFormat.XstateBvOffset), bv);
        return image;
    }

    private static byte[] With(byte[] image, int offset, ulong? value = null)
    {
        if (value is { } number)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(offset), number);
        }
        else
        {
            image[offset] = 1;
        }

        return image;
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(?:\bbv(?<bv>[0-9a-f]+)(?<kind>/mxcsr)|"
        + @"\b(?<kind>bv=|xcomp=|rsv@|xcr0=|nr=|flags=|xcr idx ))(?<value>[0-9a-f]+):(?<answer>OK|E[A-Z]+)")]
    private static partial Regex Question();

    [GeneratedRegex(@"0xD\.0=(?:0x)?([0-9a-f]+)")]
    private static partial Regex LimitedSection();

    [GeneratedRegex(@"^limit (?<mask>[0-9a-f]+): SET_CPUID2 OK, GET_CPUID2 0xD\.0\.eax=(?<eax>[0-9a-f]+); "
        + @"SET_XSAVE\(e7\) OK GET bv=(?<bv>[0-9a-f]+) sw464=(?<sw>[0-9a-f]+)")]
    private static partial Regex LimitLine();
}
