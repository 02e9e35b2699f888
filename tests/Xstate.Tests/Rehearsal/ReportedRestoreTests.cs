using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>Restores that users of VMMs reported, each with what became of it.</summary>
public class ReportedRestoreTests
{
    [Fact]
    public void A_Firecracker_snapshot_without_IA32_XSS_breaks_a_guest_with_shadow_stacks()
    {
        // superfly/firecracker 10, April 2026: the first XRSTORS after the resume faults.
        LinuxHost host = CetGuest.Host("amd-turin", "6.18");
        TargetOutcome outcome = Rehearse(CetGuest.Of(host, null), host, "firecracker");
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        Assert.Contains("0xda0", Assert.Single(outcome.Findings, finding => finding.Rule.Id == "XS0401").Mend,
            StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("6.12", "firecracker", "up to 6.17")]
    [InlineData("6.17", "dragonball", "up to 6.17")]
    [InlineData("5.15", "firecracker", "up to 6.17")]
    public void A_guest_with_IA32_XSS_does_not_go_back_to_an_older_kernel(string kernel, string vmm, string since)
    {
        TargetOutcome outcome = Rehearse(CetGuest.Of(CetGuest.Host("amd-turin", "6.18"), 0x1800), CetGuest.Host("amd-turin", kernel), vmm);
        Assert.Equal((Verdict.Refused, "KVM_SET_MSRS"), (outcome.Verdict, outcome.RefusedCall));
        Assert.Contains(since, Assert.Single(outcome.Findings, finding => finding.Rule.Id == "XS0402").Since, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amd-rome")]
    [InlineData("amd-milan")]
    public void Host_passthrough_on_Zen_4_does_not_go_to_Zen_2_or_3(string target)
    {
        // A KubeVirt report of August 2026.
        LinuxHost genoa = CetGuest.Host("amd-genoa", "6.8");
        Capture capture = WithAvx512(CetGuest.Of(genoa, null), genoa);
        TargetOutcome outcome = Rehearse(capture, CetGuest.Host(target, "6.8"), "qemu");
        Assert.Equal(Verdict.Refused, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0102");
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0506"
            && finding.Message.Contains("opmask", StringComparison.Ordinal));

        // AVX is at 576 on both: nobody moves it.
        Assert.DoesNotContain(outcome.Repairs, step => step.Message.Contains("moved", StringComparison.Ordinal)
            && step.Message.Contains("avx", StringComparison.Ordinal));
    }

    [Fact]
    public void A_guest_that_left_AVX_512_off_loads_but_its_next_XSETBV_faults()
    {
        LinuxHost genoa = CetGuest.Host("amd-genoa", "6.8");
        Capture capture = CetGuest.Of(genoa, null);
        capture = capture with
        {
            States = [capture.States[0] with { Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(0x207),
            FactSource.Artifact, "struct kvm_xcrs") }]
        };
        TargetOutcome outcome = Rehearse(capture, CetGuest.Host("amd-milan", "6.8"), "qemu");
        Assert.Null(outcome.RefusedCall);
        Assert.NotEqual(Verdict.Same, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0506"
            && finding.Message.Contains("XSETBV takes #GP", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("cloud-hypervisor-29", Verdict.Refused)]
    [InlineData("cloud-hypervisor-50", Verdict.Refused)]
    [InlineData("cloud-hypervisor", Verdict.Same)]
    [InlineData("firecracker", Verdict.Refused)]
    [InlineData("dragonball", Verdict.Refused)]
    [InlineData("qemu", Verdict.Same)]
    [InlineData("crosvm", Verdict.Same)]
    [InlineData("stratovirt", Verdict.Same)]
    public void A_processor_without_XSAVE_refuses_the_VMMs_that_always_set_XCR0(string vmm, Verdict verdict)
    {
        // cloud-hypervisor 8341, June 2026.
        LinuxHost nehalem = Nehalem("6.12");
        TargetOutcome outcome = Rehearse(WithoutXsave(nehalem), nehalem, vmm);
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Refused ? ("KVM_SET_XCRS", Errno.EINVAL) : (null, Errno.None),
            (outcome.RefusedCall, outcome.Errno));
        Assert.Equal(verdict == Verdict.Refused, outcome.Findings.Any(finding => finding.Rule.Id == "XS0204"));
    }

    [Theory]
    [InlineData("5.18", Verdict.Refused)]
    [InlineData("5.15", Verdict.Same)]
    [InlineData("6.12", Verdict.Same)]
    public void A_guest_without_XSAVE_is_not_taken_by_the_kernels_that_took_not_even_SSE(string kernel, Verdict verdict)
    {
        // Red Hat 2079311 and its kind.
        TargetOutcome outcome = Rehearse(WithoutXsave(Nehalem("5.15")), CetGuest.Host("intel-haswell", kernel), "qemu");
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Refused, outcome.Findings.Any(finding => finding.Rule.Id == "XS0110"));
    }

    [Fact]
    public void KVM_SET_FPU_leaves_MXCSR_as_it_was()
    {
        // hyperlight 906, September 2025.
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(CetGuest.Host("amd-milan", "6.12"));
        byte[] image = new byte[4096];
        image[XsaveFormat.XstateBvOffset] = 3;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), 0x9FC0);
        Assert.True(vcpu.SetXsave(image).IsSuccess);
        Assert.True(vcpu.SetFpu(new KvmFpu { Fcw = 0x27F }).IsSuccess);
        Assert.True(vcpu.GetXsave(out byte[] after).IsSuccess);
        Assert.Equal((0x27F, 0x9FC0u), (BinaryPrimitives.ReadUInt16LittleEndian(after),
            BinaryPrimitives.ReadUInt32LittleEndian(after.AsSpan(XsaveFormat.MxcsrOffset))));
    }

