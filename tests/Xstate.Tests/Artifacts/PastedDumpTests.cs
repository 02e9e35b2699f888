using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

public class PastedDumpTests
{
    private static readonly string[] Around = ["root@host:~# cpuid", "```", "", "Hello, this is my machine:", "bye", "-- ", "Call Trace:",
        "x: 12", "= = ="];

    // Lines of whole logs are not counted: nearly all of a log is something else.
    private static readonly string[] Logs = ["kernel-log", "vbox-log", "vmware-log"];

    public static TheoryData<string, string> Cases =>
        [.. PastedSamples.Formats.SelectMany(format => SampleHosts.Names.Select(host => (format, host)))];

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_text_of_every_program_gives_the_table_that_it_was_printed_from(string format, string host)
    {
        CpuidTable table = Numbered(SampleHosts.Cpuid(host));
        CpuidTable guest = table.With(0xD, 0, table.Read(0xD) with { Eax = 7 });
        CpuidDump dump = Open(PastedSamples.Of(format, table, guest)).Cpuid!;
        Assert.Equal(format, dump.Format);
        AssertSame(format, table, dump.Cpuid);
        Assert.Equal(format is "xen-cpuid" or "vbox-log" or "vmware-log" ? 2 : 1, dump.Processors.Length);
        if (dump.Processors.Length == 2)
        {
            AssertSame(format, guest, dump.Processors[1].Cpuid);
            Assert.DoesNotContain(dump.Remarks, remark => remark.Defect == CpuidDefect.ProcessorsDiffer);
        }
    }

    [Fact]
    public void Marks_before_lines_and_lines_around_the_dump_change_nothing_of_it()
    {
        SplitMix64 random = new(20261130);
        int compared = 0;
        foreach (string format in PastedSamples.Formats.Where(format => format != "cpuid-json"))
        {
            for (int variant = 0; variant < 12; variant++)
            {
                CpuidTable table = Numbered(SampleHosts.Cpuid(random.Pick<string>(SampleHosts.Names)));
                string[] lines = PastedSamples.Of(format, table, table).TrimEnd('\n').Split('\n');
                string mark = random.Pick("", "> ", "> > ", "[    1.234567] ", "<4>[    1.234567] ", "Nov 30 12:00:00 host kernel: ",
                    "2026-11-30T12:00:00.123456+00:00 ");
                List<string> text = [.. Enumerable.Range(0, random.Below(4)).Select(_ => random.Pick<string>(Around))];
                int before = text.Count;
                text.AddRange(lines.Select(line => mark + line));
                text.AddRange(Enumerable.Range(0, random.Below(4)).Select(_ => random.Pick<string>(Around)));
                Artifact artifact = Open(string.Join(random.Pick("\n", "\r\n"), text));
                AssertSame(format, table, artifact.Cpuid!.Cpuid);
                int foreign = text.Where((line, index) => (index < before || index >= before + lines.Length) && line is not ("" or "```"))
                    .Count();
                Finding? passed = artifact.Findings.FirstOrDefault(finding => finding.Rule == Rules.TextPassedOver);
                Assert.Equal(Logs.Contains(format) ? 0 : foreign, artifact.Cpuid.Skipped?.Lines ?? 0);
                Assert.Equal(artifact.Cpuid.Skipped is null, passed is null);
                compared++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} texts compared");
        Assert.Equal(72, compared);
    }

    [Fact]
    public void An_answer_that_was_broken_is_refused_and_never_passed_over()
    {
        SplitMix64 random = new(20261201);
        CpuidTable table = Numbered(SampleHosts.Cpuid("intel-sapphire-rapids"));
        int broken = 0;
        foreach (string format in PastedSamples.Formats.Where(format => format != "cpuid-json"))
        {
            string[] lines = PastedSamples.Of(format, table, table).TrimEnd('\n').Split('\n');
            int[] answers = [.. Enumerable.Range(0, lines.Length).Where(index => IsAnswer(format, lines[index])).Skip(1)];
            for (int variant = 0; variant < 10; variant++)
            {
                // Cut within the registers, as a narrow terminal does.
                int index = random.Pick<int>(answers);
                int cut = lines[index].Length - 1 - random.Below(16);
                string[] text = [.. lines];
                text[index] = lines[index][..cut] + "\n" + lines[index][cut..];
                MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(string.Join('\n', text)));
                Assert.Equal((format, lines.Take(index).Sum(line => line.Length + 1)), (error.Format, (int)error.Offset));
                broken++;
            }
        }

        Assert.Equal(60, broken);
    }

