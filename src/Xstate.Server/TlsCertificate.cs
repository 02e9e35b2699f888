using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Xstate.Server;

/// <summary>The certificate of the service, read again when its file changes: a cluster renews it while the service runs.</summary>
internal sealed class TlsCertificate
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);

    private readonly string _certificate;
    private readonly string _key;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private X509Certificate2 _current;
    private DateTime _written;
    private long _looked;

    /// <param name="certificate">The certificate, PEM.</param>
    /// <param name="key">Its key, PEM.</param>
    /// <param name="clock">For when it is looked at again.</param>
    public TlsCertificate(string certificate, string key, TimeProvider clock)
    {
        _certificate = certificate;
        _key = key;
        _clock = clock;
        _written = File.GetLastWriteTimeUtc(certificate);
        _looked = clock.GetTimestamp();
        _current = X509Certificate2.CreateFromPemFile(certificate, key);
    }

    /// <summary>The newest that could be read.</summary>
    public X509Certificate2 Current
    {
        get
        {
            lock (_lock)
            {
                if (_clock.GetElapsedTime(_looked) >= LookAgain)
                {
                    _looked = _clock.GetTimestamp();
                    Refresh();
                }

                return _current;
            }
        }
    }

    // Half written, or the key not yet the certificate's: the old one is good until the next look.
    private void Refresh()
    {
        try
        {
            DateTime written = File.GetLastWriteTimeUtc(_certificate);
            if (written != _written)
            {
                _current = X509Certificate2.CreateFromPemFile(_certificate, _key);
                _written = written;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
        }
    }
}
