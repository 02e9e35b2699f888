using Iced.Intel;
using Xstate.Guests;

namespace Xstate.Cli.GuestCode;

/// <summary>
/// Intel syntax to machine code. Which instructions exist, with which operands, is Iced's table of opcodes: of all forms of a mnemonic
/// whose operand kinds take what is written the one with the shortest encoding is used, as assemblers do.
/// </summary>
internal sealed class IcedAssembler : IGuestAssembler
{
    // Forms that only one old processor knew are behind options of the decoder.
    private static readonly Lazy<ILookup<string, Code>> ByMnemonic = new(() =>
        Enum.GetValues<Code>().Where(code => code.ToOpCode() is { IsInstruction: true, DecoderOption: DecoderOptions.None })
        .ToLookup(code => code.Mnemonic().ToString().ToLowerInvariant(), StringComparer.Ordinal));

    // The manual's other names of the conditions.
    private static readonly Dictionary<string, string> Conditions = new(StringComparer.Ordinal)
    {
        ["z"] = "e",
        ["nz"] = "ne",
        ["c"] = "b",
        ["nae"] = "b",
        ["nc"] = "ae",
        ["nb"] = "ae",
        ["na"] = "be",
        ["nbe"] = "a",
        ["pe"] = "p",
        ["po"] = "np",
        ["nge"] = "l",
        ["nl"] = "ge",
        ["ng"] = "le",
        ["nle"] = "g",
    };

    public byte[] Assemble(string source, GuestMode mode, ulong address)
    {
        int bitness = mode == GuestMode.Real ? 16 : 64;
        Dictionary<string, ulong> labels = new(StringComparer.Ordinal);
        List<WrittenInstruction> written = Read(source, labels);
        List<Instruction> instructions = [];
        HashSet<ulong> targets = [.. labels.Values];
        foreach (WrittenInstruction instruction in written)
        {
            Instruction chosen = Choose(instruction, bitness, labels);

            // Labels are numbers until the block is laid out: the instruction that has the number as its address is the target.
            chosen.IP = targets.Contains((ulong)instructions.Count + 1) ? (ulong)instructions.Count + 1 : 0;
            instructions.Add(chosen);
        }

        Writer writer = new();
        return BlockEncoder.TryEncode(bitness, new InstructionBlock(writer, instructions, address), out string? error, out _)
            ? writer.Bytes
            : throw new GuestCodeException(source.Trim(), error);
    }

    private static List<WrittenInstruction> Read(string source, Dictionary<string, ulong> labels)
    {
        List<WrittenInstruction> written = [];
        foreach (string statement in IntelSyntax.Statements(source))
        {
            string rest = statement;
            for (int colon = rest.IndexOf(':', StringComparison.Ordinal); colon > 0
                && IntelSyntax.IsLabel(rest[..colon].Trim()); colon = rest.IndexOf(':', StringComparison.Ordinal))
            {
                string label = rest[..colon].Trim();
                if (!labels.TryAdd(label, (ulong)written.Count + 1))
                {
                    throw new GuestCodeException(statement, $"there is a label {label} already");
                }

                rest = rest[(colon + 1)..].Trim();
            }

            if (rest.Length > 0)
            {
                written.Add(IntelSyntax.Read(rest));
            }
        }

        if (labels.ContainsValue((ulong)written.Count + 1))
        {
            written.Add(IntelSyntax.Read("nop"));
        }

        return written;
    }

    private static Instruction Choose(WrittenInstruction written, int bitness, Dictionary<string, ulong> labels)
    {
        Code[] forms = [.. ByMnemonic.Value[Canonical(written.Mnemonic)].Where(code => code.ToOpCode().IsAvailableInMode(bitness))];
        if (forms.Length == 0)
        {
            throw new GuestCodeException(written.Text, $"there is no instruction {written.Mnemonic} in {bitness}-bit code");
        }

        Instruction? best = null;
        int bestLength = int.MaxValue;
        HashSet<int> memorySizes = [];
        string? problem = null;
        foreach (Code code in forms)
        {
            if (!InstructionForm.TryFill(code, written, bitness, labels, out Instruction filled))
            {
                continue;
            }

            Writer trial = new();
            Encoder encoder = Encoder.Create(bitness, trial);
            if (!encoder.TryEncode(filled, filled.IP, out uint length, out string? error))
            {
                problem ??= error;
                continue;
            }

            // Sizes without a name (x87 environments) cannot be asked for: the mode's own is meant.
            int size = code.ToOpCode().MemorySize.GetSize();
            if (IntelSyntax.HasName(size))
            {
                memorySizes.Add(size);
            }

            // XCHG EAX, EAX in its short form would be NOP.
            bool isItself = Decoder.Create(bitness, trial.Bytes).Decode().Mnemonic == code.Mnemonic();
            if (isItself && length < bestLength)
            {
                (best, bestLength) = (filled, (int)length);
            }
        }

        bool unsized = written.Operands.OfType<WrittenOperand.InMemory>().Any(memory => memory.Size == 0);
        if (unsized && memorySizes.Count > 1)
        {
            throw new GuestCodeException(written.Text,
                $"the size of the memory is not clear: it could have {string.Join(", ", memorySizes.Order())} bytes");
        }

        return best ?? throw new GuestCodeException(written.Text, problem
            ?? $"{written.Mnemonic} has no form with these operands in {bitness}-bit code");
    }

    private static string Canonical(string mnemonic)
    {
        foreach (string family in (ReadOnlySpan<string>)["j", "set", "cmov"])
        {
            if (mnemonic.StartsWith(family, StringComparison.Ordinal)
                && Conditions.TryGetValue(mnemonic[family.Length..], out string? condition))
            {
                return family + condition;
            }
        }

        return mnemonic;
    }

    private sealed class Writer : CodeWriter
    {
        private readonly List<byte> _bytes = [];

        public byte[] Bytes => [.. _bytes];

        public override void WriteByte(byte value) => _bytes.Add(value);
    }
}
