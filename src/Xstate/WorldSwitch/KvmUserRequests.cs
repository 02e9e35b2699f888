namespace Xstate.WorldSwitch;

/// <summary>What the VMM asks of KVM between two KVM_RUN calls, and what a signal does to its thread.</summary>
internal static class KvmUserRequests
{
    /// <summary>Adds the requests to the location in user space.</summary>
    /// <param name="protocol">The protocol being written.</param>
    /// <param name="reportsPkruBit">GET_XSAVE reports XSTATE_BV[9] as the image has it.</param>
    public static void Write(ProtocolBuilder protocol, bool reportsPkruBit) => protocol
        .Loop("ioctl(KVM_GET_XSAVE)",
            "The image's XSTATE_BV[9] is the saved image's; PKRU itself comes from vcpu->arch.pkru, and only if that bit is set.",
            (ref c) =>
        {
            bool bit = reportsPkruBit && c.Vcpu.ImageHasPkru;
            if (!bit && c.Vcpu.SavedPkru != PkruValue.Initial)
            {
                c.Violates(Invariant.XinuseInvalid);
            }

            if ((bit ? c.Vcpu.SavedPkru : PkruValue.Initial) != c.Vcpu.ExpectedPkru)
            {
                c.Violates(Invariant.GuestPkruLost);
            }

            return true;
        }, HostEvents.GetXsave)
        .Loop("ioctl(KVM_SET_XSAVE, PKRU = initial)", "An image with XSTATE_BV[9] set and PKRU 0.",
            static (ref c) => Set(ref c, PkruValue.Initial), HostEvents.SetXsave)
        .Loop("ioctl(KVM_SET_XSAVE, PKRU = guest's)", "An image with XSTATE_BV[9] set and a PKRU of the guest's choice.",
            static (ref c) => Set(ref c, PkruValue.Guest), HostEvents.SetXsave)
        .Loop("ioctl(KVM_SET_XSAVE, no PKRU)", "XSTATE_BV[9] clear leaves vcpu->arch.pkru as it is: KVM's rule, not XRSTOR's.",
            static (ref c) =>
        {
            c.Vcpu.ImageHasPkru = false;
            return true;
        }, HostEvents.SetXsaveKeep)
        .Loop("signal frame", "The kernel saves the thread's FPU state to its stack: XSAVE, and user memory is written.", static (ref c) =>
        {
            c.HostSavesFpu();
            c.HostReadsUserMemory();
            c.HostMayReadXfdErr();
            return true;
        }, HostEvents.Signal);

    private static bool Set(ref StepContext context, PkruValue value)
    {
        context.Vcpu.SavedPkru = value;
        context.Vcpu.ExpectedPkru = value;
        context.Vcpu.ImageHasPkru = true;
        return true;
    }
}
