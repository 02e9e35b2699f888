using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>A capture of which registers were given values.</summary>
/// <param name="Capture">The capture: its area, what was lost in it, and MSRs are changed; a layout that was inferred is not in it.</param>
/// <param name="Steps">What changed, in order.</param>
/// <param name="Findings">What has to be said of the layout, and of a thread that would fault at once.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record EditedCapture(Capture Capture, ImmutableArray<RepairStep> Steps, ImmutableArray<Finding> Findings)
{
    private const int MostNamed = 16;

    /// <summary>Gives registers of one state values. Nothing is written at a place that is only guessed.</summary>
    /// <param name="capture">The capture.</param>
    /// <param name="id">The virtual CPU or thread; null for the only one.</param>
    /// <param name="registers"><c>REGISTER=VALUE</c> in the notations of <c>xstate set</c>: <c>pkru=0x4</c>,
    /// <c>mxcsr=+ftz</c>, <c>zmm5.f32[3]=1.5</c>.</param>
    /// <exception cref="RegisterEditException">There is no such state or register, it cannot hold the value, or the state has no place for
    /// it.</exception>
    public static EditedCapture Set(Capture capture, int? id, params IEnumerable<string> registers)
    {
        ArgumentNullException.ThrowIfNull(registers);
        return Set(capture, capture, id, [.. registers.Select(RegisterEdit.Parse)]);
    }

    /// <summary>As the public one, of a capture of which more is known than its file holds.</summary>
    /// <param name="capture">The capture that is changed.</param>
    /// <param name="known">The same with what is given of its states besides.</param>
    /// <param name="id">The virtual CPU or thread; null for the only one.</param>
    /// <param name="edits">The registers.</param>
    internal static EditedCapture Set(Capture capture, Capture known, int? id, ImmutableArray<RegisterEdit> edits)
    {
        ArgumentNullException.ThrowIfNull(capture);
        (Capture complete, _, ImmutableArray<Finding> guesses) = KnownCapture.Of(known);
        CapturedState state = StateOf(complete, id);
        if (complete.Kind != CaptureKind.Process && edits.FirstOrDefault(edit => edit.Components.IsEmpty) is { } outside)
        {
            // A virtual CPU has SSP and four MSRs that SSP is loaded from; a thread has one pointer.
            throw new RegisterEditException($"{outside.Register} is the shadow-stack pointer of a thread; this is a virtual machine");
        }

        Transformed<CapturedState> changed = RegisterEdit.Apply(state, edits);
        int index = complete.States.IndexOf(state);
        CapturedState value = changed.Value;
        CapturedState edited = capture.States[index] with { Area = value.Area, Lost = value.Lost, Msrs = value.Msrs };
        return new EditedCapture(capture with { States = capture.States.SetItem(index, edited) }, [.. changed.Steps],
            [.. guesses.Where(guess => guess.Where.Vcpu == state.Id), .. DefaultKey.Check(complete with { States = [changed.Value] })]);
    }

    private static CapturedState StateOf(Capture capture, int? id)
    {
        string ids = string.Join(", ", capture.States.Take(MostNamed).Select(state => state.Id));
        return (id, capture.States) switch
        {
            (null, [var only]) => only,
            (null, var states) => throw new RegisterEditException($"there are {states.Length} states; name one of {ids}"),
            ({ } wanted, var states) => states.FirstOrDefault(state => state.Id == wanted)
                ?? throw new RegisterEditException($"there is no virtual CPU or thread {wanted}; there are {ids}"),
        };
    }
}
