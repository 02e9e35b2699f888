using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Criu;

/// <summary>One thread as its image has it.</summary>
/// <param name="State">Its registers.</param>
/// <param name="Name">Its name, if the image has one.</param>
/// <param name="Note">What it is, for people.</param>
/// <param name="Findings">What is remarkable.</param>
internal sealed record CriuThread(CapturedState State, string? Name, string Note, ImmutableArray<Finding> Findings);

/// <summary>
/// Reads a core image of CRIU (core-N.img): the registers of one thread, by name and without offsets. The area is put together from them,
/// at the offsets of a processor family with the image's MXCSR_MASK.
/// </summary>
internal static class CriuCoreReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "criu-core";

    internal static bool Recognizes(ArtifactSource source) => CriuImage.Recognizes(source, CriuImage.CoreMagic);

    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        CriuThread thread = ReadThread(source.Whole(limits.MaxWholeFile).Span, 0)
            ?? throw new MalformedArtifactException(Format, CriuImage.EntryOffset, "no floating-point registers",
                "thread_info with fpregs: the image of a thread, not of a dead process");
        Capture capture = new() { Format = Format, Kind = CaptureKind.Process, States = [thread.State], Note = thread.Note };
        return Artifact.Of(capture, Format, new CriuCoreEncoder(capture, limits), thread.Findings);
    }

    /// <summary>Reads an image as the thread of a number; null for one without registers, which CRIU writes of a dead process.</summary>
    internal static CriuThread? ReadThread(ReadOnlySpan<byte> file, int id)
    {
        CoreEntry core = CoreEntry.Read(file);
        if (!core.HasRegisters)
        {
            return null;
        }

        StateComponentSet present = ComponentsOf(core);
        LayoutFamily family = FamilyOf(core, present);
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        CapturedState state = new()
        {
            Id = id,
            Area = AreaOf(core, family.Layout, present),
            Layout = new Fact<XsaveLayout>(family.Layout, FactSource.Inferred,
                $"the image has components by name; they are put where processors of the kind {family.Family} have them"),
            Xcr0 = new Fact<StateComponentSet>(present, FactSource.Inferred,
                "CRIU writes the fields of every component that the processor has"),
            Is32Bit = core.IsCompat,
            Msrs = core.ShadowStackPointer is { } pointer
                ? ImmutableSortedDictionary<uint, ulong>.Empty.Add(MsrNames.UserShadowStackPointer, pointer.Value)
                : ImmutableSortedDictionary<uint, ulong>.Empty,
            SignalStack = core.SignalStack,
        };
        AddFindings(findings, core, state);
        return new CriuThread(state, core.Name, NoteOf(core), findings.ToImmutable());
    }

    /// <summary>The components that the image has fields for.</summary>
    internal static StateComponentSet ComponentsOf(CoreEntry core)
    {
        StateComponentSet present = StateComponentSet.Legacy;
        for (int i = 0; i < core.Components.Length; i++)
        {
            present = core.Components[i].Count > 0 ? present.With(CoreComponent.All[i].Component) : present;
        }

        return present;
    }

    // A family that has all of them exists but for hostile images: MPX is Intel's and so is every other offset then.
    private static LayoutFamily FamilyOf(CoreEntry core, StateComponentSet present)
    {
        uint mask = (uint)core.Legacy.First(register => register.Offset == XsaveFormat.MxcsrMaskOffset).Number.Value;
        ImmutableArray<LayoutFamily> candidates = LayoutInference.Candidates(present, null, mask);
        return candidates.IsEmpty ? LayoutFamily.All[0] : candidates[0];
    }

    private static byte[] AreaOf(CoreEntry core, XsaveLayout layout, StateComponentSet present)
    {
        byte[] area = new byte[layout.StandardLengthFor(present)];
        foreach ((int offset, int size, WireNumber number) in core.Legacy)
        {
            Write(area.AsSpan(offset, size), number.Value);
        }

        // Images without xsave are of hosts without XSAVE: x87 and SSE count.
        new XsaveAreaWriter(area).WriteXstateBv(new StateComponentSet(core.XstateBv?.Value ?? StateComponentSet.Legacy.Bits));
        for (int i = 0; i < core.Components.Length; i++)
        {
            CoreComponent component = CoreComponent.All[i];
            for (int j = 0; j < core.Components[i].Count && layout.TryGetSlot(component.Component, out XsaveSlot slot); j++)
            {
                Write(area.AsSpan(slot.Offset + (j * component.Size), component.Size), core.Components[i][j].Value);
            }
        }

        return area;
    }

    private static void Write(Span<byte> place, ulong value)
    {
        for (int i = 0; i < place.Length; i++)
        {
            place[i] = (byte)(value >> (8 * i));
        }
    }

    private static void AddFindings(ImmutableArray<Finding>.Builder findings, CoreEntry core, CapturedState state)
    {
        XsaveArea area = new(state.Area.Span);
        StateComponentSet known = StateComponentSet.Legacy;
        for (int i = 0; i < core.Components.Length; i++)
        {
            CoreComponent component = CoreComponent.All[i];
            int count = core.Components[i].Count;
            known = known.With(component.Component);
            bool counts = area.XstateBv.Contains(component.Component);
            if ((counts && count < component.Count) || (count > 0 && count < component.Count))
            {
                findings.Add(SnapshotFindings.Of(Rules.CriuComponentShort,
                    count == 0
                        ? $"xstate_bv has {StateComponents.NameOf(component.Component)} and the image has no {component.Name}: zeros are "
                            + "restored"
                        : $"{component.Name} has {count} numbers: CRIU refuses to restore it",
                    new FindingLocation(state.Id, Register: component.Name)) with
                {
                    Found = $"{count}",
                    Expected = $"{component.Count}",
                });
            }
            else if (!counts && core.Components[i].Exists(number => number.Value != 0))
            {
                findings.Add(SnapshotFindings.Of(Rules.CriuComponentStale,
                    $"{component.Name} is not zero although xstate_bv does not have {StateComponents.NameOf(component.Component)}: CRIU "
                    + "3.18 and later does not restore it, CRIU up to 3.17 does",
                    new FindingLocation(state.Id, Register: component.Name)));
            }
        }

        StateComponentSet foreign = area.XstateBv.Except(known);
        if (!foreign.IsEmpty)
        {
            findings.Add(SnapshotFindings.Of(Rules.CriuComponentNotCarried,
                $"the thread used {foreign.Describe()}, for which CRIU's image has no field",
                new FindingLocation(state.Id, Register: "xstate_bv")) with
            {
                Found = area.XstateBv.ToString(),
                Expected = $"no bit outside {known}",
            });
        }
    }

    private static string NoteOf(CoreEntry core)
    {
        string thread = core.Name is { } name ? $"a thread named {name}" : "a thread";
        return core.ShadowStackFeatures is not (null or 0)
            ? $"{thread}, with a shadow stack (features 0x{core.ShadowStackFeatures:x}, SSP 0x{core.ShadowStackPointer?.Value ?? 0:x})"
            : thread;
    }
}
