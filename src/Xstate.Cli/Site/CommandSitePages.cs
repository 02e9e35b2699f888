using System.CommandLine;
using Xstate.Cli.Help;

namespace Xstate.Cli.Site;

/// <summary>A page for each verb, from the command itself and its guides.</summary>
/// <param name="root">The whole command.</param>
internal sealed class CommandSitePages(Command root)
{
    private const string IndexPath = "commands/index.html";

    /// <summary>All of them.</summary>
    public IEnumerable<SitePage> All() => [Index(), .. Verbs.Select(PageOf)];

    private IEnumerable<Command> Verbs => root.Subcommands.Where(verb => !verb.Hidden);

    private static string PathOf(Command verb) => $"commands/{verb.Name}.html";

    private SitePage Index() => new(IndexPath, SiteKind.Command, "Verbs of the command", Html.Of(
        $"{Sections.Table("verbs", ["Verb", "What it does"], Verbs.Select(verb => (Html[])
        [
            SiteIndex.Link(IndexPath, PathOf(verb), Html.Of($"<code>{App.Name} {verb.Name}</code>")), Html.Of($"{verb.Description}"),
        ]))}{Sections.Section("common-options", "Options of all verbs", Options(root.Options.Where(option => option.Recursive)))}"))
    {
        Summary = "Every verb with its arguments, options, examples and exit codes.",
        IsIndex = true,
    };

    private static SitePage PageOf(Command verb)
    {
        VerbGuide? guide = VerbGuides.Of(verb.Name);
        Argument[] arguments = [.. verb.Arguments.Where(argument => !argument.Hidden)];
        string synopsis = string.Join(' ', arguments.Select(argument =>
        {
            string name = argument.Name + (argument.Arity.MaximumNumberOfValues > 1 ? "…" : "");
            return argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name;
        }).Prepend($"{App.Name} {verb.Name}").Append("[OPTION…]"));
        Html examples = Html.Join((guide?.Examples ?? []).Select(example =>
            Html.Of($"<p>{example.Meaning}:</p>\n{Sections.Command($"{App.Name} {example.Line}")}")));
        Html codes = Sections.Table("exit codes", ["Code", "Meaning"], (guide?.AllExitCodes ?? VerbGuide.CommonExitCodes)
            .Select(pair => (Html[])[Html.Of($"{pair.Code}"), Html.Of($"{pair.Meaning}")]));
        Html[] sections =
        [
            Html.Of($"<p>{verb.Description}</p>\n<pre tabindex=\"0\"><code>{synopsis}</code></pre>\n"),
            Sections.Section("examples", "Examples", examples),
            Sections.Section("arguments", "Arguments", Sections.Table("arguments", ["Argument", "Meaning"], arguments.Select(argument =>
                (Html[])[Html.Of($"<code>{argument.Name}</code>"), Html.Of($"{argument.Description}")]))),
            Sections.Section("options", "Options", Options(verb.Options.Where(option => !option.Hidden))),
            Sections.Section("exit-codes", "Exit codes", codes),
        ];
        return new SitePage(PathOf(verb), SiteKind.Command, $"{App.Name} {verb.Name}", Html.Join(sections)) { Summary = verb.Description! };
    }

    private static Html Options(IEnumerable<Option> options) =>
        Sections.Table("options", ["Option", "Meaning"], options.Select(option => (Html[])
        [
            Html.Of($"<code id=\"{option.Name.TrimStart('-')}\">{string.Join(", ", ManualPage.NamesOf(option))}{ValueOf(option)}</code>"),
            Html.Of($"{option.Description}"),
        ]));

    private static string ValueOf(Option option) => option.HelpName is { } name && ValueNames.TakesValue(option) ? $" {name}" : "";
}
