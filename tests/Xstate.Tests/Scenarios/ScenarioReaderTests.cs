using Xstate.Scenarios;

namespace Xstate.Tests.Scenarios;

public class ScenarioReaderTests
{
    [Fact]
    public void One_object_may_span_a_file_and_lines_hold_one_each()
    {
        Assert.Equal("a", Assert.Single(Read("{\n \"name\": \"a\",\n \"steps\": []\n}\n")).Name);
        Assert.Equal(["a", "b"], Read("{\"name\":\"a\",\"steps\":[]}\n\n{\"name\":\"b\",\"note\":\"n\",\"needs\":[\"pku\"],\"steps\":[]}")
            .Select(s => s.Name));
    }

    [Fact]
    public void A_scenario_is_read_when_it_is_asked_for()
    {
        using StringReader input = new("{\"name\":\"a\",\"steps\":[]}\n{broken\n");
        using IEnumerator<Scenario> scenarios = ScenarioReader.Read(input).GetEnumerator();
        Assert.True(scenarios.MoveNext());
        Assert.Equal(2, Assert.Throws<ScenarioException>(() => scenarios.MoveNext()).Line);
    }

    [Fact]
    public void A_scenario_keeps_its_text_for_a_process_of_its_own_and_knows_whether_it_asks_for_a_permission()
    {
        const string Asks = "{\"name\":\"a\",\n \"steps\":[{\"op\":\"xsave2_size\"},\n {\"op\":\"req_guest_perm\",\"component\":18}]}";
        Scenario asks = Assert.Single(Read(Asks));
        Assert.True(asks.AsksForPermission);
        Scenario again = Assert.Single(Read(asks.Text));
        Assert.Equal((asks.Name, asks.Steps.Length, true), (again.Name, again.Steps.Length, again.AsksForPermission));

        const string Two = "{\"name\":\"a\",\"steps\":[]}\n{\"name\":\"b\",\"steps\":[{\"op\":\"xsave2_size\"}]}";
        Assert.Equal(Two.Split('\n'), Read(Two).Select(scenario => scenario.Text));
        Assert.All(Read(Two), scenario => Assert.False(scenario.AsksForPermission));
    }

    [Fact]
    public void The_time_and_memory_of_reading_grow_with_the_length_of_a_scenario_and_not_faster()
    {
        // Counted, not timed: what is allocated for ten times the text. Names that are long and have many values behind them were copied
        // for each.
        string name = new('n', 20_000);
        Assert.InRange(Allocated(Keys(20_000)) / (double)Allocated(Keys(2_000)), 5, 14);
        Assert.InRange(Allocated(Items(20_000)) / (double)Allocated(Items(2_000)), 1, 14);

        static string Keys(int count) =>
            $"{{\"name\":\"a\",\"steps\":[{{\"op\":\"set_xsave\",\"vcpu\":0,"
            + $"\"bytes\":{{{string.Join(',', Enumerable.Range(0, count).Select(i => $"\n\"{i}\":\"00\""))}}}}}]}}";
        string Items(int count) =>
            $"{{\"name\":\"a\",\"steps\":[{{\"op\":\"create_vcpu\",\"vcpu\":0,"
            + $"\"{name}\":[{string.Join(',', Enumerable.Repeat("1", count))}]}}]}}";

        static long Allocated(string text)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Assert.Single(Read(text));
            }
            catch (ScenarioException error)
            {
                Assert.True(error.Message.Length < 200, error.Message);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void A_scenario_with_more_values_or_steps_than_are_read_is_refused()
    {
        string values = $"{{\"name\":\"a\",\"steps\":[{string.Join(',', Enumerable.Repeat("0", ScenarioReader.MaxValues))}]}}";
        Assert.Contains("more values than are read", Assert.Throws<ScenarioException>(() => Read(values)).Message,
            StringComparison.Ordinal);
        string steps = $"{{\"name\":\"a\","
            + $"\"steps\":[{string.Join(',', Enumerable.Repeat("{\"op\":\"get_xsave\"}", ScenarioReader.MaxSteps + 1))}]}}";
        Assert.Contains($"at most {ScenarioReader.MaxSteps} steps", Assert.Throws<ScenarioException>(() => Read(steps)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"name\":\"a\\ud800\",\"steps\":[]}", "name")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"\\udc00\":1}]}", "steps[0]")]
    public void Half_a_pair_of_surrogates_is_refused(string text, string field)
    {
        ScenarioException error = Assert.Throws<ScenarioException>(() => Read(text));
        Assert.Equal((1, field), (error.Line, error.Field));
    }

    [Fact]
    public void Lines_are_counted_and_cut_as_a_reader_of_lines_would()
    {
        Assert.Equal(["a", "b", "c"],
            Read("\r\n\n{\"name\":\"a\",\"steps\":[]}\r\n{\"name\":\"b\",\"steps\":[]}\n \n{\"name\":\"c\",\"steps\":[]}")
            .Select(scenario => scenario.Name));
        string late = $"{string.Concat(Enumerable.Repeat("\n", 40_000))}{{\"name\":\"a\",\"steps\":[]}}\n{{\"name\":1}}";
        Assert.Equal(40_002, Assert.Throws<ScenarioException>(() => Read(late)).Line);
    }

    [Theory]
    [InlineData("{\"name\":\"a\",\"steps\":[],\"extra\":1}", 1, "extra")]
    [InlineData("{\"name\":\"a\",\n\"steps\":[{\"op\":\"fly\"}]}", 2, "steps[0].op")]
    [InlineData("{\"name\":\"a\",\"steps\":[\n{\"op\":\"get_xsave\"},\n{\"op\":\"get_xsave\",\"vcpu\":0,\"colour\":1}]}", 3,
        "steps[1].colour")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"create_vcpu\"}]}", 1, "steps[0].vcpu")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_msr\",\"vcpu\":0,\"index\":\"da0\",\"value\":\"0x0\"}]}", 1, "steps[0].index")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_xsave\",\"vcpu\":0,\"components\":{\"avx9\":\"00\"}}]}", 1,
        "steps[0].components.avx9")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_xsave\",\"vcpu\":0,\"bytes\":{\"x\":\"00\"}}]}", 1, "steps[0].bytes.x")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_xsave\",\"vcpu\":0,\"hex\":\"0g\"}]}", 1, "steps[0].hex")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_cpuid2\",\"vcpu\":0,\"cpuid\":\"full\"}]}", 1, "steps[0].cpuid")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"set_cpuid2\",\"cpuid\":\"empty\",\"and\":{\"0xd.0\":\"0x1\"}}]}", 1,
        "steps[0].and.0xd.0")]
    [InlineData("{\"name\":\"a\",\"steps\":[{\"op\":\"ptrace_get\",\"regset\":\"all\"}]}", 1, "steps[0].regset")]
    [InlineData("{\"name\":\"a\",\"needs\":[\"wings\"],\"steps\":[]}", 1, "needs[0]")]
    [InlineData("{\"name\":\"a\",\"name\":\"b\",\"steps\":[]}", 1, "name")]
    public void An_error_names_line_and_field(string text, int line, string field)
    {
        ScenarioException error = Assert.Throws<ScenarioException>(() => Read(text));
        Assert.Equal((line, field), (error.Line, error.Field));
        Assert.Contains($"line {line}, {field}: ", error.Message, StringComparison.Ordinal);
    }

    private static List<Scenario> Read(string text)
    {
        using StringReader input = new(text);
        return [.. ScenarioReader.Read(input)];
    }
}
