using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Tests.Hypervisors.Kernels;

public class KernelNamesTests
{
    // What KVM makes of an image with PKRU that the guest's CPUID hides: refused by strict kernels, else taken.
    [Theory]
    [InlineData("5.14.0-70.13.1.el9_0.x86_64", Knowledge.Present, "rhel9")]
    [InlineData("5.14.0-162.23.1.el9_1.x86_64", Knowledge.Present, "rhel9")]
    [InlineData("5.14.0-284.30.1.el9_2.x86_64", Knowledge.Present, "rhel9")]
    [InlineData("5.14.0-362.8.1.el9_3.x86_64", Knowledge.Present, "rhel9")]
    [InlineData("5.14.0-394.el9.x86_64", Knowledge.Present, "rhel9")]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", Knowledge.Absent, "rhel9")]
    [InlineData("5.14.0-427.el9", Knowledge.Absent, "rhel9")]
    [InlineData("5.14.0-503.11.1.el9_5.x86_64", Knowledge.Absent, "rhel9")]
    [InlineData("5.14.0-570.12.1.el9_6.x86_64", Knowledge.Absent, "rhel9")]
    [InlineData("6.12.0-55.9.1.el10_0.x86_64", Knowledge.Absent, "rhel10")]
    [InlineData("4.18.0-513.5.1.el8_9.x86_64", Knowledge.Unknown, "rhel8")]
    [InlineData("4.18.0-553.el8_10", Knowledge.Unknown, "rhel8")]
    [InlineData("5.15.0-25-generic", Knowledge.Absent, "ubuntu")]
    [InlineData("5.15.0-91-generic", Knowledge.Absent, "ubuntu")]
    [InlineData("5.19.0-50-generic", Knowledge.Present, "ubuntu")]
    [InlineData("6.2.0-39-generic", Knowledge.Present, "ubuntu")]
    [InlineData("6.5.0-14-generic", Knowledge.Present, "ubuntu")]
    [InlineData("6.5.0-18-generic", Knowledge.Present, "ubuntu")]
    [InlineData("6.5.0-21-generic", Knowledge.Unknown, "ubuntu")]
    [InlineData("6.5.0-41-generic", Knowledge.Absent, "ubuntu")]
    [InlineData("6.5.0-1018-aws", Knowledge.Absent, "ubuntu")]
    [InlineData("6.8.0-60-generic", Knowledge.Absent, "ubuntu")]
    [InlineData("5.10.0-30-amd64", Knowledge.Absent, "debian-abi")]
    [InlineData("6.1.0-13-amd64", Knowledge.Present, "debian-abi")]
    [InlineData("6.1.0-14-amd64", Knowledge.Absent, "debian-abi")]
    [InlineData("6.1.0-47-amd64", Knowledge.Absent, "debian-abi")]
    [InlineData("6.1.0-50-cloud-amd64", Knowledge.Absent, "debian-abi")]
    [InlineData("6.12.107+deb13-amd64", Knowledge.Absent, "debian-full")]
    [InlineData("5.15.108-1-pve", Knowledge.Absent, "proxmox")]
    [InlineData("6.2.16-4-pve", Knowledge.Present, "proxmox")]
    [InlineData("6.2.16-5-pve", Knowledge.Present, "proxmox")]
    [InlineData("6.2.16-19-pve", Knowledge.Absent, "proxmox")]
    [InlineData("6.8.12-9-pve", Knowledge.Absent, "proxmox")]
    [InlineData("6.4.0-150600.23.25-default", Knowledge.Absent, "suse")]
    [InlineData("5.14.21-150400.24.100-default", Knowledge.Unknown, "suse")]
    [InlineData("5.14.21-150500.55.39-default", Knowledge.Unknown, "suse")]
    [InlineData("6.1.55-75.123.amzn2023.x86_64", Knowledge.Present, "amazon-linux")]
    [InlineData("6.1.61-85.141.amzn2023.x86_64", Knowledge.Absent, "amazon-linux")]
    [InlineData("6.1.97-104.177.amzn2023", Knowledge.Absent, "amazon-linux")]
    [InlineData("5.15.0-205.149.5.1.el9uek.x86_64", Knowledge.Unknown, "oracle-uek7")]
    [InlineData("6.5.8-200.fc38.x86_64", Knowledge.Present, "fedora")]
    [InlineData("5.10.0-136.12.0.86.oe2203sp1.x86_64", Knowledge.Unknown, "openeuler")]
    [InlineData("linux-6.1.40", Knowledge.Present, "mainline")]
    [InlineData("linux-6.1", Knowledge.Absent, "mainline")]
    [InlineData("6.1.40-custom", Knowledge.Present, "none")]
    [InlineData("6.1.0-custom", Knowledge.Unknown, "none")]
    [InlineData("6.1.75+", Knowledge.Absent, "none")]
    [InlineData("6.1.40.1-microsoft-standard-WSL2", Knowledge.Present, "none")]
    [InlineData("6.1.y", Knowledge.Unknown, "none")]
    [InlineData("5.14.0-427", Knowledge.Unknown, "none")]
    public void A_name_is_read_as_its_distribution_counts(string name, Knowledge strict, string family)
    {
        KernelBehavior kernel = Read(name);
        Assert.Equal((family, strict), (kernel.Reading.Family, kernel.Knows(KernelDifference.KvmSetStrictCpuid)));
    }

