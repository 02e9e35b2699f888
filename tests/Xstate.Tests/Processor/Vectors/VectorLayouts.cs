using System.Text.Json;
using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>The layouts at the head of the vector file.</summary>
internal static class VectorLayouts
{
    private static readonly Lazy<Dictionary<string, XsaveLayout>> All = new(Load);

    public static XsaveLayout Get(string name) => All.Value[name];

    private static Dictionary<string, XsaveLayout> Load()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Repository.Shared("reference", "xsave-vectors.json")));
        return document.RootElement.GetProperty("layouts").EnumerateObject().ToDictionary(
            layout => layout.Name,
            layout => XsaveLayout.FromSlots(layout.Value.GetProperty("components").EnumerateObject().Select(Slot)));
    }

    private static XsaveSlot Slot(JsonProperty component)
    {
        ulong flags = component.Value.Number("ecx");
        return new XsaveSlot(
            (StateComponent)byte.Parse(component.Name),
            (int)component.Value.Number("size"),
            (int)component.Value.Number("offset"),
            component.Value.Text("kind") == "supervisor",
            (flags & 2) != 0,
            (flags & 4) != 0);
    }
}
