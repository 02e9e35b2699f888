namespace Xstate.Cli.Output;

/// <summary>Standard output as a byte stream for JSON; text goes through <see cref="Console.Out"/>.</summary>
internal static class Standard
{
    /// <summary>Writes one answer to standard output.</summary>
    public static void Write(Action<Stream> answer)
    {
        using Stream output = Console.OpenStandardOutput();
        answer(output);
    }
}
