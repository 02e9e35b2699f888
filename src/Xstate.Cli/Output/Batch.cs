using System.Text.Json;
using Xstate.Artifacts;
using Xstate.Cli.Input;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>
/// Answers for one FILE after the other, each printed before the next is opened. What is wrong with one is its answer, and the others go
/// on; one FILE alone answers and fails as if there were no others.
/// </summary>
/// <param name="verb">The verb, for JSON.</param>
/// <param name="files">The FILEs.</param>
/// <param name="form">How answers are printed.</param>
internal sealed class Batch(string verb, IReadOnlyList<string> files, BatchForm form)
{
    private static readonly (string Head, int Width) File = ("FILE", 0);

    // Of what is wrong with a file; --details and JSON have all of it.
    private const int MaxMessage = 100;

    private int _unread;

    /// <summary>Columns of the table behind FILE, and how wide their cells are expected to be; the last one says why.</summary>
    public required IReadOnlyList<(string Head, int Width)> Columns { get; init; }

    /// <summary>The column that says <c>error</c> of a FILE without an answer.</summary>
    public int VerdictColumn { get; init; }

    /// <summary>Whether one FILE alone is a table too, because there are several lines of it.</summary>
    public bool IsTable { get; init; }

    /// <summary>Answers for all.</summary>
    /// <param name="answer">Answers for one.</param>
    /// <returns>The worst exit code.</returns>
    public int Run(Func<string, FileAnswer> answer) => files.Count == 1 && form != BatchForm.JsonLines
        ? RunOne(answer(files[0])) : RunAll(answer);

    private int RunOne(FileAnswer answer)
    {
        if (form == BatchForm.Json)
        {
            Standard.Write(output => JsonAnswer.Write(output, verb, answer.Json));
        }
        else if (form == BatchForm.Table && IsTable)
        {
            WriteRows(CreateTable(), files[0], answer.Rows);
        }
        else
        {
            answer.Text(Standard.Out);
        }

        return answer.Exit;
    }

    private int RunAll(Func<string, FileAnswer> answer)
    {
        int exit = ExitCode.Fine;
        int leftOut = 0;
        ProgressLine? progress = Session.Current.Progress;
        if (form == BatchForm.Json)
        {
            Standard.Write(output => JsonAnswer.WriteFiles(output, verb, Answers().Select(one => one.Answer.Json)));
            return WithoutAny(exit, leftOut);
        }

        TextTable? table = form == BatchForm.Table ? CreateTable() : null;
        foreach ((string file, FileAnswer one) in Answers())
        {
            if (form == BatchForm.JsonLines)
            {
                Standard.Write(output => JsonAnswer.WriteLine(output, verb, one.Json));
            }
            else if (table is not null)
            {
                WriteRows(table, file, one.Rows);
            }
            else
            {
                one.Text(Standard.Out);
            }

            if (Session.Current.Streams.IsOutputTerminal)
            {
                Session.Current.Flush();
            }
        }

        if (_unread > 0 && form is BatchForm.Table or BatchForm.Details)
        {
            Standard.Error.WriteLine($"xstate: {_unread} of {files.Count} files have no answer");
        }

        return WithoutAny(exit, leftOut);

        IEnumerable<(string File, FileAnswer Answer)> Answers()
        {
            for (int i = 0; i < files.Count; i++)
            {
                progress?.Show($"{i} of {files.Count} files");
                if (AnswerOf(files[i], answer) is not { } one)
                {
                    leftOut++;
                    continue;
                }

                exit = ExitCode.Worse(exit, one.Exit);
                yield return (files[i], one);
            }
        }
    }

    // Directories in which there is nothing but other files were not what somebody meant.
    private int WithoutAny(int exit, int leftOut)
    {
        if (leftOut < files.Count)
        {
            return exit;
        }

        Standard.Error.WriteLine($"xstate: none of the {files.Count} files is an artifact");
        return ExitCode.UnreadableInput;
    }

    // Whatever one FILE does to its reader, the others are answered; a defect of ours is said, with its own exit code.
    private FileAnswer? AnswerOf(string file, Func<string, FileAnswer> answer)
    {
        try
        {
            return answer(file);
        }
        catch (MalformedArtifactException error) when (Session.Current.LeftOut.Takes(file, error))
        {
            return null;
        }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Failure failure = Failure.OfOne(error);
            _unread++;
            string[] cells = new string[Columns.Count];
            Array.Fill(cells, "");
            cells[VerdictColumn] = "error";
            cells[^1] = Quotation.Cut(failure.Message, MaxMessage);
            return new FileAnswer(failure.Exit)
            {
                Json = json => WriteError(json, file, failure),
                Text = _ => Standard.Error.WriteLine($"xstate: {file}: {failure.Message}"),
                Rows = [cells],
            };
        }
    }

    private static void WriteError(Utf8JsonWriter json, string file, Failure failure)
    {
        json.WriteString("file", file);
        JsonAnswer.WriteError(json, failure.Exit, failure.Message);
    }

    private TextTable CreateTable() => new(Standard.Out, [File with { Width = files.Max(file => file.Length) }, .. Columns]);

    private static void WriteRows(TextTable table, string file, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        foreach (IReadOnlyList<string> row in rows)
        {
            table.Write([file, .. row]);
        }
    }
}
