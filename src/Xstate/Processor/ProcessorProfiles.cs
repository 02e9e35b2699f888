using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// Profiles by name, for emulators and tests that have no CPUID at hand. Each is a CPUID table like any other, so its quirks follow from
/// it.
/// </summary>
/// <threadsafety>Any thread.</threadsafety>
public static class ProcessorProfiles
{
    private const uint Xsaveopt = 1;
    private const uint XsaveExtensions = 0b01111;
    private const uint XsaveExtensionsWithXfd = 0b11111;

    /// <summary>AMD family 25 model 17 (Genoa) with protection keys: layout of AMD's AVX-512 processors.</summary>
    public static ProcessorProfile AmdZen4 { get; } = Make(
        "amd-zen4",
        new Description("AuthenticAMD", 0x00A1_0F11, 0x2E7, 0x1800, XsaveExtensions)
        {
            Ebx7 = 1 << 16 | 1 << 13,
            Ecx7 = 1 << 3 | 1 << 7,
            LinearAddressBits = 57,
        },
        User(StateComponent.Avx, 256, 576),
        User(StateComponent.Opmask, 64, 832),
        User(StateComponent.ZmmHi256, 512, 896),
        User(StateComponent.Hi16Zmm, 1024, 1408),
        User(StateComponent.Pkru, 8, 2432),
        Supervisor(StateComponent.CetU, 16),
        Supervisor(StateComponent.CetS, 24));

    /// <summary>AMD family 25 model 1 (Milan): no AVX-512, PKRU where the AVX-512 layout has it.</summary>
    public static ProcessorProfile AmdZen3 { get; } = Make(
        "amd-zen3",
        new Description("AuthenticAMD", 0x00A0_0F11, 0x207, 0x1800, XsaveExtensions) { Ebx7 = 1 << 13, Ecx7 = 1 << 3 | 1 << 7 },
        User(StateComponent.Avx, 256, 576),
        User(StateComponent.Pkru, 8, 2432),
        Supervisor(StateComponent.CetU, 16),
        Supervisor(StateComponent.CetS, 24));

    /// <summary>Intel Sapphire Rapids: AVX-512, AMX with XFD, and the supervisor components of a server.</summary>
    public static ProcessorProfile IntelSapphireRapids { get; } = Make(
        "intel-sapphire-rapids",
        new Description("GenuineIntel", 0x000C_06F8, 0x602E7, 0x1DD00, XsaveExtensionsWithXfd)
        {
            Ebx7 = 1 << 16 | 1 << 13 | 1 << 25,
            Ecx7 = 1 << 3 | 1 << 7 | 1 << 29 | 1U << 31,
            Edx7 = 1 << 5 | 1 << 19 | 1 << 20 | 1 << 24,
            LinearAddressBits = 57,
        },
        User(StateComponent.Avx, 256, 576),
        User(StateComponent.Opmask, 64, 1088),
        User(StateComponent.ZmmHi256, 512, 1152),
        User(StateComponent.Hi16Zmm, 1024, 1664),
        User(StateComponent.Pkru, 8, 2688),
        User(StateComponent.TileCfg, 64, 2752) with { IsAligned64 = true },
        User(StateComponent.TileData, 8192, 2816) with { IsAligned64 = true, SupportsXfd = true },
        Supervisor(StateComponent.Pt, 128),
        Supervisor(StateComponent.Pasid, 8),
        Supervisor(StateComponent.CetU, 16),
        Supervisor(StateComponent.CetS, 24),
        Supervisor(StateComponent.Uintr, 48),
        Supervisor(StateComponent.Lbr, 808),
        Supervisor(StateComponent.Hwp, 8));

    /// <summary>Intel Skylake server: AVX-512 and MPX.</summary>
    public static ProcessorProfile IntelSkylakeServer { get; } = Make(
        "intel-skylake-server",
        new Description("GenuineIntel", 0x0005_0654, 0x2FF, 0x100, XsaveExtensions)
        {
            Ebx7 = 1 << 16 | 1 << 14 | 1 << 13 | 1 << 25,
            Ecx7 = 1 << 3
        },
        User(StateComponent.Avx, 256, 576),
        User(StateComponent.BndRegs, 64, 960),
        User(StateComponent.BndCsr, 64, 1024),
        User(StateComponent.Opmask, 64, 1088),
        User(StateComponent.ZmmHi256, 512, 1152),
        User(StateComponent.Hi16Zmm, 1024, 1664),
        User(StateComponent.Pkru, 8, 2688),
        Supervisor(StateComponent.Pt, 128));

