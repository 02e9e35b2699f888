using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Reports;

/// <summary>CPU models by the names of their features, and CPU templates: what each brings, and what nobody can tell from it.</summary>
internal static class ModelReport
{
    public static void WriteJson(Utf8JsonWriter json, CpuModelList list)
    {
        JsonAnswer.WriteOptional(json, "writer", list.Writer);
        JsonAnswer.WriteOptional(json, "mainModel", list.Main?.Name);
        json.WriteStartArray("models");
        foreach (CpuModel model in list.Models)
        {
            json.WriteStartObject();
            json.WriteString("model", model.Name);
            JsonAnswer.WriteOptional(json, "vendor", model.Vendor);
            JsonAnswer.WriteOptional(json, "base", model.Base);
            JsonAnswer.WriteOptional(json, "error", model.Error);
            if (model.IsUsable is { } usable)
            {
                json.WriteBoolean("usable", usable);
            }

            if (model.ListsFeatures)
            {
                json.WriteString("components", model.Components.Value.ToString());
                json.WriteString("componentsFrom", model.Components.Provenance.Detail);
                json.WriteString("undecided", model.Undecided.ToString());
                JsonAnswer.WriteSomeStrings(json, "features", model.Features);
                JsonAnswer.WriteSomeStrings(json, "absent", model.Absent);
                JsonAnswer.WriteSomeStrings(json, "optional", model.Optional);
            }

            JsonAnswer.WriteSomeStrings(json, "blockers", model.Blockers);
            json.WriteString("provenance", model.Provenance.Detail);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNumber("definitions", list.Definitions.Length);
        JsonAnswer.WriteSomeStrings(json, "includes", list.Includes);
    }

    public static void WriteJson(Utf8JsonWriter json, CpuTemplate template)
    {
        json.WriteStartObject("template");
        json.WriteStartArray("cpuid");
        foreach (CpuidModifier modifier in template.Cpuid)
        {
            json.WriteStartObject();
            json.WriteString("place", modifier.Place);
            json.WriteString("decided", Hex(modifier.Decided));
            json.WriteString("value", Hex(modifier.Value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("msrs");
        foreach (MsrModifier modifier in template.Msrs)
        {
            json.WriteStartObject();
            json.WriteString("msr", Hex(modifier.Index));
            json.WriteString("decided", Hex(modifier.Decided));
            json.WriteString("value", Hex(modifier.Value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        JsonAnswer.WriteSomeStrings(json, "capabilities", template.KvmCapabilities);
        json.WriteEndObject();
    }

    public static void WriteText(TextWriter output, CpuModelList list)
    {
        if (list.Writer is { } writer)
        {
            output.WriteLine($"  {Quotation.Cut(writer)}");
        }

        foreach (CpuModel model in list.Models)
        {
            output.WriteLine(
                $"  {Quotation.Cut(model.Name)}{(model.Vendor is { } vendor ? $" ({Quotation.Cut(vendor)})" : "")}{Told(model)}");
        }

        if (!list.Definitions.IsEmpty)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {list.Definitions.Length} definitions of features"));
            foreach (FeatureDefinition definition in list.Definitions.Where(definition =>
                !FeatureNames.ComponentsOf(definition.Name).IsEmpty))
            {
                output.WriteLine($"    {Quotation.Cut(definition.Name)} brings {FeatureNames.ComponentsOf(definition.Name).Describe()}");
            }
        }

        if (!list.Vendors.IsEmpty)
        {
            output.WriteLine(
                $"  vendors "
                + $"{string.Join(", ", list.Vendors.Select(vendor => $"{Quotation.Cut(vendor.Name)} ({Quotation.Cut(vendor.Text)})"))}");
        }

        if (!list.Includes.IsEmpty)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  index of {list.Includes.Length} files"));
        }
    }

    public static void WriteText(TextWriter output, CpuTemplate template)
    {
        foreach (CpuidModifier modifier in template.Cpuid)
        {
            output.WriteLine($"  {modifier.Place,-20} {Bits(modifier.Decided, modifier.Value)}{Meaning(modifier)}");
        }

        foreach (MsrModifier modifier in template.Msrs)
        {
            output.WriteLine($"  MSR 0x{modifier.Index:x}: of bits 0x{modifier.Decided:x} only 0x{modifier.Value:x} set");
        }
    }

    private static string Told(CpuModel model)
    {
        List<string> parts = [];
        if (model.Error is { } error)
        {
            parts.Add(Quotation.Cut(error, Quotation.MaxProse));
        }

        if (model.Base is { } named)
        {
            parts.Add($"on {Quotation.Cut(named)}");
        }

        if (model.ListsFeatures)
        {
            parts.Add(model.LacksXsave ? "no XSAVE" : $"brings {model.Components.Value.Describe()}");
            if (!model.Undecided.IsEmpty)
            {
                parts.Add($"undecided {model.Undecided.Describe()}");
            }
        }

        if (model.IsUsable is { } usable)
        {
            StateComponentSet blocked = StateComponentSet.Empty;
            foreach (string blocker in model.Blockers)
            {
                blocked |= FeatureNames.ComponentsOf(blocker);
            }

            parts.Add(usable
                ? "usable"
                : "not usable"
                    + (model.Blockers.IsEmpty ? "" : $": {model.Blockers.Length} features missing")
                    + (model.Blockers.IsEmpty || blocked.IsEmpty ? "" : $", with them {blocked.Describe()}"));
        }

        return parts.Count == 0 ? "" : $": {string.Join("; ", parts)}";
    }

    private static string Meaning(CpuidModifier modifier)
    {
        StateComponentSet cleared = modifier is { Leaf: CpuidTable.XsaveLeaf, Subleaf: 0, Register: CpuidRegister.Eax or CpuidRegister.Edx }
            ? new StateComponentSet((ulong)(modifier.Decided & ~modifier.Value) << (modifier.Register == CpuidRegister.Edx ? 32 : 0))
                & StateComponents.UserComponents
            : StateComponentSet.Empty;
        return cleared.IsEmpty ? "" : $"  takes {cleared.Describe()}";
    }

    private static string Bits(uint decided, uint value) =>
        string.Create(32, (decided, value), (text, map) =>
        {
            for (int i = 0; i < text.Length; i++)
            {
                int bit = 31 - i;
                text[i] = (map.decided >> bit & 1) == 0 ? '.' : (map.value >> bit & 1) == 0 ? '0' : '1';
            }
        });

    private static string Hex(ulong value) => $"0x{value:x}";
}
