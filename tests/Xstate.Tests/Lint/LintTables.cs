using System.Text;
using Xstate.Architecture;

namespace Xstate.Tests.Lint;

/// <summary>
/// Consistent tables of the kinds of processors that there are, each with everything that its kind can have, made here from the manuals'
/// figures.
/// </summary>
internal static class LintTables
{
    private static readonly CpuidFeature[] Common =
    [
        CpuidFeatures.Fpu, CpuidFeatures.Tsc, CpuidFeatures.Msr, CpuidFeatures.Pae, CpuidFeatures.Cx8, CpuidFeatures.Cmov,
            CpuidFeatures.Mmx, CpuidFeatures.Fxsr, CpuidFeatures.Sse,
        CpuidFeatures.Sse2, CpuidFeatures.Sse3, CpuidFeatures.Pclmulqdq, CpuidFeatures.Ssse3, CpuidFeatures.Fma, CpuidFeatures.Cx16,
            CpuidFeatures.Sse41, CpuidFeatures.Sse42,
        CpuidFeatures.Movbe, CpuidFeatures.Popcnt, CpuidFeatures.Aes, CpuidFeatures.Xsave, CpuidFeatures.Osxsave, CpuidFeatures.Avx,
            CpuidFeatures.F16c, CpuidFeatures.Rdrand,
        CpuidFeatures.Bmi1, CpuidFeatures.Avx2, CpuidFeatures.Bmi2, CpuidFeatures.Lm, CpuidFeatures.Syscall, CpuidFeatures.Nx,
            CpuidFeatures.LahfLm, CpuidFeatures.Lzcnt,
        CpuidFeatures.Xsaveopt, CpuidFeatures.Xsavec, CpuidFeatures.Xgetbv1,
    ];

    private static readonly CpuidFeature[] Avx512 =
    [
        CpuidFeatures.Avx512f, CpuidFeatures.Avx512dq, CpuidFeatures.Avx512Ifma, CpuidFeatures.Avx512cd, CpuidFeatures.Avx512bw,
            CpuidFeatures.Avx512vl, CpuidFeatures.Avx512Vbmi,
        CpuidFeatures.Avx512Vbmi2, CpuidFeatures.Vaes, CpuidFeatures.Vpclmulqdq, CpuidFeatures.Avx512Vnni, CpuidFeatures.Avx512Bitalg,
            CpuidFeatures.Avx512Vpopcntdq,
        CpuidFeatures.AvxVnni, CpuidFeatures.Avx512Bf16,
    ];

    /// <summary>Intel with AMX, CET, PT, LBR, UINTR and everything else but MPX and APX.</summary>
    public static CpuidTable IntelServer { get; } = Intel(
        0x24, (17, 64, 2752, 2), (18, 8192, 2816, 6));

    /// <summary>Intel with APX.</summary>
    public static CpuidTable IntelApx { get; } = Intel(0x29, (17, 64, 2752, 2), (18, 8192, 2816, 6), (19, 128, 960, 0));

    /// <summary>Intel with MPX, without AMX.</summary>
    public static CpuidTable IntelMpx { get; } = Intel(0x24, (3, 64, 960, 0), (4, 64, 1024, 0));

    /// <summary>AMD family 1Ah.</summary>
    public static CpuidTable AmdZen5 { get; } = Amd(0x00B4_0F40, 0x1800,
        [CpuidFeatures.Xsaves, CpuidFeatures.Pku, CpuidFeatures.CetSs, .. Avx512], (2, 256, 576, 0), (5, 64, 832, 0), (6, 512, 896, 0),
        (7, 1024, 1408, 0), (9, 8, 2432, 0), (11, 16, 0, 1), (12, 24, 0, 1));

    /// <summary>AMD family 17h without XSAVES, as kernels show it.</summary>
    public static CpuidTable AmdZen2 { get; } = Amd(0x0083_0F10, 0, [], (2, 256, 576, 0));

    /// <summary>AMD family 15h with LWP.</summary>
    public static CpuidTable AmdBulldozer { get; } = Amd(0x0060_0F12, 0, [CpuidFeatures.Xop, CpuidFeatures.Fma4, CpuidFeatures.Lwp],
        (2, 256, 576, 0), (62, 128, 832, 0));

    /// <summary>All of them.</summary>
    public static CpuidTable[] All { get; } = [IntelServer, IntelApx, IntelMpx, AmdZen5, AmdZen2, AmdBulldozer];

    /// <summary>The table with features set or cleared.</summary>
    public static CpuidTable With(this CpuidTable table, bool present, params ReadOnlySpan<CpuidFeature> features)
    {
        foreach (CpuidFeature feature in features)
        {
            table = table.With(feature.Leaf, feature.Subleaf, feature.SetIn(table.Read(feature.Leaf, feature.Subleaf), present));
        }

        return table;
    }

    /// <summary>The table with one register changed.</summary>
    public static CpuidTable With(this CpuidTable table, uint leaf, uint subleaf, CpuidRegister register, Func<uint, uint> change)
    {
        CpuidRegisters old = table.Read(leaf, subleaf);
        return table.With(leaf, subleaf, old.With(register, change(old[register])));
    }

    /// <summary>The table with the components of leaf 0xD.0.</summary>
    public static CpuidTable WithUser(this CpuidTable table, ulong components) =>
        table.With(0xD, 0, table.Read(0xD, 0) with { Eax = (uint)components, Edx = (uint)(components >> 32) });

