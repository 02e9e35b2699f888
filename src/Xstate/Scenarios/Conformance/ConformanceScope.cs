using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;

namespace Xstate.Scenarios.Conformance;

/// <summary>What a comparison can reach on a host, and what it cannot.</summary>
internal static class ConformanceScope
{
    private static readonly StateComponentSet Cet = StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS);

    /// <summary>The named differences of kernels that no sequence on this host can show, with the reason.</summary>
    /// <param name="host">The model of the host.</param>
    /// <param name="facts">What sequences of KVM's calls are built around; null to leave KVM out.</param>
    public static ImmutableArray<LeftOut> OutOfReach(LinuxHost host, KvmSequenceFacts? facts)
    {
        ArgumentNullException.ThrowIfNull(host);
        ImmutableArray<LeftOut>.Builder left = ImmutableArray.CreateBuilder<LeftOut>();
        foreach (string id in KernelDifference.All.Select(info => info.Id))
        {
            if (WhyOutOfReach(id, host, facts) is { } why)
            {
                left.Add(new LeftOut(id, why));
            }
        }

        return left.ToImmutable();
    }

    private static string? WhyOutOfReach(string id, LinuxHost host, KvmSequenceFacts? facts)
    {
        if (facts is null && id.StartsWith("KVM-", StringComparison.Ordinal))
        {
            return "KVM is left out";
        }

        bool hasKeys = host.UserFeatures.Contains(StateComponent.Pkru);
        bool isNopku = hasKeys && host.Record.Xcr0 is not null && !host.Record.Cpuid.Has(CpuidFeatures.Ospke);
        bool runs = facts is { MovesThroughProcessor: true };
        ProcessorIdentity processor = ProcessorIdentity.From(host.Record.Cpuid);
        return id switch
        {
            "KVM-SET-XFD-NM" => "no sequence sets IA32_XFD to anything but 0: it can harm the kernel",
            "KVM-XTILE-HALF" => "no sequence calls KVM_GET_SUPPORTED_CPUID",
            "KVM-INIT-XSS-ZERO" or "KVM-INIT-CET" => "no sequence sends INIT",
            "KVM-CPUID-AFTER-RUN" or "KVM-CPUID-NO-REPEAT" => "no sequence enters the guest",
            "KVM-EFER-CPUID" => "no sequence sets EFER",
            "KVM-PROT-ZERO" or "KVM-PROT-EINVAL" => "no sequence makes a virtual machine with protected state",
            "KVM-PKRU-WIDE" => "no call shows it: it is about an interrupt while KVM_RUN enters the guest",
            "SIG-PKU-NO-XCR0" => "it is about signals inside a guest",
            "SIG-STACK-CHECKED" => "no sequence gives a process an alternate stack",
            "X86-USER-SHSTK" => "no sequence gives a process a shadow stack",
            "KVM-CPUID-80" when facts is null || facts.Supported.Length is < 74 or > 80 =>
                "what this KVM supports and what a sequence adds is not around 80 CPUID entries",
            "KVM-XSS-NO-READ" when host.Record.Cpuid.Has(CpuidFeatures.Xsaves) => "it is about processors without XSAVES",
            "X86-ERRATUM-1386" or "X86-ERRATUM-1386-UCODE" when !Erratum1386.Concerns(host.Record.Processor) =>
                "it is about AMD's family 17h",
            "X86-ERRATUM-1386" or "X86-ERRATUM-1386-UCODE" when host.Record.SupportedCpuid is not null =>
                "no sequence calls KVM_GET_SUPPORTED_CPUID",
            "X86FPU-TILES" when !host.Record.Cpuid.UserComponents.Contains(StateComponent.TileCfg) => "this processor has no AMX",
            "X86FPU-APX" when !host.Record.Cpuid.UserComponents.Contains(StateComponent.Apx) => "this processor has no APX",
            "X86FPU-XSAVEC" when host.Record.Cpuid.Has(CpuidFeatures.Xsaves) || !host.Record.Cpuid.Has(CpuidFeatures.Xsavec) =>
                "it is about processors with XSAVEC and without XSAVES",
            "PTRACE-RAW" when host.Record.Cpuid.Has(CpuidFeatures.Xsaves) =>
                "on processors with XSAVES the kernel keeps no standard format",
            "X86FPU-NOPKU" when !isNopku => "this kernel was not started with nopku",
            "KVM-CPUID-INDEX" when host.Record.Flavour == KvmFlavour.Pvm =>
                "kvm_pvm rewrites leaf 1 by what its host has, and checks CR4 against that",
            "KVM-CR4-NOCPUID" when host.Record.Flavour == KvmFlavour.Pvm =>
                "kvm_pvm checks CR4 against the host's CPUID with and without KVM_SET_CPUID2",
            "KVM-XSS-ZERO" when new LinuxHost(host.Record, host.Behavior.Set(KernelDifference.KvmXssZero, false)).KvmXss.IsEmpty =>
                "this host has no CET to give to guests",
            "KVM-SET-PKRU-KEEP" or "KVM-GET-PKRU-XINUSE" or "KVM-SET-PKRU-DROP" when hasKeys && !runs =>
                "no sequence runs the virtual CPU here, which alone shows it",
            "KVM-GET-PKRU-XINUSE" when hasKeys && !processor.IsAmdSilicon => "XINUSE[9] does not follow PKRU on this processor",
            "SIG-PKRU-FORCED" when hasKeys && isNopku => "kernels that have it do not use protection keys here",
            "SIG-PKRU-FORCED" when hasKeys && !processor.IsAmdSilicon => "XINUSE[9] is never clear on this processor when a signal comes",
            "KVM-SET-PKRU-KEEP" or "KVM-SET-PKRU-DROP" or "KVM-GET-PKRU-XINUSE" or "SIG-PKRU-FORCED" or "X86FPU-PKRU-SHOWN" when !hasKeys =>
                "this host has no protection keys",
            "PTRACE-PKRU-IGN" or "PTRACE-PKRU-INIT" or "SIG-KEYS-OPEN" when !hasKeys => "this host has no protection keys",
            _ => null,
        };
    }

    /// <summary>What a comparison on this host leaves out, with the reason.</summary>
    /// <param name="host">The model of the host.</param>
    /// <param name="facts">What sequences of KVM's calls are built around; null to leave KVM out.</param>
    /// <param name="whyNoKvm">Why KVM is left out, where <paramref name="facts"/> is null.</param>
    /// <param name="drifting">Components that the processor counts as in use by itself.</param>
    public static ImmutableArray<LeftOut> LeftOut(LinuxHost host, KvmSequenceFacts? facts, string whyNoKvm, StateComponentSet drifting)
    {
        ArgumentNullException.ThrowIfNull(host);
        ImmutableArray<LeftOut>.Builder left = ImmutableArray.CreateBuilder<LeftOut>();
        if (facts is null)
        {
            left.Add(new LeftOut("kvm", whyNoKvm));
        }
        else
        {
            AddOfKvm(left, host, facts);
        }

        foreach (StateComponentInfo info in StateComponents.All.Where(info => info.EnabledBy == EnabledBy.Xcr0))
        {
            if (WhyWithout(info, host) is { } why)
            {
                left.Add(new LeftOut(info.Name, why));
            }
        }

        foreach (StateComponent component in drifting)
        {
            left.Add(new LeftOut("in-use",
                $"this processor comes to count an initial {StateComponents.NameOf(component)} as in use by itself: either XSTATE_BV is "
                + "right"));
        }

        return left.ToImmutable();
    }

    private static void AddOfKvm(ImmutableArray<LeftOut>.Builder left, LinuxHost host, KvmSequenceFacts facts)
    {
        if (!facts.MovesThroughProcessor)
        {
            left.Add(new LeftOut("kvm-run",
                "XSAVES and XSAVEOPT may leave out what was not modified since the XRSTOR: bytes that no register holds stay or go, and "
                + "both are right"));
        }

        if (facts.ComparedLeaf is { } leaf)
        {
            left.Add(new LeftOut("cpuid", $"this KVM rewrites leaves other than 0x{leaf:x} by what its host has"));
        }

        foreach (StateComponent component in Cet.Except(host.KvmXss))
        {
            left.Add(new LeftOut(StateComponents.NameOf(component), "this KVM does not offer it to guests"));
        }
    }

    private static string? WhyWithout(StateComponentInfo info, LinuxHost host)
    {
        if (host.UserFeatures.Contains(info.Component))
        {
            // Kernels before 6.19-rc6 can be harmed by it.
            return info.Component == StateComponent.TileData ? "no sequence asks for the permission to use it" : null;
        }

        return host.Layout.UserComponents.Contains(info.Component)
            ? "the kernel does not enable it in XCR0" : "the processor does not enumerate it";
    }
}
