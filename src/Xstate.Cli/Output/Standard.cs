namespace Xstate.Cli.Output;

/// <summary>
/// The standard streams of the run that the calling code belongs to. Nothing else in the command uses <see cref="Console"/>.
/// </summary>
internal static class Standard
{
    /// <summary>For reports in text.</summary>
    public static TextWriter Out => Session.Current.Report;

    /// <summary>For text whose lines are records, on a terminal too.</summary>
    public static TextWriter Records => Session.Current.Records;

    /// <summary>For messages.</summary>
    public static TextWriter Error => Session.Current.Error;

    /// <summary>For pages of this program itself, with nothing foreign in them.</summary>
    public static TextWriter Document => Session.Current.Document;

    /// <summary>Standard input.</summary>
    public static Stream Input => Session.Current.TakeInput();

    /// <summary>Writes one answer in JSON.</summary>
    public static void Write(Action<Stream> answer) => Session.Current.WriteAnswer(answer);
}
