namespace Xstate.Fleet;

/// <summary>Reads VM records into a pool, one at a time; what is wrong with one is told, and the next ones are read.</summary>
internal static class VmRecordFeed
{
    /// <summary>Reads the next record and adds it.</summary>
    /// <param name="reader">Where records come from.</param>
    /// <param name="builder">Where they go.</param>
    /// <param name="added">The record with its class; null where there is a problem.</param>
    /// <param name="problem">What is wrong with the line that was read, with its number; null when nothing is.</param>
    /// <param name="place">The place of the file among the inputs of all shards.</param>
    /// <returns>False at the end.</returns>
    public static bool TryAddNext(
        VmRecordReader reader, PoolBuilder builder, out (VmRecord Record, GuestClass Class)? added, out string? problem, long place = 0)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(builder);
        (added, problem) = (null, null);
        try
        {
            if (reader.Read() is not { } record)
            {
                return false;
            }

            if (builder.ObstacleTo(record) is { } obstacle)
            {
                throw new VmRecordException(reader.Line, obstacle);
            }

            builder.Place = place + reader.Line;
            added = (record, builder.Add(record, reader.Cpuids));
        }
        catch (VmRecordException error)
        {
            problem = error.Message;
        }

        return true;
    }
}
