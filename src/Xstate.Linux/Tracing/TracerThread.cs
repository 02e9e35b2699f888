using System.Collections.Concurrent;

namespace Xstate.Linux.Tracing;

/// <summary>
/// One operating-system thread that performs what it is given, in order. The kernel ties tracing to a thread: only the one that attached
/// may ask, and when it ends, the kernel detaches from all that it traced.
/// </summary>
internal sealed class TracerThread : IDisposable
{
    private readonly BlockingCollection<Task> _work = [];
    private readonly Thread _thread;

    public TracerThread(string name)
    {
        _thread = new Thread(Work) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Performs a function there and hands back its result or its exception.</summary>
    public T Perform<T>(Func<T> function)
    {
        if (Thread.CurrentThread == _thread)
        {
            return function();
        }

        Task<T> task = new(function);
        _work.Add(task);
        return task.GetAwaiter().GetResult();
    }

    /// <summary>Ends the thread.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private void Work()
    {
        foreach (Task task in _work.GetConsumingEnumerable())
        {
            task.RunSynchronously();
        }
    }
}
