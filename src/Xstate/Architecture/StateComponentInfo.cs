using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>
/// What the manuals fix about one component on every processor. Standard-format offsets are deliberately not here: they
/// belong to one CPU model and come from CPUID leaf 0xD (<see cref="XsaveLayout"/>).
/// </summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record StateComponentInfo
{
    internal StateComponentInfo(StateComponent component, string name, EnabledBy enabledBy, int size)
    {
        Component = component;
        Name = name;
        EnabledBy = enabledBy;
        Size = size;
    }

    /// <summary>The component.</summary>
    public StateComponent Component { get; }

    /// <summary>The name used in output and input, lower case.</summary>
    public string Name { get; }

    /// <summary>Bytes in an XSAVE area, as every processor but EPYC Rome (PKRU) enumerates them.</summary>
    public int Size { get; }

    /// <summary>Whether IA32_XSS enables the component, so that only XSAVES and XRSTORS reach it; else XCR0 does.</summary>
    public bool IsSupervisor => EnabledBy == EnabledBy.Xss;

    /// <summary>Components whose XCR0 bits must be set too.</summary>
    public StateComponentSet Requires { get; internal init; }

    /// <summary>Components whose XCR0 bits must equal this one's, itself included; empty when alone.</summary>
    public StateComponentSet Group { get; internal init; }

    /// <summary>Components that may not be enabled together with it.</summary>
    public StateComponentSet Excludes { get; internal init; }

    /// <summary>
    /// Whether the component's instructions fault (MPX: do nothing) while its XCR0 bit is clear. PKRU and the supervisor components are
    /// only XSAVE-<i>managed</i>: their registers work whatever XCR0 says (SDM Vol. 1, 13.1).
    /// </summary>
    public bool XsaveEnabled { get; internal init; }

    /// <summary>
    /// The first eight bytes of the initial configuration (SDM Vol. 1, 13.6): what a restore gives the component when the image does not
    /// have it. Everything else of every component is zero then, but for the x87 control word (<see cref="XsaveFormat.InitialFcw"/>).
    /// </summary>
    public ulong InitialValue { get; internal init; }

    /// <summary>The component as a set of one.</summary>
    public StateComponentSet Bit => StateComponentSet.Of(Component);

    internal EnabledBy EnabledBy { get; }

    /// <summary>CPUID features any one of which brings the component; empty where none is defined.</summary>
    internal ImmutableArray<CpuidFeature> Features { get; init; } = [];

    /// <summary>Whether a CPUID table has a feature that brings the component.</summary>
    public bool IsAnnouncedBy(CpuidTable cpuid)
    {
        foreach (CpuidFeature feature in Features)
        {
            if (feature.IsIn(cpuid))
            {
                return true;
            }
        }

        return false;
    }
}
