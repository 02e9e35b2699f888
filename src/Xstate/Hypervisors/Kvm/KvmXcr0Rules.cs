using Xstate.Architecture;
using Xstate.Findings;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// What KVM demands of a guest's XCR0, in the order of <c>__kvm_set_xcr</c>. The guest's XSETBV takes #GP(0) where KVM_SET_XCRS answers
/// EINVAL.
/// </summary>
internal static class KvmXcr0Rules
{
    /// <summary>Why a value is refused, or null.</summary>
    /// <param name="value">The value.</param>
    /// <param name="valid">What the guest's CPUID and the host allow, bit 0 included.</param>
    public static Refusal? Check(StateComponentSet value, StateComponentSet valid)
    {
        if (!value.Contains(StateComponent.X87))
        {
            return Broken(value, new Xcr0Violation(StateComponent.X87, "bit 0 must be set"));
        }

        if (value.Contains(StateComponent.Avx) && Xcr0Rules.BrokenDependency(StateComponent.Avx, value) is { } avx)
        {
            return Broken(value, avx);
        }

        if (!valid.ContainsAll(value))
        {
            return new Refusal(Rules.ForeignXcr0, null,
                $"XCR0 {value} has {value.Except(valid).Describe()}, outside the guest's CPUID and the host")
            {
                Found = value.ToString(),
                Expected = $"no bit outside {valid}",
                Since = "all kernels",
            };
        }

        return Xcr0Rules.FirstViolation(value, valid) is { } violation ? Broken(value, violation) : null;
    }

    private static Refusal Broken(StateComponentSet value, Xcr0Violation violation) =>
        new(Rules.BrokenXcr0, null, $"XCR0 {value}: {violation.Reason}")
        {
            Found = value.ToString(),
            Expected = violation.Reason,
            Since = "all kernels"
        };
}
