using System.Text.Json;
using System.Text.RegularExpressions;

namespace Xstate.Tests.Support;

/// <summary>
/// The part of JSON Schema that docs/schemas uses, so that the schemas are held against what the readers and writers really do. An unknown
/// keyword fails.
/// </summary>
internal sealed class JsonSchema
{
    private readonly Dictionary<string, JsonElement> _documents = [];
    private readonly string _name;

    public JsonSchema(string name)
    {
        _name = name;
        foreach (string file in Directory.GetFiles(Repository.PathOf("docs", "schemas"), "*.schema.json"))
        {
            _documents.Add(Path.GetFileName(file), JsonDocument.Parse(File.ReadAllBytes(file)).RootElement);
        }
    }

    /// <summary>Where and why the document does not fit; empty when it does.</summary>
    public List<string> Errors(JsonElement value)
    {
        List<string> errors = [];
        Check(_name, _documents[_name], value, "$", errors);
        return errors;
    }

    private void Check(string document, JsonElement schema, JsonElement value, string path, List<string> errors)
    {
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            JsonElement rule = keyword.Value;
            bool holds = keyword.Name switch
            {
                "$schema" or "$id" or "$defs" or "title" or "description" => true,
                "additionalProperties" => schema.TryGetProperty("properties", out _) || rule.ValueKind != JsonValueKind.Object
                    || CheckMembers(document, rule, value, path, errors),
                "$ref" => Follow(document, rule.GetString()!, value, path, errors),
                "anyOf" => rule.EnumerateArray().Any(choice => Fits(document, choice, value)),
                "const" => rule.ToString() == value.ToString() && rule.ValueKind == value.ValueKind,
                "enum" => rule.EnumerateArray().Any(word => word.ValueKind == value.ValueKind && word.ToString() == value.ToString()),
                "type" => rule.ValueKind == JsonValueKind.Array ? rule.EnumerateArray()
                    .Any(type => IsType(type.GetString()!, value)) : IsType(rule.GetString()!, value),
                "pattern" => value.ValueKind != JsonValueKind.String
                    || Regex.IsMatch(value.GetString()!, rule.GetString()!, RegexOptions.None, TimeSpan.FromSeconds(5)),
                "minimum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() >= rule.GetDouble(),
                "maximum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() <= rule.GetDouble(),
                "minItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() >= rule.GetInt32(),
                "maxItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() <= rule.GetInt32(),
                "required" => value.ValueKind != JsonValueKind.Object || rule.EnumerateArray()
                    .All(name => value.TryGetProperty(name.GetString()!, out _)),
                "items" => CheckItems(document, rule, value, path, errors),
                "properties" => CheckProperties(document, schema, rule, value, path, errors),
                _ => throw new NotSupportedException($"the schema keyword {keyword.Name}"),
            };
            if (!holds)
            {
                errors.Add($"{path}: {keyword.Name}");
            }
        }
    }

    private bool Follow(string document, string reference, JsonElement value, string path, List<string> errors)
    {
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string target = hash > 0 ? reference[..hash] : document;
        target = hash < 0 ? reference : target;
        JsonElement schema = _documents[target];
        foreach (string step in hash < 0 ? [] : reference[(hash + 2)..].Split('/'))
        {
            schema = schema.GetProperty(step);
        }

        Check(target, schema, value, path, errors);
        return true;
    }

    private bool Fits(string document, JsonElement schema, JsonElement value)
    {
        List<string> errors = [];
        Check(document, schema, value, "$", errors);
        return errors.Count == 0;
    }

    private bool CheckItems(string document, JsonElement rule, JsonElement value, string path, List<string> errors)
    {
        int index = 0;
        foreach (JsonElement item in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : default)
        {
            Check(document, rule, item, $"{path}[{index++}]", errors);
        }

        return true;
    }

    // Members without names of their own, all of one shape.
    private bool CheckMembers(string document, JsonElement rule, JsonElement value, string path, List<string> errors)
    {
        foreach (JsonProperty member in value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : default)
        {
            Check(document, rule, member.Value, $"{path}.{member.Name}", errors);
        }

        return true;
    }

    private bool CheckProperties(string document, JsonElement schema, JsonElement rule, JsonElement value, string path, List<string> errors)
    {
        bool open = !schema.TryGetProperty("additionalProperties", out JsonElement additional)
            || additional.ValueKind != JsonValueKind.False;
        foreach (JsonProperty member in value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : default)
        {
            if (rule.TryGetProperty(member.Name, out JsonElement inner))
            {
                Check(document, inner, member.Value, $"{path}.{member.Name}", errors);
            }
            else if (!open)
            {
                errors.Add($"{path}: additional {member.Name}");
            }
        }

        return true;
    }

    private static bool IsType(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "number" => value.ValueKind == JsonValueKind.Number,
        "null" => value.ValueKind == JsonValueKind.Null,
        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        _ => throw new NotSupportedException($"the schema type {type}"),
    };
}
