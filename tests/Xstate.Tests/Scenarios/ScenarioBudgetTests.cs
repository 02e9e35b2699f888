using System.Text;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios;

/// <summary>What the scenarios of a file may use together.</summary>
public class ScenarioBudgetTests
{
    private const string Endless = "{\"op\":\"guest\",\"code\":{\"hex\":\"ebfe\"}}";
    private const string Halt = "{\"op\":\"guest\",\"code\":{\"hex\":\"f4\"}}";

    // Faults for ever: each handler is one HLT at first, which this code writes over (found by random machine code).
    private const string Faults = "{\"op\":\"guest\",\"code\":{\"hex\":\"7da4ecb4cb777c6383985caa\"}}";

    private static readonly ModelBackend Backend = new(
        new LinuxHost(SampleHosts.Open("amd-genoa"), KernelBehavior.Of(new KernelRelease(6, 12))), new IcedDecoder());

    [Fact]
    public void One_step_without_an_end_is_answered_and_the_second_of_a_file_is_refused_with_its_place()
    {
        string file = string.Join('\n', Scenario("a", Endless), Scenario("b", Halt), Scenario("c", Halt, Endless));
        (string answers, ScenarioException? error) = Run(file, new ScenarioBudget());
        string[] lines = answers.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["a", "b"], lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("name").GetString()));
        Assert.Equal("EINTR", Steps(lines[0])[1].GetProperty("errno").GetString());
        Assert.Equal((3, "steps[2]"), (error!.Line, error.Field));
        Assert.Contains("all instructions that it may", error.Message, StringComparison.Ordinal);

        // A larger budget answers all of it, and so does none.
        Assert.Null(Run(file, new ScenarioBudget(3)).Error);
        Assert.Null(Run(file, null).Error);
    }

    [Fact]
    public void Every_scenario_of_a_large_file_has_a_part_of_its_own()
    {
        // 3,000 instructions each, which the part at once would not hold.
        const string Loop = "{\"op\":\"guest\",\"code\":\"mov ecx, 1500; a: dec ecx; jnz a\"}";
        string file = string.Join('\n', Enumerable.Range(0, 400).Select(i => Scenario($"s{i}", Loop)));
        (string answers, ScenarioException? error) = Run(file, new ScenarioBudget());
        Assert.Null(error);
        Assert.Equal(400, answers.Count(letter => letter == '\n'));
    }

    [Fact]
    public void Memory_that_is_dumped_is_bounded_for_a_file_and_nothing_of_the_answer_is_written()
    {
        string dumps = string.Join(',', Enumerable.Repeat("[0,262144]", 5));
        (string answers, ScenarioException? error) = Run(
            Scenario("a", $"{{\"op\":\"guest\",\"code\":{{\"hex\":\"f4\"}},\"dump\":[{dumps}]}}"), new ScenarioBudget());
        Assert.Equal("", answers);
        Assert.Contains("dump more memory", error!.Message, StringComparison.Ordinal);

        // Whole memory four times is what a file has, in one step or in several.
        string step = "{\"op\":\"guest\",\"code\":{\"hex\":\"f4\"},\"dump\":[[0,262144]]}";
        Assert.Null(Run(Scenario("a", step, step, step, step), new ScenarioBudget()).Error);
        Assert.Equal("steps[5]", Run(Scenario("a", step, step, step, step, step), new ScenarioBudget()).Error!.Field);
    }

    [Fact]
    public void Time_on_a_processor_ends_a_step_within_it_and_a_file_behind_one()
    {
        // A clock that goes on by a second whenever it is asked: a step asks every few thousand instructions.
        int asked = 0;
        ScenarioException? step = Run(Scenario("a", Endless), new ScenarioBudget(1, () => TimeSpan.FromSeconds(asked++))).Error;
        Assert.Contains("this step takes more than 5 s", step!.Message, StringComparison.Ordinal);
        Assert.True(asked < 12, $"asked {asked} times");

        ScenarioException? file = Run(Scenario("a", Enumerable.Repeat(Halt, 40).ToArray()),
            new ScenarioBudget(1, () => TimeSpan.FromSeconds(asked++))).Error;
        Assert.Contains("that they may together", file!.Message, StringComparison.Ordinal);
        Assert.StartsWith("steps[", file.Field, StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_has_no_more_bytes_than_a_scenario_may_have()
    {
        string steps = string.Join(',', Enumerable.Repeat("{\"op\":\"get_xsave\"}", ScenarioRunner.MaxAnswer / 8192));
        (string answers, ScenarioException? error) = Run($"{{\"name\":\"a\",\"steps\":[{steps}]}}", null);
        Assert.Equal("", answers);
        Assert.Contains($"at most {ScenarioRunner.MaxAnswer} bytes", error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_exit_counts_as_several_instructions_because_it_stores_and_loads_all_state()
    {
        // Two instructions and an exit a time, which counts as two hundred: the million is used up before the exits are.
        const int exits = 1_000_000 / (200 + 2);
        const string Code = "\"code\":\"a: out 0x10, al; jmp a\"";
        Assert.Equal(0, Steps(Run(Scenario("a", $"{{\"op\":\"guest\",{Code},\"maxExits\":{exits - 10}}}"), null).Answers)[1].GetProperty(
            "errno").GetInt32());
        Assert.Equal("EINTR", Steps(Run(Scenario("a", $"{{\"op\":\"guest\",{Code},\"maxExits\":{exits + 10}}}"),
            null).Answers)[1].GetProperty("errno").GetString());
    }

    [Theory]
    [InlineData(Endless)]
    [InlineData(Faults)]
    [InlineData("{\"op\":\"guest\",\"code\":\"mov ecx, 600000; mov edi, 0x8000; a: mov ecx, 0x1000; mov edi, 0x8000; rep stosb; jmp a\"}")]
    [InlineData("{\"op\":\"guest\",\"code\":\"a: out 0x10, al; jmp a\",\"maxExits\":1000000}")]
    [InlineData("{\"op\":\"guest\",\"code\":\"a: mov eax, 0xd; mov ecx, 1; cpuid; jmp a\"}")]
    [InlineData("{\"op\":\"guest\",\"code\":\"mov r8, cr4; or r8, 0x40000; mov cr4, r8; mov eax, 7; a: xsetbv; jmp a\"}")]
    [InlineData("{\"op\":\"guest\",\"code\":\"mov r8, cr4; or r8, 0x40000; a: mov cr4, r8; jmp a\"}")]
    [InlineData("{\"op\":\"guest\",\"code\":\"mov r8, cr4; or r8, 0x40000; mov cr4, r8; a: xsave [0x8000]; xrstor [0x8000]; jmp a\"}")]
    public void A_million_instructions_leave_little_garbage(string step)
    {
        Run(Scenario("a", Halt), null);
        long before = GC.GetAllocatedBytesForCurrentThread();
        string answers = Run(Scenario("a", step), null).Answers;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal("EINTR", Steps(answers)[1].GetProperty("errno").GetString());
        Assert.True(allocated < 64 << 20, $"{allocated} bytes");
    }

    private static string Scenario(string name, params string[] steps) =>
        $"{{\"name\":\"{name}\",\"steps\":[{{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"}},{string.Join(',', steps)}]}}";

    private static JsonElement[] Steps(string line) => [.. JsonDocument.Parse(line).RootElement.GetProperty("steps").EnumerateArray()];

    private static (string Answers, ScenarioException? Error) Run(string file, ScenarioBudget? budget)
    {
        using MemoryStream output = new();
        ScenarioException? error = null;
        try
        {
            foreach (Scenario scenario in ScenarioReader.Read(new StringReader(file), new IcedAssembler()))
            {
                ScenarioRunner.Run(scenario, Backend, output, budget);
            }
        }
        catch (ScenarioException refusal)
        {
            error = refusal;
        }

        return (Encoding.UTF8.GetString(output.ToArray()), error);
    }
}
