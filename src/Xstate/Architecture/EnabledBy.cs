namespace Xstate.Architecture;

/// <summary>Which register enables a component, and with it whether user code may save it.</summary>
internal enum EnabledBy
{
    /// <summary>XCR0: a user component, reachable by XSAVE and XRSTOR.</summary>
    Xcr0,

    /// <summary>IA32_XSS: a supervisor component, reachable by XSAVES and XRSTORS only.</summary>
    Xss,
}