    [Fact]
    public void The_lines_of_a_diff_are_no_dump()
    {
        CpuidTable table = SampleHosts.Cpuid("amd-genoa");
        foreach (string format in PastedSamples.Formats.Where(format => format is "cpuid-r" or "kcpuid" or "xen-cpuid"))
        {
            string text = string.Concat(PastedSamples.Of(format, table, table).TrimEnd('\n').Split('\n').Select(line => $"+{line}\n"));
            Assert.Throws<MalformedArtifactException>(() => Open(text));
        }
    }

    [Theory]
    [InlineData("[{\"function\":0,\"eax\":1,\"ebx\":1,\"ecx\":1}]", "an answer without edx")]
    [InlineData("[{\"index\":0,\"leaf\":\"0x0\",\"eax\":1,\"ebx\":1,\"ecx\":1,\"edx\":1},{\"eax\":1}]", "an answer without a leaf")]
    [InlineData("[{\"function\":0,\"eax\":4294967296,\"ebx\":1,\"ecx\":1,\"edx\":1}]", "4294967296")]
    public void A_list_with_an_incomplete_answer_is_malformed(string text, string found) =>
        Assert.Contains(found, Assert.Throws<MalformedArtifactException>(() => Open(text)).Found, StringComparison.Ordinal);

    [Fact]
    public void The_host_of_a_log_stands_for_the_machine_and_the_guest_is_beside_it()
    {
        CpuidTable host = Numbered(SampleHosts.Cpuid("intel-icelake"));
        CpuidTable guest = host.With(0xD, 0, host.Read(0xD) with { Eax = 7 });
        foreach (string format in (string[])["vbox-log", "vmware-log"])
        {
            CpuidDump dump = Open(PastedSamples.Of(format, host, guest)).Cpuid!;
            Assert.Equal([("host", host.UserComponents), ("guest", guest.UserComponents)],
                dump.Processors.Select(table => (table.Label, table.Cpuid.UserComponents)));
        }
    }

    // The forms that have no flag for it tell sub-leaves where a leaf has some; a record may hold more.
    private static CpuidTable Numbered(CpuidTable table) =>
        new([.. table.Entries.Where(e => CpuidLeaves.HasSubleaves(e.Leaf) || e.Subleaf == 0)
            .Select(e => e with { SubleafSignificant = CpuidLeaves.HasSubleaves(e.Leaf) })]);

    private static void AssertSame(string format, CpuidTable expected, CpuidTable read)
    {
        foreach (CpuidEntry entry in expected.Entries.Where(e => format switch
        {
            "kernel-log" => e.Leaf == 0xD,
            "kcpuid" => e.Subleaf < 32,
            _ => true,
        }))
        {
            Assert.Equal((entry.Leaf, entry.Subleaf, entry.Registers), (entry.Leaf, entry.Subleaf, read.Read(entry.Leaf, entry.Subleaf)));
        }

        Assert.Empty(read.Entries.Where(e => expected.Read(e.Leaf, e.Subleaf) != e.Registers));
    }

    private static bool IsAnswer(string format, string line) => format switch
    {
        "cpuid-r" => line.Contains("eax=", StringComparison.Ordinal),
        "kcpuid" => line.Contains("EAX=", StringComparison.Ordinal),
        "xen-cpuid" => line.Contains(" -> ", StringComparison.Ordinal) && line.Count(c => c == ':') == 4,
        "kernel-log" => line.Contains("CPUID[", StringComparison.Ordinal),
        "vbox-log" => line.Contains("Gst: ", StringComparison.Ordinal) || line.Contains("Hst: ", StringComparison.Ordinal),
        _ => line.Contains(" level ", StringComparison.Ordinal),
    };

    private static Artifact Open(string text) => Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
