using System.Security.Cryptography;
using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;
using Xstate.Cli.Input;
using Xstate.Tests.Artifacts.Mutations;

namespace Xstate.Fuzz;

/// <summary>
/// What a fuzzer that is guided by coverage runs: a file of its own making through opening, undo and scenarios of the library. An exception
/// that is no refusal is what it calls a crash.
/// </summary>
internal static class CoverageTarget
{
    // Fuzzers start from small files: what is larger than this is damaged by structure instead (open, verbs).
    private const int LongestSeed = 1 << 13;

    /// <summary>Runs files for as long as the fuzzer gives any; alone, the one on standard input.</summary>
    public static void Run() => SharpFuzz.Fuzzer.Run(input =>
    {
        using MemoryStream bytes = new();
        input.CopyTo(bytes);
        Once(bytes.ToArray());
    });

    /// <summary>Writes one small sample of each format and the short scenarios.</summary>
    public static void WriteSeeds(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (IGrouping<string, MutationSample> format in MutationSamples.Own().GroupBy(sample => sample.Group))
        {
            byte[] smallest = format.OrderBy(sample => sample.Bytes.Length).First(sample => sample.Bytes.Length > 0).Bytes;
            if (smallest.Length <= LongestSeed)
            {
                File.WriteAllBytes(Path.Combine(folder, format.Key), smallest);
            }
        }

        foreach ((byte[] scenario, int i) in ScenarioFuzzer.Samples.Where(sample => sample.Length < 600).Take(20)
            .Select((sample, i) => (sample, i)))
        {
            File.WriteAllBytes(Path.Combine(folder, $"scenario-{i}"), scenario);
        }
    }

    private static void Once(byte[] file)
    {
        // What is done with an artifact follows from its bytes, so that a finding stays one.
        SplitMix64 random = new(BitConverter.ToUInt64(SHA256.HashData(file)));
        ArtifactOptions options = new() { Decompressor = ContentDecompressor.Open };
        Artifact? artifact = Refusable(() => Artifact.Open(new MemoryStream(file), options));
        if (artifact is not null)
        {
            EveryVerb.Run(ref random, artifact, file, options);
        }

        Refusable(() => UndoFileReader.Read(file, ArtifactLimits.Default));
        if (file.AsSpan().StartsWith("{\"name\""u8))
        {
            CommandRun.Perform(file, file.Length, "run", "-", "--backend", "model", "--host", "samples/hosts/amd-genoa.json@linux-6.12");
        }
    }

    private static T? Refusable<T>(Func<T> action)
        where T : class
    {
        try
        {
            return action();
        }
        catch (MalformedArtifactException)
        {
            return null;
        }
    }
}
