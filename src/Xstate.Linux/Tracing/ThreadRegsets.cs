using System.Buffers.Binary;
using System.Runtime.Versioning;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Linux.Tracing;

/// <summary>A real stopped thread behind the same operations as the model's.</summary>
[SupportedOSPlatform("linux")]
internal sealed class ThreadRegsets(TracedThread thread) : IThreadRegsets
{
    public KvmReply GetXstate(out byte[] image) => new(thread.TryGet(RegisterSet.Xstate, out image));

    public KvmReply SetXstate(ReadOnlySpan<byte> image) => new(thread.TrySet(RegisterSet.Xstate, image));

    public KvmReply GetFpregs(out byte[] image) => new(thread.TryGet(RegisterSet.Fpregs, out image));

    public KvmReply SetFpregs(ReadOnlySpan<byte> image) => new(thread.TrySet(RegisterSet.Fpregs, image));

    public KvmReply GetShadowStack(out ulong pointer) => new(thread.TryGetShadowStack(out pointer));

    public KvmReply SetShadowStack(ulong pointer)
    {
        Span<byte> image = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(image, pointer);
        return new(thread.TrySet(RegisterSet.ShadowStack, image));
    }
}
