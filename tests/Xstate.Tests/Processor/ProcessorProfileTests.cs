using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class ProcessorProfileTests
{
    private static readonly string[] Amd =
    [
        "xinuse-by-value", "pkru-xinuse-by-value", "x87-xinuse-ignores-pointers", "hidden-registers-in-use",
            "x87-pointers-zero-without-error",
        "x87-pointers-sign-extended", "fxsave-alignment-check",
    ];

    private static readonly string[] Intel =
    [
        "hidden-halves-in-use", "x87-instruction-pointer-sign-extended", "pkru-padding-left", "compacted-mxcsr-checked-late",
            "area-probed-at-its-end",
        "fxsave-alignment-check", "xsave-alignment-check",
    ];

    private static readonly string[] Tcg =
    [
        "xinuse-always-one", "bndregs-xinuse-sticky", "x87-pointers-not-kept", "x87-control-loaded-raw", "x87-padding-left",
            "bndcsr-padding-left",
        "mxcsr-ignores-avx", "mxcsr-unchecked", "xgetbv-ignores-mxcsr", "area-accessed-piecewise", "xsetbv-not-intercepted",
        "xsetbv-privilege-first", "xrstor-ignores-task-switched",
    ];

    [Fact]
    public void Amd_processors_have_the_measured_quirks()
    {
        Assert.Equal(Amd, ProcessorProfiles.AmdZen4.Quirks.Select(quirk => quirk.Name));
        Assert.Equal(Amd, ProcessorProfiles.AmdZen3.Quirks.Select(quirk => quirk.Name));
    }

    [Fact]
    public void Intel_processors_have_the_measured_quirks()
    {
        Assert.Equal(Intel, ProcessorProfiles.IntelSapphireRapids.Quirks.Select(quirk => quirk.Name));
        Assert.Equal(Intel, ProcessorProfiles.IntelSkylakeServer.Quirks.Select(quirk => quirk.Name));
    }

    [Fact]
    public void Tcg_is_known_by_its_hypervisor_leaf_whatever_vendor_it_claims()
    {
        Assert.Equal(Tcg, ProcessorProfiles.QemuTcg.Quirks.Select(quirk => quirk.Name));
        Assert.Equal(Mxcsr.IntelMask, ProcessorProfiles.QemuTcg.MxcsrMask);
        Assert.Equal(Mxcsr.AmdMask, ProcessorProfiles.AmdZen3.MxcsrMask);
    }

    [Fact]
    public void Amd_before_zen_skips_the_pointers()
    {
        CpuidTable old = ProcessorProfiles.AmdZen3.Cpuid.With(0x8000_0008, 0, new CpuidRegisters(0x3030, 0, 0, 0));

        ProcessorProfile profile = ProcessorProfile.FromCpuid(old);

        Assert.True(profile.Has(ProcessorQuirks.X87PointersSkippedWithoutError));
        Assert.False(profile.Has(ProcessorQuirks.X87PointersZeroWithoutError));
    }

    [Fact]
    public void Every_quirk_can_be_named_added_and_removed()
    {
        foreach (ProcessorQuirk quirk in ProcessorQuirks.All)
        {
            Assert.Same(quirk, ProcessorQuirks.Get(quirk.Name));
            Assert.NotEmpty(quirk.Summary);
            Assert.NotEmpty(quirk.Source);
            Assert.Equal(quirk.Name, quirk.ToString());
            ProcessorProfile with = ProcessorProfiles.IntelSapphireRapids.With(quirk);
            Assert.True(with.Has(quirk));
            Assert.Same(with, with.With(quirk));
            Assert.False(with.Without(quirk).Has(quirk));
        }

        Assert.Throws<ArgumentException>(() => ProcessorQuirks.Get("no-such-quirk"));
        Assert.Equal(ProcessorQuirks.All.Length, ProcessorQuirks.All.Select(quirk => quirk.Name).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Profiles_have_names()
    {
        Assert.All(ProcessorProfiles.All, profile => Assert.Same(profile, ProcessorProfiles.Get(profile.Name)));
        Assert.Throws<ArgumentException>(() => ProcessorProfiles.Get("no-such-processor"));
    }

    [Fact]
    public void A_profile_offers_what_its_cpuid_enumerates()
    {
        ProcessorProfile spr = ProcessorProfiles.IntelSapphireRapids;
        Assert.Equal(0x602E7UL, spr.UserComponents.Bits);
        Assert.Equal(0x1DD00UL, spr.SupervisorComponents.Bits);
        Assert.Equal(1UL << 18, spr.XfdComponents.Bits);
        Assert.Equal(57, spr.LinearAddressBits);
        Assert.True(spr is
        {
            HasFxsave: true, HasXsave: true, HasXsaveopt: true, HasXsavec: true, HasXgetbv1: true, HasXsaves: true,
            HasXfd: true
        });
        Assert.True(spr is
        {
            HasProtectionKeys: true, HasSupervisorKeys: true, HasShadowStack: true, HasBranchTracking: true,
            HasUserInterrupts: true
        });
        Assert.True(spr is { HasFastFxsave: false, DeprecatesSelectors: true });

        ProcessorProfile tcg = ProcessorProfiles.QemuTcg;
        Assert.Equal(0x21FUL, tcg.UserComponents.Bits);
        Assert.True(tcg is
        {
            HasXsaveopt: true, HasXsavec: false, HasXgetbv1: true, HasXsaves: false, HasXfd: false,
            HasSupervisorKeys: false
        });
        Assert.True(tcg is { HasShadowStack: false, HasBranchTracking: false, HasUserInterrupts: false, DeprecatesSelectors: false });
        Assert.True(ProcessorProfiles.AmdZen4.HasFastFxsave);
        Assert.Equal(StateComponentSet.Empty, tcg.SupervisorComponents);
    }

    [Fact]
    public void Without_xsave_nothing_of_leaf_0xD_counts()
    {
        CpuidTable cpuid = ProcessorProfiles.AmdZen4.Cpuid;
        ProcessorProfile profile = ProcessorProfile.FromCpuid(cpuid.With(1, 0, cpuid.Read(1) with { Ecx = 0 }));

        Assert.False(profile.HasXsave || profile.HasXsaveopt || profile.HasXsavec || profile.HasXsaves);
        Assert.Equal(StateComponentSet.Empty, profile.Components);
        Assert.Equal(Fault.InvalidOpcode, Instructions.Xsave(ProcessorState.ForUserProcess(profile), new byte[1024], 0, 1));
    }

    [Theory]
    [InlineData(0x0000_7FFF_FFFF_FFFFUL, true)]
    [InlineData(0x0000_8000_0000_0000UL, false)]
    [InlineData(0xFFFF_8000_0000_0000UL, true)]
    public void Canonical_addresses_copy_their_highest_bit(ulong address, bool canonical)
    {
        Assert.Equal(canonical, ProcessorProfiles.AmdZen3.IsCanonical(address));
        Assert.True(ProcessorProfiles.AmdZen4.IsCanonical(address));
    }

    [Fact]
    public void A_processor_that_does_not_tell_its_address_width_has_48_bits()
    {
        Assert.Equal(48, TestProcessors.WithUserComponents(new StateComponentSet(7)).LinearAddressBits);
    }

    [Fact]
    public void An_image_can_tell_the_mask()
    {
        Assert.Equal(0xFFBFU, ProcessorProfiles.AmdZen4.WithMxcsrMask(0).MxcsrMask);
        Assert.Equal(0xFFFFU, ProcessorProfiles.AmdZen4.WithMxcsrMask(0xFFFF).MxcsrMask);
    }

    [Fact]
    public void Xinuse_is_decided_as_the_quirks_say()
    {
        Assert.Equal(XinusePolicy.ByValue, ProcessorProfiles.AmdZen4.XinuseOf(StateComponent.Avx));
        Assert.Equal(XinusePolicy.Sticky, ProcessorProfiles.IntelSapphireRapids.XinuseOf(StateComponent.Avx));
        Assert.Equal(XinusePolicy.AlwaysOne, ProcessorProfiles.QemuTcg.XinuseOf(StateComponent.Avx));
        Assert.Equal(XinusePolicy.Sticky, ProcessorProfiles.QemuTcg.XinuseOf(StateComponent.BndRegs));
        ProcessorProfile mixed = ProcessorProfiles.IntelSapphireRapids.With(ProcessorQuirks.PkruXinuseByValue);
        Assert.Equal(XinusePolicy.ByValue, mixed.XinuseOf(StateComponent.Pkru));
        Assert.Equal(XinusePolicy.Sticky, mixed.XinuseOf(StateComponent.Sse));
        Assert.Equal(
            XinusePolicy.AlwaysOne,
            ProcessorProfiles.IntelSapphireRapids.With(ProcessorQuirks.XinuseAlwaysOne).XinuseOf(StateComponent.BndRegs));
    }
}
