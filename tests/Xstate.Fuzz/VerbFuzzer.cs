using System.Globalization;
using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;
using Xstate.Tests.Artifacts.Mutations;

namespace Xstate.Fuzz;

/// <summary>
/// Damaged files of every format through the verbs of the command: text and JSON, outputs, undo, and that nothing is left behind.
/// </summary>
internal sealed class VerbFuzzer : Fuzzer
{
    private static readonly string[] Hosts =
    [
        "samples/hosts/amd-genoa.json@linux-6.12", "samples/hosts/intel-sapphire-rapids.json@linux-6.6",
            "samples/hosts/intel-haswell.json@linux-6.1.40", "samples/hosts/qemu-tcg-max.json@linux-6.12",
        "samples/hosts/amd-rome.json@linux-5.15", "samples/hosts/intel-skylake-sp.json@linux-6.1.40",
    ];

    private static readonly string[] Registers = ["pkru=0x4", "mxcsr=0x1fa0", "xmm3=0x77", "k1=0xff", "fcw=0x37e", "zmm17=1",
        "st0=0102030405060708090a", "tile0=5"];

    private readonly MutationSource _source = new(MutationSamples.Own());
    private readonly string _folder = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm")
        ? "/dev/shm" : Path.GetTempPath(), $"xstate-fuzz-{Environment.ProcessId}")).FullName;

    private readonly Lazy<(byte[] Original, byte[] Repaired, byte[] Undo)> _undo;

    public VerbFuzzer() => _undo = new(Repair);

    protected override ulong Seed => 0x5EED_0F10_0000_0000;

    protected override void One(ref SplitMix64 random)
    {
        (MutationSample sample, byte[] file) = _source.Next(ref random);
        Clear();
        if (sample.Format == UndoFileReader.Format)
        {
            Undo(ref random);
            Clear();
        }

        string path = Path.Combine(_folder, "in");
        File.WriteAllBytes(path, file);
        long length = ContentLength(file);
        CommandRun shown = Perform(length, random.OneIn(4) ? ["show", path, "--all"] : ["show", path]);
        Count($"{sample.Group}: {(shown.ExitCode == 0 ? "opened" : "refused")}");
        Perform(length, "show", path, "--json").RequireJson();
        RequireOnly(shown, "in");
        string host = random.Pick<string>(Hosts);
        if (shown.ExitCode != 0)
        {
            // The others refuse it too, in the same way; one of them shows that.
            CommandRun refused = Perform(length, Verb(ref random, path, host));
            refused.Require(refused.ExitCode >= 2, "a verb that reads what show refuses", "");
            RequireOnly(refused, "in");
            return;
        }

        switch (random.Below(7))
        {
            case 0:
                CommandRun check = Perform(length, "check", path, "--on", host, random.Pick<string>(Hosts), "--json");
                check.RequireJson();
                Perform(length, "check", path, "--on", host);
                break;
            case 1:
                CommandRun same = Perform(2 * length, "diff", path, path);
                same.Require(same.ExitCode is 0 or 2, "a file that differs from itself", "");
                Perform(2 * length, "diff", path, "samples/captures/live-avx512.json", "--json").RequireJson();
                break;
            case 2:
                Fix(ref random, path, file, host, length);
                break;
            case 3:
                Set(ref random, path, file, length);
                break;
            case 4:
                Convert(ref random, path, length);
                break;
            case 5:
                Lint(ref random, path, length);
                break;
            default:
                Perform(length, "check", "samples/captures/leaked-pkru.json", "--on", $"{path}@linux-6.12", "--json").RequireJson();
                Perform(length, "check", "samples/captures/leaked-pkru.json", "--on", $"{path}@linux-6.12", "--layout", path);
                break;
        }
    }

    private static string[] Verb(ref SplitMix64 random, string path, string host) => random.Below(6) switch
    {
        0 => ["check", path, "--on", host],
        1 => ["diff", path, path],
        2 => ["fix", path, "--on", host, "-o", path + ".out"],
        3 => ["set", path, "mxcsr=0x1f80", "--in-place"],
        4 => ["lint", path],
        _ => ["convert", path, "--to", "xstate-capture", "-o", path + ".out"],
    };

    private void Fix(ref SplitMix64 random, string path, byte[] file, string host, long length)
    {
        string[] force = random.OneIn(2) ? ["--force"] : [];
        string[] on = random.OneIn(8) ? [] : ["--on", host];
        string[] json = random.OneIn(2) ? ["--json"] : [];
        string output = Path.Combine(_folder, "out");
        CommandRun fix = Perform(2 * length, ["fix", path, .. on, "-o", output, .. force, .. json]);
        bool written = File.Exists(output);
        fix.Require(fix.ExitCode <= 1 || !written, "an output of a run that failed", "");
        RequireOnly(fix, written ? ["in", "out", "out.undo.json"] : ["in"]);
        if (json.Length > 0)
        {
            fix.RequireJson();
        }

        if (!written)
        {
            return;
        }

        Count("repaired");
        string back = Path.Combine(_folder, "back");
        CommandRun undo = Perform(2 * length, "fix", output, "--undo", "-o", back);
        undo.Require(undo.ExitCode == 0, "an undo that fails", "");
        undo.Require(File.ReadAllBytes(back).AsSpan().SequenceEqual(Content(file)), "an undo that gives another file", "");
        RequireOnly(undo, "in", "out", "out.undo.json", "back");
    }

    private void Set(ref SplitMix64 random, string path, byte[] file, long length)
    {
        string register = random.Pick<string>(Registers);
        bool inPlace = random.OneIn(3);
        string output = Path.Combine(_folder, "out");
        string[] which = random.OneIn(2) ? [] : ["--vcpu", random.Below(3).ToString(CultureInfo.InvariantCulture)];
        CommandRun set = Perform(2 * length, ["set", path, register, .. which, .. inPlace ? ["--in-place"] : (string[])["-o", output],
            "--json"]);
        set.RequireJson();
        bool written = File.Exists(output);
        set.Require(written == (set.ExitCode == 0 && !inPlace), "an output that is not what the exit code says", "");
        RequireOnly(set, written ? ["in", "out"] : ["in"]);
        bool unchanged = File.ReadAllBytes(path).AsSpan().SequenceEqual(file);
        set.Require(unchanged || (inPlace && set.ExitCode == 0), "an input that changed", "");
        if (set.ExitCode == 0)
        {
            Count("set");
        }
    }

    private void Lint(ref SplitMix64 random, string path, long length)
    {
        CommandRun lint = Perform(length, random.Below(3) switch
        {
            0 => ["lint", path, "--sarif"],
            1 => ["lint", path, "--json", "--guest", "linux"],
            _ => ["lint", path],
        });
        if (lint.Arguments is [_, _, "--sarif" or "--json", ..])
        {
            lint.RequireJson();
        }

        string output = Path.Combine(_folder, "out");
        CommandRun mended = Perform(2 * length, "lint", path, "--fix", "-o", output, "--json");
        mended.RequireJson();
        bool written = File.Exists(output);
        mended.Require(written == mended.ExitCode is 0 or 1, "an output that is not what the exit code says", "");
        RequireOnly(mended, written ? ["in", "out"] : ["in"]);
        if (written)
        {
            Count("linted");
            CommandRun again = Perform(new FileInfo(output).Length, "show", output, "--json");
            again.Require(again.ExitCode == 0, "an output that cannot be read", "");
        }
    }

    // A repair, and an undo file that is not what it was.
    private void Undo(ref SplitMix64 random)
    {
        string repaired = Path.Combine(_folder, "in");
        string undo = Path.Combine(_folder, "undo");
        byte[] whole = _undo.Value.Undo;
        byte[] damaged = (random.OneIn(2) ? JsonEdits.Apply(ref random, whole) : null) ?? Mutator.Mutate(ref random, whole, whole);
        File.WriteAllBytes(repaired, _undo.Value.Repaired);
        File.WriteAllBytes(undo, damaged);
        string output = Path.Combine(_folder, "back");
        CommandRun run = Perform(damaged.Length + _undo.Value.Repaired.Length, "fix", repaired, $"--undo={undo}", "-o", output);
        run.Require(run.ExitCode is 0 or 3, "exit code", $"{run.ExitCode}");
        bool written = File.Exists(output);
        run.Require(written == (run.ExitCode == 0), "an output that is not what the exit code says", "");
        run.Require(!written || File.ReadAllBytes(output).AsSpan().SequenceEqual(_undo.Value.Original), "an undo that gives another file",
            "");
        RequireOnly(run, written ? ["in", "undo", "back"] : ["in", "undo"]);
        Count(written ? "undone" : "undo refused");
    }

    private (byte[] Original, byte[] Repaired, byte[] Undo) Repair()
    {
        const string original = "samples/captures/leaked-pkru.json";
        string repaired = Path.Combine(_folder, "repaired");
        Perform(0, "fix", original, "--on", Hosts[^1], "-o", repaired).Require(File.Exists(repaired), "no repair", "");
        (byte[], byte[], byte[]) files = (File.ReadAllBytes(original), File.ReadAllBytes(repaired),
            File.ReadAllBytes(repaired + ".undo.json"));
        File.Delete(repaired);
        File.Delete(repaired + ".undo.json");
        return files;
    }

    private void Convert(ref SplitMix64 random, string path, long length)
    {
        string[] formats = [.. ArtifactConversion.Formats];
        string output = Path.Combine(_folder, "out");
        string[] more = random.Below(4) switch
        {
            0 => ["--relocate", "samples/hosts/amd-genoa.json"],
            1 => ["--vcpu", random.Below(3).ToString(CultureInfo.InvariantCulture)],
            _ => [],
        };
        string[] force = random.OneIn(2) ? ["--force"] : [];
        string[] to = random.OneIn(8) ? ["--add-layout-note"] : ["--to", formats[random.Below(formats.Length)], .. more];
        CommandRun convert = Perform(2 * length, ["convert", path, .. to, "-o", output, .. force, "--json"]);
        convert.RequireJson();
        bool written = File.Exists(output);
        convert.Require(!written || convert.ExitCode <= 1, "an output of a run that failed", "");
        convert.Require(written || convert.ExitCode != 0, "no output of a run that did not", "");
        RequireOnly(convert, written ? ["in", "out"] : ["in"]);
        if (written)
        {
            Count("converted");
            CommandRun again = Perform(new FileInfo(output).Length, "show", output, "--json");
            again.RequireJson();
            again.Require(again.ExitCode == 0, "an output that cannot be read", "");
        }
    }

    private void Clear()
    {
        foreach (string left in Directory.EnumerateFileSystemEntries(_folder))
        {
            File.Delete(left);
        }
    }

    private CommandRun Perform(long length, params string[] arguments)
    {
        Count($"runs of {arguments[0]}");
        return CommandRun.Perform([], length, arguments);
    }

    private void RequireOnly(CommandRun run, params string[] names)
    {
        string[] found = [.. Directory.EnumerateFileSystemEntries(_folder).Select(entry => Path.GetFileName(entry)!)
            .Order(StringComparer.Ordinal)];
        run.Require(found.SequenceEqual(names.Order(StringComparer.Ordinal)), "files that are left", string.Join(' ', found));
    }

    private static byte[] Content(byte[] file)
    {
        using Stream content = ArtifactContent.Open(new MemoryStream(file),
            new ArtifactOptions { Decompressor = Cli.Input.ContentDecompressor.Open });
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static long ContentLength(byte[] file)
    {
        try
        {
            return Math.Max(file.Length, Content(file).Length);
        }
        catch (Exception error) when (error is MalformedArtifactException or IOException)
        {
            // Damaged in the middle: what came before was decompressed too, at most by what deflate can do.
            return file.Length * 1000L;
        }
    }
}
