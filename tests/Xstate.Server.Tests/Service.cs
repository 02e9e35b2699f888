using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Server.Tests;

/// <summary>A running xstate-server: 5,000 nodes of recorded processors under three kernels, and a VM for each processor's CPUID.</summary>
public sealed partial class Service : IAsyncLifetime
{
    public const int Nodes = 5_000;
    private static readonly string[] Processors = ["intel-haswell", "intel-icelake", "intel-sapphire-rapids", "amd-milan", "amd-genoa"];
    private static readonly string[] Kernels = ["6.1.40", "6.12.30", "5.15.0-custom"];

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-server-").FullName;
    private Process? _process;

    /// <summary>A client that trusts the service's certificate, and no other.</summary>
    public HttpClient Client { get; private set; } = new();

    /// <summary>What the answers have to be: the pool of the same hosts and VMs.</summary>
    internal Pool Expected { get; private set; } = null!;

    /// <summary>The node names.</summary>
    public IReadOnlyList<string> Names { get; } = [.. Enumerable.Range(0, Nodes).Select(NameOf)];

    /// <summary>Seconds in which calls are answered after SIGTERM.</summary>
    public int Drain { get; init; } = 2;

    public int ProcessId => _process!.Id;

    public async ValueTask InitializeAsync()
    {
        string hosts = Directory.CreateDirectory(Path.Combine(_folder, "hosts")).FullName;
        PoolHost[] kinds = [.. Kernels.SelectMany(kernel => Processors.Select(name => Kind(name, kernel)))];
        for (int i = 0; i < Nodes; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"machine-{i}");
            HostRecord record = kinds[i % kinds.Length].Host.Record with { Name = name };
            await File.WriteAllBytesAsync(Path.Combine(hosts, $"{NameOf(i)}.json"), HostFileWriter.Write(record));
        }

        PoolBuilder builder = new(kinds);
        string vms = Path.Combine(_folder, "vms.jsonl");
        IEnumerable<string> lines = Processors.SelectMany((name, i) => Lines(builder, kinds[i + Processors.Length], $"web/vm-{name}"));
        await File.WriteAllLinesAsync(vms, lines.Append("broken"));
        Expected = builder.Build();
        await StartAsync("--hosts", hosts, "--vms", vms);
    }

    /// <summary>Waits for the end.</summary>
    public async Task<int> EndAsync()
    {
        await _process!.WaitForExitAsync();
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Posts JSON, and reads JSON.</summary>
    public async Task<JsonElement> Post(string path, string json)
    {
        using StringContent content = new(json, System.Text.Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await Client.PostAsync(path, content);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>What becomes of a processor's VM on a node.</summary>
    internal MoveOutcome OutcomeOf(string processor, string node)
    {
        GuestClass guest = Expected.Groups.First(group => group.Names[0] == $"web/vm-{processor}").Guest;
        int kind = int.Parse(node[5..], CultureInfo.InvariantCulture) % (Processors.Length * Kernels.Length);
        return Expected.Outcome(guest, Expected.Classes.Single(one => one.Hosts.Any(host => host.Argument == KindName(kind))));
    }

    private static string NameOf(int node) => string.Create(CultureInfo.InvariantCulture, $"node-{node:d4}");

    private static string KindName(int kind) => $"{Processors[kind % Processors.Length]} {Kernels[kind / Processors.Length]}";

    private static PoolHost Kind(string name, string kernel)
    {
        HostRecord record = SampleHosts.Open(name) with { KernelName = kernel };
        return new PoolHost($"{name} {kernel}", new LinuxHost(record, KernelBehavior.Of(record)!));
    }

    private static string[] Lines(PoolBuilder builder, PoolHost kind, string vm)
    {
        string[][] entries =
        [
            .. SupportedCpuid.Of(kind.Host, kind.Host.UserFeatures).Entries.Select(entry => new[]
            {
                entry.Leaf, entry.Subleaf, entry.Registers.Eax, entry.Registers.Ebx, entry.Registers.Ecx, entry.Registers.Edx,
            }.Select(word => string.Create(CultureInfo.InvariantCulture, $"0x{word:x}")).ToArray()),
        ];
        string cpuid = $"{{\"guestCpuid\":\"{vm}\",\"cpuid\":{JsonSerializer.Serialize(entries)}}}";
        string record = $"{{\"vm\":\"{vm}\",\"host\":\"node-0000\",\"guestCpuid\":\"{vm}\"}}";
        using MemoryStream stream = new(System.Text.Encoding.UTF8.GetBytes($"{cpuid}\n{record}\n"));
        VmRecordReader reader = new(stream);
        builder.Add(reader.Read()!, reader.Cpuids);
        return [cpuid, record];
    }

    private async Task StartAsync(params string[] arguments)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddHours(-1), now.AddHours(1));
        string pem = Path.Combine(_folder, "tls.crt");
        await File.WriteAllTextAsync(pem, certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(_folder, "tls.key"), key.ExportPkcs8PrivateKeyPem());
        string assembly = typeof(ServerOptions).Assembly.Location;
        ProcessStartInfo start = new("dotnet",
        [
            assembly, .. arguments, "--listen", "127.0.0.1:0", "--drain", Drain.ToString(CultureInfo.InvariantCulture),
            "--tls-cert", pem, "--tls-key", Path.Combine(_folder, "tls.key"),
        ])
        {
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        _process = Process.Start(start)!;
        string? line;
        do
        {
            line = await _process.StandardError.ReadLineAsync();
            Assert.NotNull(line);
        }
        while (!Address().IsMatch(line));

        _ = _process.StandardError.ReadToEndAsync();
        string thumbprint = certificate.Thumbprint;
        Client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions =
            {
                RemoteCertificateValidationCallback = (_, found, _, _) => (found as X509Certificate2)?.Thumbprint == thumbprint,
            },
        })
        {
            BaseAddress = new Uri(Address().Match(line).Value),
        };
    }

    [GeneratedRegex("https://127\\.0\\.0\\.1:[0-9]+")]
    private static partial Regex Address();
}
