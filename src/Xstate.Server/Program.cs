using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Xstate.Cli.Output;
using Xstate.Server;

Option<string[]> hosts = new("--hosts")
{
    Description = "Folders with a host record of each node, NODE.json.",
    Required = true,
    AllowMultipleArgumentsPerToken = true,
};
Option<string[]> vms = new("--vms")
{
    Description = "Records of VMs as JSON Lines (docs/pool.md); vm is NAME or NAMESPACE/NAME.",
    AllowMultipleArgumentsPerToken = true,
};
Option<string?> kernel = new("--kernel") { Description = "The kernel of hosts whose record names none." };
Option<IPEndPoint> listen = new("--listen")
{
    Description = "Address and port.",
    DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, 8443),
    CustomParser = ParseAddress,
};
Option<string> certificate = new("--tls-cert")
{
    Description = "Certificate of the service, PEM; read again when it changes.",
    Required = true,
};
Option<string> key = new("--tls-key") { Description = "Its key, PEM.", Required = true };
Option<int> drain = new("--drain")
{
    Description = "Seconds between SIGTERM and the end in which answers ask connections to close.",
    DefaultValueFactory = _ => 5,
};
RootCommand command = new("Answers Kubernetes' scheduler and admission calls from recorded hosts and VMs.")
{
    hosts, vms, kernel, listen, certificate, key, drain,
};
command.SetAction(async (parsed, cancellation) =>
{
    try
    {
        ServerOptions options = new()
        {
            Hosts = parsed.GetValue(hosts)!,
            Vms = parsed.GetValue(vms) ?? [],
            Kernel = parsed.GetValue(kernel),
            Listen = parsed.GetValue(listen)!,
            Certificate = parsed.GetValue(certificate)!,
            Key = parsed.GetValue(key)!,
            Drain = TimeSpan.FromSeconds(parsed.GetValue(drain)),
        };
        await using WebApplication web = ServerApplication.Create(options, out ServerApplication application);
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        await web.StartAsync(cancellation);
        await Console.Error.WriteLineAsync($"xstate-server: listening at {string.Join(' ', web.Urls)}");
        await web.WaitForShutdownAsync(cancellation);
        return 0;

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            application.Drain();
            _ = Task.Delay(options.Drain, CancellationToken.None).ContinueWith(_ => web.Lifetime.StopApplication(), TaskScheduler.Default);
        }
    }
    catch (Exception error) when (error is IOException or InvalidOperationException
        or UnauthorizedAccessException or CryptographicException)
    {
        await Console.Error.WriteLineAsync($"xstate-server: {TerminalWriter.Escape(error.Message)}");
        return 3;
    }
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static IPEndPoint? ParseAddress(ArgumentResult result)
{
    if (IPEndPoint.TryParse(result.Tokens[0].Value, out IPEndPoint? address))
    {
        return address;
    }

    result.AddError($"--listen takes an address and a port such as 0.0.0.0:8443, not {result.Tokens[0].Value}");
    return null;
}
