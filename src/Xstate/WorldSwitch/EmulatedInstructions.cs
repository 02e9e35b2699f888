namespace Xstate.WorldSwitch;

/// <summary>The intercepted instructions that change what the switch depends on, as the hypervisor carries them out.</summary>
internal sealed record EmulatedInstructions(bool HasPkru, bool HasXss, bool HasXfd, bool InterceptsCr4, bool InterceptsXsetbv)
{
    /// <summary>Adds the instructions to the location where exits are handled.</summary>
    /// <param name="protocol">The protocol being written.</param>
    /// <param name="next">Where the thread goes on.</param>
    public void Write(ProtocolBuilder protocol, string next)
    {
        if (InterceptsCr4)
        {
            protocol.StepTo(next, "emulate MOV CR4 (OSXSAVE)", "The guest flips CR4.OSXSAVE.", static (ref c) =>
            {
                c.Vcpu.Cr4Osxsave = !c.Vcpu.Cr4Osxsave;
                return true;
            });
            if (HasPkru)
            {
                protocol.StepTo(next, "emulate MOV CR4 (PKE)", "The guest flips CR4.PKE.", static (ref c) =>
                {
                    c.Vcpu.Cr4Pke = !c.Vcpu.Cr4Pke;
                    return true;
                });
            }
        }

        if (InterceptsXsetbv)
        {
            protocol.StepTo(next, "emulate XSETBV",
                "The hypervisor checks the value and keeps it; the register follows at the next entry.", static (ref c) =>
            {
                Xcr0Value value = c.Vcpu.Xcr0 == Xcr0Value.Host ? Xcr0Value.WithoutPkru : Xcr0Value.Host;
                if (!c.Instructions.Xsetbv(c.Vcpu.Cr4Osxsave, value))
                {
                    return false;
                }

                c.Vcpu.Xcr0 = value;
                return true;
            });
        }

        if (HasXss)
        {
            protocol.StepTo(next, "emulate WRMSR IA32_XSS", "The guest enables or disables CET state.", static (ref c) =>
            {
                XssValue value = c.Vcpu.Xss == XssValue.Zero ? XssValue.Cet : XssValue.Zero;
                if (!c.Instructions.WrmsrXss(value))
                {
                    return false;
                }

                c.Vcpu.Xss = value;
                return true;
            });
        }

        if (HasXfd)
        {
            protocol.StepTo(next, "emulate WRMSR IA32_XFD_ERR, 0",
                "The guest's #NM handler is done; the register is 0 already, the copy follows.", static (ref c) =>
            {
                if (!c.Vcpu.SavedXfdErr)
                {
                    return false;
                }

                c.Vcpu.SavedXfdErr = false;
                c.Vcpu.ExpectedXfdErr = false;
                return true;
            });
        }
    }
}
