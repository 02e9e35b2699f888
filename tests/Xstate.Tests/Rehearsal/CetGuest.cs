using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>Captures of one virtual CPU with MSRs, as VMMs save them on a kernel that knows CET.</summary>
internal static class CetGuest
{
    public const uint Xss = KvmModelVcpu.MsrXss;
    public const uint UserCet = KvmModelVcpu.MsrUserCet;
    public const uint Pl3Ssp = KvmModelVcpu.MsrPl3Ssp;

    /// <summary>The seven MSRs of CET.</summary>
    public static ImmutableArray<uint> CetMsrs { get; } = [0x6A0, 0x6A2, 0x6A4, 0x6A5, 0x6A6, 0x6A7, 0x6A8];

    public static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name) with { Microcode = 0 }, KernelBehavior.Of(release));
    }

    /// <summary>What KVM of a host supports, as a guest's CPUID.</summary>
    public static CpuidTable Cpuid(LinuxHost host) => SupportedCpuid.Of(host, host.DefaultUserFeatures);

    /// <summary>A capture with AVX in use on a host of a kernel.</summary>
    /// <param name="host">The processor that wrote it, and its kernel.</param>
    /// <param name="xss">IA32_XSS of the snapshot; null for a snapshot without it.</param>
    /// <param name="msrs">Further MSRs.</param>
    public static Capture Of(LinuxHost host, ulong? xss, params (uint Index, ulong Value)[] msrs)
    {
        byte[] area = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), 7);
        area.AsSpan(XsaveFormat.XmmOffset, 256).Fill(0x5A);
        area.AsSpan(XsaveFormat.ExtendedOffset, 256).Fill(0xA5);
        CpuidTable cpuid = Cpuid(host);
        if (cpuid.UserComponents.Contains(StateComponent.Pkru) && host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot pkru))
        {
            area[XsaveFormat.XstateBvOffset + 1] |= 2;
            area[pkru.Offset] = 4;
        }

        CapturedState state = new()
        {
            Id = 0,
            Area = area,
            Layout = new Fact<XsaveLayout>(host.Layout, FactSource.Cpuid, "the host's"),
            Xcr0 = new Fact<StateComponentSet>(cpuid.UserComponents, FactSource.Artifact, "struct kvm_xcrs"),
            Xss = xss is { } value ? new Fact<StateComponentSet>(new StateComponentSet(value), FactSource.Artifact, "MSR 0xda0") : null,
            GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Artifact, "the snapshot's"),
            Msrs = msrs.ToImmutableSortedDictionary(msr => msr.Index, msr => msr.Value),
        };
        return new Capture { Format = "test", States = [state] };
    }
}
