using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Lint;
using Xstate.Tests.Support;

namespace Xstate.Tests.Samples;

/// <summary>
/// Makes the captures of samples/captures: each is what a modelled kernel returns for a guest on one of the recorded hosts.
/// </summary>
internal static class SampleCaptures
{
    private const ulong Avx = 0x7;
    private const ulong Avx512 = 0xe7;
    private const ulong Avx512Pkru = 0x2e7;

    public static IEnumerable<(string Name, Capture Capture)> All()
    {
        yield return ("leaked-pkru", Snapshot(
            "intel-skylake-sp", "5.16.0", Avx, image: 0x207, xcr0: Avx, seed: 1,
            "A 5.16.0 kernel returned PKRU of the host thread although the guest's CPUID has no PKU. Kernels 5.17 to 6.5 refuse it; the "
            + "guest never saw it."));
        yield return ("hidden-avx512", Snapshot(
            "intel-cascadelake", "5.16.0", Avx, image: Avx512, xcr0: Avx, seed: 2,
            "The guest's CPUID hides AVX-512, but the image of the 5.16.0 kernel holds it. A host without AVX-512 refuses it on every "
            + "kernel."));
        yield return ("intel-for-amd", Snapshot(
            "intel-icelake", "6.12.0", Avx512Pkru, image: Avx512Pkru, xcr0: Avx512Pkru, seed: 3,
            "A guest with AVX-512 and PKRU from an Intel host, whose offsets are not those of an AMD host: loaded there as it is, "
            + "registers would change without an error."));
        yield return ("compacted", Compacted(Snapshot(
            "intel-icelake", "6.12.0", Avx512Pkru, image: 0x2e3, xcr0: Avx512Pkru, seed: 4,
            "An XSAVES image, as emulators and some hypervisors keep it. KVM takes the standard format only.")));
        yield return ("live-avx512", Snapshot(
            "intel-cascadelake", "6.12.0", Avx512, image: Avx512, xcr0: Avx512, seed: 5,
            "The guest uses AVX-512. A host without it has to refuse, and nothing may be trimmed."));
        yield return ("stale-pkru", Snapshot(
            "amd-genoa", "6.12.0", Avx512Pkru, image: 0x7, xcr0: Avx512Pkru, seed: 6,
            "Bit 9 is clear: the guest's PKRU is 0. KVM keeps whatever PKRU the virtual CPU had before; try --vcpu-pkru 0x4."));
        yield return ("xfd-tiles", TilesUnderXfd());
    }

    // Tile data in an image whose IA32_XFD disables it: what an unfixed kernel would load and then fault on.
    private static Capture TilesUnderXfd()
    {
        Capture capture = Snapshot(
            "intel-sapphire-rapids", "6.12.0", 0x602e7, image: 0x602e7, xcr0: 0x602e7, seed: 7,
            "Tile data is in the image while the guest's IA32_XFD disables it. Kernels before 6.19 without the fix take #NM on the host "
            + "when they load it.");
        Fact<StateComponentSet> xfd = new(StateComponentSet.Of(StateComponent.TileData), FactSource.Measured, "KVM_GET_MSRS");
        return capture with { States = [capture.States[0] with { Xfd = xfd }] };
    }

    private static Capture Snapshot(string hostName, string kernel, ulong guestMask, ulong image, ulong xcr0, ulong seed, string note)
    {
        HostRecord record = SampleHosts.Open(hostName);
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        LinuxHost host = new(record, KernelBehavior.Of(release));
        CpuidTable cpuid = GuestCpuid(record.Cpuid, guestMask);
        using KvmModelMachine machine = new(host);
        machine.RequestGuestPermission(StateComponent.TileData);
        machine.CreateVcpu(0, out IKvmVcpu? vcpu);
        Assert.True(vcpu!.SetCpuid2(cpuid.Entries.AsSpan()).IsSuccess);
        Assert.True(vcpu.SetXsave(Seeded(host.Layout, new StateComponentSet(image), seed)).IsSuccess);
        Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, xcr0)]).IsSuccess);
        Assert.True(vcpu.GetXsave2(out byte[] area).IsSuccess || vcpu.GetXsave(out area).IsSuccess);
        return new Capture
        {
            Format = "xstate-capture",
            Note = note,
            Source = new Fact<HostRecord>(Slim(record) with { Kernel = release }, FactSource.Given, "sample of the project"),
            States =
            [
                new CapturedState
                {
                    Id = 0,
                    Area = area,
                    Layout = new Fact<XsaveLayout>(host.Layout, FactSource.Cpuid, $"leaf 0xd of {hostName}"),
                    Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(xcr0), FactSource.Measured, "KVM_GET_XCRS"),
                    GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Measured, "KVM_GET_CPUID2"),
                },
            ],
        };
    }

    private static Capture Compacted(Capture capture)
    {
        CapturedState state = capture.States[0];
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet components = state.Xcr0!.Value;
        byte[] area = new byte[layout.CompactedLengthFor(components)];
        Assert.True(XsaveConversion.ToCompacted(state.Area.Span, layout, area, layout, components).IsEmpty);
        area.AsSpan(XsaveFormat.SoftwareOffset, 48).Clear();
        return capture with { States = [state with { Area = area }] };
    }

    private static byte[] Seeded(XsaveLayout layout, StateComponentSet components, ulong seed)
    {
        byte[] area = new byte[Math.Max(KvmModelMachine.XsaveLength, layout.StandardLengthFor(components))];
        SplitMix64 random = new(seed);
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        area[XsaveFormat.FtwOffset] = 0x80;
        area.AsSpan(XsaveFormat.StOffset + 7, 3).Fill(0x3f);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), 0x1fa0);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrMaskOffset), Mxcsr.IntelMask);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), components.Bits);
        random.Fill(area.AsSpan(XsaveFormat.XmmOffset, 256));
        foreach (StateComponent component in components.Except(StateComponentSet.Legacy))
        {
            Assert.True(layout.TryGetSlot(component, out XsaveSlot slot));
            Span<byte> bytes = area.AsSpan(slot.Offset, slot.Size);
            if (component == StateComponent.Pkru)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, Pkru.LinuxDefault.Value);
            }
            else if (component == StateComponent.TileCfg)
            {
                // Palette 1, one tile of 2 rows of 64 bytes.
                bytes[0] = 1;
                bytes[16] = 64;
                bytes[48] = 2;
            }
            else
            {
                random.Fill(component == StateComponent.TileData ? bytes[..128] : bytes);
            }
        }

        return area;
    }

    // What a monitor gives a guest: the host's leaves without the components that it hides, and without what builds upon them.
    private static CpuidTable GuestCpuid(CpuidTable host, ulong mask)
    {
        CpuidTable leaves = new([.. host.Entries.Where(e => e.Leaf is 0 or 1 or 7 or 0xD or 0x1D or 0x1E or 0x8000_0000 or 0x8000_0001
            or 0x8000_0008)]);
        MadeCpuid made = CpuidMaker.Make(leaves, new CpuidWish { Components = new StateComponentSet(mask) });
        Assert.Empty(made.Obstacles);
        return made.Cpuid;
    }

    private static HostRecord Slim(HostRecord record) => record with { SupportedCpuid = null, Probes = [] };
}
