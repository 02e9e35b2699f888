using System.Diagnostics;
using System.Globalization;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The program corpus/registers.c: built once, run in a folder of its own, with the values that it printed.</summary>
internal sealed class RegisterCorpus : IDisposable
{
    private static readonly Lazy<string> Program = new(Build);
    private readonly Process _process;

    private RegisterCorpus(Process process, string folder)
    {
        _process = process;
        Folder = folder;
    }

    /// <summary>Where the program runs and leaves its core.</summary>
    public string Folder { get; }

    public int Id => _process.Id;

    /// <summary>What each thread's registers hold: bytes in memory order as hexadecimal digits.</summary>
    public Dictionary<int, Dictionary<string, string>> Expected { get; } = [];

    /// <summary>
    /// Starts the program and waits until its threads hold their registers; with "crash" until it is dead. Skips without a compiler.
    /// </summary>
    /// <param name="seed">Where the values come from.</param>
    /// <param name="mode">wait or crash.</param>
    /// <param name="launcher">A program to run it under, such as valgrind; none by default.</param>
    public static RegisterCorpus Start(int seed, string mode, params IReadOnlyList<string> launcher)
    {
        string folder = Directory.CreateTempSubdirectory("xstate-corpus-").FullName;
        string command = string.Join(' ', ["ulimit -c unlimited; exec", .. launcher, Program.Value,
            seed.ToString(CultureInfo.InvariantCulture), mode]);
        Process process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        })!;
        RegisterCorpus corpus = new(process, folder);
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        for (string? line = process.StandardOutput.ReadLine(); line is not null
            && line != "ready"; line = process.StandardOutput.ReadLine())
        {
            string[] words = line.Split(' ');
            int thread = int.Parse(words[0], CultureInfo.InvariantCulture);
            if (!corpus.Expected.TryGetValue(thread, out Dictionary<string, string>? registers))
            {
                corpus.Expected.Add(thread, registers = []);
            }

            registers.Add(words[1], words[2]);
        }

        if (mode == "crash")
        {
            process.WaitForExit();
        }

        return corpus;
    }

    /// <summary>A file that appeared in the folder, by the beginning of its name; null when none did.</summary>
    public string? Find(string prefix) => Directory.GetFiles(Folder, prefix + "*").FirstOrDefault();

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static string Build()
    {
        string compiler = ExternalTool.Require("gcc");
        string program = Path.Combine(Directory.CreateTempSubdirectory("xstate-corpus-").FullName, "registers");
        string output = ExternalTool.Run(compiler, "-g", "-O1", "-pthread",
            Repository.PathOf("tests", "Xstate.Cli.Tests", "corpus", "registers.c"), "-o", program);
        Assert.SkipUnless(File.Exists(program), $"gcc cannot build the corpus here: {output}");
        return program;
    }
}
