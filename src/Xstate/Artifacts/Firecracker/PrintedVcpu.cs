using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Xstate.Architecture;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// One VcpuState as it is printed. Structures with a flexible end come in two forms: vmm-sys-util to 0.12 prints the memory behind the
/// structure as more structures of the same kind (<c>mem_allocator</c>), 0.13 and later the structure (<c>fam_struct</c>) and its entries.
/// </summary>
internal sealed class PrintedVcpu(ArtifactLimits limits)
{
    // function, index, flags, eax, ebx, ecx, edx, padding[3].
    private const int EntryWords = 10;
    private const int RegionWords = 1024;

    // len and region of kvm_xsave2: the memory behind it is printed in pieces of this size.
    private const int StructureWords = RegionWords + 2;

    private static readonly string[] EntryFields = ["function", "index", "flags", "eax", "ebx", "ecx", "edx"];

    private readonly List<uint> _cpuid = [];
    private readonly List<uint> _region = [];
    private readonly List<uint> _extra = [];
    private readonly List<KvmXcrsEntry> _xcrs = [];
    private uint? _entryCount;
    private uint? _xcrCount;
    private ulong? _extraCount;
    private int _entryFields;
    private (uint? Number, ulong? Value) _xcr;
    private bool _isMemory;

    /// <summary>Takes a line.</summary>
    public void Take(in DebugText text)
    {
        switch (text.Kind)
        {
            case DebugLine.Value:
                TakeValue(text);
                break;
            case DebugLine.Open when text.Path == "cpuid.entries.*":
                _entryFields = 0;
                Room(text, _cpuid.Count + EntryWords, EntryWords * limits.MaxCpuidEntries, "CPUID entries");
                _cpuid.AddRange(new uint[EntryWords]);
                break;
            case DebugLine.Close when text.Path == "cpuid.entries.*" && _entryFields != (1 << EntryFields.Length) - 1:
                throw text.Malformed($"an entry with {string.Join(", ", EntryFields)}");
            case DebugLine.Close when text.Path == "xcrs.xcrs.*":
                _xcrs.Add(_xcr is ({ } number, { } value)
                    ? new KvmXcrsEntry(number, 0, value) : throw text.Malformed("an entry with xcr and value"));
                _xcr = default;
                break;
        }
    }

    /// <summary>The state, at the line that closes it.</summary>
    public CapturedState ToState(int id, in DebugText text)
    {
        if (_entryCount is not { } entries || _region.Count != RegionWords || _xcrCount is not { } xcrs)
        {
            string missing = _entryCount is null ? "cpuid" : _xcrCount is null ? "xcrs" : $"{RegionWords} words of xsave.region";
            throw text.Malformed($"cpuid, xcrs and xsave before it; {missing} is not there");
        }

        ulong words = (ulong)entries * EntryWords;
        if ((ulong)_cpuid.Count != words)
        {
            throw text.Malformed($"{entries} CPUID entries before it, as nent says, not {_cpuid.Count / EntryWords}");
        }

        ulong extra = _extraCount ?? 0;
        ulong printed = _isMemory ? (extra + StructureWords - 1) / StructureWords * StructureWords : extra;
        if ((ulong)_extra.Count != printed)
        {
            throw text.Malformed($"{printed} words behind xsave.region before it, as len says, not {_extra.Count}");
        }

        if (xcrs > _xcrs.Count)
        {
            throw text.Malformed($"{xcrs} control registers before it, as nr_xcrs says, not {_xcrs.Count}");
        }

        uint[] area = [.. _region, .. _extra.Take((int)extra)];
        KvmXcrsBlob blob = new(xcrs, 0, [.. _xcrs], [.. new ulong[KvmXcrsBlob.MaxXcrs]]);
        return VcpuFacts.ToState(id, MemoryMarshal.AsBytes<uint>(area).ToArray(), Cpuid((int)entries), blob.Xcr0,
            ImmutableDictionary<uint, ulong>.Empty) with
        { HidesMsrs = true };
    }

    private CpuidTable Cpuid(int count)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_cpuid));
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>(count);
        for (int i = 0; i < count; i++)
        {
            entries.Add(VcpuBytes.CpuidEntryAt(bytes[(i * EntryWords * sizeof(uint))..]));
        }

        return new CpuidTable(entries.MoveToImmutable());
    }

    private void TakeValue(in DebugText text)
    {
        switch (text.Path)
        {
            case "cpuid.fam_struct.nent":
                _entryCount = Word(text);
                break;
            case "cpuid.mem_allocator.*.nent" when _entryCount is null:
                (_entryCount, _isMemory) = (Word(text), true);
                break;
            case "cpuid.mem_allocator.*.padding" when _cpuid.Count == 0 && _entryFields == 0:
                // The structure's own, before the first entry; from here on both fields are words of entries.
                _entryFields = 1;
                break;
            case "cpuid.mem_allocator.*.nent" or "cpuid.mem_allocator.*.padding":
                Add(text, _cpuid, EntryWords * limits.MaxCpuidEntries, "words of CPUID entries");
                break;
            case "xcrs.nr_xcrs":
                _xcrCount = Word(text);
                break;
            case "xcrs.xcrs.*.xcr":
                Room(text, _xcrs.Count + 1, KvmXcrsBlob.MaxXcrs, "control registers");
                _xcr.Number = Word(text);
                break;
            case "xcrs.xcrs.*.value":
                _xcr.Value = text.Number(ulong.MaxValue);
                break;
            default:
                TakeArea(text);
                break;
        }
    }

    private void TakeArea(in DebugText text)
    {
        int most = (limits.MaxArea / sizeof(uint)) - RegionWords;
        switch (text.Path)
        {
            case "xsave.region.*" or "xsave.fam_struct.xsave.region.*":
                Add(text, _region, RegionWords, "words of the area");
                break;
            case "xsave.fam_struct.len":
                _extraCount = text.Number((ulong)most);
                break;
            case "xsave.entries.*":
                Add(text, _extra, most, "words behind the area");
                break;
            case "xsave.mem_allocator.*.len" when _extraCount is null:
                _extraCount = text.Number((ulong)most);
                break;
            case "xsave.mem_allocator.*.len":
                // Memory behind the structure, printed as a 64-bit length.
                ulong two = text.Number(ulong.MaxValue);
                Room(text, _extra.Count + 2, most + StructureWords, "words behind the area");
                _extra.Add((uint)two);
                _extra.Add((uint)(two >> 32));
                break;
            case "xsave.mem_allocator.*.xsave.region.*":
                bool isFirst = _region.Count < RegionWords;
                Add(text, isFirst ? _region : _extra, isFirst ? RegionWords : most + StructureWords, "words behind the area");
                break;
            case var path when path.StartsWith("cpuid.entries.*.", StringComparison.Ordinal)
                && Array.IndexOf(EntryFields, path["cpuid.entries.*.".Length..]) is >= 0 and var field:
                _entryFields |= 1 << field;
                _cpuid[^(EntryWords - field)] = Word(text);
                break;
        }
    }

    private static uint Word(in DebugText text) => (uint)text.Number(uint.MaxValue);

    private static void Add(in DebugText text, List<uint> words, int most, string what)
    {
        Room(text, words.Count + 1, most, what);
        words.Add(Word(text));
    }

    private static void Room(in DebugText text, int count, int most, string what)
    {
        if (count > most)
        {
            throw text.Malformed($"at most {most} {what}");
        }
    }
}
