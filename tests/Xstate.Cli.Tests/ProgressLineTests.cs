using System.Text;
using Xstate.Cli.Output;

namespace Xstate.Cli.Tests;

public class ProgressLineTests
{
    [Fact]
    public void Work_of_less_than_a_second_is_silent()
    {
        (MemoryStream terminal, Clock clock, ProgressLine line) = Begin();
        clock.Now = TimeSpan.FromMilliseconds(990);
        line.Tick();
        line.Dispose();
        Assert.Empty(Text(terminal));
    }

    [Fact]
    public void Longer_work_says_what_it_does_and_for_how_long_and_is_erased_at_the_end()
    {
        (MemoryStream terminal, Clock clock, ProgressLine line) = Begin();
        clock.Now = TimeSpan.FromSeconds(1.1);
        line.Tick();
        line.Show("7 of 12 files");
        clock.Now = TimeSpan.FromSeconds(3);
        line.Tick();
        line.Tick();
        line.Dispose();
        line.Tick();
        Assert.Equal("\r\u001b[Kcheck: working, 1 s\r\u001b[Kcheck: 7 of 12 files, 3 s\r\u001b[K", Text(terminal));
    }

    [Fact]
    public void It_gives_way_to_what_is_written_beside_it()
    {
        (MemoryStream terminal, Clock clock, ProgressLine line) = Begin();
        using Stream beside = line.Beside(terminal);
        clock.Now = TimeSpan.FromSeconds(2);
        line.Tick();
        beside.Write("half a "u8);
        clock.Now = TimeSpan.FromSeconds(3);
        line.Tick();
        beside.Write("line\n"u8);
        line.Tick();
        line.Dispose();
        Assert.Equal("\r\u001b[Kcheck: working, 2 s\r\u001b[Khalf a line\n\r\u001b[Kcheck: working, 3 s\r\u001b[K", Text(terminal));
    }

    [Fact]
    public void It_is_never_wider_than_the_terminal()
    {
        (MemoryStream terminal, Clock clock, ProgressLine line) = Begin(width: 20);
        line.Show(new string('x', 100));
        clock.Now = TimeSpan.FromSeconds(2);
        line.Tick();
        Assert.Equal(19, Text(terminal)["\r\u001b[K".Length..].Length);
        line.Dispose();
    }

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    public void A_run_has_one_where_somebody_sees_its_messages(bool isTerminal, bool isLaidOut, bool has)
    {
        using Session session = Session.Begin(new StandardStreams(Stream.Null, Stream.Null, Stream.Null, IsErrorTerminal: isTerminal)
        {
            Look = isLaidOut ? new TerminalLook(80) : null,
        });
        Assert.Equal(has, session.Progress is not null);
    }

    private static (MemoryStream Terminal, Clock Clock, ProgressLine Line) Begin(int width = 80)
    {
        MemoryStream terminal = new();
        Clock clock = new();
        ProgressLine line = new(terminal, width, clock);
        line.Begin("check");
        return (terminal, clock, line);
    }

    private static string Text(MemoryStream terminal) => Encoding.UTF8.GetString(terminal.ToArray());

    // A clock that is set, with a timer that never rings.
    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Silent();

        private sealed class Silent : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
