using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// Components other than x87 and MXCSR to and from memory: block copies, but for what a mode hides and for bytes that nobody uses.
/// </summary>
internal static class ComponentImage
{
    private const int BndCsrUsed = 16;
    private const int PkruUsed = 4;
    private const int LbrRecordsOffset = 40;
    private const int LbrRecordLength = 24;

    public static void Store(ProcessorState cpu, StateComponent component, Span<byte> area)
    {
        ReadOnlySpan<byte> registers = cpu.Registers.Bytes(component);
        registers[..StoredLength(cpu, component, registers)].CopyTo(area);
    }

    /// <summary>
    /// What XSAVE stores for a component that IA32_XFD disables: zeros, since only components that start at zero support XFD.
    /// </summary>
    public static void StoreInitial(Span<byte> area, int length) => area[..length].Clear();

    public static void Load(ProcessorState cpu, StateComponent component, ReadOnlySpan<byte> area)
    {
        Span<byte> registers = cpu.Registers.Bytes(component);
        int visible = ModeVisibility.VisibleLength(component, registers.Length, cpu.Is64BitMode);
        int used = UsedLength(component, visible);
        area[..used].CopyTo(registers);
        registers[used..visible].Clear();
    }

    public static void Initialize(ProcessorState cpu, StateComponent component)
    {
        RegisterFile file = cpu.Registers;
        if (!cpu.Is64BitMode && ModeVisibility.HidesPartOf(component))
        {
            Span<byte> registers = file.Bytes(component);
            registers[..ModeVisibility.VisibleLength(component, registers.Length, is64BitMode: false)].Clear();
            bool initial = cpu.Profile.HiddenHalvesInUse
                ? component != StateComponent.Hi16Zmm && ModeVisibility.AreHiddenHalvesKnownZero(file)
                : file.IsInitial(component);
            file.History = initial ? file.History.Without(component) : file.History;
            return;
        }

        file.Initialize(StateComponentSet.Of(component));
    }

    private static int StoredLength(ProcessorState cpu, StateComponent component, ReadOnlySpan<byte> registers)
    {
        int visible = ModeVisibility.VisibleLength(component, registers.Length, cpu.Is64BitMode);
        bool leavesPadding = (component == StateComponent.BndCsr && cpu.Profile.BndCsrPaddingLeft)
            || (component == StateComponent.Pkru && cpu.Profile.PkruPaddingLeft);
        return component == StateComponent.Pkru && cpu.Profile.PkruQuadwordStored ? sizeof(ulong)
            : leavesPadding ? UsedLength(component, visible)
            : component == StateComponent.Lbr ? LbrLength(registers)
            : visible;
    }

    // Bytes of a user component behind its registers are ignored by loads and stored as zero.
    private static int UsedLength(StateComponent component, int length) => component switch
    {
        StateComponent.BndCsr => BndCsrUsed,
        StateComponent.Pkru => PkruUsed,
        _ => length,
    };

    // XSAVES stores as many records as DEPTH says (SDM Vol. 1, 13.5.12).
    private static int LbrLength(ReadOnlySpan<byte> registers) =>
        Math.Min(registers.Length, LbrRecordsOffset + (registers[RegisterFile.LbrDepthOffset] * LbrRecordLength));
}
