using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads a bare JSON list of CPUID answers, as VMM authors print theirs: <c>[{"function":13,"index":0,"flags":1,"eax":7,…}]</c>, with
/// <c>leaf</c> and <c>subleaf</c> for the first two too, numbers or strings such as <c>"0x7"</c>. Bit 0 of <c>flags</c> is KVM's, the
/// sub-leaf matters; without flags it matters where the leaf has sub-leaves.
/// </summary>
internal static class CpuidListReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "cpuid-json";

    private static readonly string[] Registers = ["eax", "ebx", "ecx", "edx"];

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> rest = head.TrimStart("\uFEFF \t\r\n"u8);
        if (!rest.StartsWith("["u8))
        {
            return false;
        }

        Utf8JsonReader reader = new(rest, isFinalBlock: false, default);
        bool hasPlace = false;
        bool hasRegister = false;
        try
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 2)
                {
                    hasPlace |= reader.ValueTextEquals("function"u8) || reader.ValueTextEquals("leaf"u8);
                    hasRegister |= reader.ValueTextEquals("eax"u8);
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return false;
        }

        return hasPlace && hasRegister;
    }

    /// <summary>Reads the list.</summary>
    /// <exception cref="MalformedArtifactException">It is no such list, an answer lacks a register, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonCursor cursor = new(json, Format, limits);
        List<CpuidEntry> entries = [];
        cursor.BeginArray();
        while (cursor.NextItem(limits.MaxCpuidEntries))
        {
            entries.Add(ReadEntry(ref cursor));
        }

        cursor.End();
        return entries.Count == 0
            ? throw new MalformedArtifactException(Format, 0, "an empty list", "at least one answer")
            : CpuidDump.Create(Format, [new CpuidProcessor("CPU", new CpuidTable([.. entries]))], []);
    }

    private static CpuidEntry ReadEntry(ref JsonCursor cursor)
    {
        uint? leaf = null;
        uint subleaf = 0;
        uint? flags = null;
        uint?[] registers = new uint?[Registers.Length];
        cursor.BeginObject();
        while (cursor.NextMember(out string name))
        {
            switch (name)
            {
                case "function" or "leaf":
                    leaf = Number(ref cursor);
                    break;
                case "index" or "subleaf":
                    subleaf = Number(ref cursor);
                    break;
                case "flags":
                    flags = Number(ref cursor);
                    break;
                case var register when Array.IndexOf(Registers, register) is >= 0 and var which:
                    registers[which] = Number(ref cursor);
                    break;
                default:
                    cursor.Skip();
                    break;
            }
        }

        if (leaf is not { } told)
        {
            throw cursor.Malformed("an answer without a leaf", "function or leaf");
        }

        uint Of(int which, in JsonCursor at) => registers[which]
            ?? throw at.Malformed($"an answer without {Registers[which]}", "eax, ebx, ecx and edx");
        CpuidRegisters answer = new(Of(0, in cursor), Of(1, in cursor), Of(2, in cursor), Of(3, in cursor));
        return new CpuidEntry(told, subleaf, flags is { } set ? (set & 1) != 0 : CpuidLeaves.HasSubleaves(told), answer);
    }

    private static uint Number(ref JsonCursor cursor)
    {
        if (cursor.Kind == JsonTokenType.Number)
        {
            return (uint)cursor.ReadInteger(0, uint.MaxValue);
        }

        return (uint)cursor.ReadHex(uint.MaxValue);
    }
}
