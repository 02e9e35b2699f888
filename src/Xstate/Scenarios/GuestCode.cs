using System.Collections.Immutable;
using Xstate.Guests;

namespace Xstate.Scenarios;

/// <summary>The fields of a guest step.</summary>
/// <param name="Program">What is run.</param>
/// <param name="Dumps">Which memory is asked for: address and length.</param>
internal sealed record GuestCode(GuestProgram Program, IReadOnlyList<(int Address, int Length)> Dumps)
{
    private const int MaxExits = 1_000_000;

    public static GuestCode Take(ScenarioValue step, IGuestAssembler? assembler)
    {
        ScenarioValue code = step.Require("code");
        GuestMode mode = TakeMode(step.Take("mode"));
        ScenarioValue? cpl = step.Take("cpl");
        int level = cpl?.Integer(0, 3) ?? 0;
        if (level is 1 or 2 || (level == 3 && mode == GuestMode.Real))
        {
            throw cpl!.Error("0, or 3 in long mode, is expected");
        }

        GuestProgram program = new(Machine(code, mode, assembler))
        {
            Mode = mode,
            Cpl = level,
            UserData = TakeDataPages(step.Take("dataPages")),
            MaxExits = step.Take("maxExits")?.Integer(1, MaxExits) ?? 1,
        };
        return new GuestCode(program, [.. (step.Take("dump")?.Items ?? []).Select(Dump)]);
    }

    private static bool TakeDataPages(ScenarioValue? pages) => pages?.Text() switch
    {
        null or "supervisor" => false,
        "user" => true,
        _ => throw pages.Error("\"user\" or \"supervisor\" is expected"),
    };

    private static GuestMode TakeMode(ScenarioValue? mode) => mode?.Text() switch
    {
        null or "long" => GuestMode.Long,
        "real" => GuestMode.Real,
        _ => throw mode.Error("\"long\" or \"real\" is expected"),
    };

    private static byte[] Machine(ScenarioValue code, GuestMode mode, IGuestAssembler? assembler)
    {
        if (code.IsObject)
        {
            byte[] bytes = code.Require("hex").Bytes(GuestLayout.MaxCodeLength);
            code.End();
            return bytes;
        }

        string source = code.IsString ? code.Text() : string.Join('\n', code.Items.Select(line => line.Text()));
        if (assembler is null)
        {
            throw code.Error("machine code ({\"hex\":\"…\"}) is expected: there is no assembler here");
        }

        try
        {
            byte[] bytes = assembler.Assemble(source, mode, GuestLayout.CodeAddress);
            return bytes.Length <= GuestLayout.MaxCodeLength
                ? bytes : throw code.Error($"at most {GuestLayout.MaxCodeLength} bytes of code are expected, not {bytes.Length}");
        }
        catch (GuestCodeException error)
        {
            throw code.Error(error.Message);
        }
    }

    private static (int Address, int Length) Dump(ScenarioValue dump)
    {
        ImmutableArray<ScenarioValue> pair = [.. dump.Items];
        if (pair.Length != 2)
        {
            throw dump.Error("an address and a length are expected");
        }

        int address = (int)pair[0].Number(GuestLayout.MemoryLength - 1);
        return (address, pair[1].Integer(1, GuestLayout.MemoryLength - address));
    }
}
