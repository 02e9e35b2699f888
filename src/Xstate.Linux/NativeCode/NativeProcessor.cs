using System.Collections.Immutable;
using System.ComponentModel;
using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>The processor that this process runs on, as far as the model needs to know it.</summary>
internal static class NativeProcessor
{
    private static readonly Lazy<ProcessorProfile> Described = new(() => ProcessorProfile.FromCpuid(ReadCpuid(), "native"));

    private static readonly Lazy<ProcessorProfile> Asked = new(() => OperatingSystem.IsLinux()
        ? Enumerated.With(ProcessorMeasurement.Measure(Enumerated)) : Enumerated);

    /// <summary>Its profile, from CPUID alone.</summary>
    /// <exception cref="PlatformNotSupportedException">This is not an x86 processor.</exception>
    public static ProcessorProfile Enumerated => Described.Value;

    /// <summary>
    /// Its profile, from CPUID and, on Linux, from what the processor does when it is asked: a hypervisor may hide in CPUID what executes
    /// all the same.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">This is not an x86 processor.</exception>
    public static ProcessorProfile Profile => Asked.Value;

    /// <summary>
    /// Control-register bits that CPUID mirrors: CR4.OSXSAVE and CR4.PKE, and CR4.OSFXSR, which every 64-bit kernel sets.
    /// </summary>
    public static Cr4 Cr4Mirror =>
        Cr4.OsFxsr
        | (CpuidFeatures.Osxsave.IsIn(CpuId(1, 0)) ? Cr4.OsXsave : Cr4.None)
        | (CpuidFeatures.Ospke.IsIn(CpuId(7, 0)) ? Cr4.ProtectionKeys : Cr4.None);

    /// <summary>
    /// MXCSR_MASK as FXSAVE stores it (SDM Vol. 1, 11.6.6); null where the processor has none, and where the system forbids a process to
    /// make code.
    /// </summary>
    [SupportedOSPlatform("linux")]
    public static unsafe uint? ReadMxcsrMask()
    {
        const int Alignment = 16;
        try
        {
            using LowMemory code = new(LowMemory.PageLength);
            new CodeWriter().Emit(0x48, 0x0F, 0xAE, 0x07, 0xC3)
                .CopyTo(code.Bytes(0, LowMemory.PageLength), code.Address); // fxsave64 [rdi]; ret
            code.MakeExecutable();
            byte* room = stackalloc byte[XsaveFormat.LegacyLength + Alignment];
            byte* area = (byte*)(((nuint)room + Alignment - 1) & ~(nuint)(Alignment - 1));
            ((delegate* unmanaged<byte*, void>)code.Pointer)(area);
            uint mask = *(uint*)(area + XsaveFormat.MxcsrMaskOffset);
            return mask == 0 ? null : mask;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static CpuidRegisters CpuId(uint leaf, uint subleaf)
    {
        if (!X86Base.IsSupported)
        {
            throw new PlatformNotSupportedException("XSAVE exists on x86 only");
        }

        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId((int)leaf, (int)subleaf);
        return new CpuidRegisters((uint)eax, (uint)ebx, (uint)ecx, (uint)edx);
    }

    private static CpuidTable ReadCpuid()
    {
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        foreach (uint leaf in (ReadOnlySpan<uint>)[0, 1, 6, 7, 0x4000_0000, 0x8000_0000, 0x8000_0001, 0x8000_0008])
        {
            entries.Add(new CpuidEntry(leaf, 0, SubleafSignificant: leaf == 7, CpuId(leaf, 0)));
        }

        entries.Add(new CpuidEntry(7, 1, SubleafSignificant: true, CpuId(7, 1)));
        for (uint component = 0; component < 63; component++)
        {
            CpuidRegisters registers = CpuId(CpuidTable.XsaveLeaf, component);
            if (!registers.IsZero)
            {
                entries.Add(new CpuidEntry(CpuidTable.XsaveLeaf, component, SubleafSignificant: true, registers));
            }
        }

        return new CpuidTable(entries.ToImmutable());
    }
}
