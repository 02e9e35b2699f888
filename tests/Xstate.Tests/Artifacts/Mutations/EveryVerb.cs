using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.Criu;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.UndoFile;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Tests.Artifacts.ElfCore;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>
/// Does with an artifact what the verbs of the command do, and holds what they promise: what is written back reads as what it was written
/// for, an undo gives the original. A file that cannot take a change says so (<see cref="NotSupportedException"/>), and what is only looked
/// at then may turn out malformed; anything else is a defect.
/// </summary>
internal static class EveryVerb
{
    // The dear ones are done to one artifact of so many.
    private const int Dear = 6;

    private static readonly ImmutableArray<LinuxHost> Hosts =
        [.. new[] { "amd-genoa", "intel-sapphire-rapids", "intel-haswell", "qemu-tcg-max", "amd-rome",
            "amd-zen4-pvm" }.Select(SampleHosts.Open)
                .Select(host => new LinuxHost(host, KernelBehavior.Of(host) ?? KernelBehavior.Of(new KernelRelease(6, 12))))];

    private static readonly CpuidTable Cpuid = SampleHosts.Open("amd-genoa").Cpuid;
    private static readonly Capture Known = SampleHosts.OpenCapture("live-avx512");
    private static readonly CpuidTable KnownCpuid = Known.States[0].GuestCpuid?.Value ?? Cpuid;
    private static readonly Capture KnownProcess = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Zen4)).Capture!;

    /// <summary>Runs the verbs that fit, the dear ones by chance.</summary>
    /// <param name="random">Chooses hosts, registers, and which verbs.</param>
    /// <param name="artifact">What was opened.</param>
    /// <param name="file">Its bytes, compressed or not.</param>
    /// <param name="options">How it was opened.</param>
    /// <returns>Whether damage of the file's own writer was mended and what was written read back.</returns>
    public static bool Run(ref SplitMix64 random, Artifact artifact, byte[] file, ArtifactOptions options)
    {
        foreach (Finding finding in artifact.Findings)
        {
            Assert.NotNull(Rules.Find(finding.Rule.Id));
        }

        if (artifact.Capture is { } capture)
        {
            // What an image was recognised by may be the register that is changed: whoever changes it knows the format.
            options = options with { Format = artifact.Format };
            using Stream content = ArtifactContent.Open(new MemoryStream(file), options);
            return WithCapture(ref random, artifact, capture, content, options);
        }

        ShowCpu(ref random, artifact);
        WithCpu(ref random, artifact);
        return false;
    }

    private static bool WithCapture(ref SplitMix64 random, Artifact artifact, Capture capture, Stream content, ArtifactOptions options)
    {
        Assert.NotEmpty(capture.States);
        (Capture complete, _, _) = KnownCapture.Of(capture);
        if (random.OneIn(3))
        {
            ShowReport.WriteJson(Stream.Null, capture, artifact.Findings);
        }
        else
        {
            ShowReport.WriteText(TextWriter.Null, capture, new ShowOptions { All = random.OneIn(2) }, artifact.Findings);
        }

        bool mended = false;
        if (artifact.CanEncode)
        {
            Assert.Empty(artifact.Encode(capture, content, options));
            if (artifact.Repaired is { } repaired)
            {
                Assert.NotEmpty(artifact.Findings);
                mended = Rewrite(content, options, repaired, () => artifact.Encode(repaired, content, options));
            }
        }

        switch (random.Below(Dear))
        {
            case 0:
                Check(ref random, artifact, capture, content, options);
                break;
            case 1:
                Set(ref random, artifact, capture, complete, content, options);
                break;
            case 2:
                Convert(ref random, artifact, capture, complete, content, options);
                break;
            case 3:
                Compare(ref random, complete);
                break;
        }

        return mended;
    }

    private static void Check(ref SplitMix64 random, Artifact artifact, Capture capture, Stream content, ArtifactOptions options)
    {
        LinuxHost host = random.Pick<LinuxHost>(Hosts.AsSpan());
        RehearsalOptions rehearsal = new()
        {
            Vmm = random.OneIn(2) ? null : random.Pick<Restorer>(Restorers.All.AsSpan()),
            GuestCpuid = random.OneIn(2) ? KnownCpuid : null,
            PreviousPkru = random.OneIn(2) ? 4u : null,
            Force = random.OneIn(2),
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, rehearsal);
        CheckReport.WriteText(TextWriter.Null, "file", [new CheckedTarget(outcome)]);
        CheckReport.WriteJson(Stream.Null, "file", [new CheckedTarget(outcome)]);
        if (outcome.Repaired is not { } repaired)
        {
            return;
        }

        TargetOutcome after = RestoreRehearsal.Perform(repaired, host, rehearsal);
        bool lacksInstructions = after.Verdict == Verdict.Differs && after.Findings.Any(finding => finding.Rule.Id == "XS0508");
        Assert.True(after.Verdict == Verdict.Same || lacksInstructions || (rehearsal.Force && after.Verdict == Verdict.Differs),
            $"{after.Verdict} after a repair");
        FixReport.WriteJson(Stream.Null, "file", "out", "undo", outcome, after);
        FixReport.WriteText(TextWriter.Null, "out", "undo", outcome, after);
        if (artifact.CanEncode)
        {
            Rewrite(content, options, null, () => artifact.Encode(repaired, content, options));
        }
    }

    private static void Set(ref SplitMix64 random, Artifact artifact, Capture capture, Capture complete, Stream content,
        ArtifactOptions options)
    {
        int index = random.Below(complete.States.Length);
        CapturedState state = complete.States[index];
        ImmutableArray<RegisterValue> registers = RegisterDump.Of(state, state.Components);
        string name = registers[random.Below(registers.Length)].Name;
        Transformed<CapturedState> changed;
        RegisterEdit edit;
        try
        {
            edit = RegisterEdit.Parse($"{name}=0x{random.Next() >> random.Below(64):x}");
            changed = RegisterEdit.Apply(state, [edit]);
        }
        catch (RegisterEditException)
        {
            return;
        }

        Assert.Equal(edit.Text, RegisterEdit.Read(name, changed.Value));
        if (artifact.CanEncode)
        {
            CapturedState edited = capture.States[index] with { Area = changed.Value.Area, Lost = changed.Value.Lost };
            Capture wanted = capture with { States = capture.States.SetItem(index, edited) };
            Rewrite(content, options, wanted, () => artifact.Encode(wanted, content, options));
        }
    }

    private static void Convert(ref SplitMix64 random, Artifact artifact, Capture capture, Capture complete, Stream content,
        ArtifactOptions options)
    {
        byte[] written = CaptureFileWriter.Write(capture);
        Assert.Equal(written, CaptureFileWriter.Write(CaptureFileReader.Read(written, ArtifactLimits.Default)));
        XsaveLayout layout = random.Pick<LinuxHost>(Hosts.AsSpan()).Layout;
        CapturedState state = complete.States[random.Below(complete.States.Length)];
        XsaveLayout? to = random.OneIn(2) ? layout : null;

        // From a guessed place nothing is moved.
        Transformed<CapturedState> moved = state.Layout!.Provenance.Source == FactSource.Guess
            ? new(state, [], []) : CaptureTransforms.ToStandard(state, to);
        foreach (string format in ArtifactConversion.Formats)
        {
            try
            {
                _ = ArtifactConversion.Write(capture with { States = [moved.Value] }, format);
            }
            catch (NotSupportedException)
            {
                // Most formats hold only a part.
            }
        }

        if (artifact.Format == ElfCoreReader.Format)
        {
            XsaveLayout? given = random.OneIn(4) ? layout : null;
            Rewrite(content, options, capture, () => ElfCoreEditing.AddLayoutNote(content, given, options));
        }
    }

    private static void Compare(ref SplitMix64 random, Capture complete)
    {
        Assert.True(CaptureComparison.Compare(complete, complete).IsSame);
        DiffSide left = new("a", complete, []);
        DiffSide right = new("b", random.OneIn(2) ? Known : KnownProcess, []);
        CaptureDifference difference = CaptureComparison.Compare(left.Capture, right.Capture);
        DiffReport.WriteJson(Stream.Null, left, right, difference);
        DiffReport.WriteText(TextWriter.Null, left, right, difference);
    }

    private static void ShowCpu(ref SplitMix64 random, Artifact artifact)
    {
        if (random.OneIn(2))
        {
            CpuReport.WriteJson(Stream.Null, artifact);
        }
        else
        {
            CpuReport.WriteText(TextWriter.Null, artifact);
        }
    }

    // What describes a processor stands on the command line as a target, as the writer's layout, as the guest's CPUID.
    private static void WithCpu(ref SplitMix64 random, Artifact artifact)
    {
        if (artifact.Host is { } host)
        {
            AsHost(ref random, host);
        }
        else if (artifact.Cpuid is { } dump)
        {
            AsHost(ref random, dump.ToHostRecord("dump", new Provenance(FactSource.Artifact, dump.Format)));
            if (dump.Format == CriuCpuinfoReader.Format || random.OneIn(8))
            {
                Report(RestoreRehearsal.Perform(ProcessRehearsal.ProbeOf(dump), random.Pick<LinuxHost>(Hosts.AsSpan())));
            }
        }
        else if (artifact.Models is { } list)
        {
            foreach (CpuModel model in list.Models)
            {
                Assert.Equal(StateComponentSet.Empty, model.Components.Value & model.Undecided);
                _ = model.Unusable;
                if (random.OneIn(4) && CpuModelHost.TryCreate(model, Cpuid, "genoa", out HostRecord? made, out _))
                {
                    AsHost(ref random, made);
                }
            }
        }
        else if (artifact.Template is { } template)
        {
            Assert.All(template.Cpuid, modifier => Assert.Equal(0u, modifier.Value & ~modifier.Decided));
            AsCpuid(ref random, CpuTemplates.Apply(template, Cpuid).Cpuid);
        }
        else
        {
            Assert.NotNull(artifact.Xcrs);
            Report(RestoreRehearsal.Perform(WithXcr0(artifact.Xcrs.Xcr0 ?? StateComponentSet.Empty),
                random.Pick<LinuxHost>(Hosts.AsSpan())));
        }
    }

    private static void AsHost(ref SplitMix64 random, HostRecord record)
    {
        AsCpuid(ref random, record.Cpuid);
        if (random.OneIn(Dear))
        {
            LinuxHost host = new(record, KernelBehavior.Of(record)
                ?? KernelBehavior.Of(random.Pick<KernelRelease>(new(5, 10), new(6, 1, 40), new(6, 12))));
            Report(RestoreRehearsal.Perform(random.OneIn(2) ? Known : KnownProcess, host,
                new RehearsalOptions { Force = random.OneIn(2) }));
        }
    }

    private static void AsCpuid(ref SplitMix64 random, CpuidTable cpuid)
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        Assert.InRange(layout.StandardLength, XsaveFormat.ExtendedOffset, 2 * XsaveLayout.MaxAreaLength);
        Assert.True(layout.CompactedLengthFor(layout.Components) >= XsaveFormat.ExtendedOffset);
        _ = ProcessorModel.From(cpuid);
        if (!random.OneIn(Dear))
        {
            return;
        }

        Capture foreign = Known with
        {
            States = [Known.States[0] with { Layout = new Fact<XsaveLayout>(layout, FactSource.Given,
            "dump") }]
        };
        Capture guest = Known with
        {
            States = [Known.States[0] with { GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Given,
            "dump") }]
        };
        ShowReport.WriteText(TextWriter.Null, foreign, new ShowOptions { All = true });
        ShowReport.WriteText(TextWriter.Null, guest, new ShowOptions { All = true });
        _ = CaptureTransforms.ToStandard(Known.States[0], layout);
        Report(RestoreRehearsal.Perform(guest, random.Pick<LinuxHost>(Hosts.AsSpan())));
        Report(RestoreRehearsal.Perform(foreign, random.Pick<LinuxHost>(Hosts.AsSpan())));
    }

    private static Capture WithXcr0(StateComponentSet xcr0) =>
        Known with { States = [Known.States[0] with { Xcr0 = new Fact<StateComponentSet>(xcr0, FactSource.Given, "dump") }] };

    private static void Report(TargetOutcome outcome) => CheckReport.WriteText(TextWriter.Null, "file", [new CheckedTarget(outcome)]);

    // Writes the changes into a copy, takes them back, and reads the copy: it opens in the same format, and holds what was wanted.
    private static bool Rewrite(Stream content, ArtifactOptions options, Capture? wanted, Func<ImmutableArray<ArtifactPatch>> encode)
    {
        using MemoryStream copy = new();
        try
        {
            PatchedCopy.Write(content, encode(), copy);
        }
        catch (NotSupportedException)
        {
            return false;
        }
        catch (MalformedArtifactException error)
        {
            // Section headers of a core, and the like, are looked at only when something has to be written.
            Assert.InRange(error.Offset, 0, content.Length);
            return false;
        }

        content.Position = 0;
        copy.Position = 0;
        UndoRecord undo = UndoRecord.Create(content, copy);
        using MemoryStream original = new();
        undo.Apply(copy, original);
        content.Position = 0;
        using MemoryStream before = new();
        content.CopyTo(before);
        Assert.True(before.ToArray().AsSpan().SequenceEqual(original.ToArray()), "undo gives the original");

        // One more note can be one too many for the limits that the original was within.
        copy.Position = 0;
        Capture again = Artifact.Open(copy, options with { Limits = ArtifactLimits.Default }).Capture!;
        if (wanted is not null)
        {
            Assert.Equal(wanted.States.Length, again.States.Length);
            for (int i = 0; i < wanted.States.Length; i++)
            {
                AssertSame(wanted.States[i], again.States[i]);
            }
        }

        return true;
    }

    // Formats that store registers by name do not keep which components count; what a program would read they do.
    private static void AssertSame(CapturedState wanted, CapturedState again)
    {
        if (wanted.Stored is null || wanted.Layout is null)
        {
            Assert.True(wanted.Area.Span.SequenceEqual(again.Area.Span), $"the area of {wanted.Id} reads as it was written");
            return;
        }

        IEnumerable<string> written = RegisterDump.Of(wanted, wanted.Components).Select(register => $"{register.Name} {register.Text}");
        IEnumerable<string> read = RegisterDump.Of(again, wanted.Components).Select(register => $"{register.Name} {register.Text}");
        Assert.Equal(written, read);
    }
}
