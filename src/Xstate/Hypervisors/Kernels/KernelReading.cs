namespace Xstate.Hypervisors.Kernels;

/// <summary>How the name of a kernel was read. Every answer prints it.</summary>
/// <param name="Name">The kernel's name, as it was given or as <c>uname -r</c> prints it.</param>
/// <param name="Family">Id of the row of the table, <c>mainline</c>, or <c>none</c> where nothing fits.</param>
/// <param name="Title">The family for people: <c>Debian</c>.</param>
/// <param name="Base">The release of mainline or stable Linux that it is built from: <c>6.1.170</c>, a series, or a span.</param>
/// <param name="Confidence">measured, changelog, signature, source, inferred or assumed; <c>named</c> where the name says it
/// itself.</param>
internal sealed record KernelReading(string Name, string Family, string Title, string Base, string Confidence)
{
    /// <summary>Whether its distribution adds changes of later releases to the base.</summary>
    public bool HasBackports { get; init; }

    /// <summary>What else must be said of it, or null: newer than what is known, taken on trust.</summary>
    public string? Remark { get; init; }

    /// <summary>What finds out on that host, or null.</summary>
    public string? Check { get; init; }

    /// <summary><c>Debian 6.1.0-47-amd64 (6.1.170)</c>, without the remark.</summary>
    public string Text
    {
        get
        {
            string name = Title.Length == 0 ? Name : $"{Title} {Name}";
            string built = Name == Base || Name == $"linux-{Base}" ? "" : HasBackports ? $"{Base} with backports" : Base;
            string doubt = Confidence is "inferred" or "assumed" ? Confidence : "";
            string[] parts = [.. new[] { built, doubt }.Where(part => part.Length > 0)];
            return parts.Length == 0 ? name : $"{name} ({string.Join(", ", parts)})";
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Remark is null ? Text : $"{Text}: {Remark}";
}
