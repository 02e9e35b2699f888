using Xstate.Findings;

namespace Xstate.Tests.Findings;

/// <summary>From an error's words to the rules behind it.</summary>
public sealed class SymptomsTests
{
    [Theory]
    [InlineData("EINVAL", "XS0101")]
    [InlineData("kvm_set_xsave", "XS0101")]
    [InlineData("Invalid argument", "XS0101")]
    [InlineData("ioctl(14, KVM_SET_XSAVE, 0x7f12) = -1 EINVAL (Invalid argument)", "XS0101")]
    [InlineData("qemu-system-x86_64: Putting registers after init: Failed to set XSAVE: Invalid argument", "XS0102")]
    [InlineData("qemu-kvm: error: failed to set MSR 0xda0 to 0x1800", "XS0402")]
    [InlineData("bad fpu state", "XS0401")]
    [InlineData("WARNING: Bad FPU state detected at restore_fpregs_from_fpstate+0x9a/0x170, reinitializing FPU registers.", "XS0401")]
    [InlineData("XSAVE consistency problem: size 880 != kernel_size 840", "XS0320")]
    [InlineData("Unable to set XSAVE state", "XS0101")]
    [InlineData("SIGILL", "XS0508")]
    [InlineData("warning: Section `.reg-xstate/1234' in core file too small.", "XS0802")]
    [InlineData("Error (criu/cpu.c:513): cpu: CPU xfeatures has unsupported bits (0xe0)", "XS1016")]
    public void Words_of_an_error_lead_to_the_rule(string words, string rule) =>
        Assert.Contains(Symptoms.Search(words), symptom => symptom.Rules.Any(each => each.Id == rule));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("frobnicate")]
    [InlineData("invalid frobnicate")]
    public void Other_words_lead_nowhere(string words) => Assert.Empty(Symptoms.Search(words));

    [Fact]
    public void A_longer_question_finds_fewer() =>
        Assert.True(Symptoms.Search("einval").Length > Symptoms.Search("qemu einval").Length && !Symptoms.Search("qemu einval").IsEmpty);

    [Fact]
    public void Each_symptom_is_found_by_its_own_text() =>
        Assert.All(Symptoms.All, symptom => Assert.Contains(symptom, Symptoms.Search(symptom.Text)));
}
