using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>
/// A second opinion on what no machine here has: the supervisor forms of the XSAVE family, IA32_XSS, the MSRs of CET, and INIT with all of
/// them in use. Bochs executes seeded cases without an operating system; where it and the manuals differ, the manuals win and the
/// difference is a quirk of Bochs.
/// </summary>
public sealed class BochsComparisonTests(ITestOutputHelper output)
{
    private const ulong Seed = 20261130;
    private const int Count = 50_000;
    private const int Batch = 10_000;
    private const int Shown = 25;

    // Enough for every quirk to show: the rarest is XSTATE_BV[63].
    private const int CountForQuirks = 10_000;

    // What Bochs does with the freedom that the manuals leave, and where it is mistaken.
    private static readonly ProcessorQuirk[] Quirks =
    [
        ProcessorQuirks.XinuseByValue,
        ProcessorQuirks.XsaveAlignmentCheck,
        ProcessorQuirks.InitClearsXss,
        ProcessorQuirks.CompactedPlacesByRfbm,
        ProcessorQuirks.MxcsrInUseAsSse,
        ProcessorQuirks.MxcsrCheckedAfterX87,
        ProcessorQuirks.Hi16ZmmInUseOutside64BitMode,
        ProcessorQuirks.CetXinuseMistaken,
        ProcessorQuirks.CetImageUnchecked,
        ProcessorQuirks.PkruQuadwordStored,
        ProcessorQuirks.XstateBv63Ignored,
        ProcessorQuirks.AvxInitialClearsZmmHi256,
        ProcessorQuirks.InitResetsCr0,
    ];

    private readonly BochsMachine _bochs = new();

    [Fact]
    public void The_model_and_Bochs_agree_on_50_000_cases_with_supervisor_state()
    {
        BochsModel model = new(Profile());
        BochsCaseGenerator generator = new(Seed, model);
        int count = Math.Max(1, (int)(Count * Repository.Scale));
        Dictionary<BochsOperation, (int Cases, int Faults)> compared = [];
        int different = 0;
        for (int done = 0; done < count; done += Batch)
        {
            BochsCase[] cases = [.. Enumerable.Range(0, Math.Min(Batch, count - done)).Select(_ => generator.Next())];
            different += Compare(model, cases, compared);
        }

        foreach ((BochsOperation operation, (int cases, int faults)) in compared)
        {
            output.WriteLine($"{cases,8} {operation}, {faults} of them faults");
        }

        Assert.Equal(0, different);
        Assert.Equal(count, compared.Values.Sum(of => of.Cases));
    }

    [Fact]
    public void Each_quirk_of_Bochs_is_seen_in_it()
    {
        ProcessorProfile profile = Profile();
        BochsModel model = new(profile);
        BochsCaseGenerator generator = new(Seed, model);
        BochsCase[] cases = [.. Enumerable.Range(0, CountForQuirks).Select(_ => generator.Next())];
        uint[] sums = Execute(model, cases);
        Assert.All(Quirks, quirk =>
        {
            BochsModel without = new(profile.Without(quirk));
            int different = cases.Where((next, i) => BochsResult.Checksum(without.Execute(next, out _)) != sums[i]).Count();
            output.WriteLine($"{different,6} of {cases.Length} cases show {quirk}");
            Assert.NotEqual(0, different);
        });
    }

    private ProcessorProfile Profile()
    {
        ProcessorProfile profile = ProcessorProfile.FromCpuid(Complete(_bochs.Cpuid()), "bochs");
        profile = profile.Quirks.Aggregate(profile, (with, quirk) => with.Without(quirk));
        profile = Quirks.Aggregate(profile, (with, quirk) => with.With(quirk));
        Assert.Equal((0x2E7UL, 0x1800UL), (profile.UserComponents.Bits, profile.SupervisorComponents.Bits));
        return profile;
    }

    // Bochs 2.7 announces PKRU without its sub-leaf, and the components of CET, which IA32_XSS takes, not at all.
    private static CpuidTable Complete(CpuidTable cpuid)
    {
        CpuidRegisters extensions = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        uint cet = (uint)StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS).Bits;
        return cpuid
            .With(CpuidTable.XsaveLeaf, 1, extensions with { Ecx = cet })
            .With(CpuidTable.XsaveLeaf, (uint)StateComponent.Pkru, new CpuidRegisters(64, 2688, 0, 0))
            .With(CpuidTable.XsaveLeaf, (uint)StateComponent.CetU, new CpuidRegisters(16, 0, 1, 0))
            .With(CpuidTable.XsaveLeaf, (uint)StateComponent.CetS, new CpuidRegisters(24, 0, 1, 0));
    }

    private uint[] Execute(BochsModel model, BochsCase[] cases)
    {
        byte[] sums = _bochs.Execute([.. cases.Select(next => next.Write())], model.User, model.Supervisor, verbose: false);
        Assert.Equal(cases.Length * sizeof(uint), sums.Length);
        return [.. cases.Select((_, i) => BinaryPrimitives.ReadUInt32LittleEndian(sums.AsSpan(i * sizeof(uint))))];
    }

    private int Compare(BochsModel model, BochsCase[] cases, Dictionary<BochsOperation, (int Cases, int Faults)> compared)
    {
        uint[] sums = Execute(model, cases);
        List<BochsCase> different = [];
        for (int i = 0; i < cases.Length; i++)
        {
            if (BochsResult.Checksum(model.Execute(cases[i], out Fault fault)) != sums[i])
            {
                different.Add(cases[i]);
            }

            (int before, int faults) = compared.GetValueOrDefault(cases[i].Operation);
            compared[cases[i].Operation] = (before + 1, faults + (fault.IsFault ? 1 : 0));
        }

        Show(model, [.. different.Take(Shown)]);
        return different.Count;
    }

    // Executes cases once more, to have the bytes instead of their checksum.
    private void Show(BochsModel model, BochsCase[] cases)
    {
        if (cases.Length == 0)
        {
            return;
        }

        byte[] all = _bochs.Execute([.. cases.Select(next => next.Write())], model.User, model.Supervisor, verbose: true);
        const int Each = BochsResult.Length + BochsCase.MemoryLength;
        for (int i = 0; i < cases.Length; i++)
        {
            string difference = BochsResult.Difference(model.Execute(cases[i], out _), all.AsSpan(i * Each, Each));
            output.WriteLine($"{cases[i]}: {difference}");
        }
    }
}
