using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Compares two captures of any formats register by register, and tells what a program would see from what is only noise: stale bytes of
/// initial components, MXCSR_MASK, software bytes, the format and the places of components.
/// </summary>
internal static class CaptureComparison
{
    /// <summary>
    /// Compares. States are paired by id where the captures share one, else in order: a virtual machine's CPUs keep their index, a restored
    /// process has other thread ids.
    /// </summary>
    /// <param name="left">A capture whose states have a layout.</param>
    /// <param name="right">Another.</param>
    /// <exception cref="ArgumentException">The layout of a state is not known.</exception>
    public static CaptureDifference Compare(Capture left, Capture right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        // A damaged core may name a thread twice; the second is paired with the second.
        Dictionary<int, Queue<CapturedState>> rightById = right.States.GroupBy(state => state.Id)
            .ToDictionary(group => group.Key, group => new Queue<CapturedState>(group));
        bool byId = left.States.Any(state => rightById.ContainsKey(state.Id));
        ImmutableArray<StateDifference>.Builder pairs = ImmutableArray.CreateBuilder<StateDifference>();
        ImmutableArray<int>.Builder unmatched = ImmutableArray.CreateBuilder<int>();
        HashSet<CapturedState> matched = new(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < left.States.Length; i++)
        {
            CapturedState state = left.States[i];
            CapturedState? other = byId ? (rightById.TryGetValue(state.Id, out Queue<CapturedState>? same)
                && same.TryDequeue(out CapturedState? next) ? next : null)
                : i < right.States.Length ? right.States[i] : null;
            if (other is not null)
            {
                matched.Add(other);
                pairs.Add(Compare(state, other, left.Kind == CaptureKind.Process && right.Kind == CaptureKind.Process));
            }
            else
            {
                unmatched.Add(state.Id);
            }
        }

        return new CaptureDifference(pairs.ToImmutable(), unmatched.ToImmutable(),
            [.. right.States.Where(state => !matched.Contains(state)).Select(state => state.Id)]);
    }

    private static StateDifference Compare(CapturedState left, CapturedState right, bool threads)
    {
        ImmutableArray<RegisterContrast>.Builder registers = ImmutableArray.CreateBuilder<RegisterContrast>();
        ImmutableArray<string>.Builder onlyLeft = ImmutableArray.CreateBuilder<string>();
        ImmutableArray<string>.Builder onlyRight = ImmutableArray.CreateBuilder<string>();
        HashSet<StateComponent> differing = AddRegisters(registers, left, right, onlyLeft, onlyRight);
        AddFact("xcr0", left.Xcr0?.Value.ToString(), right.Xcr0?.Value.ToString());
        AddFact("ia32_xss", left.Xss?.Value.ToString(), right.Xss?.Value.ToString());
        AddFact("ia32_xfd", left.Xfd?.Value.ToString(), right.Xfd?.Value.ToString());
        foreach (uint index in left.Msrs.Keys.Union(right.Msrs.Keys).Order())
        {
            string name = threads && index == MsrNames.UserShadowStackPointer ? RegisterCatalog.ShadowStackPointer : $"msr 0x{index:x}";
            AddFact(name, ValueOf(left, index), ValueOf(right, index));
        }

        AddFact("guest CPUID", left.GuestCpuid is null ? null : "", right.GuestCpuid is null ? null : "");
        if (left.GuestCpuid is { } leftCpuid && right.GuestCpuid is { } rightCpuid)
        {
            AddCpuid(registers, leftCpuid.Value, rightCpuid.Value);
        }

        return new StateDifference(left.Id, right.Id)
        {
            Registers = registers.ToImmutable(),
            Noise = NoiseComparison.Compare(left, right, differing),
            OnlyLeft = onlyLeft.ToImmutable(),
            OnlyRight = onlyRight.ToImmutable(),
        };

        void AddFact(string name, string? one, string? other)
        {
            if (one is not null && other is not null)
            {
                if (one != other)
                {
                    registers.Add(new RegisterContrast(name, one, other));
                }
            }
            else if (one is not null)
            {
                onlyLeft.Add(name);
            }
            else if (other is not null)
            {
                onlyRight.Add(name);
            }
        }
    }

    private static string? ValueOf(CapturedState state, uint msr) => state.Msrs.TryGetValue(msr, out ulong value) ? $"0x{value:x}" : null;

    // Both sides are read with the components of both, so that a register exists on both under one name and one width; what a processor
    // does not have reads as initial. What an artifact does not hold is nothing: it is not compared.
    private static HashSet<StateComponent> AddRegisters(
        ImmutableArray<RegisterContrast>.Builder contrasts, CapturedState left, CapturedState right,
        ImmutableArray<string>.Builder onlyLeft, ImmutableArray<string>.Builder onlyRight)
    {
        StateComponentSet notLeft = left.NotRecorded;
        StateComponentSet notRight = right.NotRecorded;
        onlyLeft.AddRange(NamesOf((left.Components & notRight).Except(notLeft)));
        onlyRight.AddRange(NamesOf((right.Components & notLeft).Except(notRight)));
        StateComponentSet components = (left.Components | right.Components).Except(notLeft | notRight);
        // Code outside 64-bit mode has fewer registers: what only one side can name is not compared.
        Dictionary<string, RegisterValue> others = RegisterDump.Of(right, components).ToDictionary(register => register.Name);
        HashSet<StateComponent> differing = [];
        foreach (RegisterValue one in RegisterDump.Of(left, components))
        {
            if (!others.TryGetValue(one.Name, out RegisterValue other) || one.Text == other.Text)
            {
                continue;
            }

            differing.Add(one.Component);
            if (!one.CouldBe(other))
            {
                contrasts.Add(new RegisterContrast(one.Name, one.Text, other.Text));
            }
            else
            {
                // Lost bytes alone make the texts differ: they are no values.
                (other.Text.Contains('?', StringComparison.Ordinal) ? onlyLeft : onlyRight).Add(one.Name);
            }
        }

        return differing;
    }

    private static IEnumerable<string> NamesOf(StateComponentSet components)
    {
        List<string> names = [];
        foreach (StateComponent component in components)
        {
            names.Add(StateComponents.NameOf(component));
        }

        return names;
    }

    private static void AddCpuid(ImmutableArray<RegisterContrast>.Builder contrasts, CpuidTable left, CpuidTable right)
    {
        foreach ((uint leaf, uint subleaf) in left.Entries.Concat(right.Entries).Select(entry => (entry.Leaf, entry.Subleaf)).Distinct()
            .Order())
        {
            CpuidRegisters one = left.Read(leaf, subleaf);
            CpuidRegisters other = right.Read(leaf, subleaf);
            foreach (CpuidRegister register in Enum.GetValues<CpuidRegister>())
            {
                if (one[register] != other[register] && !FollowsControlRegisters(leaf, subleaf, register))
                {
                    string name = string.Create(CultureInfo.InvariantCulture,
                        $"cpuid {CpuidLeaves.PlaceOf(leaf, subleaf)}.{register.ToString().ToLowerInvariant()}");
                    contrasts.Add(new RegisterContrast(name, $"0x{one[register]:x}", $"0x{other[register]:x}"));
                }
            }
        }
    }

    // Sizes of the area for XCR0, and for XCR0 and IA32_XSS (SDM Vol. 1, 13.2): these registers are compared themselves.
    private static bool FollowsControlRegisters(uint leaf, uint subleaf, CpuidRegister register) =>
        leaf == CpuidTable.XsaveLeaf && subleaf <= 1 && register == CpuidRegister.Ebx;
}
