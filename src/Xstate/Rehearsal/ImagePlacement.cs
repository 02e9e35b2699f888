namespace Xstate.Rehearsal;

/// <summary>At which offsets the components lie in the image that a VMM gives to KVM_SET_XSAVE.</summary>
internal enum ImagePlacement
{
    /// <summary>Where they lay when the state was saved: the image is passed on as it is.</summary>
    AsSaved,

    /// <summary>Where the target's processor has them: the VMM builds the image.</summary>
    HostOffsets,
}
