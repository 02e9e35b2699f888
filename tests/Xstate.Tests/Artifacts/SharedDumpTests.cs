using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.InstLatx64;
using Xstate.Artifacts.Libcpuid;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>Every real dump beside the repository decodes, and what its leaf 0xD lacks is remarked, never filled in.</summary>
public class SharedDumpTests(ITestOutputHelper output)
{
    /// <summary>Files in those folders that are not in a format of this list, with what they are.</summary>
    private static readonly Dictionary<string, string> OtherFormats = new()
    {
        ["proc-cpuinfo.txt"] = "/proc/cpuinfo: names of features, no CPUID",
        ["zen4-pvm-guest.cpuid-decoded.txt.gz"] = "prose, compressed",
    };

    /// <summary>
    /// Dumps whose leaf 0xD announces components that it does not describe: the dump program left the sub-leaf out or printed zeros.
    /// </summary>
    private static readonly Dictionary<string, StateComponent[]> Holes = new()
    {
        ["AuthenticAMD0600F12_Interlagos_CPUID.txt"] = [StateComponent.Lwp],
        ["hygon-c86-7185-32-core-processor.test"] = [StateComponent.Avx],
        ["amd-fx-8350-eight-core-processor.test"] = [StateComponent.Lwp],
        ["GenuineIntel0050654_SkylakeXeon_CPUID.txt"] = [StateComponent.Pt, StateComponent.Pkru],
        ["GenuineIntel00506C9_Goldmont_CPUID.txt"] = [StateComponent.BndRegs, StateComponent.BndCsr, StateComponent.Pt],
        ["GenuineIntel00606A6_ICX_CPUID2.txt"] = [StateComponent.Pkru],
        ["GenuineIntel00906EA_Coffeelake_CPUID.txt"] = [StateComponent.Pt],
    };

    [Fact]
    public void Every_dump_decodes_and_its_components_fill_exactly_the_area_that_its_own_leaf_states()
    {
        int processors = 0;
        int layouts = 0;
        foreach ((string name, CpuidDump dump) in Dumps())
        {
            StateComponentSet holes = Holes.TryGetValue(name, out StateComponent[]? missing)
                ? StateComponentSet.Of(missing) : StateComponentSet.Empty;
            Assert.Contains(dump.Format, (string[])[CpuidRawReader.Format, InstLatx64Reader.Format, LibcpuidReader.Format]);
            foreach (CpuidProcessor processor in dump.Processors)
            {
                processors++;
                XsaveLayout layout = XsaveLayout.FromCpuid(processor.Cpuid);
                Assert.Equal((name, holes), (name, layout.MissingComponents));
                Assert.Equal((name, name.StartsWith("qemu-virtual", StringComparison.Ordinal)), (name, !processor.Unplaced.IsEmpty));
                if (processor.Cpuid.UserComponents.IsEmpty)
                {
                    continue;
                }

                layouts++;
                uint stated = processor.Cpuid.Read(CpuidTable.XsaveLeaf, 0).Ecx;
                Assert.True(layout.StandardLength <= stated, $"{name}: {layout.StandardLength} > {stated}");
                if (!holes.Overlaps(StateComponents.UserComponents))
                {
                    Assert.Equal((name, (int)stated), (name, layout.StandardLength));
                }
            }
        }

        output.WriteLine($"{processors} logical processors decoded, {layouts} with leaf 0xd");
        Assert.True(layouts > 200);
    }

    [Fact]
    public void Every_hole_is_remarked()
    {
        foreach ((string name, CpuidDump dump) in Dumps())
        {
            IEnumerable<uint?> remarked = dump.Remarks
                .Where(remark => remark.Processor == 0 && remark.Leaf == CpuidTable.XsaveLeaf
                    && remark.Message.Contains("announces it", StringComparison.Ordinal))
                .Select(remark => remark.Subleaf);
            uint?[] expected = Holes.TryGetValue(name, out StateComponent[]? missing)
                ? [.. missing.Select(component => (uint?)component)] : [];
            Assert.Equal(expected, remarked);
        }
    }

