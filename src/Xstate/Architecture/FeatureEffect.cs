namespace Xstate.Architecture;

/// <summary>What a feature bit announces to a program, and so what a guest loses where it is missing.</summary>
internal enum FeatureEffect
{
    /// <summary>Neither an instruction nor state: a control, a capability of the platform, or a hint.</summary>
    None,

    /// <summary>Instructions, which are #UD (or do something else) without it.</summary>
    Instructions,

    /// <summary>State with the instructions that use it.</summary>
    State,
}
