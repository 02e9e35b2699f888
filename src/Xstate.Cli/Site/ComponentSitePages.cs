using System.Text.RegularExpressions;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Cli.Site;

/// <summary>A page for each component of the extended state.</summary>
internal static class ComponentSitePages
{
    private const string IndexPath = "components/index.html";

    /// <summary>All of them.</summary>
    public static IEnumerable<SitePage> All() => [Index(), .. StateComponents.All.Select(PageOf)];

    private static string PathOf(StateComponentInfo info) => $"components/{info.Name}.html";

    private static SitePage Index() => new(IndexPath, SiteKind.Component, "Components of the extended state", Sections.Table("components",
        ["Component", "Bit", "Enabled by", "Bytes", "What it holds"], StateComponents.All.Select(info => (Html[])
        [
            SiteIndex.Link(IndexPath, PathOf(info), Html.Of($"<code>{info.Name}</code>")), Html.Of($"{(int)info.Component}"),
            Html.Of($"{RegisterOf(info)}"), Html.Of($"{info.Size}"), Html.Of($"{ComponentNotes.Of(info.Component)}"),
        ])))
    {
        Summary = "Bits of XCR0 and IA32_XSS, sizes, dependencies, CPUID.",
        IsIndex = true,
    };

    private static SitePage PageOf(StateComponentInfo info)
    {
        string path = PathOf(info);
        Html facts = Sections.Table("facts", ["Fact", "Value"], new (string Name, string Value)[]
        {
            ("Bit", $"{(int)info.Component} of XSTATE_BV and of {RegisterOf(info)}, mask {info.Bit}"),
            ("Size", $"{info.Size} bytes, as the manual says; a processor's own word is leaf 0xD, sub-leaf {(int)info.Component}, EAX"),
            ("Place", PlaceOf(info)),
            ("Announced by", string.Join(", ", info.Features)),
            ("Needs", Names(info.Requires)),
            ("Only together with", Names(info.Group.Except(info.Bit))),
            ("Never together with", Names(info.Excludes)),
            ("Initial value", info.InitialValue == 0 ? "all bytes zero" : $"0x{info.InitialValue:x}"),
            ("Instructions", info.XsaveEnabled ? "fault unless XCR0 has the bit" : "do not depend on the bit"),
        }.Where(fact => fact.Value.Length > 0).Select(fact => (Html[])[Html.Of($"{fact.Name}"), Html.Of($"{fact.Value}")]));
        Html fields = Sections.Table("fields", ["Field", "Bits"], RegisterFields.Of(info.Name == "sse" ? "mxcsr" : info.Name)
            .Select(field => (Html[])[Html.Of($"<code>{field.Name}</code>"), Html.Of($"{BitsOf(field)}")]));
        Html[] sections =
        [
            Sections.Paragraph(path, ComponentNotes.Of(info.Component)),
            Sections.Section("facts", "Facts", facts),
            Sections.Section("fields", info.Name == "sse" ? "Fields of MXCSR" : "Fields", fields),
            Sections.Section("rules", "Rules that speak of it", Sections.List(SiteIndex.Rules.Where(rule => Names(info, TextOf(rule)))
                .Select(rule => Html.Of($"{SiteIndex.Link(path, rule.Id)} {rule.Title}")))),
            Sections.Section("kernel-differences", "Differences of kernels that speak of it", Sections.List(KernelDifference.All
                .Where(one => Names(info, $"{one.Id} {one.Effect}"))
                .Select(one => Html.Of($"{SiteIndex.Link(path, one.Id)} {one.Effect}")))),
        ];
        return new SitePage(path, SiteKind.Component, $"Component {info.Name}", Html.Join(sections))
        {
            Summary = ComponentNotes.Of(info.Component),
        };
    }

    private static string RegisterOf(StateComponentInfo info) => info.EnabledBy == EnabledBy.Xcr0 ? "XCR0" : "IA32_XSS";

    private static string PlaceOf(StateComponentInfo info) => info.Component switch
    {
        StateComponent.X87 => "bytes 0 to 31 and 32 to 159 of the area",
        StateComponent.Sse => "bytes 160 to 415 of the area; MXCSR is at 24",
        _ when info.EnabledBy == EnabledBy.Xss => "in the compacted format only, where XSAVES puts it",
        _ => $"the processor's choice: leaf 0xD, sub-leaf {(int)info.Component}, EBX for the standard format. Intel's and AMD's differ for "
            + "components behind AVX.",
    };

    private static string Names(StateComponentSet set) => string.Join(", ", set.AsEnumerable().Select(StateComponents.NameOf));

    private static string BitsOf(RegisterField field) =>
        field.Width == 1 ? $"{field.Shift}" : $"{field.Shift} to {field.Shift + field.Width - 1}";

    private static string TextOf(Rule rule) => $"{rule.Title} {rule.Explanation} {rule.Mend}";

    // What the field calls a component beside its name.
    private static bool Names(StateComponentInfo info, string text) => Regex.IsMatch(text, $@"\b(?:{WordsFor(info.Component)})\b",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));

    private static string WordsFor(StateComponent component) => component switch
    {
        StateComponent.X87 => "x87|FNSAVE|FSW|FTW",
        StateComponent.Sse => "SSE|MXCSR",
        StateComponent.Avx => "AVX",
        StateComponent.BndRegs or StateComponent.BndCsr => "MPX|BNDREGS|BNDCSR",
        StateComponent.Opmask or StateComponent.ZmmHi256 or StateComponent.Hi16Zmm => "AVX-512|AVX512|opmask|zmm_hi256|hi16_zmm",
        StateComponent.Pkru => "PKRU|PKU|protection keys?",
        StateComponent.CetU or StateComponent.CetS => "CET|shadow stacks?|SHSTK|cet_u|cet_s",
        StateComponent.TileCfg or StateComponent.TileData => "AMX|tiles?|TILES|XTILE|XFD|tilecfg|tiledata",
        StateComponent.Pt => "processor trace",
        _ => StateComponents.NameOf(component),
    };
}
