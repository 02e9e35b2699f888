namespace Xstate.WorldSwitch;

/// <summary>What the instructions of a guest and of its host do to PKRU and to what manages it.</summary>
public sealed class SwitchInstructions
{
    private readonly bool _xinuseByValue;

    private SwitchInstructions(bool xinuseByValue)
    {
        _xinuseByValue = xinuseByValue;
    }

    /// <summary>A processor whose XINUSE[9] stays 1 after WRPKRU, even of 0 (Intel).</summary>
    public static SwitchInstructions Intel { get; } = new(xinuseByValue: false);

    /// <summary>A processor whose XINUSE[9] says whether PKRU is 0 now (AMD).</summary>
    public static SwitchInstructions Amd { get; } = new(xinuseByValue: true);

    /// <summary>RDPKRU; false when it is #UD.</summary>
    public bool Rdpkru(bool cr4Pke, PkruValue pkru, out PkruValue read)
    {
        read = pkru;
        return cr4Pke;
    }

    /// <summary>WRPKRU; false when it is #UD.</summary>
    public bool Wrpkru(bool cr4Pke, PkruValue value, ref PkruValue pkru, ref bool inUse)
    {
        if (!cr4Pke)
        {
            return false;
        }

        pkru = value;
        inUse = !_xinuseByValue || value != PkruValue.Initial;
        return true;
    }

    /// <summary>XSAVE with RFBM[9]; false when it is #UD or does not reach PKRU.</summary>
    public bool Xsave(bool cr4Osxsave, Xcr0Value xcr0, PkruValue pkru, bool inUse, out bool xstateBv9, out PkruValue stored)
    {
        stored = pkru;
        xstateBv9 = inUse;
        return cr4Osxsave && xcr0 == Xcr0Value.Host;
    }

    /// <summary>XRSTOR with RFBM[9] from an image with the given XSTATE_BV[9] and PKRU; false when it is #UD or does not reach PKRU.</summary>
    public bool Xrstor(bool cr4Osxsave, Xcr0Value xcr0, bool xstateBv9, PkruValue image, ref PkruValue pkru, ref bool inUse)
    {
        if (!cr4Osxsave || xcr0 != Xcr0Value.Host)
        {
            return false;
        }

        pkru = xstateBv9 ? image : PkruValue.Initial;
        inUse = xstateBv9 && (!_xinuseByValue || image != PkruValue.Initial);
        return true;
    }

    /// <summary>XSETBV(0); false when it is #UD or #GP.</summary>
    public bool Xsetbv(bool cr4Osxsave, Xcr0Value value) => cr4Osxsave && Enum.IsDefined(value);

    /// <summary>Whether an instruction that touches tile data raises #NM and sets IA32_XFD_ERR.</summary>
    public bool TileUseTrapsByXfd(bool cr4Osxsave, Xcr0Value xcr0, bool xfdArmed) => cr4Osxsave && xcr0 == Xcr0Value.Host && xfdArmed;
}
