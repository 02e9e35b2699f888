namespace Xstate.Reports;

/// <summary>What a piece of a report's text is, for an output that tells it by more than its words.</summary>
internal enum TextMark
{
    /// <summary>Text like any other.</summary>
    None,

    /// <summary>What a part of the answer is about.</summary>
    Heading,

    /// <summary>An answer that needs nothing done: the same, holds.</summary>
    Fine,

    /// <summary>A verdict that is open or can be made good, and the severity of a warning.</summary>
    Doubtful,

    /// <summary>A verdict that says no, and the severity of an error.</summary>
    Wrong,

    /// <summary>What can harm a host.</summary>
    Dangerous,

    /// <summary>The severity of a remark.</summary>
    Remark,

    /// <summary>What is there for whoever looks closer.</summary>
    Aside,

    /// <summary>What to do, or to type, next.</summary>
    Next,

    /// <summary>A line to type, which is never broken.</summary>
    Command,

    /// <summary>A name or a path, which is never broken.</summary>
    Name,
}
