namespace Xstate.WorldSwitch;

/// <summary>
/// The exchange of XCR0 and IA32_XSS around guest code: each only if the guest has CR4.OSXSAVE and another value than the host.
/// </summary>
/// <param name="HasXss">The guest may write IA32_XSS.</param>
/// <param name="RestoresXcr0">The host's XCR0 is loaded after an exit.</param>
/// <param name="RestoresXss">The host's IA32_XSS is loaded after an exit.</param>
internal sealed record XcrExchange(bool HasXss, bool RestoresXcr0, bool RestoresXss)
{
    /// <summary>The exchange before VM entry.</summary>
    public void WriteGuest(ProtocolBuilder protocol)
    {
        protocol.Then("guest-xcr0", "if (CR4.OSXSAVE && xcr0 != host_xcr0) xsetbv(guest)",
            "The guest's XCR0, unless it cannot execute XSAVE anyway.", static (ref c) =>
        {
            if (c.Vcpu.Cr4Osxsave)
            {
                c.Cpu.Xcr0 = c.Vcpu.Xcr0;
            }

            return true;
        });
        if (HasXss)
        {
            protocol.Then("guest-xss", "if (CR4.OSXSAVE && xss != host_xss) wrmsrl(XSS, guest)",
                "The guest's IA32_XSS under the same condition.", static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave)
                {
                    c.Cpu.Xss = c.Vcpu.Xss;
                }

                return true;
            });
        }
    }

    /// <summary>The exchange back after VM exit.</summary>
    public void WriteHost(ProtocolBuilder protocol)
    {
        if (RestoresXcr0)
        {
            protocol.Then("host-xcr0", "if (CR4.OSXSAVE && xcr0 != host_xcr0) xsetbv(host)",
                "The same test as on entry, on KVM's copy of the guest's XCR0.", static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave && c.Vcpu.Xcr0 != Xcr0Value.Host)
                {
                    c.Cpu.Xcr0 = Xcr0Value.Host;
                }

                return true;
            });
        }

        if (HasXss && RestoresXss)
        {
            protocol.Then("host-xss", "if (CR4.OSXSAVE && xss != host_xss) wrmsrl(XSS, host)", "The same test as on entry.",
                static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave)
                {
                    c.Cpu.Xss = XssValue.Host;
                }

                return true;
            });
        }
    }
}
