using System.Text.Json;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>
/// One call of KVM on a virtual CPU, the same for scenarios, <c>conform</c> and the reproducers that it writes: it is read from a step,
/// written as one, performed alike on a model and on a kernel, and its answer compares itself.
/// </summary>
internal abstract record KvmCall
{
    private protected KvmCall(string op)
    {
        Op = op;
    }

    /// <summary>The step's name in a scenario, such as <c>set_xsave</c>.</summary>
    public string Op { get; }

    /// <summary>The request's name. That of a step is the request's without KVM_, in lower case.</summary>
    public virtual string Request => $"KVM_{Op.ToUpperInvariant()}";

    /// <summary>Performs the call.</summary>
    /// <param name="vcpu">The virtual CPU.</param>
    /// <param name="lastArea">The area that the last successful GET of this sequence returned; a GET replaces it.</param>
    public abstract KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea);

    /// <summary>The call in one line.</summary>
    public abstract override string ToString();

    /// <summary>The same call with what earlier answers gave it, so that it can be written.</summary>
    internal virtual KvmCall After(byte[] lastArea) => this;

    /// <summary>Writes the fields of the step, as the call's own Parse reads them.</summary>
    internal virtual void Write(Utf8JsonWriter json)
    {
    }
}
