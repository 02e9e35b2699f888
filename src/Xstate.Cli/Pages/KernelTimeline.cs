using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Cli.Pages;

/// <summary>Each named difference over the series of Linux, and in kernels that users run: what a page draws.</summary>
internal static class KernelTimeline
{
    private const int MaxKernels = 64;

    // The last minor number of a major one; the newest is that of KernelNames.
    private static readonly (int Major, int First, int Last)[] Majors =
        [(4, 18, 20), (5, 0, 19), (6, 0, 19), (7, 0, KernelNames.Newest.Minor)];

    /// <summary>Kernels of distributions that many hosts run, as <c>uname -r</c> prints them there.</summary>
    public static readonly string[] Landmarks =
    [
        "5.10.0-30-amd64", "6.1.0-47-amd64", "6.12.107+deb13-amd64", "5.4.0-216-generic", "5.15.0-91-generic", "6.5.0-41-generic",
        "6.8.0-60-generic",
        "4.18.0-553.el8_10.x86_64", "5.14.0-284.30.1.el9_2.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-570.12.1.el9_6.x86_64",
        "6.12.0-55.9.1.el10_0.x86_64", "5.15.0-205.149.5.1.el9uek.x86_64", "5.14.21-150500.55.39-default", "6.4.0-150600.23.25-default",
        "6.1.61-85.141.amzn2023.x86_64", "6.2.16-19-pve", "6.8.12-4-pve",
    ];

    /// <summary>The series that are drawn, oldest first.</summary>
    public static IEnumerable<KernelRelease> Series =>
        Majors.SelectMany(major =>
            Enumerable.Range(major.First, major.Last - major.First + 1).Select(minor => new KernelRelease(major.Major, minor)));

    /// <summary>What is known of a difference in a series: a letter for present, absent, in a part of its releases (m), unknown.</summary>
    public static char Over(KernelDifference difference, KernelRelease series)
    {
        Knowledge first = difference.Releases.Of(series with { Patch = 0 });
        Knowledge last = difference.Releases.Of(series);
        bool changes = first != last || difference.Releases.ChangesWithin(series.Major, series.Minor);
        return changes && first != Knowledge.Unknown ? 'm' : LetterOf(last);
    }

    /// <summary>Writes it.</summary>
    /// <param name="json">The data of the page.</param>
    /// <param name="asked">Kernels that the page's answers name; what is no kernel's name is left out.</param>
    public static void Write(Utf8JsonWriter json, IEnumerable<string> asked)
    {
        json.WriteStartObject("timeline");
        json.WriteStartArray("series");
        foreach (KernelRelease series in Series)
        {
            json.WriteStringValue(series.ToString());
        }

        json.WriteEndArray();
        json.WriteStartObject("rows");
        foreach (KernelDifference difference in KernelDifference.All)
        {
            json.WriteString(difference.Id, string.Concat(Series.Select(series => Over(difference, series))));
        }

        json.WriteEndObject();
        json.WriteStartArray("kernels");
        foreach (string name in asked.Take(MaxKernels).Concat(Landmarks).Distinct())
        {
            if (KernelNames.TryRead(name, new KernelEvidence(null, null, null), out KernelBehavior? kernel, out _))
            {
                WriteKernel(json, kernel);
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteKernel(Utf8JsonWriter json, KernelBehavior kernel)
    {
        StringBuilder known = new();
        foreach (KernelDifference difference in KernelDifference.All)
        {
            known.Append(CultureInfo.InvariantCulture, $"{LetterOf(kernel.Knows(difference))}");
        }

        json.WriteStartObject();
        json.WriteString("name", kernel.Reading.Name);
        json.WriteString("title", kernel.Reading.Title);
        json.WriteString("base", kernel.Reading.Base);
        json.WriteString("confidence", kernel.Reading.Confidence);
        json.WriteString("known", known.ToString());
        json.WriteEndObject();
    }

    private static char LetterOf(Knowledge knowledge) => knowledge switch { Knowledge.Present => 'p', Knowledge.Absent => 'a', _ => 'u' };
}
