using System.Diagnostics.CodeAnalysis;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>
/// Looks the base of a CPU model up in libvirt's CPU map, a directory with one file for each model (<c>/usr/share/libvirt/cpu_map</c>).
/// </summary>
internal static class CpuMap
{
    // A model's base can have a base of its own; in libvirt's map none does.
    private const int MaxBases = 8;

    /// <summary>The model with all features of its base, which its provenance names with the file.</summary>
    /// <param name="model">A model; one without a base stays as it is.</param>
    /// <param name="open">Opens a file of the map by name; null where there is none.</param>
    /// <param name="complete">The model.</param>
    /// <param name="obstacle">Why there is none.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="MalformedArtifactException">A file of the map is not what it should be.</exception>
    public static bool TryComplete(CpuModel model, Func<string, Stream?> open, [NotNullWhen(true)] out CpuModel? complete,
        out string obstacle, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(open);
        complete = null;
        for (int i = 0; model.Base is { } name; i++)
        {
            // The name comes from a file and becomes one: it must not lead out of the directory.
            if (i == MaxBases || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '+') || name.Length == 0)
            {
                obstacle = i == MaxBases ? $"{Quotation.Cut(model.Name)} has more than {MaxBases} bases under each other"
                    : $"'{Quotation.Cut(name)}' is no name of a model";
                return false;
            }

            string file = $"x86_{name}.xml";
            using Stream? content = open(file);
            CpuModel? found = content is null
                ? null
                : Artifact.Open(content,
                    (options ?? ArtifactOptions.Default) with { Format = LibvirtCpuModelReader.Format }).Models!.Models.FirstOrDefault(
                    entry => entry.Name == name);
            if (found is not { ListsFeatures: true })
            {
                obstacle = content is null
                    ? $"there is no {Quotation.Cut(file)}" : $"{Quotation.Cut(file)} has no model {Quotation.Cut(name)}";
                return false;
            }

            model = model.On(found with { Provenance = found.Provenance with { Detail = $"{found.Provenance.Detail}, {file}" } });
        }

        complete = model;
        obstacle = "";
        return true;
    }
}
