// Takes components out of the states of a file, in the file's own format. Arguments: the file, the copy, names such as opmask.
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;

StateComponentSet dropped = StateComponentSet.Empty;
foreach (string name in args[2..])
{
    dropped = StateComponents.TryParse(name, out StateComponent component)
        ? dropped.With(component) : throw new ArgumentException($"there is no component {name}", nameof(args));
}

using ArtifactFile file = ArtifactFile.Open(args[0]);
Capture capture = file.Artifact.Capture ?? throw new InvalidDataException($"{args[0]} holds no state");
using FileStream copy = File.Create(args[1]);
file.Write(capture with { States = [.. capture.States.Select(Trim)] }, copy);

CapturedState Trim(CapturedState state)
{
    byte[] area = state.Area.ToArray();
    XsaveLayout layout = state.Layout?.Value ?? throw new InvalidDataException("where the components lie is not known");
    new XsaveAreaWriter(area).Drop(dropped, layout);
    return state with { Area = area };
}
