using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Xstate.Tests.Artifacts.Firecracker;

/// <summary>
/// A snapshot as snapshot-editor prints it, written after Firecracker's Debug of VcpuState, kvm-bindings and vmm-sys-util. Knows nothing of
/// the reader: it prints the structures' own bytes.
/// </summary>
internal sealed class PrintedSnapshot
{
    public static readonly string[] Forms = ["1.7 to 1.11", "1.12", "1.13 and later"];

    private readonly StringBuilder _text = new();
    private int _depth;

    /// <summary>The text of <c>vcpu-states</c>, or of <c>vm-state</c>.</summary>
    public static string Of(IReadOnlyList<SnapshotParts> vcpus, string form, bool whole = false)
    {
        PrintedSnapshot printed = new();
        if (whole)
        {
            printed.In("MicrovmState {", "}", () => printed.In("vcpu_states: [", "],", () => printed.Vcpus(vcpus, form, ",")));
        }
        else
        {
            printed.Vcpus(vcpus, form, "");
        }

        return printed._text.ToString();
    }

    private void Vcpus(IReadOnlyList<SnapshotParts> vcpus, string form, string behind)
    {
        for (int i = 0; i < vcpus.Count; i++)
        {
            if (behind.Length == 0)
            {
                Line(string.Create(CultureInfo.InvariantCulture, $"vcpu {i}:"));
            }

            SnapshotParts vcpu = vcpus[i];
            In("VcpuState {", "}" + behind, () =>
            {
                Cpuid(vcpu, form);
                Msrs(vcpu);
                string[] names = ["debug_regs: kvm_debugregs {", "lapic: kvm_lapic_state {", "mp_state: kvm_mp_state {",
                    "regs: kvm_regs {", "sregs: kvm_sregs {", "vcpu_events: kvm_vcpu_events {"];
                for (int part = 0; part < names.Length; part++)
                {
                    byte[] bytes = vcpu.Registers[part];
                    In(names[part], "},", () => In("regs: [", "],", () => Array.ForEach(bytes, value => Line($"{(sbyte)value},"))));
                }

                Xcrs(vcpu.Xcrs);
                Xsave(vcpu, form);
                In("tsc_khz: Some(", "),", () => Line($"{vcpu.TscKhz},"));
            });
        }
    }

    private void Cpuid(SnapshotParts vcpu, string form) => In("cpuid: FamStructWrapper {", "},", () =>
    {
        if (form == Forms[2])
        {
            In("fam_struct: kvm_cpuid2 {", "},",
                () => Lines($"nent: {vcpu.Cpuid.Length},", "padding: 0,", "entries: __IncompleteArrayField,"));
            In("entries: [", "],", () => Array.ForEach(vcpu.Cpuid, entry => In("kvm_cpuid_entry2 {", "},", () =>
            {
                string[] names = ["function", "index", "flags", "eax", "ebx", "ecx", "edx"];
                Lines([.. names.Select((name, i) => $"{name}: {Word(entry, i)},")]);
                In("padding: [", "],", () => Lines("0,", "0,", "0,"));
            })));
            return;
        }

        byte[] memory = [.. BitConverter.GetBytes((ulong)vcpu.Cpuid.Length), .. vcpu.Cpuid.SelectMany(entry => entry)];
        In("mem_allocator: [", "],", () => Pairs(memory, "kvm_cpuid2 {", "nent", "padding", "entries: __IncompleteArrayField,"));
    });

    // The last list only, its words sorted in pairs.
    private void Msrs(SnapshotParts vcpu)
    {
        byte[][] list = vcpu.MsrLists[^1];
        byte[] memory = [.. BitConverter.GetBytes((ulong)list.Length), .. list.SelectMany(entry => entry)];
        byte[] sorted = [.. memory.Chunk(8).OrderBy(pair => (Word(pair, 0), Word(pair, 1))).SelectMany(pair => pair)];
        In("saved_msrs: [", "],", () => Pairs(sorted, "kvm_msrs {", "nmsrs", "pad", "entries: __IncompleteArrayField,"));
    }

    private void Pairs(byte[] memory, string open, string first, string second, string last)
    {
        for (int i = 0; i < memory.Length; i += 8)
        {
            byte[] pair = memory[i..(i + 8)];
            In(open, "},", () => Lines($"{first}: {Word(pair, 0)},", $"{second}: {Word(pair, 1)},", last));
        }
    }

    private void Xcrs(byte[] xcrs) => In("xcrs: kvm_xcrs {", "},", () =>
    {
        Lines($"nr_xcrs: {Word(xcrs, 0)},", $"flags: {Word(xcrs, 1)},");
        In("xcrs: [", "],", () =>
        {
            for (int i = 0; i < 16; i++)
            {
                byte[] entry = xcrs[(8 + (16 * i))..];
                In("kvm_xcr {", "},", () => Lines($"xcr: {Word(entry, 0)},", $"reserved: {Word(entry, 1)},",
                    $"value: {BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(8))},"));
            }
        });
        In("padding: [", "],", () => Lines([.. Enumerable.Repeat("0,", 16)]));
    });

    private void Xsave(SnapshotParts vcpu, string form)
    {
        if (form == Forms[0])
        {
            In("xsave: kvm_xsave {", "},", () => Region(vcpu.Xsave));
            return;
        }

        In("xsave: FamStructWrapper {", "},", () =>
        {
            string len = $"len: {vcpu.Extra.Length / 4},";
            if (form == Forms[2])
            {
                In("fam_struct: kvm_xsave2 {", "},", () =>
                {
                    Line(len);
                    In("xsave: kvm_xsave {", "},", () => Region(vcpu.Xsave));
                });
                In("entries: [", "],", () => Words(vcpu.Extra));
                return;
            }

            const int Length = 4104;
            byte[] memory = [.. BitConverter.GetBytes((ulong)(vcpu.Extra.Length / 4)), .. vcpu.Xsave, .. vcpu.Extra];
            Array.Resize(ref memory, (memory.Length + Length - 1) / Length * Length);
            In("mem_allocator: [", "],", () => Array.ForEach([.. memory.Chunk(Length)], one => In("kvm_xsave2 {", "},", () =>
            {
                Line($"len: {BinaryPrimitives.ReadUInt64LittleEndian(one)},");
                In("xsave: kvm_xsave {", "},", () => Region(one[8..]));
            })));
        });
    }

    private void Region(byte[] area)
    {
        In("region: [", "],", () => Words(area));
        Line("extra: __IncompleteArrayField,");
    }

    private void Words(byte[] bytes)
    {
        for (int i = 0; i < bytes.Length / 4; i++)
        {
            Line($"{Word(bytes, i)},");
        }
    }

    private void In(string open, string close, Action content)
    {
        Line(open);
        _depth++;
        content();
        _depth--;
        Line(close);
    }

    private void Lines(params string[] lines) => Array.ForEach(lines, Line);

    private void Line(string line) => _text.Append(' ', 4 * _depth).Append(line).Append('\n');

    private static uint Word(byte[] bytes, int index) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(index * 4));
}
