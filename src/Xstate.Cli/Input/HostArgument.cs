using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Captures;
using Xstate.Cli.Output;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Linux;
using Xstate.Scenarios;

namespace Xstate.Cli.Input;

/// <summary>
/// HOST on the command line: a host record, <c>local</c>, or any CPUID artifact, with <c>@linux-6.12</c> or what <c>uname -r</c> prints
/// behind it to name or override the kernel.
/// </summary>
internal static class HostArgument
{
    private const string VmmPrefix = "vmm-";

    /// <summary>The modelled host that an argument names.</summary>
    /// <param name="text">The argument.</param>
    /// <param name="layout">A CPUID artifact with what the argument's own does not tell of leaf 0xD (<c>--host-layout</c>), or
    /// null.</param>
    /// <param name="cpuMap">libvirt's CPU map (<c>--cpu-map</c>), in which the base of a CPU model is looked up, or null.</param>
    /// <param name="named">A kernel for a host that names none (<c>--kernel</c>), or null.</param>
    public static LinuxHost Parse(string text, string? layout = null, string? cpuMap = null, string? named = null)
    {
        // Inputs, whether this host needs them or not: no output replaces what the command line names as one.
        foreach (string given in new[] { layout, cpuMap }.OfType<string>())
        {
            Session.Current.Inputs.Add(given);
        }

        (string path, string? kernel) = Split(text);
        HostRecord found = path == "local" ? LocalHost.Record("local", probe: false) : OpenRecord(path, layout, cpuMap);
        HostRecord record = Complete(found, path, layout);
        KernelBehavior? behavior = kernel is not null
            ? KernelArgument.Parse(kernel, record.Flavour == KvmFlavour.Pvm && path == "local")
            : KernelBehavior.Of(record) is null && named is not null ? KernelArgument.ParseOption(named) : null;
        return LinuxHost.TryCreate(record, behavior, out LinuxHost? host, out string lack)
            ? host
            : throw new UsageException($"{text} {lack}; append a kernel, as in {text}@linux-6.12, or give it with --kernel");
    }

    /// <summary>The HOSTs that an argument stands for: a directory or a pattern names many, each with the kernel behind it.</summary>
    public static IEnumerable<string> Expand(string text)
    {
        (string path, string? kernel) = Split(text);
        return path is "local" or "-" ? [text] : FileTree.Expand([path]).Select(file => kernel is null ? file : $"{file}@{kernel}");
    }

    /// <summary>
    /// What scenarios run on: a Linux host, or OpenBSD's vmm for <c>@vmm-before</c>, <c>@vmm-after</c> and <c>@vmm-corrected</c>.
    /// </summary>
    /// <param name="text">The argument.</param>
    /// <param name="supported">A CPUID artifact with what its KVM supports, or null.</param>
    /// <param name="decoder">For guest code.</param>
    /// <param name="named">A kernel for a host that names none (<c>--kernel</c>), or null.</param>
    public static ScenarioBackend ParseBackend(string text, string? supported, IGuestDecoder decoder, string? named = null)
    {
        (string path, string? kernel) = Split(text);
        if (kernel?.StartsWith(VmmPrefix, StringComparison.Ordinal) == true)
        {
            VmmBehavior behavior = VmmBehavior.Find(kernel)
                ?? throw new UsageException($"there is no @{kernel}; there are {string.Join(", ", VmmBehavior.All)}");
            HostRecord processor = path == "local" ? LocalHost.Record("local", probe: false) : OpenRecord(path, layout: null);
            return supported is null ? new VmmModelBackend(new VmmHost(processor.Cpuid, behavior),
                decoder) : throw new UsageException("--supported is for KVM");
        }

        LinuxHost host = Parse(text, named: named);
        return new ModelBackend(supported is null
            ? host : new LinuxHost(host.Record with { SupportedCpuid = ArtifactInput.OpenCpuid(supported) }, host.Behavior), decoder);
    }

    /// <summary>The file that an argument names.</summary>
    public static string PathOf(string text) => Split(text).Path;

