using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.HostFile;

/// <summary>Reads Xstate's host record: JSON with <c>"format": "xstate-host"</c> (docs/schemas/host.schema.json).</summary>
public static class HostFileReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "xstate-host";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => JsonEnvelope.Recognizes(head, Format);

    /// <summary>Reads the record. Unknown members are errors: a record that says more than this version understands must not be half believed.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are not such a record, or a limit is exceeded.</exception>
    public static HostRecord Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonEnvelope.Check(json, Format);
        JsonCursor cursor = new(json, Format, limits);
        HostRecord host = HostFields.Read(ref cursor, isDocument: true);
        cursor.End();
        return host;
    }
}
