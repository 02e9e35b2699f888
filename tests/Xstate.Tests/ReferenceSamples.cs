namespace Xstate.Tests;

/// <summary>One type that refers to others in every way, for the test of <see cref="AssemblyReferences"/>.</summary>
internal static class ReferenceSamples
{
    internal class Base;

    internal sealed class Argument;

    internal sealed class Item;

    internal sealed class Held;

    [AttributeUsage(AttributeTargets.Class)]
    internal sealed class MarkAttribute : Attribute;

    internal static class Called
    {
        internal static int Count => 1;
    }

    [Mark]
    internal sealed class User : Base
    {
        internal Held? Kept { get; set; }

        internal int Use(Argument argument)
        {
            List<Item> items = [];
            return argument.GetHashCode() + items.Count + Called.Count;
        }
    }
}
