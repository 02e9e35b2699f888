using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.HostFile;

/// <summary>Writes Xstate's host record.</summary>
internal static class HostFileWriter
{
    /// <summary>The record as UTF-8 JSON; for one that this writer wrote and the reader read, the same bytes.</summary>
    public static byte[] Write(HostRecord host)
    {
        ArgumentNullException.ThrowIfNull(host);
        using JsonOutput output = new();
        output.Writer.WriteStartObject();
        output.Writer.WriteString("format", HostFileReader.Format);
        output.Writer.WriteNumber("version", JsonEnvelope.Version);
        HostFields.Write(output, host);
        output.Writer.WriteEndObject();
        return output.ToBytes();
    }
}
