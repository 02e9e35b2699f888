namespace Xstate.Cli.Input;

/// <summary>How the answers for several files are printed.</summary>
internal enum BatchForm
{
    /// <summary>One line each; one file alone has its full text.</summary>
    Table,

    /// <summary>The full text of each.</summary>
    Details,

    /// <summary>One object, with the files in it where there are several.</summary>
    Json,

    /// <summary>One object a line.</summary>
    JsonLines,
}
