using System.Globalization;
using System.Text;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Artifacts.PastedDumps;
using Xstate.Fleet;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>Configuration for what runs a pool's guests: a file for each class of hosts, in a directory.</summary>
internal static class PoolFiles
{
    private const string NodeFeatures = "nfd";
    private const string KubeVirt = "kubevirt";

    // By the program that takes it: how the guest's CPUID is written, and the file's ending.
    private static readonly Dictionary<string, (string Format, string Ending)> Programs = new()
    {
        ["qemu"] = (QemuCpuReader.Format, ".args"),
        ["libvirt"] = (LibvirtCpuModelReader.Format, ".xml"),
        ["firecracker"] = (CpuTemplateReader.Format, ".json"),
        ["cloud-hypervisor"] = (CpuidListReader.Format, ".json"),
        ["kvm_cpuid2"] = (KvmCpuid2Reader.Format, ".bin"),
    };

    /// <summary>What can be written.</summary>
    public static IEnumerable<string> Kinds => [.. Programs.Keys, NodeFeatures, KubeVirt];

    /// <summary>Writes the files of one kind; none is replaced without force.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="kind">What to write.</param>
    /// <param name="folder">The directory.</param>
    /// <param name="force">Whether files may be replaced.</param>
    /// <exception cref="UsageException">There is no such kind, a file exists, or a format cannot say it.</exception>
    public static void Write(Pool pool, string kind, string folder, bool force)
    {
        (string Name, byte[] Bytes)[] files = [.. Files(pool, kind)];
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OutputException(folder, error);
        }

        foreach ((string name, _) in files)
        {
            AtomicFile.Refuse(Path.Combine(folder, name), force);
        }

        foreach ((string name, byte[] bytes) in files)
        {
            AtomicFile.Write(Path.Combine(folder, name), bytes, force, OutputMode.Public);
        }
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Files(Pool pool, string kind) => kind switch
    {
        NodeFeatures =>
            pool.Classes.Select(one => (Name("class", one.Id, ".features"), Encoding.UTF8.GetBytes(PoolLabels.NodeFeatures(one)))),
        KubeVirt =>
        [
            .. pool.Classes.Select(one => (Name("class", one.Id, ".yaml"), Encoding.UTF8.GetBytes(PoolLabels.NodeMetadata(one)))),
            .. pool.Guests.Select(guest => (Name("guest", guest.Id, ".yaml"), Encoding.UTF8.GetBytes(PoolLabels.Placement(pool, guest)))),
        ],
        _ => Programs.TryGetValue(kind, out (string Format, string Ending) program)
            ? PoolCpuid.Of(pool).Select(made => (Name("class", made.Class.Id, program.Ending), Bytes(made, program.Format)))
            : throw new UsageException($"--emit takes {string.Join(", ", Kinds)}, not {kind}"),
    };

    private static byte[] Bytes(PoolCpuid made, string format) => made.Made.Obstacles.IsEmpty
        ? GuestCpuidFile.Write(made.Offered, made.Made, format)
        : throw new UsageException($"class {made.Class.Id} cannot have the common CPUID: {string.Join("; ", made.Made.Obstacles)}");

    private static string Name(string kind, int id, string ending) => string.Create(CultureInfo.InvariantCulture, $"{kind}-{id}{ending}");
}
