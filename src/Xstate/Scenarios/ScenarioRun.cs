using Xstate.Architecture;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;

namespace Xstate.Scenarios;

/// <summary>What one scenario has made so far.</summary>
internal sealed class ScenarioRun : IDisposable
{
    private readonly Dictionary<int, IKvmVcpu> _vcpus = [];
    private readonly Lazy<IKvmMachine?> _machine;
    private readonly Lazy<ILinuxTask?> _task;
    private readonly Lazy<VmmVcpu?> _vmm;
    private VmmGuest? _vmmGuest;

    public ScenarioRun(ScenarioBackend backend, bool hasInterruptController, ScenarioBudget? budget)
    {
        Backend = backend;
        Budget = budget;
        HasInterruptController = hasInterruptController;
        Layout = XsaveLayout.FromCpuid(backend.Cpuid);
        _machine = new Lazy<IKvmMachine?>(() => backend.CreateMachine(hasInterruptController));
        _task = new Lazy<ILinuxTask?>(backend.CreateTask);
        _vmm = new Lazy<VmmVcpu?>(backend.CreateVmmVcpu);
    }

    public ScenarioBackend Backend { get; }

    /// <summary>What the scenarios of the file may use; null for whatever they need.</summary>
    public ScenarioBudget? Budget { get; }

    public bool HasInterruptController { get; }

    public XsaveLayout Layout { get; }

    public IKvmMachine? Machine => _machine.Value;

    public ILinuxTask? Task => _task.Value;

    public VmmVcpu? Vmm => _vmm.Value;

    public StepAnswer OnMachine(Func<IKvmMachine, StepAnswer> action) =>
        Machine is { } machine ? action(machine) : StepAnswer.NotHere("this backend has no KVM");

    public StepAnswer OnTask(Func<ILinuxTask, StepAnswer> action) =>
        Task is { } task ? action(task) : StepAnswer.NotHere("this backend has no traced child");

    /// <summary>Virtual CPU 0 is made on first use; others must have been asked for.</summary>
    public StepAnswer OnVcpu(int id, Func<IKvmVcpu, StepAnswer> action) => OnMachine(machine =>
    {
        if (!_vcpus.ContainsKey(id))
        {
            KernelReply reply = id == 0 ? Create(machine, id) : new KernelReply(Errno.ENOENT);
            if (!reply.IsSuccess)
            {
                return StepAnswer.Of(reply);
            }
        }

        return action(_vcpus[id]);
    });

    public KernelReply Create(IKvmMachine machine, int id)
    {
        KernelReply reply = machine.CreateVcpu(id, out IKvmVcpu? vcpu);
        if (vcpu is not null)
        {
            _vcpus[id] = vcpu;
        }

        return reply;
    }

    /// <summary>Runs guest code on vmm's virtual CPU, whose registers stay from one step to the next.</summary>
    public GuestReply RunOnVmm(GuestProgram program)
    {
        _vmmGuest ??= new VmmGuest(Vmm!);
        return _vmmGuest.Run(program, (Backend as VmmModelBackend)?.Decoder);
    }

    public void Dispose()
    {
        foreach (IKvmVcpu vcpu in _vcpus.Values)
        {
            vcpu.Dispose();
        }

        if (_machine.IsValueCreated)
        {
            _machine.Value?.Dispose();
        }

        if (_task.IsValueCreated)
        {
            _task.Value?.Dispose();
        }

        Backend.EndScenario();
    }
}
