namespace Xstate.Fuzz;

/// <summary>A text in a sample, which another one can stand in place of.</summary>
/// <param name="Sample">The sample's name.</param>
/// <param name="Format">Its format.</param>
/// <param name="Where">Which text it is, for messages.</param>
/// <param name="IsWhole">Whether a decoder gets all of the other text as one: not in binary formats, where it is cut to the length of what
/// was there, nor among words of lines.</param>
/// <param name="Replace">The sample with the other text.</param>
internal sealed record TextPlace(string Sample, string Format, string Where, bool IsWhole, Func<byte[]> Replace);
