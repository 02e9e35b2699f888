using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public sealed class ConvertAndSetCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-convert-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_CPUID_without_leaves_is_not_written_as_a_dump_that_nobody_reads()
    {
        // struct kvm_cpuid2 with nent 0.
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        string output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await File.WriteAllBytesAsync(path, new byte[8], TestContext.Current.CancellationToken);
        try
        {
            XstateProcess run = await XstateProcess.Run("convert", path, "--format", "kvm_cpuid2", "--to", "cpuid-r", "-o", output);
            Assert.Equal(2, run.ExitCode);
            Assert.Contains("the CPUID has no leaf", run.Error, StringComparison.Ordinal);
            Assert.False(File.Exists(output));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_compacted_capture_becomes_a_raw_image_with_the_same_registers()
    {
        string image = PathOf("image");
        XstateProcess run = await XstateProcess.Run("convert", "samples/captures/compacted.json", "--to", "kvm_xsave", "-o", image);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("expanded from the compacted", run.Output, StringComparison.Ordinal);
        Assert.Equal(4096, new FileInfo(image).Length);
        XstateProcess diff = await XstateProcess.Run("diff", "samples/captures/compacted.json", image, "--layout",
            "samples/hosts/intel-icelake.json");
        Assert.Contains("every register is the same", diff.Output, StringComparison.Ordinal);
        Assert.Equal(0, diff.ExitCode);
    }

    [Fact]
    public async Task A_state_moved_to_the_other_vendors_offsets_and_back_keeps_every_register()
    {
        string amd = PathOf("amd.json");
        string back = PathOf("back.json");
        Assert.Equal(0, (await XstateProcess.Run("convert", "samples/captures/intel-for-amd.json", "--to", "xstate-capture", "--relocate",
            "samples/hosts/amd-genoa.json", "-o", amd)).ExitCode);
        XstateProcess diff = await XstateProcess.Run("diff", "samples/captures/intel-for-amd.json", amd);
        Assert.Contains("place of opmask: a 1088 +64, b 832 +64", diff.Output, StringComparison.Ordinal);
        Assert.Equal(0, diff.ExitCode);
        Assert.Equal(0, (await XstateProcess.Run("convert", amd, "--to", "xstate-capture", "--relocate",
            "samples/hosts/intel-skylake-sp.json", "-o", back)).ExitCode);
        Assert.Equal(0, (await XstateProcess.Run("diff", "samples/captures/intel-for-amd.json", back)).ExitCode);
    }

    [Theory]
    [InlineData("core", "-o")]
    [InlineData("core", "--in-place")]
    [InlineData("img", "-o")]
    [InlineData("json", "-o")]
    public async Task A_shadow_stack_pointer_that_was_set_is_in_the_file(string kind, string how)
    {
        string file = PathOf($"with.{kind}");
        string core = PathOf("core-2539.core");
        byte[] sample = File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", "core-2539.img"));
        File.WriteAllBytes(core, ProcessFiles.WithShadowStack(ProcessFiles.WideArea(1), 0x7fff_f6bf_f7e8));
        File.WriteAllBytes(file, kind == "img" ? CriuPatch.WithShadowStack(sample, 0x7fff_f6bf_f7e8) : File.ReadAllBytes(core));
        if (kind == "json")
        {
            Assert.Equal(0, (await XstateProcess.Run("convert", core, "--to", "xstate-capture", "-o", file, "--force")).ExitCode);
        }

        string output = how == "-o" ? PathOf("out") : file;
        XstateProcess set = await XstateProcess.Run(["set", file, "ssp=0x7f0000001000", how, .. how == "-o" ? [output]
            : Array.Empty<string>()]);
        Assert.True(set.ExitCode == 0, set.Error);
        Assert.Contains("ssp from 0x7ffff6bff7e8 to 0x7f0000001000", set.Output, StringComparison.Ordinal);
        Assert.EndsWith(" ssp 0x7f0000001000\n", (await XstateProcess.Run("show", output, "-r", "ssp")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("samples/captures/compacted.json", "ssp is the shadow-stack pointer of a thread; this is a virtual machine")]
    [InlineData("tests/Xstate.Tests/Artifacts/Criu/data/core-2539.img", "")]
    public async Task A_pointer_that_a_file_has_no_place_for_is_not_said_to_be_written(string file, string error)
    {
        // CRIU 4 writes a pointer of zero for a thread without a shadow stack; that one is changed like any other.
        string output = PathOf("out");
        XstateProcess run = await XstateProcess.Run("set", file, "ssp=0x1000", "-o", output);
        Assert.Equal(error.Length > 0 ? 2 : 0, run.ExitCode);
        Assert.Contains(error, run.Error, StringComparison.Ordinal);
        Assert.Equal(error.Length == 0, File.Exists(output));
    }

    [Fact]
    public async Task A_component_without_a_place_there_is_not_dropped_without_force()
    {
        string output = PathOf("haswell.json");
        string[] arguments = ["convert", "samples/captures/live-avx512.json", "--to", "xstate-capture", "--relocate",
            "samples/hosts/intel-haswell.json", "-o", output];
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("XS0705", run.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(output));
        Assert.Equal(1, (await XstateProcess.Run([.. arguments, "--force"])).ExitCode);
        Assert.True(File.Exists(output));
    }

    [Fact]
    public async Task A_host_record_becomes_a_CPUID_dump_and_that_a_kvm_cpuid2()
    {
        string dump = PathOf("dump.txt");
        string blob = PathOf("blob");
        Assert.Equal(0, (await XstateProcess.Run("convert", "samples/hosts/amd-genoa.json", "--to", "cpuid-r", "-o", dump)).ExitCode);
        Assert.Equal(0, (await XstateProcess.Run("convert", dump, "--to", "kvm_cpuid2", "-o", blob)).ExitCode);
        Assert.Equal("kvm_cpuid2", (await XstateProcess.Run("show", blob, "--json")).Json.GetProperty("format").GetString());
        XstateProcess wrong = await XstateProcess.Run("convert", blob, "--to", "kvm_xsave", "-o", PathOf("never"));
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("kvm_xsave does not hold a CPUID dump", wrong.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(PathOf("never")));
    }

    [Fact]
    public async Task Set_changes_the_named_registers_and_nothing_else()
    {
        string output = PathOf("set.json");
        XstateProcess run = await XstateProcess.Run("set", "samples/captures/live-avx512.json", "pkru=0x5555", "k2=0xff", "-o", output);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("k2 from", run.Output, StringComparison.Ordinal);

        // This PKRU closes key 0, which is a guest's own matter.
        Assert.DoesNotContain("XS1304", run.Output, StringComparison.Ordinal);
        XstateProcess diff = await XstateProcess.Run("diff", "samples/captures/live-avx512.json", output, "--json");
        Assert.Equal(["k2", "pkru"], diff.Json.GetProperty("states")[0].GetProperty("differences").EnumerateArray()
            .Select(d => d.GetProperty("register").GetString()!).Order());
        Assert.Empty(diff.Json.GetProperty("states")[0].GetProperty("noise").EnumerateArray());
    }

    [Fact]
    public async Task Set_in_place_writes_only_the_bytes_of_the_register()
    {
        byte[] image = new byte[4096];
        image[512] = 7;
        string file = PathOf("kvm_xsave");
        await File.WriteAllBytesAsync(file, image, TestContext.Current.CancellationToken);
        Assert.Equal(0, (await XstateProcess.Run("set", file, "mxcsr=0x1fa0", "--in-place")).ExitCode);
        image[24] = 0xA0;
        image[25] = 0x1F;
        Assert.Equal(image, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Set_does_not_write_at_a_guessed_place()
    {
        byte[] image = new byte[4096];
        image[512] = 0xE7;
        string file = PathOf("kvm_xsave");
        await File.WriteAllBytesAsync(file, image, TestContext.Current.CancellationToken);
        XstateProcess run = await XstateProcess.Run("set", file, "k1=1", "--in-place");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--layout", run.Error, StringComparison.Ordinal);
        Assert.Equal(image, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal(0, (await XstateProcess.Run("set", file, "k1=1", "--in-place", "--layout", "samples/hosts/amd-genoa.json")).ExitCode);
        image[832 + 8] = 1;
        Assert.Equal(image, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("zmm99=1")]
    [InlineData("pkru=0x100000000")]
    [InlineData("pkru")]
    public async Task A_register_that_cannot_be_set_is_a_usage_error(string register)
    {
        XstateProcess run = await XstateProcess.Run("set", "samples/captures/live-avx512.json", register, "-o", PathOf("never"));
        Assert.Equal(2, run.ExitCode);
        Assert.False(File.Exists(PathOf("never")));
    }

    private string PathOf(string name) => Path.Combine(_folder, name);
}
