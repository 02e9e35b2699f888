using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>The answers of one processor, put together again from their fields.</summary>
internal sealed class DecodedProcessor
{
    private const uint ExtendedLeaves = 0x8000_0000;
    private const uint HypervisorLeaves = 0x4000_0000;
    private const int MaxUnknown = 100;
    private const int MaxSections = 1_000;

    private readonly Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> _answers = [];
    private readonly Dictionary<string, long> _sections = [];
    private readonly HashSet<(uint Leaf, uint Subleaf, CpuidRegister Register)> _told = [];
    private readonly List<(uint Leaf, string Message)> _unknown = [];
    private readonly SortedDictionary<(uint Leaf, uint Subleaf), (CpuidRegisters Registers, long Offset)> _undecoded = [];
    private string? _vendor;
    private uint _lastBasic;
    private bool _hasExtended;

    /// <summary>What the text calls it.</summary>
    public string Label { get; init; } = "CPU";

    /// <summary>Offset of its first line.</summary>
    public long Start { get; init; }

    /// <summary>Takes the head of a section, such as <c>0xd/0</c>.</summary>
    public void Begin(string section, in PastedLines lines)
    {
        if (_sections.Count == MaxSections)
        {
            throw lines.Malformed($"at most {MaxSections} sections for one processor");
        }

        _sections.TryAdd(section, lines.Offset);
        if (TryReadLeaf(section, out uint leaf, out _))
        {
            See(leaf);
        }
    }

    /// <summary>Takes an answer that the program did not decode.</summary>
    public void Undecoded(uint leaf, uint subleaf, CpuidRegisters registers, in PastedLines lines, ArtifactLimits limits)
    {
        if (_undecoded.Count == limits.MaxCpuidEntries)
        {
            throw lines.Malformed($"at most {limits.MaxCpuidEntries} answers for one processor");
        }

        _undecoded.TryAdd((leaf, subleaf), (registers, lines.Offset));
        See(leaf);
    }

    /// <summary>Takes a line of a section.</summary>
    public void Take(string section, string field, ReadOnlySpan<byte> value, in PastedLines lines)
    {
        if (field == "vendor_id")
        {
            string vendor = Encoding.ASCII.GetString(value.Trim("\""u8));
            _vendor = vendor.Length == 12 ? vendor : throw lines.Malformed("a vendor of twelve letters");
        }
        else if (section == "1/eax")
        {
            TakeSignature(field, value);
        }
        else if (DecodedLabels.HasSection(section))
        {
            TakeFeature(section, field, value, lines);
        }
        else if (TryReadLeaf(section, out uint leaf, out uint subleaf) && leaf == CpuidTable.XsaveLeaf)
        {
            TakeXsave(subleaf, field, value, lines);
        }
    }

    /// <summary>Adds the answers that the text tells whole.</summary>
    public void AddTo(CpuidDumpBuilder dump)
    {
        // Nothing but text before the first processor.
        if (_sections.Count == 0 && _undecoded.Count == 0)
        {
            return;
        }

        RequireXsave();
        dump.StartProcessor(Label, Start);

        // cpuid prints no leaf's number of leaves. It prints every leaf, so the last one is known once the extended ones follow.
        if (_vendor is { } vendor && _hasExtended)
        {
            byte[] name = Encoding.ASCII.GetBytes(vendor);
            dump.Add(0, 0, new CpuidRegisters(_lastBasic, Word(name, 0), Word(name, 8), Word(name, 4)), Start);
        }

        if (_sections.ContainsKey("1/ecx") && _sections.ContainsKey("1/edx"))
        {
            Add(dump, 1, 0);
        }

        if (_sections.ContainsKey("7"))
        {
            uint last = Has(7, 2) ? 2u : Has(7, 1) ? 1u : 0u;
            Set(7, 0, CpuidRegister.Eax, last);
            for (uint subleaf = 0; subleaf <= last; subleaf++)
            {
                Add(dump, 7, subleaf);
            }
        }

        foreach ((uint leaf, uint subleaf) in _answers.Keys.Where(key => key.Leaf == CpuidTable.XsaveLeaf).Order().ToArray())
        {
            Add(dump, leaf, subleaf);
        }

        if (_sections.ContainsKey("0x80000001/ecx") && _sections.ContainsKey("0x80000001/edx"))
        {
            Add(dump, 0x8000_0001, 0);
        }

        foreach (((uint leaf, uint subleaf), (CpuidRegisters registers, long offset)) in _undecoded)
        {
            dump.Add(leaf, subleaf, registers, offset);
        }

        foreach ((uint leaf, string message) in _unknown)
        {
            dump.Note(leaf, message);
        }

        bool Has(uint leaf, uint subleaf) => _told.Any(place => place.Leaf == leaf && place.Subleaf == subleaf);
    }

