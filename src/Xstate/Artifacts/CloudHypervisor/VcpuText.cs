using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>
/// The parts of a virtual CPU's state that concern its extended state, as numbers with their places: CPUID, MSRs, area, struct kvm_xcrs and
/// struct kvm_fpu. What else is there is passed over.
/// </summary>
internal sealed class VcpuText
{
    private const int MaxDepth = 64;
    private const int Words = KvmXsaveReader.MinLength / sizeof(uint);
    private const int FprLength = 8 * XsaveFormat.StSlotLength;
    private const int XmmLength = XsaveFormat.XmmEnd - XsaveFormat.XmmOffset;

    private static readonly string[] CpuidNames = ["function", "index", "flags", "eax", "ebx", "ecx", "edx"];
    private static readonly string[] MsrNames = ["index", "data"];
    private static readonly string[] XcrNames = ["xcr", "value"];

    // struct kvm_fpu, and where its fields are in a legacy region.
    private static readonly (string Name, int Offset, int Length)[] FpuFields =
    [
        ("fcw", XsaveFormat.FcwOffset, 2), ("fsw", XsaveFormat.FswOffset, 2), ("ftwx", XsaveFormat.FtwOffset, 1),
            ("last_opcode", XsaveFormat.FopOffset, 2),
        ("last_ip", XsaveFormat.FipOffset, 8), ("last_dp", XsaveFormat.FdpOffset, 8),
    ];

    private readonly EmbeddedText _text;
    private readonly ArtifactLimits _limits;

    private VcpuText(EmbeddedText text, ArtifactLimits limits)
    {
        _text = text;
        _limits = limits;
    }

    /// <summary>The text.</summary>
    public EmbeddedText Text => _text;

    /// <summary>function, index, flags, eax, ebx, ecx and edx of each answer.</summary>
    public List<Number[]> Cpuid { get; } = [];

    /// <summary>index and data of each MSR.</summary>
    public List<Number[]> Msrs { get; } = [];

    /// <summary>The 1024 words of the area.</summary>
    public NumberList Region { get; } = new();

    /// <summary>The words behind them, from Cloud Hypervisor 50 on.</summary>
    public NumberList Extra { get; } = new();

    /// <summary>struct kvm_xcrs as bytes; empty where it is an object.</summary>
    public NumberList XcrsBytes { get; } = new();

    /// <summary>XCR0 where struct kvm_xcrs is an object.</summary>
    public Number? Xcr0 { get; private set; }

    /// <summary>Bytes of ST0 to ST7.</summary>
    public NumberList Fpr { get; } = new();

    /// <summary>Bytes of XMM0 to XMM15.</summary>
    public NumberList Xmm { get; } = new();

    /// <summary>The fields of struct kvm_fpu that are numbers: where each is in a legacy region, its length, and the number.</summary>
    public List<(int Offset, int Length, Number Number)> FpuNumbers { get; } = [];

    /// <summary>Whether there is a struct kvm_fpu that is whole.</summary>
    public bool HasFpu => Fpr.Count == FprLength && Xmm.Count == XmmLength && FpuNumbers.Count == FpuFields.Length;

    /// <summary>Reads the state of one virtual CPU.</summary>
    /// <exception cref="MalformedArtifactException">The text is not one, with the place in the document.</exception>
    public static VcpuText Read(EmbeddedText embedded, ArtifactLimits limits)
    {
        VcpuText vcpu = new(embedded, limits);
        Utf8JsonReader reader = new(embedded.Text, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            vcpu.Read(ref reader);
            return vcpu;
        }
        catch (JsonException error)
        {
            throw embedded.Malformed(reader.BytesConsumed,
                $"what is no JSON in the state of a virtual CPU: {Quotation.Cut(error.Message, Quotation.MaxProse)}", "JSON");
        }
    }

