using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>Reads a part of a pool. Its SHA-256 has to be right before anything in it is believed.</summary>
internal static class PoolPartReader
{
    /// <summary>Bytes of a part at most.</summary>
    public const int MaxLength = 512 << 20;

    /// <summary>What stands around the SHA-256 in the last line.</summary>
    internal const string HashBegin = "{\"sha256\":\"";

    /// <summary>The end of that line.</summary>
    internal const string HashEnd = "\"}\n";

    private const int HashDigits = 64;
    private const int GuestHead = 2;
    private const int GroupHead = 3;
    private const int RecordsHead = 4;
    private const string Whole = "a whole part, as xstate pool --shard writes it";

    /// <summary>Reads a part.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="limits">Ceilings for the host records in it.</param>
    /// <exception cref="MalformedArtifactException">It is none, is damaged, or another version wrote it.</exception>
    public static PoolPartFile Read(ReadOnlyMemory<byte> bytes, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ReadOnlyMemory<byte> text = Checked(bytes);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return Read(document.RootElement, limits);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException
            or ArgumentException or IndexOutOfRangeException or OverflowException)
        {
            throw new MalformedArtifactException(PoolPartFile.Format, 0, Quotation.Cut(error.Message, Quotation.MaxProse), Whole);
        }
    }

    private static ReadOnlyMemory<byte> Checked(ReadOnlyMemory<byte> bytes)
    {
        int tail = 1 + HashBegin.Length + HashDigits + HashEnd.Length;
        if (!bytes.Span.StartsWith(Encoding.ASCII.GetBytes($"{{\"format\":\"{PoolPartFile.Format}\"")))
        {
            throw new MalformedArtifactException(PoolPartFile.Format, 0, "another beginning", Whole);
        }

        if (bytes.Length < tail || !bytes.Span[^tail..].StartsWith(Encoding.ASCII.GetBytes($"\n{HashBegin}")))
        {
            throw new MalformedArtifactException(
                PoolPartFile.Format, bytes.Length, "the end of the file", "a last line with the part's SHA-256");
        }

        ReadOnlyMemory<byte> text = bytes[..^tail];
        string said = Encoding.ASCII.GetString(bytes.Span[^(HashDigits + HashEnd.Length)..^HashEnd.Length]);
        string found = Convert.ToHexStringLower(SHA256.HashData(text.Span));
        return said == found ? text
            : throw new MalformedArtifactException(
                PoolPartFile.Format, text.Length + 1, $"SHA-256 {Quotation.Cut(said)}", $"{found}, that of the bytes before it");
    }

    private static PoolPartFile Read(JsonElement json, ArtifactLimits limits)
    {
        string program = Text(json.GetProperty("program"));
        if (program != PoolPartWriter.Program)
        {
            throw new MalformedArtifactException(
                PoolPartFile.Format, 0, $"a part of version {Quotation.Cut(program)}", $"one of this version, {PoolPartWriter.Program}");
        }

        ImmutableArray<HostClass> classes = ReadClasses(json, limits);
        MoveOutcome[] outcomes = [.. json.GetProperty("outcomes").EnumerateArray().Select(ReadOutcome)];
        string? upgrade = json.TryGetProperty("upgrade", out JsonElement named) ? Text(named) : null;
        PoolShard shard = new(json.GetProperty("shard").GetInt32(), json.GetProperty("of").GetInt32());
        Require(shard.Count is > 0 and <= PoolShard.MaxCount && shard.Index >= 0 && shard.Index < shard.Count, "shard");
        PoolPart part = new(shard, classes)
        {
            Options = Text(json.GetProperty("options")),
            Upgrade = upgrade,
            Rehearsed = json.GetProperty("rehearsed").GetInt64(),
            Guests = [.. Items(json, "guests").Select(guest => ReadGuest(guest, outcomes, classes.Length, upgrade is not null))],
            Groups = [.. Items(json, "groups").Select(ReadGroup)],
            Captures =
            [
                .. Items(json, "captures").Select(item =>
                    new PartCapture(item[0].GetInt64(), Text(item[1]), item[2].GetInt32(), item[3].GetInt32())),
            ],
        };
        Require(part.Groups.All(group => IsIn(group.Guest, group.Home, part)), "groups");
        Require(part.Captures.All(capture => IsIn(capture.Guest, capture.Home, part)), "captures");
        return new PoolPartFile(part)
        {
            Inputs = Text(json.GetProperty("inputs")),
            UnreadHosts = [.. Items(json, "unreadHosts").Select(item => ReadUnread(item, 0))],
            UnreadCaptures = [.. Items(json, "unreadCaptures").Select(item => (item[0].GetInt64(), ReadUnread(item, 1)))],
            Records = [.. Items(json, "records").Select(ReadRecords)],
        };
    }

    // What is said of classes has to come out of the hosts again.
    private static ImmutableArray<HostClass> ReadClasses(JsonElement json, ArtifactLimits limits)
    {
        (LinuxHost Host, string Fingerprint)[] kinds =
        [
            .. json.GetProperty("classes").EnumerateArray().Select(item => (
                new LinuxHost(
                    HostFileReader.Read(Encoding.UTF8.GetBytes(item.GetProperty("record").GetRawText()), limits),
                    ReadKernel(item.GetProperty("kernel"))),
                Text(item.GetProperty("fingerprint")))),
        ];
        PoolHost[][] members = new PoolHost[kinds.Length][];
        foreach (IGrouping<int, JsonElement> group in Items(json, "hosts").GroupBy(item => item[2].GetInt32()))
        {
            LinuxHost kind = kinds[group.Key].Host;
            members[group.Key] = [.. group.Select(item => new PoolHost(Text(item[0]), Named(kind, Text(item[1]))))];
        }

        Require(kinds.Length > 0 && members.All(one => one is not null), "hosts");
        ImmutableArray<HostClass> classes = HostClass.OfGroups(members);
        return classes.Select(one => one.Fingerprint).SequenceEqual(kinds.Select(kind => kind.Fingerprint)) ? classes
            : throw new FormatException("a class of hosts does not come out of its host again");
    }

    private static LinuxHost Named(LinuxHost kind, string name) =>
        kind.Record.Name == name ? kind : new LinuxHost(kind.Record with { Name = name }, kind.Behavior);

    private static KernelBehavior ReadKernel(JsonElement kernel)
    {
        KernelReading reading = new(Text(kernel[0]), Text(kernel[1]), Text(kernel[2]), Text(kernel[3]), Text(kernel[4]))
        {
            Remark = kernel[5].GetString(),
            Check = kernel[6].GetString(),
            HasBackports = kernel[7].GetBoolean(),
        };
        (KernelRelease? release, KernelRelease? first, KernelRelease? last) =
            (ReadRelease(kernel[8]), ReadRelease(kernel[9]), ReadRelease(kernel[10]));
        string known = Text(kernel[11]);
        Require(known.Length == KernelDifference.All.Length && known.All(digit => digit is >= '0' and <= '2'), "kernel");
        return KernelBehavior.Recorded(
            reading,
            [.. known.Select(digit => new DifferenceFact((Knowledge)(digit - '0'), "written in a part of a pool"))],
            release,
            first is { } from && last is { } to ? (from, to) : null);
    }

    private static KernelRelease? ReadRelease(JsonElement text) => text.GetString() is not { } name ? null
        : KernelRelease.TryParse(name, out KernelRelease release) ? release
        : throw new FormatException($"{Quotation.Cut(name)} is no release");

    private static PartGuest ReadGuest(JsonElement item, MoveOutcome[] outcomes, int classes, bool isUpgraded)
    {
        Require(item.GetArrayLength() == GuestHead + (isUpgraded ? 2 * classes : classes), "guests");
        ImmutableArray<MoveOutcome> all = [.. item.EnumerateArray().Skip(GuestHead).Select(id => outcomes[id.GetInt32()])];
        return new PartGuest(Text(item[0]), item[1].GetInt64(), all[..classes], all[classes..]);
    }

    private static MoveOutcome ReadOutcome(JsonElement item) => new(Enum.Parse<Verdict>(Text(item[0])), ReadTexts(item[2]))
    {
        Components = new StateComponentSet(Convert.ToUInt64(Text(item[1]), 16)),
        Features = ReadTexts(item[3]),
        Differences = ReadTexts(item[4]),
    };

    private static PartGroup ReadGroup(JsonElement item) => new(
        item[0].GetInt32(), item[1].GetInt32(), item[2].GetInt64(),
        [.. item.EnumerateArray().Skip(GroupHead).Chunk(2).Select(name => (name[0].GetInt64(), Text(name[1])))]);

    private static RecordFile ReadRecords(JsonElement item) => new(Text(item[0]))
    {
        Lines = item[1].GetInt64(),
        Bad = item[2].GetInt64(),
        Failure = item[3].GetString(),
        Told = [.. item.EnumerateArray().Skip(RecordsHead).Chunk(2).Select(told => (told[0].GetInt64(), Text(told[1])))],
    };

    private static UnreadInput ReadUnread(JsonElement item, int first) =>
        new(Text(item[first]), item[first + 1].GetInt32(), Text(item[first + 2]));

    private static bool IsIn(int guest, int home, PoolPart part) =>
        guest >= 0 && guest < part.Guests.Length && home >= -1 && home < part.Classes.Length;

    private static JsonElement.ArrayEnumerator Items(JsonElement json, string name) => json.GetProperty(name).EnumerateArray();

    private static ImmutableArray<string> ReadTexts(JsonElement texts) => [.. texts.EnumerateArray().Select(Text)];

    private static string Text(JsonElement text) => text.GetString() ?? throw new FormatException("null where a text is");

    private static void Require(bool holds, string member)
    {
        if (!holds)
        {
            throw new FormatException($"what {member} says does not fit the rest");
        }
    }
}
