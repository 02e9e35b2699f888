using System.Numerics;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Lint;
using Xstate.Tests.Support;

namespace Xstate.Tests.Lint;

/// <summary>
/// Seeded consistent tables of all kinds of processors and component sets: none is found wrong, and one changed bit is found or is free by
/// a reason that is listed.
/// </summary>
public sealed class ConsistentCpuidTests
{
    // 100,000 with XSTATE_TEST_SCALE=5.
    private const int Count = 20_000;

    // Bits that may change alone without a contradiction, each with the reason. Everything else must be found.
    private static readonly (uint Leaf, uint Subleaf, CpuidRegister Register, uint Mask, string Why)[] Free =
    [
        (0, 0, CpuidRegister.Eax, uint.MaxValue, "a higher maximum promises nothing; a lower one is found when a leaf in use falls away"),
        (0, 0, CpuidRegister.Ebx, uint.MaxValue, "the vendor's name: another one only switches off what is known of vendors"),
        (0, 0, CpuidRegister.Ecx, uint.MaxValue, "the vendor's name"),
        (0, 0, CpuidRegister.Edx, uint.MaxValue, "the vendor's name"),
        (1, 0, CpuidRegister.Eax, uint.MaxValue, "family, model and stepping"),
        (1, 0, CpuidRegister.Ebx, uint.MaxValue, "brand, CLFLUSH size, APIC id"),
        (1, 0, CpuidRegister.Ecx, ~(1u << 26 | 1u << 28),
            "features that nothing else in the table depends on in this direction; XSAVE and AVX have components"),
        (1, 0, CpuidRegister.Edx, ~(1u << 24 | 1u << 25 | 1u << 26), "features without state; on AMD their copies in 8000_0001h hold them"),
        (6, 0, CpuidRegister.Eax, uint.MaxValue, "thermal and power features; HDC and HWP may stand without their components"),
        (6, 0, CpuidRegister.Ebx, uint.MaxValue, "thermal thresholds"),
        (6, 0, CpuidRegister.Ecx, uint.MaxValue, "performance feedback"),
        (6, 0, CpuidRegister.Edx, uint.MaxValue, "performance feedback"),
        (7, 0, CpuidRegister.Eax, uint.MaxValue, "a higher number of sub-leaves promises nothing"),
        (7, 0, CpuidRegister.Ebx, ~(1u << 14 | 1u << 16), "features that may be hidden alone; MPX and AVX512F have components"),
        (7, 0, CpuidRegister.Ecx, ~(1u << 3), "features that may be hidden alone; PKU has a component"),
        (7, 0, CpuidRegister.Edx, ~(1u << 5 | 1u << 24), "features that may be hidden alone; UINTR and AMX_TILE have components"),
        (7, 1, CpuidRegister.Eax, uint.MaxValue, "instructions that may be hidden alone"),
        (7, 1, CpuidRegister.Ebx, uint.MaxValue, "no rule reads it"),
        (7, 1, CpuidRegister.Ecx, uint.MaxValue, "no rule reads it"),
        (7, 1, CpuidRegister.Edx, ~(1u << 21), "instructions that may be hidden alone; APX has a component"),
        (7, 2, CpuidRegister.Eax, uint.MaxValue, "no rule reads it"),
        (7, 2, CpuidRegister.Ebx, uint.MaxValue, "no rule reads it"),
        (7, 2, CpuidRegister.Ecx, uint.MaxValue, "no rule reads it"),
        (7, 2, CpuidRegister.Edx, uint.MaxValue, "speculation controls"),
        (0xD, 0, CpuidRegister.Ebx, uint.MaxValue, "the size for another XCR0 that is as legal"),
        (0xD, 1, CpuidRegister.Eax, 0xD,
            "XSAVEOPT stands alone; XGETBV1 may be hidden where there is no XFD, XSAVES be shown or hidden where nothing needs it"),
        (0xD, 1, CpuidRegister.Ebx, uint.MaxValue, "the compacted size for another IA32_XSS"),
        (0x14, 0, CpuidRegister.Eax, uint.MaxValue, "capabilities of processor trace"),
        (0x14, 0, CpuidRegister.Ebx, uint.MaxValue, "capabilities of processor trace"),
        (0x14, 0, CpuidRegister.Ecx, uint.MaxValue, "capabilities of processor trace"),
        (0x14, 0, CpuidRegister.Edx, uint.MaxValue, "capabilities of processor trace"),
        (0x1C, 0, CpuidRegister.Eax, uint.MaxValue, "depths of LBR; the component keeps the size of the greatest one that exists"),
        (0x1C, 0, CpuidRegister.Ebx, uint.MaxValue, "filters of LBR"),
        (0x1C, 0, CpuidRegister.Ecx, uint.MaxValue, "formats of LBR"),
        (0x1C, 0, CpuidRegister.Edx, uint.MaxValue, "no rule reads it"),
        (0x1D, 0, CpuidRegister.Eax, uint.MaxValue, "further palettes"),
        (0x1D, 0, CpuidRegister.Ebx, uint.MaxValue, "reserved; no system reads it"),
        (0x1D, 0, CpuidRegister.Ecx, uint.MaxValue, "reserved; no system reads it"),
        (0x1D, 0, CpuidRegister.Edx, uint.MaxValue, "reserved; no system reads it"),
        (0x1D, 1, CpuidRegister.Ecx, 0xFFFF_0000, "reserved; no system reads it"),
        (0x1D, 1, CpuidRegister.Edx, uint.MaxValue, "reserved; no system reads it"),
        (0x1E, 0, CpuidRegister.Eax, uint.MaxValue, "number of sub-leaves"),
        (0x1E, 0, CpuidRegister.Ebx, 0xFF00_0000, "reserved; no system reads it"),
        (0x1E, 0, CpuidRegister.Ecx, uint.MaxValue, "reserved; no system reads it"),
        (0x1E, 0, CpuidRegister.Edx, uint.MaxValue, "reserved; no system reads it"),
        (0x1E, 1, CpuidRegister.Eax, 0xFFFF_FFF0, "operations that leaf 7 does not repeat"),
        (0x1E, 1, CpuidRegister.Ebx, uint.MaxValue, "reserved; no system reads it"),
        (0x1E, 1, CpuidRegister.Ecx, uint.MaxValue, "reserved; no system reads it"),
        (0x1E, 1, CpuidRegister.Edx, uint.MaxValue, "reserved; no system reads it"),
        (0x24, 0, CpuidRegister.Eax, uint.MaxValue, "number of sub-leaves"),
        (0x24, 0, CpuidRegister.Ebx, uint.MaxValue, "another version, or one vector length of several"),
        (0x24, 0, CpuidRegister.Ecx, uint.MaxValue, "no rule reads it"),
        (0x24, 0, CpuidRegister.Edx, uint.MaxValue, "no rule reads it"),
        (0x29, 0, CpuidRegister.Eax, uint.MaxValue, "number of sub-leaves"),
        (0x29, 0, CpuidRegister.Ebx, 0xFFFF_FFFE, "further instructions of APX"),
        (0x29, 0, CpuidRegister.Ecx, uint.MaxValue, "no rule reads it"),
        (0x29, 0, CpuidRegister.Edx, uint.MaxValue, "no rule reads it"),
        (0x8000_0000, 0, CpuidRegister.Eax, uint.MaxValue, "the highest extended leaf"),
        (0x8000_0000, 0, CpuidRegister.Ebx, uint.MaxValue, "the vendor's name again"),
        (0x8000_0000, 0, CpuidRegister.Ecx, uint.MaxValue, "the vendor's name again"),
        (0x8000_0000, 0, CpuidRegister.Edx, uint.MaxValue, "the vendor's name again"),
        (0x8000_0001, 0, CpuidRegister.Eax, uint.MaxValue, "the signature again"),
        (0x8000_0001, 0, CpuidRegister.Ebx, uint.MaxValue, "brand"),
        (0x8000_0001, 0, CpuidRegister.Ecx, ~(1u << 15), "instructions that may be hidden alone; LWP has a component"),
        (0x8000_0001, 0, CpuidRegister.Edx, uint.MaxValue, "on Intel nothing but LM is read; on AMD the mirrored bits are found"),
        (0x8000_0008, 0, CpuidRegister.Eax, uint.MaxValue, "widths of addresses"),
        (0x8000_0008, 0, CpuidRegister.Ebx, uint.MaxValue, "instructions that may be hidden alone"),
        (0x8000_0008, 0, CpuidRegister.Ecx, uint.MaxValue, "topology"),
        (0x8000_0008, 0, CpuidRegister.Edx, uint.MaxValue, "no rule reads it"),
    ];