    private void Read(ref Utf8JsonReader reader)
    {
        reader.Read();
        Begin(reader, JsonTokenType.StartObject, "an object with Kvm");
        reader.Read();
        if (reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals("Kvm"u8))
        {
            throw Malformed(reader, reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("Mshv"u8)
                ? "a virtual CPU of Microsoft's hypervisor (Mshv)"
                : Quotation.Of(reader.ValueSpan), "one of KVM (Kvm)");
        }

        reader.Read();
        int start = (int)reader.TokenStartIndex;
        Begin(reader, JsonTokenType.StartObject, "the state of a virtual CPU");
        ulong seen = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int member = IndexOf(reader, ["cpuid", "msrs", "xsave", "xcrs", "fpu"], ref seen);
            reader.Read();
            switch (member)
            {
                case 0:
                    ReadObjects(ref reader, Cpuid, CpuidNames, uint.MaxValue, _limits.MaxCpuidEntries);
                    break;
                case 1:
                    ReadObjects(ref reader, Msrs, MsrNames, ulong.MaxValue, _limits.MaxMsrs);
                    break;
                case 2:
                    ReadXsave(ref reader);
                    break;
                case 3:
                    ReadXcrs(ref reader);
                    break;
                case 4:
                    ReadFpu(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (Region.Count != Words)
        {
            throw _text.Malformed(start, seen == 0 ? "a virtual CPU without x86 registers" : $"{Region.Count} words of xsave.region",
                $"{Words}");
        }
    }

    private void ReadXsave(ref Utf8JsonReader reader)
    {
        Begin(reader, JsonTokenType.StartObject, "xsave with region");
        ulong seen = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int member = IndexOf(reader, ["region", "extra"], ref seen);
            reader.Read();
            switch (member)
            {
                case 0:
                    Region.AddAll(ref reader, uint.MaxValue, Words, _text);
                    break;
                case 1:
                    Extra.AddAll(ref reader, uint.MaxValue, (_limits.MaxArea / sizeof(uint)) - Words, _text);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
    }

    // A list of the structure's bytes; an object with its fields where serde was derived for it.
    private void ReadXcrs(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            int start = (int)reader.TokenStartIndex;
            XcrsBytes.AddAll(ref reader, byte.MaxValue, KvmXcrsReader.Length, _text);
            if (XcrsBytes.Count != KvmXcrsReader.Length)
            {
                throw _text.Malformed(start, $"{XcrsBytes.Count} bytes of xcrs", $"{KvmXcrsReader.Length}");
            }

            return;
        }

        Begin(reader, JsonTokenType.StartObject, "xcrs");
        List<Number[]> entries = [];
        ulong seen = 0;
        ulong count = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int member = IndexOf(reader, ["nr_xcrs", "xcrs"], ref seen);
            reader.Read();
            switch (member)
            {
                case 0:
                    count = Number.Of(reader, uint.MaxValue, _text).Value;
                    break;
                case 1:
                    ReadObjects(ref reader, entries, XcrNames, ulong.MaxValue, KvmXcrsBlob.MaxXcrs);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        foreach (Number[] entry in entries.Take((int)Math.Min(count, KvmXcrsBlob.MaxXcrs)))
        {
            Xcr0 ??= entry[0].Value == 0 ? entry[1] : null;
        }
    }

    private void ReadFpu(ref Utf8JsonReader reader)
    {
        Begin(reader, JsonTokenType.StartObject, "fpu");
        ulong seen = 0;
        string[] names = ["fpr", "xmm", .. FpuFields.Select(field => field.Name)];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int member = IndexOf(reader, names, ref seen);
            reader.Read();
            switch (member)
            {
                case < 0:
                    reader.Skip();
                    break;
                case 0:
                    Fpr.AddAll(ref reader, byte.MaxValue, FprLength, _text);
                    break;
                case 1:
                    Xmm.AddAll(ref reader, byte.MaxValue, XmmLength, _text);
                    break;
                default:
                    (_, int offset, int length) = FpuFields[member - 2];
                    FpuNumbers.Add((offset, length, Number.Of(reader, ulong.MaxValue >> (64 - (8 * length)), _text)));
                    break;
            }
        }
    }

    private void ReadObjects(ref Utf8JsonReader reader, List<Number[]> items, string[] names, ulong max, int limit)
    {
        Begin(reader, JsonTokenType.StartArray, $"a list of objects with {string.Join(", ", names)}");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Begin(reader, JsonTokenType.StartObject, $"an object with {string.Join(", ", names)}");
            if (items.Count == limit)
            {
                throw Malformed(reader, "one more item", $"at most {limit}");
            }

            Number[] item = new Number[names.Length];
            ulong seen = 0;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                int member = IndexOf(reader, names, ref seen);
                reader.Read();
                if (member < 0)
                {
                    reader.Skip();
                }
                else
                {
                    item[member] = Number.Of(reader, max, _text);
                }
            }

            if (seen != (1UL << names.Length) - 1)
            {
                throw Malformed(reader, "an item that lacks a member", string.Join(", ", names));
            }

            items.Add(item);
        }
    }

    private int IndexOf(in Utf8JsonReader reader, ReadOnlySpan<string> names, ref ulong seen)
    {
        for (int i = 0; i < names.Length; i++)
        {
            if (IsName(reader, names[i]))
            {
                ulong bit = 1UL << i;
                seen = (seen & bit) == 0 ? seen | bit : throw Malformed(reader, $"the member {names[i]} again", "each member once");
                return i;
            }
        }

        return -1;
    }

    private static bool IsName(in Utf8JsonReader reader, string name)
    {
        try
        {
            return reader.ValueTextEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private void Begin(in Utf8JsonReader reader, JsonTokenType type, string expected)
    {
        if (reader.TokenType != type)
        {
            throw Malformed(reader, $"{reader.TokenType}", expected);
        }
    }

    private MalformedArtifactException Malformed(in Utf8JsonReader reader, string found, string expected) =>
        _text.Malformed(reader.TokenStartIndex, found, expected);
}
