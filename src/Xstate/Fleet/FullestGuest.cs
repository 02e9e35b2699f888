using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Fleet;

/// <summary>
/// The guest that uses all it can on a host: every component that its CPUID offers is in use, with registers that differ from their initial
/// values.
/// </summary>
internal static class FullestGuest
{
    private const string Format = "fullest-guest";
    private const string RecordFormat = "vm-record";
    private const ulong ShadowStackEnabled = 1;
    private const ulong EndBranchEnabled = 4;
    private const ulong StackPointer = 0x7FFF_0000;

    /// <summary>The guests of a host: one, unless what is not known of its kernel decides what a guest can have.</summary>
    /// <param name="host">The host.</param>
    /// <param name="isComplete">Whether that are all.</param>
    public static ImmutableArray<Capture> Of(LinuxHost host, out bool isComplete) =>
        [.. KernelWorlds.Of(host, world => Of(world, world.KvmCpuid), out isComplete).DistinctBy(GuestKey.Of)];

    /// <summary>The guest with a CPUID on a host whose kernel is known.</summary>
    public static Capture Of(LinuxHost host, CpuidTable cpuid)
    {
        StateComponentSet user = host.HasXsave ? Xcr0Rules.LargestWithin(cpuid.UserComponents & host.KvmXcr0) : StateComponentSet.Legacy;
        StateComponentSet supervisor = cpuid.SupervisorComponents & host.KvmXss;
        bool hasXfd = cpuid.Has(CpuidFeatures.Xfd) && user.Contains(StateComponent.TileData);
        CapturedState state = new()
        {
            Id = 0,
            Area = Fill(host.Layout, host.MxcsrMask, user),
            Layout = new Fact<XsaveLayout>(host.Layout, FactSource.Cpuid, Format),
            GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Artifact, Format),
            Xcr0 = host.HasXsave ? new Fact<StateComponentSet>(user, FactSource.Artifact, Format) : null,
            Xss = supervisor.IsEmpty ? null : new Fact<StateComponentSet>(supervisor, FactSource.Artifact, Format),
            Xfd = hasXfd ? new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Artifact, Format) : null,
            Msrs = supervisor.IsEmpty ? ImmutableSortedDictionary<uint, ulong>.Empty : Cet(cpuid),
        };
        return new Capture { Format = Format, States = [state] };
    }

    /// <summary>
    /// The guests that a VM record without a CPUID can stand for: each has what its host's KVM offers, which can hang on what is not known.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <param name="home">The host that it runs on.</param>
    /// <param name="isComplete">Whether that are all.</param>
    public static ImmutableArray<Capture> Of(VmRecord record, LinuxHost home, out bool isComplete) =>
        [.. KernelWorlds.Of(home, world => Of(record, world.KvmCpuid), out isComplete).DistinctBy(GuestKey.Of)];

    /// <summary>
    /// The guest of a VM record. Its registers are not recorded; components in use have some that differ from their initial values.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <param name="cpuid">Its CPUID.</param>
    public static Capture Of(VmRecord record, CpuidTable cpuid)
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        bool hasXsave = cpuid.UserComponents.ContainsAll(StateComponentSet.Legacy);
        StateComponentSet xcr0 = record.Xcr0 ?? (hasXsave ? Xcr0Rules.LargestWithin(cpuid.UserComponents) : StateComponentSet.Legacy);
        CapturedState state = new()
        {
            Id = 0,
            Area = Fill(layout, ProcessorIdentity.From(cpuid).MxcsrMask, (record.InUse ?? xcr0) & StateComponents.UserComponents),
            Layout = new Fact<XsaveLayout>(layout, FactSource.Cpuid, RecordFormat),
            GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Artifact, RecordFormat),
            Xcr0 = hasXsave ? new Fact<StateComponentSet>(xcr0, FactSource.Artifact, RecordFormat) : null,
            Xss = SetOf(record, KvmModelVcpu.MsrXss),
            Xfd = SetOf(record, KvmModelVcpu.MsrXfd),
            Msrs = record.Msrs.Remove(KvmModelVcpu.MsrXss).Remove(KvmModelVcpu.MsrXfd),
        };
        return new Capture { Format = RecordFormat, States = [state] };
    }

    private static Fact<StateComponentSet>? SetOf(VmRecord record, uint msr) =>
        record.Msrs.TryGetValue(msr, out ulong bits) ? new Fact<StateComponentSet>(new StateComponentSet(bits), FactSource.Artifact,
            RecordFormat) : null;

    private static ImmutableSortedDictionary<uint, ulong> Cet(CpuidTable cpuid)
    {
        bool hasStack = LinuxHost.HasShadowStack(cpuid);
        ulong control = (hasStack ? ShadowStackEnabled : 0) | (LinuxHost.HasBranchTracking(cpuid) ? EndBranchEnabled : 0);
        ImmutableSortedDictionary<uint, ulong> msrs = ImmutableSortedDictionary<uint, ulong>.Empty.Add(KvmModelVcpu.MsrUserCet, control);
        return hasStack ? msrs.Add(KvmModelVcpu.MsrPl3Ssp, StackPointer) : msrs;
    }

    private static byte[] Fill(XsaveLayout layout, uint mxcsrMask, StateComponentSet user)
    {
        int length = Math.Max(KvmModelMachine.XsaveLength, layout.StandardLengthFor(user));
        byte[] area = new byte[length];
        for (int i = XsaveFormat.StOffset; i < XsaveFormat.XmmEnd; i++)
        {
            area[i] = (byte)(i % 251 + 1);
        }

        // Registers of ten bytes in slots of sixteen.
        for (int st = XsaveFormat.StOffset; st < XsaveFormat.XmmOffset; st += XsaveFormat.StSlotLength)
        {
            area.AsSpan(st + XsaveFormat.StLength, XsaveFormat.StSlotLength - XsaveFormat.StLength).Clear();
        }

        area[XsaveFormat.FtwOffset] = 0xFF;
        new XsaveAreaWriter(area).WriteInitialControls().WriteMxcsrMask(mxcsrMask).WriteXstateBv(user);
        foreach (StateComponent component in user.Except(StateComponentSet.Legacy))
        {
            if (layout.TryGetSlot(component, out XsaveSlot slot))
            {
                Fill(area.AsSpan(slot.Offset, slot.Size), component);
            }
        }

        return area;
    }

    // Most registers hold any bytes; the processor refuses others in these.
    private static void Fill(Span<byte> slot, StateComponent component)
    {
        switch (component)
        {
            case StateComponent.BndCsr:
                slot[0] = 1;
                break;
            case StateComponent.Pkru:
                slot[0] = 4;
                break;
            case StateComponent.TileCfg:
                // Palette 1, tile 0 of 16 rows with 64 bytes.
                slot[0] = 1;
                slot[16] = 64;
                slot[48] = 16;
                break;
            default:
                for (int i = 0; i < slot.Length; i++)
                {
                    slot[i] = (byte)((i + (int)component) % 251 + 1);
                }

                break;
        }
    }
}
