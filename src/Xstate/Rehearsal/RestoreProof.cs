using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>Whether a real kernel does what the model predicts.</summary>
/// <threadsafety>One thread at a time for each real machine.</threadsafety>
public static class RestoreProof
{
    /// <summary>Restores a capture on the model and on a real kernel, and compares the answers and what both return afterwards.</summary>
    /// <param name="capture">What was captured, as it was rehearsed (<see cref="TargetOutcome.Rehearsed"/>).</param>
    /// <param name="host">The host of that kernel.</param>
    /// <param name="options">What the rehearsal assumed.</param>
    /// <param name="real">A fresh machine of the real kernel.</param>
    public static ProofResult Perform(Capture capture, LinuxHost host, RehearsalOptions options, IKvmMachine real)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(real);
        if (options.RestorerOf(capture) is not KvmRestorer restorer)
        {
            return new ProofResult(null, $"{options.RestorerOf(capture).Title} makes no call of KVM");
        }

        if (options.Protection != GuestProtection.None)
        {
            return new ProofResult(null, "a protected guest is not made for a proof: only ordinary ones are");
        }

        // What is not known of the kernel did not matter to the prediction; the first value of each is the one that it was rehearsed with.
        host = host.Asking(new DifferenceChoices(host.Behavior, new FactChoices([])));
        using KvmModelMachine model = new(host);
        return Compare(On(model), On(real));

        PerformedRestore On(IKvmMachine machine) => RestorePlan.Perform(
            machine, restorer.Prepare(capture, host), CpuidTable.Empty, restorer, options.UsedVcpus(host), readBack: true);
    }

    /// <summary>Compares call by call, then what the kernel returns for every virtual CPU, to the last byte.</summary>
    internal static ProofResult Compare(PerformedRestore predicted, PerformedRestore real)
    {
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(real);
        int calls = Math.Min(predicted.Calls.Length, real.Calls.Length);
        for (int i = 0; i < calls; i++)
        {
            PerformedCall model = predicted.Calls[i];
            PerformedCall kernel = real.Calls[i];
            if (model.Call != kernel.Call || model.Reply.Errno != kernel.Reply.Errno || model.MsrsProcessed != kernel.MsrsProcessed)
            {
                return new ProofResult(false, $"vcpu {kernel.Vcpu}: predicted {Describe(model)}, the kernel answered {Describe(kernel)}");
            }
        }

        if (predicted.Calls.Length != real.Calls.Length || predicted.Vcpus.Length != real.Vcpus.Length)
        {
            return new ProofResult(false, $"predicted {predicted.Calls.Length} calls, the kernel took {real.Calls.Length}");
        }

        long bytes = 0;
        for (int i = 0; i < real.Vcpus.Length; i++)
        {
            ReturnedState? model = predicted.Vcpus[i].Returned;
            ReturnedState? kernel = real.Vcpus[i].Returned;
            if (Difference(model, kernel) is { } difference)
            {
                return new ProofResult(false, $"vcpu {real.Vcpus[i].Id}: {difference}");
            }

            bytes += kernel?.Image.Length ?? 0;
        }

        return new ProofResult(true, $"{calls} calls and {bytes} returned bytes as predicted");
    }

    private static string Describe(PerformedCall call) =>
        call.MsrsProcessed is { } msrs ? $"{call.Call} {call.Reply.Errno}, {msrs.Processed} of {msrs.Wanted}"
        : $"{call.Call} {call.Reply.Errno}";

    private static string? Difference(ReturnedState? model, ReturnedState? kernel)
    {
        if (model is null || kernel is null)
        {
            return model is null && kernel is null ? null : "only one of the two was asked for its state";
        }

        if (model.Errno != kernel.Errno)
        {
            return $"predicted that its state is returned with {model.Errno}, the kernel answered {kernel.Errno}";
        }

        int same = model.Image.Span.CommonPrefixLength(kernel.Image.Span);
        return model.Image.Length != kernel.Image.Length || same != kernel.Image.Length
            ? $"byte {same} of the returned image differs from the prediction"
            : model.Xcr0 != kernel.Xcr0 ? $"predicted XCR0 {Text(model.Xcr0)}, found {Text(kernel.Xcr0)}"
            : null;
    }

    private static string Text(ulong? value) => value is { } known ? $"0x{known:x}" : "none";
}
