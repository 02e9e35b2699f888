using System.Globalization;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Processor;

namespace Xstate.Scenarios;

/// <summary>How a guest's code ended.</summary>
internal readonly record struct GuestExit(string Exit, Fault Fault, ulong Rax, ulong Rbx, ulong Rcx, ulong Rdx, Errno Errno = Errno.None, Refusal? Why = null);

/// <summary>
/// Guest code as the model executes it: straight lines of the instructions that this project is about, from their text. Everything else is for a real processor.
/// </summary>
internal sealed class GuestProgram
{
    private static readonly string[] Names = ["ax", "bx", "cx", "dx"];
    private static readonly char[] Separators = ['\n', ';'];

    private readonly string[][] _code;
    private readonly int _cpl;

    private GuestProgram(string[][] code, int cpl, string? unsupported)
    {
        _code = code;
        _cpl = cpl;
        Unsupported = unsupported;
    }

    /// <summary>What the model cannot execute in it, or null.</summary>
    public string? Unsupported { get; }

    public static GuestProgram Take(ScenarioValue step)
    {
        ScenarioValue code = step.Require("code");
        ScenarioValue? mode = step.Take("mode");
        bool isReal = mode?.Text() switch
        {
            null or "long" => false,
            "real" => true,
            _ => throw mode.Error("\"long\" or \"real\" is expected"),
        };
        int cpl = step.Take("cpl")?.Integer(0, 3) ?? 0;
        int maxExits = step.Take("maxExits")?.Integer(1, 1_000_000) ?? 1;
        bool dumps = step.Take("dump") is { } dump && dump.Items.Count > 0;
        if (code.IsObject)
        {
            byte[] bytes = code.Require("hex").Bytes(1 << 16);
            code.End();
            return new GuestProgram([], cpl, $"{bytes.Length} bytes of machine code");
        }

        string[][] lines = [.. Lines(code).Select(line => line.Split([' ', ',', '\t'], StringSplitOptions.RemoveEmptyEntries)).Where(line => line.Length > 0)];
        string? unsupported = isReal ? "real mode" : dumps ? "memory of a modelled guest" : maxExits > 1 ? "more than one exit" : null;
        return new GuestProgram(lines, cpl, unsupported ?? lines.Select(FirstUnknown).FirstOrDefault(unknown => unknown is not null));
    }

    public GuestExit Run(IModelGuest guest)
    {
        Span<ulong> registers = stackalloc ulong[4];
        registers.Clear();
        foreach (string[] line in _code)
        {
            switch (line[0])
            {
                case "hlt" when _cpl == 0:
                    return Exit("hlt", Fault.None, registers);
                case "mov":
                    Write(registers, line[1], ParseNumber(line[2])!.Value);
                    continue;
                case "xor":
                    Write(registers, line[1], 0);
                    continue;
                case "nop":
                    continue;
                default:
                    break;
            }

            Fault fault = Execute(line[0], guest, registers, out XsetbvOutcome outcome);
            if (fault.IsFault)
            {
                // No interrupt table is loaded: every fault ends in a triple fault.
                return Exit("shutdown", fault, registers, outcome.Why);
            }

            if (outcome.EntryFails)
            {
                return Exit("internal-error", Fault.None, registers, outcome.Why) with { Errno = Errno.EINVAL };
            }
        }

        // Behind the last instruction the real program has a HLT.
        return Exit("hlt", Fault.None, registers);
    }

    private Fault Execute(string instruction, IModelGuest guest, Span<ulong> registers, out XsetbvOutcome outcome)
    {
        outcome = default;
        uint ecx = (uint)registers[2];
        switch (instruction)
        {
            case "cpuid":
                CpuidRegisters answer = guest.Cpuid((uint)registers[0], ecx);
                (registers[0], registers[1], registers[2], registers[3]) = (answer.Eax, answer.Ebx, answer.Ecx, answer.Edx);
                return Fault.None;
            case "xgetbv" or "xsetbv" when (guest.Cr4 & Cr4.OsXsave) == Cr4.None:
                return Fault.InvalidOpcode;
            case "xgetbv":
                (registers[0], registers[3]) = ecx == 0 ? ((uint)guest.Xcr0.Bits, guest.Xcr0.Bits >> 32) : (registers[0], registers[3]);
                return ecx == 0 ? Fault.None : Fault.GeneralProtection;
            case "xsetbv":
                outcome = guest.Xsetbv(registers[0], registers[2], registers[3], _cpl);
                return outcome.Fault;
            case "rdpkru" or "wrpkru" when (guest.Cr4 & Cr4.ProtectionKeys) == Cr4.None || guest.Pkru is null:
                return Fault.InvalidOpcode;
            case "rdpkru" when ecx == 0:
                (registers[0], registers[3]) = (guest.Pkru!.Value, 0);
                return Fault.None;
            case "wrpkru" when ecx == 0 && (uint)registers[3] == 0:
                guest.Pkru = (uint)registers[0];
                return Fault.None;
            default:
                // HLT outside CPL 0, and RDPKRU and WRPKRU with other operands.
                return Fault.GeneralProtection;
        }
    }

    private static IEnumerable<string> Lines(ScenarioValue code) =>
        code.IsString ? code.Text().ToLowerInvariant().Split(Separators) : code.Items.SelectMany(line => line.Text().ToLowerInvariant().Split(Separators));

    private static string? FirstUnknown(string[] line)
    {
        bool known = line[0] switch
        {
            "hlt" or "nop" or "cpuid" or "xgetbv" or "xsetbv" or "rdpkru" or "wrpkru" => line.Length == 1,
            "mov" => line.Length == 3 && IndexOf(line[1]) >= 0 && ParseNumber(line[2]) is not null,
            "xor" => line.Length == 3 && line[1] == line[2] && IndexOf(line[1]) >= 0,
            _ => false,
        };
        return known ? null : $"the instruction {string.Join(' ', line)}";
    }

    private static int IndexOf(string register) => register is ['e' or 'r', _, _] ? Array.IndexOf(Names, register[1..]) : -1;

    // A write to a 32-bit register clears the upper half.
    private static void Write(Span<ulong> registers, string register, ulong value) => registers[IndexOf(register)] = register[0] == 'e' ? (uint)value : value;

    private static ulong? ParseNumber(string text)
    {
        bool ok = text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return ok ? value : null;
    }

    private static GuestExit Exit(string exit, Fault fault, ReadOnlySpan<ulong> registers, Refusal? why = null) =>
        new(exit, fault, registers[0], registers[1], registers[2], registers[3], Errno.None, why);
}
