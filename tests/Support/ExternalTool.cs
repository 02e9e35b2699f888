using System.Diagnostics;

namespace Xstate.Tests.Support;

/// <summary>
/// Programs that may be installed beside the tests: debuggers, binutils, decompressors. Where one is missing the test skips and says so.
/// </summary>
internal static class ExternalTool
{
    /// <summary>Runs a program and gives what it wrote to both outputs.</summary>
    public static string Run(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + error.GetAwaiter().GetResult();
    }

    /// <summary>The content of a compressed file, through the program that its name asks for.</summary>
    public static byte[] Decompress(string path)
    {
        string program = Path.GetExtension(path) switch
        {
            ".bz2" => "bzip2",
            ".xz" => "xz",
            ".zst" => "zstd",
            string other => throw new NotSupportedException(other),
        };
        using Process process = Start(program, "-dc", path);
        using MemoryStream bytes = new();
        process.StandardOutput.BaseStream.CopyTo(bytes);
        process.WaitForExit();
        return bytes.ToArray();
    }

    /// <summary>Where a program is; skips the test where it is not installed.</summary>
    public static string Require(string program)
    {
        string? path = Find(program);
        Assert.SkipUnless(path is not null, $"{program} is not installed");
        return path!;
    }

    /// <summary>Where a program is; null where it is not installed.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static Process Start(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(Require(program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        };
        start.Environment["LC_ALL"] = "C";
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
    }
}