    [Theory]
    [InlineData("hyperlight-0.16", "xcr0,pkru")]
    [InlineData("hyperlight", "pkru")]
    public void A_used_virtual_CPU_leaks_what_the_reset_does_not_set(string vmm, string leaked)
    {
        // hyperlight 1718, August 2026; PKRU is the next one.
        LinuxHost host = CetGuest.Host("amd-milan", "6.12");
        Capture fresh = CetGuest.Of(host, null);
        byte[] area = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        area[XsaveFormat.XstateBvOffset] = 3;
        fresh = fresh with
        {
            States = [fresh.States[0] with { Area = area,
            Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(1), FactSource.Artifact, "a new virtual CPU") }]
        };
        Capture tenant = CetGuest.Of(host, null);
        TargetOutcome outcome = RestoreRehearsal.Perform(fresh, host,
            new RehearsalOptions { Vmm = Restorers.Find(vmm)!, PreviousState = tenant });
        Assert.Equal(leaked.Split(',').Order(), outcome.Differences.Select(difference => difference.Register).Order());
        Assert.NotEqual(Verdict.Same, outcome.Verdict);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(fresh, host, new RehearsalOptions { Vmm = Restorers.Find(vmm)! }).Verdict);
    }

    private static TargetOutcome Rehearse(Capture capture, LinuxHost host, string vmm) =>
        RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = Restorers.Find(vmm)! });

    private static Capture WithAvx512(Capture capture, LinuxHost host)
    {
        byte[] area = capture.States[0].Area.ToArray();
        area[XsaveFormat.XstateBvOffset] |= 0xE0;
        Assert.True(host.Layout.TryGetSlot(StateComponent.Opmask, out XsaveSlot opmask));
        area.AsSpan(opmask.Offset, 8).Fill(0x77);
        return capture with { States = [capture.States[0] with { Area = area }] };
    }

    // Haswell's record without XSAVE: leaves 7, 0xD and 0x14 gone, leaf 1 as a Nehalem has it.
    private static LinuxHost Nehalem(string kernel)
    {
        HostRecord haswell = SampleHosts.Open("intel-haswell");
        IEnumerable<CpuidEntry> entries = haswell.Cpuid.Entries.Where(entry => entry.Leaf is not (7 or 0xD or 0x14))
            .Select(entry => entry.Leaf switch
        {
            0 => entry with { Registers = entry.Registers with { Eax = 0xB } },
            1 => entry with { Registers = entry.Registers with { Eax = 0x106A5, Ecx = 0x9C_E3BD } },
            _ => entry,
        });
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(haswell with { Name = "nehalem", Cpuid = new CpuidTable([.. entries]) }, KernelBehavior.Of(release));
    }

    private static Capture WithoutXsave(LinuxHost nehalem)
    {
        byte[] area = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), 0x1FA0);
        area[XsaveFormat.XmmOffset] = 0x33;
        area[XsaveFormat.XstateBvOffset] = 3;
        CapturedState state = new()
        {
            Id = 0,
            Area = area,
            Layout = new Fact<XsaveLayout>(nehalem.Layout, FactSource.Cpuid, "the host's"),
            GuestCpuid = new Fact<CpuidTable>(nehalem.Record.Cpuid, FactSource.Artifact, "the guest's"),
        };
        return new Capture { Format = "test", States = [state] };
    }
}
