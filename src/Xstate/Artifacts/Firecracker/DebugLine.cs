namespace Xstate.Artifacts.Firecracker;

/// <summary>What a line of <see cref="DebugText"/> is.</summary>
internal enum DebugLine
{
    /// <summary>It opens a structure or a list.</summary>
    Open,

    /// <summary>It is a field or an element without fields of its own.</summary>
    Value,

    /// <summary>It closes what was opened.</summary>
    Close,
}
