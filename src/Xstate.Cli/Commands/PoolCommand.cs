using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate pool HOST…</c>: who can go where in a fleet, what all hosts can give, and what each of them costs.</summary>
internal static class PoolCommand
{
    private const int MaxBadLines = 10;
    private const int LinesOfProgress = 10_000;

    public static Command Create()
    {
        Argument<string[]> hosts = new("HOST")
        {
            Arity = ArgumentArity.OneOrMore,
            Description = $"Host records, CPUID dumps or 'local', with @linux-X.Y behind each to name the kernel. {FileTree.Rules}",
        };
        Option<string[]> captures = new("--captures")
        {
            Description = "States of the VMs of the fleet: files, directories, patterns.",
            AllowMultipleArgumentsPerToken = true
        };
        Option<string?> list =
            new("--captures-from")
            {
                Description = "Also take the captures of a list: a name a line, or each ended by a zero byte; - is "
                + "standard input."
            };
        Option<string[]> vms =
            new("--vms")
            {
                Description = "Records of VMs as JSON Lines (docs/pool.md), in place of captures; - is standard input.",
                AllowMultipleArgumentsPerToken = true
            };
        Option<string?> upgrade =
            new("--upgrade-to")
            {
                Description = "Look for an order in which all hosts can get this kernel, one class at a time, without "
                + "stranding a VM."
            };
        Option<bool> csv = new("--csv") { Description = "Print the matrix as CSV." };
        Option<string?> emit =
            new("--emit")
            {
                Description = "Write for each class of hosts what gives guests the CPUID that all can have, or labels them: "
                + $"{string.Join(", ", PoolFiles.Kinds)}."
            };
        Option<string?> output = OutputOption.Create("The directory for --emit.");
        Option<bool> force = new("--force") { Description = "Replace existing regular files." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        Command command = new("pool",
            "Say who can go where in a fleet, what all of its hosts can give guests, and what each host costs.") { hosts, captures, list,
            vms, upgrade, csv, emit, output, force };
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            if (parsed.GetValue(emit) is null != parsed.GetValue(output) is null)
            {
                throw new UsageException("--emit needs -o DIR, and -o needs --emit");
            }

            KernelBehavior? kernel = parsed.GetValue(upgrade) is { } named ? KernelArgument.ParseOption(named) : null;
            string[] arguments = [.. parsed.GetValue(hosts)!.SelectMany(HostArgument.Expand).Distinct()];
            RehearsalOptions rehearsal = restore.Read(parsed);
            GivenContext given = GivenContext.Read(parsed, options);
            TargetHosts targets = TargetHosts.Open(arguments, restore, options, parsed);
            if (targets.All.IsEmpty)
            {
                throw new UsageException($"none of the hosts can be read: {targets.Unread[0].Argument}: {targets.Unread[0].Message}");
            }

            PoolBuilder builder = new(targets.All.Select(target => new PoolHost(target.Argument, target.Host)), rehearsal);
            List<string> files = FileTree.Expand(parsed.GetValue(captures) ?? []);
            files.AddRange(FileList.Read(parsed.GetValue(list)));
            List<UnreadInput> unread = AddCaptures(builder, files, parsed.GetValue(options.Format), given);
            unread.AddRange((parsed.GetValue(vms) ?? []).SelectMany(file => AddRecords(builder, file)));
            Session.Current.Progress?.Show("rehearsing moves");
            Pool pool = builder.Build();
            PoolAnswer answer = new(pool, pool.Changes(kernel), kernel is null
                ? null : pool.PlanUpgrade(kernel))
            { UnreadHosts = targets.Unread, UnreadCaptures = unread };
            if (parsed.GetValue(emit) is { } kind)
            {
                PoolFiles.Write(pool, kind, parsed.GetValue(output)!, parsed.GetValue(force));
            }

            Tell(answer, parsed.GetValue(options.Json), parsed.GetValue(csv));
            return unread.Concat(targets.Unread).Aggregate(ExitCode.Fine, (worst, input) => ExitCode.Worse(worst, input.Exit));
        });
        return command;
    }

    private static List<UnreadInput> AddCaptures(PoolBuilder builder, List<string> files, string? format, GivenContext given)
    {
        List<UnreadInput> unread = [];
        ProgressLine? progress = Session.Current.Progress;
        for (int i = 0; i < files.Count; i++)
        {
            progress?.Show($"{i} of {files.Count} captures");
            try
            {
                Artifact artifact = ArtifactInput.Open(files[i], format);
                Capture capture = artifact.Capture
                    ?? throw new UsageException($"{files[i]} is {artifact.Format}, which holds no extended state");
                builder.Add(files[i], given.ApplyTo(capture));
            }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Failure failure = Failure.OfOne(error);
                unread.Add(new UnreadInput(files[i], failure.Exit, failure.Message));
            }
        }

        return unread;
    }

    // A line that is none is told, and the next ones are read.
    private static List<UnreadInput> AddRecords(PoolBuilder builder, string file)
    {
        List<UnreadInput> unread = [];
        long bad = 0;
        try
        {
            using Stream stream = ArtifactInput.OpenStream(file);
            ProgressLine? progress = Session.Current.Progress;
            VmRecordReader reader = new(stream);
            while (ReadRecord(builder, reader) is var (more, problem) && (more || problem is not null))
            {
                if (problem is not null && ++bad <= MaxBadLines)
                {
                    unread.Add(new UnreadInput(file, ExitCode.UnreadableInput, problem));
                }

                if (reader.Line % LinesOfProgress == 0)
                {
                    progress?.Show($"{reader.Line} records");
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            unread.Add(new UnreadInput(file, ExitCode.UnreadableInput, error.Message));
        }

        if (bad > MaxBadLines)
        {
            unread.Add(new UnreadInput(file, ExitCode.UnreadableInput, $"{bad - MaxBadLines} more lines are no records"));
        }

        return unread;
    }

    private static (bool More, string? Problem) ReadRecord(PoolBuilder builder, VmRecordReader reader)
    {
        try
        {
            if (reader.Read() is not { } record)
            {
                return (false, null);
            }

            builder.Add(record, reader.Cpuids);
            return (true, null);
        }
        catch (VmRecordException error)
        {
            return (true, error.Message);
        }
        catch (ArgumentException error) when (error.ParamName == "record")
        {
            return (true, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"line {reader.Line}: {error.Message}"));
        }
    }

    private static void Tell(PoolAnswer answer, bool json, bool csv)
    {
        if (json)
        {
            Standard.Write(output => JsonAnswer.Write(output, "pool", writer => PoolReport.WriteFields(writer, answer)));
            return;
        }

        if (csv)
        {
            PoolReport.WriteCsv(Standard.Out, answer);
        }
        else
        {
            PoolText.Write(Standard.Out, answer);
        }

        foreach (UnreadInput input in answer.UnreadHosts.Concat(answer.UnreadCaptures))
        {
            Standard.Error.WriteLine($"xstate: {input.Argument}: {input.Message}");
        }
    }
}
