using System.Text;

namespace Xstate.Tests.Artifacts.LibvirtSave;

/// <summary>Writes libvirt saves around a stream: own work from the format's description.</summary>
internal sealed record SaveBuilder
{
    public const string HostModelCookie =
        "<cookie>\n  <cpu mode='custom' match='exact' check='full'>\n    <model fallback='forbid'>EPYC</model>\n    <feature "
        + "policy='require' name='pku'/>\n    <feature policy='require' name='mpx'/>\n"
        + "    <feature policy='disable' name='vme'/>\n  </cpu>\n</cookie>\n";

    public string Magic { get; init; } = "LibvirtQemudSave";

    public uint Version { get; init; } = 2;

    public uint Compression { get; init; }

    public string DomainType { get; init; } = "qemu";

    public string Cookie { get; init; } = HostModelCookie;

    /// <summary>The save; the stream is taken as it is, compressed or not.</summary>
    public byte[] Build(byte[] stream)
    {
        byte[] domain = Encoding.UTF8.GetBytes(
            $"<domain type='{DomainType}'>\n  <name>seeded</name>\n  <cpu mode='host-model' check='partial'/>\n</domain>\n\0");
        byte[] cookie = Cookie.Length == 0 ? [] : Encoding.UTF8.GetBytes(Cookie + "\0");
        byte[] xml = [.. domain, .. cookie, .. new byte[2000]];
        return
        [
            .. Encoding.ASCII.GetBytes(Magic), .. BitConverter.GetBytes(Version), .. BitConverter.GetBytes((uint)xml.Length),
                .. BitConverter.GetBytes(1u), .. BitConverter.GetBytes(Compression),
            .. BitConverter.GetBytes(cookie.Length == 0 ? 0u : (uint)domain.Length), .. new byte[56], .. xml, .. stream,
        ];
    }
}
