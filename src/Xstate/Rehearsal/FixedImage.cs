using Xstate.Captures;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>The image of VMMs that know struct kvm_xsave and no longer one.</summary>
internal static class FixedImage
{
    /// <summary>The capture with areas of at most 4096 bytes.</summary>
    public static Capture Cut(Capture capture) => capture with { States = [.. capture.States.Select(Cut)] };

    private static CapturedState Cut(CapturedState state) =>
        state.Area.Length <= KvmModelMachine.XsaveLength ? state : state with { Area = state.Area[..KvmModelMachine.XsaveLength] };
}
