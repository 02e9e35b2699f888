namespace Xstate.Processor;

/// <summary>The registers of a <see cref="ProcessorState"/> that no component holds.</summary>
internal enum ControlRegister
{
    /// <summary>CR0.</summary>
    Cr0,

    /// <summary>CR4.</summary>
    Cr4,

    /// <summary>IA32_EFER, of which only FFXSR matters here.</summary>
    Efer,

    /// <summary>MXCSR.</summary>
    Mxcsr,

    /// <summary>XCR0.</summary>
    Xcr0,

    /// <summary>IA32_XSS.</summary>
    Xss,

    /// <summary>IA32_XFD.</summary>
    Xfd,

    /// <summary>IA32_XFD_ERR.</summary>
    XfdErr,

    /// <summary>IA32_PKRS.</summary>
    Pkrs,
}
