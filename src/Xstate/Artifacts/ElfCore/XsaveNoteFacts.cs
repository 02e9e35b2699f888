using Xstate.Architecture;

namespace Xstate.Artifacts.ElfCore;

/// <summary>What the header and the software bytes of one NT_X86_XSTATE say about its writer.</summary>
internal sealed class XsaveNoteFacts
{
    public XsaveNoteFacts(byte[] bytes)
    {
        XsaveArea area = new(bytes);
        Bytes = bytes;
        XstateBv = area.XstateBv;
        MxcsrMask = area.MxcsrMask;
        Mask = new StateComponentSet(area.SoftwareMask);
        bool plausible = Mask.Contains(StateComponent.X87) && StateComponents.UserComponents.ContainsAll(Mask)
            && Mask.ContainsAll(XstateBv);
        Written = plausible ? Mask : StateComponentSet.Empty;
    }

    public byte[] Bytes { get; }

    public StateComponentSet XstateBv { get; }

    public uint MxcsrMask { get; }

    /// <summary>
    /// The word at byte 464: Linux and FreeBSD keep XCR0 there, everything else that writes XSAVE areas keeps zeros or its own things.
    /// </summary>
    public StateComponentSet Mask { get; }

    /// <summary>The components that the kernel had enabled; empty when byte 464 does not tell it.</summary>
    public StateComponentSet Written { get; }

    /// <summary>Whether gcore wrote the note.</summary>
    public bool HasGcoreMarks => MxcsrMask == 0 && !Written.IsEmpty && XstateBv == Written;
}
