using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>RDMSR and WRMSR for the MSRs that belong to this state (SDM Vol. 4).</summary>
internal static class ModelSpecificRegisters
{
    /// <summary>IA32_XSS.</summary>
    public const uint Xss = 0xDA0;

    /// <summary>IA32_XFD.</summary>
    public const uint Xfd = 0x1C4;

    /// <summary>IA32_XFD_ERR.</summary>
    public const uint XfdErr = 0x1C5;

    /// <summary>IA32_PKRS.</summary>
    public const uint Pkrs = 0x6E1;

    private const int LbrRecordsOffset = 40;

    /// <summary>Whether the model knows the MSR, on whatever processor.</summary>
    public static bool Contains(uint msr) => msr is Xss or Xfd or XfdErr or Pkrs || StateMsrs.Find(msr) is not null;

    internal static Fault Write(ProcessorState cpu, uint msr, ulong value)
    {
        switch (msr)
        {
            case Xss when cpu.Profile.HasXsaves && cpu.Profile.SupervisorComponents.ContainsAll(new StateComponentSet(value)):
                cpu.Xss = new StateComponentSet(value);
                return Fault.None;
            case Xfd when cpu.Profile.HasXfd && cpu.Profile.XfdComponents.ContainsAll(new StateComponentSet(value)):
                cpu.Xfd = new StateComponentSet(value);
                return Fault.None;
            case XfdErr when cpu.Profile.HasXfd && cpu.Profile.XfdComponents.ContainsAll(new StateComponentSet(value)):
                cpu.XfdErr = new StateComponentSet(value);
                return Fault.None;
            case Pkrs when cpu.Profile.HasSupervisorKeys && value <= uint.MaxValue:
                cpu.Pkrs = new Pkru((uint)value);
                return Fault.None;
            case Xss or Xfd or XfdErr or Pkrs:
                return Fault.GeneralProtection;
            default:
                return WriteComponent(cpu, msr, value);
        }
    }

    internal static Fault Read(ProcessorState cpu, uint msr, out ulong value)
    {
        (bool exists, value) = msr switch
        {
            Xss => (cpu.Profile.HasXsaves, cpu.Xss.Bits),
            Xfd => (cpu.Profile.HasXfd, cpu.Xfd.Bits),
            XfdErr => (cpu.Profile.HasXfd, cpu.XfdErr.Bits),
            Pkrs => (cpu.Profile.HasSupervisorKeys, cpu.Pkrs.Value),
            _ => ReadComponent(cpu, msr),
        };
        value = exists ? value : 0;
        return exists ? Fault.None : Fault.GeneralProtection;
    }

    private static Fault WriteComponent(ProcessorState cpu, uint msr, ulong value)
    {
        StateMsr? row = StateMsrs.Find(msr);
        if (row is null || !Exists(cpu, row) || !row.Accepts(cpu.Profile, value))
        {
            return Fault.GeneralProtection;
        }

        Span<byte> component = cpu.Registers.Write(row.Component);
        if (msr is 0x14CF)
        {
            // Changing DEPTH forgets every record (SDM Vol. 3B, architectural LBRs).
            component[LbrRecordsOffset..].Clear();
        }

        ulong kept = row.Read(component) & row.ImageOnlyBits;
        BinaryPrimitives.WriteUInt64LittleEndian(component[row.Offset..], value | kept);
        return Fault.None;
    }

    private static (bool Exists, ulong Value) ReadComponent(ProcessorState cpu, uint msr)
    {
        StateMsr? row = StateMsrs.Find(msr);
        return row is null || !Exists(cpu, row) ? (false, 0) : (true, row.Read(cpu.Registers.Read(row.Component)) & ~row.ImageOnlyBits);
    }

    // An MSR exists with the feature that CPUID enumerates, whether or not XSAVES can manage it.
    private static bool Exists(ProcessorState cpu, StateMsr row) =>
        cpu.Profile.SupervisorComponents.Contains(row.Component) || StateComponents.Get(row.Component).IsAnnouncedBy(cpu.Profile.Cpuid);
}
