namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>What became of the mutations of one format.</summary>
internal sealed class MutationTally
{
    private long _refused;
    private long _withFindings;
    private long _findings;
    private long _largest;
    private TimeSpan _longest;
    private TimeSpan _time;

    public long Mutations { get; private set; }

    public long OpenedFiles { get; private set; }

    /// <summary>Files whose own damage was mended.</summary>
    public long Mended { get; set; }

    public long RefusedFiles => _refused;

    public void Count(TimeSpan taken)
    {
        Mutations++;
        _time += taken;
        _longest = taken > _longest ? taken : _longest;
    }

    public void Opened(int findings)
    {
        OpenedFiles++;
        _findings += findings;
        _withFindings += findings > 0 ? 1 : 0;
    }

    public void Refused() => _refused++;

    public void Allocated(long bytes) => _largest = Math.Max(_largest, bytes);

    public void Add(MutationTally other)
    {
        Mutations += other.Mutations;
        OpenedFiles += other.OpenedFiles;
        Mended += other.Mended;
        _refused += other._refused;
        _findings += other._findings;
        _withFindings += other._withFindings;
        _largest = Math.Max(_largest, other._largest);
        _longest = other._longest > _longest ? other._longest : _longest;
        _time += other._time;
    }

    public override string ToString() =>
        $"{Mutations,9} mutations: {OpenedFiles,9} opened ({_withFindings} with {_findings} findings), {_refused,9} refused, {Mended} "
        + $"mended; opening allocated at most {_largest,9} bytes; at most {_longest.TotalMilliseconds,6:f1} ms of a processor, "
        + $"{_time.TotalSeconds:f0} s in all";
}