    [Theory]
    [InlineData("6.1.0-47-amd64", "Debian 6.1.0-47-amd64 (6.1.170)")]
    [InlineData("linux-6.1.40", "linux-6.1.40")]
    [InlineData("6.1.75+", "6.1.75+ (6.1.75, assumed): no known distribution's; its number is taken on trust")]
    [InlineData("linux-8.1", "linux-8.1: newer than 7.3.4, the newest that was read: taken for that one")]
    [InlineData("6.1.0-45-amd64", "Debian 6.1.0-45-amd64 (6.1.170, inferred)")]
    [InlineData("6.1.0-99-amd64",
        "Debian 6.1.0-99-amd64 (6.1.192, inferred): newer than build 57, the newest of 6.1 that was read: taken for that one")]
    [InlineData("4.18.0-553.el8_10.x86_64", "RHEL 8 4.18.0-553.el8_10.x86_64 (4.18 with backports, assumed)")]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", "RHEL 9 5.14.0-427.13.1.el9_4.x86_64 (5.14 with backports)")]
    [InlineData("6.5.0-18-generic", "Ubuntu 6.5.0-18-generic (6.5.8)")]
    [InlineData("6.12.107+deb13-amd64", "Debian 6.12.107+deb13-amd64 (6.12.107)")]
    [InlineData("6.1.97-104.177.amzn2023", "Amazon Linux 6.1.97-104.177.amzn2023 (6.1.97, inferred)")]
    public void What_is_printed_is_what_was_given(string name, string text) => Assert.Equal(text, Read(name).Reading.ToString());

    [Theory]
    [InlineData("6.19-rc5")]
    [InlineData("linux-6.19.0-rc5")]
    [InlineData("6.19.0-rc5-next-20260101")]
    public void Before_its_release_a_series_may_lack_what_it_brings(string name)
    {
        KernelBehavior kernel = Read(name);
        Assert.Equal(Knowledge.Unknown, kernel.Knows(KernelDifference.KvmSetXfdNm));
        Assert.Equal(Knowledge.Unknown, kernel.Knows(KernelDifference.KvmPkruWide));
        Assert.Equal(Knowledge.Absent, kernel.Knows(KernelDifference.KvmSetStrictCpuid));
    }

    [Theory]
    [InlineData("Linux version 6.1.0-47-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP Debian 6.1.170-3 (2026-05-01)",
        "6.1.0-47-amd64", "6.1.170")]
    [InlineData("Linux version 6.5.0-21-generic (buildd@host) (gcc) #21~22.04.1-Ubuntu SMP (Ubuntu 6.5.0-21.21~22.04.1-generic 6.5.8)",
        "6.5.0-21-generic", "6.5.8")]
    [InlineData("Ubuntu 6.5.0-21.21~22.04.1-generic 6.5.13", "6.5.0-21-generic", "6.5.13")]
    public void The_text_of_the_kernel_tells_the_base(string text, string name, string release)
    {
        KernelReading reading = Read(text).Reading;
        Assert.Equal((name, release, "signature"), (reading.Name, reading.Base, reading.Confidence));
    }

    [Theory]
    [InlineData("")]
    [InlineData("linux-")]
    [InlineData("6")]
    [InlineData("6.1.40 generic")]
    [InlineData("6.1.40\u001b[31m")]
    [InlineData("linux-6.1.4x")]
    [InlineData("6.1.0-47-amd64\nLinux")]
    [InlineData("el9")]
    [InlineData("v6.12")]
    [InlineData("ubuntu-22.04")]
    [InlineData("6.1.99999999999")]
    [InlineData("9999999.1.2-talos")]
    [InlineData("6.1.99999-1-pve")]
    public void What_names_no_kernel_is_refused(string name) => Assert.False(KernelNames.TryRead(name, KernelEvidence.None, out _, out _));

    [Theory]
    [InlineData("6.19-rc5-amd64")]
    [InlineData("6.19.0-0.rc5.20260101git1.44.fc44.x86_64")]
    public void A_distributions_candidate_is_not_the_release(string name) =>
        Assert.Equal(Knowledge.Unknown, Read(name).Knows(KernelDifference.KvmSetXfdNm));

