using System.Buffers.Binary;
using System.Runtime.Versioning;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;

namespace Xstate.Linux.Tracing;

/// <summary>A real stopped thread behind the same operations as the model's.</summary>
[SupportedOSPlatform("linux")]
internal sealed class ThreadRegsets(TracedThread thread) : IThreadRegsets
{
    public KernelReply GetXstate(out byte[] image) => new(thread.TryGet(RegisterSet.Xstate, out image));

    public KernelReply SetXstate(ReadOnlySpan<byte> image) => new(thread.TrySet(RegisterSet.Xstate, image));

    public KernelReply GetFpregs(out byte[] image) => new(thread.TryGet(RegisterSet.Fpregs, out image));

    public KernelReply SetFpregs(ReadOnlySpan<byte> image) => new(thread.TrySet(RegisterSet.Fpregs, image));

    public KernelReply GetShadowStack(out ulong pointer) => new(thread.TryGetShadowStack(out pointer));

    public KernelReply SetShadowStack(ulong pointer)
    {
        Span<byte> image = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(image, pointer);
        return new(thread.TrySet(RegisterSet.ShadowStack, image));
    }
}