    [Fact]
    public void Every_hole_is_a_finding_with_the_rule_of_its_kind()
    {
        int processors = 0;
        foreach (string file in Directory.GetFiles(Repository.Shared("data", "cpuid", "instlatx64"))
            .Concat(Directory.GetFiles(Repository.Shared("data", "cpuid", "libcpuid"))))
        {
            string name = Path.GetFileName(file);
            using FileStream stream = File.OpenRead(file);
            Artifact artifact = Artifact.Open(stream);
            CpuidTable cpuid = artifact.Cpuid!.Cpuid;
            StateComponentSet zero = StateComponentSet.Of(
                [.. XsaveLayout.FromCpuid(cpuid).MissingComponents.Where(component => cpuid.TryRead(CpuidTable.XsaveLeaf, (uint)component,
                    out _))]);
            StateComponentSet absent = XsaveLayout.FromCpuid(cpuid).MissingComponents.Except(zero);
            Assert.Equal((name, Leaves(zero)), (name, LeavesOf(artifact, "XS1201")));
            Assert.Equal((name, Leaves(absent)), (name, LeavesOf(artifact, "XS1202")));
            bool silent = cpuid.UserComponents.IsEmpty && (cpuid.Read(1).Ecx >> 26 & 1) != 0;
            Assert.Equal((name, silent ? "0xd.0" : ""), (name, LeavesOf(artifact, "XS1203")));
            processors++;
        }

        output.WriteLine($"{processors} dumps");
        Assert.Equal(94, processors);

        static string Leaves(StateComponentSet components) =>
            string.Join(' ', components.Select(component => CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, (uint)component)));
        static string LeavesOf(Artifact artifact, string rule) =>
            string.Join(' ', artifact.Findings.Where(finding => finding.Rule.Id == rule).Select(finding => finding.Where.Leaf));
    }

    [Theory]
    [InlineData("instlatx64", "GenuineIntel0050654_SkylakeXeon_CPUID.txt", "XS1201 0xd.9")]
    [InlineData("instlatx64", "GenuineIntel00606A6_ICX_CPUID2.txt", "XS1201 0xd.9")]
    [InlineData("instlatx64", "AuthenticAMD0600F12_Interlagos_CPUID.txt", "XS1202 0xd.0x3e")]
    [InlineData("instlatx64", "GenuineIntel00506C9_Goldmont_CPUID.txt", "XS1202 0xd.3", "XS1202 0xd.4")]
    [InlineData("instlatx64", "GenuineIntel00206A7_SandyBridge_CPUID.txt", "XS1206 0xd.2", "XS1205 0xd.1")]
    [InlineData("instlatx64", "GenuineIotel00306C3_Haswell_CPUID5.txt", "XS1203 0xd.0")]
    [InlineData("libcpuid", "hygon-c86-7185-32-core-processor.test", "XS1202 0xd.2", "XS1205 0xd.1")]
    public void A_real_defect_is_found_where_it_is(string folder, string name, params string[] expected)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "cpuid", folder, name));
        IEnumerable<string> found = Artifact.Open(stream).Findings.Select(finding => $"{finding.Rule.Id} {finding.Where.Leaf}");
        Assert.All(expected, finding => Assert.Contains(finding, found));
    }

    [Fact]
    public void Leaf_4_repeated_beyond_the_last_leaf_announces_no_component()
    {
        CpuidDump dump = Open("libcpuid", "qemu-virtual-cpu-version.test");
        Assert.Equal((4u, StateComponentSet.Empty), (dump.Cpuid.Read(0).Eax, dump.Cpuid.UserComponents));
        Assert.False(dump.Cpuid.TryRead(0xD, 0, out _));
        Assert.Contains(dump.Remarks, remark => remark is { Defect: CpuidDefect.BeyondLastLeaf, Leaf: 0xD });
    }

    [Fact]
    public void The_wrong_vendor_string_of_a_real_Haswell_is_read_as_Intel_and_its_zero_leaf_remarked()
    {
        CpuidDump dump = Open("instlatx64", "GenuineIotel00306C3_Haswell_CPUID5.txt");
        Assert.Equal("GenuineIotel", dump.Cpuid.Vendor);
        Assert.Equal(ProcessorVendor.Intel, ProcessorModel.From(dump.Cpuid).Vendor);
        Assert.Contains(dump.Remarks, remark => remark is { Leaf: 0xD, Subleaf: 0 });
    }

    [Theory]
    [InlineData("GenuineIntel00206A7_SandyBridge_CPUID.txt")]
    [InlineData("AuthenticAMD0700F01_K16_Kabini_CPUID.txt")]
    public void Avx_without_a_sub_leaf_number_is_placed_by_its_size_and_offset_and_remarked(string name)
    {
        CpuidDump dump = Open("instlatx64", name);
        Assert.True(XsaveLayout.FromCpuid(dump.Cpuid).TryGetSlot(StateComponent.Avx, out XsaveSlot slot));
        Assert.Equal((576, 256), (slot.Offset, slot.Size));
        Assert.False(dump.Cpuid.TryRead(0xD, 1, out _));
        Assert.Contains(dump.Remarks, remark => remark is { Leaf: 0xD, Subleaf: 2 });
    }

    private static IEnumerable<(string Name, CpuidDump Dump)> Dumps()
    {
        string[] files =
        [
            .. Directory.GetFiles(Repository.Shared("data", "cpuid", "instlatx64")),
            .. Directory.GetFiles(Repository.Shared("data", "cpuid", "libcpuid")),
            .. Directory.GetFiles(Repository.Shared("data", "cpuid", "thismachine")),
        ];
        foreach (string file in files.Where(file => !OtherFormats.ContainsKey(Path.GetFileName(file))).Order(StringComparer.Ordinal))
        {
            yield return (Path.GetFileName(file), Open(Path.GetFileName(Path.GetDirectoryName(file)!), Path.GetFileName(file)));
        }
    }

    private static CpuidDump Open(string folder, string name)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "cpuid", folder, name));
        CpuidDump? dump = Artifact.Open(stream).Cpuid;
        Assert.NotNull(dump);
        return dump;
    }
}
