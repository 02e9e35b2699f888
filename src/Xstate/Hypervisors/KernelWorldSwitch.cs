namespace Xstate.Hypervisors;

/// <summary>Which world switch a kernel's KVM performs, by the name under which it can be explored.</summary>
internal static class KernelWorldSwitch
{
    /// <summary><c>kvm-svm-6.19</c> and the like.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="isSvm">Whether its KVM is kvm_amd; kvm_intel otherwise.</param>
    public static string ProtocolOf(KernelBehavior kernel, bool isSvm)
    {
        ArgumentNullException.ThrowIfNull(kernel);

        // The exchange moved before 5.10, the oldest kernel that distributions build on today; a kernel with backports is none of those.
        string since = kernel.Has(KernelDifference.KvmPkruWide) ? "6.19"
            : kernel.Release is not { } release || release.IsAtLeast(5, 8) ? "5.8"
            : release.IsAtLeast(5, 1) ? "5.7" : "5.0";
        return $"kvm-{(isSvm ? "svm" : "vmx")}-{since}";
    }
}
