using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// One way in which a verb writes a file, in a folder of its own: the inputs, the command line, and what must be there after.
/// </summary>
internal sealed class OutputCase : IDisposable
{
    private const string Host = "samples/hosts/intel-skylake-sp.json@linux-6.1.40";
    private readonly Scratch _scratch = new();
    private readonly string _write;
    private readonly Dictionary<string, byte[]> _inputs = [];

    /// <summary>Sets up a folder for one of <see cref="All"/>.</summary>
    public OutputCase(string write)
    {
        _write = write;
        Arguments = ArgumentsOf(write);
    }

    /// <summary>Every way.</summary>
    public static TheoryData<string> All => ["fix", "fix --force", "fix --undo", "set", "set --in-place", "set --in-place of other length",
        "convert", "convert --add-layout-note", "lint --fix", "lint --fix --force", "make-cpuid", "host", "host --force", "conform",
        "report", "report --force"];

    /// <summary>The command line.</summary>
    public string[] Arguments { get; }

    /// <summary>Where all of its files are.</summary>
    public string Folder => _scratch.Folder;

    /// <summary>Whether its input is changed where it is.</summary>
    public bool IsInPlace => _write == "set --in-place";

    /// <summary>Whether its input is replaced by a file of the same name.</summary>
    public bool ReplacesInput => _write == "set --in-place of other length";

    /// <summary>Whether the name is that of a temporary file of the command.</summary>
    public static bool IsTemporary(string name) => name.StartsWith(".xstate-", StringComparison.Ordinal);

    /// <summary>Whether a file is in both folders with the same bytes, or in none.</summary>
    public static bool Same(Dictionary<string, byte[]> a, Dictionary<string, byte[]> b, string name) =>
        a.GetValueOrDefault(name) is { } bytes ? b.GetValueOrDefault(name) is { } others && bytes.AsSpan().SequenceEqual(others)
            : !b.ContainsKey(name);

    /// <summary>A file of the folder, whether it is there or not.</summary>
    public string PathOf(string name) => _scratch.PathOf(name);

    /// <summary>What is in the folder now.</summary>
    public Dictionary<string, byte[]> Content() =>
        _scratch.Names.ToDictionary(name => name, name => Whole(File.ReadAllBytes(PathOf(name))));

    /// <summary>The folder as it is before the command runs.</summary>
    public async Task<Dictionary<string, byte[]>> Prepare()
    {
        if (_inputs.Count == 0)
        {
            await MakeInputs();
        }

        foreach (string name in _scratch.Names)
        {
            File.Delete(PathOf(name));
        }

        foreach ((string name, byte[] bytes) in _inputs)
        {
            _scratch.Write(name, bytes);
        }

        return Content();
    }

    public void Dispose() => _scratch.Dispose();

    // CPUID of this machine says on which processor it was asked, and is another one every time; that it is all there is enough.
    private byte[] Whole(byte[] bytes)
    {
        if (!_write.StartsWith("host", StringComparison.Ordinal))
        {
            return bytes;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes);
            return document.RootElement.GetProperty("format").GetString() == "xstate-host" && !bytes.SequenceEqual(_inputs["cpu.json"])
                ? [.. "whole"u8] : bytes;
        }
        catch (JsonException)
        {
            return bytes;
        }
    }

    private string[] ArgumentsOf(string write) => write switch
    {
        "fix" => ["fix", PathOf("in.json"), "--on", Host, "-o", PathOf("out")],
        "fix --force" => ["fix", PathOf("in.json"), "--on", Host, "-o", PathOf("out"), "--force"],
        "fix --undo" => ["fix", PathOf("fixed"), "--undo", "-o", PathOf("out")],
        "set" => ["set", PathOf("in.json"), "pkru=0x4", "-o", PathOf("out")],

        // A core has MXCSR in two notes.
        "set --in-place" => ["set", PathOf("core"), "mxcsr=0x1f81", "--in-place"],
        "set --in-place of other length" => ["set", PathOf("in.json"), "pkru=0", "--in-place"],
        "convert" => ["convert", PathOf("in.json"), "--to", "kvm_xsave", "-o", PathOf("out")],
        "convert --add-layout-note" =>
            ["convert", PathOf("core"), "--add-layout-note", "--layout", "samples/hosts/intel-haswell.json", "-o", PathOf("out")],
        "lint --fix" => ["lint", PathOf("cpu.json"), "--fix", "-o", PathOf("out")],
        "lint --fix --force" => ["lint", PathOf("cpu.json"), "--fix", "-o", PathOf("out"), "--force"],
        "make-cpuid" => ["make-cpuid", PathOf("cpu.json"), "-o", PathOf("out")],
        "host" => ["host", "--name", "here", "-o", PathOf("out")],
        "host --force" => ["host", "--name", "here", "-o", PathOf("out"), "--force"],

        "report" => ["report", PathOf("in.json"), "--on", Host, "-o", PathOf("out")],
        "report --force" => ["report", PathOf("in.json"), "-o", PathOf("out"), "--force"],

        // Where the kernel is not that of 5.10, three calls find out.
        "conform" => ["conform", "--count", "3", "--as", "linux-5.10", "-o", PathOf("out")],
        _ => throw new ArgumentOutOfRangeException(nameof(write), write, "no way to write a file"),
    };

    private async Task MakeInputs()
    {
        _inputs.Add("in.json", await File.ReadAllBytesAsync(Repository.PathOf("samples", "captures", "leaked-pkru.json")));
        _inputs.Add("cpu.json", await File.ReadAllBytesAsync(Repository.PathOf("samples", "hosts", "intel-skylake-sp.json")));
        byte[] area = new byte[832];
        area[512] = 7;
        area[24] = 0x80;
        area[25] = 0x1F;
        _inputs.Add("core", new CoreBuilder().Auxv((51, 832)).Thread(7).FpRegisters(area[..512]).Area(area).Build());
        if (_write == "fix --undo")
        {
            string input = _scratch.Write("in.json", _inputs["in.json"]);
            Assert.Equal(0, (await XstateProcess.Run("fix", input, "--on", Host, "-o", PathOf("fixed"))).ExitCode);
            _inputs.Add("fixed", await File.ReadAllBytesAsync(PathOf("fixed")));
            _inputs.Add("fixed.undo.json", await File.ReadAllBytesAsync(PathOf("fixed.undo.json")));
        }

        if (_write.EndsWith("--force", StringComparison.Ordinal))
        {
            _inputs.Add("out", [.. "old"u8]);
        }
    }
}
