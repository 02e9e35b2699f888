using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>How the guest's registers are protected from the host.</summary>
public enum GuestProtection
{
    /// <summary>An ordinary guest.</summary>
    None,

    /// <summary>KVM_SEV_ES_INIT: the old interface, silent on every kernel.</summary>
    SevEs,

    /// <summary>A VM type with protected state (SEV-SNP, TDX): refused from about 6.10 on.</summary>
    ProtectedState,

    /// <summary>
    /// A SEV-ES guest of the VM type KVM_X86_SEV_ES_VM (KVM_SEV_INIT2, 6.10) before KVM_SEV_LAUNCH_UPDATE_VMSA: calls reach it as they
    /// reach an ordinary guest, and the launch encrypts what they left. Before 6.10 there is KVM_SEV_ES_INIT alone, whose guests get
    /// nothing.
    /// </summary>
    SevEsBeforeLaunch,
}

/// <summary>
/// A modelled process with one virtual machine under a kernel of named behaviour. Not thread-safe, like the calls of one thread.
/// </summary>
/// <threadsafety>One thread at a time, with its virtual CPUs.</threadsafety>
public sealed class KvmModelMachine : IKvmMachine
{
    /// <summary>sizeof(struct kvm_xsave): what every vCPU's image has at least.</summary>
    public const int XsaveLength = 4096;

    private readonly HashSet<int> _vcpuIds = [];
    private StateComponentSet _permitted;
    private byte[]? _guestMemory;

    /// <summary>A fresh process on a host.</summary>
    public KvmModelMachine(LinuxHost host, GuestProtection protection = GuestProtection.None)
    {
        ArgumentNullException.ThrowIfNull(host);
        Host = host;
        Protection = protection;
        _permitted = host.DefaultUserFeatures;
        HostThreadPkru = host.UserFeatures.Contains(StateComponent.Pkru) ? Pkru.LinuxDefault.Value : 0;
    }

    /// <summary>The modelled host.</summary>
    public LinuxHost Host { get; }

    /// <summary>How guests of this machine are protected.</summary>
    public GuestProtection Protection { get; }

    /// <summary>Components that the process may give its guests.</summary>
    public StateComponentSet Permitted => _permitted;

    /// <summary>
    /// PKRU of the thread that makes the calls. Whether it is in use decides bit 9 of what KVM_GET_XSAVE returns after a run
    /// (KVM-GET-PKRU-XINUSE).
    /// </summary>
    public uint HostThreadPkru { get; set; }

    /// <summary>Memory of the guest, which exists once something of a given length was asked for.</summary>
    internal byte[] GuestMemory(int length) => _guestMemory ??= new byte[length];

    /// <inheritdoc/>
    public int Xsave2Size => Host.Behavior.Has(KernelDifference.KvmXsaveDynamic)
        ? Math.Max(XsaveLength, Host.Layout.StandardLengthFor(Host.KvmXcr0 & _permitted))
        : 0;

    /// <inheritdoc/>
    public KernelReply RequestGuestPermission(StateComponent component)
    {
        // arch_prctl checks the number, then the host, then whether it is there already, then the lock.
        if (!Host.Behavior.Has(KernelDifference.KvmXsaveDynamic))
        {
            return Refuse(Errno.EINVAL, Rules.DynamicComponentEarly,
                "this kernel has no guest permissions (ARCH_REQ_XCOMP_GUEST_PERM is from 5.17)");
        }

        // XFEATURE_MAX: 50c5b071e283 (6.16) brought APX.
        StateComponent last = Host.Behavior.Has(KernelDifference.X86FpuApx) ? StateComponent.Apx : StateComponent.TileData;
        if (component > last)
        {
            return Refuse(Errno.EINVAL, Rules.DynamicComponentEarly,
                $"{StateComponents.NameOf(component)} is not a number that arch_prctl knows");
        }

        if (component != StateComponent.TileData || !Host.UserFeatures.Contains(component))
        {
            return Refuse(Errno.EOPNOTSUPP, Rules.ForeignComponents,
                $"{StateComponents.NameOf(component)} is not a dynamic component of this host");
        }

        if (_permitted.Contains(component))
        {
            return KernelReply.Success;
        }

        if (_vcpuIds.Count > 0)
        {
            return Refuse(Errno.EBUSY, Rules.NoGuestPermission, "permission can only be asked for before the first vCPU exists");
        }

        _permitted = _permitted.With(component);
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply GetSupportedCpuid(out ImmutableArray<CpuidEntry> entries)
    {
        entries = SupportedCpuid.Of(Host, _permitted).Entries;
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply CreateVcpu(int id, out IKvmVcpu? vcpu)
    {
        vcpu = null;
        if (id is < 0 or >= 4096)
        {
            return Refuse(Errno.EINVAL, Rules.CpuidFixed, $"vCPU id {id} is not below 4096");
        }

        if (!_vcpuIds.Add(id))
        {
            return Refuse(Errno.EEXIST, Rules.CpuidFixed, $"vCPU {id} exists already");
        }

        vcpu = new KvmModelVcpu(this);
        return KernelReply.Success;
    }

    /// <summary>A fresh virtual CPU 0 of a fresh machine on this host.</summary>
    internal static KvmModelVcpu CreateVcpu(LinuxHost host, GuestProtection protection = GuestProtection.None) =>
        new(new KvmModelMachine(host, protection));

    /// <inheritdoc/>
    public void Dispose() => _vcpuIds.Clear();

    private static KernelReply Refuse(Errno errno, Rule rule, string message) => new(errno, new Refusal(rule, null, message));
}
