using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace Xstate.Tests;

/// <summary>
/// Which types of an assembly its types refer to: in bases, signatures, attributes, locals and instructions. Constants are not among them,
/// because the compiler leaves their values only.
/// </summary>
internal static class AssemblyReferences
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private const byte TwoByteOpcode = 0xFE;

    private static readonly Dictionary<int, OpCode> Opcodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(opcode => opcode.Value & 0xFFFF);

    /// <summary>The pairs, each once; types of the assembly only, nested ones as themselves.</summary>
    public static HashSet<(Type From, Type To)> Of(Assembly assembly)
    {
        HashSet<(Type, Type)> found = [];
        foreach (Type type in assembly.GetTypes())
        {
            HashSet<Type> used = [];
            Add(used, type.BaseType);
            AddAll(used, type.GetInterfaces());
            AddAttributes(used, type);
            foreach (MemberInfo member in type.GetMembers(Declared))
            {
                AddMember(used, member);
                AddAttributes(used, member);
                if (member is MethodBase method)
                {
                    AddBody(used, method);
                }
            }

            foreach (Type to in used.Where(to => to.Assembly == assembly))
            {
                found.Add((type, to));
            }
        }

        return found;
    }

    private static void AddMember(HashSet<Type> used, MemberInfo? member)
    {
        Add(used, member?.DeclaringType);
        switch (member)
        {
            case Type type:
                Add(used, type);
                break;
            case FieldInfo field:
                Add(used, field.FieldType);
                break;
            case PropertyInfo property:
                Add(used, property.PropertyType);
                break;
            case MethodBase method:
                AddAll(used, method.GetParameters().Select(parameter => parameter.ParameterType));
                AddAll(used, method.IsGenericMethod ? method.GetGenericArguments() : []);
                Add(used, (method as MethodInfo)?.ReturnType);
                break;
            default:
                break;
        }
    }

    private static void AddAttributes(HashSet<Type> used, MemberInfo member) =>
        AddAll(used, member.GetCustomAttributesData().Select(attribute => attribute.AttributeType));

    private static void AddBody(HashSet<Type> used, MethodBase method)
    {
        if (method.GetMethodBody() is not { } body || body.GetILAsByteArray() is not { } code)
        {
            return;
        }

        AddAll(used, body.LocalVariables.Select(local => local.LocalType));
        AddAll(used, body.ExceptionHandlingClauses.Where(clause => clause.Flags == ExceptionHandlingClauseOptions.Clause)
            .Select(clause => clause.CatchType));
        Type[] typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : [];
        Type[] methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : [];
        foreach (int token in Tokens(code))
        {
            AddMember(used, method.Module.ResolveMember(token, typeArguments, methodArguments));
        }
    }

    // The operands that name a member: of calls, fields, types and ldtoken.
    private static IEnumerable<int> Tokens(byte[] code)
    {
        for (int at = 0; at < code.Length;)
        {
            int value = code[at++];
            value = value == TwoByteOpcode ? value << 8 | code[at++] : value;
            OperandType operand = Opcodes[value].OperandType;
            if (operand is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
            {
                yield return BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at));
            }

            at += operand switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => sizeof(int) * (1 + BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at))),
                _ => 4,
            };
        }
    }

    private static void AddAll(HashSet<Type> used, IEnumerable<Type?> types)
    {
        foreach (Type? type in types)
        {
            Add(used, type);
        }
    }

    private static void Add(HashSet<Type> used, Type? type)
    {
        if (type is null || type.IsGenericParameter)
        {
            return;
        }

        if (type.HasElementType)
        {
            Add(used, type.GetElementType());
            return;
        }

        if (type.IsGenericType)
        {
            AddAll(used, type.GetGenericArguments());
            type = type.GetGenericTypeDefinition();
        }

        used.Add(type);
    }
}
