using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Linux;
using Xstate.Tests.Support;
using Capture = Xstate.Captures.Capture;

namespace Xstate.Cli.Tests;

/// <summary>
/// Registers of one program as every writer of cores that is installed here, and ptrace, have them: against what the program put into them,
/// and against gdb.
/// </summary>
public partial class RegisterCorpusTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static TheoryData<int> Seeds => [1, 20, 300];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_kernels_core_has_what_the_program_had_and_gdb_agrees(int seed)
    {
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "crash");
        string? core = corpus.Find("core");
        Assert.SkipUnless(core is not null,
            "the kernel writes no core into the working directory here (core_pattern "
            + $"{File.ReadAllText("/proc/sys/kernel/core_pattern").Trim()})");
        Capture capture = Open(core!);
        Compare(corpus, capture, whole: true);
        CompareWithGdb(capture, "-ex", $"core-file {core}");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_running_process_has_what_it_put_into_its_registers(int seed)
    {
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "wait");
        Assert.True(OperatingSystem.IsLinux());
        Capture capture = Live(corpus);
        Compare(corpus, capture, whole: true);

        // The same through the command: one register of one thread, with its meaning, and as numbers.
        (int thread, Dictionary<string, string> registers) = corpus.Expected.First();
        string vector = registers.Keys.Single(name => name.EndsWith("mm5", StringComparison.Ordinal));
        XstateProcess lines = await XstateProcess.Run("show", "--pid", Text(corpus.Id), "--tid", Text(thread), "-r", $"mxcsr,{vector}");
        Assert.Equal($"thread {thread} mxcsr 0x3fa0  pe im dm zm om um pm rc:down\nthread {thread} {vector} {registers[vector]}\n",
            lines.Output);
        XstateProcess views = await XstateProcess.Run("show", "--pid", Text(corpus.Id), "-r", vector, "--as", "u8", "--json");
        JsonElement view = views.Json.GetProperty("threads").EnumerateArray().Single(state => state.GetProperty("tid").GetInt32() == thread)
            .GetProperty("views").GetProperty("u8").GetProperty(vector);
        Assert.Equal(Convert.FromHexString(registers[vector]), view.EnumerateArray().Select(element => (byte)element.GetInt32()));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Gdbs_gcore_has_what_the_program_had(int seed)
    {
        ExternalTool.Require("gdb");
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "wait");
        Live(corpus);
        ExternalTool.Run("gdb", "-nx", "-batch", "-p", Text(corpus.Id), "-ex", $"gcore {corpus.Folder}/gdb.core");
        string? core = corpus.Find("gdb.core");
        Assert.SkipUnless(core is not null, "gdb cannot write a core here");
        using FileStream file = File.OpenRead(core!);
        Artifact artifact = Artifact.Open(file);
        Capture capture = artifact.Capture!;

        // Up to version 13 gdb destroys AVX-512 registers of an AMD processor. Then what survived must be right, and the finding must tell.
        bool damaged = artifact.Findings.Any(finding => finding.Rule.Id == "XS0802");
        Compare(corpus, capture, whole: true, mayBeLost: damaged);
        CompareWithGdb(capture, "-ex", $"core-file {core}");

        // gdb attached to the process itself sees what ptrace gave here.
        CompareWithGdb(Live(corpus), "-p", Text(corpus.Id));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Createdump_has_x87_and_SSE_as_the_program_had_them(int seed)
    {
        string program = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "createdump");
        Assert.SkipUnless(File.Exists(program), "this .NET has no createdump");
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "wait");
        Live(corpus);
        string answer = ExternalTool.Run(program, "--normal", "-f", Path.Combine(corpus.Folder, "net.core"), Text(corpus.Id));
        string? core = corpus.Find("net.core");
        Assert.SkipUnless(core is not null, $"createdump writes no core here: {answer}");
        Artifact artifact = Artifact.Open(new MemoryStream(File.ReadAllBytes(core!)));
        Assert.Equal(["XS0812"], artifact.Findings.Where(finding => finding.Rule.Id is "XS0807" or "XS0811" or "XS0812")
            .Select(finding => finding.Rule.Id));
        Compare(corpus, artifact.Capture!, whole: false);
        CompareWithGdb(artifact.Capture!, "-ex", $"core-file {core}");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Valgrinds_core_has_SSE_as_the_program_had_it_and_says_that_the_rest_is_missing(int seed)
    {
        ExternalTool.Require("valgrind");
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "crash", "valgrind", "-q");
        string? core = corpus.Find("vgcore");
        Assert.SkipUnless(core is not null, "valgrind writes no core here");
        Artifact artifact = Artifact.Open(new MemoryStream(File.ReadAllBytes(core!)));
        Assert.Contains("XS0811", artifact.Findings.Select(finding => finding.Rule.Id));
        Compare(corpus, artifact.Capture!, whole: false);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Delves_core_has_what_the_program_had(int seed)
    {
        string delve = ExternalTool.Require("dlv");
        using RegisterCorpus corpus = RegisterCorpus.Start(seed, "wait");
        Live(corpus);
        string script = Path.Combine(corpus.Folder, "commands");
        File.WriteAllText(script, $"dump {corpus.Folder}/dlv.core\nexit\n");
        string answer = ExternalTool.Run("/bin/sh", "-c",
            $"{delve} attach {corpus.Id} --allow-non-terminal-interactive --init {script} < /dev/null");
        string? core = corpus.Find("dlv.core");
        Assert.SkipUnless(core is not null, $"dlv writes no core here: {answer}");
        Capture capture = Open(core!);
        Assert.Contains("written by Delve", capture.Note, StringComparison.Ordinal);
        Compare(corpus, capture, whole: true);
    }

    private static Capture Open(string core)
    {
        using FileStream file = File.OpenRead(core);
        return Artifact.Open(file).Capture!;
    }

    // The program says that it is ready just before its first thread loads the registers.
    private static Capture Live(RegisterCorpus corpus)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "a running process is read with Linux's ptrace");
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            LiveReading reading = OperatingSystem.IsLinux() ? new LiveProcess(corpus.Id).Read() : throw new PlatformNotSupportedException();
            CapturedState? main = reading.Capture.States.FirstOrDefault(state => state.Id == corpus.Id);
            if (main is not null && main.TryReadRegister("mxcsr", out ulong mxcsr, out _) && mxcsr == 0x3FA0)
            {
                return reading.Capture;
            }

            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, "the program does not load its registers");
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    // Every register that the artifact holds, byte by byte; a whole one must hold every register of every thread, but what its writer
    // destroyed: of such a register the 16 bytes of SSE are there.
    private void Compare(RegisterCorpus corpus, Capture capture, bool whole, bool mayBeLost = false)
    {
        Assert.Equal(corpus.Expected.Keys.Order(), capture.States.Select(state => state.Id).Order());
        int compared = 0;
        int unknown = 0;
        foreach (CapturedState state in capture.States)
        {
            foreach ((string name, string expected) in corpus.Expected[state.Id])
            {
                bool isVector = name.IndexOf("mm", StringComparison.Ordinal) == 1;
                bool isLost = mayBeLost && isVector
                    && !state.TryReadRegister(name, new byte[expected.Length / 2], out RegisterKnowledge why)
                    && why == RegisterKnowledge.Lost;
                int wide = isVector && (!whole || isLost) ? 16 : expected.Length / 2;
                string asked = wide < expected.Length / 2 ? $"x{name[1..]}" : name;
                byte[] bytes = new byte[wide];
                if (state.TryReadRegister(asked, bytes, out RegisterKnowledge knowledge))
                {
                    Assert.Equal($"{state.Id} {name} {expected[..(2 * wide)]}", $"{state.Id} {name} {Convert.ToHexStringLower(bytes)}");
                    compared++;
                }
                else
                {
                    bool mayMiss = !whole || (mayBeLost && knowledge == RegisterKnowledge.Lost);
                    Assert.True(mayMiss && knowledge is RegisterKnowledge.NotRecorded or RegisterKnowledge.Lost,
                        $"{state.Id} {name}: {knowledge}");
                    unknown++;
                }
            }
        }

        Assert.True(compared >= 3 * 16, $"only {compared} registers were compared");
        output.WriteLine($"{compared} registers compared with the program, {unknown} not held");
    }

    private void CompareWithGdb(Capture capture, params string[] target)
    {
        ExternalTool.Require("gdb");
        string[] names = [.. Enumerable.Range(0, 16).Select(i => $"xmm{i}"), "mxcsr", "fctrl"];
        string[] commands = [.. names.SelectMany(name => (string[])["-ex",
            $"thread apply all p/x ${name}{(name[0] == 'x' ? ".uint128" : "")}"])];
        string answer = ExternalTool.Run("gdb", ["-nx", "-batch", .. target, .. commands, "-ex", "thread apply all info registers float"]);
        int compared = 0;
        int extended = 0;
        int thread = 0;
        foreach (string line in answer[answer.IndexOf("\nThread ", StringComparison.Ordinal)..].Split('\n'))
        {
            if (ThreadLine().Match(line) is { Success: true } head)
            {
                thread = int.Parse(head.Groups["id"].Value, CultureInfo.InvariantCulture);
            }
            else if (ValueLine().Match(line) is { Success: true } value)
            {
                string name = names[compared / capture.States.Length];
                CapturedState state = capture.States.Single(state => state.Id == thread);
                byte[] bytes = new byte[16];
                Assert.True(state.TryReadRegister(name == "fctrl" ? "fcw" : name, bytes, out _));
                Assert.Equal($"{thread} {name} {value.Groups["hex"].Value}",
                    $"{thread} {name} {Convert.ToHexStringLower([.. bytes.Reverse()]).TrimStart('0').PadLeft(1, '0')}");
                compared++;
            }
            else if (ExtendedLine().Match(line) is { Success: true } st)
            {
                byte[] bytes = new byte[10];
                CapturedState state = capture.States.Single(state => state.Id == thread);
                Assert.True(state.TryReadRegister(st.Groups["name"].Value, bytes, out _));
                string found = Convert.ToHexStringLower([.. bytes.Reverse()]);
                Assert.Equal($"{thread} {st.Groups["name"]} {st.Groups["hex"]}", $"{thread} {st.Groups["name"]} {found}");
                extended++;
            }
        }

        Assert.Equal(8 * capture.States.Length, extended);
        Assert.Equal(names.Length * capture.States.Length, compared);
        output.WriteLine($"{compared + extended} registers compared with gdb");
    }

    [GeneratedRegex(@"^Thread .*LWP (?<id>\d+)", RegexOptions.ExplicitCapture)]
    private static partial Regex ThreadLine();

    [GeneratedRegex(@"^(?<name>st[0-7]) .*\(raw 0x(?<hex>[0-9a-f]{20})\)$", RegexOptions.ExplicitCapture)]
    private static partial Regex ExtendedLine();

    [GeneratedRegex(@"^\$\d+ = 0x(?<hex>[0-9a-f]+)$", RegexOptions.ExplicitCapture)]
    private static partial Regex ValueLine();
}
