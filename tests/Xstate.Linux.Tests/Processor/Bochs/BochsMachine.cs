using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>Bochs from the distribution, started with <see cref="BochsImage"/>.</summary>
internal sealed class BochsMachine
{
    // The model of a processor with AVX-512, protection keys and CET.
    private const string Model = "tigerlake";
    private const string NoDisplay = "display library 'term' not available";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private readonly string _program = ExternalTool.Require("bochs");

    /// <summary>What CPUID answers in it.</summary>
    public CpuidTable Cpuid()
    {
        ReadOnlySpan<byte> output = Run([], 0, 0, verbose: false);
        CpuidTable table = CpuidTable.Empty;
        foreach ((uint leaf, uint subleaf) in BochsImage.CpuidLeaves)
        {
            uint Register(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            CpuidRegisters answer = new(Register(output), Register(output[4..]), Register(output[8..]), Register(output[12..]));
            table = table.With(leaf, subleaf, answer);
            output = output[16..];
        }

        return table;
    }

    /// <summary>What the image sends of cases, without what it sends of CPUID.</summary>
    public byte[] Execute(IReadOnlyList<byte[]> cases, StateComponentSet user, StateComponentSet supervisor, bool verbose) =>
        Run(cases, user.Bits, supervisor.Bits, verbose)[(BochsImage.CpuidLeaves.Length * 16)..];

    private byte[] Run(IReadOnlyList<byte[]> cases, ulong xcr0, ulong xss, bool verbose)
    {
        string folder = Directory.CreateTempSubdirectory("xstate-bochs").FullName;
        try
        {
            string output = Path.Combine(folder, "output");
            byte[] memory = BochsImage.Memory(cases.Count, xcr0, xss, verbose);
            const int Mebibytes = 16;
            File.WriteAllBytes(Path.Combine(folder, "rom"), BochsImage.Rom());
            File.WriteAllBytes(Path.Combine(folder, "video"), BochsImage.VideoRom());
            File.WriteAllBytes(Path.Combine(folder, "memory"), memory);
            File.WriteAllBytes(Path.Combine(folder, "disk"), BochsImage.Disk(cases));

            // Instructions a second are of the emulated clock, by which the serial port waits.
            File.WriteAllLines(Path.Combine(folder, "bochsrc"),
            [
                "config_interface: textconfig",
                "display_library: term",
                $"memory: guest={Mebibytes}, host={Mebibytes}",
                $"romimage: file={folder}/rom, address=0x{BochsImage.RomAddress:x}",

                // Without this line Bochs takes a file of the package vgabios, which Debian installs only where SeaBIOS is absent.
                $"vgaromimage: file={folder}/video",
                $"optramimage1: file={folder}/memory, address=0x{BochsImage.MemoryAddress:x}",
                $"cpu: model={Model}, count=1, ips=1000000, reset_on_triple_fault=0",
                "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
                $"ata0-master: type=disk, path={folder}/disk, mode=flat, cylinders=0",
                $"com1: enabled=1, mode=file, dev={output}",
                "sound: driver=dummy",
                $"log: {folder}/log",
                "panic: action=fatal",
                "error: action=report",
                "info: action=report",
                "debug: action=ignore",
            ]);

            ProcessStartInfo start = new(_program, ["-q", "-f", Path.Combine(folder, "bochsrc")])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
                WorkingDirectory = folder,
            };
            start.Environment["TERM"] = "linux";
            using Process bochs = Process.Start(start) ?? throw new InvalidOperationException("Bochs did not start");
            Task<string> said = bochs.StandardOutput.ReadToEndAsync();
            Task<string> complained = bochs.StandardError.ReadToEndAsync();

            // Where it was built with its debugger it waits for a command.
            bochs.StandardInput.WriteLine("c");
            bochs.StandardInput.Close();
            bool ended = bochs.WaitForExit(Limit);
            if (!ended)
            {
                bochs.Kill();
                bochs.WaitForExit();
            }

            byte[] bytes = File.Exists(output) ? File.ReadAllBytes(output) : [];
            if (!ended || !bytes.AsSpan().EndsWith(Encoding.ASCII.GetBytes(BochsImage.EndMark)))
            {
                string log = Path.Combine(folder, "log");
                string last = File.Exists(log) ? string.Join('\n', File.ReadLines(log).TakeLast(40)) : "no log";
                string how = ended ? "ended early" : "did not end";
                Assert.SkipWhen(
                    said.Result.Contains(NoDisplay, StringComparison.Ordinal)
                    || complained.Result.Contains(NoDisplay, StringComparison.Ordinal),
                    "Bochs has no terminal display here (Debian's package bochs-term)");
                Assert.Fail($"the image in Bochs {how} after {bytes.Length} bytes: {complained.Result}{said.Result}\n{last}");
            }

            return bytes[..^BochsImage.EndMark.Length];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
