namespace Xstate.Cli;

/// <summary>The documented exit codes of every verb.</summary>
internal static class ExitCode
{
    /// <summary>Fine.</summary>
    public const int Fine = 0;

    /// <summary>Findings of severity error.</summary>
    public const int Findings = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>An input cannot be read as what it should be.</summary>
    public const int UnreadableInput = 3;

    /// <summary>The kernel or the machine refused.</summary>
    public const int MachineRefused = 4;

    /// <summary>Standard output or an output file cannot be written.</summary>
    public const int OutputFailed = 5;

    /// <summary>Something that nobody foresaw: a defect of the command itself (EX_SOFTWARE of sysexits).</summary>
    public const int Internal = 70;

    // What the kernel refused is an answer of a kind; what could not be read is none.
    private static readonly int[] ByWeight = [Fine, Findings, MachineRefused, UnreadableInput, Usage, OutputFailed, Internal];

    /// <summary>The exit code of several answers: the worst of theirs.</summary>
    public static int Worse(int one, int other) => Array.IndexOf(ByWeight, one) > Array.IndexOf(ByWeight, other) ? one : other;
}
