namespace Xstate.Rehearsal;

/// <summary>Whether a real kernel did what the model predicted.</summary>
public static class RestoreProof
{
    /// <summary>Compares call by call, then what the kernel returns for every virtual CPU, to the last byte.</summary>
    public static ProofResult Compare(PerformedRestore predicted, PerformedRestore real)
    {
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(real);
        int calls = Math.Min(predicted.Calls.Length, real.Calls.Length);
        for (int i = 0; i < calls; i++)
        {
            PerformedCall model = predicted.Calls[i];
            PerformedCall kernel = real.Calls[i];
            if (model.Call != kernel.Call || model.Reply.Errno != kernel.Reply.Errno || model.Succeeded != kernel.Succeeded)
            {
                return new ProofResult(false, $"vcpu {kernel.Vcpu}: predicted {model.Call} {model.Reply.Errno}, the kernel answered {kernel.Call} {kernel.Reply.Errno}");
            }
        }

        if (predicted.Calls.Length != real.Calls.Length || predicted.Vcpus.Length != real.Vcpus.Length)
        {
            return new ProofResult(false, $"predicted {predicted.Calls.Length} calls, the kernel took {real.Calls.Length}");
        }

        long bytes = 0;
        for (int i = 0; i < real.Vcpus.Length; i++)
        {
            ReadOnlySpan<byte> model = predicted.Vcpus[i].Image.Span;
            ReadOnlySpan<byte> kernel = real.Vcpus[i].Image.Span;
            int same = model.CommonPrefixLength(kernel);
            if (model.Length != kernel.Length || same != kernel.Length)
            {
                return new ProofResult(false, $"vcpu {real.Vcpus[i].Id}: byte {same} of the returned image differs from the prediction");
            }

            if (predicted.Vcpus[i].Xcr0 != real.Vcpus[i].Xcr0)
            {
                return new ProofResult(false, $"vcpu {real.Vcpus[i].Id}: predicted XCR0 0x{predicted.Vcpus[i].Xcr0:x}, found 0x{real.Vcpus[i].Xcr0:x}");
            }

            bytes += kernel.Length;
        }

        return new ProofResult(true, $"{calls} calls and {bytes} returned bytes as predicted");
    }
}

/// <summary>What a proof on the real kernel showed.</summary>
/// <param name="Held">Whether the kernel did what was predicted; null when it could not be tried.</param>
/// <param name="Detail">What was compared, or why it could not be tried, or where they disagree.</param>
public sealed record ProofResult(bool? Held, string Detail);
