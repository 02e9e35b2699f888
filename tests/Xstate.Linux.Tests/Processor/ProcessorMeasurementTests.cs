using Xstate.Architecture;
using Xstate.Linux.NativeCode;
using Xstate.Processor;

namespace Xstate.Linux.Tests.Processor;

/// <summary>What a hypervisor hides in CPUID, and what a kernel lacks, is measured before anything is compared.</summary>
public class ProcessorMeasurementTests
{
    private const ulong Seed = 0x3EA5;
    private const int Cases = 3_000;
    private const uint Xsavec = 1 << 1;
    private const uint Xsaves = 1 << 3;

    // What LAR loads of the segments of Linux, as measured, and of a kernel that runs as a PVM guest, which has no 32-bit user code.
    [Theory]
    [InlineData(0xCFFB00, 0xCFF300, 0xAFFB00, true)]
    [InlineData(0, 0xCFF300, 0xAFFB00, false)]
    [InlineData(0xCFFB00, 0, 0xAFFB00, false)]
    [InlineData(0xCFFB00, 0xCFF300, 0, false)]
    [InlineData(0xAFFB00, 0xCFF300, 0xAFFB00, false)]
    [InlineData(0xCF9B00, 0xCFF300, 0xAFFB00, false)]
    [InlineData(0xCF7B00, 0xCFF300, 0xAFFB00, false)]
    [InlineData(0xCFF300, 0xCFF300, 0xAFFB00, false)]
    [InlineData(0xCFFB00, 0xCFF100, 0xAFFB00, false)]
    [InlineData(0xCFFB00, 0xCFFB00, 0xAFFB00, false)]
    [InlineData(0xCFFB00, 0xCFF300, 0xCFFB00, false)]
    public void Compatibility_mode_needs_all_three_segments(uint code32, uint data, uint code64, bool expected) =>
        Assert.Equal(expected, ProcessorMeasurement.CanRun32BitCode(selector => selector switch
        {
            0x23 => code32,
            0x2B => data,
            0x33 => code64,
            _ => throw new ArgumentOutOfRangeException(nameof(selector), selector, "no selector of user code"),
        }));

    [Theory]
    [InlineData(41)]
    [InlineData(48)]
    [InlineData(52)]
    [InlineData(57)]
    [InlineData(64)]
    public void The_width_of_a_pointer_is_that_of_its_sign_extension(int width)
    {
        Assert.Equal(width, ProcessorMeasurement.PointerWidth(position => SignExtend(1UL << position) == 1UL << position
            || (width == 64 && position < 63)));

        ulong SignExtend(ulong pointer) => width == 64 && pointer >> 63 != 0
            ? ~pointer : (ulong)((long)(pointer << (64 - width)) >> (64 - width));
    }

    [Fact]
    public void A_pointer_that_is_kept_whole_or_not_at_all_has_no_width()
    {
        Assert.Null(ProcessorMeasurement.PointerWidth(_ => true));
        Assert.Null(ProcessorMeasurement.PointerWidth(_ => false));
    }

    /// <summary>As on a machine whose hypervisor hides XSAVEC, XSAVES and five-level paging.</summary>
    [Fact]
    public void A_profile_whose_CPUID_hides_what_the_processor_has_agrees_once_it_is_measured()
    {
        ProcessorProfile hidden = Hidden();
        ProcessorProfile measured = hidden.With(ProcessorMeasurement.Measure(hidden));
        Assert.Equal(NativeProcessor.Profile.HasXsaves, measured.HasXsaves);
        Assert.Equal(NativeProcessor.Profile.HasXsavec, measured.HasXsavec);
        Assert.Equal(NativeProcessor.Profile.HasXsaveopt, measured.HasXsaveopt);
        Assert.Equal(NativeProcessor.Profile.Measured, measured.Measured);

        using ProcessorComparison comparison = new(Seed, measured);
        ComparisonReport report = comparison.Run(Cases);
        Assert.Empty(report.Disagreements);
        Assert.Equal(Cases, report.Cases);
    }

    [Fact]
    public void A_profile_that_is_not_measured_disagrees_and_no_case_of_that_counts_as_repeated()
    {
        using ProcessorComparison comparison = new(Seed, Hidden());
        ComparisonReport report = comparison.Run(Cases);
        Assert.Equal(10, report.Disagreements.Length);
        Assert.InRange(report.Repeated, 0, 5);
        Assert.Contains(report.Disagreements, difference => difference.Contains("model #UD", StringComparison.Ordinal));
    }

    /// <summary>As under a kernel that runs as a PVM guest.</summary>
    [Fact]
    public void Without_32_bit_segments_nothing_is_executed_in_compatibility_mode()
    {
        SkipWithoutXsave();
        using ProcessorComparison without = new(Seed, withCompatibilityMode: false);
        ComparisonReport report = without.Run(Cases);
        Assert.Empty(report.Disagreements);
        Assert.DoesNotContain(report.ByInstruction.Keys, name => name.Contains("compatibility", StringComparison.Ordinal));

        Assert.SkipUnless(ProcessorMeasurement.HasCompatibilityMode, "this kernel has no 32-bit segments; one that has runs the rest");
        using ProcessorComparison with = new(Seed);
        Assert.Contains(with.Run(Cases).ByInstruction.Keys, name => name.Contains("compatibility", StringComparison.Ordinal));
    }

    private static ProcessorProfile Hidden()
    {
        SkipWithoutXsave();
        Assert.SkipUnless(NativeProcessor.Profile is { HasXsavec: true, HasXsaves: true },
            "this processor has no XSAVES to hide; Intel's since Skylake and AMD's since Zen have it");
        CpuidTable cpuid = NativeProcessor.Enumerated.Cpuid;
        CpuidRegisters extensions = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        CpuidRegisters widths = cpuid.Read(0x8000_0008);
        return ProcessorProfile.FromCpuid(
            cpuid.With(CpuidTable.XsaveLeaf, 1, extensions with { Eax = extensions.Eax & ~(Xsavec | Xsaves), Ecx = 0, Edx = 0 })
                .With(0x8000_0008, 0, widths with { Eax = widths.Eax & 0xFF | 48 << 8 }),
            "hidden");
    }

    private static void SkipWithoutXsave() =>
        Assert.SkipUnless((NativeProcessor.Cr4Mirror & Cr4.OsXsave) != Cr4.None, "the kernel has not enabled XSAVE");
}
