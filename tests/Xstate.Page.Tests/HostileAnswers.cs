using System.Text;
using System.Text.Json.Nodes;
using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>Answers of every verb with a hostile text in place of each string, its number behind it, but for the verb itself.</summary>
internal static class HostileAnswers
{
    // Markup, escapes of terminals, marks of direction, and what template languages act on.
    private const string Text = "<script>window.hit=1</script><img src=x onerror=window.hit=1>\"'&amp;[/][red]${hit}"
        + "\u001b[31m\u202egnp.exe\u0085";

    private static readonly string[][] Lines =
    [
        ["show", "samples/captures/live-avx512.json"], ["show", "samples/hosts/amd-genoa.json"],
        ["check", "samples/captures/intel-for-amd.json", "--on", "samples/hosts/amd-genoa.json@linux-6.12",
            "samples/hosts/intel-haswell.json@linux-6.1.40"],
        ["check", "samples/captures/hidden-avx512.json", "--on", "samples/hosts/intel-skylake-sp.json@4.18.0-553.el8_10.x86_64"],
        ["pool", "samples/hosts/amd-genoa.json", "samples/hosts/intel-haswell.json", "--kernel", "linux-6.12", "--captures",
            "samples/captures/xfd-tiles.json"],
        ["lint", "samples/hosts/qemu-tcg-max.json"], ["diff", "samples/captures/intel-for-amd.json", "samples/captures/compacted.json"],
        ["explore", "kvm-vmx-5.8"], ["explore", "--list"], ["rules", "EINVAL"], ["rules", "--kernel", "6.1.0-47-amd64"],
        ["check", "--vmm", "list"],
        ["run", "samples/scenarios/case-5-trim.json", "--backend", "model", "--host", "samples/hosts/intel-haswell.json@linux-6.1.40"],
        ["fix", "samples/captures/live-avx512.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12", "-o", "never-written.json"],
    ];

    /// <summary>Writes the answers, one a line.</summary>
    /// <returns>How many strings were replaced.</returns>
    public static async Task<int> Write(string file)
    {
        int count = 0;
        StringBuilder lines = new();
        foreach (string[] line in Lines)
        {
            XstateProcess run = await XstateProcess.Run([.. line, "--json"]);
            JsonObject answer = JsonNode.Parse(run.Output)!.AsObject();
            foreach ((string name, JsonNode? value) in answer.ToArray())
            {
                if (name is not ("verb" or "schemaVersion"))
                {
                    answer[name] = Replaced(value?.DeepClone(), ref count);
                }
            }

            lines.Append(answer.ToJsonString()).Append('\n');
        }

        await File.WriteAllTextAsync(file, lines.ToString(), TestContext.Current.CancellationToken);
        return count;
    }

    // Names of registers are fields of an object: they are foreign too.
    private static JsonNode? Replaced(JsonNode? node, ref int count)
    {
        switch (node)
        {
            case JsonValue value when value.TryGetValue(out string? _):
                return JsonValue.Create($"{Text}{count++}.");
            case JsonArray array:
                JsonArray items = [];
                foreach (JsonNode? item in array)
                {
                    items.Add(Replaced(item?.DeepClone(), ref count));
                }

                return items;
            case JsonObject fields:
                JsonObject made = [];
                foreach ((string name, JsonNode? value) in fields)
                {
                    made[name is "zmm0" or "mxcsr" ? $"{Text}{name}" : name] = Replaced(value?.DeepClone(), ref count);
                }

                return made;
            default:
                return node?.DeepClone();
        }
    }
}
