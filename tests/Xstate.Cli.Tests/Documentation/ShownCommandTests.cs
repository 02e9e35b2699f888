namespace Xstate.Cli.Tests.Documentation;

/// <summary>What a page may leave out of an output, and what it may not.</summary>
public sealed class ShownCommandTests
{
    private static readonly string[] Printed = ["a", "b", "c", "d"];

    [Theory]
    [InlineData("a|b|c|d", true)]
    [InlineData("a|…|d", true)]
    [InlineData("…|d", true)]
    [InlineData("a|…", true)]
    [InlineData("a|…|c|…", true)]
    [InlineData("…", true)]
    [InlineData("", false)]
    [InlineData("a|b|c", false)]
    [InlineData("a|b|c|d|…", false)]
    [InlineData("a|…|b|c|d", false)]
    [InlineData("a|…|c", false)]
    [InlineData("…|b|d", false)]
    [InlineData("a|b|c|x", false)]
    public void A_marker_line_stands_for_one_line_or_more(string shown, bool expected) =>
        Assert.Equal(expected, new ShownCommand(1, "xstate", 1, shown.Length == 0 ? [] : shown.Split('|')).Shows(Printed));

    [Theory]
    [InlineData("xstate check 'a b.json' --on 'h/*.json@linux-6.12'", "check", "a b.json", "--on", "h/*.json@linux-6.12")]
    [InlineData("xstate rules \"Bad FPU state\"  # by symptom", "rules", "Bad FPU state")]
    [InlineData("dotnet run --project src/Xstate.Cli -- show x", "show", "x")]
    public void A_command_is_words_and_quotation_marks(string text, params string[] words)
    {
        ShownCommand command = new(1, text, 1, []);
        Assert.Null(command.Obstacle);
        Assert.Equal(words, command.Words);
    }

    [Theory]
    [InlineData("xstate show x | head")]
    [InlineData("xstate show x > y")]
    [InlineData("xstate check *.json")]
    [InlineData("xstate show \"$FILE\"")]
    [InlineData("xstate show 'x")]
    [InlineData("xstate check x --on local")]
    [InlineData("xstate show --pid 1")]
    [InlineData("virsh save x y")]
    public void What_a_shell_another_program_or_this_machine_does_is_not_run(string text) =>
        Assert.NotNull(new ShownCommand(1, text, 1, []).Obstacle);
}
