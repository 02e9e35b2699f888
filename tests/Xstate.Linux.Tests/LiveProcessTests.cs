using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Linux.Tracing;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Linux.Tests;

public class LiveProcessTests
{
    [Fact]
    public void Registers_that_were_set_read_back_and_the_process_sleeps_on_untraced()
    {
        using SleepingChild child = new();
        LiveProcess process = new(child.Id);
        CapturedState before = Assert.Single(process.Read().Capture.States);
        Assert.Equal(child.Id, before.Id);
        List<RegisterEdit> edits = [RegisterEdit.Parse("mxcsr=0x3f80"), RegisterEdit.Parse("xmm3=0x1122334455667788"),
            RegisterEdit.Parse("st0=0102030405060708ff3f")];
        AddIf(StateComponent.Avx, "ymm5=" + string.Concat(Enumerable.Repeat("a5", 32)));
        AddIf(StateComponent.Opmask, "k1=0x77");
        AddIf(StateComponent.Hi16Zmm, "zmm30=" + string.Concat(Enumerable.Repeat("3c", 64)));

        // Key 0 stays open, or the child could not touch its own stack.
        AddIf(StateComponent.Pkru, "pkru=0x5554");
        WriteOutcome outcome = process.Set(edits);
        Assert.Null(outcome.Refused);
        Assert.Equal(edits.Select(edit => (edit.Register, edit.Text)),
            outcome.Registers.Select(register => (register.Register, register.Asked)));
        IEnumerable<string> ignored = IgnoresPkru() ? ["pkru"] : [];
        Assert.Equal(ignored, outcome.Registers.Where(register => !register.IsTaken).Select(register => register.Register));

        CapturedState after = Assert.Single(process.Read().Capture.States);
        foreach (RegisterEdit edit in edits.Where(edit => !ignored.Contains(edit.Register)))
        {
            Assert.NotEqual(edit.Text, edit.ReadFrom(before));
            Assert.Equal(edit.Text, edit.ReadFrom(after));
        }

        Assert.Equal(("0", 'S'), Status(child.Id));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ",
            outcome.Registers.Select(register => $"{register.Register} {register.Before} -> {register.After}")));

        void AddIf(StateComponent component, string edit)
        {
            if (before.Xcr0?.Value.Contains(component) == true)
            {
                edits.Add(RegisterEdit.Parse(edit));
            }
        }
    }

    [Fact]
    public void A_thread_of_another_process_is_not_changed()
    {
        using SleepingChild child = new();
        using SleepingChild other = new();
        LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(child.Id).Set([RegisterEdit.Parse("mxcsr=0x3f80")],
            other.Id));
        Assert.Equal(Errno.ESRCH, refusal.Errno);
        Assert.Equal(0x1f80u, new XsaveArea(Assert.Single(new LiveProcess(other.Id).Read().Capture.States).Area.Span).Mxcsr);
    }

    [Fact]
    public void No_process_traces_itself()
    {
        LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(Environment.ProcessId).Read());
        Assert.Equal(Errno.EPERM, refusal.Errno);
    }

    [Fact]
    public void A_process_that_is_not_there_is_no_process()
    {
        LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(int.MaxValue).Read());
        Assert.Equal(Errno.ESRCH, refusal.Errno);
    }

    [Fact]
    public void A_refused_write_changes_nothing_and_the_model_tells_why()
    {
        using SleepingChild child = new();
        LiveProcess process = new(child.Id);
        CapturedState before = Assert.Single(process.Read().Capture.States);
        WriteOutcome outcome = process.Set([RegisterEdit.Parse("xmm0=0x1"), RegisterEdit.Parse("mxcsr=0xffff0000")]);
        Assert.Equal(Errno.EINVAL, outcome.Errno);
        Finding why = Assert.Single(outcome.Findings);
        Assert.Equal("XS1506", why.Rule.Id);
        Assert.Equal(Registers(before), Registers(Assert.Single(process.Read().Capture.States)));
        Assert.Equal(("0", 'S'), Status(child.Id));
    }

    // Without XSTATE_BV, in which an initial component may come to be in use while the thread sleeps (measured on kvm_pvm): its bytes are
    // the initial ones either way.
    private static byte[] Registers(CapturedState state)
    {
        byte[] area = state.Area.ToArray();
        area.AsSpan(XsaveFormat.XstateBvOffset, sizeof(ulong)).Clear();
        return area;
    }

    [Fact]
    public void A_stopped_process_stays_stopped()
    {
        using SleepingChild child = new();
        Assert.Equal(0, Interop.TraceCalls.kill(child.Id, 19));
        SpinWait.SpinUntil(() => Status(child.Id).State == 'T', TimeSpan.FromSeconds(5));
        Assert.Single(new LiveProcess(child.Id).Read().Capture.States);
        Assert.Equal(("0", 'T'), Status(child.Id));
    }

    [Fact]
    public void A_tracer_that_ends_without_detaching_lets_the_thread_go()
    {
        using SleepingChild child = new();
        using (TracerThread tracer = new("ends"))
        {
            Assert.True(tracer.Perform(() => TracedThread.TrySeize(child.Id, killWithTracer: false, out TracedThread? thread) == Errno.None
                && thread!.TryStop()));
            Assert.Equal('t', Status(child.Id).State);
        }

        Assert.Equal(("0", 'S'), Status(child.Id));
    }

    private static bool IgnoresPkru() => KernelBehavior.Of(HostProbe.RecordWithoutKvm())!.Has(KernelDifference.PtracePkruIgnored);

    private static (string Tracer, char State) Status(int id)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/status");
        string state = "";

        // Right after it is let go a thread is still stopped or runs for a moment before it sleeps again.
        for (int i = 0; i < 1000 && state is "" or "R" or "t"; i++)
        {
            state = Field("State:")[..1];
            Thread.Sleep(1);
        }

        return (Field("TracerPid:"), state[0]);

        string Field(string name) => File.ReadAllLines(path).Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..]
            .Trim();
    }
}
