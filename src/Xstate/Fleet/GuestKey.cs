using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Fleet;

/// <summary>
/// All that a capture says, in few bytes: captures with equal keys have the same outcome on every host. Two captures that an outcome cannot
/// tell apart may still have different ones.
/// </summary>
internal static class GuestKey
{
    /// <summary>The key of a capture.</summary>
    public static string Of(Capture capture)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash,
            $"{capture.Kind}|{capture.Format}|{capture.Vmm?.Title}|{capture.RestoredBy?.Value}|{capture.SavedCpu}|"
            + $"{capture.MinSignalStack?.Value}|{capture.Source?.Value.Name}|{capture.States.Length}");
        if (capture.Source is { } source)
        {
            Add(hash, source.Value.Cpuid);
        }

        foreach (CapturedState state in capture.States)
        {
            Add(hash, state);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>The key of a CPUID: of all its answers, by whatever name they go.</summary>
    public static string Of(CpuidTable cpuid)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, cpuid);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Add(IncrementalHash hash, CapturedState state)
    {
        Add(hash,
            $"{state.Id}|{state.Area.Length}|{Text(state.Xcr0)}|{Text(state.Xss)}|{Text(state.Xfd)}|"
            + $"{state.Is32Bit}|{state.Recorded?.Bits:x}|{state.SignalStack}");
        Add(hash,
            $"{string.Join(',', state.Lost)}|{string.Join(',', state.Msrs.Select(msr => $"{msr.Key:x}={msr.Value:x}"))}|"
            + $"{string.Join(',', state.MsrOrder)}");
        Add(hash,
            $"{state.Stored?.XstateBv.Value.Bits:x}|{state.Stored?.X87Order.Value}|{state.Fpu?.Length}|"
            + $"{state.Layout?.Provenance.Source}|{state.GuestCpuid?.Provenance.Source}");
        hash.AppendData(state.Area.Span);
        hash.AppendData((state.Fpu ?? default).Span);
        foreach (XsaveSlot slot in state.Layout?.Value.Slots ?? [])
        {
            Add(hash, slot.ToString());
        }

        if (state.GuestCpuid is { } cpuid)
        {
            Add(hash, cpuid.Value);
        }
    }

    private static string Text(Fact<StateComponentSet>? fact) => fact is null ? "-" : $"{fact.Value.Bits:x}/{fact.Provenance.Source}";

    private static void Add(IncrementalHash hash, CpuidTable cpuid)
    {
        Span<byte> bytes = stackalloc byte[28];
        foreach (CpuidEntry entry in cpuid.Entries)
        {
            uint[] words = [entry.Leaf, entry.Subleaf, entry.SubleafSignificant ? 1u : 0, entry.Registers.Eax, entry.Registers.Ebx,
                entry.Registers.Ecx, entry.Registers.Edx];
            for (int i = 0; i < words.Length; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * 4)..], words[i]);
            }

            hash.AppendData(bytes);
        }
    }

    private static void Add(IncrementalHash hash, string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
}
