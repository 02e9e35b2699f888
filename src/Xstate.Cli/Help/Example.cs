namespace Xstate.Cli.Help;

/// <summary>A command line that shows what a verb is for.</summary>
/// <param name="Line">What follows the word xstate.</param>
/// <param name="Meaning">What it asks.</param>
internal sealed record Example(string Line, string Meaning);
