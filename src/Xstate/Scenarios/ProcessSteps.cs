using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Scenarios;

/// <summary>The steps on a traced child.</summary>
internal static class ProcessSteps
{
    private const int MaxLength = 1 << 16;

    public static ScenarioStep? Parse(string op, ScenarioValue step) => op switch
    {
        "ptrace_get" => Get(op, IsXstate(step)),
        "ptrace_set" => Set(op, IsXstate(step), ImageParts.Take(step), step.Take("length")?.Integer(0, MaxLength)),
        "signal_roundtrip" => SignalRoundtrip(op, step),
        _ => null,
    };

    private static bool IsXstate(ScenarioValue step)
    {
        ScenarioValue regset = step.Require("regset");
        return regset.Text() switch
        {
            "xstate" => true,
            "fpregs" => false,
            _ => throw regset.Error("\"xstate\" or \"fpregs\" is expected"),
        };
    }

    private static KvmReply Read(LinuxTask task, bool xstate, out byte[] image) => xstate ? task.GetXstate(out image) : task.GetFpregs(out image);

    private static ActionStep Get(string op, bool xstate) => new(op, run => run.OnTask(task =>
        StepAnswer.Of(Read(task, xstate, out byte[] image), json => KvmSteps.WriteImage(json, image))));

    // Parts are laid over what the child has, so that a scenario can change one register; a given image is taken as it is.
    private static ActionStep Set(string op, bool xstate, ImageParts parts, int? length) => new(op, run => run.OnTask(task =>
    {
        KvmReply read = Read(task, xstate, out byte[] image);
        if (!read.IsSuccess)
        {
            return StepAnswer.Of(read);
        }

        byte[] built = parts.Build(run.Layout, parts.Hex is null ? image : new byte[image.Length]);
        Array.Resize(ref built, length ?? image.Length);
        return StepAnswer.Of(xstate ? task.SetXstate(built) : task.SetFpregs(built));
    }));

    private static ActionStep SignalRoundtrip(string op, ScenarioValue step)
    {
        ImageParts parts = ImageParts.Take(step);
        uint? magic1 = (uint?)step.Take("magic1")?.Number(uint.MaxValue);
        uint? extendedSize = (uint?)step.Take("extendedSize")?.Number(uint.MaxValue);
        ulong? xfeatures = step.Take("xfeatures")?.Number();
        return new ActionStep(op, run => run.OnTask(task =>
        {
            SignalFrame frame = task.BuildSignalFrame();
            byte[] changed = parts.Build(run.Layout, frame.Bytes);
            changed.AsSpan(0, frame.Bytes.Length).CopyTo(frame.Bytes);
            frame.Magic1 = magic1 ?? frame.Magic1;
            frame.ExtendedSize = extendedSize ?? frame.ExtendedSize;
            frame.Xfeatures = xfeatures is { } features ? new StateComponentSet(features) : frame.Xfeatures;
            SignalReturn back = task.Sigreturn(frame);
            byte[] image = [];
            KvmReply read = back.Killed ? KvmReply.Success : task.GetXstate(out image);
            return back.Killed
                ? StepAnswer.Done with { Result = static json => json.WriteString("killedBy", "SIGSEGV") }
                : StepAnswer.Of(read, json => json.WriteString("hex", Convert.ToHexStringLower(image)));
        }));
    }
}
