using System.Runtime.CompilerServices;

namespace Xstate.WorldSwitch;

/// <summary>
/// Every vCPU and every logical processor at one moment. Slot <c>i</c> holds vCPU <c>i</c> in its low 48 bits and CPU <c>i</c> in its high
/// 16; a machine takes as many slots as the larger of its two numbers.
/// </summary>
[InlineArray(MaxActors)]
internal struct MachineState
{
    /// <summary>The most vCPUs, and the most logical processors, of one exploration.</summary>
    public const int MaxActors = 4;

    private const ulong VcpuMask = (1UL << VcpuState.BitCount) - 1;

#pragma warning disable IDE0044, IDE0051 // The element of an inline array is reached by indexing only.
    private ulong _slot;
#pragma warning restore IDE0044, IDE0051

    /// <summary>One vCPU and its thread.</summary>
    public readonly VcpuState Vcpu(int index) => new(this[index] & VcpuMask);

    /// <summary>One logical processor.</summary>
    public readonly CpuState Cpu(int index) => new((uint)(this[index] >> VcpuState.BitCount));

    internal void SetVcpu(int index, VcpuState vcpu) => this[index] = this[index] & ~VcpuMask | vcpu.Bits;

    internal void SetCpu(int index, CpuState cpu) => this[index] = this[index] & VcpuMask | (ulong)cpu.Bits << VcpuState.BitCount;
}
