using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

/// <summary>Captures built in code that use every member a capture file can have.</summary>
internal static class SampleCaptures
{
    public static CpuidTable Cpuid { get; } = new(
    [
        new CpuidEntry(0, 0, false, new CpuidRegisters(0xD, 0x756E6547, 0x6C65746E, 0x49656E69)),
        new CpuidEntry(4, 3, false, new CpuidRegisters(1, 2, 3, 4)),
        new CpuidEntry(0xD, 0, true, new CpuidRegisters(0x602E7, 0x2B00, 0x2B00, 0)),
        new CpuidEntry(0xD, 1, true, new CpuidRegisters(0x1F, 0x2A80, 0x1800, 0)),
        new CpuidEntry(0xD, 2, true, new CpuidRegisters(0x100, 0x240, 0, 0)),
        new CpuidEntry(0xD, 9, true, new CpuidRegisters(8, 0xA80, 0, 0)),
        new CpuidEntry(0xD, 0xB, true, new CpuidRegisters(0x10, 0, 1, 0)),
        new CpuidEntry(0xD, 0x12, true, new CpuidRegisters(0x2000, 0xB00, 6, 0)),
    ]);

    public static HostRecord Host { get; } = new()
    {
        Name = "häst \"one\" <&>",
        Cpuid = Cpuid,
        Kernel = new KernelRelease(6, 1, 40),
        Flavour = KvmFlavour.Intel,
        SupportedCpuid = new CpuidTable(Cpuid.Entries[..2]),
        Xcr0 = new StateComponentSet(0x2E7),
        MxcsrMask = 0xFFFF,
        Xsave2Size = 11008,
        Probes = [new ProbedBehavior("KVM-SET-STRICT-CPUID", true, "SET answered EINVAL"), new ProbedBehavior("KVM-XCRS-TRIM", false, "")],
        Provenance = new Provenance(FactSource.Measured, "xstate host --probe"),
    };

    public static Capture Full { get; } = Build();

    public static Capture Small { get; } = new()
    {
        Format = "xstate-capture",
        States = [new CapturedState { Id = 0, Area = new byte[576] }]
    };

    private static Capture Build()
    {
        byte[] area = new byte[11008];
        area[0] = 0x7F;
        area[XsaveFormat.XstateBvOffset] = 0xE7;
        area[XsaveFormat.XstateBvOffset + 1] = 2;
        area[^1] = 0xAA;
        byte[] odd = new byte[2441];
        odd[2440] = 1;
        return new Capture
        {
            Format = "kvm_xsave",
            Kind = CaptureKind.VirtualMachine,
            Note = "a note\nof two lines",
            Source = new Fact<HostRecord>(Host, FactSource.Given, "--source"),
            States =
            [
                new CapturedState
                {
                    Id = 0,
                    Area = area,
                    Layout = new Fact<XsaveLayout>(XsaveLayout.FromCpuid(Cpuid), FactSource.Cpuid, "leaf 0xd of the source"),
                    Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(0x602E7), FactSource.Artifact, "kvm_xcrs"),
                    Xss = new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Guess, "no guest sets it"),
                    Xfd = new Fact<StateComponentSet>(StateComponentSet.Of(StateComponent.TileData), FactSource.Inferred, "MSR 0x1c4"),
                    GuestCpuid = new Fact<CpuidTable>(Cpuid, FactSource.Artifact, "kvm_cpuid2"),
                    Msrs = ImmutableSortedDictionary<uint, ulong>.Empty.Add(0xDA0, 0x1800).Add(0x1C4, ulong.MaxValue),
                    Fpu = (ReadOnlyMemory<byte>)area.AsMemory(0, XsaveFormat.LegacyLength),
                },
                new CapturedState { Id = 7, Area = odd, Layout = new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Note, ""),
                    Is32Bit = true, Lost = [new AreaRange(32, 10), new AreaRange(832, 256)] },
                new CapturedState
                {
                    Id = 8,
                    Area = odd,
                    Stored = new StoredRegisters(new Fact<StateComponentSet>(default, FactSource.Artifact, "env.xstate_bv"),
                        new Fact<X87Order>(X87Order.Physical, FactSource.Inferred, "TCG"),
                        new Fact<Accelerator>(Accelerator.Tcg, FactSource.Guess, "a guess")) { NeedsKvm = true },
                },
            ],
        };
    }
}
