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
internal sealed partial record QemuRegisters(IReadOnlyDictionary<string, uint> Words, IReadOnlyList<string> X87, IReadOnlyDictionary<string, string> Vectors, string Output)
{
    /// <summary>Reads what <c>info registers</c> printed.</summary>
    public static QemuRegisters Parse(string output) => new(
        Word().Matches(output).ToDictionary(match => match.Groups[1].Value, match => uint.Parse(match.Groups[2].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
        [.. FpRegister().Matches(output).Select(match => match.Groups[1].Value + match.Groups[2].Value)],
        Vector().Matches(output).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value.Replace(" ", "", StringComparison.Ordinal).TrimEnd()),
        output);

    [GeneratedRegex(@"\b(FCW|FSW|FTW|MXCSR)=([0-9a-f]+)")]
    private static partial Regex Word();

    [GeneratedRegex(@"FPR\d=([0-9a-f]{16}) ([0-9a-f]{4})")]
    private static partial Regex FpRegister();

    [GeneratedRegex(@"\b((?:XMM|YMM|ZMM)\d\d)=((?:[0-9a-f]{16} ?)+)")]
    private static partial Regex Vector();
}

/// <summary>The real qemu-system-x86_64, where it is installed: loads a stream and says what the guest's registers are then.</summary>
internal static partial class Qemu
{
    private const string Program = "qemu-system-x86_64";

    /// <summary>The version, such as 7.2.22; skips the test where QEMU is not installed.</summary>
    public static async Task<string> Require()
    {
        string? version = null;
        try
        {
            version = VersionNumber().Match(await Run([Program, "--version"])).Groups[1].Value;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not installed.
        }

        Assert.SkipWhen(string.IsNullOrEmpty(version), $"{Program} is not installed");
        return version!;
    }

    /// <summary>Loads a stream into a stopped machine and reads its registers.</summary>
    /// <param name="arguments">Accelerator, machine, CPU and memory.</param>
    /// <param name="stream">The stream.</param>
    public static async Task<QemuRegisters> Load(string[] arguments, string stream)
    {
        string output = await Run(Command(arguments, "-incoming", "defer"), $"migrate_incoming \"exec:cat {stream}\"\n", "info status\n", "info registers\n", "quit\n");
        return QemuRegisters.Parse(output.Replace("\r", "", StringComparison.Ordinal));
    }

    /// <summary>Starts a stopped machine from an internal snapshot of a disk image and reads its registers.</summary>
    public static async Task<QemuRegisters> LoadSnapshot(string[] arguments, string image, string snapshot)
    {
        string output = await Run(Command(arguments, "-drive", $"if=none,id=disk,format=qcow2,file={image}", "-loadvm", snapshot), "info registers\n", "quit\n");
        return QemuRegisters.Parse(output.Replace("\r", "", StringComparison.Ordinal));
    }

    /// <summary>Starts a machine, stops it before its first instruction and saves it.</summary>
    public static async Task Save(string[] arguments, string stream) =>
        await Run(Command(arguments), $"migrate \"exec:cat > {stream}\"\n", "info migrate\n", "quit\n");

    private static string[] Command(string[] arguments, params string[] more) =>
        [Program, .. arguments, "-display", "none", "-nodefaults", "-net", "none", "-monitor", "stdio", "-S", .. more];

    private static async Task<string> Run(string[] command, params string[] lines)
    {
        ProcessStartInfo start = new(command[0]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
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
                await monitor.Ask(line, limit.Token);
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

        /// <summary>Types a line; a status is asked for until no migration is under way any more.</summary>
        public async Task Ask(string line, CancellationToken cancellation)
        {
            bool isStatus = line.StartsWith("info status", StringComparison.Ordinal) || line.StartsWith("info migrate", StringComparison.Ordinal);
            while (await ReadToPrompt(cancellation))
            {
                await process.StandardInput.WriteAsync(line.AsMemory(), cancellation);
                await process.StandardInput.FlushAsync(cancellation);
                int before = _output.Length;
                if (!isStatus || !await PeekToPrompt(cancellation) || !Output[before..].Contains(line.Contains("status", StringComparison.Ordinal) ? "inmigrate" : "active", StringComparison.Ordinal))
                {
                    return;
                }

                await Task.Delay(50, cancellation);
            }
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
