using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>What a comparison found.</summary>
/// <param name="Cases">Cases executed on both.</param>
/// <param name="Faults">Cases in which the real processor raised a fault.</param>
/// <param name="Repeated">
/// Cases that agreed, but only when executed again. Between two instructions of a probe the kernel or a hypervisor may save and restore the
/// registers, after which the processor may report a component as in use although it is initial; nothing in the case tells when.
/// </param>
/// <param name="ByInstruction">Cases per instruction.</param>
/// <param name="Disagreements">The first differences in words; empty when model and processor agree.</param>
internal sealed record ComparisonReport(
    int Cases, int Faults, int Repeated, ImmutableSortedDictionary<string, int> ByInstruction, ImmutableArray<string> Disagreements);

/// <summary>
/// Executes random instructions from random register states on random memory, on the real processor and on the model, and compares every
/// byte of memory, every register, XINUSE and every fault. What the processor offers decides what is tried.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ProcessorComparison : IDisposable
{
    private const int MaxDisagreements = 10;
    private const int MaxRepeats = 3;
    private const int PageMask = 0xFFF;
    private readonly InstructionProbe _probe;
    private readonly ProcessorState _cpu;
    private readonly CaseGenerator _generator;
    private readonly byte[] _memory = new byte[InstructionProbe.MemoryLength];
    private readonly byte[] _before = new byte[InstructionProbe.MemoryLength];
    private readonly byte[] _final;
    private readonly List<string> _disagreements = [];

    /// <summary>A comparison whose cases follow from a seed. It must run on the thread that makes it.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="profile">The model's profile, if it is not to be the one that CPUID describes.</param>
    /// <param name="withTiles">Compare tile registers too, for which the process needs <see cref="ProcessPermission"/>; without, they are
    /// what IA32_XFD disables.</param>
    /// <param name="withCompatibilityMode">Also execute in compatibility mode; null where the kernel has the segments for it.</param>
    public ProcessorComparison(ulong seed, ProcessorProfile? profile = null, bool withTiles = false, bool? withCompatibilityMode = null)
    {
        _probe = new InstructionProbe(withTiles);
        _cpu = ProcessorState.ForUserProcess(profile ?? _probe.Profile);
        _cpu.Xcr0 = _probe.Enabled;
        _cpu.Cr4 = NativeProcessor.Cr4Mirror;
        _cpu.Xfd = withTiles ? StateComponentSet.Empty : _cpu.Profile.XfdComponents;
        _final = new byte[_cpu.Profile.Layout.StandardLength];
        _generator = new CaseGenerator(seed, _probe, withCompatibilityMode ?? ProcessorMeasurement.HasCompatibilityMode);
    }

    /// <summary>Runs cases until there are enough, or enough disagreements.</summary>
    public ComparisonReport Run(int cases)
    {
        int[] perInstruction = new int[ProbedInstruction.All.Length];
        int done = 0;
        int faults = 0;
        int repeated = 0;
        while (done < cases && _disagreements.Count < MaxDisagreements)
        {
            ProbedCase next = _generator.Next();
            _probe.Memory[next.AreaOffset..].CopyTo(_before.AsSpan(next.AreaOffset));
            string? difference = RunOne(next, out bool faulted);
            if (difference is not null)
            {
                string first = difference;
                for (int attempt = 0; attempt < MaxRepeats && difference is not null; attempt++)
                {
                    _before.AsSpan(next.AreaOffset).CopyTo(_probe.Memory[next.AreaOffset..]);
                    difference = RunOne(next, out faulted);
                }

                if (difference is null)
                {
                    repeated++;
                }
                else
                {
                    _disagreements.Add($"{next}: {first}");
                }
            }

            faults += faulted ? 1 : 0;
            perInstruction[ProbedInstruction.All.IndexOf(next.Instruction)]++;
            done++;
        }

        return new ComparisonReport(
            done,
            faults,
            repeated,
            ProbedInstruction.All.Zip(perInstruction)
                .Where(pair => pair.Second > 0)
                .ToImmutableSortedDictionary(pair => pair.First.ToString(), pair => pair.Second, StringComparer.Ordinal),
            [.. _disagreements]);
    }

    /// <inheritdoc/>
    public void Dispose() => _probe.Dispose();

    // The first difference in words, or null.
    private string? RunOne(ProbedCase next, out bool faulted)
    {
        Span<byte> expected = _memory.AsSpan(next.AreaOffset);
        _probe.Memory[next.AreaOffset..].CopyTo(expected);

        Fault real = _probe.Execute(next.Instruction, next.AreaOffset + next.Misalignment, next.Rax, next.Rdx, next.Rcx,
            next.AlignmentCheck);
        faulted = real.IsFault;
        _cpu.Is64BitMode = true;
        Fault start = Instructions.Xrstor(_cpu, _probe.InitialImage, 0, ulong.MaxValue);
        _cpu.Is64BitMode = next.Instruction.Is64BitMode;
        _cpu.AlignmentCheck = next.AlignmentCheck;
        (ulong rax, ulong rdx) = (next.Rax, next.Rdx);
        Fault model = start.IsFault ? start : Execute(next, ref rax, ref rdx);
        _cpu.Is64BitMode = true;

        // Outside 64-bit mode the upper halves are not the instruction's to keep.
        ulong kept = next.Instruction.Is64BitMode ? ulong.MaxValue : uint.MaxValue;
        if (real.IsFault)
        {
            CountFrameAsInUse();
        }

        return FaultDifference(real, model)
            ?? Difference("RAX", rax & kept, _probe.Rax & kept)
            ?? Difference("RDX", rdx & kept, _probe.Rdx & kept)
            ?? Difference("memory", expected, _probe.Memory[next.AreaOffset..])
            ?? RegisterDifference();
    }

    private Fault Execute(ProbedCase next, ref ulong rax, ref ulong rdx)
    {
        Span<byte> memory = _memory.AsSpan(next.AreaOffset + next.Misalignment);
        ulong address = _probe.MemoryAddress + (ulong)(next.AreaOffset + next.Misalignment);
        ulong edxEax = rdx << 32 | (uint)rax;
        InstructionEncoding instruction = new(next.Instruction.Instruction, next.Instruction.Operand, ModRmOffset: 0);
        Fault fault = Instructions.Execute(_cpu, instruction, memory, address, (uint)next.Rcx, ref edxEax);
        if (!fault.IsFault && next.Instruction.Instruction is StateInstruction.Xgetbv or StateInstruction.Rdpkru)
        {
            (rax, rdx) = ((uint)edxEax, edxEax >> 32);
        }

        return fault;
    }

    // The kernel restores the registers from the frame of the signal, in which it sets XSTATE_BV of x87 and SSE, and of PKRU since Linux
    // 6.13 and 6.12.5: a processor that goes by history then counts them as in use.
    private void CountFrameAsInUse()
    {
        foreach (StateComponent component in StateComponentSet.Of(StateComponent.X87, StateComponent.Sse, StateComponent.Pkru))
        {
            if (_probe.InUse is { } inUse && (inUse >> (int)component & 1) != 0)
            {
                _cpu.Registers.Write(component);
            }
        }
    }

    private string? FaultDifference(Fault real, Fault model)
    {
        // What IA32_XFD raises without permission is told by the signal alone.
        if (_probe.IsIllegal && model.Vector == FaultVector.DeviceNotAvailable)
        {
            return null;
        }

        if (_cpu.Profile.Has(ProcessorQuirks.AreaProbedAtItsEnd))
        {
            return real == model ? null : $"fault {real} at {real.Address:x}, model {model} at {model.Address:x}";
        }

        // Elsewhere any byte of the page that cannot be accessed may be reported.
        Fault realPage = real with { Address = real.Address & ~(ulong)PageMask };
        Fault modelPage = model with { Address = model.Address & ~(ulong)PageMask };
        return realPage == modelPage ? null : $"fault {real} at {real.Address:x}, model {model} at {model.Address:x}";
    }

    private static string? Difference(string what, ulong model, ulong real) => model == real ? null : $"{what} {real:x}, model {model:x}";

    private static string? Difference(string what, ReadOnlySpan<byte> model, ReadOnlySpan<byte> real)
    {
        int at = model.CommonPrefixLength(real);
        return at == model.Length ? null : $"{what} byte {at}: {real[at]:x2}, model {model[at]:x2}";
    }

    private string? RegisterDifference()
    {
        string? difference = null;
        if (_probe.InUse is { } inUse)
        {
            Instructions.Xgetbv(_cpu, 1, out ulong model);
            difference = Difference("XINUSE", model, inUse);
        }

        X87Registers x87 = _cpu.Registers.X87;
        ReadOnlySpan<byte> environment = _probe.FinalEnvironment;
        difference ??= Difference("FCW", x87.Fcw, BinaryPrimitives.ReadUInt16LittleEndian(environment))
            ?? Difference("FSW", x87.Fsw, BinaryPrimitives.ReadUInt16LittleEndian(environment[4..]))
            ?? Difference("FTW", x87.Ftw, BinaryPrimitives.ReadUInt16LittleEndian(environment[8..]));

        new XsaveAreaWriter(_final).WriteXstateBv(StateComponentSet.Empty);
        Instructions.Xsave(_cpu, _final, 0, ulong.MaxValue);
        difference ??= Difference("register image", _final, _probe.FinalImage[.._final.Length]);
        return _probe.Pkru is { } pkru ? difference ?? Difference("PKRU", _cpu.Registers.Pkru.Value, pkru) : difference;
    }
}
