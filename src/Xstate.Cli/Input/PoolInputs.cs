using System.Security.Cryptography;
using System.Text;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Output;
using Xstate.Fleet;
using Xstate.Reports;

namespace Xstate.Cli.Input;

/// <summary>The captures and the VM records of a pool, as they are read into its builder; what cannot be read is kept to be told.</summary>
internal sealed class PoolInputs
{
    private const int LinesOfProgress = 10_000;

    // Places of inputs: the number of the file above, that of the line below.
    private const int LineBits = 40;

    private readonly PoolBuilder _builder;
    private readonly PoolShard _shard;

    /// <summary>Inputs of a pool.</summary>
    /// <param name="builder">Where they go.</param>
    /// <param name="shard">Which of them are taken.</param>
    public PoolInputs(PoolBuilder builder, PoolShard shard)
    {
        _builder = builder;
        _shard = shard;
    }

    /// <summary>Captures that could not be read, with their places.</summary>
    public List<(long Place, UnreadInput Input)> UnreadCaptures { get; } = [];

    /// <summary>Files of VM records, with what is wrong with them.</summary>
    public List<RecordFile> Records { get; } = [];

    /// <summary>All that could not be read, in the order of the inputs.</summary>
    public IReadOnlyList<UnreadInput> Unread =>
        [.. UnreadCaptures.Select(capture => capture.Input), .. Records.SelectMany(records => records.Unread)];

    /// <summary>Reads captures.</summary>
    public void AddCaptures(IReadOnlyList<string> files, string? format, GivenContext given)
    {
        ProgressLine? progress = Session.Current.Progress;
        for (int i = _shard.Index; i < files.Count; i += _shard.Count)
        {
            progress?.Show($"{i} of {files.Count} captures");
            _builder.Place = (long)i << LineBits;
            try
            {
                Artifact artifact = ArtifactInput.Open(files[i], format);
                Capture capture = artifact.Capture
                    ?? throw new UsageException($"{files[i]} is {artifact.Format}, which holds no extended state");
                _builder.Add(files[i], given.ApplyTo(capture));
            }
            catch (MalformedArtifactException error) when (Session.Current.LeftOut.Takes(files[i], error))
            {
                // It is told at the end of the run.
            }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Failure failure = Failure.OfOne(error);
                UnreadCaptures.Add(((long)i << LineBits, new UnreadInput(files[i], failure.Exit, failure.Message)));
            }
        }
    }

    /// <summary>A text that is equal for runs with the same inputs by name, and the same words about them.</summary>
    public static string KeyOf(IEnumerable<string> files, IEnumerable<string> given) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', files.Append("").Concat(given)))));

    /// <summary>Reads files of VM records. A line that is none is told, and the next ones are read.</summary>
    /// <param name="before">How many inputs come before them.</param>
    /// <param name="files">The files.</param>
    public void AddRecords(int before, IReadOnlyList<string> files)
    {
        for (int i = 0; i < files.Count; i++)
        {
            AddRecords(files[i], before + i);
        }
    }

    private void AddRecords(string file, int number)
    {
        RecordFile records = new(file);
        long lines = 0;
        try
        {
            using Stream stream = VmRecordFile.Open(file);
            ProgressLine? progress = Session.Current.Progress;
            VmRecordReader reader = new(stream, _shard);
            while (VmRecordFeed.TryAddNext(reader, _builder, out _, out string? problem, (long)number << LineBits))
            {
                records = problem is null ? records : records.With(reader.Line, problem);
                if (reader.Line % LinesOfProgress == 0)
                {
                    progress?.Show($"{reader.Line} records");
                }

                lines = reader.Line;
            }

            lines = reader.Line - 1;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or MalformedArtifactException)
        {
            records = records with { Failure = error.Message };
        }

        Records.Add(records with { Lines = lines });
    }
}