    // Family, model and stepping, each with its decimal number in parentheses behind it.
    private void TakeSignature(string field, ReadOnlySpan<byte> value)
    {
        int shift = field switch
        {
            "stepping id" => 0,
            "model" => 4,
            "family" => 8,
            "processor type" => 12,
            "extended model" => 16,
            "extended family" => 20,
            _ => -1
        };
        int open = value.LastIndexOf((byte)'(');
        if (shift >= 0 && open >= 0 && value[^1] == (byte)')'
            && uint.TryParse(value[(open + 1)..^1], NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            && number <= (shift == 20 ? 0xFFu : 0xFu))
        {
            Set(1, 0, CpuidRegister.Eax, number << shift);
        }
    }

    private void TakeFeature(string section, string field, ReadOnlySpan<byte> value, in PastedLines lines)
    {
        bool known = DecodedLabels.TryFind(section, field, out (uint Leaf, uint Subleaf, CpuidRegister Register, int Bit) place);
        bool isSet = value.SequenceEqual("true"u8);
        if (!known)
        {
            // A bit that is not set under whatever name changes nothing.
            if (isSet && _unknown.Count < MaxUnknown && TryReadLeaf(section, out uint leaf, out _))
            {
                _unknown.Add((leaf,
                    $"cpuid names a feature that is not known here, so that its bit counts as not set: {Quotation.Cut(field)}"));
            }
        }
        else if (isSet || value.SequenceEqual("false"u8))
        {
            Set(place.Leaf, place.Subleaf, place.Register, isSet ? 1u << place.Bit : 0);
        }
        else
        {
            throw lines.Malformed("true or false");
        }
    }

    private void TakeXsave(uint subleaf, string field, ReadOnlySpan<byte> value, in PastedLines lines)
    {
        if (subleaf == 0)
        {
            TakeMasks(field, value, lines);
        }
        else if (field.EndsWith(" byte size", StringComparison.Ordinal))
        {
            Set(CpuidTable.XsaveLeaf, subleaf, CpuidRegister.Eax, (uint)Hex(value, 8, lines));
        }
        else if (field.EndsWith(" byte offset", StringComparison.Ordinal))
        {
            Set(CpuidTable.XsaveLeaf, subleaf, CpuidRegister.Ebx, (uint)Hex(value, 8, lines));
        }
        else
        {
            int bit = field switch
            {
                "supported in IA32_XSS or XCR0" => 0,
                "64-byte alignment in compacted XSAVE" => 1,
                "XFD faulting supported" => 2,
                _ => -1
            };
            if (bit >= 0)
            {
                bool isSet = bit == 0 ? value.StartsWith("IA32_XSS"u8) : value.SequenceEqual("true"u8);
                Set(CpuidTable.XsaveLeaf, subleaf, CpuidRegister.Ecx, isSet ? 1u << bit : 0);
            }
        }
    }

    private void TakeMasks(string field, ReadOnlySpan<byte> value, in PastedLines lines)
    {
        switch (field)
        {
            case "XCR0 valid bit field mask":
                SetMask(0, CpuidRegister.Eax, Hex(value, 16, lines));
                break;
            case "IA32_XSS valid bit field mask":
                SetMask(1, CpuidRegister.Ecx, Hex(value, 16, lines));
                break;
            case "bytes required by fields in XCR0":
                Set(CpuidTable.XsaveLeaf, 0, CpuidRegister.Ebx, (uint)Hex(value, 8, lines));
                break;
            case "bytes required by XSAVE/XRSTOR area":
                Set(CpuidTable.XsaveLeaf, 0, CpuidRegister.Ecx, (uint)Hex(value, 8, lines));
                break;
            case "SAVE area size in bytes":
                Set(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ebx, (uint)Hex(value, 8, lines));
                break;
            default:
                string[] features = ["XSAVEOPT instruction", "XSAVEC instruction", "XGETBV instruction", "XSAVES/XRSTORS instructions",
                    "XFD: extended feature disable supported"];
                int bit = Array.IndexOf(features, field);
                if (bit >= 0)
                {
                    Set(CpuidTable.XsaveLeaf, 1, CpuidRegister.Eax, value.SequenceEqual("true"u8) ? 1u << bit : 0);
                }

                break;
        }
    }

    // A section that was cut must not read like a smaller processor.
    private void RequireXsave()
    {
        foreach ((string section, long offset) in _sections)
        {
            if (TryReadLeaf(section, out uint leaf, out uint subleaf) && leaf == CpuidTable.XsaveLeaf)
            {
                Require(subleaf, CpuidRegister.Eax, offset);
                Require(subleaf, CpuidRegister.Ebx, offset);
                if (subleaf == 0)
                {
                    Require(0, CpuidRegister.Ecx, offset);
                }
            }
        }

        void Require(uint subleaf, CpuidRegister register, long offset)
        {
            if (!_told.Contains((CpuidTable.XsaveLeaf, subleaf, register)))
            {
                string what = subleaf == 0 ? "the XCR0 mask and both sizes" : "a byte size and a byte offset";
                throw new MalformedArtifactException(DecodedCpuidReader.Format, offset,
                    $"{CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, subleaf)} without one of its fields", what);
            }
        }
    }

    private void See(uint leaf)
    {
        _lastBasic = leaf < HypervisorLeaves ? Math.Max(_lastBasic, leaf) : _lastBasic;
        _hasExtended |= leaf >= ExtendedLeaves;
    }

    private void SetMask(uint subleaf, CpuidRegister low, ulong mask)
    {
        Set(CpuidTable.XsaveLeaf, subleaf, low, (uint)mask);
        Set(CpuidTable.XsaveLeaf, subleaf, CpuidRegister.Edx, (uint)(mask >> 32));
    }

    private void Set(uint leaf, uint subleaf, CpuidRegister register, uint bits)
    {
        CpuidRegisters before = _answers.GetValueOrDefault((leaf, subleaf));
        _answers[(leaf, subleaf)] = before.With(register, before[register] | bits);
        _told.Add((leaf, subleaf, register));
    }

    private void Add(CpuidDumpBuilder dump, uint leaf, uint subleaf) =>
        dump.Add(leaf, subleaf, _answers.GetValueOrDefault((leaf, subleaf)), Start);

    // "1/eax", "7", "0xd/2", "0xd/0x11".
    private static bool TryReadLeaf(string section, out uint leaf, out uint subleaf)
    {
        string[] parts = section.Split('/');
        subleaf = 0;
        return TryReadNumber(parts[0], out leaf) && (parts.Length == 1 || TryReadNumber(parts[1], out subleaf)
            || parts[1] is "eax" or "ebx" or "ecx" or "edx");
    }

    private static bool TryReadNumber(string text, out uint number) => text.StartsWith("0x", StringComparison.Ordinal)
        ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
        : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    // "0x00000100 (256)". Fewer digits are a line that was cut.
    private static ulong Hex(ReadOnlySpan<byte> value, int digits, in PastedLines lines)
    {
        int end = value.IndexOf((byte)' ');
        ReadOnlySpan<byte> number = end < 0 ? value : value[..end];
        return number.Length == digits + 2 && number.StartsWith("0x"u8)
            && ulong.TryParse(number[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong told)
            ? told
            : throw lines.Malformed($"0x and {digits} digits");
    }

    private static uint Word(byte[] name, int at) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(name.AsSpan(at));
}
