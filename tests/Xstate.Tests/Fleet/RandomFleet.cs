using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Fleet;

/// <summary>
/// A seeded fleet: hosts that differ in what matters, in what does not, and in what nobody knows, and captures that some of them can take.
/// </summary>
internal sealed class RandomFleet
{
    private static readonly string[] Names =
        ["amd-genoa", "amd-milan", "amd-rome", "amd-turin", "amd-zen4-pvm", "intel-alderlake", "intel-cascadelake", "intel-haswell",
            "intel-icelake", "intel-sapphire-rapids", "intel-skylake-sp", "qemu-tcg-max"];

    // Behaviours that are known, and distributions of which some are not.
    private static readonly string[] Kernels =
        ["linux-5.10.200", "linux-5.15.100", "linux-6.1.40", "linux-6.1.90", "linux-6.12.30", "linux-6.18", "4.18.0-553.el8_10.x86_64",
            "5.14.0-427.13.1.el9_4.x86_64", "6.1.0-47-amd64", "5.15.0-custom"];

    private static readonly string[] Captured = ["compacted", "hidden-avx512", "intel-for-amd", "leaked-pkru", "live-avx512", "stale-pkru",
        "xfd-tiles"];

    private static readonly Dictionary<string, HostRecord> Records = Names.ToDictionary(name => name, SampleHosts.Open);
    private static readonly Dictionary<string, Capture> Samples = Captured.ToDictionary(name => name, SampleHosts.OpenCapture);

    private readonly bool _isCompared;
    private SplitMix64 _random;

    /// <param name="seed">Where it comes from.</param>
    /// <param name="maxHosts">At most this many hosts.</param>
    /// <param name="maxCaptures">At most this many captures.</param>
    /// <param name="isCompared">Whether hosts and guests differ too in what only a VMM's own comparison of CPUID reads.</param>
    public RandomFleet(ulong seed, int maxHosts, int maxCaptures, bool isCompared = false)
    {
        _isCompared = isCompared;
        _random = new SplitMix64(seed);
        int models = 1 + _random.Below(Math.Min(8, maxHosts));
        LinuxHost[] kinds = [.. Enumerable.Range(0, models).Select(_ => Kind())];
        Hosts = [.. Enumerable.Range(0, 1 + _random.Below(maxHosts))
            .Select(i => new PoolHost($"host-{i}", Noisy(kinds[_random.Below(kinds.Length)], i)))];
        Captures = [.. Enumerable.Range(0, _random.Below(maxCaptures + 1))
            .Select(i => ($"vm-{i}", Vary(Samples[_random.Pick<string>(Captured)])))];
    }

    public ImmutableArray<PoolHost> Hosts { get; }

    public ImmutableArray<(string Name, Capture Capture)> Captures { get; }

