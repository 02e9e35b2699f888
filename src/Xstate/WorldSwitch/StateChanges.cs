using System.Text;

namespace Xstate.WorldSwitch;

/// <summary>Says in words what a step changed.</summary>
internal static class StateChanges
{
    /// <summary>Appends what is different, register by register.</summary>
    /// <param name="note">Where to.</param>
    /// <param name="before">The thread before.</param>
    /// <param name="after">The thread after.</param>
    /// <param name="cpuBefore">Its processor before.</param>
    /// <param name="cpuAfter">Its processor after.</param>
    /// <param name="hasXfd">The processor has IA32_XFD; if not, nothing reads what is held in its place.</param>
    public static void Append(StringBuilder note, VcpuState before, VcpuState after, CpuState cpuBefore, CpuState cpuAfter, bool hasXfd)
    {
        Change(note, "PKRU", cpuBefore.Pkru, cpuAfter.Pkru, Text);
        Change(note, "XINUSE[9]", cpuBefore.PkruInUse, cpuAfter.PkruInUse, Text);
        Change(note, "XCR0", cpuBefore.Xcr0, cpuAfter.Xcr0, Text);
        Change(note, "IA32_XSS", cpuBefore.Xss, cpuAfter.Xss, Text);
        if (hasXfd)
        {
            Change(note, "IA32_XFD[18]", cpuBefore.XfdArmed, cpuAfter.XfdArmed, Text);
        }

        Change(note, "IA32_XFD_ERR[18]", cpuBefore.XfdErr, cpuAfter.XfdErr, Text);
        Change(note, "GIF", cpuBefore.Gif, cpuAfter.Gif, Text);
        Change(note, "IF", cpuBefore.InterruptsOn, cpuAfter.InterruptsOn, Text);
        Change(note, "NMI-blocked", cpuBefore.NmiBlocked, cpuAfter.NmiBlocked, Text);
        Change(note, "user access forbidden", cpuBefore.UserAccessForbidden, cpuAfter.UserAccessForbidden, Text);
        Change(note, "guest CR4.PKE", before.Cr4Pke, after.Cr4Pke, Text);
        Change(note, "guest CR4.OSXSAVE", before.Cr4Osxsave, after.Cr4Osxsave, Text);
        Change(note, "saved XCR0", before.Xcr0, after.Xcr0, Text);
        Change(note, "saved IA32_XSS", before.Xss, after.Xss, Text);
        Change(note, "saved PKRU", before.SavedPkru, after.SavedPkru, Text);
        Change(note, "host_pkru", before.HostPkru, after.HostPkru, Text);
        Change(note, "thread.pkru", before.ThreadPkru, after.ThreadPkru, Text);
        Change(note, "saved IA32_XFD_ERR[18]", before.SavedXfdErr, after.SavedXfdErr, Text);
        Change(note, "image XSTATE_BV[9]", before.ImageHasPkru, after.ImageHasPkru, Text);
    }

    /// <summary>Appends the values that break an invariant.</summary>
    public static void AppendEvidence(StringBuilder note, VcpuState vcpu, CpuState cpu, Invariant invariant)
    {
        note.Append(" (").Append(invariant switch
        {
            Invariant.GuestObservesHostPkru => $"it reads {Text(cpu.Pkru)}, it wrote {Text(vcpu.ExpectedPkru)}",
            Invariant.HostUserAccessUnderGuestPkru => $"PKRU is {Text(cpu.Pkru)}",
            Invariant.GuestPkruLost =>
                $"saved {Text(vcpu.SavedPkru)}, image bit {Text(vcpu.ImageHasPkru)}, the guest wrote {Text(vcpu.ExpectedPkru)}",
            Invariant.HostXsaveUnderGuestXcr0 => $"XCR0 is {Text(cpu.Xcr0)}",
            Invariant.HostXsavesUnderGuestXss => $"IA32_XSS is {Text(cpu.Xss)}",
            Invariant.XfdErrLeaks => $"IA32_XFD_ERR[18] is {Text(cpu.XfdErr)}, the guest expects {Text(vcpu.ExpectedXfdErr)}",
            Invariant.XinuseInvalid => $"the guest's PKRU is {Text(vcpu.ExpectedPkru)}",
            _ => throw new ArgumentOutOfRangeException(nameof(invariant)),
        }).Append(')');
    }

    private static void Change<T>(StringBuilder note, string name, T before, T after, Func<T, string> text)
        where T : struct
    {
        if (!before.Equals(after))
        {
            note.Append(note.Length == 0 ? "" : ", ").Append(name).Append(": ").Append(text(before)).Append(" → ").Append(text(after));
        }
    }

    private static string Text(bool value) => value ? "1" : "0";

    private static string Text(PkruValue value) => value switch
    {
        PkruValue.Initial => "0x0 (initial)",
        PkruValue.HostThread => $"{RegisterValues.Of(value)} (host)",
        _ => $"{RegisterValues.Of(value)} (guest)",
    };

    private static string Text(Xcr0Value value) => value == Xcr0Value.Host ? "the host's (with PKRU)" : "the guest's (without PKRU)";

    private static string Text(XssValue value) => $"{RegisterValues.Of(value)}{(value == XssValue.Host ? " (host)" : "")}";
}
