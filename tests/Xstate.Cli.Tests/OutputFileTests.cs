using System.Globalization;
using System.Text;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Outputs: who may read them, what they may replace, and that nothing else is left.</summary>
public sealed class OutputFileTests : IDisposable
{
    private const string Sample = "samples/captures/leaked-pkru.json";
    private const string HostFile = "samples/hosts/intel-skylake-sp.json";
    private const string Host = HostFile + "@linux-6.1.40";
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Group = Owner | UnixFileMode.GroupRead;
    private const UnixFileMode World = Group | UnixFileMode.OtherRead;

    private readonly Scratch _scratch = new();

    public OutputFileTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "modes and kinds of files are Linux's here");

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<UnixFileMode, UnixFileMode> Modes => new() { { Owner, Owner }, { Group, Group }, { World, World },
        { World | UnixFileMode.OtherWrite | UnixFileMode.UserExecute, World } };

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task An_output_is_as_open_as_its_input_less_the_umask_and_an_undo_file_is_its_owner_s(UnixFileMode input,
        UnixFileMode expected)
    {
        // The umask of this process is that of whoever runs the tests; the usual one takes nothing from these modes but writing.
        UnixFileMode mode = expected & ~FileStatusUmask();
        string file = _scratch.Copy(Sample, "in.json", input);
        await Fine("fix", file, "--on", Host, "-o", _scratch.PathOf("fixed"));
        await Fine("set", file, "pkru=0x4", "-o", _scratch.PathOf("set"));
        await Fine("convert", file, "--to", "xstate-capture", "-o", _scratch.PathOf("converted"));
        await Fine("fix", _scratch.PathOf("fixed"), "--undo", "-o", _scratch.PathOf("restored"));
        Assert.Equal([mode, mode, mode, mode], new[] { "fixed", "set", "converted", "restored" }.Select(ModeOf));
        Assert.Equal(Owner, ModeOf("fixed.undo.json"));
    }

    [Fact]
    public async Task What_came_from_standard_input_is_its_owner_s()
    {
        XstateProcess run = await XstateProcess.Run(await File.ReadAllBytesAsync(Repository.PathOf(Sample.Split('/')),
            TestContext.Current.CancellationToken), "convert", "-", "--to", "xstate-capture", "-o", _scratch.PathOf("out"));
        Assert.Equal((0, Owner), (run.ExitCode, ModeOf("out")));
    }

    [Fact]
    public async Task A_core_of_0600_yields_only_files_of_0600()
    {
        string core = await Unpack("zen4-kernel618-3threads-x86_64.core.gz", "core");
        string damaged = await Unpack("zen4-gdb13-gcore-x86_64-DAMAGED.core.gz", "damaged");
        string tid = (await XstateProcess.Run("show", core, "--json")).Json.GetProperty("threads")[0].GetProperty("tid").ToString();
        await Fine("set", core, "--tid", tid, "mxcsr=0x1fa0", "-o", _scratch.PathOf("set"));
        foreach (string format in (string[])["xstate-capture", "kvm_xsave", "kvm_xcrs"])
        {
            await Fine("convert", core, "--tid", tid, "--to", format, "-o", _scratch.PathOf(format));
        }

        await Fine("convert", core, "--tid", tid, "--to", "xstate-capture", "--relocate", "samples/hosts/amd-genoa.json", "-o",
            _scratch.PathOf("moved"));
        await Fine("convert", damaged, "--add-layout-note", "--layout", "samples/hosts/amd-genoa.json", "--force", "-o",
            _scratch.PathOf("noted"));
        await Fine("fix", damaged, "--layout", "samples/hosts/amd-genoa.json", "-o", _scratch.PathOf("fixed"));
        await Fine("fix", _scratch.PathOf("fixed"), "--undo", "-o", _scratch.PathOf("back"));
        await Fine("set", core, "--tid", tid, "mxcsr=0x1fa0", "--in-place");
        await Fine("set", _scratch.PathOf("xstate-capture"), "mxcsr=0x1f81", "--in-place");
        Assert.Equal(
            ["back", "core", "damaged", "fixed", "fixed.undo.json", "kvm_xcrs", "kvm_xsave", "moved", "noted", "set", "xstate-capture"],
            _scratch.Names);
        Assert.All(_scratch.Names, name => Assert.Equal(Owner, ModeOf(name)));
    }

    [Fact]
    public async Task What_holds_nobody_s_registers_follows_the_umask()
    {
        string file = _scratch.Copy(HostFile, "cpu", Owner);
        string[] lines =
        [
            $"convert {file} --to xstate-host -o", $"convert {file} --to kvm_cpuid2 -o", $"convert {file} --to cpuid-r -o",
                $"lint {file} --fix -o", $"make-cpuid {file} -o", "host -o", "explore kvm-vmx-5.8 --trace html >",
        ];
        foreach ((string umask, UnixFileMode mode) in ((string, UnixFileMode)[])[("027", Group), ("022", World), ("077", Owner)])
        {
            string script = string.Join("; ", lines.Select((line, i) => $"xstate {line} {_scratch.PathOf($"{umask}-{i}")}"));
            string pool = _scratch.PathOf($"{umask}-pool");
            XstateProcess run = await Shell.Run($"umask {umask}; {script}; xstate pool {file}@linux-6.12 --emit kvm_cpuid2 -o {pool}");
            Assert.NotEmpty(Directory.GetFiles(pool));
            Assert.All(Directory.GetFiles(pool),
                path => Assert.Equal(mode, OperatingSystem.IsWindows() ? mode : File.GetUnixFileMode(path)));
            Assert.All(lines.Select((_, i) => $"{umask}-{i}"), name =>
                Assert.True(File.Exists(_scratch.PathOf(name)) && ModeOf(name) == mode, $"{name} {run.Error}"));
        }
    }

    [Fact]
    public async Task The_verbs_that_write_files_are_those_whose_modes_are_looked_at_here()
    {
        // conform writes scenarios of its own making, public as CPUID is, and only where the model is wrong; report and docs have tests of
        // their own.
        string help = (await XstateProcess.Run("--help")).Output;
        string[] verbs = [.. help[help.IndexOf("Commands:", StringComparison.Ordinal)..].Split('\n').Skip(1)
            .Select(line => line.Trim().Split(' ')[0]).Where(verb => verb.Length > 0)];
        Assert.True(verbs.Length >= 12, string.Join(' ', verbs));
        List<string> writing = [];
        foreach (string verb in verbs)
        {
            string options = (await XstateProcess.Run(verb, "--help")).Output;
            if (options.Contains("--output", StringComparison.Ordinal) || options.Contains("--in-place", StringComparison.Ordinal))
            {
                writing.Add(verb);
            }
        }

        Assert.Equal(["conform", "convert", "docs", "fix", "host", "lint", "make-cpuid", "pool", "report", "set"],
            writing.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task With_force_an_existing_file_keeps_its_mode_and_owner()
    {
        string file = _scratch.Copy(Sample, "in.json", World);
        string output = _scratch.Write("out", [1]);
        SetMode(output, Group | UnixFileMode.UserExecute);
        bool isRoot = Environment.UserName == "root";
        if (isRoot)
        {
            ExternalTool.Run("chown", "12345:23456", output);
        }

        await Fine("set", file, "pkru=0x4", "-o", output, "--force");
        Assert.Equal(Group | UnixFileMode.UserExecute, ModeOf("out"));
        FileStatus? status = StatusOf(output);
        Assert.True(!isRoot || (status!.Owner, status.Group) == (12345, 23456), $"{status}");
    }

    [Fact]
    public async Task With_force_an_existing_file_keeps_its_security_label()
    {
        const string label = "system_u:object_r:virt_image_t:s0";
        string file = _scratch.Copy(Sample, "in.json", Owner);
        string output = _scratch.Write("out", [1]);
        ExternalTool.Run("chcon", label, output);
        Assert.SkipUnless(LabelOf("out") == label, "this user may not give a file of this file system a security label");
        await Fine("set", file, "pkru=0x4", "-o", output, "--force");
        Assert.Equal(label, LabelOf("out"));
        Assert.NotEqual([1], await File.ReadAllBytesAsync(output, TestContext.Current.CancellationToken));

        // In place of itself, too, and a new file takes none.
        ExternalTool.Run("chcon", label, file);
        await Fine("set", file, "pkru=0", "--in-place");
        Assert.Equal(label, LabelOf("in.json"));
        await Fine("set", file, "pkru=0x4", "-o", _scratch.PathOf("new"));
        Assert.NotEqual(label, LabelOf("new"));
    }

    [Fact]
    public async Task A_change_in_place_that_moves_bytes_keeps_mode_owner_and_the_link_to_it()
    {
        // A capture is text: a component that is initial now takes its line along.
        string file = _scratch.Copy(Sample, "in.json", Group);
        File.CreateSymbolicLink(_scratch.PathOf("link"), file);
        await Fine("set", _scratch.PathOf("link"), "pkru=0", "--in-place");
        Assert.NotEqual(new FileInfo(Repository.PathOf(Sample.Split('/'))).Length, new FileInfo(file).Length);
        Assert.Equal(Group, ModeOf("in.json"));
        Assert.NotNull(new FileInfo(_scratch.PathOf("link")).LinkTarget);
        Assert.NotEqual(await File.ReadAllBytesAsync(Repository.PathOf(Sample.Split('/')), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("mkfifo out", "a named pipe")]
    [InlineData("mknod out c 1 3", "a device")]
    [InlineData("ln -s /dev/null out", "a device")]
    [InlineData("mkdir out", "a directory")]
    [InlineData("mkfifo pipe; ln -s pipe out", "a named pipe")]
    public async Task What_is_no_regular_file_is_refused_always_and_stays(string make, string kind)
    {
        string file = _scratch.Copy(Sample, "in.json");
        Assert.SkipUnless((await Shell.Run($"rm -rf out; {make}", _scratch.Folder)).ExitCode == 0, "this user may not make such a file");
        string before = ExternalTool.Run("ls", "-ldi", _scratch.PathOf("out"));
        foreach (string[] force in (string[][])[[], ["--force"]])
        {
            foreach (string[] verb in (string[][])[["fix", file, "--on", Host], ["set", file, "pkru=0"],
                ["convert", file, "--to", "xstate-capture"]])
            {
                XstateProcess run = await XstateProcess.Run([.. verb, "-o", _scratch.PathOf("out"), .. force]);
                Assert.Equal((2,
                    $"xstate: {_scratch.PathOf("out")} is {kind}; only regular files are replaced, and -o - is standard output\n"),
                    (run.ExitCode, run.Error));
            }
        }

        Assert.Equal(before, ExternalTool.Run("ls", "-ldi", _scratch.PathOf("out")));
        Assert.DoesNotContain("out.undo.json", _scratch.Names);
    }

    [Fact]
    public async Task A_socket_and_an_undo_file_that_is_a_pipe_are_refused()
    {
        string file = _scratch.Copy(Sample, "in.json");
        using System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream,
            System.Net.Sockets.ProtocolType.Unspecified);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(_scratch.PathOf("out")));
        Assert.Equal(2, (await XstateProcess.Run("set", file, "pkru=0", "-o", _scratch.PathOf("out"), "--force")).ExitCode);
        await Shell.Run("mkfifo fixed.undo.json", _scratch.Folder);
        XstateProcess run = await XstateProcess.Run("fix", file, "--on", Host, "-o", _scratch.PathOf("fixed"), "--force");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("fixed.undo.json is a named pipe", run.Error, StringComparison.Ordinal);
        Assert.Equal(["fixed.undo.json", "in.json", "out"], _scratch.Names);
    }

    [Fact]
    public async Task A_symbolic_link_is_replaced_itself_with_force_and_what_it_leads_to_stays()
    {
        string file = _scratch.Copy(Sample, "in.json");
        _scratch.Write("target", "kept"u8);
        File.CreateSymbolicLink(_scratch.PathOf("link"), _scratch.PathOf("target"));
        File.CreateSymbolicLink(_scratch.PathOf("dangling"), _scratch.PathOf("nowhere"));
        foreach (string name in (string[])["link", "dangling"])
        {
            XstateProcess refused = await XstateProcess.Run("set", file, "pkru=0", "-o", _scratch.PathOf(name));
            Assert.Equal((2, $"xstate: {_scratch.PathOf(name)} exists; --force replaces it\n"), (refused.ExitCode, refused.Error));
            await Fine("set", file, "pkru=0", "-o", _scratch.PathOf(name), "--force");
            Assert.Null(new FileInfo(_scratch.PathOf(name)).LinkTarget);
        }

        Assert.Equal("kept", await File.ReadAllTextAsync(_scratch.PathOf("target"), TestContext.Current.CancellationToken));
        Assert.Contains("a symbolic link is replaced itself",
            string.Join(' ', (await XstateProcess.Run("fix", "--help")).Output.Split((char[]?)null,
                StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_output_is_an_input_or_another_output_by_whatever_name()
    {
        string file = _scratch.Copy(Sample, "in.json");
        byte[] before = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        string host = _scratch.Copy(HostFile, "host.json");
        File.CreateSymbolicLink(_scratch.PathOf("soft"), file);
        ExternalTool.Run("ln", file, _scratch.PathOf("hard"));
        string[][] lines =
        [
            ["set", file, "pkru=0", "-o", file],
            ["set", file, "pkru=0", "-o", _scratch.PathOf("soft")],
            ["set", file, "pkru=0", "-o", _scratch.PathOf("hard")],
            ["set", _scratch.PathOf("soft"), "pkru=0", "-o", file],
            ["set", file, "pkru=0", "-o", Path.Combine(_scratch.Folder, ".", "in.json")],
            ["convert", file, "--to", "xstate-capture", "-o", file],
            ["fix", file, "--on", Host, "-o", file],
            ["fix", file, "--on", Host, "-o", _scratch.PathOf("out"), "--undo", file],
            ["fix", file, "--on", Host, "-o", _scratch.PathOf("out"), "--undo", _scratch.PathOf("out")],
            ["fix", file, "--on", $"{host}@linux-6.1.40", "-o", host],
            ["fix", file, "--on", $"{host}@linux-6.1.40", "-o", _scratch.PathOf("out"), "--undo", host],

            // Of these some are not even read.
            ["fix", file, "--on", Host, "--host-layout", host, "-o", host],
            ["fix", file, "--on", Host, "--cpu-map", host, "-o", _scratch.PathOf("out"), "--undo", host],
            ["fix", file, "--on", Host, "--layout", host, "-o", host],
            ["set", file, "pkru=0", "--guest-cpuid", host, "-o", host],
            ["convert", file, "--to", "xstate-capture", "--relocate", host, "-o", host],
            ["lint", host, "--fix", "-o", host],
            ["lint", HostFile, "--host", host, "--fix", "-o", host],
        ];
        foreach (string[] line in lines)
        {
            Assert.Equal(2, (await XstateProcess.Run([.. line, "--force"])).ExitCode);
        }

        Assert.Equal(before, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal(["hard", "host.json", "in.json", "soft"], _scratch.Names);

        // The name of an undo file follows from the output's: the input may have it.
        File.Move(file, _scratch.PathOf("x.undo.json"));
        Assert.Equal(2, (await XstateProcess.Run("fix", _scratch.PathOf("x.undo.json"), "--on", Host, "-o", _scratch.PathOf("x"),
            "--force")).ExitCode);
        Assert.Equal(before, await File.ReadAllBytesAsync(_scratch.PathOf("x.undo.json"), TestContext.Current.CancellationToken));

        // Taking a repair back reads two files.
        await Fine("fix", _scratch.PathOf("x.undo.json"), "--on", Host, "-o", _scratch.PathOf("fixed"));
        foreach (string output in (string[])["fixed", "fixed.undo.json"])
        {
            Assert.Equal(2, (await XstateProcess.Run("fix", _scratch.PathOf("fixed"), "--undo", "-o", _scratch.PathOf(output),
                "--force")).ExitCode);
        }
    }

    [Fact]
    public async Task A_dash_is_standard_output_and_the_report_goes_to_standard_error()
    {
        XstateProcess run = await XstateProcess.Run("fix", Sample, "--on", Host, "-o", "-", "--undo", _scratch.PathOf("u"));
        Assert.Equal(0, run.ExitCode);
        Assert.Equal("xstate-capture", run.Json.GetProperty("format").GetString());
        Assert.Contains("wrote -: on", run.Error, StringComparison.Ordinal);
        Assert.Equal(["u"], _scratch.Names);
        string repaired = _scratch.Write("repaired", Encoding.UTF8.GetBytes(run.Output));
        XstateProcess undone = await XstateProcess.Run("fix", repaired, $"--undo={_scratch.PathOf("u")}", "-o", "-");
        Assert.Equal(await File.ReadAllTextAsync(Repository.PathOf(Sample.Split('/')), TestContext.Current.CancellationToken),
            undone.Output);
        Assert.Contains("SHA-256 verified", undone.Error, StringComparison.Ordinal);

        foreach (string[] line in (string[][])[["fix", Sample, "--on", Host], ["set", Sample, "pkru=0x4"],
            ["convert", Sample, "--to", "xstate-capture"], ["convert", HostFile, "--to", "xstate-host"]])
        {
            XstateProcess text = await XstateProcess.Run([.. line, "-o", "-"]);
            Assert.Equal(0, text.ExitCode);
            Assert.StartsWith("xstate-", text.Json.GetProperty("format").GetString(), StringComparison.Ordinal);
            Assert.NotEqual("", text.Error);
            XstateProcess json = await XstateProcess.Run([.. line, "-o", "-", "--json"]);
            Assert.Equal(text.Output, json.Output);
            Assert.StartsWith("{", json.Error, StringComparison.Ordinal);
        }

        Assert.Equal(["repaired", "u"], _scratch.Names);
        Assert.False(File.Exists(Repository.PathOf("-")) || File.Exists(Repository.PathOf("-.undo.json")));
        Assert.Equal(2, (await XstateProcess.Run("fix", Sample, "--on", Host, "-o", "-", "--undo")).ExitCode);
    }

    [Fact]
    public void A_dash_is_refused_where_standard_output_is_a_terminal()
    {
        using MemoryStream output = new();
        using MemoryStream error = new();
        int code = App.Run(["convert", Repository.PathOf(Sample.Split('/')), "--to", "xstate-capture", "-o", "-"],
            new StandardStreams(Stream.Null, output, error, IsOutputTerminal: true));
        Assert.Equal((2, 0), (code, output.Length));
    }

    [Fact]
    public async Task What_cannot_be_written_is_exit_code_5_and_names_the_output()
    {
        XstateProcess missing = await XstateProcess.Run("set", Sample, "pkru=0", "-o", _scratch.PathOf("no/such"));
        Assert.Equal((5, $"xstate: cannot write {_scratch.PathOf("no/such")}: there is no such directory\n"),
            (missing.ExitCode, missing.Error));
        string tooLong = _scratch.PathOf(new string('x', 256));
        XstateProcess named = await XstateProcess.Run("set", Sample, "pkru=0", "-o", tooLong);
        Assert.Equal((5, $"xstate: cannot write {tooLong}: File name too long\n"), (named.ExitCode, named.Error));
        await Fine("set", Sample, "pkru=0", "-o", _scratch.PathOf(new string('y', 250)));
        XstateProcess both = await XstateProcess.Run("fix", Sample, "--on", Host, "-o", _scratch.PathOf("out"), "--undo",
            _scratch.PathOf("no/such"));
        Assert.Equal(5, both.ExitCode);
        Assert.Equal([new string('y', 250)], _scratch.Names);
        Assert.Equal(5, (await Shell.Run($"xstate set {Sample} pkru=0 -o /proc/version_new")).ExitCode);
    }

    [Fact]
    public async Task A_full_disk_leaves_nothing_and_says_which_output_it_was()
    {
        string small = Directory.CreateDirectory(_scratch.PathOf("small")).FullName;
        Assert.SkipUnless(ExternalTool.Run("mount", "-t", "tmpfs", "-o", "size=4k", "none", small).Length == 0,
            "this user may not mount a small file system");
        try
        {
            XstateProcess run = await XstateProcess.Run("fix", Sample, "--on", Host, "-o", Path.Combine(small, "out"));
            Assert.Equal((5, $"xstate: cannot write {Path.Combine(small, "out")}: No space left on device\n"), (run.ExitCode, run.Error));
            Assert.Empty(Directory.EnumerateFileSystemEntries(small));
        }
        finally
        {
            ExternalTool.Run("umount", small);
        }
    }

    [Theory]
    [InlineData("1125899906842624", "1125899906842623")]
    [InlineData("100000000", "99999999")]
    public async Task An_undo_file_whose_length_its_runs_do_not_reach_is_refused_before_anything_is_written(string length, string offset)
    {
        await Fine("fix", Sample, "--on", Host, "-o", _scratch.PathOf("fixed"));
        string undo = await File.ReadAllTextAsync(_scratch.PathOf("fixed.undo.json"), TestContext.Current.CancellationToken);
        System.Text.Json.Nodes.JsonNode bomb = System.Text.Json.Nodes.JsonNode.Parse(undo)!;
        bomb["length"] = long.Parse(length, CultureInfo.InvariantCulture);
        bomb["runs"] = new System.Text.Json.Nodes.JsonArray(new System.Text.Json.Nodes.JsonObject
        {
            ["offset"] = long.Parse(offset,
            CultureInfo.InvariantCulture),
            ["hex"] = "00"
        });
        string file = _scratch.Write("bomb", Encoding.UTF8.GetBytes(bomb.ToJsonString()));
        XstateProcess run = await XstateProcess.Run("fix", _scratch.PathOf("fixed"), $"--undo={file}", "-o", _scratch.PathOf("out"));
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("bytes that the file and the runs have", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("out", _scratch.Names);
        XstateProcess endless = await XstateProcess.Run("fix", _scratch.PathOf("fixed"), "--undo=/dev/zero", "-o", _scratch.PathOf("out"));
        Assert.Equal(3, endless.ExitCode);
    }

    private string LabelOf(string name) => ExternalTool.Run("stat", "-c", "%C", _scratch.PathOf(name)).Trim();

    private async Task<string> Unpack(string sample, string name)
    {
        string path = _scratch.PathOf(name);
        await using (FileStream packed = File.OpenRead(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "ElfCore", "data", sample)))
        await using (System.IO.Compression.GZipStream content = new(packed, System.IO.Compression.CompressionMode.Decompress))
        await using (FileStream file = File.Create(path))
        {
            await content.CopyToAsync(file, TestContext.Current.CancellationToken);
        }

        SetMode(path, Owner);
        return path;
    }

    private static UnixFileMode FileStatusUmask() => OperatingSystem.IsLinux() ? FileStatus.ReadUmask() : default;

    private static FileStatus? StatusOf(string path) => OperatingSystem.IsLinux() ? FileStatus.Of(path, followLinks: false) : null;

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private static async Task Fine(params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.True(run.ExitCode == 0, $"{string.Join(' ', arguments)}: {run.ExitCode} {run.Output} {run.Error}");
    }

    private UnixFileMode ModeOf(string name) => OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(_scratch.PathOf(name));
}
