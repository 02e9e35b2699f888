namespace Xstate.Reports;

/// <summary>A HOST or a FILE that could not be read, among others that could.</summary>
/// <param name="Argument">As it was asked for.</param>
/// <param name="Exit">The exit code that it alone would have.</param>
/// <param name="Message">What is wrong.</param>
internal sealed record UnreadInput(string Argument, int Exit, string Message);
