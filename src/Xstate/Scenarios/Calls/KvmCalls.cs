using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>The calls by the names of their steps.</summary>
internal static class KvmCalls
{
    /// <summary>Reads a call that needs nothing but its step; null when the step is another.</summary>
    public static KvmCall? Parse(string op, ScenarioValue step) => op switch
    {
        "get_cpuid2" => GetCpuid2Call.Parse(step),
        "get_xsave" => new GetXsaveCall(IsXsave2: false),
        "get_xsave2" => new GetXsaveCall(IsXsave2: true),
        "set_xcrs" => SetXcrsCall.Parse(step),
        "get_xcrs" => new GetXcrsCall(),
        "set_msr" => SetMsrCall.Parse(step),
        "get_msr" => GetMsrCall.Parse(step),
        "set_msrs" => SetMsrsCall.Parse(step),
        "get_msrs" => GetMsrsCall.Parse(step),
        "set_one_reg" => SetOneRegisterCall.Parse(step),
        "get_one_reg" => GetOneRegisterCall.Parse(step),
        "get_reg_list" => new GetRegisterListCall(),
        "set_fpu" => SetFpuCall.Parse(step),
        "get_fpu" => new GetFpuCall(),
        "get_sregs" => new GetControlRegistersCall(),
        "run_immediate_exit" => new RunImmediateExitCall(),
        _ => null,
    };

    /// <summary>The items of a list of MSRs, of which KVM takes so many at once.</summary>
    public static IReadOnlyList<ScenarioValue> Few(ScenarioValue listed) =>
        listed.Items is { Count: <= KvmModelVcpu.MaxMsrs } items
        ? items : throw listed.Error($"at most {KvmModelVcpu.MaxMsrs} MSRs are expected");

    /// <summary>Reads an MSR with its value.</summary>
    public static MsrEntry ReadMsr(ScenarioValue entry)
    {
        MsrEntry read = Msr(entry);
        entry.End();
        return read;
    }

    /// <summary>The fields of an MSR with its value, among others perhaps.</summary>
    public static MsrEntry Msr(ScenarioValue step) =>
        new((uint)step.Require("index").Number(uint.MaxValue), step.Require("value").Number());
}
