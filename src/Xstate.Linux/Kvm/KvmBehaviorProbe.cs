using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Linux.NativeCode;
using Xstate.Scenarios;

namespace Xstate.Linux.Kvm;

/// <summary>
/// Finds out which named differences (<see cref="KernelDifference"/>) the running kernel has, each on a fresh virtual machine. A difference
/// that cannot be told here has no answer rather than a guessed one. KVM-SET-XFD-NM is never tried.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class KvmBehaviorProbe
{
    private const uint ReservedMxcsr = 0xFFFF_0000;
    private const ulong LongModeEnable = 1 << 8;
    private const ulong HighBit = 1UL << 32;
    private const uint MsrXss = 0xDA0;
    private static readonly StateComponentSet ThroughAvx = StateComponentSet.Legacy.With(StateComponent.Avx);

    private readonly KvmDevice _device;
    private readonly HostRecord _host;
    private readonly XsaveLayout _layout;
    private readonly CpuidTable _supported;
    private readonly ImmutableArray<ProbedBehavior>.Builder _found = ImmutableArray.CreateBuilder<ProbedBehavior>();

    private KvmBehaviorProbe(KvmDevice device, HostRecord host)
    {
        _device = device;
        _host = host;
        _layout = XsaveLayout.FromCpuid(host.Cpuid);
        _supported = host.SupportedCpuid ?? CpuidTable.Empty;
    }

    private bool HasAvx => _supported.UserComponents.ContainsAll(ThroughAvx);

    private bool HasPkru => _supported.UserComponents.Contains(StateComponent.Pkru);

    internal static ImmutableArray<ProbedBehavior> Run(KvmDevice device, HostRecord host)
    {
        KvmBehaviorProbe probe = new(device, host);
        bool keepsHostCpuid = probe.HostCpuid();
        probe.Header();
        probe.Legacy();
        probe.WithoutCpuid();
        if (!keepsHostCpuid)
        {
            probe.NarrowedCpuid();
            probe.ControlRegisters();
            probe.CpuidIndex();
        }

        probe.Sizes();
        probe.Pkru();
        probe.PkruBeforeCpuid();
        probe.ThreadsPkru();
        probe.CpuidAfterRun(keepsHostCpuid);
        probe.CpuidCount();
        probe.Xss();
        probe.Erratum();
        return probe._found.ToImmutable();
    }

    // kvm_pvm: leaf 0xD that was set and leaf 0xD that is there are different things.
    private bool HostCpuid()
    {
        StateComponentSet narrowed = StateComponentSet.Legacy;
        using Guest guest = new(_device);
        Errno set = guest.Vcpu.TrySetCpuid2(With0xD(narrowed).Entries.AsSpan());
        guest.Vcpu.TryGetCpuid2(out ImmutableArray<CpuidEntry> entries);
        StateComponentSet now = new CpuidTable(entries).UserComponents;
        bool present = set == Errno.None && now != narrowed;
        Add(KernelDifference.KvmPvmHostCpuid, present, $"KVM_SET_CPUID2 with 0xD.0 {narrowed}: {set}; KVM_GET_CPUID2 has {now}");
        return present;
    }

    private void Header()
    {
        Errno reserved = SetOnFresh(StateComponentSet.Legacy, image => image[XsaveFormat.ReservedHeaderOffset] = 1);
        Add(KernelDifference.KvmSetHeaderStrict, reserved == Errno.EINVAL,
            $"KVM_SET_XSAVE with byte {XsaveFormat.ReservedHeaderOffset} = 1: {reserved}");

        Errno compacted = SetOnFresh(StateComponentSet.Legacy, image =>
            new XsaveAreaWriter(image).WriteCompacted(StateComponentSet.Legacy));
        Add(KernelDifference.KvmSetXcomp, compacted == Errno.EINVAL, $"KVM_SET_XSAVE with XCOMP_BV bit 63: {compacted}");

        Errno mxcsr = SetOnFresh(StateComponentSet.Empty,
            image => new XsaveAreaWriter(image).WriteMxcsr(ReservedMxcsr));
        Add(KernelDifference.KvmSetMxcsrLazy, mxcsr == Errno.None,
            $"KVM_SET_XSAVE with XSTATE_BV 0 and MXCSR 0x{ReservedMxcsr:x}: {mxcsr}");
    }

    // Leaf 1 that is said to have a sub-leaf: KVM adds APIC to what it takes for leaf 1.
    private void CpuidIndex()
    {
        using Guest guest = new(_device);
        Errno set = guest.Vcpu.TrySetCpuid2([new CpuidEntry(1, 1, SubleafSignificant: true, default)]);
        guest.Vcpu.TryGetCpuid2(out ImmutableArray<CpuidEntry> entries);
        bool added = entries.Any(entry => entry.Leaf == 1 && CpuidFeatures.Apic.SetIn(entry.Registers, present: true) == entry.Registers);
        Add(KernelDifference.KvmCpuidIndex, set == Errno.None && !added,
            $"KVM_SET_CPUID2 of leaf 1 with sub-leaf 1: {set}; KVM_GET_CPUID2 has {(added ? "" : "no ")}APIC");
    }

    private void ControlRegisters()
    {
        using Guest guest = new(_device);
        guest.Vcpu.TryGetSystemRegisters(out KvmSystemRegisters system);
        system.Cr4 |= (ulong)Processor.Cr4.OsXsave;
        Errno set = guest.Vcpu.TrySetSystemRegisters(system);
        Add(KernelDifference.KvmCr4NoCpuid, set == Errno.None, $"no CPUID, KVM_SET_SREGS with CR4.OSXSAVE: {set}");

        guest.Vcpu.TryGetSystemRegisters(out system);
        system.Cr0 |= HighBit;
        set = guest.Vcpu.TrySetSystemRegisters(system);
        Add(KernelDifference.KvmCr0Unchecked, set == Errno.None, $"KVM_SET_SREGS with bit 32 of CR0: {set}");

        // A virtual CPU that took such a CR0 is not asked anything else.
        using Guest other = new(_device);
        other.Vcpu.TryGetSystemRegisters(out system);
        system.Efer |= LongModeEnable;
        set = other.Vcpu.TrySetSystemRegisters(system);
        Add(KernelDifference.KvmEferNeedsCpuid, set == Errno.EINVAL, $"no CPUID, KVM_SET_SREGS with EFER.LME: {set}");
    }

    private void Legacy()
    {
        const byte Mark = 0x5A;
        const int LastSoftwareByte = XsaveFormat.LegacyLength - 1;
        using Guest guest = new(_device);
        guest.Vcpu.GetXsave();
        byte[] image = Image(StateComponentSet.Empty);
        image[LastSoftwareByte] = Mark;
        guest.Vcpu.TrySetXsave(image);
        byte[] back = guest.Vcpu.GetXsave();
        Add(KernelDifference.KvmGetRaw, back[LastSoftwareByte] == Mark,
            $"byte {LastSoftwareByte} set to 0x{Mark:x}, KVM_GET_XSAVE returns 0x{back[LastSoftwareByte]:x}");
        ulong mask = new XsaveArea(back).SoftwareMask;
        Add(KernelDifference.KvmGetSoftwareMask, mask != 0, $"KVM_GET_XSAVE has 0x{mask:x} at byte {XsaveFormat.SoftwareOffset}");
    }

    private void WithoutCpuid()
    {
        if (!HasAvx)
        {
            return;
        }

        using Guest guest = new(_device);
        Errno set = guest.Vcpu.TrySetXsave(Image(ThroughAvx));
        StateComponentSet got = new XsaveArea(guest.Vcpu.GetXsave()).XstateBv;
        Add(KernelDifference.KvmGetNoCpuid, got.Contains(StateComponent.Avx),
            $"no CPUID, KVM_SET_XSAVE with XSTATE_BV {ThroughAvx}: {set}; KVM_GET_XSAVE has {got}");
    }

    private void NarrowedCpuid()
    {
        if (HasAvx)
        {
            using Guest guest = new(_device);
            guest.Vcpu.SetCpuid2(With0xD(StateComponentSet.Legacy).Entries.AsSpan());
            Errno set = guest.Vcpu.TrySetXsave(Image(ThroughAvx));
            StateComponentSet got = new XsaveArea(guest.Vcpu.GetXsave()).XstateBv;
            string evidence = $"CPUID 0xD.0 {StateComponentSet.Legacy}, KVM_SET_XSAVE with XSTATE_BV {ThroughAvx}: {set}; KVM_GET_XSAVE "
                + $"has {got}";
            Add(KernelDifference.KvmSetStrictCpuid, set == Errno.EINVAL, evidence);
            Add(KernelDifference.KvmGetNoTrim, set == Errno.None && got.Contains(StateComponent.Avx), evidence);
        }

        using Guest bare = new(_device);
        bare.Vcpu.SetCpuid2([.. _supported.Entries.Where(entry => entry.Leaf != CpuidTable.XsaveLeaf)]);
        Errno legacy = bare.Vcpu.TrySetXsave(Image(StateComponentSet.Legacy));
        Add(KernelDifference.KvmSetFpSseReject, legacy == Errno.EINVAL,
            $"CPUID without leaf 0xD, KVM_SET_XSAVE with XSTATE_BV {StateComponentSet.Legacy}: {legacy}");
    }

    private void Sizes()
    {
        using Guest guest = new(_device);
        int size = guest.Vm.Xsave2Size;
        Add(KernelDifference.KvmXsaveDynamic, size != 0, $"KVM_CAP_XSAVE2 is {size}");
        StateComponentSet tiles = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData);
        StateComponentSet supported = _supported.UserComponents & tiles;
        if (_layout.UserComponents.ContainsAll(tiles))
        {
            Add(KernelDifference.KvmXtileHalf, !supported.IsEmpty && supported != tiles,
                $"KVM_GET_SUPPORTED_CPUID 0xD.0 has {_supported.UserComponents}");
        }
    }

    private void Pkru()
    {
        const uint Value = 4;
        if (!HasPkru || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return;
        }

        using Guest guest = new(_device);
        guest.Vcpu.SetCpuid2(_supported.Entries.AsSpan());
        byte[] image = Image(StateComponentSet.Legacy.With(StateComponent.Pkru));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), Value);
        guest.Vcpu.SetXsave(image);
        guest.Vcpu.SetXsave(Image(StateComponentSet.Legacy));
        guest.Vcpu.RunImmediateExit();
        byte[] back = guest.Vcpu.GetXsave();
        uint pkru = BinaryPrimitives.ReadUInt32LittleEndian(back.AsSpan(slot.Offset));
        StateComponentSet bits = new XsaveArea(back).XstateBv;
        if (bits.Contains(StateComponent.Pkru))
        {
            Add(KernelDifference.KvmSetPkruKeep, pkru == Value,
                $"PKRU {Value} set, then XSTATE_BV without bit 9, KVM_RUN with immediate_exit: KVM_GET_XSAVE has {bits} and PKRU {pkru}");
        }
    }

    // A kernel that clears bit 9 for a guest whose CPUID hides PKRU does so for one without CPUID too.
    private void PkruBeforeCpuid()
    {
        const uint Value = 4;
        if (!HasPkru || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return;
        }

        using Guest guest = new(_device);
        byte[] image = Image(StateComponentSet.Legacy.With(StateComponent.Pkru));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), Value);
        if (guest.Vcpu.TrySetXsave(image) != Errno.None || guest.Vcpu.TrySetCpuid2(_supported.Entries.AsSpan()) != Errno.None
            || guest.Vcpu.TryRunImmediateExit() is not (Errno.None or Errno.EINTR))
        {
            return;
        }

        byte[] back = guest.Vcpu.GetXsave();
        uint pkru = BinaryPrimitives.ReadUInt32LittleEndian(back.AsSpan(slot.Offset));
        StateComponentSet bits = new XsaveArea(back).XstateBv;
        if (bits.Contains(StateComponent.Pkru))
        {
            Add(KernelDifference.KvmSetPkruDrop, pkru != Value,
                $"no CPUID, PKRU {Value} set, then KVM_SET_CPUID2, KVM_RUN with immediate_exit: KVM_GET_XSAVE has {bits}, PKRU {pkru}");
        }
    }

    // Only AMD's silicon says of a PKRU of 0 that it is not in use.
    private void ThreadsPkru()
    {
        const uint Value = 4;
        bool hasRegister = HasPkru && ThreadPkru.IsSupported && _host.Flavour == KvmFlavour.Amd
            && ProcessorIdentity.From(_host.Cpuid).IsAmdSilicon;
        if (!hasRegister || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return;
        }

        using Guest guest = new(_device);
        guest.Vcpu.SetCpuid2(_supported.Entries.AsSpan());
        byte[] image = Image(StateComponentSet.Legacy.With(StateComponent.Pkru));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), Value);
        guest.Vcpu.SetXsave(image);
        uint own = ThreadPkru.Value;
        try
        {
            ThreadPkru.Value = 0;
            guest.Vcpu.RunImmediateExit();
        }
        finally
        {
            ThreadPkru.Value = own;
        }

        StateComponentSet bits = new XsaveArea(guest.Vcpu.GetXsave()).XstateBv;
        Add(
            KernelDifference.KvmGetPkruXinuse, !bits.Contains(StateComponent.Pkru),
            $"PKRU {Value} set, KVM_RUN with immediate_exit by a thread with PKRU 0: KVM_GET_XSAVE has {bits}");
    }

    // One HLT is enough to have run.
    private void CpuidAfterRun(bool keepsHostCpuid)
    {
        if (keepsHostCpuid || !HasAvx)
        {
            return;
        }

        using Guest guest = new(_device);
        using GuestMemory memory = new(GuestLayout.MemoryLength);
        guest.Vm.SetTssAddress(KernelKvmMachine.TssAddress);
        guest.Vm.SetMemory(0, 0, memory);
        guest.Vcpu.SetCpuid2(_supported.Entries.AsSpan());
        GuestReply ran = KernelGuest.Run(guest.Vcpu, memory, new GuestProgram(new byte[] { 0xF4 }) { Mode = GuestMode.Real });
        if (ran.Errno != Errno.None || ran.Exit?.Exit != "hlt"
            || guest.Vcpu.TryGetCpuid2(out ImmutableArray<CpuidEntry> entries) != Errno.None)
        {
            return;
        }

        Errno changed = guest.Vcpu.TrySetCpuid2(With0xD(StateComponentSet.Legacy).Entries.AsSpan());
        Add(
            KernelDifference.KvmCpuidAfterRun, changed == Errno.EINVAL,
            $"after a HLT of the guest, KVM_SET_CPUID2 with another 0xD.0: {changed}");
        if (changed == Errno.EINVAL)
        {
            Errno same = guest.Vcpu.TrySetCpuid2(entries.AsSpan());
            Add(
                KernelDifference.KvmCpuidNoRepeat, same == Errno.EINVAL,
                $"after a HLT of the guest, KVM_SET_CPUID2 with what KVM_GET_CPUID2 returns: {same}");
        }
    }

    private void CpuidCount()
    {
        const int Count = 81;
        const uint Unused = 0x4000_0100;
        using Guest guest = new(_device);
        Errno set = guest.Vcpu.TrySetCpuid2(
            [.. Enumerable.Range(0, Count).Select(i => new CpuidEntry(Unused + (uint)i, 0, SubleafSignificant: false, default))]);
        if (set is Errno.None or Errno.E2BIG)
        {
            Add(KernelDifference.KvmCpuid80, set == Errno.E2BIG, $"KVM_SET_CPUID2 with {Count} entries: {set}");
        }
    }

    // What KVM offers tells what its kernel made of the processor; with fixed microcode it is the same as without the erratum.
    private void Erratum()
    {
        if (Erratum1386.Concerns(_host.Processor) && _host.Cpuid.Has(CpuidFeatures.Xsaves) && _host.Flavour == KvmFlavour.Amd)
        {
            bool offered = _supported.Has(CpuidFeatures.Xsaves);
            Add(KernelDifference.X86Erratum1386, !offered, $"KVM_GET_SUPPORTED_CPUID 0xD.1 EAX has XSAVES: {(offered ? "yes" : "no")}");
        }
    }

    private void Xss()
    {
        StateComponentSet supported = _supported.SupervisorComponents;
        using Guest guest = new(_device);
        guest.Vcpu.TrySetMsr(MsrXss, supported.Bits, out int count);
        Add(KernelDifference.KvmXssNeedsCpuid, count == 0, $"no CPUID, KVM_SET_MSRS of IA32_XSS {supported} processes {count}");
        if (!_host.Cpuid.Has(CpuidFeatures.Xsaves))
        {
            guest.Vcpu.TryGetMsr(MsrXss, out int read, out _);
            Add(KernelDifference.KvmXssNoRead, read == 0, $"KVM_GET_MSRS of IA32_XSS on a processor without XSAVES processes {read}");
        }

        Errno listed = guest.Vcpu.TryGetRegisterList(out ImmutableArray<ulong> ids);
        Add(KernelDifference.KvmOneRegister, listed == Errno.None, $"KVM_GET_REG_LIST: {listed}, {ids.Length} registers");

        // Where the processor has no CET, or kvm_pvm no way to give it, nothing tells whether KVM would.
        if (_layout.SupervisorComponents.Overlaps(StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS))
            && _host.Flavour != KvmFlavour.Pvm)
        {
            Add(KernelDifference.KvmXssZero, supported.IsEmpty, $"KVM_GET_SUPPORTED_CPUID 0xD.1 has {supported}");
        }
    }

    private Errno SetOnFresh(StateComponentSet components, Action<byte[]> spoil)
    {
        using Guest guest = new(_device);
        guest.Vcpu.SetCpuid2(_supported.Entries.AsSpan());
        byte[] image = Image(components);
        spoil(image);
        return guest.Vcpu.TrySetXsave(image);
    }

    private CpuidTable With0xD(StateComponentSet components)
    {
        CpuidRegisters leaf = _supported.Read(CpuidTable.XsaveLeaf);
        return _supported.With(CpuidTable.XsaveLeaf, 0, leaf with { Eax = (uint)components.Bits, Edx = (uint)(components.Bits >> 32) });
    }

    private byte[] Image(StateComponentSet components)
    {
        byte[] image = new byte[Math.Max(4096, _host.Xsave2Size ?? 0)];
        new XsaveAreaWriter(image).WriteInitialControls().WriteXstateBv(components);
        return image;
    }

    private void Add(KernelDifference difference, bool present, string evidence) =>
        _found.Add(new ProbedBehavior(difference.Id, present, evidence));

    private sealed class Guest : IDisposable
    {
        internal Guest(KvmDevice device)
        {
            Vm = device.CreateVm();
            Vcpu = Vm.CreateVcpu(0);
        }

        internal KvmVm Vm { get; }

        internal KvmVcpu Vcpu { get; }

        public void Dispose()
        {
            Vcpu.Dispose();
            Vm.Dispose();
        }
    }
}
