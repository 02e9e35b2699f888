using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Asks the processor and the kernel for what a comparison needs to assume and CPUID may not tell: a hypervisor hides features, but the
/// instructions execute all the same, and a kernel need not have the segments of 32-bit code.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class ProcessorMeasurement
{
    // Selectors of Linux for user code: 32-bit, data, 64-bit.
    private const uint UserCode32 = 0x23;
    private const uint UserData = 0x2B;
    private const uint UserCode64 = 0x33;

    // What LAR loads: type (bits 8 to 11), S, DPL, P, and for code L (21) and D (22).
    private const uint CodeBits = 1 << 22 | 1 << 21 | 0xF800;
    private const uint Code32 = 1 << 22 | 0xF800;
    private const uint Code64 = 1 << 21 | 0xF800;
    private const uint DataBits = 0xFA00;
    private const uint WritableData = 0xF200;

    // Something that saves the pointers in the 32-bit form between two instructions loses their upper bits, now and then.
    private const int Attempts = 5;
    private const int LowestWidth = 41;

    private static readonly Lazy<bool> CompatibilityMode = new(() => CanRun32BitCode(ReadAccessRights));

    /// <summary>
    /// Whether this kernel has the segments for a process that goes to compatibility mode and back. One that runs as a PVM guest has not.
    /// </summary>
    public static bool HasCompatibilityMode => CompatibilityMode.Value;

    /// <summary>Whether segments of these access rights let 64-bit code go to 32-bit code, use data there, and come back.</summary>
    /// <param name="accessRights">What LAR loads for a selector; 0 where it cannot be loaded.</param>
    public static bool CanRun32BitCode(Func<uint, uint> accessRights) =>
        (accessRights(UserCode32) & CodeBits) == Code32
        && (accessRights(UserCode64) & CodeBits) == Code64
        && (accessRights(UserData) & DataBits) == WritableData;

    /// <summary>
    /// Executes what CPUID may hide. Nothing is measured where XSAVE is off or the system forbids a process to make code.
    /// </summary>
    /// <param name="enumerated">The processor as CPUID describes it.</param>
    public static MeasuredProcessor Measure(ProcessorProfile enumerated)
    {
        if ((NativeProcessor.Cr4Mirror & Cr4.OsXsave) == Cr4.None)
        {
            return MeasuredProcessor.None;
        }

        try
        {
            using InstructionProbe probe = new(enumerated, withTiles: false);
            return new MeasuredProcessor
            {
                HasXsaveopt = Executes(probe, StateInstruction.Xsaveopt) == FaultVector.None,
                HasXsavec = Executes(probe, StateInstruction.Xsavec) == FaultVector.None,

                // CPL is checked after the existence of the instruction.
                HasXsaves = Executes(probe, StateInstruction.Xsaves) == FaultVector.GeneralProtection,
                LinearAddressBits = PointerWidth(position => KeepsPointer(probe, position)),
            };
        }
        catch (Win32Exception)
        {
            return MeasuredProcessor.None;
        }
    }

    /// <summary>
    /// The width of a sign extension, of which the lowest bit that does not survive alone is the highest; null where all survive, or none
    /// does.
    /// </summary>
    /// <param name="keeps">Whether a pointer of which only the bit of this number is set survives.</param>
    public static int? PointerWidth(Func<int, bool> keeps)
    {
        for (int width = LowestWidth; keeps(width - 2) && width <= 64; width++)
        {
            if (!keeps(width - 1))
            {
                return width;
            }
        }

        return null;
    }

    private static FaultVector Executes(InstructionProbe probe, StateInstruction instruction)
    {
        InitialState(probe);
        return probe.Execute(new ProbedInstruction(instruction, XsaveOperand.Rex64, Is64BitMode: true), 0,
            (ulong)StateComponentSet.Legacy.Bits, 0, 0).Vector;
    }

    // AMD's saves and restores look at the pointers only while an exception is pending (FSW.ES), which it is when FCW does not mask it.
    private static bool KeepsPointer(InstructionProbe probe, int position)
    {
        const ushort InvalidUnmasked = XsaveFormat.InitialFcw & ~1;
        const ushort InvalidPending = 1 << 15 | 1 << 7 | 1;
        ulong pointer = 1UL << position;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            InitialState(probe);
            Span<byte> image = probe.InitialImage;
            BinaryPrimitives.WriteUInt16LittleEndian(image[XsaveFormat.FcwOffset..], InvalidUnmasked);
            BinaryPrimitives.WriteUInt16LittleEndian(image[XsaveFormat.FswOffset..], InvalidPending);
            BinaryPrimitives.WriteUInt64LittleEndian(image[XsaveFormat.FipOffset..], pointer);
            new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Of(StateComponent.X87));
            probe.Execute(new ProbedInstruction(StateInstruction.Xgetbv, XsaveOperand.Legacy, Is64BitMode: true), 0, 0, 0, 0);
            if (BinaryPrimitives.ReadUInt64LittleEndian(probe.FinalImage[XsaveFormat.FipOffset..]) == pointer)
            {
                return true;
            }
        }

        return false;
    }

    private static void InitialState(InstructionProbe probe)
    {
        Span<byte> image = probe.InitialImage[..XsaveFormat.ExtendedOffset];
        image.Clear();
        new XsaveAreaWriter(image).WriteInitialControls();
    }

    private static unsafe uint ReadAccessRights(uint selector)
    {
        using LowMemory code = new(LowMemory.PageLength);
        new CodeWriter().Emit(0x31, 0xC0, 0x0F, 0x02, 0xC7, 0xC3)
            .CopyTo(code.Bytes(0, LowMemory.PageLength), code.Address); // xor eax, eax; lar eax, edi; ret
        code.MakeExecutable();
        return ((delegate* unmanaged<uint, uint>)code.Pointer)(selector);
    }
}
