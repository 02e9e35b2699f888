using System.Diagnostics;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Linux.Tests;

/// <summary>The room that the model gives a C library is what the C library of this machine says of itself.</summary>
public class DynamicLinkerTests
{
    private const string Linker = "/lib64/ld-linux-x86-64.so.2";

    // The linker adds this to the area for general registers.
    private const int GeneralRegisters = 64;

    [Fact]
    public void The_room_for_vector_registers_is_what_ld_so_says()
    {
        Assert.SkipUnless(File.Exists(Linker), $"no glibc: {Linker} is not here");
        Dictionary<string, string> diagnostics = Diagnostics();
        Assert.SkipUnless(diagnostics.TryGetValue("x86.cpu_features.xsave_state_size", out string? stated),
            "this glibc does not say what it keeps (2.33 and later do)");
        string version = diagnostics["version.version"].Trim('"');
        Assert.SkipUnless(Version.Parse(version) < new Version(2, 40),
            $"glibc {version} may save further components; the model is of 2.27 to 2.39");
        HostRecord record = HostProbe.Record("here");
        CpuidRegisters leaf = record.Cpuid.Read(CpuidTable.XsaveLeaf, 0);
        bool xsavec = (record.Cpuid.Read(CpuidTable.XsaveLeaf, 1).Eax & 1 << 1) != 0;
        Assert.SkipWhen(leaf.Eax == 0, "this processor has no XSAVE");
        DynamicLinker linker = DynamicLinker.StartedOn(record.Cpuid.UserComponents, xsavec, (int)leaf.Ebx);
        Assert.Equal(int.Parse(stated.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture), linker.Room + GeneralRegisters);
        LinuxHost host = new(record, KernelBehavior.Of(record)!);
        Assert.True(linker.WrittenOn(host) <= linker.Room,
            $"{linker.WrittenOn(host)} bytes in a room of {linker.Room} for a process that was started here");
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"glibc {version}: {stated} with {(xsavec ? "XSAVEC" : "XSAVE")}, {linker.WrittenOn(host)} bytes written");
    }

    private static Dictionary<string, string> Diagnostics()
    {
        using Process process = Process.Start(new ProcessStartInfo(Linker, ["--list-diagnostics"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        })!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).GroupBy(pair => pair[0])
            .ToDictionary(group => group.Key, group => group.First()[1]);
    }
}