    [Theory]
    [InlineData("6.1.60-rc1", Knowledge.Unknown)]
    [InlineData("6.1.59-rc1", Knowledge.Present)]
    [InlineData("6.1.61-rc2", Knowledge.Absent)]
    public void A_candidate_of_a_stable_release_has_what_that_one_and_the_one_before_agree_on(string name, Knowledge strict) =>
        Assert.Equal(strict, Read(name).Knows(KernelDifference.KvmSetStrictCpuid));

    // A compiler's version stands in /proc/version too.
    [Theory]
    [InlineData("Linux version 5.15.0-91-generic (b@h) (gcc (Ubuntu 9.4.0-1ubuntu1~20.04.1) 9.4.0, GNU ld) #101-Ubuntu SMP", "5.15.131")]
    [InlineData("Linux version 6.1.0-13-amd64 (d@l) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld) #1 SMP PREEMPT_DYNAMIC x", "6.1.55")]
    public void A_compilers_version_is_not_the_kernels(string text, string release) => Assert.Equal(release, Read(text).Reading.Base);

    [Theory]
    [InlineData("5.14.0-284.30.1.el9_2.x86_64", Knowledge.Present)]
    [InlineData("5.14.0-284.99.1.el9_2.x86_64", Knowledge.Unknown)]
    [InlineData("5.14.0-70.13.1.el9_0.x86_64", Knowledge.Unknown)]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", Knowledge.Unknown)]
    [InlineData("6.12.0-55.9.1.el10_0.x86_64", Knowledge.Unknown)]
    [InlineData("4.18.0-553.el8_10", Knowledge.Unknown)]
    public void A_backport_to_RHEL_that_nobody_read_of_is_unknown(string name, Knowledge known) =>
        Assert.Equal(known, Read(name).Knows(KernelDifference.KvmSetXfdNm));

    [Theory]
    [InlineData("5.4.0-216-generic", "KVM-CPUID-80 KVM-XSS-NO-READ PTRACE-RAW", "KVM-XSAVE-DYN")]
    [InlineData("5.15.0-204-generic", "KVM-GET-SWMASK KVM-SET-HDR-STRICT X86FPU-PKRU-SHOWN PTRACE-PKRU-IGN",
        "KVM-GET-RAW KVM-XSAVE-DYN KVM-GET-NOTRIM KVM-CR0-UNCHECKED")]
    [InlineData("5.19.0-50-generic", "KVM-SET-STRICT-CPUID PTRACE-PKRU-INIT KVM-CR0-UNCHECKED", "KVM-SET-PKRU-KEEP PTRACE-PKRU-IGN")]
    [InlineData("6.8.0-149-generic", "KVM-EFER-CPUID", "KVM-SET-STRICT-CPUID KVM-CR0-UNCHECKED")]
    [InlineData("6.5.0-45-generic", "KVM-CR4-NOCPUID", "KVM-SET-STRICT-CPUID KVM-CR0-UNCHECKED")]
    public void Ubuntus_kernels_are_as_they_were_measured(string name, string present, string absent)
    {
        KernelBehavior kernel = Read(name);
        Assert.All(present.Split(' '), id => Assert.Equal((id, Knowledge.Present), (id, kernel.Knows(KernelDifference.Find(id)!))));
        Assert.All(absent.Split(' '), id => Assert.Equal((id, Knowledge.Absent), (id, kernel.Knows(KernelDifference.Find(id)!))));
    }

    // Whatever is given is read as itself or refused.
    [Fact]
    public void A_damaged_name_is_read_whole_or_refused()
    {
        const string Letters = "0123456789.-_+~abcdelmprsvx_ \u001b,=@";
        SplitMix64 random = new(0x5EED_0C12);
        string[] kinds = ["debian", "ubuntu", "rhel9", "proxmox", "mainline"];
        int read = 0;
        for (int i = 0; i < 4_000; i++)
        {
            char[] name = Forms(random.Pick(kinds), ref random).Name.ToCharArray();
            for (int k = random.Below(4); k >= 0; k--)
            {
                name[random.Below(name.Length)] = Letters[random.Below(Letters.Length)];
            }

            string damaged = new(name);
            if (KernelNames.TryRead(damaged, KernelEvidence.None, out KernelBehavior? kernel, out string error))
            {
                read++;
                string plain = damaged.Trim();
                Assert.Contains(kernel.Name, (string[])[plain, $"linux-{plain}", plain.Replace("linux-", "", StringComparison.Ordinal)]);
                Assert.Equal(kernel.Name, kernel.Reading.Name);
                Assert.DoesNotContain(kernel.Name, char.IsControl);
            }
            else
            {
                Assert.NotEqual("", error);
            }
        }

        Assert.InRange(read, 400, 3_600);
    }

