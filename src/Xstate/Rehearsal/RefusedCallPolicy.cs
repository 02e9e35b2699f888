namespace Xstate.Rehearsal;

/// <summary>What a VMM does when KVM refuses one of its calls.</summary>
internal enum RefusedCallPolicy
{
    /// <summary>The restore ends with an error and the guest does not run.</summary>
    End,

    /// <summary>The virtual CPU gets no further call, nobody is told, and the guest runs with what was set until then.</summary>
    Resume,
}
