using System.Collections.Immutable;

namespace Xstate.Cli.Input.Parquet;

/// <summary>A column: a leaf of the schema, below the field that gives it its name.</summary>
/// <param name="Name">The name of the field at the top.</param>
/// <param name="Type">How its values are stored.</param>
/// <param name="MaxDefinition">The definition level of a value that is there.</param>
/// <param name="Lists">Of each list around it the definition level from which on the list has an element.</param>
internal sealed record ParquetLeaf(string Name, ParquetType Type, int MaxDefinition, ImmutableArray<int> Lists)
{
    /// <summary>How many lists are around a value.</summary>
    public int Depth => Lists.Length;

    /// <summary>Whether a list is there, though it may be empty.</summary>
    /// <param name="list">Its number, 0 for the outermost.</param>
    /// <param name="definition">The definition level.</param>
    public bool HasList(int list, int definition) => definition >= Lists[list] - 1;
}