    /// <summary>
    /// QEMU's code generator with <c>-cpu max</c>: MPX and PKRU, the standard form only, and its own reading of the manuals.
    /// </summary>
    public static ProcessorProfile QemuTcg { get; } = Make(
        "qemu-tcg",
        new Description("AuthenticAMD", 0x0000_0663, 0x21F, 0, Xsaveopt | 1 << 2)
        {
            Ebx7 = 1 << 14,
            Ecx7 = 1 << 3,
            Hypervisor = "TCGTCGTCGTCG"
        },
        User(StateComponent.Avx, 256, 576),
        User(StateComponent.BndRegs, 64, 960),
        User(StateComponent.BndCsr, 64, 1024),
        User(StateComponent.Pkru, 8, 2688));

    /// <summary>All of them.</summary>
    public static ImmutableArray<ProcessorProfile> All { get; } = [AmdZen4, AmdZen3, IntelSapphireRapids, IntelSkylakeServer, QemuTcg];

    /// <summary>The profile of a name.</summary>
    /// <exception cref="ArgumentException">No profile has the name.</exception>
    public static ProcessorProfile Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (ProcessorProfile profile in All)
        {
            if (string.Equals(profile.Name, name, StringComparison.Ordinal))
            {
                return profile;
            }
        }

        throw new ArgumentException($"no processor profile is called '{name}'", nameof(name));
    }

    private sealed record Description(string Vendor, uint Signature, ulong User, ulong Supervisor, uint Extensions)
    {
        public uint Ebx7 { get; init; }

        public uint Ecx7 { get; init; }

        public uint Edx7 { get; init; }

        public uint LinearAddressBits { get; init; } = 48;

        public string Hypervisor { get; init; } = "";
    }

    private static XsaveSlot User(StateComponent component, int size, int offset) => new(component, size, offset, false, false, false);

    private static XsaveSlot Supervisor(StateComponent component, int size) => new(component, size, 0, true, false, false);

    private static ProcessorProfile Make(string name, Description cpu, params ReadOnlySpan<XsaveSlot> slots)
    {
        bool amd = string.Equals(cpu.Vendor, "AuthenticAMD", StringComparison.Ordinal);
        const uint LegacyFeatures = 1 | 1 << 24 | 1 << 25 | 1 << 26;
        XsaveLayout layout = XsaveLayout.FromSlots(slots.ToArray());
        CpuidTable table = CpuidTable.Empty
            .With(0, 0, new CpuidRegisters(0x1E, Text(cpu.Vendor, 0), Text(cpu.Vendor, 8), Text(cpu.Vendor, 4)))
            .With(1, 0, new CpuidRegisters(cpu.Signature, 0, 1 << 26 | 1 << 28, LegacyFeatures))
            .With(6, 0, new CpuidRegisters((cpu.Supervisor >> 16 & 1) != 0 ? 1U << 7 : 0, 0, 0, 0))
            .With(7, 0, new CpuidRegisters(0, cpu.Ebx7 | 1 << 5, cpu.Ecx7, cpu.Edx7))
            .With(CpuidTable.XsaveLeaf, 0, new CpuidRegisters((uint)cpu.User, 576, (uint)layout.StandardLength, (uint)(cpu.User >> 32)))
            .With(CpuidTable.XsaveLeaf, 1, new CpuidRegisters(cpu.Extensions, 0, (uint)cpu.Supervisor, (uint)(cpu.Supervisor >> 32)))
            .With(0x8000_0001, 0, new CpuidRegisters(0, 0, 0, amd ? 1U << 25 : 0))
            .With(0x8000_0008, 0, new CpuidRegisters(48 | cpu.LinearAddressBits << 8, amd ? 1U << 2 : 0, 0, 0));
        if (cpu.Hypervisor.Length > 0)
        {
            table = table.With(
                0x4000_0000, 0, new CpuidRegisters(0x4000_0001, Text(cpu.Hypervisor, 0), Text(cpu.Hypervisor, 4), Text(cpu.Hypervisor, 8)));
        }

        foreach (XsaveSlot slot in slots)
        {
            table = table.With(CpuidTable.XsaveLeaf, (uint)slot.Component, slot.ToCpuid());
        }

        return ProcessorProfile.FromCpuid(table, name);
    }

    private static uint Text(string text, int offset) =>
        text[offset] | (uint)text[offset + 1] << 8 | (uint)text[offset + 2] << 16 | (uint)text[offset + 3] << 24;
}
