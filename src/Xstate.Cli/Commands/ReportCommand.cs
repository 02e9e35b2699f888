using System.CommandLine;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Cli.Pages;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate report FILE… -o page.html</c>: answers as one HTML page, drawn to scale and complete in itself.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        Option<string[]> on = new("--on")
        {
            Description = "Also check the FILEs on these HOSTs, as check does, and draw each repair.",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<bool> asPool = new("--pool") { Description = "Also take the HOSTs of --on as a pool, with the FILEs as its captures." };
        Option<string[]> from = new("--from")
        {
            Description = "Take answers that were kept: what any verb prints with --json or --jsonl; - is standard input.",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string[]> explore = new("--explore")
        {
            Description = "Explore these PROTOCOLs of a world switch, as explore does, and draw each shortest sequence that breaks an "
                + "invariant.",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string> output = OutputOption.CreateRequired("The page, as open to others as the FILE that the fewest may read.");
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        BatchOptions batch = new(
            "States, CPUID dumps and host records, - for standard input, or --pid N for a running process.", options.Json);
        Command command = new("report", "Write a page about states, hosts or kept answers: one HTML file that needs no network.");
        batch.AddFilesTo(command);
        command.Add(on);
        command.Add(asPool);
        command.Add(from);
        command.Add(explore);
        command.Add(output);
        command.Add(force);
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            Request request = new(batch.Files(parsed), parsed.GetValue(from) ?? [], parsed.GetValue(explore) ?? [],
                parsed.GetValue(output)!, parsed.GetValue(force));
            string[] hosts = [.. (parsed.GetValue(on) ?? []).SelectMany(HostArgument.Expand)];
            request.Require(hosts, parsed.GetValue(asPool));
            AtomicFile.Refuse(request.Output, request.Force);
            TargetHosts? targets = hosts.Length == 0 ? null : TargetHosts.Open(hosts, restore, options, parsed);
            ReportAnswers answers = new(GivenContext.Read(parsed, options), parsed.GetValue(options.Format), restore.Read(parsed), targets);
            answers.AddKept(request.Kept);
            answers.AddExplored(request.Explored);
            answers.AddFiles(request.Files);
            if (parsed.GetValue(asPool))
            {
                answers.AddPool();
            }

            Write(request, answers, targets);
            Tell(request, answers, targets, parsed.GetValue(options.Json));
            return answers.Exit;
        });
        return command;
    }

    private static void Write(Request request, ReportAnswers answers, TargetHosts? targets) =>
        AtomicFile.Write(request.Output, stream => ReportPage.Write(stream, request.Title(targets), answers.Parts), request.Force,
            OutputMode.LikeAll([.. request.Files, .. request.Kept]));

    private static void Tell(Request request, ReportAnswers answers, TargetHosts? targets, bool json)
    {
        if (json)
        {
            Standard.Write(stream => JsonAnswer.Write(stream, "report", writer =>
            {
                writer.WriteString("output", request.Output);
                writer.WriteNumber("answers", answers.Parts.Count(part => part.RepairedFor is null));
                writer.WriteStartArray("unread");
                JsonAnswer.WriteUnread(writer, "argument", answers.Unread.Concat(targets?.Unread ?? []));
                writer.WriteEndArray();
            }));
            return;
        }

        int count = answers.Parts.Count(part => part.RepairedFor is null);
        Standard.Out.WriteLine($"wrote {request.Output}: {count} answer{(count == 1 ? "" : "s")}");
        foreach (UnreadInput input in answers.Unread)
        {
            Standard.Error.WriteLine($"xstate: {input.Argument}: {input.Message}");
        }

        targets?.TellUnread();
    }

    private sealed record Request(IReadOnlyList<string> Files, IReadOnlyList<string> Kept, IReadOnlyList<string> Explored,
        string Output, bool Force)
    {
        public void Require(string[] hosts, bool asPool)
        {
            if (Files.Count + Kept.Count + Explored.Count + hosts.Length == 0)
            {
                throw new UsageException("report needs FILE, --from with a kept answer, or --explore with a protocol");
            }

            if (hosts.Length == 0 && asPool)
            {
                throw new UsageException("--pool needs the HOSTs of the pool: --on HOST…");
            }

            if (hosts.Length > 0 && Files.Count == 0 && !asPool)
            {
                throw new UsageException("--on checks FILEs, and there is none; --pool makes a pool of the HOSTs");
            }
        }

        public string Title(TargetHosts? targets)
        {
            string hosts = targets is null ? "" : targets.All is [var one] ? $" on {one.Name}" : $" on {targets.All.Length} hosts";
            return Files.Count + Kept.Count + Explored.Count == 0 ? $"A pool of {targets?.All.Length ?? 0} hosts"
                : Files.Count + Kept.Count == 0 ? $"World switch {string.Join(", ", Explored)}"
                : Files is [var file] && Kept.Count == 0 ? $"{Path.GetFileName(Path.TrimEndingDirectorySeparator(file))}{hosts}"
                : Files.Count > 0 ? $"{Files.Count} files{hosts}"
                : Kept is [var answer] ? Path.GetFileName(answer) : $"{Kept.Count} kept answers";
        }
    }
}
