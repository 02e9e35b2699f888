using Xstate.Architecture;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// The kernel's buffer for one task's or vCPU's extended state (<c>struct fpstate</c>). Kept in the standard format of the host: whether
/// the real kernel compacts it is visible only in what a load makes of MXCSR.
/// </summary>
internal sealed class FpState
{
    private readonly LinuxHost _host;
    private readonly byte[] _buffer;

    /// <summary>A freshly allocated buffer: everything initial.</summary>
    public FpState(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        _host = host;
        _buffer = new byte[host.Layout.StandardLengthFor(host.UserFeatures)];
        UserXfeatures = host.DefaultUserFeatures;
        Reset();
    }

    /// <summary>The host that this buffer lives on.</summary>
    public LinuxHost Host => _host;

    /// <summary>The components in the buffer that are not initial (<c>header.xfeatures</c>).</summary>
    public StateComponentSet Xfeatures { get; set; }

    /// <summary>The components that user space may read and write.</summary>
    public StateComponentSet UserXfeatures { get; set; }

    /// <summary>The guest's or task's IA32_XFD.</summary>
    public StateComponentSet Xfd { get; set; }

    /// <summary>The buffer, at the host's standard offsets.</summary>
    public Span<byte> Buffer => _buffer;

    /// <summary>The legacy region of the buffer.</summary>
    public Span<byte> Legacy => _buffer.AsSpan(0, XsaveFormat.LegacyLength);

    /// <summary>MXCSR in the buffer, whether or not it counts.</summary>
    public uint Mxcsr => LegacyRegion.ReadMxcsr(_buffer);

    /// <summary>A component's bytes in the buffer, whether or not they count. Empty for components that the host does not enable.</summary>
    public Span<byte> Component(StateComponent component) =>
        _host.UserFeatures.Contains(component) && _host.Layout.TryGetSlot(component, out XsaveSlot slot)
            ? _buffer.AsSpan(slot.Offset, slot.Size)
            : [];

    /// <summary>Everything initial, as after allocation.</summary>
    public void Reset()
    {
        _buffer.AsSpan().Clear();
        LegacyRegion.WriteInitialControls(_buffer);
        Xfeatures = StateComponentSet.Empty;
    }
}
