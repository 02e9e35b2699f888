using System.Text;
using Xstate.Tests.Artifacts.Mutations;
using Xstate.Tests.Support;

namespace Xstate.Fuzz;

/// <summary>
/// Damaged scenarios, scenarios with random guest code, and random bytes where a scenario is expected, through <c>run</c> on models.
/// </summary>
internal sealed class ScenarioFuzzer : Fuzzer
{
    private static readonly string[] Hosts =
    [
        "samples/hosts/amd-genoa.json@linux-6.12", "samples/hosts/intel-haswell.json@linux-6.1.40",
            "samples/hosts/intel-sapphire-rapids.json@linux-6.6", "samples/hosts/intel-icelake.json@vmm-after",
        "samples/hosts/intel-icelake.json@vmm-before",
    ];

    private static readonly string[] Words =
    [
        "mov", "xsave", "xrstor", "xsavec", "xsetbv", "xgetbv", "wrpkru", "rdpkru", "cpuid", "hlt", "out", "jmp", "jnz", "dec", "add",
            "xor", "vaddps", "vmovdqu64", "fld1", "fninit", "ldmxcsr", "rdmsr",
        "wrmsr", "rax", "eax", "r8b", "spl", "sil", "r12b", "zmm17", "xmm3", "k1", "[rax]", "[0x10000]", "[rsp + 8*rcx - 4]", "0x12345678",
            "0", "1", "a", "a:", "b:", ",", ";", "cr4", "byte", "qword", "lock",
    ];

    /// <summary>The scenarios of the samples, one each.</summary>
    public static readonly byte[][] Samples = [.. Directory.GetFiles(Repository.PathOf("samples", "scenarios"), "*.json").Order(
        StringComparer.Ordinal).SelectMany(File.ReadAllLines).Where(line => line.StartsWith('{')).Select(Encoding.UTF8.GetBytes)];

    protected override ulong Seed => 0x5EED_0F20_0000_0000;

    protected override void One(ref SplitMix64 random)
    {
        byte[] input = random.Below(4) switch
        {
            0 => Encoding.UTF8.GetBytes(Guest(ref random)),
            1 => Mutator.Mutate(ref random, Encoding.UTF8.GetBytes(Guest(ref random)), random.Pick<byte[]>(Samples)),
            _ => Mutator.Mutate(ref random, random.Pick<byte[]>(Samples), random.Pick<byte[]>(Samples)),
        };
        if (random.OneIn(3))
        {
            input = TextEdits.Apply(ref random, input.Length == 0 ? [.. "{}"u8] : input);
        }

        CommandRun run = CommandRun.Perform(input, input.Length, "run", "-", "--backend", "model", "--host", random.Pick<string>(Hosts));
        run.RequireJson(lines: true);
        run.Require(run.ExitCode is 0 or 3, "exit code", $"{run.ExitCode}");
        Count(run.ExitCode == 0 ? "ran" : "refused");
    }

    private static string Guest(ref SplitMix64 random)
    {
        string code;
        if (random.OneIn(2))
        {
            byte[] bytes = new byte[1 + random.Below(24)];
            random.Fill(bytes);
            code = $"{{\"hex\":\"{Convert.ToHexStringLower(bytes)}\"}}";
        }
        else
        {
            StringBuilder text = new();
            for (int words = random.Below(16); words > 0; words--)
            {
                text.Append(random.Pick<string>(Words)).Append(random.Pick(" ", "; ", ", ", " "));
            }

            code = $"\"{text}\"";
        }

        string exits = random.OneIn(3) ? $",\"maxExits\":{random.Pick(1, 2, 100, 1_000_000)}" : "";
        string mode = random.OneIn(4) ? ",\"mode\":\"real\"" : "";
        return $"{{\"name\":\"g\",\"steps\":[{{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"}},{{\"op\":\"guest\","
            + $"\"code\":{code}{exits}{mode}}}]}}\n";
    }
}
