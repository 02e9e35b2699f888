using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios;

/// <summary>The steps that are calls of KVM, or concern its machine.</summary>
internal static class KvmSteps
{
    public const string RequestPermissionOp = "req_guest_perm";

    private const int MaxVcpu = 4096;

    public static ScenarioStep? Parse(string op, ScenarioValue step) => op switch
    {
        RequestPermissionOp => Machine(op, RequestPermission(step.Require("component").Integer(0, 63))),
        "create_vcpu" => CreateVcpu(op, step.Require("vcpu").Integer(0, int.MaxValue)),
        "xsave2_size" =>
            Machine(op, static machine => StepAnswer.Done with { Result = json => json.WriteNumber("value", machine.Xsave2Size) }),
        "host_pkru" => HostPkru(op, (uint)step.Require("value").Number(uint.MaxValue)),
        "set_cpuid2" => SetCpuid2(op, Vcpu(step), CpuidParts.Take(step)),
        "set_xsave" => SetXsave(op, Vcpu(step), ImageParts.Take(step)),
        "init" => Init(op, Vcpu(step)),
        "set_mp_state" => SetMpState(op, Vcpu(step), step.Take("value")?.Integer(0, int.MaxValue) ?? 0),
        _ => KvmCalls.Parse(op, step) is { } call ? new KvmStep(Vcpu(step), call) : null,
    };

    public static int Vcpu(ScenarioValue step) => step.Take("vcpu")?.Integer(0, MaxVcpu) ?? 0;

    private static ActionStep Machine(string op, Func<IKvmMachine, StepAnswer> action) => new(op, run => run.OnMachine(action));

    private static Func<IKvmMachine, StepAnswer> RequestPermission(int component) =>
        machine => StepAnswer.Of(machine.RequestGuestPermission((StateComponent)component));

    private static ActionStep CreateVcpu(string op, int vcpu) =>
        new(op, run => run.OnMachine(machine => StepAnswer.Of(run.Create(machine, vcpu))));

    private static ActionStep HostPkru(string op, uint value) => new(op, run => run.OnMachine(machine =>
        run.Backend.TrySetHostPkru(machine, value) ? StepAnswer.Done : StepAnswer.NotHere("the PKRU of the calling thread")));

    private static KvmStep SetCpuid2(string op, int vcpu, CpuidParts parts) =>
        new(op, vcpu, run => new SetCpuid2Call(parts.Build(run.Machine!).Entries));

    private static KvmStep SetXsave(string op, int vcpu, ImageParts parts) =>
        new(op, vcpu, run => new SetXsaveCall(parts.Build(run.Layout, new byte[XsaveFormat.ExtendedOffset])));

    private static ActionStep Init(string op, int vcpu) => new(op, run => run.OnVcpu(vcpu, made =>
        run.Backend.TryInit(made) ? StepAnswer.Done : StepAnswer.NotHere("INIT")));

    private static ActionStep SetMpState(string op, int vcpu, int value) => new(op, run => run.OnVcpu(vcpu, made =>
        run.Backend.SetMpState(made, value, run.HasInterruptController) is { } reply
        ? StepAnswer.Of(reply) : StepAnswer.NotHere($"KVM_SET_MP_STATE {value}")));
}
