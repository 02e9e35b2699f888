namespace Xstate.Reports;

/// <summary>What a <see cref="TextWriter"/> also is when somebody asked it for everything, whether it lays reports out or not.</summary>
internal interface ITextDetail
{
    /// <summary>Whether lists are written to their end, however long they are.</summary>
    bool ListsAll { get; }
}
