using System.Text;
using Xstate.Artifacts;

namespace Xstate.Tests.Artifacts;

public class ForeignFormatTests
{
    public static TheoryData<string, string, string> Known => new()
    {
        { "KDUMP   ", "a kernel dump that kdump compressed", "migration stream" },
        { "DISKDUMP", "diskdump", "migration stream" },
        { "makedumpfile\0", "makedumpfile's flat format", "savevm" },
        { "PAGEDU64", "a kernel dump of Windows", "minidump" },
        { "PAGEDUMP", "32-bit Windows", "minidump" },
        { "PK\u0003\u0004", "a zip archive", "unpack" },
        { "Xen saved domain, xl format\n \0 \r", "xl save", "Xen" },
        { "gVisorSF", "gVisor", "gVisor" },
        { "\u007fVirtualBox SavedState V2.0\n\0", "VirtualBox", "VirtualBox" },
    };

    [Theory]
    [MemberData(nameof(Known))]
    public void A_known_file_is_named_with_what_to_do_instead_and_without_the_list_of_formats(string head, string what, string instead) =>
        AssertNamed(Encoding.Latin1.GetBytes(head), what, instead);

    [Fact]
    public void Binaries_and_archives_are_named_by_their_structure()
    {
        byte[] tar = new byte[1024];
        "ustar\0"u8.CopyTo(tar.AsSpan(257));
        AssertNamed(tar, "a tar archive", "tar -xf");
        AssertNamed([0xCF, 0xFA, 0xED, 0xFE, 7, 0, 0, 1, 3, 0, 0, 0, 4, 0, 0, 0], "a core of macOS", "lldb");
        AssertNamed([0xCF, 0xFA, 0xED, 0xFE, 7, 0, 0, 1, 3, 0, 0, 0, 2, 0, 0, 0], "a program or library of macOS", "a state");
        AssertNamed([0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0], "an ELF program", "ET_CORE");
        AssertNamed([0xD0, 0xBE, 0xD2, 0xBE, 8, 0, 0, 0], "VMware", "VMware");
    }

    [Fact]
    public void The_list_of_formats_is_for_files_of_which_nothing_is_known()
    {
        string message = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream("no idea"u8.ToArray()))).Message;
        Assert.Contains("elf-core, minidump, qemu-stream", message, StringComparison.Ordinal);
    }

    // Files that real formats begin alike: 00… is the beginning of most images, digits that of many texts.
    [Fact]
    public void Images_of_zeros_and_texts_of_digits_are_not_taken_for_hexdumps()
    {
        Assert.Equal("kvm_xsave", Artifact.Open(new MemoryStream(new byte[4096])).Format);
        string message = Assert.Throws<MalformedArtifactException>(() =>
            Artifact.Open(new MemoryStream("00000000 hello"u8.ToArray()))).Message;
        Assert.Contains("expected one of", message, StringComparison.Ordinal);
    }

    private static void AssertNamed(byte[] file, string what, string instead)
    {
        string message = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(file))).Message;
        Assert.Contains(what, message, StringComparison.Ordinal);
        Assert.Contains(instead, message, StringComparison.Ordinal);
        Assert.DoesNotContain("qemu-stream", message, StringComparison.Ordinal);
    }
}
