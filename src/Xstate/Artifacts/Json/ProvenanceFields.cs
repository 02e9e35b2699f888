using System.Text.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.Json;

/// <summary>The members <c>"source"</c> and <c>"detail"</c> of every fact.</summary>
internal static class ProvenanceFields
{
    public const string Source = "source";
    public const string Detail = "detail";

    // In the order of FactSource.
    private static readonly string[] Sources = ["artifact", "cpuid", "note", "measured", "given", "inferred", "guess"];
    private static readonly string[] Names = [Source, Detail];

    public static FactSource ReadSource(in JsonCursor cursor) => (FactSource)cursor.ReadWord(Sources);

    /// <summary>An object with just these two members.</summary>
    public static Provenance Read(ref JsonCursor cursor)
    {
        cursor.BeginObject();
        ulong seen = 0;
        FactSource source = default;
        string detail = "";
        while (cursor.NextMember(Names, ref seen, out int member))
        {
            if (member == 0)
            {
                source = ReadSource(in cursor);
            }
            else
            {
                detail = cursor.ReadString();
            }
        }

        cursor.Require(Names, seen, 0, 1);
        return new Provenance(source, detail);
    }

    public static void Write(Utf8JsonWriter writer, Provenance provenance)
    {
        writer.WriteString(Source, Sources[(int)provenance.Source]);
        writer.WriteString(Detail, provenance.Detail);
    }
}
