using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Output;
using Xstate.Hypervisors.Kvm;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Input;

/// <summary>Options that say how a restore is performed.</summary>
internal sealed class RestoreOptions
{
    private const string List = "list";

    private readonly Option<string?> _vmm =
        new("--vmm")
        {
            Description = $"Whose restore is followed: {string.Join(", ", Restorers.All.Select(vmm => vmm.Id))}. Without it, "
            + $"the VMM whose snapshot FILE is, else {Restorers.Default.Id}. {List} tells what each does and how that is known."
        };

    private readonly Option<string?> _vcpuPkru =
        new("--vcpu-pkru") { Description = "PKRU that the virtual CPUs hold before the restore; without it they are fresh." };

    private readonly Option<string?> _vcpuState =
        new("--vcpu-state")
        {
            Description = "The state that the virtual CPUs hold before the restore: a capture with what else ran on "
            + "them; without it they are fresh."
        };

    private readonly Option<string?> _protection =
        new("--protected")
        {
            Description = "The guest is protected: sev-es, sev-es-before-launch (KVM_SEV_INIT2, until its launch), or "
            + "protected-state (SEV-SNP, TDX)."
        };

    private readonly Option<string?> _criu =
        new("--criu") { Description = "Release of the CRIU that restores a process, such as 3.17 or 4.2." };

    private readonly Option<string?> _cpuCap =
        new("--cpu-cap")
        {
            Description = "What criu restore compares of cpuinfo.img, as its own option takes it: all, fpu, ins, cpu, "
            + "none, ^ to take away. Without it nothing is."
        };

    private readonly Option<string?> _guestCpu =
        new("--guest-cpu")
        {
            Description = "How QEMU or libvirt makes the guest's CPU on the target: as-saved, enforce (-cpu "
            + "MODEL,enforce), full (libvirt's check='full') or host (-cpu host, host-passthrough). Without it as the save's XML says, "
            + "else as-saved."
        };

    private readonly Option<string?> _hostLayout =
        new("--host-layout") { Description = "CPUID that completes a HOST which does not tell its leaf 0xD (default: --layout)." };

    private readonly Option<string?> _cpuMap =
        new("--cpu-map")
        {
            Description = "libvirt's CPU map, such as /usr/share/libvirt/cpu_map: where the base of a HOST that is a CPU "
            + "model with differences is looked up."
        };

    private readonly Option<string?> _kernel = KernelArgument.CreateOption();

    public void AddTo(Command command)
    {
        command.Add(_kernel);
        command.Add(_cpuMap);
        command.Add(_hostLayout);
        command.Add(_vmm);
        command.Add(_criu);
        command.Add(_cpuCap);
        command.Add(_guestCpu);
        command.Add(_vcpuPkru);
        command.Add(_vcpuState);
        command.Add(_protection);
    }

    /// <summary>What completes a HOST. The processor that wrote the state may, unless the user names another.</summary>
    public string? HostLayout(ParseResult parsed, CommonOptions options) => parsed.GetValue(_hostLayout) ?? parsed.GetValue(options.Layout);

    /// <summary>The kernel of a HOST that names none; null for none.</summary>
    public string? Kernel(ParseResult parsed) => parsed.GetValue(_kernel);

    /// <summary>Where the base of a CPU model is looked up; null for nowhere.</summary>
    public string? CpuMap(ParseResult parsed) => parsed.GetValue(_cpuMap);

    /// <summary>Whether the user asks what there is to choose from, and not for a rehearsal: --vmm list.</summary>
    public bool ListsVmms(ParseResult parsed) => string.Equals(parsed.GetValue(_vmm), List, StringComparison.OrdinalIgnoreCase);

    /// <summary>Prints what each VMM does.</summary>
    public static int PrintVmms(bool json)
    {
        if (json)
        {
            Standard.Write(VmmsReport.WriteJson);
        }
        else
        {
            VmmsReport.WriteText(Standard.Out);
        }

        return ExitCode.Fine;
    }

    /// <summary>What the command line says about restoring; each capture has its own VMM where none is named.</summary>
    public RehearsalOptions Read(ParseResult parsed)
    {
        RehearsalOptions options = new()
        {
            Vmm = parsed.GetValue(_vmm) is not { } vmm ? null
                : Restorers.Find(vmm)
                ?? throw new UsageException($"--vmm takes {string.Join(", ", Restorers.All.Select(v => v.Id))}, not {vmm}"),
            PreviousPkru = parsed.GetValue(_vcpuPkru) is { } pkru ? CommonOptions.ParsePkru(pkru, _vcpuPkru.Name) : null,
            PreviousState = parsed.GetValue(_vcpuState) is { } before ? StateOf(before) : null,
            Criu = parsed.GetValue(_criu) is { } criu ? CriuRelease.Find(criu)
                ?? throw new UsageException($"--criu takes a release such as 3.17 or 4.2, not {criu}") : null,
            CpuCheck = parsed.GetValue(_cpuCap) is { } words
                ? CriuProcessorCheck.Parse(words)
                ?? throw new UsageException($"--cpu-cap takes all, fpu, ins, cpu, none and ^, as criu restore does, not {words}")
                : null,
            GuestCpu = parsed.GetValue(_guestCpu) switch
            {
                null => null,
                "as-saved" => GuestCpuPolicy.AsSaved,
                "enforce" => GuestCpuPolicy.Enforce,
                "full" => GuestCpuPolicy.Full,
                "host" => GuestCpuPolicy.Host,
                string other => throw new UsageException($"{_guestCpu.Name} takes as-saved, enforce, full or host, not {other}"),
            },
            Protection = parsed.GetValue(_protection) switch
            {
                null => GuestProtection.None,
                "sev-es" => GuestProtection.SevEs,
                "sev-es-before-launch" => GuestProtection.SevEsBeforeLaunch,
                "protected-state" => GuestProtection.ProtectedState,
                string other => throw new UsageException($"--protected takes sev-es, sev-es-before-launch or protected-state, not {other}"),
            },
        };
        return options is { GuestCpu: not null, Vmm: { } chosen } && chosen.Vmm != Vmm.Qemu
            ? throw new UsageException($"{_guestCpu.Name} is about QEMU and libvirt, not {chosen.Title}")
            : options;
    }

    private static Capture StateOf(string file)
    {
        Artifact artifact = ArtifactInput.Open(file, null);
        return artifact.Capture is { Kind: CaptureKind.VirtualMachine } capture
            ? capture
            : throw new UsageException($"--vcpu-state takes a state of virtual CPUs; {file} is {artifact.Format}");
    }
}
