using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Xstate.Cli.Tests;

/// <summary>Registers of the first virtual CPU as QEMU's monitor prints them after a stream was loaded.</summary>
/// <param name="Words">Values of FCW, FSW, FTW and MXCSR.</param>
/// <param name="X87">The eight x87 registers in the order in which QEMU has them.</param>
/// <param name="Vectors">The vector registers that it prints, most significant byte first.</param>
/// <param name="Output">All that it printed.</param>
internal sealed partial record QemuRegisters(IReadOnlyDictionary<string, uint> Words, IReadOnlyList<string> X87,
    IReadOnlyDictionary<string, string> Vectors, string Output)
{
    /// <summary>Reads what <c>info registers</c> printed.</summary>
    public static QemuRegisters Parse(string output) => new(
        Word().Matches(output).ToDictionary(match => match.Groups[1].Value,
            match => uint.Parse(match.Groups[2].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
        [.. FpRegister().Matches(output).Select(match => match.Groups[1].Value + match.Groups[2].Value)],
        Vector().Matches(output).ToDictionary(match => match.Groups[1].Value,
            match => match.Groups[2].Value.Replace(" ", "", StringComparison.Ordinal).TrimEnd()),
        output);

    [GeneratedRegex(@"\b(FCW|FSW|FTW|MXCSR)=([0-9a-f]+)")]
    private static partial Regex Word();

    [GeneratedRegex(@"FPR\d=([0-9a-f]{16}) ([0-9a-f]{4})")]
    private static partial Regex FpRegister();

    [GeneratedRegex(@"\b((?:XMM|YMM|ZMM)\d\d)=((?:[0-9a-f]{16} ?)+)")]
    private static partial Regex Vector();
}

/// <summary>A real qemu-system-x86_64: loads a stream and says what the guest's registers are then.</summary>
internal sealed partial class Qemu
{
    private const string Variable = "XSTATE_QEMU";

    private readonly string _program;

    private Qemu(string program, Version version)
    {
        _program = program;
        Version = version;
    }

    /// <summary>The programs to test with: the one on the PATH, and those that XSTATE_QEMU names, separated as in PATH.</summary>
    public static TheoryData<string> Programs =>
        [.. new[] { "qemu-system-x86_64" }.Concat((Environment.GetEnvironmentVariable(Variable) ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))];

    /// <summary>Such as 7.2.22.</summary>
    public Version Version { get; }

    /// <summary>Its monitor profile on the command line of check.</summary>
    public string Profile => Version < new Version(8, 2) ? "qemu-7.2" : Version.Major == 10 ? "qemu-10.0" : "qemu";

    /// <summary>The program; skips the test where it is not installed.</summary>
    public static async Task<Qemu> Require(string program)
    {
        Qemu? found = await Find(program);
        Assert.SkipWhen(found is null, $"{program} is not installed");
        return found!;
    }

    /// <summary>All programs that are installed.</summary>
    public static async Task<IReadOnlyList<Qemu>> Installed()
    {
        List<Qemu> all = [];
        foreach (string program in Programs.Select(row => row.Data))
        {
            if (await Find(program) is { } found)
            {
                all.Add(found);
            }
        }

        return all;
    }

    /// <summary>Loads a stream into a stopped machine and reads its registers.</summary>
    /// <param name="arguments">Accelerator, machine, CPU and memory.</param>
    /// <param name="stream">The stream.</param>
    public async Task<QemuRegisters> Load(string[] arguments, string stream) =>
        Registers(await Run(Command(arguments, "-incoming", "defer"), $"migrate_incoming \"exec:cat {stream}\"\n", "info migrate\n",
            "info status\n", "info registers\n", "quit\n"));

    /// <summary>Starts a stopped machine from an internal snapshot of a disk image and reads its registers.</summary>
    public async Task<QemuRegisters> LoadSnapshot(string[] arguments, string image, string snapshot) =>
        Registers(await Run(Command(arguments, "-drive", $"if=none,id=disk,format=qcow2,file={image}", "-loadvm", snapshot),
            "info registers\n", "quit\n"));

    /// <summary>Starts a machine, stops it before its first instruction and saves it.</summary>
    public async Task Save(string[] arguments, string stream) =>
        await Run(Command(arguments), $"migrate \"exec:cat > {stream}\"\n", "info migrate\n", "quit\n");

    /// <summary>Loads a stream into a stopped machine and saves it again as this version does.</summary>
    public async Task Resave(string[] arguments, string stream, string saved) =>
        await Run(Command(arguments, "-incoming", "defer"), $"migrate_incoming \"exec:cat {stream}\"\n", "info migrate\n", "info status\n",
            $"migrate \"exec:cat > {saved}\"\n", "info migrate\n", "quit\n");

    /// <summary>
    /// Loads a stream and saves it with RAM at fixed places, from an offset of a file on, as libvirt's sparse saves have it (QEMU 9.0 and
    /// later).
    /// </summary>
    public async Task SaveMapped(string[] arguments, string stream, string file, int offset) =>
        await Run(
            Command(arguments, "-incoming", "defer"), $"migrate_incoming \"exec:cat {stream}\"\n", "info migrate\n", "info status\n",
            "migrate_set_capability mapped-ram on\n", $"migrate file:{file},offset={offset}\n", "info migrate\n", "quit\n");

    /// <summary>Loads what <see cref="SaveMapped"/> wrote and reads the registers.</summary>
    public async Task<QemuRegisters> LoadMapped(string[] arguments, string file, int offset) =>
        Registers(await Run(Command(arguments, "-incoming", "defer"), "migrate_set_capability mapped-ram on\n",
            $"migrate_incoming file:{file},offset={offset}\n", "info migrate\n", "info status\n", "info registers\n", "quit\n"));

    private static async Task<Qemu?> Find(string program)
    {
        try
        {
            return Version.TryParse(VersionNumber().Match(await Run([program, "--version"])).Groups[1].Value, out Version? version)
                ? new Qemu(program, version) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not installed.
            return null;
        }
    }

    private static QemuRegisters Registers(string output) => QemuRegisters.Parse(output.Replace("\r", "", StringComparison.Ordinal));

    private string[] Command(string[] arguments, params string[] more) =>
        [_program, .. arguments, "-display", "none", "-nodefaults", "-net", "none", "-monitor", "stdio", "-S", .. more];

    private static async Task<string> Run(string[] command, params string[] lines)
    {
        ProcessStartInfo start = new(command[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        };
        foreach (string argument in command[1..])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} did not start");
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(limit.Token);
            Conversation monitor = new(process);
            foreach (string line in lines)
            {
                if (!await monitor.Ask(line, limit.Token))
                {
                    await monitor.Ask("quit\n", limit.Token);
                    break;
                }
            }

            await monitor.ReadToEnd(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return monitor.Output + await errors;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    [GeneratedRegex(@"version (\d+\.\d+(?:\.\d+)?)")]
    private static partial Regex VersionNumber();

    // The human monitor, line by line: it prints its prompt when it is ready for the next command.
    private sealed class Conversation(Process process)
    {
        private const string Prompt = "(qemu) ";
        private readonly StringBuilder _output = new();
        private readonly char[] _chunk = new char[4096];
        private int _seen;

        public string Output => _output.ToString();

        /// <summary>Types a line; a status is asked for until the migration is over. False when it failed or the program ended.</summary>
        public async Task<bool> Ask(string line, CancellationToken cancellation)
        {
            while (await ReadToPrompt(cancellation))
            {
                int before = _output.Length;
                try
                {
                    await process.StandardInput.WriteAsync(line.AsMemory(), cancellation);
                    await process.StandardInput.FlushAsync(cancellation);
                }
                catch (IOException)
                {
                    // It ended after its last prompt, as QEMU 7.2 does when a load fails; later ones wait for another.
                    return false;
                }

                if (!line.StartsWith("info ", StringComparison.Ordinal) || !await PeekToPrompt(cancellation))
                {
                    return true;
                }

                string answer = Output[before..];
                bool over = line.StartsWith("info migrate", StringComparison.Ordinal)
                    ? answer.Contains("completed", StringComparison.Ordinal) : !answer.Contains("inmigrate)", StringComparison.Ordinal);
                if (over || answer.Contains("failed", StringComparison.Ordinal))
                {
                    return over;
                }

                await Task.Delay(50, cancellation);
            }

            return false;
        }

        public async Task ReadToEnd(CancellationToken cancellation)
        {
            while (await ReadMore(cancellation))
            {
            }
        }

        private async Task<bool> ReadToPrompt(CancellationToken cancellation)
        {
            bool found = await PeekToPrompt(cancellation);
            _seen = found ? Output.IndexOf(Prompt, _seen, StringComparison.Ordinal) + Prompt.Length : _seen;
            return found;
        }

        // False when the program ended instead.
        private async Task<bool> PeekToPrompt(CancellationToken cancellation)
        {
            while (Output.IndexOf(Prompt, _seen, StringComparison.Ordinal) < 0)
            {
                if (!await ReadMore(cancellation))
                {
                    return false;
                }
            }

            return true;
        }

        private async Task<bool> ReadMore(CancellationToken cancellation)
        {
            int read = await process.StandardOutput.ReadAsync(_chunk, cancellation);
            _output.Append(_chunk, 0, read);
            return read > 0;
        }
    }
}
