using System.Globalization;
using Xstate.Fleet;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>The answer of <c>pool</c> as text of 80 columns.</summary>
internal static class PoolText
{
    private const int Width = 80;
    private const int MatrixClasses = 24;
    private const int MaxListed = 20;
    private const int RowHead = 6;
    private const int CellWidth = 3;

    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, PoolAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        Pool pool = answer.Pool;
        long guests = pool.Groups.Sum(group => group.Count);
        string what = guests == 0 ? "the fullest guest of each class is moved"
            : $"{Counted(guests, "guest")} in {Counted(pool.Guests.Length, "class", "classes")}";
        Wrapped(output, "",
            $"{Counted(pool.HostCount, "host")} in {Counted(pool.Classes.Length, "class", "classes")}; {what}; "
            + $"{Counted(pool.Rehearsed, "restore")} rehearsed");
        output.WriteLine();
        WriteClasses(output, pool);
        WriteCommon(output, pool);
        WriteMatrix(output, pool);
        WriteCosts(output, pool);
        WritePinned(output, pool);
        WriteChanges(output, answer.Changes);
        if (answer.Upgrade is { } plan)
        {
            WriteUpgrade(output, plan);
        }
    }

    private static void WriteClasses(TextWriter output, Pool pool)
    {
        TextTable table = new(output, [("CLASS", 5), ("XCR0", 8), ("XSS", 6),
            ("KERNEL", pool.Classes.Max(one => one.Host.Behavior.Reading.Name.Length)), ("HOSTS", 0)]);
        foreach (HostClass one in pool.Classes)
        {
            table.Write([Number(one.Id), Range(one.Offer, offer => offer.Xcr0.ToString()), Range(one.Offer, offer => offer.Xss.ToString()),
                one.Host.Behavior.Reading.Name, Names(one)]);
        }
    }

    private static void WriteCommon(TextWriter output, Pool pool)
    {
        output.WriteLine();
        Wrapped(output, "",
            $"all can give: XCR0 {pool.Common.Lower.Xcr0.Describe()}, IA32_XSS {pool.Common.Lower.Xss.Describe()}, "
            + $"{pool.Common.Lower.Features.Count} CPU features");
        if (!pool.Common.IsKnown)
        {
            GuestOffer more = pool.Common.Upper.Except(pool.Common.Lower);
            Wrapped(output, "", $"perhaps also, if what is not known of kernels turns out well: {Describe(more)}");
        }
    }

    private static void WriteMatrix(TextWriter output, Pool pool)
    {
        output.WriteLine();
        if (pool.Classes.Length > MatrixClasses)
        {
            Wrapped(output, "",
                $"who can go where: {pool.Classes.Length} classes are too many for a page; --csv and --json have the matrix");
            return;
        }

        Wrapped(output, "", "who can go where, from row to column (= same, r repairable, ? unknown, d differs, x refused, ! dangerous)");
        int most = output is ITextLayout layout ? (layout.Width - RowHead) / CellWidth : MatrixClasses;
        foreach (HostClass[] to in pool.Classes.Chunk(most))
        {
            output.WriteLine($"  from{string.Concat(to.Select(one => Number(one.Id).PadLeft(CellWidth)))}");
            HashSet<int> columns = [.. to.Select(one => one.Id)];
            foreach (IGrouping<int, PoolMove> row in pool.Matrix.Where(move => columns.Contains(move.To.Id)).GroupBy(move => move.From.Id))
            {
                output.Write($"  {Number(row.Key),4}");
                foreach (PoolMove move in row)
                {
                    output.Write("  ");
                    output.Mark(TextLayouts.MarkOf(move.Outcome.Verdict), $"{Sign(move.Outcome.Verdict)}");
                }

                output.WriteLine();
            }
        }
    }

    private static void WriteCosts(TextWriter output, Pool pool)
    {
        foreach (PoolCost cost in pool.Costs)
        {
            output.WriteLine();
            string verb = cost.IsCertain ? "alone takes" : "alone takes, perhaps,";
            Wrapped(output, "  ",
                $"class {Number(cost.Class.Id)} ({Names(cost.Class)}) {verb} {Describe(cost.Offer)} from {cost.Others} of {cost.All} "
                + "hosts");
        }
    }

    private static void WritePinned(TextWriter output, Pool pool)
    {
        output.WriteLine();
        if (pool.Pinned.IsEmpty)
        {
            output.WriteLine("no guest is pinned to its host");
            return;
        }

        output.WriteLine($"pinned: no other host takes them the same, as they are or repaired");
        foreach (PinnedGuests pinned in pool.Pinned.Take(MaxListed))
        {
            string who = pinned.Group.Count == 0
                ? "the fullest guest" : $"{Counted(pinned.Group.Count, "guest")} ({FindingText.Listed(pinned.Group.Names)})";
            string where = pinned.Group.Home is { } home ? $" on class {Number(home.Id)}" : "";
            string[] by = [.. Parts(pinned)];
            Wrapped(output, "  ",
                $"{who}{where}{(pinned.IsCertain ? "" : ", perhaps")}: "
                + $"{(by.Length == 0 ? "there is no other host" : string.Join("; ", by))}");
        }

        if (pool.Pinned.Length > MaxListed)
        {
            output.WriteLine($"  and {pool.Pinned.Length - MaxListed} more groups (--json lists them)");
        }
    }

    private static IEnumerable<string> Parts(PinnedGuests pinned)
    {
        if (!pinned.Components.IsEmpty)
        {
            yield return pinned.Components.Describe();
        }

        if (!pinned.Features.IsEmpty)
        {
            yield return FindingText.Listed(pinned.Features);
        }

        if (!pinned.Differences.IsEmpty)
        {
            yield return FindingText.Listed(pinned.Differences);
        }

        if (!pinned.Rules.IsEmpty)
        {
            yield return FindingText.Listed(pinned.Rules);
        }
    }

    private static void WriteChanges(TextWriter output, IReadOnlyList<PoolChange> changes)
    {
        if (changes.Count == 0)
        {
            return;
        }

        output.WriteLine();
        output.WriteLine("changes, the one that frees most first");
        foreach (PoolChange change in changes.Take(MaxListed))
        {
            string freed = change.Frees == change.MayFree ? $"frees {change.Frees}" : $"frees {change.Frees} to {change.MayFree}";
            string text = change.Kind switch
            {
                PoolChangeKind.Hide =>
                    $"hide {Describe(change.Offer)} from guests of class {Number(change.Class.Id)}: {freed}, starts {change.Touches} anew",
                PoolChangeKind.Upgrade =>
                    $"upgrade class {Number(change.Class.Id)} to {change.Kernel}: {freed}, touches {Counted(change.Touches, "host")}",
                _ =>
                    $"retire class {Number(change.Class.Id)} ({Counted(change.Touches, "host")}): all others can give "
                    + $"{Describe(change.Offer)}",
            };
            Wrapped(output, "  ", text);
        }
    }

    private static void WriteUpgrade(TextWriter output, UpgradePlan plan)
    {
        output.WriteLine();
        string text = plan.Answer switch
        {
            UpgradeAnswer.Order when plan.Steps.IsEmpty => $"{plan.Kernel} changes nothing for any class",
            UpgradeAnswer.Order => $"upgrades to {plan.Kernel} that strand nobody, {Counted(plan.Touches, "host")}:",
            UpgradeAnswer.Unknown =>
                $"upgrades to {plan.Kernel} that strand nobody if what is not known turns out well; for sure there is no order:",
            UpgradeAnswer.None =>
                $"there is no order of upgrades to {plan.Kernel} that strands nobody: all {Counted(plan.Looked, "set")} of upgraded "
                + "classes that can be reached were looked at",
            _ =>
                $"no order of upgrades to {plan.Kernel} was found among {Counted(plan.Looked, "set")} of upgraded classes; there are "
                + "more than can be tried",
        };
        Wrapped(output, "", text);
        for (int i = 0; i < plan.Steps.Length; i++)
        {
            Wrapped(output, "  ", $"{i + 1}. class {Number(plan.Steps[i].Id)}: {Names(plan.Steps[i])}");
        }

        foreach (UpgradeObstacle obstacle in plan.Obstacles.Take(MaxListed))
        {
            string before = obstacle.Upgraded.IsEmpty
                ? "first" : $"after {string.Join(", ", obstacle.Upgraded.Select(one => Number(one.Id)))}";
            Wrapped(output, "  ",
                $"class {Number(obstacle.Next.Id)} {before} strands {Counted(obstacle.Strands.Length, "group")} of guests, such as those "
                + $"on class {obstacle.Strands[0].Home?.Id.ToString(CultureInfo.InvariantCulture) ?? "?"}");
        }
    }

    private static char Sign(Verdict verdict) => verdict switch
    {
        Verdict.Same => '=',
        Verdict.Unknown => '?',
        Verdict.Repairable => 'r',
        Verdict.Differs => 'd',
        Verdict.Refused => 'x',
        Verdict.Dangerous => '!',
        _ => throw new ArgumentOutOfRangeException(nameof(verdict)),
    };

    private static string Describe(GuestOffer offer)
    {
        string[] features = [.. offer.FeatureNames];
        string[] parts =
        [
            .. offer.Xcr0.IsEmpty ? [] : new[] { offer.Xcr0.Describe() },
            .. offer.Xss.IsEmpty ? [] : new[] { offer.Xss.Describe() },
            .. features.Length == 0 ? [] : new[] { features.Length <= 12
                ? string.Join(", ", features)
                : $"{string.Join(", ", features.Take(12))} and {Counted(features.Length - 12, "more feature")}" },
        ];
        return string.Join(" and ", parts);
    }

    private static string Range(OfferRange range, Func<GuestOffer, string> text) => text(range.Lower) == text(range.Upper)
        ? text(range.Lower) : $"{text(range.Lower)}?";

    private static string Names(HostClass one)
    {
        const int most = 4;
        string more = one.Hosts.Length > most ? $" and {one.Hosts.Length - most} more" : "";
        return string.Join(", ", one.Hosts.Take(most).Select(host => Path.GetFileName(host.Argument))) + more;
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Counted(long count, string one, string? several = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:#,0} {(count == 1 ? one : several ?? one + "s")}");

    private static void Wrapped(TextWriter output, string indent, string text)
    {
        if (output is ITextLayout layout)
        {
            layout.GoOnAt(indent.Length + 2);
            output.WriteLine(indent + text);
            return;
        }

        string line = indent;
        foreach (string word in text.Split(' '))
        {
            if (line.Length + word.Length > Width && line.Trim().Length > 0)
            {
                output.WriteLine(line.TrimEnd());
                line = $"{indent}  ";
            }

            line += $"{word} ";
        }

        output.WriteLine(line.TrimEnd());
    }
}