    // Ten forms a kind that mean the same kernel, and what stands beside a name and does not change it.
    [Theory]
    [InlineData("debian")]
    [InlineData("ubuntu")]
    [InlineData("rhel9")]
    [InlineData("proxmox")]
    [InlineData("mainline")]
    public void Other_forms_of_a_name_are_the_same_kernel(string kind)
    {
        SplitMix64 random = new((ulong)kind.Length * 7919);
        for (int i = 0; i < 10; i++)
        {
            (string name, string[] others) = Forms(kind, ref random);
            KernelBehavior kernel = Read(name);
            foreach (string other in others)
            {
                KernelBehavior same = Read(other);
                Assert.Equal((other, kernel.Reading.Base), (other, same.Reading.Base));
                Assert.All(KernelDifference.All, difference => Assert.Equal((other, difference.Id, kernel.Knows(difference)),
                    (other, difference.Id, same.Knows(difference))));
            }
        }
    }

    // What looks like a distribution's name and is none is never read as one, and never as the release that its first numbers are.
    [Theory]
    [InlineData("debian")]
    [InlineData("ubuntu")]
    [InlineData("rhel9")]
    [InlineData("proxmox")]
    public void Wrong_forms_of_a_name_settle_nothing(string kind)
    {
        SplitMix64 random = new((ulong)kind.Length * 104_729);
        for (int i = 0; i < 10; i++)
        {
            string name = Forms(kind, ref random).Name;
            int at = name.IndexOf('-', StringComparison.Ordinal);
            string wrong = random.Below(3) switch
            {
                0 => name[..at],
                1 => $"{name}+fork{random.Below(9)}",
                _ => $"{name[..at]}-{random.Below(100)}-mine",
            };
            KernelBehavior read = Read(wrong);
            Assert.Equal((wrong, wrong.Contains('-', StringComparison.Ordinal) || read.Reading.Base.EndsWith(".0",
                StringComparison.Ordinal) || wrong.EndsWith(".0", StringComparison.Ordinal) ? "none" : "mainline"),
                (wrong, read.Reading.Family));
            Assert.True(!wrong.Contains(".0-", StringComparison.Ordinal) || read.Unknown.Any(), wrong);
        }
    }

    private static (string Name, string[] Others) Forms(string kind, ref SplitMix64 random)
    {
        int build = 1 + random.Below(57);
        string[] series = ["427.13.1.el9_4", "284.30.1.el9_2", "503.11.1.el9_5", "162.6.1.el9_1"];
        string rhel = $"5.14.0-{random.Pick(series)}";
        int ubuntu = 25 + random.Below(170);
        string pve = $"6.{random.Pick(2, 5, 8)}.{1 + random.Below(16)}-{1 + random.Below(20)}";
        string release = $"{5 + random.Below(2)}.{1 + random.Below(19)}.{1 + random.Below(90)}";
        return kind switch
        {
            "debian" => ($"6.1.0-{build}-amd64", [$"linux-6.1.0-{build}-amd64", $"6.1.0-{build}-cloud-amd64", $"6.1.0-{build}-rt-amd64",
                $"6.1.0-0.deb11.{build}-amd64", $"Linux version 6.1.0-{build}-amd64 (x@y) #1 SMP"]),
            "ubuntu" => ($"5.15.0-{ubuntu}-generic", [$"linux-5.15.0-{ubuntu}-generic", $"5.15.0-{ubuntu}-lowlatency",
                $"Linux version 5.15.0-{ubuntu}-generic (x@y) #1"]),
            "rhel9" => ($"{rhel}.x86_64", [rhel, $"linux-{rhel}", $"{rhel}.x86_64+debug", $"{rhel}.x86_64+rt",
                $"Linux version {rhel}.x86_64 (x@y) #1"]),
            "proxmox" => ($"{pve}-pve", [$"linux-{pve}-pve", $"{pve}-bpo11-pve", $"Linux version {pve}-pve (x@y) #1"]),
            _ => ($"linux-{release}", [release, $"{release}-custom", $"{release}-200.fc40.x86_64", $"{release}-talos"]),
        };
    }

    [Fact]
    public void Only_os_release_makes_a_plus_Container_Optimized_OS()
    {
        Assert.True(KernelNames.TryRead("6.1.75+", new KernelEvidence(OsId: "cos"), out KernelBehavior? kernel, out _));
        Assert.Equal("cos", kernel.Reading.Family);
    }

    private static KernelBehavior Read(string name)
    {
        Assert.True(KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error), error);
        return kernel;
    }
}
