using System.Text;
using Xstate.Cli.GuestCode;
using Xstate.Cli.Input;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>CET from inside a modelled guest: its MSRs, and what CR4.CET demands of CR0.WP.</summary>
public class CetGuestTests
{
    private const string EnableCet =
        "mov rax, cr0; or rax, 0x10000; mov cr0, rax; mov rax, cr4; or rax, 0x800000; mov cr4, rax; mov rbx, cr4; ";

    [Theory]
    [InlineData("6.18", EnableCet + "hlt", "\"exit\":\"hlt\"")]
    [InlineData("6.18", "mov rax, cr0; and rax, -65537; mov cr0, rax; mov rax, cr4; or rax, 0x800000; mov cr4, rax; hlt",
        "\"fault\":\"#GP(0)\"")]
    [InlineData("6.18", EnableCet + "mov rax, cr0; and rax, -65537; mov cr0, rax; hlt", "\"fault\":\"#GP(0)\"")]
    [InlineData("6.12", EnableCet + "hlt", "\"fault\":\"#GP(0)\"")]
    [InlineData("6.18", "mov ecx, 0x6a7; mov eax, 0x1000; xor edx, edx; wrmsr; hlt", "\"exit\":\"hlt\"")]
    [InlineData("6.12", "mov ecx, 0x6a7; mov eax, 0x1000; xor edx, edx; wrmsr; hlt", "\"fault\":\"#GP(0)\"")]
    [InlineData("6.18", "mov ecx, 0x6a7; mov eax, 0x1002; xor edx, edx; wrmsr; hlt", "\"fault\":\"#GP(0)\"")]
    [InlineData("6.18", "mov ecx, 0x6a2; mov eax, 0x1003; xor edx, edx; wrmsr; hlt", "\"exit\":\"hlt\"")]
    [InlineData("6.18", "mov ecx, 0x4b564dff; rdmsr; hlt", "\"fault\":\"#GP(0)\"")]
    public void A_guest_gets_on_or_takes_a_fault(string kernel, string code, string expected) =>
        Assert.Contains(expected, Run(kernel, $$"""{"op":"guest","vcpu":0,"code":"{{code}}"}"""), StringComparison.Ordinal);

    [Fact]
    public void What_the_guest_wrote_is_what_user_space_saves()
    {
        string answer = Run("6.18",
            """{"op":"guest","vcpu":0,"code":"mov ecx, 0x6a7; mov eax, 0x1000; xor edx, edx; wrmsr; hlt"},{"op":"get_msr","vcpu":0,"index":"0x6a7"}""");

        Assert.Contains("\"op\":\"get_msr\",\"errno\":0,\"result\":{\"count\":1,\"value\":\"0x1000\"}", answer, StringComparison.Ordinal);
    }

    private static string Run(string kernel, string steps)
    {
        string host = $"{Repository.PathOf("samples", "hosts", "intel-sapphire-rapids.json")}@linux-{kernel}";
        ScenarioBackend backend = HostArgument.ParseBackend(host, null, new IcedDecoder());
        string text = $$"""{"name":"cet","steps":[{"op":"set_cpuid2","vcpu":0,"cpuid":"supported"},{{steps}}]}""";
        using MemoryStream output = new();
        ScenarioRunner.Run(ScenarioReader.Read(new StringReader(text), new IcedAssembler()).Single(), backend, output);
        return Encoding.UTF8.GetString(output.ToArray());
    }
}
