using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// What one kernel's KVM does with an image before and after the translation that KVM shares with ptrace and signals
/// (<see cref="UabiXstate"/>), each step by its own named difference. Kernels up to
/// 5.15 had functions of their own (<c>load_xsave</c> and <c>fill_xsave</c>, removed in 5.16), which looked at less of the header and
/// carried the legacy region as it lies.
/// </summary>
internal static class XsaveBorder
{
    /// <summary>Takes over an image whose components the host supports. The image is changed where the kernel does not look.</summary>
    public static Refusal? CopyFromUser(FpState state, Span<byte> image, ref uint pkru, StateComponentSet xfeatures)
    {
        KernelBehavior behavior = state.Host.Behavior;
        bool lazyMxcsr = behavior.Has(KernelDifference.KvmSetMxcsrLazy);
        uint mxcsr = LegacyRegion.ReadMxcsr(image);
        if (!lazyMxcsr && UabiXstate.CheckMxcsr(mxcsr, state.Host, "up to 5.15, whatever XSTATE_BV has") is { } badMxcsr)
        {
            return badMxcsr;
        }

        if (!behavior.Has(KernelDifference.KvmSetXcomp))
        {
            new XsaveAreaWriter(image).WriteXcompBv(0);
        }

        if (!behavior.Has(KernelDifference.KvmSetHeaderStrict))
        {
            new XsaveAreaWriter(image).ClearReserved();
        }

        PkruRule rule = behavior.Has(KernelDifference.KvmSetPkruKeep) ? PkruRule.RegisterOrKeep : PkruRule.RegisterOrInitial;
        if (UabiXstate.CopyFromUser(state, image, rule, ref pkru, xfeatures) is { } refusal)
        {
            return refusal;
        }

        if (behavior.Has(KernelDifference.KvmGetRaw))
        {
            image[..XsaveFormat.LegacyLength].CopyTo(state.Legacy);
        }
        else if (!lazyMxcsr)
        {
            LegacyRegion.CopyMxcsr(image, state.Legacy);
        }

        return null;
    }

    /// <summary>Writes an image into a zeroed destination, trimmed to the allowed components.</summary>
    public static void CopyToUser(FpState state, Span<byte> image, StateComponentSet allowed, uint pkru)
    {
        KernelBehavior behavior = state.Host.Behavior;
        UabiXstate.CopyToUser(state, image, allowed, pkru);
        Span<byte> mask = image.Slice(XsaveFormat.SoftwareOffset, sizeof(ulong));
        ulong written = behavior.Has(KernelDifference.KvmGetSoftwareMask) ? BinaryPrimitives.ReadUInt64LittleEndian(mask) : 0;
        if (behavior.Has(KernelDifference.KvmGetRaw))
        {
            state.Legacy.CopyTo(image);
        }
        else
        {
            UabiXstate.ShowPkru(state, image, pkru);
        }

        if (!behavior.Has(KernelDifference.KvmGetRaw) && !behavior.Has(KernelDifference.KvmSetMxcsrLazy))
        {
            LegacyRegion.CopyMxcsr(state.Legacy, image);
        }

        if (behavior.Has(KernelDifference.KvmGetSoftwareMask) || !behavior.Has(KernelDifference.KvmGetRaw))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(mask, written);
        }
    }
}
