using System.Globalization;
using Xstate.Fuzz;
using Xstate.Tests.Artifacts.Mutations;
using Xstate.Tests.Support;

// xstate-fuzz open|verbs|scenarios|texts [FIRST] [COUNT]: cases FIRST to FIRST + COUNT - 1, each with a seed of its own, so that any of
// them runs alone. Exit code 1 when something was found. xstate-fuzz scenario FILE: one file of scenarios. xstate-fuzz coverage: for a
// fuzzer that is guided by coverage, which begins with the files of xstate-fuzz seeds FOLDER.
const int defaultCount = 1000;
string kind = args.Length > 0 ? args[0] : "";
int first = args.Length > 1 && int.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out int from) ? from : 0;
int count = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : defaultCount;
Environment.CurrentDirectory = Repository.Root;
switch (kind)
{
    case "open":
        MutationCampaign campaign = new(MutationSamples.Own(), 0x5EED_0F00_0000_0000);
        campaign.Run(count, first);
        Console.WriteLine(campaign.Report());
        return End(campaign.Defects);
    case "verbs":
        VerbFuzzer verbs = new();
        verbs.Run(first, count);
        Console.WriteLine(verbs.Report());
        return End(verbs.Defects);
    case "scenarios":
        ScenarioFuzzer scenarios = new();
        scenarios.Run(first, count);
        Console.WriteLine(scenarios.Report());
        return End(scenarios.Defects);
    case "texts":
        using (TextFuzzer texts = new())
        {
            // Each place once; more cases than places begin anew.
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{texts.Places} places"));
            count = args.Length > 2 ? count : texts.Places - first;
            texts.Run(first, count);
            Console.WriteLine(texts.Report());
            return End(texts.Defects);
        }

    case "scenario" when args.Length == 2:
        // One file, such as a finding, held against the same promises.
        byte[] file = File.ReadAllBytes(args[1]);
        CommandRun run = CommandRun.Perform(file, file.Length, "run", "-", "--backend", "model", "--host",
            "samples/hosts/amd-genoa.json@linux-6.12");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"exit code {run.ExitCode}, {run.Taken.TotalSeconds:f2} s on a processor, {run.Allocated >> 10} KiB allocated"));
        return 0;
    case "coverage":
        CoverageTarget.Run();
        return 0;
    case "seeds" when args.Length == 2:
        CoverageTarget.WriteSeeds(args[1]);
        return 0;
    default:
        Console.Error.WriteLine(
            "which? open, verbs, scenarios or texts, then the first case and how many; scenario FILE; coverage, for a fuzzer; seeds "
            + "FOLDER");
        return 2;
}

int End(IReadOnlyList<string> defects)
{
    foreach (string defect in defects)
    {
        Console.WriteLine($"DEFECT {defect}");
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{kind}: cases {first} to {first + count - 1}, {defects.Count} kinds of defects"));
    return defects.Count == 0 ? 0 : 1;
}
