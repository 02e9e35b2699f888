using System.Collections.Immutable;
using System.Text;
using Xstate.Architecture;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// A subsection that QEMU sends only when one of its values is not zero, as it is put into a stream that lacks it: the same fields under
/// the same version since it exists. QEMU takes subsections in any order and asks on loading only whether it knows the name (measured with
/// 7.2.22, 10.0.2 and 11.1.3).
/// </summary>
/// <param name="Subsection">Its fields, as the description lists them.</param>
/// <param name="Json">Its entry in the description.</param>
internal sealed record SubsectionTemplate(VmSubsection Subsection, string Json)
{
    private const uint Version = 1;

    private static readonly ImmutableArray<SubsectionTemplate> All =
    [
        Of(RegisterMoves.Mpx, [new("env.bnd_regs", "struct", 16, 4, "bnd_regs", ["lb", "ub"]), Word("env.bndcs_regs.cfgu"),
            Word("env.bndcs_regs.sts"), Word("env.msr_bndcfgs")]),
        Of(RegisterMoves.Avx512, [new("env.opmask_regs", "uint64", 8, 8), new("env.xmm_regs[0]", "struct", 32, 16, "zmmh_reg",
            Quadwords(4, 4)), new("env.xmm_regs[1]", "struct", 64, 16, "hi16_zmm_reg", Quadwords(0, 8))]),
        Of(RegisterMoves.Pkru, [new("env.pkru", "uint32", 4)]),
        Of(RegisterMoves.X87Pointers, [new("env.fpop", "uint16", 2), Word("env.fpip"), Word("env.fpdp")]),
        Of(CpuMsrs.Xss, [Word("env.xss")]),
        Of(CpuMsrs.Xfd, [Word("env.msr_xfd"), Word("env.msr_xfd_err")]),
    ];

    // The other subsections of this kind belong to CPU models with AMX or APX, which always send them.
    private sealed record Field(string Name, string Type, int Size, int Count = 1, string? Struct = null, string[]? Inner = null);

    /// <summary>The template of a subsection; null for one that is never added.</summary>
    public static SubsectionTemplate? Find(string name) => All.FirstOrDefault(template => template.Subsection.Name == name);

    private static SubsectionTemplate Of(string name, ImmutableArray<Field> fields)
    {
        VmSubsection subsection = new(name, Version, [.. fields.Select(field => new VmField(field.Name, field.Size, field.Count))], []);
        StringBuilder json = new($$"""{"vmsd_name": "{{name}}", "version": {{Version}}, "fields": [""");
        for (int i = 0; i < fields.Length; i++)
        {
            Field field = fields[i];
            json.Append(i == 0 ? "" : ", ").Append("{\"name\": \"").Append(field.Name).Append('"');
            json.Append(field.Count == 1 ? "" : $", \"array_len\": {field.Count}").Append(", \"type\": \"").Append(field.Type).Append('"');
            if (field.Struct is { } structure)
            {
                string inner = string.Join(", ", field.Inner!.Select(part => $$"""{"name": "{{part}}", "type": "uint64", "size": 8}"""));
                json.Append($$""", "struct": {"vmsd_name": "{{structure}}", "version": 1, "fields": [{{inner}}]}""");
            }

            json.Append($", \"size\": {field.Size}}}");
        }

        return new SubsectionTemplate(subsection, json.Append("]}").ToString());
    }

    private static Field Word(string name) => new(name, "uint64", sizeof(ulong));

    private static string[] Quadwords(int first, int count) => [.. Enumerable.Range(first, count).Select(i => $"_q_ZMMReg[{i}]")];

    /// <summary>The subsections that a section lacks and that hold a value other than zero in a changed state.</summary>
    /// <param name="section">The section.</param>
    /// <param name="area">The changed area in standard format.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="xss">Whether IA32_XSS becomes other than zero.</param>
    /// <param name="xfd">Whether IA32_XFD becomes other than zero.</param>
    public static ImmutableArray<VmSubsection> MissingFrom(CpuSection section, ReadOnlySpan<byte> area, XsaveLayout layout, bool xss,
        bool xfd)
    {
        HashSet<string> needed = [];
        StateComponentSet present = new XsaveArea(area).XstateBv;
        bool pointers = area.Slice(XsaveFormat.FopOffset, XsaveFormat.MxcsrOffset - XsaveFormat.FopOffset).ContainsAnyExcept((byte)0);
        Need(RegisterMoves.X87Pointers, pointers && present.Contains(StateComponent.X87));
        Need(CpuMsrs.Xss, xss);
        Need(CpuMsrs.Xfd, xfd);
        foreach (XsaveSlot slot in layout.Slots.Where(slot => !slot.IsSupervisor))
        {
            Need(RegisterMoves.SubsectionOf(slot.Component), present.Contains(slot.Component)
                && area.Slice(slot.Offset, slot.Size).ContainsAnyExcept((byte)0));
        }

        // The emulator of 32-bit machines has 8 vector registers and another cpu/avx512.
        bool wide = section.Fields.Find(RegisterMoves.Main, "env.xmm_regs[0]") is { Count: 16 };
        return [.. All.Select(template => template.Subsection).Where(subsection => needed.Contains(subsection.Name)
            && (wide || subsection.Name != RegisterMoves.Avx512))];

        void Need(string? name, bool holds)
        {
            if (holds && name is not null && !section.Fields.HasSubsection(name))
            {
                needed.Add(name);
            }
        }
    }
}
