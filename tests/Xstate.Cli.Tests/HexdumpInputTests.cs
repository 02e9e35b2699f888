namespace Xstate.Cli.Tests;

/// <summary>Verbs that read and write take the text of a hexdump for the bytes that it shows, and never change the text.</summary>
public sealed class HexdumpInputTests : IDisposable
{
    private const string Host = "samples/hosts/intel-skylake-sp.json@linux-6.1.40";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task It_is_shown_and_checked_as_its_bytes_by_name_and_from_a_pipe()
    {
        (string area, string dump) = await Write();
        foreach (string[] verb in new[] { (string[])["show"], ["check", "--on", Host], ["show", "--json"] })
        {
            XstateProcess bytes = await XstateProcess.Run([verb[0], area, .. verb[1..]]);
            XstateProcess text = await XstateProcess.Run([verb[0], dump, .. verb[1..]]);
            Assert.Equal(bytes.ExitCode, text.ExitCode);
            Assert.Equal(bytes.Output.Replace(area, dump, StringComparison.Ordinal), text.Output);
        }

        byte[] all = await File.ReadAllBytesAsync(dump, TestContext.Current.CancellationToken);
        XstateProcess piped = await XstateProcess.Run(all, "show", "-");
        Assert.Equal((0, (await XstateProcess.Run("show", area)).Output), (piped.ExitCode, piped.Output));
    }

    [Fact]
    public async Task A_change_is_written_as_bytes_and_never_into_the_text()
    {
        (string area, string dump) = await Write();
        byte[] before = await File.ReadAllBytesAsync(dump, TestContext.Current.CancellationToken);
        XstateProcess inPlace = await XstateProcess.Run("set", dump, "mxcsr=0x1f80", "--in-place");
        Assert.Equal(2, inPlace.ExitCode);
        Assert.Contains("is a hexdump; write the changed state elsewhere with -o OUT", inPlace.Error, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(dump, TestContext.Current.CancellationToken));

        string repaired = _scratch.PathOf("repaired");
        string restored = _scratch.PathOf("restored");
        XstateProcess run = await XstateProcess.Run("fix", dump, "--on", Host, "--guest-cpuid", Host.Split('@')[0], "-o", repaired);
        Assert.True(File.Exists(repaired), run.Error);
        Assert.Contains("what was written is not a hexdump, as the input is", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await XstateProcess.Run("fix", repaired, "--undo", "-o", restored)).ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(area, TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(restored, TestContext.Current.CancellationToken));
    }

    private async Task<(string Area, string Dump)> Write()
    {
        string area = _scratch.PathOf("area.bin");
        XstateProcess convert = await XstateProcess.Run("convert", "samples/captures/leaked-pkru.json", "--to", "kvm_xsave", "-o", area);
        Assert.Equal(0, convert.ExitCode);
        byte[] bytes = await File.ReadAllBytesAsync(area, TestContext.Current.CancellationToken);
        string dump = _scratch.PathOf("area.txt");
        await File.WriteAllLinesAsync(dump, bytes.Chunk(16).Select((row, i) => $"{16 * i:x8}: {Convert.ToHexStringLower(row)}"
            .Insert(14, " ").Insert(19, " ").Insert(24, " ").Insert(29, " ").Insert(34, " ").Insert(39, " ").Insert(44, " ")),
            TestContext.Current.CancellationToken);
        return (area, dump);
    }
}
