using System.CommandLine;
using System.CommandLine.Invocation;

namespace Xstate.Cli.Help;

/// <summary>Prints <see cref="VersionText"/>.</summary>
internal sealed class VersionAction : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine(VersionText.Line);
        return ExitCode.Fine;
    }
}
