using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Linux.Kvm;

namespace Xstate.Linux.Tests.Kvm;

public class KvmDeviceTests
{
    [Fact]
    public void A_missing_device_is_named_with_the_error()
    {
        KvmException refusal = Assert.Throws<KvmException>(() => KvmDevice.Open("/dev/no-such-device"));
        Assert.Equal("open /dev/no-such-device", refusal.Request);
        Assert.Equal(Errno.ENOENT, refusal.Errno);
        Assert.Equal("open /dev/no-such-device: ENOENT (2)", refusal.Message);
    }

    [Fact]
    public void A_file_that_is_not_kvm_is_refused()
    {
        KvmException refusal = Assert.Throws<KvmException>(() => KvmDevice.Open("/dev/null"));
        Assert.Equal(Errno.ENOTTY, refusal.Errno);
        Assert.Contains("/dev/null", refusal.Request, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(KvmFlavour.Unknown, ProcessorVendor.Intel)]
    [InlineData(KvmFlavour.Intel, ProcessorVendor.Intel, "kvm", "kvm_intel")]
    [InlineData(KvmFlavour.Amd, ProcessorVendor.Amd, "kvm", "kvm_amd")]
    [InlineData(KvmFlavour.Pvm, ProcessorVendor.Amd, "kvm", "kvm_pvm")]
    [InlineData(KvmFlavour.Pvm, ProcessorVendor.Intel, "kvm", "kvm_intel", "kvm_pvm")]
    [InlineData(KvmFlavour.Amd, ProcessorVendor.Amd, "kvm", "kvm_intel", "kvm_amd")]
    [InlineData(KvmFlavour.Intel, ProcessorVendor.Intel, "kvm", "kvm_intel", "kvm_amd")]
    public void The_flavour_is_the_module_that_serves_the_processor(Enum expectedValue, ProcessorVendor vendor, params string[] modules)
    {
        KvmFlavour expected = (KvmFlavour)expectedValue;
        string folder = Directory.CreateTempSubdirectory("xstate-modules").FullName;
        try
        {
            foreach (string module in modules)
            {
                Directory.CreateDirectory(Path.Combine(folder, module));
            }

            Assert.Equal(expected, KvmDevice.DetectFlavour(folder, new ProcessorModel(vendor, 6, 1, 1)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_guests_can_have_contains_what_is_offered_without_asking()
    {
        using KvmDevice device = LocalKvm.Open();
        StateComponentSet? possible = device.GetGuestSupportedComponents();
        Assert.SkipUnless(possible is not null, "this kernel has no KVM_X86_XCOMP_GUEST_SUPP");
        Assert.True(possible.Value.ContainsAll(device.GetSupportedCpuid().UserComponents));
        Assert.True(device.CheckExtension(KvmCapability.SystemAttributes) != 0);
    }
}
