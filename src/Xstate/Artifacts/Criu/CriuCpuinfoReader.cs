using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Criu;

/// <summary>
/// Reads cpuinfo.img of CRIU (criu cpuinfo dump): the processor that processes were started on, as feature words in the kernel's order.
/// They are CPUID answers, so they are read as such; leaf 0xD has its first sub-leaf and no offsets.
/// </summary>
internal static class CriuCpuinfoReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "criu-cpuinfo";

    private const int MaxWords = 64;

    // CRIU 4.1.1 masks its xfeatures with the number of a bit where the bit is meant (XFEATURE_HDC, which is 10), and so loses bits 1 and
    // 3. Bit 1 is always there; bit 3 goes with bit 4.
    private const ulong SseBit = 1 << 1;
    private const ulong BndRegsBit = 1 << 3;
    private const ulong BndCsrBit = 1 << 4;

    // Words of the kernel's x86_capability that are a CPUID register, since capability_ver 2.
    private static readonly (int Word, uint Leaf, uint Subleaf, CpuidRegister Register)[] Words =
    [
        (0, 1, 0, CpuidRegister.Edx), (1, 0x8000_0001, 0, CpuidRegister.Edx), (4, 1, 0, CpuidRegister.Ecx),
            (6, 0x8000_0001, 0, CpuidRegister.Ecx), (9, 7, 0, CpuidRegister.Ebx),
        (10, 0xD, 1, CpuidRegister.Eax), (11, 7, 0, CpuidRegister.Ecx), (13, 0x8000_0008, 0, CpuidRegister.Ebx),
            (14, 6, 0, CpuidRegister.Eax), (18, 7, 0, CpuidRegister.Edx),
    ];

    internal static bool Recognizes(ArtifactSource source) => CriuImage.Recognizes(source, CriuImage.CpuinfoMagic);

    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        ReadOnlySpan<byte> file = source.Whole(limits.MaxWholeFile).Span;
        WireMessage root = CriuImage.Entry(file, CriuImage.CpuinfoMagic, Format);
        WireReader reader = new(file, root, Format);
        ImmutableArray<CpuidProcessor>.Builder processors = ImmutableArray.CreateBuilder<CpuidProcessor>();
        List<CpuidRemark> remarks = [];
        while (reader.Next())
        {
            if (reader.Field != 1)
            {
                throw reader.Malformed(reader.ValueStart, $"field {reader.Field}: a processor that is no x86", "x86_entry");
            }

            if (processors.Count == limits.MaxProcessors)
            {
                throw reader.Malformed(reader.ValueStart, "one more processor", $"at most {limits.MaxProcessors}");
            }

            processors.Add(ReadProcessor(file, reader.Message(), processors.Count, remarks));
        }

        return processors.Count > 0
            ? Artifact.Of(CpuidDump.Create(Format, processors.ToImmutable(), remarks))
            : throw reader.Malformed(root.Start, "no processor", "x86_entry");
    }

    private static CpuidProcessor ReadProcessor(ReadOnlySpan<byte> file, WireMessage message, int index, List<CpuidRemark> remarks)
    {
        WireReader reader = new(file, message, Format);
        ulong[] scalars = new ulong[11];
        List<WireNumber> words = [];
        string label = $"CPU {index}";
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case >= 1 and <= 5 or 9 or 10:
                    scalars[reader.Field] = reader.Number(uint.MaxValue).Value;
                    break;
                case 6:
                    reader.AddNumbers(words, uint.MaxValue, MaxWords, "capability");
                    break;
                case 7:
                    WireMessage text = reader.Message();
                    label = Quotation.Of(file[text.Start..text.End]).Trim('"');
                    break;
                case 8:
                    scalars[8] = reader.Number(ulong.MaxValue).Value;
                    break;
                default:
                    break;
            }
        }

        const ulong Version1 = 1;
        const ulong Version2 = 2;
        if (scalars[5] is not (Version1 or Version2))
        {
            throw reader.Malformed(message.Start, $"capability_ver {scalars[5]}", "1 or 2");
        }

        CpuidTable cpuid = CpuidTable.Empty;
        cpuid = WithVendor(cpuid, scalars[1], reader, message)
            .With(1, 0, new CpuidRegisters(Signature((uint)scalars[2], (uint)scalars[3], (uint)scalars[4], scalars[1]), 0, 0, 0));
        foreach ((int word, uint leaf, uint subleaf, CpuidRegister register) in Words)
        {
            // The first ten words are the same in both versions.
            if (word < words.Count && (scalars[5] == Version2 || word < 10))
            {
                cpuid = cpuid.With(leaf, subleaf, cpuid.Read(leaf, subleaf).With(register, (uint)words[word].Value));
            }
        }

        if (scalars[8] == 0)
        {
            return new CpuidProcessor(label, cpuid);
        }

        ulong mask = scalars[8] | SseBit | ((scalars[8] & BndCsrBit) != 0 ? BndRegsBit : 0);
        if (mask != scalars[8])
        {
            remarks.Add(new CpuidRemark(CpuidDefect.PlacedByInference, index, CpuidTable.XsaveLeaf, 0,
                $"xfeatures_mask 0x{scalars[8]:x} is read as 0x{mask:x}: CRIU clears bits 1 and 3 by mistake"));
        }

        return new CpuidProcessor(label,
            cpuid.With(CpuidTable.XsaveLeaf, 0, new CpuidRegisters((uint)mask, (uint)scalars[9], (uint)scalars[10], (uint)(mask >> 32))));
    }

    private static CpuidTable WithVendor(CpuidTable cpuid, ulong vendor, in WireReader reader, WireMessage message) => vendor switch
    {
        1 => cpuid.With(0, 0, new CpuidRegisters(0xD, 0x756E_6547, 0x6C65_746E, 0x4965_6E69)),
        2 => cpuid.With(0, 0, new CpuidRegisters(0xD, 0x6874_7541, 0x444D_4163, 0x6974_6E65)),
        0 => cpuid,
        _ => throw reader.Malformed(message.Start, $"vendor_id {vendor}", "1 (Intel) or 2 (AMD)"),
    };

    // Leaf 1 EAX of a family, model and stepping as the vendors compute them.
    private static uint Signature(uint family, uint model, uint stepping, ulong vendor)
    {
        uint baseFamily = Math.Min(family, 0xF);
        uint signature = (stepping & 0xF) | (model & 0xF) << 4 | baseFamily << 8 | (family - baseFamily & 0xFF) << 20;
        return baseFamily == 0xF || (baseFamily == 6 && vendor == 1) ? signature | (model >> 4 & 0xF) << 16 : signature;
    }
}
