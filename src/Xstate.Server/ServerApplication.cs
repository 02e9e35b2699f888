using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Xstate.Server;

/// <summary>The service: its addresses, and what each answers.</summary>
internal sealed class ServerApplication
{
    // 5,000 whole nodes are some 50 MB.
    private const long MaxRequest = 256 << 20;
    private static readonly TimeSpan StopsWithin = TimeSpan.FromSeconds(30);

    private readonly FleetIndex _fleet;
    private readonly ServerMetrics _metrics = new();
    private volatile bool _drains;

    private ServerApplication(FleetIndex fleet)
    {
        _fleet = fleet;
    }

    /// <summary>Makes the service; it has read the fleet and does not listen yet.</summary>
    /// <param name="options">What it is started with.</param>
    /// <param name="application">What can tell it to drain.</param>
    public static WebApplication Create(ServerOptions options, out ServerApplication application)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddSingleton<IHostLifetime, ProgramLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = StopsWithin);
        TlsCertificate certificate = new(options.Certificate, options.Key, TimeProvider.System);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequest;
            kestrel.Listen(
                options.Listen,
                listen => listen.UseHttps(https => https.ServerCertificateSelector = (_, _) => certificate.Current));
        });
        WebApplication web = builder.Build();
        ServerApplication made = new(new FleetLoader(web.Logger).Load(options));
        made.Map(web);
        application = made;
        return web;
    }

    /// <summary>From here on the service is not ready, and answers ask their connections to close: no call is lost when it stops.</summary>
    public void Drain() => _drains = true;

    private void Map(WebApplication web)
    {
        SchedulerExtender extender = new(_fleet);
        MigrationWebhook webhook = new(_fleet);
        web.Use((context, next) =>
        {
            // HTTP/2 has its own word for it, which the server says when it stops.
            if (_drains && HttpProtocol.IsHttp11(context.Request.Protocol))
            {
                context.Response.Headers.Connection = "close";
            }

            return next(context);
        });
        web.MapGet("/healthz", () => "ok\n");
        web.MapGet("/readyz", () => _drains
            ? Results.Text("stopping\n", statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text("ok\n"));
        web.MapGet("/metrics", () => Results.Text(_metrics.Write(_fleet), "text/plain; version=0.0.4"));
        web.MapPost("/filter", context => Answer(context, "filter", (json, output) => Done(() => extender.Filter(json, output))));
        web.MapPost("/prioritize", context => Answer(
            context, "prioritize", (json, output) => Done(() => extender.Prioritize(json, output))));
        web.MapPost("/validate", context => Answer(
            context, "validate", (json, output) => webhook.Review(json, output) ? "allowed" : "denied"));
    }

    private static string Done(Action answer)
    {
        answer();
        return "ok";
    }

    private async Task Answer(HttpContext context, string call, Func<JsonElement, Utf8JsonWriter, string> answer)
    {
        long start = TimeProvider.System.GetTimestamp();
        string result;
        ArrayBufferWriter<byte> body = new();
        try
        {
            using JsonDocument document = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            using Utf8JsonWriter json = new(body);
            result = answer(document.RootElement, json);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            body = new ArrayBufferWriter<byte>();
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            using (Utf8JsonWriter json = new(body))
            {
                json.WriteStartObject();
                string why = Quotation.Cut(error.Message, Quotation.MaxProse);
                json.WriteString("Error", $"xstate: the request is not what {call} takes: {why}");
                json.WriteEndObject();
            }

            result = "malformed";
        }

        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.WrittenCount;
        await context.Response.Body.WriteAsync(body.WrittenMemory, context.RequestAborted);
        _metrics.Add(call, result, TimeProvider.System.GetElapsedTime(start));
    }
}
