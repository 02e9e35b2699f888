using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios;

/// <summary>The steps that concern what a guest sees, on KVM and on OpenBSD's vmm.</summary>
internal static class GuestSteps
{
    public static ScenarioStep? Parse(string op, ScenarioValue step, IGuestAssembler? assembler) => op switch
    {
        "guest_cpuid" => GuestCpuid(op, KvmSteps.Vcpu(step), (uint)step.Require("leaf").Number(uint.MaxValue),
            (uint)(step.Take("subleaf")?.Number(uint.MaxValue) ?? 0)),
        "set_sregs" => SetSregs(KvmSteps.Vcpu(step), SetControlRegistersCall.Parse(step)),
        "linux_guest_signal" => LinuxGuestSignal(op, KvmSteps.Vcpu(step), Kernel(step.Require("kernel"))),
        "guest" => Guest(op, KvmSteps.Vcpu(step), GuestCode.Take(step, assembler)),
        _ => null,
    };

    private static ActionStep GuestCpuid(string op, int id, uint leaf, uint subleaf) => new(op, run =>
        run.Vmm is { } vmm
            ? StepAnswer.Done with { Result = json => CallJson.WriteRegisters(json, vmm.Cpuid(leaf, subleaf)) }
            : run.OnVcpu(id, vcpu => StepAnswer.Of(
                vcpu.GetCpuid2(out System.Collections.Immutable.ImmutableArray<CpuidEntry> entries),
                json => CallJson.WriteRegisters(json, new CpuidTable(entries).Read(leaf, subleaf)))));

    private static KernelBehavior Kernel(ScenarioValue kernel) =>
        KernelRelease.TryParse(kernel.Text(), out KernelRelease release)
        ? KernelBehavior.Of(release) : throw kernel.Error("a release such as 6.12 is expected");

    // A modelled Linux kernel as the guest, whatever runs it: all that it learns of the machine is CPUID.
    private static ActionStep LinuxGuestSignal(string op, int id, KernelBehavior kernel) => new(op, run =>
        run.Vmm is { } vmm
            ? Signal(LinuxGuest.DeliverSignal(kernel, vmm.Cpuid))
            : run.OnVcpu(id, vcpu =>
            {
                KernelReply read = vcpu.GetCpuid2(out System.Collections.Immutable.ImmutableArray<CpuidEntry> entries);
                CpuidTable table = new(entries);
                return read.IsSuccess ? Signal(LinuxGuest.DeliverSignal(kernel, (leaf, subleaf) => table.Read(leaf, subleaf)))
                    : StepAnswer.Of(read);
            }));

    private static StepAnswer Signal(GuestSignal signal) => StepAnswer.Done with
    {
        Result = json =>
        {
            json.WriteBoolean("delivered", signal.Delivered);
            if (!signal.Delivered)
            {
                json.WriteString("killedBy", "SIGSEGV");
            }

            json.WriteString("xcr0", CallJson.Hex(signal.Xcr0.Bits));
            if (signal.PkruOffset is { } offset)
            {
                json.WriteNumber("pkruOffset", offset);
            }

            json.WriteString("because", signal.Explanation);
        },
    };

    private static ActionStep SetSregs(int id, SetControlRegistersCall call) => new(call.Op, run =>
    {
        if (run.Vmm is { } vmm)
        {
            vmm.Cr4 = call.Cr4 is { } value ? (Cr4)value : vmm.Cr4;
            return StepAnswer.Done;
        }

        return new KvmStep(id, call).Perform(run);
    });

    private static ActionStep Guest(string op, int id, GuestCode code) => new(op, run =>
    {
        run.Budget?.SpendDump(code.Dumps.Sum(dump => (long)dump.Length));
        GuestProgram program = code.Program;
        if (run.Budget is { } budget)
        {
            int limit = budget.InstructionsOf(program.InstructionLimit);
            program = program with { InstructionLimit = limit, OnInterval = budget.CheckTimeOfStep };
        }

        return run.Vmm is not null ? AnswerOf(run.RunOnVmm(program))
            : run.OnVcpu(id, vcpu => AnswerOf(run.Backend.RunGuest(run.Machine!, vcpu, program)));

        StepAnswer AnswerOf(GuestReply reply)
        {
            run.Budget?.SpendInstructions(reply.Instructions);
            return Answer(code, reply);
        }
    });

    private static StepAnswer Answer(GuestCode code, GuestReply reply)
    {
        if (reply.Unsupported is { } what)
        {
            return StepAnswer.NotHere(what);
        }

        return new StepAnswer(reply.Errno, reply.Why)
        {
            Fault = reply.Exit?.Fault,
            Result = reply.Exit is { } exit ? json => Write(json, exit, code, reply.Memory.Span) : null,
        };
    }

    private static void Write(Utf8JsonWriter json, GuestExit exit, GuestCode code, ReadOnlySpan<byte> memory)
    {
        json.WriteString("exit", exit.Exit);
        if (exit.Registers is { } registers)
        {
            json.WriteStartObject("regs");
            json.WriteString("rax", CallJson.Hex(registers.Rax));
            json.WriteString("rbx", CallJson.Hex(registers.Rbx));
            json.WriteString("rcx", CallJson.Hex(registers.Rcx));
            json.WriteString("rdx", CallJson.Hex(registers.Rdx));
            json.WriteEndObject();
        }

        if (code.Dumps.Count == 0)
        {
            return;
        }

        json.WriteStartObject("memory");
        foreach ((int address, int length) in code.Dumps)
        {
            json.WriteString(CallJson.Hex((ulong)address), Convert.ToHexStringLower(memory.Slice(address, length)));
        }

        json.WriteEndObject();
    }
}
