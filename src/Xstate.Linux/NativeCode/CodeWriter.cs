using System.Buffers.Binary;

namespace Xstate.Linux.NativeCode;

/// <summary>Machine code as bytes, with labels for the few forward references that the probes need.</summary>
internal sealed class CodeWriter
{
    private readonly List<byte> _bytes = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(int At, string Label, bool Absolute)> _references = [];

    public int Length => _bytes.Count;

    public CodeWriter Emit(params ReadOnlySpan<byte> code)
    {
        _bytes.AddRange(code);
        return this;
    }

    public CodeWriter Immediate(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Emit(bytes);
    }

    public CodeWriter Label(string name)
    {
        _labels.Add(name, Length);
        return this;
    }

    /// <summary>A 32-bit displacement from the end of itself.</summary>
    public CodeWriter Relative(string label) => Reference(label, absolute: false);

    /// <summary>A 32-bit linear address.</summary>
    public CodeWriter Absolute(string label) => Reference(label, absolute: true);

    /// <summary>Copies the code to where it will run.</summary>
    public void CopyTo(Span<byte> destination, ulong address)
    {
        byte[] code = [.. _bytes];
        foreach ((int at, string label, bool absolute) in _references)
        {
            int target = _labels[label];
            uint value = absolute ? (uint)(address + (ulong)target) : (uint)(target - (at + sizeof(uint)));
            BinaryPrimitives.WriteUInt32LittleEndian(code.AsSpan(at), value);
        }

        code.CopyTo(destination);
    }

    private CodeWriter Reference(string label, bool absolute)
    {
        _references.Add((Length, label, absolute));
        return Emit(0, 0, 0, 0);
    }
}
