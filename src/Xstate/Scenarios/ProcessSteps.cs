using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;
using Xstate.Scenarios.Calls;
using Xstate.Transforms;

namespace Xstate.Scenarios;

/// <summary>The steps on a traced child.</summary>
internal static class ProcessSteps
{
    private const int MaxLength = 1 << 16;

    public static ScenarioStep? Parse(string op, ScenarioValue step) => op switch
    {
        "ptrace_get" => Get(op, IsXstate(step), step.Take("length")?.Integer(0, MaxLength)),
        "ptrace_set" => Set(op, IsXstate(step), ImageParts.Take(step), step.Take("length")?.Integer(0, MaxLength)),
        "signal_roundtrip" => SignalRoundtrip(op, step),
        "child" => Child(op, step),
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

    private static KernelReply Read(ILinuxTask task, bool xstate, int? length, out byte[] image) => (xstate, length) switch
    {
        (true, { } cut) => task.GetXstate(cut, out image),
        (true, null) => task.GetXstate(out image),
        (false, { } cut) => task.GetFpregs(cut, out image),
        (false, null) => task.GetFpregs(out image),
    };

    private static ActionStep Get(string op, bool xstate, int? length) => new(op, run => run.OnTask(task =>
        StepAnswer.Of(Read(task, xstate, length, out byte[] image), json => CallJson.WriteImage(json, image))));

    // Parts are laid over what the child has, so that a scenario can change one register; a given image is taken as it is.
    private static ActionStep Set(string op, bool xstate, ImageParts parts, int? length) => new(op, run => run.OnTask(task =>
    {
        KernelReply read = Read(task, xstate, null, out byte[] image);
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
        uint? xstateSize = (uint?)step.Take("xstateSize")?.Number(uint.MaxValue);
        ulong? xfeatures = step.Take("xfeatures")?.Number();
        return new ActionStep(op, run => run.OnTask(task =>
        {
            SignalReturn back = task.RoundtripSignal(frame =>
            {
                byte[] changed = parts.Build(run.Layout, frame.Bytes);
                changed.AsSpan(0, frame.Bytes.Length).CopyTo(frame.Bytes);
                frame.Magic1 = magic1 ?? frame.Magic1;
                frame.ExtendedSize = extendedSize ?? frame.ExtendedSize;
                frame.XstateSize = xstateSize ?? frame.XstateSize;
                frame.Xfeatures = xfeatures is { } features ? new StateComponentSet(features) : frame.Xfeatures;
            });
            byte[] image = [];
            KernelReply read = back.Killed ? KernelReply.Success : task.GetXstate(out image);
            return back.Killed
                ? StepAnswer.Done with { Why = back.Why, Result = static json => json.WriteString("killedBy", "SIGSEGV") }
                : StepAnswer.Of(read.IsSuccess ? read with { Why = back.Why } : read,
                    json => json.WriteString("hex", Convert.ToHexStringLower(image)));
        }));
    }

    private static ActionStep Child(string op, ScenarioValue step)
    {
        ImmutableArray<RegisterEdit> edits = [.. (step.Take("set")?.Members ?? []).Select(member => Edit(member.Name, member.Value))];
        ImmutableArray<string> asked = [.. (step.Take("get")?.Items ?? []).Select(name => IsOwnReading(name.Text())
            || RegisterEdit.IsRegister(name.Text())
            ? name.Text()
            : throw name.Error("there is no such register"))];
        return new ActionStep(op, run => run.OnTask(task => Perform(task, run.Layout, edits, asked)));
    }

    private static RegisterEdit Edit(string register, ScenarioValue value)
    {
        try
        {
            return RegisterEdit.Parse($"{register}={value.Text()}");
        }
        catch (RegisterEditException error)
        {
            throw value.Error(error.Message);
        }
    }

    private static bool IsOwnReading(string name) => name is "xcr0" or "xinuse" or "pkru";

    private static StepAnswer Perform(ILinuxTask task, XsaveLayout layout, ImmutableArray<RegisterEdit> edits, ImmutableArray<string> asked)
    {
        try
        {
            Fault fault = task.View(out ThreadView? view);
            if (view is not null && edits.Length > 0)
            {
                CapturedState changed = RegisterEdit.Apply(StateOf(view, layout), edits).Value;
                fault = task.Restore(changed.Area.Span, edits.Aggregate(StateComponentSet.Empty, (all, edit) => all | edit.Components));
                fault = fault.IsFault ? fault : task.View(out view);
            }

            if (view is null || fault.IsFault)
            {
                return StepAnswer.Done with { Fault = fault.ToString() };
            }

            (string Name, string Text)[] answers = [.. asked.Select(name => (name, ReadOwn(view, layout, name)))];
            return StepAnswer.Done with { Result = json => Array.ForEach(answers, answer => json.WriteString(answer.Name, answer.Text)) };
        }
        catch (RegisterEditException error)
        {
            return StepAnswer.NotHere(error.Message);
        }
    }

    private static CapturedState StateOf(ThreadView view, XsaveLayout layout) =>
        new() { Id = 0, Area = view.Area, Layout = new Fact<XsaveLayout>(layout, FactSource.Cpuid, "the host") };

    // RDPKRU and XGETBV where there are such instructions; everything else from XSAVE.
    private static string ReadOwn(ThreadView view, XsaveLayout layout, string name) => name switch
    {
        "xcr0" => CallJson.Hex(view.Xcr0.Bits),
        "xinuse" => view.InUse is { } inUse
            ? CallJson.Hex(inUse.Bits) : throw new RegisterEditException("the processor has no XGETBV with ECX=1"),
        "pkru" when view.Pkru is { } pkru => CallJson.Hex(pkru),
        _ => RegisterEdit.Read(name, StateOf(view, layout)),
    };
}
