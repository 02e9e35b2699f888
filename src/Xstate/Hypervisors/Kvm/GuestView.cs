using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>What a guest will find in its registers when it runs next.</summary>
internal static class GuestView
{
    /// <summary>
    /// An area in the host's standard format that stands for the guest's registers: the kernel's buffer as its own XRSTOR loads it, with
    /// PKRU from where KVM keeps it. It is not what KVM_GET_XSAVE returns, which hides components and, before the next run, MXCSR's fate.
    /// </summary>
    public static byte[] Of(KvmModelVcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        FpState state = vcpu.State;
        byte[] area = new byte[Math.Max(KvmModelMachine.XsaveLength, state.Buffer.Length)];
        state.Buffer.CopyTo(area);
        XsaveAreaWriter image = new XsaveAreaWriter(area).ClearHeader();
        StateComponentSet live = state.Xfeatures.Except(state.Xfd);
        if (!live.Contains(StateComponent.Sse))
        {
            // Bit 1 is set below to carry MXCSR, so the registers must be what a clear bit stands for.
            LegacyRegion.Initialize(StateComponent.Sse, area);
        }

        image.WriteMxcsr(Mxcsr.Loaded(state.Mxcsr, live, state.Host.UsesCompactedBuffers));
        live = live.With(StateComponent.Sse);
        if (state.Host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot pkru) && pkru.End <= area.Length)
        {
            area.AsSpan(pkru.Offset, pkru.Size).Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(pkru.Offset), vcpu.Pkru);
            live = live.With(StateComponent.Pkru);
        }

        image.WriteXstateBv(live);
        return area;
    }
}
