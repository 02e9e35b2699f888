using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// One processor of a host while the kernel moves buffers in and out of it. What XSTATE_BV says after a save is the processor's answer
/// (XINUSE), not the kernel's.
/// </summary>
internal sealed class HostProcessor
{
    private readonly LinuxHost _host;
    private readonly byte[] _compacted;
    private readonly StateComponentSet _kernelLoads;
    private readonly StateComponentSet _kernelXcr0;
    private SplitMix64 _chance;

    /// <summary>A processor of the host, with the kernel's XCR0.</summary>
    public HostProcessor(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        _host = host;
        Cpu = ProcessorState.ForUserProcess(ProcessorProfile.FromCpuid(host.Record.Cpuid, host.Record.Name).WithMxcsrMask(host.MxcsrMask));
        if (host.HasXsave)
        {
            Cpu.Xcr0 = host.UserFeatures & Cpu.Profile.UserComponents;
        }

        _chance = new SplitMix64(host.DriftSeed ?? 0);
        _compacted = new byte[Cpu.Profile.Layout.CompactedLengthFor(Cpu.Xcr0)];

        // PKRU is exchanged apart from all other state since 5.14.
        _kernelXcr0 = Cpu.Xcr0;
        _kernelLoads = Cpu.Xcr0.Without(StateComponent.Pkru);
    }

    /// <summary>The registers.</summary>
    public ProcessorState Cpu { get; }

    /// <summary>
    /// PKRU; 0 on processors without protection keys. Setting it is a WRPKRU: whether XINUSE[9] follows is the processor's choice.
    /// </summary>
    public uint Pkru
    {
        get => Cpu.Profile.HasProtectionKeys ? Cpu.Registers.Pkru.Value : 0;
        set
        {
            if (Cpu.Profile.HasProtectionKeys)
            {
                Cpu.Registers.Pkru = new Pkru(value);
            }
        }
    }

    /// <summary>
    /// Gives the control registers the host's values again, after a guest had its own. The registers of the components stay.
    /// </summary>
    public void BecomeHost()
    {
        ProcessorState user = ProcessorState.ForUserProcess(Cpu.Profile);
        Cpu.Cr0 = user.Cr0;
        Cpu.Cr4 = user.Cr4;
        Cpu.Efer = user.Efer;
        Cpu.Cpl = user.Cpl;
        Cpu.Is64BitMode = user.Is64BitMode;
        Cpu.VmxNonRoot = false;
        Cpu.Xcr0 = _kernelXcr0;
        Cpu.Xss = StateComponentSet.Empty;
    }

    /// <summary>Loads a buffer, PKRU excepted.</summary>
    /// <exception cref="InvalidOperationException">The restore faulted, which in a kernel would be a warning or a panic.</exception>
    public void Load(FpState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        byte[] area = new byte[state.Buffer.Length];
        state.Buffer.CopyTo(area);
        XsaveAreaWriter image = new XsaveAreaWriter(area).ClearHeader();
        Cpu.Xfd = state.Xfd;
        if (!_host.HasXsave)
        {
            Check(Instructions.Fxrstor(Cpu, area, 0));
            return;
        }

        StateComponentSet loaded = state.Xfeatures.Except(state.Xfd);
        image.WriteXstateBv(loaded).WriteMxcsr(Mxcsr.Loaded(state.Mxcsr, loaded, _host.UsesCompactedBuffers));
        Check(Instructions.Xrstor(Cpu, area, 0, _kernelLoads.Bits));
        Drift();
    }

    /// <summary>
    /// Saves everything, with the PKRU that is in the register. Bytes of components that are not in use stay as they are, as XSAVES and
    /// XSAVEOPT leave them.
    /// </summary>
    /// <exception cref="InvalidOperationException">The save faulted.</exception>
    public void Save(FpState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!_host.HasXsave)
        {
            Check(Instructions.Fxsave(Cpu, state.Legacy, 0));
            state.Xfeatures = StateComponentSet.Empty;
            return;
        }

        Drift();
        if (_host.UsesCompactedBuffers && Cpu.Profile.HasXsavec)
        {
            SaveCompacted(state);
            return;
        }

        Span<byte> buffer = state.Buffer;
        XsaveAreaWriter image = new XsaveAreaWriter(buffer).WriteXstateBv(state.Xfeatures);
        Check(Cpu.Profile.HasXsaveopt
            ? Instructions.Xsaveopt(Cpu, buffer, 0, Cpu.Xcr0.Bits)
            : Instructions.Xsave(Cpu, buffer, 0, Cpu.Xcr0.Bits));
        state.Xfeatures = image.Area.XstateBv;
        image.ClearHeader();
    }

    private void SaveCompacted(FpState state)
    {
        Array.Clear(_compacted);
        Check(Instructions.Xsavec(Cpu, _compacted, 0, Cpu.Xcr0.Bits));
        XsaveArea area = new(_compacted);
        XsaveConversion.CopyComponents(area, Cpu.Profile.Layout, state.Buffer, _host.Layout, area.XstateBv);
        state.Xfeatures = area.XstateBv;
    }

    // Between a load and a save there is always room for an exit.
    private void Drift()
    {
        foreach (StateComponent component in _host.DriftingInUse & Cpu.Xcr0)
        {
            if (_host.DriftSeed is null || _chance.OneIn(2))
            {
                Cpu.Registers.Write(component);
            }
        }
    }

    private static void Check(Fault fault)
    {
        if (fault.IsFault)
        {
            throw new InvalidOperationException($"the kernel's own move of a buffer faulted: {fault}");
        }
    }
}