    /// <summary>The table with sizes computed anew, as a system that enabled everything reads them.</summary>
    public static CpuidTable WithSizes(this CpuidTable table)
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(table);
        table = table.With(0xD, 0, table.Read(0xD, 0) with { Ebx = (uint)layout.StandardLength, Ecx = (uint)layout.StandardLength });
        bool compacts = table.Has(CpuidFeatures.Xsavec);
        return table.With(0xD, 1, table.Read(0xD, 1) with { Ebx = compacts ? (uint)layout.CompactedLengthFor(layout.UserComponents) : 0 });
    }

    private static CpuidTable Intel(uint maxLeaf, params (uint Component, uint Size, uint Offset, uint Flags)[] more)
    {
        bool amx = more.Any(m => m.Component == 18);
        bool apx = more.Any(m => m.Component == 19);
        bool mpx = more.Any(m => m.Component == 3);
        CpuidTable table = Base("GenuineIntel", maxLeaf, 0x000C_06F2)
            .With(true, Common).With(true, Avx512)
            .With(true, CpuidFeatures.Hwp, CpuidFeatures.Hdc, CpuidFeatures.Pku, CpuidFeatures.IntelPt, CpuidFeatures.Enqcmd,
                CpuidFeatures.CetSs, CpuidFeatures.CetIbt, CpuidFeatures.Uintr)
            .With(true, CpuidFeatures.ArchLbr, CpuidFeatures.Avx512Fp16, CpuidFeatures.Avx10, CpuidFeatures.Xsaves)
            .With(mpx, CpuidFeatures.Mpx)
            .With(apx, CpuidFeatures.ApxF);
        table = table.With(7, 0, CpuidRegister.Eax, _ => 2).With(7, 2, new CpuidRegisters(0, 0, 0, 0x1F));
        if (amx)
        {
            table = table.With(true, CpuidFeatures.AmxTile, CpuidFeatures.AmxBf16, CpuidFeatures.AmxInt8, CpuidFeatures.AmxFp16,
                CpuidFeatures.Xfd);
        }

        table = WithComponents(
            table, 0x1_FD00,
            [
                (2, 256, 576, 0), (5, 64, 1088, 0), (6, 512, 1152, 0), (7, 1024, 1664, 0), (8, 128, 0, 1), (9, 8, 2688, 0), (10, 8, 0, 1),
                    (11, 16, 0, 1), (12, 24, 0, 1), (13, 8, 0, 1),
                (14, 48, 0, 1), (15, 808, 0, 1), (16, 8, 0, 1), .. more,
            ]);
        table = table.With(0x14, 0, new CpuidRegisters(1, 0xF, 7, 0)).With(0x1C, 0, new CpuidRegisters(0xF, 7, 0xF, 0));
        table = table.With(0x24, 0, new CpuidRegisters(0, 0x0007_0001, 0, 0));
        if (amx)
        {
            table = table.With(0x1D, 0, new CpuidRegisters(1, 0, 0, 0)).With(0x1D, 1, new CpuidRegisters(0x0400_2000, 0x0008_0040, 16, 0))
                .With(0x1E, 0, new CpuidRegisters(1, 0x4010, 0, 0)).With(0x1E, 1, new CpuidRegisters(0b1011, 0, 0, 0));
        }

        return apx ? table.With(0x29, 0, new CpuidRegisters(0, 1, 0, 0)) : table;
    }

    private static CpuidTable Amd(uint signature, uint supervisor, CpuidFeature[] features,
        params (uint Component, uint Size, uint Offset, uint Flags)[] components)
    {
        CpuidTable table = Base("AuthenticAMD", 0x10, signature).With(true, Common).With(true, features);
        table = table.With(0x8000_0001, 0, CpuidRegister.Edx, edx => edx | (table.Read(1).Edx & 0x0183_F1FF));
        table = table.Has(CpuidFeatures.AvxVnni) ? table.With(7, 0, CpuidRegister.Eax, _ => 1) : table;
        return WithComponents(table, supervisor, components);
    }

    private static CpuidTable Base(string vendor, uint maxLeaf, uint signature)
    {
        byte[] name = Encoding.ASCII.GetBytes(vendor);
        return CpuidTable.Empty
            .With(0, 0, new CpuidRegisters(maxLeaf, BitConverter.ToUInt32(name, 0), BitConverter.ToUInt32(name, 8),
                BitConverter.ToUInt32(name, 4)))
            .With(1, 0, new CpuidRegisters(signature, 0, 0, 0))
            .With(6, 0, new CpuidRegisters(4, 0, 0, 0))
            .With(7, 0, default(CpuidRegisters))
            .With(0x8000_0000, 0, new CpuidRegisters(0x8000_0021, 0, 0, 0))
            .With(0x8000_0001, 0, default(CpuidRegisters))
            .With(0x8000_0008, 0, new CpuidRegisters(0x3930, 0, 0, 0));
    }

    private static CpuidTable WithComponents(CpuidTable table, uint supervisor,
        (uint Component, uint Size, uint Offset, uint Flags)[] components)
    {
        ulong user = 3;
        table = table.With(0xD, 0, new CpuidRegisters(3, 576, 576, 0));
        table = table.With(0xD, 1, table.Read(0xD, 1) with { Ecx = supervisor });
        foreach ((uint component, uint size, uint offset, uint flags) in components)
        {
            table = table.With(0xD, component, new CpuidRegisters(size, offset, flags, 0));
            user |= (flags & 1) == 0 ? 1UL << (int)component : 0;
        }

        return table.WithUser(user).WithSizes();
    }
}