    [Fact]
    public void A_consistent_table_is_clean_and_one_changed_bit_is_found_or_free()
    {
        SplitMix64 random = new(0x5eed_0016);
        int clean = 0;
        int found = 0;
        int free = 0;
        int count = (int)(Count * Repository.Scale);
        SortedDictionary<string, int> neither = [];
        for (int i = 0; i < count; i++)
        {
            CpuidTable table = Make(random);
            LintFinding[] findings = [.. CpuidLint.Check(table, LintContext.BareMetal).Where(IsContradiction)];
            Assert.True(findings.Length == 0, $"case {i}: {string.Join("; ", findings.Select(f => $"{f.Rule.Id} {f.Place} {f.Message}"))}");
            clean++;

            CpuidEntry entry = table.Entries[(int)(random.Next() % (ulong)table.Entries.Length)];
            CpuidRegister register = (CpuidRegister)(random.Next() % 4);
            int bit = (int)(random.Next() % 32);
            CpuidTable changed = table.With(entry.Leaf, entry.Subleaf, register, value => value ^ 1u << bit);
            if (CpuidLint.Check(changed, LintContext.BareMetal).Any())
            {
                found++;
            }
            else if (IsFree(table, entry, register, bit))
            {
                free++;
            }
            else
            {
                string field = $"0x{entry.Leaf:x}.0x{entry.Subleaf:x}.{register}[{bit}]";
                neither[field] = neither.GetValueOrDefault(field) + 1;
            }
        }

        TestContext.Current.SendDiagnosticMessage($"{clean} consistent tables clean; of one changed bit each {found} found, {free} free");
        Assert.True(neither.Count == 0, string.Join(", ", neither.Select(pair => $"{pair.Key} x{pair.Value}").Take(60)));
        Assert.True(found > count / 10, $"{found} of {count} found");
    }

