using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>What the installed gdb shows of a core.</summary>
internal static partial class Gdb
{
    public static string Version => ExternalTool.Run("gdb", "--version").Split('\n')[0];

    /// <summary>
    /// Registers of the first thread, in this project's notation: vector registers as their bytes, values in hexadecimal. Empty where gdb
    /// has no such register, <c>unavailable</c> where it says so of any part.
    /// </summary>
    public static Dictionary<string, string> Registers(byte[] core, params IReadOnlyList<string> names) => Registers(core, 1, names);

    public static Dictionary<string, string> Registers(byte[] core, int thread, params IReadOnlyList<string> names)
    {
        string[] answers = Run(core, [$"thread {thread}", .. names.Select(name => $"p/x ${name}{Member(name)}")]).Split("==\n");
        return names.Select((name, i) => (name, Text: Parse(answers[i + 2]))).ToDictionary(pair => pair.name, pair => pair.Text);
    }

    /// <summary>What gdb answers to commands, each after a line of two equals signs.</summary>
    public static string Run(byte[] core, params IReadOnlyList<string> commands)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, core);
            string[] arguments = ["-nx", "-batch", "-ex", "set width 0", "-ex", $"core-file {path}",
                .. commands.SelectMany(command => (string[])["-ex", "echo ==\\n", "-ex", command])];
            return ExternalTool.Run("gdb", arguments).Replace(path, "core", StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string Member(string name) => name.IndexOf("mm", StringComparison.Ordinal) != 1 ? "" : name[0] switch
    {
        'x' => ".v2_int64",
        'y' => ".v4_int64",
        _ => ".v8_int64",
    };

    private static string Parse(string answer)
    {
        if (answer.Contains("unavailable", StringComparison.Ordinal))
        {
            return "unavailable";
        }

        Match match = Assignment().Match(answer);
        if (!match.Success)
        {
            return "";
        }

        string value = match.Groups["value"].Value.Trim();
        if (!value.StartsWith('{'))
        {
            return value.StartsWith("0x", StringComparison.Ordinal) ? value : "";
        }

        MatchCollection words = Word().Matches(value);
        byte[] bytes = new byte[words.Count * sizeof(ulong)];
        for (int i = 0; i < words.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)),
                ulong.Parse(words[i].Groups["word"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        }

        // gdb folds equal neighbours: {0x0 <repeats 8 times>}; none of the registers asked for here are that long and equal but zeros.
        return value.Contains("repeats", StringComparison.Ordinal) ? "" : Convert.ToHexStringLower(bytes);
    }

    [GeneratedRegex(@"^\$\d+ = (?<value>.*)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Assignment();

    [GeneratedRegex("0x(?<word>[0-9a-f]+)")]
    private static partial Regex Word();
}
