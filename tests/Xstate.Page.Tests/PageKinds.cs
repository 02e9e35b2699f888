using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>One page of each kind, made by the command from the samples.</summary>
internal static class PageKinds
{
    private const string Crossing = "samples/captures/intel-for-amd.json";
    private const string Genoa = "samples/hosts/amd-genoa.json@linux-6.12";
    private const string Backported = "samples/hosts/intel-icelake.json@4.18.0-553.el8_10.x86_64";

    /// <summary>The kinds by name.</summary>
    public static TheoryData<string> Names => [.. Arguments.Keys];

    private static readonly Dictionary<string, string[][]> Arguments = new(StringComparer.Ordinal)
    {
        ["state"] = [["report", "samples/captures/live-avx512.json", "samples/captures/xfd-tiles.json"]],
        ["repair"] = [["report", Crossing, "--on", Genoa, Backported]],
        ["unknown"] =
        [
            ["report", "samples/captures/hidden-avx512.json", "--on", "samples/hosts/intel-skylake-sp.json@4.18.0-553.el8_10.x86_64"],
        ],
        ["pool"] =
        [
            ["report", "samples/captures/hidden-avx512.json", "samples/captures/xfd-tiles.json", "--on", "samples/hosts/*.json",
                "--kernel", "linux-6.12", "--pool"],
        ],
        ["processors"] = [["report", "samples/hosts/amd-genoa.json", "samples/hosts/intel-sapphire-rapids.json"]],
        ["switch"] = [["report", "--explore", "kvm-vmx-5.8"]],
        ["kept"] =
        [
            ["rules", "EINVAL", "--json"], ["rules", "--kernel", "6.5.0-41-generic", "--json"],
            ["lint", "samples/hosts/qemu-tcg-max.json", "--json"],
            ["diff", Crossing, "samples/captures/compacted.json", "--json"], ["check", "--vmm", "list", "--json"],
            ["run", "samples/scenarios/case-5-trim.json", "--backend", "model", "--host", "samples/hosts/intel-haswell.json@linux-6.1.40",
                "--json"],
            ["fix", Crossing, "--on", Genoa, "-o", "{folder}/fixed.json", "--json"],
            ["make-cpuid", "samples/hosts/intel-haswell.json", "--components", "pkru", "--to", "kvm_cpuid2", "-o", "{folder}/none",
                "--json"],
        ],
    };

    /// <summary>Writes the page of a kind.</summary>
    public static async Task<string> Write(string kind, Scratch scratch)
    {
        string page = scratch.PathOf($"{kind}.html");
        List<string> kept = [];
        foreach (string[] arguments in Arguments[kind])
        {
            string[] line = [.. arguments.Select(argument => argument.Replace("{folder}", scratch.Folder, StringComparison.Ordinal))];
            if (line[0] == "report")
            {
                await Run([.. line, "-o", page]);
                return page;
            }

            XstateProcess answer = await XstateProcess.Run(line);
            Assert.InRange(answer.ExitCode, 0, 1);
            kept.Add(scratch.Write($"{kept.Count}.json", System.Text.Encoding.UTF8.GetBytes(answer.Output)));
        }

        await Run(["report", "--from", .. kept, "-o", page]);
        return page;
    }

    private static async Task Run(string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }
}
