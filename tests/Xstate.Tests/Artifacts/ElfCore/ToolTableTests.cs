using System.Globalization;
using System.Text.RegularExpressions;
using Xstate.Captures;
using Xstate.Tests.Support;
using Capture = Xstate.Captures.Capture;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>
/// The table of docs/formats/elf-core.md, tool by tool: what each shows of the same cores. Its cells are computed here, by running the tool
/// where it is installed.
/// </summary>
public partial class ToolTableTests(ITestOutputHelper output)
{
    private const string EveryRegister = "every register";
    private const string EveryRegisterThatSurvived = "every register that survived, the others marked lost";
    private const string XmmOnly = "xmm only";
    private const string Wrong = "wrong registers without a word";
    private const string SizeOnly = "size only";
    private const string Ignored = "ignored";

    private static readonly string[] Cores = [CoreSamples.Zen4, CoreSamples.Damaged, CoreSamples.Tcg612];

    [Fact]
    public void The_row_of_xstate_is_what_it_shows_and_right_in_every_column()
    {
        string[] cells = [.. Cores.Select(OfXstate), Layout(CoreSamples.Zen4) == FactSource.Note
            && Layout(CoreSamples.Zen4, hidden: true) != FactSource.Note ? "used" : Ignored];
        Assert.Equal([EveryRegister, EveryRegisterThatSurvived, EveryRegister, "used"], cells);
        Assert.Equal(cells, Row("xstate"));
    }

    [Fact]
    public void The_row_of_gdb_is_what_gdb_shows()
    {
        string version = Version().Match(Gdb.Version).Groups[1].Value;
        string commands = "thread apply all -q info all-registers";
        byte[] zen4 = CoreSamples.Bytes(CoreSamples.Zen4);
        string[] cells = [.. Cores.Select(OfGdb), Gdb.Run(zen4, commands) == Gdb.Run(Hidden(zen4), commands) ? Ignored : "used"];
        output.WriteLine($"{Gdb.Version}: {string.Join(" | ", cells)}");
        Assert.SkipUnless(Row($"gdb {version}") is not null, $"the table has no row for gdb {version}: {string.Join(" | ", cells)}");
        Assert.Equal(cells, Row($"gdb {version}"));
    }

    [Fact]
    public void The_row_of_readelf_is_what_readelf_shows()
    {
        string[] listings = [.. Cores.Select(name => Readelf(CoreSamples.Bytes(name)))];
        string note = listings[0].Contains("Unknown note type: (0x00000205)", StringComparison.Ordinal) ? "unknown note type" : "named";
        string[] cells = [.. listings.Zip(Cores, (text, name) => OfReadelf(text, CoreSamples.Open(CoreSamples.Bytes(name)).Capture!)),
            note];
        string version = Version().Match(ExternalTool.Run("readelf", "--version").Split('\n')[0]).Value;
        output.WriteLine($"readelf {version}: {string.Join(" | ", cells)}");
        Assert.SkipWhen(note == "named", $"readelf {version} knows the note; the table's row is of versions up to 2.44");
        Assert.Equal(cells, Row("readelf"));
    }

    private static string OfXstate(string name)
    {
        Capture capture = CoreSamples.Open(CoreSamples.Bytes(name)).Capture!;
        ExpectedThread[] expected = CoreSamples.Expected(name);
        bool all = expected.All(thread => capture.States.Any(state => thread.Differences(CoreSamples.Registers(state)).Count == 0));
        bool surviving = expected.All(thread => capture.States.Any(state => thread.Differences(CoreSamples.Registers(state),
            lostIsRight: true).Count == 0));
        return all ? EveryRegister : surviving ? EveryRegisterThatSurvived : Wrong;
    }

    // What a program sees of its own registers, at every width, against what gdb prints of the core.
    private string OfGdb(string name)
    {
        int right = 0;
        int wrong = 0;
        int rightXmm = 0;
        int silentXmm = 0;
        foreach (ExpectedThread thread in CoreSamples.Expected(name))
        {
            Dictionary<string, string> truth = Truth(thread, wide: name != CoreSamples.Tcg612);
            byte[] core = CoreSamples.Bytes(name);
            Dictionary<string, string> shown = Enumerable.Range(1, 3).Select(number => Gdb.Registers(core, number, [.. truth.Keys]))
                .Single(registers => registers["xmm0"] == truth["xmm0"]);
            foreach ((string register, string value) in truth)
            {
                bool isXmm = register.StartsWith("xmm", StringComparison.Ordinal);
                bool isShown = shown[register] is not ("" or "unavailable");
                bool isRight = shown[register] == value;
                right += isRight ? 1 : 0;
                wrong += isShown && !isRight ? 1 : 0;
                rightXmm += isXmm && isRight ? 1 : 0;
                silentXmm += !isShown ? 1 : 0;
            }
        }

        output.WriteLine($"{name}: {right} right, {wrong} wrong, {silentXmm} not shown");
        return wrong > 0 ? Wrong : silentXmm == 0 ? EveryRegister : right == rightXmm ? XmmOnly : "some";
    }

    private static Dictionary<string, string> Truth(ExpectedThread thread, bool wide)
    {
        Dictionary<string, string> truth = [];
        foreach ((string name, string value) in thread.Registers)
        {
            if (!name.Contains("mm", StringComparison.Ordinal))
            {
                if (name is "pkru" || name.StartsWith('k'))
                {
                    truth.Add(name, value);
                }

                continue;
            }

            int number = int.Parse(name.AsSpan(3), CultureInfo.InvariantCulture);
            string full = value.PadRight(128, '0');
            if (number < 16)
            {
                truth.Add($"xmm{number}", full[..32]);
                truth.Add($"ymm{number}", full[..64]);
            }

            if (wide)
            {
                truth.Add($"zmm{number}", full);
            }
        }

        return truth;
    }

    private static string OfReadelf(string listing, Capture capture)
    {
        string size = $"0x{capture.States[0].Area.Length:x8}";
        int listed = listing.Split('\n').Count(line => line.Contains("NT_X86_XSTATE", StringComparison.Ordinal)
            && line.Contains(size, StringComparison.Ordinal));
        return listed == capture.States.Length && !listing.Contains("mm1", StringComparison.Ordinal) ? SizeOnly : "more";
    }

    private static string Readelf(byte[] core)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, core);
            return ExternalTool.Run("readelf", "-W", "-n", path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static FactSource Layout(string name, bool hidden = false)
    {
        byte[] core = CoreSamples.Bytes(name);
        return CoreSamples.Open(hidden ? Hidden(core) : core).Capture!.States[0].Layout!.Provenance.Source;
    }

    // The same core with a layout note of a type that nobody knows.
    private static byte[] Hidden(byte[] core)
    {
        byte[] hidden = [.. core];
        int at = hidden.AsSpan().IndexOf((ReadOnlySpan<byte>)[6, 0, 0, 0, 64, 0, 0, 0, 5, 2, 0, 0]);
        hidden[at + 9] = 0x7F;
        return hidden;
    }

    private static string[]? Row(string tool)
    {
        string? line = File.ReadLines(Repository.PathOf("docs", "formats", "elf-core.md"))
            .FirstOrDefault(row => row.StartsWith($"| {tool}", StringComparison.Ordinal));
        return line?.Split('|', StringSplitOptions.TrimEntries)[2..^1];
    }

    [GeneratedRegex(@"(\d+)\.\d+")]
    private static partial Regex Version();
}
