using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios;

/// <summary>A step that is one call of KVM on a virtual CPU.</summary>
/// <param name="Op">Its operation.</param>
/// <param name="Vcpu">The virtual CPU.</param>
/// <param name="Call">The call; what it is made of may depend on the host and on what its KVM supports.</param>
internal sealed record KvmStep(string Op, int Vcpu, Func<ScenarioRun, KvmCall> Call) : ScenarioStep(Op)
{
    public KvmStep(int vcpu, KvmCall call) : this(call.Op, vcpu, _ => call)
    {
    }

    internal override StepAnswer Perform(ScenarioRun run) => run.OnVcpu(Vcpu, vcpu =>
    {
        byte[] lastArea = [];
        return StepAnswer.Of(Call(run).Perform(vcpu, ref lastArea));
    });
}
