using System.Buffers.Binary;
using System.Diagnostics;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.Tests.Processor;

/// <summary>
/// RESET and INIT with MPX and PKRU enabled. KVM offers MPX on processors that nobody has here, so a processor of QEMU's own (<c>-accel tcg
/// -cpu max</c>) is asked, without an operating system and without KVM: INIT comes from the local APIC of the boot processor.
/// </summary>
public sealed class BareMetalInitTests(ITestOutputHelper output)
{
    private const string Qemu = "qemu-system-x86_64";
    private const ulong Seed = 20241121;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    private static readonly StateComponentSet Everything = ProcessorProfiles.QemuTcg.UserComponents;

    [Fact]
    public void QEMU_s_INIT_does_what_the_table_says_but_for_CR0()
    {
        byte[] area = MakeArea();
        byte[] memory = Boot(InitImage.Make(Everything, area));
        ProcessorState cpu = new(ProcessorProfiles.QemuTcg.With(ProcessorQuirks.ResetX87AsInitial).With(ProcessorQuirks.InitResetsCr0));

        // XCR0 of 1 and an x87 state that is tagged empty are what RESET left; firmware has loaded no state.
        Assert.Empty(Differences(cpu, memory, InitImage.AfterReset, InitImage.SavedAfterReset));

        cpu.Cr4 = InitImage.Cr4InUse;
        cpu.Xcr0 = Everything;
        Assert.Equal(Fault.None, Instructions.Xrstor(cpu, area, 0, ulong.MaxValue, XsaveOperand.Legacy));
        byte[] before = Save(cpu);
        Assert.Equal(Convert.ToHexString(before),
            Convert.ToHexString(memory.AsSpan(InitImage.SavedBeforeInit - InitImage.Record, before.Length)));
        cpu.Cr0 &= ~(Cr0.CacheDisable | Cr0.NotWriteThrough);

        cpu.Init();
        List<string> differences = Differences(cpu, memory, InitImage.AfterInit, InitImage.SavedAfterInit);
        output.WriteLine($"{QemuVersion()}: INIT differs from the model in {differences.Count} places");
        Assert.Empty(differences);

        // The comparison is of a state in which every row shows.
        Assert.False(cpu.Registers.Mxcsr == Mxcsr.Initial || cpu.Registers.Pkru.Value == 0);
        Assert.Equal(
            StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr),
            StateComponentSet.Of([.. Everything.Where(component => cpu.Registers.IsInitial(component))]));
    }

    // By register and component; the model's own image tells what an equal one has to look like.
    private List<string> Differences(ProcessorState cpu, byte[] memory, int record, int saved)
    {
        List<string> differences = [];
        void Compare(string name, ulong model, ulong real)
        {
            if (model != real)
            {
                output.WriteLine($"{name}: {real:x}, model {model:x}");
                differences.Add(name);
            }
        }

        ReadOnlySpan<byte> noted = memory.AsSpan(record - InitImage.Record);
        Compare("cr0", (ulong)cpu.Cr0, BinaryPrimitives.ReadUInt32LittleEndian(noted[InitImage.Cr0Offset..]));
        Compare("cr4", (ulong)cpu.Cr4, BinaryPrimitives.ReadUInt32LittleEndian(noted[InitImage.Cr4Offset..]));
        Compare("efer", cpu.Efer, BinaryPrimitives.ReadUInt32LittleEndian(noted[InitImage.EferOffset..]));
        Compare("xcr0", cpu.Xcr0.Bits, BinaryPrimitives.ReadUInt32LittleEndian(noted[InitImage.Xcr0Offset..]));
        Compare("pkru", cpu.Registers.Pkru.Value, BinaryPrimitives.ReadUInt32LittleEndian(noted[InitImage.PkruOffset..]));

        ProcessorState saving = cpu.Clone();
        saving.Cr4 = InitImage.Cr4InUse;
        saving.Xcr0 = Everything;
        byte[] expected = Save(saving);
        ReadOnlySpan<byte> real = memory.AsSpan(saved - InitImage.Record, expected.Length);
        Compare("mxcsr", saving.Registers.Mxcsr, BinaryPrimitives.ReadUInt32LittleEndian(real[XsaveFormat.MxcsrOffset..]));
        foreach (StateComponent component in Everything)
        {
            (int offset, int length) = Place(saving, component);
            bool same = expected.AsSpan(offset, length).SequenceEqual(real.Slice(offset, length))
                && (component != StateComponent.X87 || expected.AsSpan(0, XsaveFormat.MxcsrOffset)
                    .SequenceEqual(real[..XsaveFormat.MxcsrOffset]));
            if (!same && !differences.Contains(StateComponents.NameOf(component)))
            {
                output.WriteLine($"{component}: {Convert.ToHexString(real.Slice(offset, length))}");
                differences.Add(StateComponents.NameOf(component));
            }
        }

        return differences;
    }

    private static (int Offset, int Length) Place(ProcessorState cpu, StateComponent component)
    {
        if (component == StateComponent.X87)
        {
            return (XsaveFormat.StOffset, XsaveFormat.XmmOffset - XsaveFormat.StOffset);
        }

        if (component == StateComponent.Sse)
        {
            return (XsaveFormat.XmmOffset, XsaveFormat.XmmEnd - XsaveFormat.XmmOffset);
        }

        Assert.True(cpu.Profile.Layout.TryGetSlot(component, out XsaveSlot slot));
        return (slot.Offset, slot.Size);
    }

    private static byte[] Save(ProcessorState cpu)
    {
        byte[] area = new byte[cpu.Profile.Layout.StandardLength];
        Assert.Equal(Fault.None, Instructions.Xsave(cpu, area, 0, ulong.MaxValue, XsaveOperand.Legacy));
        return area;
    }

    private static byte[] MakeArea()
    {
        ProcessorProfile profile = ProcessorProfiles.QemuTcg;
        byte[] area = new byte[profile.Layout.StandardLength];
        SplitMix64 random = new(Seed);
        random.Fill(area);

        // BNDCFGU must not be a reserved value; a linear address and the bits EN and BNDPRESERVE.
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(BndCsrOffset(profile)), 0x7FFF_1234_5003);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), 0x9FE0);
        Span<byte> header = area.AsSpan(XsaveFormat.XstateBvOffset, XsaveFormat.ExtendedOffset - XsaveFormat.XstateBvOffset);
        header.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, Everything.Bits);
        return area;
    }

    private static int BndCsrOffset(ProcessorProfile profile)
    {
        Assert.True(profile.Layout.TryGetSlot(StateComponent.BndCsr, out XsaveSlot slot));
        return slot.Offset;
    }

    private byte[] Boot(byte[] image)
    {
        Assert.SkipWhen(QemuVersion().Length == 0, $"{Qemu} is not installed");
        string folder = Directory.CreateTempSubdirectory("xstate-init").FullName;
        try
        {
            string kernel = Path.Combine(folder, "init.img");
            string dump = Path.Combine(folder, "memory");
            File.WriteAllBytes(kernel, image);
            using Process qemu = Start(
                "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "64", "-display", "none", "-monitor", "none", "-serial",
                "none", "-nodefaults",
                "-no-reboot", "-kernel", kernel, "-debugcon", $"file:{dump}", "-device", "isa-debug-exit,iobase=0xf4,iosize=1");
            if (!qemu.WaitForExit(Limit))
            {
                qemu.Kill();
                qemu.WaitForExit();
                Assert.Fail($"the image did not end within {Limit.TotalSeconds} s: {qemu.StandardError.ReadToEnd()}");
            }

            output.WriteLine(qemu.StandardError.ReadToEnd());
            byte[] memory = File.ReadAllBytes(dump);
            Assert.Equal(InitImage.DumpEnd - InitImage.Record, memory.Length);
            return memory;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string QemuVersion()
    {
        try
        {
            using Process qemu = Start("--version");
            string version = qemu.StandardOutput.ReadLine() ?? "";
            qemu.WaitForExit();
            return version;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "";
        }
    }

    private static Process Start(params string[] arguments) =>
        Process.Start(new ProcessStartInfo(Qemu, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        })!;
}
