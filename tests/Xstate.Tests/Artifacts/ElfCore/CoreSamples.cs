using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>The cores of the folder data with what their registers must be, and areas for cores that tests build.</summary>
internal static class CoreSamples
{
    public const string Zen4 = "zen4-kernel618-3threads-x86_64";
    public const string Zen4I386 = "zen4-kernel618-3threads-i386";
    public const string Damaged = "zen4-gdb13-gcore-x86_64-DAMAGED";
    public const string Gdb16 = "zen4-gdb16-gcore-x86_64";
    public const string Tcg61 = "tcgmax-linux6.1.192-3threads-avx-pkru-s11";
    public const string Tcg612 = "tcgmax-linux6.12.107-3threads-avx-pkru-s11";

    public static ImmutableArray<string> All { get; } = [Zen4, Zen4I386, Damaged, Gdb16, Tcg61, Tcg612];

    public static string PathOf(string name) => Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "ElfCore", "data",
        $"{name}.core.gz");

    /// <summary>The core, uncompressed.</summary>
    public static byte[] Bytes(string name)
    {
        using FileStream packed = File.OpenRead(PathOf(name));
        using Stream content = ArtifactContent.Open(packed);
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    public static Artifact Open(byte[] core) => Artifact.Open(new MemoryStream(core));

    /// <summary>
    /// The expected registers of each thread, by role: every vector register in full, k, mxcsr, fcw, pkru, and the x87 stack.
    /// </summary>
    public static ExpectedThread[] Expected(string name)
    {
        string file = name is Damaged or Gdb16 ? Zen4 : name;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts",
            "ElfCore", "data", $"{file}.expected.json")));
        JsonElement threads = document.RootElement.TryGetProperty("threads", out JsonElement listed)
            ? listed : document.RootElement.GetProperty("threads_in_note_order_after_sorting_by_role");
        return [.. threads.EnumerateArray().Select(ExpectedThread.Read)];
    }

    /// <summary>All registers of a thread by name.</summary>
    public static Dictionary<string, string> Registers(CapturedState state) =>
        RegisterDump.Of(state, (state.Xcr0?.Value ?? StateComponentSet.Empty) | StateComponentSet.Legacy)
        .ToDictionary(register => register.Name, register => register.Text);

    /// <summary>Components 2 and up as one of the known families places them.</summary>
    public static XsaveLayout LayoutOf(string family, ulong components) =>
        LayoutFamily.All.Single(known => known.Family == family).Layout.Restrict(new StateComponentSet(components));

    /// <summary>An area whose components are all in use and filled from a seed.</summary>
    public static byte[] Area(XsaveLayout layout, ulong mask, uint mxcsrMask, ulong seed)
    {
        byte[] area = new byte[layout.StandardLengthFor(new StateComponentSet(mask))];
        SplitMix64 random = new(seed);
        random.Fill(area.AsSpan(XsaveFormat.StOffset, XsaveFormat.XmmEnd - XsaveFormat.StOffset));
        foreach (XsaveSlot slot in layout.Slots)
        {
            random.Fill(area.AsSpan(slot.Offset, slot.Size));
        }

        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrMaskOffset), mxcsrMask);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.SoftwareOffset), mask);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), mask);
        return area;
    }

    /// <summary>A core with patches applied.</summary>
    public static byte[] Patched(MemoryStream content, IEnumerable<ArtifactPatch> patches)
    {
        using MemoryStream file = new();
        PatchedCopy.Write(content, patches, file);
        return file.ToArray();
    }

    /// <summary>The FXSAVE image of an area, as kernels write it beside: without the mask in the software bytes.</summary>
    public static byte[] Fxsave(byte[] area) =>
        [.. area[..XsaveFormat.SoftwareOffset], .. new byte[XsaveFormat.LegacyLength - XsaveFormat.SoftwareOffset]];
}

/// <summary>What one thread of a sample must show.</summary>
/// <param name="Registers">Values by name: all vector registers of the thread under their own width, k, mxcsr, fcw, pkru.</param>
/// <param name="Stack">The x87 stack, top first; null where the sample does not say.</param>
internal sealed record ExpectedThread(Dictionary<string, string> Registers, double[]? Stack)
{
    public static ExpectedThread Read(JsonElement thread)
    {
        Dictionary<string, string> registers = [];
        foreach (JsonProperty vector in thread.GetProperty("vectors").EnumerateObject())
        {
            registers.Add(vector.Name, vector.Value.GetString()!);
        }

        int number = 0;
        foreach (JsonElement mask in thread.TryGetProperty("k", out JsonElement masks) ? masks.EnumerateArray() : default)
        {
            registers.Add($"k{number++}", mask.GetString()!);
        }

        foreach (string name in (string[])["mxcsr", "fcw", "pkru"])
        {
            if (thread.TryGetProperty(name, out JsonElement value))
            {
                registers.Add(name,
                    $"0x{uint.Parse(value.GetString()!.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture):x}");
            }
        }

        double[]? stack = thread.TryGetProperty("x87_top_of_stack_first", out JsonElement values)
            ? [.. values.EnumerateArray().Select(value => value.GetDouble())] : null;
        return new ExpectedThread(registers, stack);
    }

    /// <summary>
    /// Where the shown registers differ; empty when they are right. A vector register is shown under the widest name that exists, and is
    /// zero above what the thread used.
    /// </summary>
    /// <param name="shown">Registers as they are shown.</param>
    /// <param name="lostIsRight">Whether a lost register or byte counts as right.</param>
    public List<string> Differences(Dictionary<string, string> shown, bool lostIsRight = false)
    {
        List<string> differences = [];
        foreach ((string name, string value) in Registers)
        {
            (string found, string expected) = name.Contains("mm", StringComparison.Ordinal)
                ? Widest(shown, name, value) : (shown.GetValueOrDefault(name, "absent"), value);
            if (lostIsRight && found == "?")
            {
                continue;
            }

            bool same = found.Length == expected.Length
                && !found.Where((digit, i) => digit != expected[i] && !(lostIsRight && digit == '?')).Any();
            if (!same)
            {
                differences.Add($"{name}: {found}, not {expected}");
            }
        }

        for (int i = 0; i < Stack?.Length; i++)
        {
            double found = ToDouble(Convert.FromHexString(shown[$"st{i}"]));
            if (found != Stack[i])
            {
                differences.Add($"st{i}: {found}, not {Stack[i]}");
            }
        }

        return differences;
    }

    private static (string Found, string Expected) Widest(Dictionary<string, string> shown, string name, string value)
    {
        string number = name[3..];
        foreach (string width in (string[])["zmm", "ymm", "xmm"])
        {
            if (shown.TryGetValue(width + number, out string? found))
            {
                return (found, value.PadRight(found.Length, '0'));
            }
        }

        return ("absent", value);
    }

    // Double extended precision (SDM Vol. 1, 4.2.2): explicit integer bit, exponent bias 16383.
    private static double ToDouble(byte[] register)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(register);
        int exponent = BinaryPrimitives.ReadUInt16LittleEndian(register.AsSpan(8));
        double value = Math.ScaleB((double)significand, (exponent & 0x7FFF) - 16383 - 63);
        return (exponent & 0x8000) != 0 ? -value : value;
    }
}
