namespace Xstate.Reports;

/// <summary>
/// What a <see cref="TextWriter"/> also is when it lays a report out for somebody who sees it: reports write the same text to every writer,
/// and tell this one besides what pieces of it are and where a line that is too long goes on.
/// </summary>
internal interface ITextLayout
{
    /// <summary>Cells of a line.</summary>
    int Width { get; }

    /// <summary>Whether more than ASCII is shown, so that drawings can be made of blocks.</summary>
    bool IsUnicode { get; }

    /// <summary>Whether lists are written to their end, however long they are.</summary>
    bool ListsAll { get; }

    /// <summary>Cells that a text takes.</summary>
    int Measure(string text);

    /// <summary>Writes a piece of a line.</summary>
    /// <param name="mark">What it is.</param>
    /// <param name="text">The piece.</param>
    void Write(TextMark mark, string text);

    /// <summary>Says that what follows on this line is one text: where the line is too long, it goes on below its beginning.</summary>
    void Hang();

    /// <summary>Says in which column this line goes on where it is too long; without it, a little behind its beginning.</summary>
    void GoOnAt(int column);
}
