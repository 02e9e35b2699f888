namespace Xstate.WorldSwitch;

/// <summary>Which virtualization extension a protocol uses.</summary>
internal enum Virtualization
{
    /// <summary>Intel VMX: NMIs stay open between VM exit and VM entry.</summary>
    Vmx,

    /// <summary>AMD SVM: #VMEXIT leaves GIF at 0 until STGI.</summary>
    Svm,
}