    public static KernelBehavior Kernel(string name) =>
        KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error)
        ? kernel : throw new InvalidOperationException(error);

    public Pool Build(RehearsalOptions? options = null)
    {
        PoolBuilder builder = new(Hosts, options);
        foreach ((string name, Capture capture) in Captures)
        {
            builder.Add(name, capture);
        }

        return builder.Build();
    }

    private LinuxHost Kind()
    {
        HostRecord record = Records[_random.Pick<string>(Names)];
        if (_random.OneIn(4))
        {
            record = record with { Xcr0 = record.Cpuid.UserComponents.Without(_random.Pick(StateComponent.Pkru, StateComponent.BndRegs)) };
        }

        if (_random.OneIn(4))
        {
            record = record with { Microcode = _random.Pick<uint>(0x0830_1052, 0x0830_1000) };
        }

        if (_random.OneIn(6))
        {
            record = record with
            {
                Cpuid = Without(record.Cpuid,
                _random.Pick(CpuidFeatures.Pku, CpuidFeatures.Avx512f, CpuidFeatures.Xsaves, CpuidFeatures.Avx2))
            };
        }

        KernelBehavior kernel = Kernel(_random.Pick<string>(Kernels));
        return new LinuxHost(record, kernel.Set(KernelDifference.KvmPvmHostCpuid, record.Flavour == KvmFlavour.Pvm));
    }

    private static CpuidTable Without(CpuidTable cpuid, CpuidFeature feature) =>
        cpuid.With(feature.Leaf, feature.Subleaf, feature.SetIn(cpuid.Read(feature.Leaf, feature.Subleaf), present: false));

    // What belongs to one machine or one of its processors.
    private LinuxHost Noisy(LinuxHost kind, int index)
    {
        CpuidTable cpuid = kind.Record.Cpuid;
        CpuidRegisters first = cpuid.Read(1);
        cpuid = cpuid.With(1, 0, first with { Ebx = first.Ebx & 0xFFFF | (uint)_random.Below(256) << 24 });
        foreach (uint leaf in (uint[])[2, 4, 0x15, 0x16, 0x8000_0002, 0x8000_0005])
        {
            if (cpuid.TryRead(leaf, 0, out CpuidRegisters other) && _random.OneIn(2))
            {
                cpuid = cpuid.With(leaf, 0, other with { Ecx = (uint)_random.Next() });
            }
        }

        cpuid = Compared(cpuid);
        if (cpuid.TryRead(CpuidTable.XsaveLeaf, 0, out CpuidRegisters sizes))
        {
            cpuid = cpuid.With(CpuidTable.XsaveLeaf, 0, sizes with { Ebx = (uint)_random.Pick(576, 832, 2696) });
        }

        return new LinuxHost(kind.Record with
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"machine-{index}"),
            Cpuid = cpuid,
            OsName = $"os {_random.Below(9)}"
        }, kind.Behavior);
    }

    private CpuidTable Compared(CpuidTable cpuid)
    {
        if (!_isCompared || !_random.OneIn(3))
        {
            return cpuid;
        }

        (uint leaf, uint subleaf) = _random.Pick<(uint, uint)>((7u, 1u), (7u, 2u), (0x1Eu, 0u), (0x1Eu, 1u));
        CpuidRegisters found = cpuid.Read(leaf, subleaf);
        uint bit = 1u << _random.Below(4);
        return cpuid.With(leaf, subleaf, leaf == 7
            ? found with { Ecx = found.Ecx ^ bit, Edx = found.Edx ^ bit } : found with { Eax = found.Eax ^ bit });
    }

    private Capture Vary(Capture capture)
    {
        capture = capture with
        {
            SavedCpu = _isCompared && _random.OneIn(4) ? new SavedCpu("custom", _random.Pick<string>("full", "partial")) : null,
            States = [.. capture.States.Select(state => state.GuestCpuid is { } guest
                ? state with { GuestCpuid = guest with { Value = Compared(guest.Value) } } : state)],
        };
        capture = _random.Below(4) switch
        {
            0 => capture with { States = [.. capture.States.Select(state => state with { GuestCpuid = null })] },
            1 => capture with { States = [.. capture.States.Select(state => state with { GuestCpuid = null, Xcr0 = null })] },
            _ => capture,
        };
        if (_random.OneIn(3))
        {
            capture = capture with { States = [.. capture.States.Select(Touched)] };
        }

        string home = string.Create(CultureInfo.InvariantCulture, $"machine-{_random.Below(Hosts.IsDefaultOrEmpty ? 40 : Hosts.Length)}");
        return capture.Source is { } source && _random.OneIn(2)
            ? capture with { Source = source with { Value = source.Value with { Name = home } } } : capture;
    }

    private CapturedState Touched(CapturedState state)
    {
        byte[] area = state.Area.ToArray();
        if (area.Length > XsaveFormat.ExtendedOffset)
        {
            area[XsaveFormat.XstateBvOffset + _random.Below(2)] ^= (byte)(1 << _random.Below(8));
            area[XsaveFormat.XmmOffset + _random.Below(64)] ^= 1;
        }

        return state with { Area = area };
    }
}
