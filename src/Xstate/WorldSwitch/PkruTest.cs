namespace Xstate.WorldSwitch;

/// <summary>When KVM exchanges PKRU at all.</summary>
internal enum PkruTest
{
    /// <summary>Never: guests of this kernel have no protection keys.</summary>
    Never,

    /// <summary>If the guest's CR4.PKE is 1 (4.6 to 5.7).</summary>
    Cr4Pke,

    /// <summary>If CR4.PKE or XCR0[9] is 1 (5.8, commit 37486135d3a7).</summary>
    Cr4PkeOrXcr0,

    /// <summary>The same, XCR0[9] tested first and every test a step of its own (5.19, commit 945024d764a1; case 2's patch).</summary>
    Xcr0OrCr4PkeStepwise,

    /// <summary>Whatever the guest has enabled.</summary>
    Always,
}
