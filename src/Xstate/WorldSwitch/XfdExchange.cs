namespace Xstate.WorldSwitch;

/// <summary>
/// The exchange of IA32_XFD_ERR around guest code, and the reading back of IA32_XFD, which the guest writes without an exit.
/// </summary>
/// <param name="ClearsXfdErr">IA32_XFD_ERR is cleared after an exit.</param>
internal sealed record XfdExchange(bool ClearsXfdErr)
{
    /// <summary>Before VM entry.</summary>
    public void WriteGuest(ProtocolBuilder protocol) =>
        protocol.Then("load-xfd-err", "if (guest_fpu.xfd_err) wrmsrl(XFD_ERR, guest)", "The guest finds its own IA32_XFD_ERR.",
            static (ref c) =>
        {
            c.Cpu.XfdErr |= c.Vcpu.SavedXfdErr;
            return true;
        });

    /// <summary>After VM exit.</summary>
    public void WriteHost(ProtocolBuilder protocol)
    {
        bool clears = ClearsXfdErr;
        protocol
            .Then("sync-xfd", "fpu_sync_guest_vmexit_xfd_state()",
                "The guest writes IA32_XFD without an exit, so the software copy is read back.", static (ref c) =>
            {
                c.Vcpu.XfdArmed = c.Cpu.XfdArmed;
                return true;
            })
            .Then("save-xfd-err", "if (#NM) rdmsrl(XFD_ERR)", "handle_nm_fault_irqoff() keeps what the processor reported.",
                static (ref c) =>
            {
                if (c.Vcpu.ExitReason == ExitReason.DeviceNotAvailable)
                {
                    c.Vcpu.SavedXfdErr = c.Cpu.XfdErr;
                }

                return true;
            })
            .Then("clear-xfd-err", clears ? "if (guest_fpu.xfd_err) wrmsrl(XFD_ERR, 0)" : "(IA32_XFD_ERR is left as it is)",
                "No #NM of the host may see the guest's value.", (ref c) =>
            {
                if (clears && c.Vcpu.SavedXfdErr)
                {
                    c.Cpu.XfdErr = false;
                }

                return true;
            });
    }
}