    [Fact]
    public void A_table_with_hostile_changes_is_mended_until_nothing_contradicts()
    {
        SplitMix64 random = new(0x5eed_0017);
        int count = (int)(5_000 * Repository.Scale);
        for (int i = 0; i < count; i++)
        {
            CpuidTable table = Spoil(Make(random), random);
            LintContext context = LintContext.GuestView with { View = (random.Next() % 2) == 0 ? LintView.Guest : LintView.Kvm };

            MendedCpuid mended = CpuidMend.Mend(table, context);

            string[] left = [.. mended.Remaining.Where(IsContradiction).Where(f => f.Rule.Id is not "XS1448")
                .Select(f => $"{f.Rule.Id} {f.Place} {f.Message}")];
            Assert.True(left.Length == 0, $"case {i}: {string.Join("; ", left)}");
            Assert.Empty(CpuidMend.Mend(mended.Cpuid, context).Changes);
        }
    }

    [Fact]
    public void Each_free_field_has_a_reason() => Assert.All(Free, field => Assert.NotEmpty(field.Why));

    private static bool IsContradiction(LintFinding finding) => finding.Severity != Severity.Info;

    // Leaves and features whose reader is hidden are read by nobody.
    private static bool IsFree(CpuidTable table, CpuidEntry entry, CpuidRegister register, int bit) =>
        (entry.Leaf is 0x1D or 0x1E && !table.Has(CpuidFeatures.AmxTile))
        || (entry.Leaf == 0x29 && !table.Has(CpuidFeatures.ApxF))
        || (entry.Leaf == 1 && register == CpuidRegister.Edx && !table.Has(CpuidFeatures.Xsave))
        || Free.Any(field => field.Leaf == entry.Leaf && field.Subleaf == entry.Subleaf && field.Register == register
            && (field.Mask >> bit & 1) != 0);

    // A random part of what a kind of processor can have, made consistent by taking away what lost its ground.
    private static CpuidTable Make(SplitMix64 random)
    {
        CpuidTable table = LintTables.All[(int)(random.Next() % (ulong)LintTables.All.Length)];
        foreach (CpuidFeature feature in CpuidFeatures.All)
        {
            if (random.Next() % 16 == 0 && feature != CpuidFeatures.Sse && table.Has(feature))
            {
                table = table.With(false, feature);
            }
        }

        foreach (StateComponent component in table.UserComponents)
        {
            if ((int)component > 1 && random.Next() % 12 == 0)
            {
                table = table.WithUser(table.UserComponents.Bits & ~(1UL << (int)component));
            }
        }

        return CpuidMend.Mend(table, LintContext.BareMetal).Cpuid;
    }

    private static CpuidTable Spoil(CpuidTable table, SplitMix64 random)
    {
        for (int i = 0; i < 6; i++)
        {
            CpuidEntry entry = table.Entries[(int)(random.Next() % (ulong)table.Entries.Length)];
            uint value = BitOperations.RotateLeft(1u, (int)(random.Next() % 32)) | (random.Next() % 4 == 0 ? (uint)random.Next() : 0);
            table = table.With(entry.Leaf, entry.Subleaf, (CpuidRegister)(random.Next() % 4), old => old ^ value);
        }

        return table;
    }
}
