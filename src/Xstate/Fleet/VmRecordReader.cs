using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;

namespace Xstate.Fleet;

/// <summary>
/// Reads VM records as JSON Lines (docs/schemas/vm-record.schema.json): a line is a VM, or the CPUID of guests under a name, which comes
/// before the VMs that have it. One line is in memory at a time.
/// </summary>
internal sealed class VmRecordReader
{
    /// <summary>Bytes of a line at most; that of a VM is far shorter.</summary>
    public const int MaxLine = 64 << 10;

    /// <summary>Named CPUIDs at most.</summary>
    public const int MaxCpuids = 10_000;

    private const int MaxItems = 256;
    private const int RegistersOfEntry = 6;

    private readonly Stream _stream;
    private readonly PoolShard _shard;
    private readonly byte[] _buffer = new byte[1 << 20];
    private readonly Dictionary<string, CpuidTable> _cpuids = [];
    private int _start;
    private int _end;

    /// <summary>Begins to read.</summary>
    public VmRecordReader(Stream stream)
        : this(stream, PoolShard.Whole)
    {
    }

    /// <summary>Begins to read the VMs of one shard, and every CPUID.</summary>
    public VmRecordReader(Stream stream, PoolShard shard)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _stream = stream;
        _shard = shard;
    }

    /// <summary>The line that was read last, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>The CPUIDs that were named so far.</summary>
    public IReadOnlyDictionary<string, CpuidTable> Cpuids => _cpuids;

    /// <summary>The next VM; null at the end.</summary>
    /// <exception cref="VmRecordException">The line is not what it should be; the next call goes on behind it.</exception>
    public VmRecord? Read()
    {
        while (TryReadLine(out ReadOnlySpan<byte> line))
        {
            if (_shard.Takes(Line - 1))
            {
                if (!line.Trim(" \t\r"u8).IsEmpty && Parse(line) is { } record)
                {
                    return record;
                }
            }
            else if (MayNameCpuid(line))
            {
                ParseCpuid(line);
            }
        }

        return null;
    }

    private bool TryReadLine(out ReadOnlySpan<byte> line)
    {
        Line++;
        while (true)
        {
            int length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = _buffer.AsSpan(_start, length);
                _start += length + 1;
                if (length > MaxLine)
                {
                    line = PassOver();
                }

                return true;
            }

            if (_end - _start > MaxLine)
            {
                SkipLine();
                line = PassOver();
                return true;
            }

            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                (_start, _end) = (0, _end - _start);
            }

            int read = _stream.Read(_buffer.AsSpan(_end));
            if (read == 0)
            {
                line = _buffer.AsSpan(_start, _end - _start);
                bool hasLine = _end > _start;
                _start = _end;
                return hasLine;
            }

            _end += read;
        }
    }

    // A line that is too long is told by the shard that takes it.
    private ReadOnlySpan<byte> PassOver() => _shard.Takes(Line - 1)
        ? throw new VmRecordException(Line, $"it has more than {MaxLine} bytes")
        : [];

    private void SkipLine()
    {
        int end;
        while ((end = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n')) < 0)
        {
            (_start, _end) = (0, _stream.Read(_buffer));
            if (_end == 0)
            {
                return;
            }
        }

        _start += end + 1;
    }

    // A member's name may be written with escapes.
    private static bool MayNameCpuid(ReadOnlySpan<byte> line) => line.IndexOf("\"cpuid\""u8) >= 0 || line.Contains((byte)'\\');

    // What is wrong with it is told by the shard that takes the line.
    private void ParseCpuid(ReadOnlySpan<byte> line)
    {
        try
        {
            Parse(line);
        }
        catch (VmRecordException)
        {
        }
    }

    private VmRecord? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            Utf8JsonReader json = new(line, new JsonReaderOptions { MaxDepth = 8 });
            Require(json.Read() && json.TokenType == JsonTokenType.StartObject, "an object");
            VmRecord record = new("");
            CpuidTable? cpuid = null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                (record, cpuid) = ReadMember(ref json, record, cpuid);
            }

            Require(json.TokenType == JsonTokenType.EndObject && !json.Read(), "one object a line");
            if (cpuid is not null)
            {
                Require(record is { GuestCpuid: not null, Vm: "" }, "guestCpuid beside cpuid, and no vm");
                Require(_cpuids.Count < MaxCpuids || _cpuids.ContainsKey(record.GuestCpuid!),
                    FormattableString.Invariant($"at most {MaxCpuids} CPUIDs"));
                _cpuids[record.GuestCpuid!] = cpuid;
                return null;
            }

            Require(record.Vm.Length > 0, "vm");
            Require(record.GuestCpuid is null || _cpuids.ContainsKey(record.GuestCpuid),
                "a guestCpuid that a line before it defines with cpuid");
            Require(record.GuestCpuid is not null || record.Host is not null, "guestCpuid or host");
            return record;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw error as VmRecordException ?? new VmRecordException(Line, $"it is no JSON of a VM record: {error.Message}");
        }
    }

    private (VmRecord Record, CpuidTable? Cpuid) ReadMember(ref Utf8JsonReader json, VmRecord record, CpuidTable? cpuid)
    {
        if (json.ValueTextEquals("vm"u8))
        {
            return (record with { Vm = ReadString(ref json, "vm") }, cpuid);
        }

        if (json.ValueTextEquals("host"u8))
        {
            return (record with { Host = ReadString(ref json, "host") }, cpuid);
        }

        if (json.ValueTextEquals("guestCpuid"u8))
        {
            return (record with { GuestCpuid = ReadString(ref json, "guestCpuid") }, cpuid);
        }

        if (json.ValueTextEquals("xcr0"u8))
        {
            return (record with { Xcr0 = new StateComponentSet(ReadNumber(ref json, "xcr0")) }, cpuid);
        }

        if (json.ValueTextEquals("inUse"u8))
        {
            return (record with { InUse = ReadComponents(ref json) }, cpuid);
        }

        if (json.ValueTextEquals("msrs"u8))
        {
            return (record with { Msrs = ReadMsrs(ref json) }, cpuid);
        }

        Require(json.ValueTextEquals("cpuid"u8),
            $"one of vm, host, guestCpuid, xcr0, inUse, msrs, cpuid, not {Quotation.Of(json.GetString()!)}");
        return (record, ReadCpuid(ref json));
    }

    private string ReadString(ref Utf8JsonReader json, string name)
    {
        Require(json.Read() && json.TokenType == JsonTokenType.String && json.ValueSpan.Length is > 0 and <= 253,
            $"{name} with 1 to 253 characters");
        return json.GetString()!;
    }

    private ulong ReadNumber(ref Utf8JsonReader json, string name)
    {
        json.Read();
        return NumberOf(ref json, name);
    }

    private ulong NumberOf(ref Utf8JsonReader json, string name)
    {
        Require(json.TokenType == JsonTokenType.String && !json.ValueIsEscaped && json.ValueSpan.Length is > 2 and <= 18
            && json.ValueSpan.StartsWith("0x"u8), $"{name} as a string such as \"0x2e7\"");
        Span<char> digits = stackalloc char[16];
        int length = Encoding.UTF8.GetChars(json.ValueSpan[2..], digits);
        Require(ulong.TryParse(digits[..length], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value),
            $"{name} as a string such as \"0x2e7\"");
        return value;
    }

    private StateComponentSet ReadComponents(ref Utf8JsonReader json)
    {
        Require(json.Read() && json.TokenType == JsonTokenType.StartArray, "inUse as a list of components");
        StateComponentSet set = StateComponentSet.Empty;
        while (json.Read() && json.TokenType == JsonTokenType.String)
        {
            string name = json.GetString()!;
            Require(StateComponents.TryParse(name, out StateComponent component), $"the name of a component, not {Quotation.Of(name)}");
            set = set.With(component);
        }

        Require(json.TokenType == JsonTokenType.EndArray, "inUse as a list of components");
        return set;
    }

    private ImmutableSortedDictionary<uint, ulong> ReadMsrs(ref Utf8JsonReader json)
    {
        Require(json.Read() && json.TokenType == JsonTokenType.StartArray, "msrs as a list of [index, value]");
        ImmutableSortedDictionary<uint, ulong> msrs = ImmutableSortedDictionary<uint, ulong>.Empty;
        while (json.Read() && json.TokenType == JsonTokenType.StartArray)
        {
            ulong index = ReadNumber(ref json, "the index of an MSR");
            Require(index <= uint.MaxValue && msrs.Count < MaxItems,
                FormattableString.Invariant($"at most {MaxItems} MSRs with indices of 32 bits"));
            msrs = msrs.SetItem((uint)index, ReadNumber(ref json, "the value of an MSR"));
            Require(json.Read() && json.TokenType == JsonTokenType.EndArray, "two numbers for an MSR");
        }

        Require(json.TokenType == JsonTokenType.EndArray, "msrs as a list of [index, value]");
        return msrs;
    }

    private CpuidTable ReadCpuid(ref Utf8JsonReader json)
    {
        Require(json.Read() && json.TokenType == JsonTokenType.StartArray, "cpuid as a list of [leaf, sub-leaf, eax, ebx, ecx, edx]");
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        uint[] words = new uint[RegistersOfEntry];
        while (json.Read() && json.TokenType == JsonTokenType.StartArray)
        {
            Require(entries.Count < MaxItems, FormattableString.Invariant($"at most {MaxItems} answers of CPUID"));
            for (int i = 0; i < RegistersOfEntry; i++)
            {
                ulong word = ReadNumber(ref json, "cpuid");
                Require(word <= uint.MaxValue, "registers of 32 bits");
                words[i] = (uint)word;
            }

            Require(json.Read() && json.TokenType == JsonTokenType.EndArray, "six numbers for an answer of CPUID");
            entries.Add(new CpuidEntry(words[0], words[1], CpuidLeaves.HasSubleaves(words[0]),
                new CpuidRegisters(words[2], words[3], words[4], words[5])));
        }

        Require(json.TokenType == JsonTokenType.EndArray, "cpuid as a list of [leaf, sub-leaf, eax, ebx, ecx, edx]");
        return new CpuidTable(entries.ToImmutable());
    }

    private void Require(bool holds, string expected)
    {
        if (!holds)
        {
            throw new VmRecordException(Line, $"expected {expected}");
        }
    }
}
