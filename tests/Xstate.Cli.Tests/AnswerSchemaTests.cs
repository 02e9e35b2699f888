using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Every JSON answer is what its documented schema says.</summary>
public class AnswerSchemaTests
{
    [Theory]
    [InlineData("show", "show", "samples/captures/xfd-tiles.json")]
    [InlineData("show", "show", "samples/captures/compacted.json")]
    [InlineData("show", "show", "samples/hosts/qemu-tcg-max.json")]
    [InlineData("check", "check", "samples/captures/leaked-pkru.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12",
        "samples/hosts/amd-genoa.json@linux-6.1.40")]
    [InlineData("check", "check", "samples/captures/intel-for-amd.json", "--on", "samples/hosts/amd-genoa.json@linux-6.12")]
    [InlineData("check", "check", "samples/captures/live-avx512.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12")]
    [InlineData("fix", "fix", "samples/captures/live-avx512.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12", "-o",
        "never-written.json")]
    [InlineData("diff", "diff", "samples/captures/leaked-pkru.json", "samples/captures/compacted.json")]
    [InlineData("convert", "convert", "samples/captures/live-avx512.json", "--to", "kvm_xsave", "-o", "{folder}/out")]
    [InlineData("set", "set", "samples/captures/live-avx512.json", "pkru=4", "-o", "{folder}/out")]
    [InlineData("show", "show", "tests/Xstate.Tests/Artifacts/ElfCore/data/zen4-gdb13-gcore-x86_64-DAMAGED.core.gz")]
    [InlineData("check", "check", "tests/Xstate.Tests/Artifacts/ElfCore/data/zen4-gdb13-gcore-x86_64-DAMAGED.core.gz")]
    [InlineData("rules", "rules")]
    [InlineData("rules", "rules", "EINVAL")]
    [InlineData("rules", "rules", "--kernel", "4.18.0-553.el8_10")]
    [InlineData("check", "check", "samples/captures/leaked-pkru.json", "--on",
        "samples/hosts/intel-skylake-sp.json@4.18.0-553.el8_10.x86_64")]
    [InlineData("fix", "fix", "samples/captures/live-avx512.json", "--on", "samples/hosts/intel-haswell.json@6.1.0-47-amd64", "-o",
        "never-written.json")]
    [InlineData("vmms", "check", "--vmm", "list")]
    [InlineData("lint", "lint", "samples/hosts/qemu-tcg-max.json")]
    [InlineData("lint", "lint", "samples/hosts/amd-rome.json", "samples/hosts/intel-haswell.json", "--view", "guest")]
    [InlineData("lint", "lint", "samples/hosts/amd-rome.json", "--view", "guest", "--fix", "-o", "{folder}/out")]
    [InlineData("make-cpuid", "make-cpuid", "samples/hosts/intel-sapphire-rapids.json", "--components", "avx", "--to", "qemu-cpu", "-o",
        "{folder}/out")]
    [InlineData("make-cpuid", "make-cpuid", "samples/hosts/intel-haswell.json", "--components", "pkru", "-o", "{folder}/out")]
    [InlineData("report", "report", "samples/captures/intel-for-amd.json", "--on", "samples/hosts/amd-genoa.json@linux-6.12",
        "-o", "{folder}/page.html")]
    [InlineData("docs", "docs", "-o", "{folder}/site")]
    [InlineData("explore", "explore", "kvm-svm-6.19")]
    [InlineData("host", "host")]
    [InlineData("run", "run", "samples/scenarios/case-1-vmm-pkru.json", "--backend", "model", "--host",
        "samples/hosts/intel-icelake.json@vmm-after")]
    [InlineData("run", "run", "samples/scenarios/case-5-trim.json", "--backend", "model", "--host",
        "samples/hosts/intel-haswell.json@linux-6.1.40")]
    [InlineData("run", "run", "samples/scenarios/case-3-ptrace-pkru.json", "--backend", "model", "--host",
        "samples/hosts/intel-haswell.json@linux-6.1.40")]
    public async Task An_answer_fits_its_schema(string schema, params string[] arguments)
    {
        Assert.SkipUnless(schema != "host" || OperatingSystem.IsLinux(), "only a Linux host can be recorded");
        string folder = Directory.CreateTempSubdirectory("xstate-schema-").FullName;
        XstateProcess run;
        try
        {
            run = await XstateProcess.Run([.. arguments.Select(argument => argument.Replace("{folder}", folder, StringComparison.Ordinal)),
                "--json"]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        Assert.InRange(run.ExitCode, 0, 1);
        Assert.Empty(new JsonSchema($"{schema}.answer.schema.json").Errors(run.Json));
        Assert.StartsWith("{\n  \"schemaVersion\": 1,\n  \"verb\": ", run.Output, StringComparison.Ordinal);
    }
}
