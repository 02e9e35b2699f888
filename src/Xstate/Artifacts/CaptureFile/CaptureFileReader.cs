using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>Reads Xstate's own capture: JSON with <c>"format": "xstate-capture"</c> (docs/schemas/capture.schema.json).</summary>
internal static class CaptureFileReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "xstate-capture";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => JsonEnvelope.Recognizes(head, Format);

    /// <summary>
    /// Reads the capture. Its <see cref="Capture.Format"/> is the artifact that the state first came from, where the file tells it. Unknown
    /// members are errors: a file that says more than this version understands must not be half believed.
    /// </summary>
    /// <exception cref="MalformedArtifactException">The bytes are not such a capture, or a limit is exceeded.</exception>
    public static Capture Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonEnvelope.Check(json, Format);
        JsonCursor cursor = new(json, Format, limits);
        cursor.BeginObject();
        ulong seen = 0;
        Capture capture = new() { Format = Format, States = [] };
        MalformedArtifactException? repeated = null;
        while (cursor.NextMember(CaptureNames.Document, ref seen, out int member))
        {
            if (member <= 1)
            {
                JsonEnvelope.ReadMember(in cursor, isFormat: member == 0, Format);
                continue;
            }

            capture = CaptureNames.Document[member] switch
            {
                CaptureNames.Origin => capture with { Format = cursor.ReadString() },
                CaptureNames.Kind => capture with { Kind = (CaptureKind)cursor.ReadWord(CaptureNames.Kinds) },
                CaptureNames.Note => capture with { Note = cursor.ReadString() },
                CaptureNames.Source => capture with { Source = FactFields.ReadHost(ref cursor) },
                _ => capture with { States = ReadStates(ref cursor, out repeated) },
            };
        }

        cursor.Require(CaptureNames.Document, seen, 0, 1, 3, 6);
        cursor.End();
        return capture.Kind == CaptureKind.VirtualMachine && repeated is not null ? throw repeated : capture;
    }

    // Of which kind the capture is may be told behind the states: whether a repeated id is an error is decided later.
    private static ImmutableArray<CapturedState> ReadStates(ref JsonCursor cursor, out MalformedArtifactException? repeated)
    {
        repeated = null;
        HashSet<int> ids = [];
        cursor.BeginArray();
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        long areas = 0;
        while (cursor.NextItem(cursor.Limits.MaxStates))
        {
            CapturedState state = ReadState(ref cursor, cursor.Limits.MaxWholeFile - areas);
            areas += state.Area.Length;
            states.Add(state);
            repeated ??= ids.Add(state.Id) ? null : cursor.Malformed($"a second virtual CPU {state.Id}", "an id of its own for each");
        }

        return states.Count > 0 ? states.ToImmutable() : throw cursor.Malformed("no state", "at least one");
    }

    private static CapturedState ReadState(ref JsonCursor cursor, long maxArea)
    {
        cursor.BeginObject();
        ulong seen = 0;
        CapturedState state = new() { Id = 0, Area = default };
        while (cursor.NextMember(CaptureNames.State, ref seen, out int member))
        {
            state = CaptureNames.State[member] switch
            {
                CaptureNames.Id => state with { Id = (int)cursor.ReadInteger(0, int.MaxValue) },
                CaptureNames.Area => state with { Area = AreaFields.Read(ref cursor, maxArea) },
                CaptureNames.Layout => state with { Layout = FactFields.ReadLayout(ref cursor) },
                CaptureNames.Xcr0 => state with { Xcr0 = FactFields.ReadSet(ref cursor) },
                CaptureNames.Xss => state with { Xss = FactFields.ReadSet(ref cursor) },
                CaptureNames.Xfd => state with { Xfd = FactFields.ReadSet(ref cursor) },
                CaptureNames.GuestCpuid => state with { GuestCpuid = FactFields.ReadCpuid(ref cursor) },
                CaptureNames.Bits => state with { Is32Bit = ReadBits(ref cursor) },
                CaptureNames.Fpu => state with { Fpu = ReadFpu(ref cursor) },
                CaptureNames.Stored => state with { Stored = StoredFields.Read(ref cursor) },
                CaptureNames.Lost => state with { Lost = ReadLost(ref cursor) },
                CaptureNames.Recorded => state with { Recorded = new StateComponentSet(cursor.ReadHex(ulong.MaxValue)) },
                _ => state with { Msrs = ReadMsrs(ref cursor) },
            };
        }

        cursor.Require(CaptureNames.State, seen, 0, 1);
        return state;
    }

    private static ReadOnlyMemory<byte> ReadFpu(ref JsonCursor cursor)
    {
        byte[] legacy = new byte[XsaveFormat.LegacyLength];
        int length = cursor.ReadHexBytes(legacy);
        return length == legacy.Length ? legacy : throw cursor.Malformed($"{length} bytes", $"{legacy.Length}");
    }

    private static bool ReadBits(ref JsonCursor cursor) => cursor.ReadInteger(32, 64) switch
    {
        32 => true,
        64 => false,
        long other => throw cursor.Malformed($"{other} bits", "32 or 64"),
    };

    private static ImmutableArray<AreaRange> ReadLost(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableArray<AreaRange>.Builder ranges = ImmutableArray.CreateBuilder<AreaRange>();
        int end = 0;
        while (cursor.NextItem(XsaveLayout.MaxAreaLength))
        {
            cursor.BeginObject();
            ulong seen = 0;
            AreaRange range = default;
            while (cursor.NextMember(CaptureNames.Range, ref seen, out int member))
            {
                range = member == 0
                    ? range with { Offset = (int)cursor.ReadInteger(end, XsaveLayout.MaxAreaLength) }
                    : range with { Length = (int)cursor.ReadInteger(1, XsaveLayout.MaxAreaLength) };
            }

            cursor.Require(CaptureNames.Range, seen, 0, 1);
            end = range.End;
            ranges.Add(range);
        }

        return ranges.ToImmutable();
    }

    private static ImmutableSortedDictionary<uint, ulong> ReadMsrs(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableSortedDictionary<uint, ulong>.Builder msrs = ImmutableSortedDictionary.CreateBuilder<uint, ulong>();
        while (cursor.NextItem(cursor.Limits.MaxMsrs))
        {
            cursor.BeginObject();
            ulong seen = 0;
            uint index = 0;
            ulong value = 0;
            while (cursor.NextMember(CaptureNames.Msr, ref seen, out int member))
            {
                if (member == 0)
                {
                    index = (uint)cursor.ReadHex(uint.MaxValue);
                }
                else
                {
                    value = cursor.ReadHex(ulong.MaxValue);
                }
            }

            cursor.Require(CaptureNames.Msr, seen, 0, 1);
            if (!msrs.TryAdd(index, value))
            {
                throw cursor.Malformed($"MSR 0x{index:x} again", "each MSR once");
            }
        }

        return msrs.ToImmutable();
    }
}
