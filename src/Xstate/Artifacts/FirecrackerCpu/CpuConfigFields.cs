using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.FirecrackerCpu;

/// <summary>
/// The members that a Firecracker CPU template and the <c>guest_cpu_config</c> of a fingerprint share: bit maps over CPUID and
/// model-specific registers.
/// </summary>
internal static class CpuConfigFields
{
    public const string Cpuid = "cpuid_modifiers";
    public const string Msrs = "msr_modifiers";
    public const string Capabilities = "kvm_capabilities";

    // The other architecture's members, and virtual CPU features: only aarch64 has them.
    private static readonly string[] Names = [Capabilities, Cpuid, Msrs, "vcpu_features", "reg_modifiers"];
    private static readonly string[] LeafNames = ["leaf", "subleaf", "flags", "modifiers"];
    private static readonly string[] RegisterNames = ["register", "bitmap"];
    private static readonly string[] MsrNames = ["addr", "bitmap"];

    // In the order of CpuidRegister.
    private static readonly string[] Registers = ["eax", "ebx", "ecx", "edx"];

    /// <summary>Whether a document has one of the given members at a depth; what breaks after it does not matter here.</summary>
    public static bool HasMember(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        if (!head.TrimStart(" \t\r\n"u8).StartsWith("{"u8))
        {
            return false;
        }

        Utf8JsonReader reader = new(head, isFinalBlock: false, default);
        try
        {
            while (reader.Read())
            {
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals(name))
                {
                    return true;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // What comes after the break is the reader's to report.
        }

        return false;
    }

    public static CpuTemplate Read(ref JsonCursor cursor, string format)
    {
        ImmutableArray<CpuidModifier> cpuid = [];
        ImmutableArray<MsrModifier> msrs = [];
        ImmutableArray<string> capabilities = [];
        ulong seen = 0;
        cursor.BeginObject();
        while (cursor.NextMember(Names, ref seen, out int member))
        {
            switch (member)
            {
                case 0:
                    capabilities = ReadCapabilities(ref cursor);
                    break;

                case 1:
                    cpuid = ReadCpuid(ref cursor);
                    break;

                case 2:
                    msrs = ReadMsrs(ref cursor);
                    break;

                default:
                    cursor.BeginArray();
                    if (cursor.NextItem(1))
                    {
                        throw cursor.Malformed("a modifier of another architecture", "a template for x86-64");
                    }

                    break;
            }
        }

        return new CpuTemplate(format, cpuid, msrs, capabilities);
    }

    private static ImmutableArray<string> ReadCapabilities(ref JsonCursor cursor)
    {
        ImmutableArray<string>.Builder capabilities = ImmutableArray.CreateBuilder<string>();
        cursor.BeginArray();
        while (cursor.NextItem(cursor.Limits.MaxFeatures))
        {
            capabilities.Add(cursor.ReadString());
        }

        return capabilities.ToImmutable();
    }

    private static ImmutableArray<CpuidModifier> ReadCpuid(ref JsonCursor cursor)
    {
        ImmutableArray<CpuidModifier>.Builder modifiers = ImmutableArray.CreateBuilder<CpuidModifier>();
        HashSet<(uint, uint, CpuidRegister)> places = [];
        List<(CpuidRegister Register, uint Decided, uint Value)> registers = [];
        cursor.BeginArray();
        while (cursor.NextItem(cursor.Limits.MaxCpuidEntries))
        {
            uint leaf = 0;
            uint subleaf = 0;
            uint flags = 0;
            registers.Clear();
            ulong seen = 0;
            cursor.BeginObject();
            while (cursor.NextMember(LeafNames, ref seen, out int member))
            {
                switch (member)
                {
                    case 0:
                        leaf = ReadNumber(in cursor);
                        break;

                    case 1:
                        subleaf = ReadNumber(in cursor);
                        break;

                    case 2:
                        flags = (uint)cursor.ReadInteger(0, uint.MaxValue);
                        break;

                    default:
                        cursor.BeginArray();
                        while (cursor.NextItem(Registers.Length))
                        {
                            registers.Add(ReadRegister(ref cursor));
                        }

                        break;
                }
            }

            cursor.Require(LeafNames, seen, 0, 1, 2, 3);
            foreach ((CpuidRegister register, uint decided, uint value) in registers)
            {
                if (!places.Add((leaf, subleaf, register)))
                {
                    throw cursor.Malformed($"{CpuidLeaves.PlaceOf(leaf, subleaf)}.{Registers[(int)register]} again",
                        "each register of an answer once");
                }

                modifiers.Add(new CpuidModifier(leaf, subleaf, flags, register, decided, value));
            }
        }

        return modifiers.ToImmutable();
    }

    private static (CpuidRegister Register, uint Decided, uint Value) ReadRegister(ref JsonCursor cursor)
    {
        CpuidRegister register = default;
        (ulong Decided, ulong Value) map = default;
        ulong seen = 0;
        cursor.BeginObject();
        while (cursor.NextMember(RegisterNames, ref seen, out int member))
        {
            if (member == 0)
            {
                register = (CpuidRegister)cursor.ReadWord(Registers);
            }
            else
            {
                map = ReadBitmap(in cursor, 32);
            }
        }

        cursor.Require(RegisterNames, seen, 0, 1);
        return (register, (uint)map.Decided, (uint)map.Value);
    }

    private static ImmutableArray<MsrModifier> ReadMsrs(ref JsonCursor cursor)
    {
        ImmutableArray<MsrModifier>.Builder modifiers = ImmutableArray.CreateBuilder<MsrModifier>();
        cursor.BeginArray();
        while (cursor.NextItem(cursor.Limits.MaxMsrs))
        {
            uint index = 0;
            (ulong Decided, ulong Value) map = default;
            ulong seen = 0;
            cursor.BeginObject();
            while (cursor.NextMember(MsrNames, ref seen, out int member))
            {
                if (member == 0)
                {
                    index = ReadNumber(in cursor);
                }
                else
                {
                    map = ReadBitmap(in cursor, 64);
                }
            }

            cursor.Require(MsrNames, seen, 0, 1);
            modifiers.Add(new MsrModifier(index, map.Decided, map.Value));
        }

        return modifiers.ToImmutable();
    }

    // "0xd", "0b1101" or "13".
    private static uint ReadNumber(in JsonCursor cursor)
    {
        string text = cursor.ReadString();
        bool ok = text.StartsWith("0x", StringComparison.Ordinal)
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            : text.StartsWith("0b", StringComparison.Ordinal)
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowBinarySpecifier, CultureInfo.InvariantCulture, out value)
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return ok ? value : throw cursor.Malformed("a number of 32 bits as text, such as \"0xd\"");
    }

    // "0b", then 1, 0 or x (keeps) from the highest bit down; a shorter map keeps the bits above it; underscores are for the eye.
    private static (ulong Decided, ulong Value) ReadBitmap(in JsonCursor cursor, int width)
    {
        string text = cursor.ReadString();
        ulong decided = 0;
        ulong value = 0;
        int digits = 0;
        bool ok = text.StartsWith("0b", StringComparison.Ordinal);
        foreach (char digit in ok ? text.AsSpan(2) : default)
        {
            if (digit == '_')
            {
                continue;
            }

            ok &= digit is '0' or '1' or 'x' && ++digits <= width;
            decided = decided << 1 | (digit == 'x' ? 0UL : 1);
            value = value << 1 | (digit == '1' ? 1UL : 0);
        }

        return ok && digits > 0 ? (decided, value) : throw cursor.Malformed($"\"0b\" and 1 to {width} of 0, 1 and x");
    }
}
