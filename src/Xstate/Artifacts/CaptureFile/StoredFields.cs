using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>What an artifact that stores registers by name says beside them.</summary>
internal static class StoredFields
{
    /// <summary>Reads the member's object.</summary>
    public static StoredRegisters Read(ref JsonCursor cursor)
    {
        cursor.BeginObject();
        ulong seen = 0;
        Fact<StateComponentSet>? xstateBv = null;
        Fact<X87Order>? order = null;
        Fact<Accelerator>? writer = null;
        bool needsKvm = false;
        while (cursor.NextMember(CaptureNames.StoredMembers, ref seen, out int member))
        {
            switch (member)
            {
                case 0:
                    xstateBv = FactFields.ReadSet(ref cursor);
                    break;
                case 1:
                    order = FactFields.ReadWord(ref cursor, CaptureNames.X87Orders, index => (X87Order)index);
                    break;
                case 2:
                    writer = FactFields.ReadWord(ref cursor, CaptureNames.Accelerators, index => (Accelerator)index);
                    break;
                default:
                    needsKvm = cursor.ReadBoolean();
                    break;
            }
        }

        cursor.Require(CaptureNames.StoredMembers, seen, 0, 1, 2);
        return new StoredRegisters(xstateBv!, order!, writer!) { NeedsKvm = needsKvm };
    }

    /// <summary>Writes the member, if there is something to write.</summary>
    public static void Write(JsonOutput output, StoredRegisters? stored)
    {
        if (stored is null)
        {
            return;
        }

        output.Writer.WriteStartObject(CaptureNames.Stored);
        FactFields.Write(output, CaptureNames.StoredMembers[0], stored.XstateBv);
        FactFields.WriteWord(output, CaptureNames.StoredMembers[1], CaptureNames.X87Orders[(int)stored.X87Order.Value],
            stored.X87Order.Provenance);
        FactFields.WriteWord(output, CaptureNames.StoredMembers[2], CaptureNames.Accelerators[(int)stored.Writer.Value],
            stored.Writer.Provenance);
        if (stored.NeedsKvm)
        {
            output.Writer.WriteBoolean(CaptureNames.StoredMembers[3], true);
        }

        output.Writer.WriteEndObject();
    }
}