    private static (string Path, string? Kernel) Split(string text)
    {
        int at = text.LastIndexOf('@');
        return at <= 0 || Path.Exists(text) ? (text, null) : (text[..at], text[(at + 1)..]);
    }

    private static HostRecord OpenRecord(string path, string? layout, string? cpuMap = null)
    {
        // The answers of one processor of this machine, with this machine's kernel.
        if (OperatingSystem.IsLinux() && CpuidDevice.IsPath(path, out int processor))
        {
            return LocalHost.Record($"cpu{processor}", probe: false) with
            {
                Cpuid = CpuidDevice.Read(path).Cpuid,
                Provenance = new Provenance(FactSource.Measured, path)
            };
        }

        Artifact artifact = ArtifactInput.Open(path);
        return artifact.Host
            ?? artifact.Cpuid?.ToHostRecord(Path.GetFileNameWithoutExtension(path), new Provenance(FactSource.Artifact, path))
            ?? (artifact.Models is { } models ? OfModel(models, path, layout, cpuMap) : null)
            ?? throw new UsageException($"{path} is {artifact.Format}, which describes no host");
    }

    // Names of features and, from --host-layout, the places that names cannot tell.
    private static HostRecord OfModel(CpuModelList models, string path, string? layout, string? cpuMap)
    {
        CpuModel model = models.Main
            ?? throw new UsageException(
            $"{path} has {models.Models.Length} CPU models and none that stands for the host; give the description of one, a CPUID dump "
            + "or a host record");
        if (cpuMap is not null)
        {
            model = CpuMap.TryComplete(model, file => OpenOfMap(cpuMap, file), out CpuModel? complete, out string missing)
                ? complete
                : throw new UsageException($"--cpu-map {cpuMap}: {missing}");
        }

        if (layout is null)
        {
            throw new UsageException(
                $"{path} names the features of {Quotation.Cut(model.Name)} and has no CPUID leaf 0xd: where "
                + $"{model.Components.Value.Describe()} lie is not told. "
                + "Give a CPUID dump or host record of such a processor with --host-layout FILE (--layout FILE if it wrote the state "
                + "too), or in its place");
        }

        return CpuModelHost.TryCreate(model, ArtifactInput.OpenCpuid(layout), layout, out HostRecord? host, out string obstacle)
            ? host
            : throw new UsageException(
            $"{path} is no host on the processor of {layout}: "
            + $"{obstacle}{(model.Base is null ? "" : "; --cpu-map DIR looks it up, such as --cpu-map /usr/share/libvirt/cpu_map")}");
    }

    // The map's index names its files; it names none that lies elsewhere.
    private static Stream? OpenOfMap(string cpuMap, string file)
    {
        string folder = Path.GetFullPath(cpuMap) + Path.DirectorySeparatorChar;
        string full = Path.GetFullPath(Path.Combine(folder, file));
        return full.StartsWith(folder, StringComparison.Ordinal) && File.Exists(full) ? ArtifactInput.OpenStream(full) : null;
    }

    // A rehearsal on a host with holes would read components where nobody said that they are.
    private static HostRecord Complete(HostRecord record, string path, string? layout)
    {
        if (XsaveLeafCompletion.LackOf(record.Cpuid) is not { } lacking)
        {
            return record;
        }

        if (layout is null)
        {
            throw new UsageException(
                $"{path} {lacking}. Take the dump again, or give a CPUID dump of the same processor model with --host-layout FILE "
                + "(--layout FILE if it wrote the state too)");
        }

        return XsaveLeafCompletion.TryComplete(record.Cpuid, ArtifactInput.OpenCpuid(layout), out CpuidTable? completed, out string account)
            ? record with
            {
                Cpuid = completed,
                Provenance = new Provenance(FactSource.Inferred, $"{record.Provenance.Detail}; {account} from {layout}")
            }
            : throw new UsageException($"{path} {lacking}, and {layout} does not help: {account}");
    }
}
