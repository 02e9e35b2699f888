using System.CommandLine;
using System.CommandLine.Parsing;
using Xstate.Artifacts;
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
    public static Command Create()
    {
        Argument<string[]> hosts = new("HOST")
        {
            Arity = ArgumentArity.ZeroOrMore,
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
                Description = "Records of VMs as JSON Lines or Parquet (docs/pool.md), in place of captures; - is standard input.",
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
        Option<string?> shard = new("--shard")
        {
            Description = "Take one share of the captures and records, such as 0/64 to 63/64, and write a part of the answer with -o.",
        };
        Option<string[]> merge = new("--merge")
        {
            Description = "Put the parts of all shards together, in place of HOST: files, directories, patterns.",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string?> output = OutputOption.Create("The directory for --emit, or the file for --shard.");
        Option<bool> force = new("--force") { Description = "Replace existing regular files." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        Command command = new("pool",
            "Say who can go where in a fleet, what all of its hosts can give guests, and what each host costs.") { hosts, captures, list,
            vms, upgrade, shard, merge, csv, emit, output, force };
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            string[] parts = parsed.GetValue(merge) ?? [];
            PoolShard? share = parsed.GetValue(shard) is { } text ? ParseShard(text) : null;
            RefuseTogether(parts.Length > 0, [hosts, captures, list, vms, shard], parsed);
            RefuseTogether(share is not null, [csv, emit, options.Json], parsed);
            if ((parsed.GetValue(emit) is not null || share is not null) != parsed.GetValue(output) is not null)
            {
                throw new UsageException("--emit needs -o DIR, --shard needs -o PART, and -o needs one of them");
            }

            KernelBehavior? kernel = parsed.GetValue(upgrade) is { } named ? KernelArgument.ParseOption(named) : null;
            RehearsalOptions rehearsal = restore.Read(parsed);
            Pool pool;
            IReadOnlyList<UnreadInput> unreadHosts;
            IReadOnlyList<UnreadInput> unread;
            if (parts.Length > 0)
            {
                (pool, unreadHosts, unread) = Merge(parts, rehearsal, kernel);
            }
            else
            {
                TargetHosts targets = OpenHosts(parsed.GetValue(hosts)!, restore, options, parsed);
                PoolBuilder builder = new(targets.All.Select(target => new PoolHost(target.Argument, target.Host)), rehearsal);
                List<string> files = FileTree.Expand(parsed.GetValue(captures) ?? []);
                files.AddRange(FileList.Read(parsed.GetValue(list)));
                PoolInputs inputs = new(builder, share ?? PoolShard.Whole);
                inputs.AddCaptures(files, parsed.GetValue(options.Format), GivenContext.Read(parsed, options));
                inputs.AddRecords(files.Count, parsed.GetValue(vms) ?? []);
                Session.Current.Progress?.Show("rehearsing moves");
                if (share is { } one)
                {
                    return WritePart(
                        new PoolPartFile(builder.ToPart(one, kernel))
                        {
                            Inputs = PoolInputs.KeyOf([.. files, .. parsed.GetValue(vms) ?? []], options.GivenTexts(parsed)),
                            UnreadHosts = targets.Unread,
                            UnreadCaptures = [.. inputs.UnreadCaptures],
                            Records = [.. inputs.Records],
                        },
                        parsed.GetValue(output)!,
                        parsed.GetValue(force));
                }

                (pool, unreadHosts, unread) = (builder.Build(), targets.Unread, inputs.Unread);
            }

            PoolAnswer answer = new(pool, pool.Changes(kernel), kernel is null ? null : pool.PlanUpgrade(kernel))
            {
                UnreadHosts = unreadHosts,
                UnreadCaptures = unread,
            };
            if (parsed.GetValue(emit) is { } kind)
            {
                PoolFiles.Write(pool, kind, parsed.GetValue(output)!, parsed.GetValue(force));
            }

            Tell(answer, parsed.GetValue(options.Json), parsed.GetValue(csv));
            return unread.Concat(unreadHosts).Aggregate(ExitCode.Fine, (worst, input) => ExitCode.Worse(worst, input.Exit));
        });
        return command;
    }

    private static TargetHosts OpenHosts(string[] given, RestoreOptions restore, CommonOptions options, ParseResult parsed)
    {
        string[] arguments = [.. given.SelectMany(HostArgument.Expand).Distinct()];
        if (arguments.Length == 0)
        {
            throw new UsageException("pool takes HOST, as often as wanted, or --merge PART");
        }

        TargetHosts targets = TargetHosts.Open(arguments, restore, options, parsed);
        return targets.All.IsEmpty
            ? throw new UsageException($"none of the hosts can be read: {targets.Unread[0].Argument}: {targets.Unread[0].Message}")
            : targets;
    }

    private static PoolShard ParseShard(string text) => PoolShard.TryParse(text, out PoolShard shard) ? shard
        : throw new UsageException($"--shard takes its number and how many there are, such as 0/64 to 63/64, not {Quotation.Cut(text)}");

    // What says nothing in this form of the verb is refused, and not passed over.
    private static void RefuseTogether(bool isForm, Symbol[] others, ParseResult parsed)
    {
        Symbol? given = isForm
            ? others.FirstOrDefault(other => parsed.GetResult(other) is { Tokens.Count: > 0 } or OptionResult { Implicit: false })
            : null;
        if (given is not null)
        {
            string form = given.Name is "--csv" or "--emit" or "--json" ? "--shard" : "--merge";
            throw new UsageException($"{given.Name} does not go with {form}");
        }
    }

    // A part of the answer: what a shard found out.
    private static int WritePart(PoolPartFile part, string output, bool force)
    {
        AtomicFile.Refuse(output, force);
        AtomicFile.Write(output, PoolPartWriter.Write(part), force);
        IEnumerable<UnreadInput> unread =
        [
            .. part.UnreadHosts, .. part.UnreadCaptures.Select(capture => capture.Input),
            .. part.Records.SelectMany(records => records.Unread),
        ];
        TellUnread(unread);
        long guests = part.Part.Groups.Sum(group => group.Count);
        Standard.Out.WriteLine(FormattableString.Invariant(
            $"shard {part.Part.Shard}: {guests} guests in {part.Part.Guests.Length} classes: written to {output}"));
        return unread.Aggregate(ExitCode.Fine, (worst, input) => ExitCode.Worse(worst, input.Exit));
    }

    private static (Pool Pool, IReadOnlyList<UnreadInput> Hosts, IReadOnlyList<UnreadInput> Captures) Merge(
        string[] arguments, RehearsalOptions options, KernelBehavior? upgrade)
    {
        List<string> names = FileTree.Expand(arguments);
        PoolPartFile[] parts = [.. names.Select(ReadPart)];
        PoolPart[] found = [.. parts.Select(part => part.Part)];
        string? obstacle = PoolMerge.FindObstacle(found, i => names[i], options, upgrade)
            ?? PoolPartFile.FindObstacle(parts, i => names[i]);
        return obstacle is null
            ? (PoolMerge.Merge(found, options), parts[0].UnreadHosts, PoolPartFile.UnreadOf(parts))
            : throw new UsageException(obstacle);
    }

    private static PoolPartFile ReadPart(string file)
    {
        using Stream stream = ArtifactInput.OpenStream(file);
        using MemoryStream bytes = new();
        byte[] buffer = new byte[1 << 20];
        for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > PoolPartReader.MaxLength)
            {
                throw new UsageException($"{file} is longer than {PoolPartReader.MaxLength} bytes, which no part is");
            }
        }

        try
        {
            return PoolPartReader.Read(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), Session.Current.Limits);
        }
        catch (MalformedArtifactException error)
        {
            // Of many parts it matters which.
            throw new IOException($"{file}: {error.Message}", error);
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
            PoolReport.WriteCsv(Standard.Records, answer);
        }
        else
        {
            PoolText.Write(Standard.Out, answer);
        }

        TellUnread(answer.UnreadHosts.Concat(answer.UnreadCaptures));
    }

    private static void TellUnread(IEnumerable<UnreadInput> inputs)
    {
        foreach (UnreadInput input in inputs)
        {
            Standard.Error.WriteLine($"xstate: {input.Argument}: {input.Message}");
        }
    }
}
