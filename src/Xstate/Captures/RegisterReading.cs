namespace Xstate.Captures;

/// <summary>A register as it was read: its bytes, and which of them are lost.</summary>
/// <param name="Place">The register.</param>
/// <param name="Knowledge">How well it is known.</param>
/// <param name="Bytes">Its bytes; zeros where they are not known.</param>
/// <param name="Lost">Which bytes are lost; empty when none is.</param>
internal sealed record RegisterReading(RegisterPlace Place, RegisterKnowledge Knowledge, byte[] Bytes, bool[] Lost)
{
    /// <summary>Whether there are bytes to show, lost ones perhaps among them.</summary>
    public bool HasBytes => Knowledge is RegisterKnowledge.Lost or RegisterKnowledge.Initial or RegisterKnowledge.Stored;

    /// <summary>Whether every byte of a piece of the register is known.</summary>
    public bool IsKnown(int offset, int length) => Lost.Length == 0 || !Lost.AsSpan(offset, length).Contains(true);

    /// <summary>The register in the notation of <see cref="RegisterDump"/>.</summary>
    public string Text => Lost.Length == 0 ? RegisterDump.Text(Bytes, Place.IsValue) : RegisterDump.TextWithoutLost(Bytes, Lost,
        Place.IsValue);

    /// <summary>Reads a register of a state.</summary>
    public static RegisterReading Of(CapturedState state, RegisterPlace place)
    {
        byte[] bytes = new byte[RegisterReader.LengthOf(place, state.Layout?.Value)];
        RegisterKnowledge knowledge = StateRegisters.Read(state, place, bytes);
        bool[] lost = [];
        if (knowledge == RegisterKnowledge.Lost)
        {
            lost = new bool[bytes.Length];
            RegisterReader.FindLost(state, state.ReadArea(), state.ReadArea().XstateBv, place, lost);
        }

        return new RegisterReading(place, knowledge, bytes, lost);
    }
}
