using System.Globalization;
using System.Text;
using Xstate.Artifacts;
using Xstate.Artifacts.KvmXsave;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>Text that stands for bytes opens as what the bytes are, and a doubtful one is refused with its line.</summary>
public sealed class HexdumpTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-hexdump-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("xxd FILE")]
    [InlineData("xxd -u FILE")]
    [InlineData("xxd -a FILE")]
    [InlineData("xxd -e FILE")]
    [InlineData("xxd -e -g 8 FILE")]
    [InlineData("xxd -g 1 FILE")]
    [InlineData("xxd -g 8 -c 32 FILE")]
    [InlineData("xxd -c 5 FILE")]
    [InlineData("xxd -p FILE")]
    [InlineData("xxd -p -c 0 FILE")]
    [InlineData("hexdump -C FILE")]
    [InlineData("hexdump -C -v FILE")]
    [InlineData("hexdump FILE")]
    [InlineData("hexdump -x FILE")]
    [InlineData("od -A x -t x1 FILE")]
    [InlineData("od -A x -t x1z -v FILE")]
    [InlineData("od -A d -t x4 FILE")]
    [InlineData("od -t x1 FILE")]
    [InlineData("od -x FILE")]
    [InlineData("od -t x8 FILE")]
    [InlineData("od -A n -v -t x1 FILE")]
    public async Task What_a_program_prints_opens_as_the_bytes(string command)
    {
        string[] words = command.Split(' ');
        ExternalTool.Require(words[0]);
        string file = Path.Combine(_folder, "area");
        byte[] area = RandomArea();
        await File.WriteAllBytesAsync(file, area, TestContext.Current.CancellationToken);
        string text = ExternalTool.Run(words[0], [.. words[1..].Select(word => word == "FILE" ? file : word)]);
        AssertOpens(area, text);
        AssertOpens(area, text.Replace("\n", "\r\n", StringComparison.Ordinal));
        AssertOpens(area, "> " + text.TrimEnd().Replace("\n", "\n> ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(2, 8)]
    [InlineData(4, 4)]
    [InlineData(8, 2)]
    public void What_gdb_examines_opens_with_and_without_symbols(int size, int inLine)
    {
        byte[] area = RandomArea();
        foreach (string symbol in new[] { "", " <area+{0}>", " <std::map<int, a::b>::area+{0}>" })
        {
            StringBuilder text = new();
            for (int i = 0; i < area.Length; i += size * inLine)
            {
                text.Append(CultureInfo.InvariantCulture, $"0x{0x7ffd_1230_0040 + i:x}")
                    .AppendFormat(CultureInfo.InvariantCulture, symbol, i).Append(':');
                for (int j = i; j < i + (size * inLine); j += size)
                {
                    text.Append("\t0x").Append(Convert.ToHexStringLower([.. area.AsSpan(j, size).ToArray().Reverse()]));
                }

                text.Append('\n');
            }

            AssertOpens(area, text.ToString());
        }
    }

    [Fact]
    public void What_gdb_itself_examines_opens()
    {
        string gdb = ExternalTool.Require("gdb");
        string compiler = ExternalTool.Require("gcc");
        byte[] area = RandomArea();
        string source = Path.Combine(_folder, "area.c");
        File.WriteAllText(source, $"unsigned char area[] = {{{string.Join(',', area)}}}; int main(void) {{ return area[0]; }}");
        string program = Path.Combine(_folder, "program");
        Assert.Equal("", ExternalTool.Run(compiler, "-g", "-o", program, source));
        foreach (string form in new[] { "4096xb", "2048xh", "1024xw", "512xg" })
        {
            // What is in the file is examined without starting it.
            AssertOpens(area, ExternalTool.Run(gdb, "-nx", "-batch", "-ex", $"x/{form} area", program));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-x")]
    [InlineData("-xx")]
    public void A_string_of_strace_opens_when_it_is_whole(string escapes)
    {
        string strace = ExternalTool.Require("strace");
        string file = Path.Combine(_folder, "area");
        string trace = Path.Combine(_folder, "trace");
        byte[] area = RandomArea();
        File.WriteAllBytes(file, area);
        foreach (int length in new[] { 20_000, 32 })
        {
            string[] form = escapes.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] options = ["-o", trace, "-e", "trace=write", "-s", $"{length}", .. form];
            string output = ExternalTool.Run(strace, [.. options, "dd", $"if={file}", $"of={file}.copy", "bs=4096", "status=none"]);
            Assert.SkipWhen(!File.Exists(trace) || new FileInfo(trace).Length == 0, $"strace traces nothing here: {output}");
            string call = File.ReadLines(trace).Single(line => line.StartsWith("write(1, ", StringComparison.Ordinal));
            if (length > area.Length)
            {
                AssertOpens(area, call);
                AssertOpens(area, $"[pid  4711] {call}\n");
                AssertOpens(area, $"4711  12:00:00.123456 {call}\n");
                AssertOpens(area, call[call.IndexOf('"', StringComparison.Ordinal)..(call.LastIndexOf('"') + 1)]);
                AssertRefused(File.ReadAllText(trace), "line 2: \"+++ exited", "leave that line alone");
                AssertRefused("strace: starts\n" + File.ReadAllText(trace), "one string of strace", "it is in line 2");
            }
            else
            {
                AssertRefused(call, "line 1: 32 bytes of a string that strace has cut", "-s 20000");
            }
        }
    }

    [Theory]
    [InlineData("\"\\x7f\\3\\0\\x00\" , 5", "4 bytes of a string that strace has cut", "-s")]
    [InlineData("\"\\x7f\\q\"", "\"\\q", "an escape of C")]
    [InlineData("\"\\400\"", "\"\\400", "an escape of C")]
    [InlineData("\"\\x7\"", "\"\\x7", "an escape of C")]
    [InlineData("\"\\x7f", "a string without an end", "quotation mark")]
    [InlineData("writev(3, [\"\\x7f\", \"\\x03\"]) = 2", "two strings", "alone")]
    [InlineData("\"\\x7f\"\n\"\\x7f\"", "line 2", "one call of strace")]
    [InlineData("00000000: 7f03 0000\n00000008: 0000 0000\n", "line 2: offset 00000008", "4 bytes are missing")]
    [InlineData("00000000: 7f03 0000\n00000002: 0000 0000\n", "line 2: offset 00000002", "in their order")]
    [InlineData("00000010: 7f03 0000\n", "line 1: offset 00000010", "tail -c +N")]
    [InlineData("00000000: 7f03 0000  ab..\n", "line 1: byte 0x7f beside the text", "both columns")]
    [InlineData("00000000: 7f03 0000\n\nthe end\n", "line 3: \"the end\"", "leave nothing else")]
    [InlineData("00000000: 7f03 0000\n*\n00000008: 00\n", "line 3: * behind a line with other bytes than zeros", "zeros")]
    [InlineData("00000000: 7f03 00000000\n", "line 1", "groups of 4 digits")]
    [InlineData("00000000: 7f03 00 0000\n", "line 1", "groups of 4 digits")]
    [InlineData("00000000  7f 03 00 00\n", "the end of the text", "the dump is cut")]
    [InlineData("00000000  7f 03 00 00\n*\n", "the end of the text", "how far it repeats")]
    [InlineData("00000000  7f 03 00 00\n*\n00000006\n", "line 3: offset 00000006 behind *", "a multiple of 4")]
    [InlineData("00000000  7f 03 00 00\n*\n7fffffffffffffff\n", "line 3", "a multiple of 4")]
    [InlineData("00000000  7f 03 00 00\n*\n7ffffffffffffff0\n", "line 3: offset 7ffffffffffffff0", "give the file itself")]
    [InlineData("00000000  7f 03 00 00\n00000004\n00000004  00\n", "line 3", "nothing behind")]
    [InlineData("00000000  7f 03 00 00 |....\n00000004\n", "no idea", "expected one of")]
    [InlineData("0000000 001577 000000\n0000004\n", "line 1", "od prints octal numbers unless")]
    [InlineData("0000000 457f 0002\n0000003\n0000004\n", "line 3", "nothing behind")]
    [InlineData("0000000 457f 0202\n0000003\n", "line 2: offset 0000003", "in their order")]
    [InlineData("7f03000000000000\n*\n0000", "line 2: *", "-v")]
    [InlineData("$ hexdump -C x\n00000000  7f 03 00 00\n00000004\n", "begin", "it is in line 2")]
    public void What_is_doubtful_is_refused_with_its_line_and_what_to_do(string text, string found, string expected) =>
        AssertRefused(text, found == "no idea" ? "begin" : found, expected);

    // One row and its repetition: 0o10000 and 0x10000 are both whole rows further.
    [Fact]
    public void A_dump_that_can_be_taken_in_two_ways_is_refused()
    {
        string zeros = string.Join(' ', Enumerable.Repeat("00", 16));
        AssertRefused($"0000000 {zeros}\n*\n0010000\n", "two ways", "base 16 and 8 both fit");
        AssertRefused("00000000: 01020304 05060708  ........\n", "two ways", "order of bytes");
        AssertRefused("00000000: 01020304 05060708\n", "two ways", "order of bytes");
    }

    [Fact]
    public void No_layer_is_looked_through_twice()
    {
        byte[] area = RandomArea();
        string text = string.Join('\n', area.Chunk(16).Select(row => Convert.ToHexStringLower(row)));
        AssertOpens(area, text);
        AssertRefused(Convert.ToHexStringLower(Encoding.ASCII.GetBytes(text)), "itself a dump", "xxd -r");
        AssertRefused(Convert.ToHexStringLower([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0]), "compressed", "xxd -r");
    }

    [Fact]
    public void A_limit_holds_for_what_a_star_stands_for()
    {
        string zeros = string.Join(' ', Enumerable.Repeat("00", 16));
        string text = $"00000000  {zeros}\n00000010  {zeros}\n*\n00100000\n";
        ArtifactLimits limits = ArtifactLimits.Default with { MaxWholeFile = 1 << 16 };
        string message = Assert.Throws<MalformedArtifactException>(() =>
            Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes(text)), new ArtifactOptions { Limits = limits })).Message;
        Assert.Contains("at most 65536 bytes", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_dumps_end_in_the_bytes_or_in_an_error()
    {
        SplitMix64 random = new(18);
        byte[] area = RandomArea();
        byte[] text = Encoding.ASCII.GetBytes(string.Concat(area.Chunk(16).Select((row, i) =>
            $"{i * 16:x8}  {string.Join(' ', row.Select(value => value.ToString("x2", CultureInfo.InvariantCulture)))}\n")) + "00001000\n");
        int refused = 0;
        for (int i = 0; i < 2_000; i++)
        {
            byte[] damaged = [.. text];
            int place = (int)(random.Next() % (ulong)text.Length);
            damaged[place] = (byte)random.Next();
            try
            {
                Artifact.Open(new MemoryStream(damaged));
            }
            catch (MalformedArtifactException)
            {
                refused++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{refused} of 2000 damaged dumps are refused");
        Assert.True(refused > 500);
    }

    private static void AssertOpens(byte[] area, string text)
    {
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.Latin1.GetBytes(text)));
        Assert.Equal(KvmXsaveReader.Format, artifact.Format);
        Assert.Equal(area, artifact.Capture!.States[0].Area.ToArray());
    }

    private static void AssertRefused(string text, string found, string expected)
    {
        string message = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(Encoding.Latin1.GetBytes(text))))
            .Message;
        Assert.Contains(found, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    // An area that a kernel may write, with letters, equal rows and bytes of all kinds.
    private static byte[] RandomArea()
    {
        SplitMix64 random = new(2026);
        byte[] area = new byte[KvmXsaveReader.MinLength];
        area[0] = 0x7F;
        area[1] = 0x03;
        area[24] = 0x80;
        area[25] = 0x1F;
        area[512] = 7;
        for (int i = 160; i < 416; i++)
        {
            area[i] = (byte)random.Next();
        }

        Encoding.ASCII.GetBytes("  Xstate, a hexdump of 7f 45 4c 46  ").CopyTo(area, 576);
        for (int i = 640; i < 832; i++)
        {
            area[i] = (byte)random.Next();
        }

        return area;
    }
}
