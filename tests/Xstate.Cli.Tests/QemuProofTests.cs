using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The real QEMU as judge: what set and fix write into a stream is what the guest then has.</summary>
public sealed class QemuProofTests(ITestOutputHelper output) : IDisposable
{
    // The guest of the samples: TOP is 6, ST(0) holds 6 and ST(1) 5.
    private const string St0 = "c0000000000000004001";
    private const string St1 = "a0000000000000004001";
    private const string Ymm0 = "a09b96918c87827d78736e69645f5a55504b46413c37322d28231e19140f0a05";

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-qemu-").FullName;

    public static TheoryData<string> Programs => Qemu.Programs;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Registers_that_set_wrote_into_a_stream_are_those_that_qemu_loads(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        string stream = Path.Combine(_folder, "own.mig");
        string changed = Path.Combine(_folder, "changed.mig");
        string[] machine = ["-accel", "tcg", "-machine", "pc", "-cpu", "max", "-m", "4"];
        await qemu.Save(machine, stream);
        QemuRegisters before = await qemu.Load(machine, stream);
        Assert.Equal(0x1F80u, before.Words["MXCSR"]);
        XstateProcess set = await XstateProcess.Run(
            "set", stream, "mxcsr=0x1fa0", "fcw=0x27f", "fsw=0x3800", "ftw=0x80", "st0=00000000000000c00140",
            "xmm3=000102030405060708090a0b0c0d0e0f", "-o", changed);
        Assert.True(set.ExitCode == 0, set.Output + set.Error);
        QemuRegisters after = await qemu.Load(machine, changed);
        Assert.Equal((0x1FA0u, 0x27Fu, 0x3800u, 0x80u), (after.Words["MXCSR"], after.Words["FCW"], after.Words["FSW"], after.Words["FTW"]));

        // TOP is 7, and QEMU prints physical registers.
        Assert.Equal(St0, after.X87[7]);
        Assert.Equal("0f0e0d0c0b0a09080706050403020100", after.Vectors["XMM03"]);
        output.WriteLine($"QEMU {qemu.Version}: {after.Words.Count + after.X87.Count + after.Vectors.Count} registers read back");
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_stream_of_tcg_loses_its_registers_under_kvm_and_keeps_them_when_repaired(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        Assert.SkipUnless(File.Exists("/dev/kvm"), "there is no /dev/kvm");
        string stream = Sample("q72-pc-tcg-max-s5.mig.gz");
        string[] machine = ["-accel", "kvm", "-machine", "pc-i440fx-7.2", "-cpu", "host", "-m", "4", "-bios", Bios()];
        QemuRegisters lost = await qemu.Load(machine, stream);
        Assert.SkipUnless(lost.Words.Count == 4, $"QEMU {qemu.Version} cannot run this machine under KVM here: {lost.Output.Trim()}");
        string repaired = Path.Combine(_folder, "repaired.mig");
        XstateProcess fix = await XstateProcess.Run("fix", stream, "--on", "local", "-o", repaired);
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");
        QemuRegisters kept = await qemu.Load(machine, repaired);
        QemuRegisters original = await qemu.Load([.. machine[2..4], "-accel", "tcg", "-cpu", "max", .. machine[6..]], stream);

        Assert.Equal((0x37Fu, 0u, 0u, 0x1F80u), (lost.Words["FCW"], lost.Words["FSW"], lost.Words["FTW"], lost.Words["MXCSR"]));
        Assert.All(lost.X87, register => Assert.Equal(new string('0', 20), register));
        Assert.Equal(original.Words, kept.Words);
        Assert.Equal(0x5F80u, kept.Words["MXCSR"]);

        // Under KVM QEMU has ST(0) first, under TCG R0; TOP is 6.
        Assert.Equal([St0, St1], kept.X87.Take(2));
        Assert.Equal([St0, St1], original.X87.Skip(6));
        Assert.Equal(Ymm0, original.Vectors["YMM00"]);

        // QEMU 7.2 prints the upper halves from its own memory where KVM hides AVX; what the kernel has then is told by XS0910 and not
        // compared here.
        Assert.Equal(original.Vectors.Where(register => register.Key.StartsWith("YMM", StringComparison.Ordinal)),
            kept.Vectors.Where(register => register.Key.StartsWith("YMM", StringComparison.Ordinal)));
        Assert.NotEqual(Ymm0, lost.Vectors["YMM00"]);
        output.WriteLine(
            $"QEMU {qemu.Version}: {kept.Vectors.Count} vector registers, {kept.X87.Count} x87 registers and {kept.Words.Count} words "
            + $"under KVM as under TCG");
    }

    [Fact]
    public async Task The_kernel_returns_what_the_rehearsal_of_a_stream_predicts_before_and_after_the_repair()
    {
        Assert.SkipUnless(File.Exists("/dev/kvm"), "there is no /dev/kvm");
        string stream = Sample("q72-pc-tcg-max-s5.mig.gz");
        string repaired = Path.Combine(_folder, "repaired.mig");
        XstateProcess fix = await XstateProcess.Run("fix", stream, "--on", "local", "-o", repaired);
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");
        foreach (string file in new[] { stream, repaired })
        {
            XstateProcess check = await XstateProcess.Run("check", file, "--on", "local", "--prove");
            Assert.SkipWhen(check.ExitCode == 4, $"this machine's KVM cannot be asked: {check.Error}");
            Assert.Contains("proof: held: 3 calls", check.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_repaired_snapshot_is_loaded_by_loadvm_with_the_registers_that_the_original_loses(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        Assert.SkipUnless(File.Exists("/dev/kvm"), "there is no /dev/kvm");
        string image = Sample("q72-savevm-pc-tcg-max-s5.qcow2.gz");
        string repaired = Path.Combine(_folder, "repaired.qcow2");
        XstateProcess fix = await XstateProcess.Run("fix", image, "--on", "local", "-o", repaired);
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");
        string[] machine = ["-accel", "kvm", "-machine", "pc-i440fx-7.2", "-cpu", "host", "-m", "4", "-bios", Bios()];
        QemuRegisters lost = await qemu.LoadSnapshot(machine, image, "snap1");
        Assert.SkipUnless(lost.Words.Count == 4, $"QEMU {qemu.Version} cannot run this machine under KVM here: {lost.Output.Trim()}");
        QemuRegisters kept = await qemu.LoadSnapshot(machine, repaired, "snap1");
        Assert.Equal((0x37Fu, 0x1F80u), (lost.Words["FCW"], lost.Words["MXCSR"]));
        Assert.Equal((0x77Fu, 0x5F80u), (kept.Words["FCW"], kept.Words["MXCSR"]));
        Assert.Equal([St0, St1], kept.X87.Take(2));
        Assert.Equal(Ymm0, kept.Vectors["YMM00"]);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_stream_of_kvm_has_its_x87_stack_turned_under_tcg_and_right_when_repaired(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        string stream = Path.Combine(_folder, "without-clock.mig");
        await File.WriteAllBytesAsync(stream, WithoutClock(await File.ReadAllBytesAsync(Sample("q72-pc-kvm-host-s5.mig.gz"),
            TestContext.Current.CancellationToken)), TestContext.Current.CancellationToken);
        string[] machine = ["-accel", "tcg", "-machine", "pc-i440fx-7.2", "-cpu", "max", "-m", "4", "-bios", Bios()];
        QemuRegisters turned = await qemu.Load(machine, stream);
        Assert.SkipUnless(turned.Words.Count == 4, $"this QEMU cannot load the machine: {turned.Output.Trim()}");
        string repaired = Path.Combine(_folder, "repaired.mig");
        XstateProcess fix = await XstateProcess.Run("fix", stream, "--on", "samples/hosts/qemu-tcg-max.json@linux-6.12", "--vmm",
            "qemu-tcg", "-o", repaired);
        Assert.True(fix.ExitCode == 0, fix.Output + fix.Error);
        QemuRegisters right = await qemu.Load(machine, repaired);

        // TOP is 6: the guest's ST(0) is what TCG has in R6.
        Assert.Equal(6u, turned.Words["FSW"] >> 11 & 7);
        Assert.Equal([new string('0', 20), new string('0', 20)], turned.X87.Skip(6));
        Assert.Equal([St0, St1], right.X87.Skip(6));
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Streams_of_every_version_load_in_every_version_as_check_predicts(string program)
    {
        Qemu loader = await Qemu.Require(program);
        string sample = Sample("q72-pc-tcg-max-s5.mig.gz");
        string[] tcg = ["-accel", "tcg", "-machine", "pc-i440fx-7.2", "-cpu", "max", "-m", "4", "-bios", Bios()];
        string[] kvm = ["-accel", "kvm", .. tcg[2..4], "-cpu", "host", .. tcg[6..]];
        bool hasKvm = File.Exists("/dev/kvm") && (await loader.Load(kvm, sample)).Words.Count == 4;
        int loads = 0;
        int registers = 0;
        foreach (Qemu writer in await Qemu.Installed())
        {
            foreach (string stream in await StreamsOf(writer, sample, tcg, hasKvm ? kvm : null))
            {
                foreach ((string[] machine, string host, string vmm) in new[] { (tcg, "samples/hosts/qemu-tcg-max.json@linux-6.12",
                    "qemu-tcg"), (kvm, "local", loader.Profile) }.Take(hasKvm ? 2 : 1))
                {
                    loads++;
                    registers += await Compare(loader, machine, stream, host, vmm);
                }
            }
        }

        output.WriteLine(
            $"QEMU {loader.Version}: {loads} loads with {registers} registers as predicted{(hasKvm ? "" : "; no machine under KVM here")}");
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_sparse_save_with_ram_at_fixed_places_is_read_and_repaired_in_place(string program)
    {
        const int Offset = 65536;
        Qemu qemu = await Qemu.Require(program);
        Assert.SkipUnless(qemu.Version.Major >= 9, $"QEMU {qemu.Version} has no mapped-ram");
        string sample = Sample("q72-pc-tcg-max-s5.mig.gz");
        string[] tcg = ["-accel", "tcg", "-machine", "pc-i440fx-7.2", "-cpu", "max", "-m", "4", "-bios", Bios()];
        byte[] head = new byte[Offset];
        "LibvirtQemudSave"u8.CopyTo(head);
        BitConverter.TryWriteBytes(head.AsSpan(16), 2);
        BitConverter.TryWriteBytes(head.AsSpan(20), Offset - 92);
        BitConverter.TryWriteBytes(head.AsSpan(28), 6);
        "<domain type='qemu'><name>sparse</name><cpu mode='maximum'/></domain>"u8.CopyTo(head.AsSpan(92));
        string save = Path.Combine(_folder, "sparse.save");
        await File.WriteAllBytesAsync(save, head, TestContext.Current.CancellationToken);
        await qemu.SaveMapped(tcg, sample, save, Offset);
        XstateProcess show = await XstateProcess.Run("show", save, "--json");
        Assert.True(show.ExitCode == 0, show.Output + show.Error);
        Assert.Equal((await XstateProcess.Run("show", sample, "--json")).Json.GetProperty("vcpus").ToString(),
            show.Json.GetProperty("vcpus").ToString());
        QemuRegisters original = await qemu.LoadMapped(tcg, save, Offset);
        Assert.Equal(0x5F80u, original.Words["MXCSR"]);

        string set = Path.Combine(_folder, "set.save");
        XstateProcess written = await XstateProcess.Run("set", save, "mxcsr=0x1fa0", "-o", set);
        Assert.True(written.ExitCode == 0, written.Output + written.Error);
        Assert.Equal(0x1FA0u, (await qemu.LoadMapped(tcg, set, Offset)).Words["MXCSR"]);
        output.WriteLine($"QEMU {qemu.Version}: {new FileInfo(save).Length} bytes, MXCSR changed in place");

        string[] kvm = ["-accel", "kvm", .. tcg[2..4], "-cpu", "host", .. tcg[6..]];
        Assert.SkipUnless(File.Exists("/dev/kvm") && (await qemu.Load(kvm, sample)).Words.Count == 4, "no machine under KVM here");
        string repaired = Path.Combine(_folder, "repaired.save");
        XstateProcess fix = await XstateProcess.Run("fix", save, "--on", "local", "-o", repaired);
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");
        QemuRegisters kept = await qemu.LoadMapped(kvm, repaired, Offset);
        Assert.Equal(original.Words, kept.Words);
        Assert.Equal([St0, St1], kept.X87.Take(2));
        Assert.Equal(Ymm0, kept.Vectors["YMM00"]);
        Assert.NotEqual(original.Words, (await qemu.LoadMapped(kvm, save, Offset)).Words);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Registers_that_need_a_subsection_which_the_stream_lacks_are_loaded_and_saved_again(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        string sample = Sample("q72-pc-tcg-max-s5.mig.gz");

        // The guest had enabled neither MPX nor AVX-512; TCG does not ask.
        byte[] stream = await File.ReadAllBytesAsync(sample, TestContext.Current.CancellationToken);
        byte[] both = [0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        stream[stream.AsSpan().IndexOf(both) + 7] = 0xFF;
        await File.WriteAllBytesAsync(sample, stream, TestContext.Current.CancellationToken);
        string changed = Path.Combine(_folder, "changed.mig");
        string zmm17 = string.Concat(Enumerable.Range(1, 64).Select(i => i.ToString("x2", CultureInfo.InvariantCulture)));
        string[] values = ["k3=0x123456789abcdef", $"zmm17={zmm17}", "bnd1=08070605040302018877665544332211", "bndcfgu=0x3"];
        XstateProcess set = await XstateProcess.Run(["set", sample, .. values, "-o", changed]);
        Assert.True(set.ExitCode == 0, set.Output + set.Error);
        Assert.Equal(stream.Length, new FileInfo(changed).Length);
        string[] machine = ["-accel", "tcg", "-machine", "pc-i440fx-7.2", "-cpu", "max", "-m", "4", "-bios", Bios()];
        QemuRegisters loaded = await qemu.Load(machine, changed);
        Assert.True(loaded.Words.Count == 4, loaded.Output);
        Assert.Equal(0x5F80u, loaded.Words["MXCSR"]);
        string saved = Path.Combine(_folder, "saved.mig");
        await qemu.Resave(machine, changed, saved);
        JsonElement registers = (await XstateProcess.Run("show", saved, "--json")).Json.GetProperty("vcpus")[0].GetProperty("registers");
        Assert.All(values, value => Assert.Equal(value, $"{value.Split('=')[0]}={registers.GetProperty(value.Split('=')[0]).GetString()}"));
        Assert.Equal([St0, St1], loaded.X87.Skip(6));
        output.WriteLine($"QEMU {qemu.Version}: {values.Length} registers in two subsections that the stream did not have");
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Without_its_clock_device_a_stream_of_kvm_is_loaded_by_tcg(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        string stream = Sample("q72-pc-kvm-host-s5.mig.gz");
        string cut = Path.Combine(_folder, "cut.mig");
        string[] target = ["--on", "samples/hosts/qemu-tcg-max.json@linux-6.12", "--vmm", "qemu-tcg"];
        XstateProcess check = await XstateProcess.Run(["check", stream, .. target]);
        Assert.Contains("REFUSED before any register is loaded; no repair without loss helps", check.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await XstateProcess.Run(["fix", stream, .. target, "-o", cut])).ExitCode);
        Assert.False(File.Exists(cut));
        XstateProcess fix = await XstateProcess.Run(["fix", stream, .. target, "-o", cut, "--force"]);
        Assert.Equal(1, fix.ExitCode);
        Assert.Contains("kvmclock", fix.Output, StringComparison.Ordinal);
        Assert.Equal(new FileInfo(stream).Length, new FileInfo(cut).Length);
        string[] machine = ["-accel", "tcg", "-machine", "pc-i440fx-7.2", "-cpu", "max", "-m", "4", "-bios", Bios()];
        QemuRegisters refused = await qemu.Load(machine, stream);
        Assert.True(refused.Words.Count == 0 && refused.Output.Contains("kvmclock", StringComparison.Ordinal), refused.Output);
        QemuRegisters loaded = await qemu.Load(machine, cut);
        Assert.True(loaded.Words.Count == 4, loaded.Output);
        Assert.Equal(0x5F80u, loaded.Words["MXCSR"]);
        Assert.Equal([St0, St1], loaded.X87.Skip(6));
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_component_in_xcr0_that_the_host_lacks_stops_qemu_from_8_2_on_and_not_before(string program)
    {
        Qemu qemu = await Qemu.Require(program);
        Assert.SkipUnless(File.Exists("/dev/kvm"), "there is no /dev/kvm");
        string repaired = Path.Combine(_folder, "repaired.mig");
        XstateProcess fix = await XstateProcess.Run("fix", Sample("q72-pc-tcg-max-s5.mig.gz"), "--on", "local", "-o", repaired);
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");

        // XCR0 stands before XSTATE_BV; LWP is a bit that no kernel lets a guest have.
        byte[] stream = await File.ReadAllBytesAsync(repaired, TestContext.Current.CancellationToken);
        byte[] both = [0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 2, 7];
        stream[stream.AsSpan().IndexOf(both)] = 0x40;
        await File.WriteAllBytesAsync(repaired, stream, TestContext.Current.CancellationToken);
        QemuRegisters loaded = await qemu.Load(["-accel", "kvm", "-machine", "pc-i440fx-7.2", "-cpu", "host", "-m", "4", "-bios", Bios()],
            repaired);
        XstateProcess check = await XstateProcess.Run("check", repaired, "--on", "local", "--vmm", qemu.Profile, "--json");
        JsonElement target = check.Json.GetProperty("targets")[0];
        string verdict = target.GetProperty("verdict").GetString()!;
        Assert.Contains(target.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("rule").GetString() == "XS0202");
        if (qemu.Profile == "qemu-7.2")
        {
            Assert.Equal(("differs", 4), (verdict, loaded.Words.Count));
            return;
        }

        Assert.Equal(("refused", 0), (verdict, loaded.Words.Count));
        Assert.Contains("Failed to set XCRs: Invalid argument", loaded.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bzip2", 2)]
    [InlineData("xz", 3)]
    [InlineData("lzop", 4)]
    [InlineData("zstd", 5)]
    public async Task A_libvirt_save_is_read_through_the_program_that_compressed_it(string program, int kind)
    {
        string raw = Sample("libvirt113-tcgmax.save.gz", "libvirt");
        byte[] save = await File.ReadAllBytesAsync(raw, TestContext.Current.CancellationToken);
        int start = 92 + BitConverter.ToInt32(save, 20);
        byte[]? compressed = await Compress(program, save[start..]);
        Assert.SkipWhen(compressed is null, $"{program} is not installed");
        save[28] = (byte)kind;
        string packed = Path.Combine(_folder, "packed.save");
        await File.WriteAllBytesAsync(packed, [.. save[..start], .. compressed!], TestContext.Current.CancellationToken);
        XstateProcess plain = await XstateProcess.Run("show", raw, "--json");
        XstateProcess unpacked = await XstateProcess.Run("show", packed, "--json");
        Assert.True(unpacked.ExitCode == plain.ExitCode, unpacked.Output + unpacked.Error);
        Assert.Equal(plain.Json.GetProperty("vcpus").ToString(), unpacked.Json.GetProperty("vcpus").ToString());
    }

    // Of one version: as TCG saves it, repaired for KVM, and as KVM saves that.
    private async Task<IReadOnlyList<string>> StreamsOf(Qemu writer, string sample, string[] tcg, string[]? kvm)
    {
        string saved = Path.Combine(_folder, $"tcg-{writer.Version}.mig");
        await writer.Resave(tcg, sample, saved);
        if (kvm is null)
        {
            return [saved];
        }

        string repaired = Path.Combine(_folder, $"repaired-{writer.Version}.mig");
        XstateProcess fix = await XstateProcess.Run("fix", saved, "--on", "local", "-o", repaired, "--force");
        Assert.SkipUnless(fix.ExitCode == 0, $"this host has not all that the guest had: {fix.Output}");
        string ran = Path.Combine(_folder, $"kvm-{writer.Version}.mig");
        await writer.Resave(kvm, repaired, ran);
        return [saved, repaired, ran];
    }

    // What show says, changed where check says so, is what QEMU's monitor prints after the load.
    private static async Task<int> Compare(Qemu loader, string[] machine, string stream, string host, string vmm)
    {
        string what = $"{Path.GetFileName(stream)} in QEMU {loader.Version} with {vmm}";
        XstateProcess check = await XstateProcess.Run("check", stream, "--on", host, "--vmm", vmm, "--json");
        Assert.True(check.ExitCode is 0 or 1, what + check.Error);
        JsonElement target = check.Json.GetProperty("targets")[0];
        QemuRegisters real = await loader.Load(machine, stream);
        if (target.GetProperty("verdict").GetString() == "refused")
        {
            Assert.True(real.Words.Count == 0, $"{what} was to be refused: {real.Output}");
            return 0;
        }

        Assert.True(real.Words.Count == 4, $"{what} was to load: {real.Output}");
        Dictionary<string, string> expected = (await XstateProcess.Run("show", stream, "--json")).Json.GetProperty("vcpus")[0]
            .GetProperty("registers").EnumerateObject().ToDictionary(register => register.Name, register => register.Value.GetString()!);
        foreach (JsonElement difference in target.GetProperty("differences").EnumerateArray())
        {
            expected[difference.GetProperty("register").GetString()!] = difference.GetProperty("after").GetString()!;
        }

        foreach ((string name, uint value) in real.Words)
        {
            Assert.True(Convert.ToUInt32(expected[name.ToLowerInvariant()], 16) == value,
                $"{what}: {name} is {value:x}, predicted {expected[name.ToLowerInvariant()]}");
        }

        // KVM's registers begin with ST(0), TCG's with R0.
        int first = vmm == "qemu-tcg" ? (int)(real.Words["FSW"] >> 11 & 7) : 0;
        for (int i = 0; i < 8; i++)
        {
            Assert.True(Reversed(expected[$"st{i}"]) is var st && st[4..] + st[..4] == real.X87[(first + i) % 8],
                $"{what}: ST({i}) is {real.X87[(first + i) % 8]}, predicted {st}");
        }

        // Where KVM hides AVX, QEMU 7.2 neither gives it the upper halves nor reads them back, and prints what it remembers.
        bool remembered = target.GetProperty("findings").EnumerateArray()
            .Any(finding => finding.GetProperty("rule").GetString() == "XS0910") || loader.Version < new Version(8, 2);
        foreach ((string name, string value) in real.Vectors)
        {
            string wanted = Reversed(expected.GetValueOrDefault($"zmm{int.Parse(name.AsSpan(3))}")
                ?? expected.GetValueOrDefault($"ymm{int.Parse(name.AsSpan(3))}") ?? expected[$"xmm{int.Parse(name.AsSpan(3))}"]);
            int digits = Math.Min(remembered && vmm != "qemu-tcg" ? 32 : value.Length, wanted.Length);
            Assert.True(wanted[^digits..] == value[^digits..], $"{what}: {name} is {value}, predicted {wanted}");
        }

        return real.Words.Count + real.X87.Count + real.Vectors.Count;
    }

    private static string Reversed(string hex)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Array.Reverse(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    private static async Task<byte[]?> Compress(string program, byte[] bytes)
    {
        try
        {
            using System.Diagnostics.Process process = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo(program, "-c")
                {
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    UseShellExecute = false
                })!;
            using MemoryStream output = new();
            Task reading = process.StandardOutput.BaseStream.CopyToAsync(output, TestContext.Current.CancellationToken);
            await process.StandardInput.BaseStream.WriteAsync(bytes, TestContext.Current.CancellationToken);
            process.StandardInput.Close();
            await reading;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return output.ToArray();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    // TCG refuses the clock device, so its section and its entry in the description go.
    private static byte[] WithoutClock(byte[] stream)
    {
        int text = stream.AsSpan().LastIndexOf((byte)6) + 5;
        JsonNode description = JsonNode.Parse(stream.AsSpan(text))!;
        JsonArray devices = description["devices"]!.AsArray();
        devices.Remove(devices.First(device => (string?)device!["name"] == "kvmclock"));
        byte[] shorter = System.Text.Encoding.UTF8.GetBytes(description.ToJsonString());
        int section = stream.AsSpan().IndexOf("\u0008kvmclock"u8) - 5;
        int end = section + stream.AsSpan(section).IndexOf([(byte)0x7E, .. stream[(section + 1)..(section + 5)]]) + 5;
        byte[] length = BitConverter.GetBytes(shorter.Length);
        Array.Reverse(length);
        return [.. stream[..section], .. stream[end..(text - 4)], .. length, .. shorter];
    }

    private string Sample(string file, string folder = "qemu")
    {
        string path = Path.Combine(_folder, Path.GetFileNameWithoutExtension(file));
        using FileStream compressed = File.OpenRead(Repository.Shared("data", folder, file));
        using GZipStream content = new(compressed, CompressionMode.Decompress);
        using FileStream plain = File.Create(path);
        content.CopyTo(plain);
        return path;
    }

    // The firmware's content comes with the stream; its size has to be that of the machine that was saved.
    private string Bios()
    {
        string path = Path.Combine(_folder, "bios");
        File.WriteAllBytes(path, new byte[65536]);
        return path;
    }
}
