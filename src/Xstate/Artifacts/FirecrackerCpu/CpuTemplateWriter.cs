using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;

namespace Xstate.Artifacts.FirecrackerCpu;

/// <summary>Writes a Firecracker CPU template: the bits that make one CPUID out of another, every other bit kept.</summary>
internal static class CpuTemplateWriter
{
    /// <summary>
    /// The template that turns <paramref name="offered"/>, what KVM supports, into <paramref name="wanted"/>. The sizes of leaf 0xD that
    /// follow XCR0 and IA32_XSS are left out: KVM computes them.
    /// </summary>
    /// <exception cref="NotSupportedException">The wanted table has an answer that KVM does not give; Firecracker refuses such a
    /// template.</exception>
    public static byte[] Write(CpuidTable offered, CpuidTable wanted)
    {
        ArgumentNullException.ThrowIfNull(offered);
        ArgumentNullException.ThrowIfNull(wanted);
        foreach (CpuidEntry entry in wanted.Entries)
        {
            if (!entry.Registers.IsZero && !offered.TryRead(entry.Leaf, entry.Subleaf, out _))
            {
                throw new NotSupportedException(
                    $"a template cannot add the answer {CpuidLeaves.PlaceOf(entry.Leaf, entry.Subleaf)}, which the base does not have");
            }
        }

        using MemoryStream output = new();
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteStartArray(CpuConfigFields.Cpuid);
            foreach (CpuidEntry entry in offered.Entries.DistinctBy(entry => (entry.Leaf, entry.Subleaf)))
            {
                WriteEntry(json, entry, wanted.Read(entry.Leaf, entry.Subleaf));
            }

            json.WriteEndArray();
            json.WriteStartArray(CpuConfigFields.Msrs);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
        return output.ToArray();
    }

    private static void WriteEntry(Utf8JsonWriter json, CpuidEntry entry, CpuidRegisters wanted)
    {
        (CpuidRegister Register, uint Changed)[] changes =
        [
            .. new[] { CpuidRegister.Eax, CpuidRegister.Ebx, CpuidRegister.Ecx, CpuidRegister.Edx }
                .Select(register => (register, entry.Registers[register] ^ wanted[register]))
                .Where(change => change.Item2 != 0 && !FollowsXcr0(entry, change.register)),
        ];
        if (changes.Length == 0)
        {
            return;
        }

        json.WriteStartObject();
        json.WriteString("leaf", string.Create(CultureInfo.InvariantCulture, $"0x{entry.Leaf:x}"));
        json.WriteString("subleaf", string.Create(CultureInfo.InvariantCulture, $"0x{entry.Subleaf:x}"));
        json.WriteNumber("flags", entry.SubleafSignificant ? 1 : 0);
        json.WriteStartArray("modifiers");
        foreach ((CpuidRegister register, uint changed) in changes)
        {
            json.WriteStartObject();
            json.WriteString("register", register.ToString().ToLowerInvariant());
            json.WriteString("bitmap", Bitmap(changed, wanted[register]));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static bool FollowsXcr0(CpuidEntry entry, CpuidRegister register) => entry.Leaf == CpuidTable.XsaveLeaf && entry.Subleaf < 2
        && register == CpuidRegister.Ebx;

    private static string Bitmap(uint changed, uint value) => string.Create(2 + 32, (changed, value), static (text, bits) =>
    {
        "0b".CopyTo(text);
        for (int bit = 31; bit >= 0; bit--)
        {
            text[2 + 31 - bit] = (bits.changed >> bit & 1) == 0 ? 'x' : (bits.value >> bit & 1) != 0 ? '1' : '0';
        }
    });
}
