using System.Diagnostics;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.PastedDumps;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

public sealed class DecodedCpuidTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public static TheoryData<string> Hosts => [.. SampleHosts.Names];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_fields_give_the_answers_that_they_were_printed_from(string host)
    {
        CpuidTable table = SampleHosts.Cpuid(host);
        CpuidDump dump = Open(DecodedText.Of(table)).Cpuid!;
        Assert.Equal(DecodedCpuidReader.Format, dump.Format);
        Assert.DoesNotContain(dump.Remarks, remark => remark.Defect == CpuidDefect.LeftOut);
        AssertSame(table, dump.Cpuid);
    }

    // The labels in the reader's table against the program's own, for every host and for every bit alone.
    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_program_itself_is_read(string host)
    {
        CpuidTable table = SampleHosts.Cpuid(host);
        CpuidDump dump = Open(Print(table)).Cpuid!;
        AssertSame(table, dump.Cpuid);
        Assert.Equal(table.Vendor, dump.Cpuid.Vendor);
        Assert.Equal(ProcessorModel.From(table), ProcessorModel.From(dump.Cpuid));
    }

    [Fact]
    public void A_label_that_is_not_known_is_told_where_its_bit_is_set()
    {
        string text = DecodedText.Of(SampleHosts.Cpuid("amd-genoa"));
        string other = text.Replace("      AVX: advanced vector extensions", "      AVX by another name", StringComparison.Ordinal);
        Artifact artifact = Open(other);
        Assert.Contains(artifact.Findings, finding => finding.Message.Contains("AVX by another name", StringComparison.Ordinal));
        Assert.False(artifact.Cpuid!.Cpuid.Has(CpuidFeatures.Avx));
        Assert.DoesNotContain(Open(text).Findings, finding => finding.Message.Contains("cpuid names", StringComparison.Ordinal));
    }

    [Fact]
    public void A_part_of_the_text_tells_no_highest_leaf()
    {
        string text = DecodedText.Of(SampleHosts.Cpuid("amd-genoa"));
        CpuidTable part = Open(text[..text.IndexOf("   extended feature flags (0x80000001", StringComparison.Ordinal)]).Cpuid!.Cpuid;
        Assert.False(part.TryRead(0, 0, out _));
        Assert.False(part.TryRead(0x8000_0001, 0, out _));
        Assert.True(part.TryRead(0xD, 9, out _));
        Assert.True(part.TryRead(1, 0, out _));
    }

    [Fact]
    public void Marks_and_foreign_lines_change_nothing_and_are_counted()
    {
        CpuidTable table = SampleHosts.Cpuid("intel-sapphire-rapids");
        string[] lines = DecodedText.Of(table).TrimEnd('\n').Split('\n');
        Artifact artifact = Open("$ cpuid -1\r\n" + string.Concat(lines.Select(line => $"> {line}\r\n")) + "bye\r\n");
        AssertSame(table, artifact.Cpuid!.Cpuid);
        Assert.Equal(2, artifact.Cpuid.Skipped!.Lines);
    }

    [Fact]
    public void A_field_of_leaf_0xD_that_is_cut_or_gone_is_refused()
    {
        string[] lines = DecodedText.Of(SampleHosts.Cpuid("intel-sapphire-rapids")).TrimEnd('\n').Split('\n');
        int refused = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Contains(" = 0x0000", StringComparison.Ordinal) && !lines[i].Contains("SAVE area size", StringComparison.Ordinal)
                && !lines[i].Contains("IA32_XSS valid", StringComparison.Ordinal))
            {
                Assert.Throws<MalformedArtifactException>(() => Open(string.Join('\n', lines.Where((_, index) => index != i))));
                string cut = lines[i][..(lines[i].IndexOf("0x", StringComparison.Ordinal) + 6)];
                MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
                    Open(string.Join('\n', lines.Select((line, index) => index == i ? cut : line))));
                Assert.Equal(lines.Take(i).Sum(line => line.Length + 1), error.Offset);
                refused++;
            }
        }

        Assert.InRange(refused, 15, 60);
    }

    [Fact]
    public void Text_built_to_ask_for_many_remarks_is_cut_short()
    {
        string text = "feature information (1/edx):\nfeature information (1/ecx):\n"
            + string.Concat(Enumerable.Range(0, 200_000).Select(i => $"what {i} = true\n"));
        Assert.InRange(Open(text).Cpuid!.Remarks.Length, 1, 200);
        string sections = string.Concat(Enumerable.Range(0, 200_000).Select(i => $"s (0x{i:x}/1):\n"));
        Assert.Throws<MalformedArtifactException>(() => Open("feature information (1/ecx):\n" + sections));
    }

    public void Dispose() => File.Delete(_file);

    private string Print(CpuidTable table)
    {
        CpuidDump dump = CpuidDump.Create(CpuidRawReader.Format, [new CpuidProcessor("CPU 0", table)], []);
        File.WriteAllBytes(_file, CpuidRawWriter.Write(dump));
        try
        {
            using Process program = Process.Start(new ProcessStartInfo("cpuid", ["-1", "-f", _file])
            {
                RedirectStandardOutput = true,
                UseShellExecute = false
            })!;
            string text = program.StandardOutput.ReadToEnd();
            program.WaitForExit();
            return text;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("needs the program cpuid (Debian package cpuid)");
            throw;
        }
    }

    private static void AssertSame(CpuidTable expected, CpuidTable actual)
    {
        foreach (CpuidEntry entry in expected.Entries.Where(entry => entry.Leaf == 0xD && !entry.Registers.IsZero))
        {
            Assert.Equal((entry.Subleaf, entry.Registers), (entry.Subleaf, actual.Read(0xD, entry.Subleaf)));
        }

        foreach (CpuidFeature feature in CpuidFeatures.All.Where(HasLabel))
        {
            Assert.Equal((feature.Name, expected.Has(feature)), (feature.Name, actual.Has(feature)));
        }
    }

    private static bool HasLabel(CpuidFeature feature) =>
        DecodedText.Labels.Any(label => (label.Leaf, label.Subleaf, label.Register, label.Bit) == (feature.Leaf, feature.Subleaf,
            feature.Register, feature.Bit));

    private static Artifact Open(string text) => Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
