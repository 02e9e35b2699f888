using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// The model-specific registers that a virtual CPU's section names, as far as their number is architectural. Subsections are sent only for
/// values that are not the usual ones.
/// </summary>
internal static class CpuMsrs
{
    public const string Xss = "cpu/xss";
    public const string Xfd = "cpu/msr_xfd";

    private static readonly ImmutableArray<(uint Index, string Subsection, string Field)> All =
    [
        (0x10, RegisterMoves.Main, "env.tsc"),
        (0x3A, "cpu/msr_ia32_feature_control", "env.msr_ia32_feature_control"),
        (0x3B, "cpu/msr_tsc_adjust", "env.tsc_adjust"),
        (0x48, "cpu/spec_ctrl", "env.spec_ctrl"),
        (0xE1, "cpu/umwait", "env.umwait"),
        (0x174, RegisterMoves.Main, "env.sysenter_cs"),
        (0x175, RegisterMoves.Main, "env.sysenter_esp"),
        (0x176, RegisterMoves.Main, "env.sysenter_eip"),
        (0x1A0, "cpu/msr_ia32_misc_enable", "env.msr_ia32_misc_enable"),
        (0x1C5, Xfd, "env.msr_xfd_err"),
        (0x277, RegisterMoves.Main, "env.pat"),
        (0x2FF, RegisterMoves.Main, "env.mtrr_deftype"),
        (0x6A0, "cpu/cet", "env.u_cet"),
        (0x6A2, "cpu/cet", "env.s_cet"),
        (0x6E0, "cpu/msr_tscdeadline", "env.tsc_deadline"),
        (0x6E1, "cpu/pkrs", "env.pkrs"),
        (0xD90, RegisterMoves.Mpx, "env.msr_bndcfgs"),
        (0xC000_0080, RegisterMoves.Main, "env.efer"),
        (0xC000_0081, RegisterMoves.Main, "env.star"),
        (0xC000_0082, RegisterMoves.Main, "env.lstar"),
        (0xC000_0083, RegisterMoves.Main, "env.cstar"),
        (0xC000_0084, RegisterMoves.Main, "env.fmask"),
        (0xC000_0102, RegisterMoves.Main, "env.kernelgsbase"),
        (0xC000_0103, RegisterMoves.Main, "env.tsc_aux"),
    ];

    /// <summary>All that the section has.</summary>
    public static ImmutableSortedDictionary<uint, ulong> Read(CpuFields fields, ReadOnlySpan<byte> section)
    {
        ImmutableSortedDictionary<uint, ulong>.Builder msrs = ImmutableSortedDictionary.CreateBuilder<uint, ulong>();
        foreach ((uint index, string subsection, string field) in All)
        {
            if (fields.Find(subsection, field) is { Count: 1, Size: sizeof(uint) or sizeof(ulong) } place)
            {
                ReadOnlySpan<byte> bytes = section.Slice(place.Offset, place.Size);
                msrs.Add(index, place.Size == sizeof(uint)
                    ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt64BigEndian(bytes));
            }
        }

        return msrs.ToImmutable();
    }
}
