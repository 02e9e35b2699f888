using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Rehearsal;

/// <summary>Finds threads that fault at once: all memory of a process has protection key 0 until pkey_mprotect gives it another.</summary>
internal static class DefaultKey
{
    /// <summary>
    /// What has to be said of a process's threads whose PKRU closes key 0. A guest's PKRU may be anything while its kernel runs, so nothing
    /// is said of virtual CPUs.
    /// </summary>
    public static ImmutableArray<Finding> Check(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return capture.Kind == CaptureKind.Process ? [.. capture.States.SelectMany(thread => Check(thread))] : [];
    }

    /// <summary>What has to be said of one thread; nothing, if its PKRU or where it lies is not known.</summary>
    public static ImmutableArray<Finding> Check(CapturedState thread)
    {
        ArgumentNullException.ThrowIfNull(thread);
        XsaveArea area = thread.ReadArea();
        if (thread.Layout is not { Provenance.Source: not FactSource.Guess } layout || !area.XstateBv.Contains(StateComponent.Pkru)
            || thread.LostComponents.Contains(StateComponent.Pkru)
            || !layout.Value.TryLocate(StateComponent.Pkru, area.XcompBv, area.Bytes.Length, out int offset, out _))
        {
            return [];
        }

        Pkru pkru = new(BinaryPrimitives.ReadUInt32LittleEndian(area.Bytes[offset..]));
        if (pkru.IsOpen(0))
        {
            return [];
        }

        string forbidden = pkru.AccessDisabled(0) ? "any access to memory" : "any write to memory";
        return
        [
            RestoreRehearsal.OfRule(Rules.DefaultKeyClosed,
                $"PKRU {pkru} closes key 0: {forbidden} that has no key of its own ends in SIGSEGV (SEGV_PKUERR)",
                new FindingLocation(thread.Id, offset, Register: "pkru")) with
            {
                Found = pkru.ToString(),
                Expected = "bits 0 and 1 clear",
            },
        ];
    }
}
