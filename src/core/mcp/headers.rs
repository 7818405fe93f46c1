//! The header fields by which a modern POST repeats parts of its body (D19, D20): how their values
//! are written, which argument of a tool each stands for, and whether the two agree.

use std::borrow::Cow;

use crate::base::base64;
use crate::json::span::{Span, elements, member, members, path, string, string_is};
use crate::limits::{PARAM_HEADERS_DEPTH_MAX, PARAM_HEADERS_MAX};

/// Begins the name of a field that stands for an argument.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// The member of a property's schema that gives its argument a field.
pub const ANNOTATION: &str = "x-mcp-header";

/// What a field's value means; `None` if it is not written as it must be.
#[must_use]
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    let coded = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    if let Some(coded) = coded {
        return String::from_utf8(base64::decode(coded)?)
            .ok()
            .map(Cow::Owned);
    }
    let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    value.bytes().all(plain).then_some(Cow::Borrowed(value))
}

/// How a value is written: plain where that can be read back as it was, else marked base64.
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let bare = value.trim_matches([' ', '\t']);
    let fits = !value.is_empty() && bare.len() == value.len() && value.bytes().all(plain);
    if fits && !value.starts_with("=?base64?") {
        return Cow::Borrowed(value);
    }
    Cow::Owned(["=?base64?", &base64::encode(value.as_bytes()), "?="].concat())
}

/// An argument of a tool that has a field of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// What stands behind [`PARAM_PREFIX`], in lower case.
    pub field: String,
    /// The names that lead to it from `arguments`.
    pub path: Vec<String>,
}

/// The annotated arguments of a tool by its `inputSchema`; `None` if it annotates wrongly. Such a
/// tool is dropped from their lists by clients on HTTP.
#[must_use]
pub fn annotated(text: &[u8], schema: Span) -> Option<Vec<Annotated>> {
    let mut found = Vec::new();
    let good = collect(text, schema, &mut Vec::new(), &mut found)
        && member(text, schema, ANNOTATION).is_none()
        && found.len() <= PARAM_HEADERS_MAX;
    good.then_some(found)
}

/// The fields of a call, by the arguments that it is sent with: names in lower case without
/// [`PARAM_PREFIX`], values as they are meant. What is absent, null or of another kind has none.
#[must_use]
pub fn fields(
    text: &[u8],
    arguments: Option<Span>,
    annotated: &[Annotated],
) -> Vec<(String, String)> {
    let value = |one: &Annotated| {
        let names: Vec<&str> = one.path.iter().map(String::as_str).collect();
        let at = arguments.and_then(|at| path(text, at, &names))?;
        let raw = at.of(text);
        Some(match raw {
            [b'"', ..] => string(text, at)?.into_owned(),
            b"true" | b"false" => String::from_utf8_lossy(raw).into_owned(),
            [b'-' | b'0'..=b'9', ..] => decimal(std::str::from_utf8(raw).ok()?)?,
            _ => return None,
        })
    };
    let all = annotated.iter();
    all.filter_map(|one| Some((one.field.clone(), value(one)?)))
        .collect()
}

/// A JSON number in digits. Servers do not agree on exponents in a field.
fn decimal(raw: &str) -> Option<String> {
    if raw.bytes().all(|byte| !byte.is_ascii_alphabetic()) {
        return Some(raw.to_owned());
    }
    // Beyond this it is no integer that all read alike.
    const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;
    let number: f64 = raw.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= INTEGER_MAX).then(|| format!("{number:.0}"))
}

/// Follows `properties` only; `false` if an annotation on the way, or beside it, is not allowed.
fn collect<'a>(
    text: &'a [u8],
    schema: Span,
    at: &mut Vec<Cow<'a, str>>,
    found: &mut Vec<Annotated>,
) -> bool {
    if at.len() >= PARAM_HEADERS_DEPTH_MAX {
        return true;
    }
    if has_hidden(text, schema, at.len()) {
        return false;
    }
    let Some(properties) = member(text, schema, "properties") else {
        return true;
    };
    for (key, property) in members(text, properties) {
        at.push(string(text, key).unwrap_or_default());
        if let Some(field) = member(text, property, ANNOTATION) {
            let field = string(text, field).unwrap_or_default().to_ascii_lowercase();
            let twice = found.iter().any(|other| other.field == field);
            if twice || !is_token(&field) || !is_primitive(text, property) {
                return false;
            }
            let path = at.iter().map(|name| name.to_string()).collect();
            found.push(Annotated { field, path });
        }
        if !collect(text, property, at, found) {
            return false;
        }
        at.pop();
    }
    true
}

/// Whether a schema has an annotation where no call can be seen to have the argument: in a branch,
/// in elements, in a definition.
fn has_hidden(text: &[u8], schema: Span, depth: usize) -> bool {
    let schemas = members(text, schema).filter(|(key, _)| !string_is(text, *key, "properties"));
    schemas
        .filter_map(|(key, value)| Some((holds(&string(text, key)?)?, value)))
        .any(|(holds, value)| match (holds, value.of(text)) {
            (Holds::One, [b'[', ..]) | (Holds::List, _) => {
                elements(text, value).any(|one| mentions(text, one, depth + 1))
            }
            (Holds::One, _) => mentions(text, value, depth + 1),
            (Holds::Map, _) => members(text, value).any(|(_, one)| mentions(text, one, depth + 1)),
        })
}

/// Whether a schema or one within it is annotated.
fn mentions(text: &[u8], schema: Span, depth: usize) -> bool {
    if depth >= PARAM_HEADERS_DEPTH_MAX {
        return false;
    }
    member(text, schema, ANNOTATION).is_some()
        || has_hidden(text, schema, depth)
        || member(text, schema, "properties").is_some_and(|properties| {
            members(text, properties).any(|(_, one)| mentions(text, one, depth + 1))
        })
}

/// What a keyword of JSON Schema holds.
enum Holds {
    One,
    List,
    Map,
}

/// The keywords that hold schemas; what is in the others is data.
fn holds(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "additionalProperties"
        | "additionalItems"
        | "contains"
        | "contentSchema"
        | "else"
        | "if"
        | "items"
        | "not"
        | "propertyNames"
        | "then"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::One,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::List,
        "$defs" | "definitions" | "dependentSchemas" | "patternProperties" => Holds::Map,
        _ => return None,
    })
}

/// A name as HTTP allows it (RFC 9110 section 5.6.2).
fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

fn is_primitive(text: &[u8], property: Span) -> bool {
    let Some(kind) = member(text, property, "type") else {
        return false;
    };
    let is_null = |at: &Span| string_is(text, *at, "null");
    let known = |at: Span| {
        let kind = string(text, at);
        matches!(kind.as_deref(), Some("string" | "integer" | "boolean"))
    };
    match kind.of(text) {
        [b'[', ..] => {
            let mut kinds = elements(text, kind).filter(|at| !is_null(at)).peekable();
            kinds.peek().is_some() && kinds.all(known)
        }
        _ => known(kind),
    }
}

/// Why a call does not agree with its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub String);

/// Compares the fields of a call with its arguments. `fields` are those that begin with
/// [`PARAM_PREFIX`], without it and in lower case; those that stand for nothing are ignored.
///
/// # Errors
/// The first one that is missing, too many, wrong or not written as it must be.
pub fn compare(
    text: &[u8],
    arguments: Option<Span>,
    annotated: &[Annotated],
    fields: &[(String, String)],
) -> Result<(), Mismatch> {
    for one in annotated {
        let names: Vec<&str> = one.path.iter().map(String::as_str).collect();
        let value = arguments.and_then(|at| path(text, at, &names));
        let value = value.map(|at| at.of(text)).filter(|raw| *raw != b"null");
        let given = fields.iter().find(|(name, _)| *name == one.field);
        let name = format!("Mcp-Param-{}", one.field);
        match (value, given) {
            (None, None) => {}
            (Some(_), None) => {
                return Err(Mismatch(format!(
                    "{name} is missing: send the argument in it"
                )));
            }
            (None, Some(_)) => {
                return Err(Mismatch(format!("{name} is there, its argument is not")));
            }
            (Some(raw), Some((_, given))) => {
                let given = decode(given)
                    .ok_or_else(|| Mismatch(format!("{name} is not written as it must be")))?;
                if !is_same(raw, &given) {
                    return Err(Mismatch(format!("{name} differs from the argument")));
                }
            }
        }
    }
    Ok(())
}

/// Whether a field says the same as a value of the body (raw JSON).
fn is_same(raw: &[u8], given: &str) -> bool {
    match raw {
        [b'"', ..] => string(raw, Span::whole(raw)).as_deref() == Some(given),
        [b'-' | b'0'..=b'9', ..] => {
            let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            let digits = given.bytes().all(|byte| !byte.is_ascii_alphabetic());
            let body = std::str::from_utf8(raw).ok().and_then(number);
            digits && body.is_some() && body == number(given)
        }
        _ => raw == given.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_values_are_plain_or_marked_base64() {
        for (value, meant) in [
            ("us-west1", Some("us-west1")),
            (" \tx y\t ", Some("x y")),
            ("", Some("")),
            ("=?base64?SGVsbG8=?=", Some("Hello")),
            ("  =?base64?IHg=?= ", Some(" x")),
            ("=?base64?w7w=?=", Some("ü")),
            ("=?base64??=", Some("")),
            ("=?BASE64?SGVsbG8=?=", Some("=?BASE64?SGVsbG8=?=")),
            ("=?base64?SGVsbG8=", Some("=?base64?SGVsbG8=")),
            ("SGVsbG8=?=", Some("SGVsbG8=?=")),
            ("=?base64?SGVsbG8?=", None),
            ("=?base64?SGVs!!!bG8=?=", None),
            ("=?base64?/w==?=", None),
            ("ü", None),
            ("a\u{7f}", None),
            ("a\u{1}b", None),
        ] {
            assert_eq!(decode(value).as_deref(), meant, "{value:?}");
        }
    }

    fn read(schema: &str) -> Option<Vec<(String, String)>> {
        let all = annotated(schema.as_bytes(), Span::whole(schema.as_bytes()))?.into_iter();
        Some(all.map(|one| (one.field, one.path.join("."))).collect())
    }

    #[test]
    fn d20_annotations_stand_on_primitive_properties_only() {
        let schema = |properties: &str| format!(r#"{{"type":"object","properties":{properties}}}"#);
        let nested = schema(
            r#"{"r":{"type":"string","x-mcp-header":"Region"},
                "o":{"type":"object","properties":{"n":{"type":["integer","null"],"x-mcp-header":"N"}}},
                "x-mcp-header":{"type":"string","default":{"x-mcp-header":"no schema"}}}"#,
        );
        let pair = |field: &str, path: &str| (field.to_owned(), path.to_owned());
        let both = vec![pair("region", "r"), pair("n", "o.n")];
        assert_eq!(read(&nested), Some(both));
        for wrong in [
            r#"{"a":{"type":"null","x-mcp-header":"A"}}"#,
            r#"{"a":{"type":["null"],"x-mcp-header":"A"}}"#,
            r#"{"a":{"type":"object","x-mcp-header":"A"}}"#,
            r#"{"a":{"type":"array","x-mcp-header":"A"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"R\u00e9gion"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"a\tb"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"a:b"}}"#,
            r#"{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}"#,
            r#"{"a":{"prefixItems":[{"type":"string","x-mcp-header":"A"}]}}"#,
            r#"{"a":{"items":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}"#,
            r#"{"a":{"type":"string","x-mcp-header":""}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"a b"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":7}}"#,
            r#"{"a":{"type":"number","x-mcp-header":"A"}}"#,
            r#"{"a":{"x-mcp-header":"A"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#,
        ] {
            assert_eq!(read(&schema(wrong)), None, "{wrong}");
        }
        for beside in [
            r#""x-mcp-header":"A""#,
            r#""additionalProperties":{"x-mcp-header":"A"}"#,
            r#""oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]"#,
            r#""not":{"x-mcp-header":"A"}"#,
            r#""$defs":{"R":{"type":"string","x-mcp-header":"A"}}"#,
            r#""if":{},"then":{"anyOf":[{"x-mcp-header":"A"}]}"#,
        ] {
            assert_eq!(
                read(&format!(r#"{{"type":"object",{beside}}}"#)),
                None,
                "{beside}"
            );
        }
        let deep = r#"{"properties":{"a":"#.repeat(40) + "{}" + &"}}".repeat(40);
        assert_eq!(read(&deep), Some(Vec::new()));
        let many: Vec<String> = (0..=PARAM_HEADERS_MAX)
            .map(|n| format!(r#""p{n}":{{"type":"string","x-mcp-header":"F{n}"}}"#))
            .collect();
        assert_eq!(read(&schema(&format!("{{{}}}", many.join(",")))), None);
    }

    #[test]
    fn d19_what_is_written_reads_back() {
        for (value, written) in [
            ("us-west1", "us-west1"),
            ("a b", "a b"),
            ("Hello, \u{4e16}\u{754c}", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("a\r\nHost: evil", "=?base64?YQ0KSG9zdDogZXZpbA==?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("", "=?base64??="),
        ] {
            assert_eq!(encode(value), written);
            assert_eq!(decode(written).as_deref(), Some(value));
        }
    }

    #[test]
    fn f9_fields_say_what_the_arguments_say() {
        let text = r#"{"s":"a\u0062","n":42,"f":42.0,"e":1e3,"h":1e-3,"t":true,"z":null,"o":{},
            "in":{"s":""}}"#;
        let of = |path: &[&str]| {
            let one = Annotated {
                field: "f".to_owned(),
                path: path.iter().map(|name| (*name).to_owned()).collect(),
            };
            let at = Some(Span::whole(text.as_bytes()));
            let all = fields(text.as_bytes(), at, std::slice::from_ref(&one));
            // What we write our own check accepts.
            let compared = compare(text.as_bytes(), at, &[one], &all);
            assert_eq!(compared.is_ok(), !matches!(path, ["h" | "o"]), "{path:?}");
            all.into_iter().next().map(|(_, value)| value)
        };
        for (path, value) in [
            (&["s"][..], Some("ab")),
            (&["n"], Some("42")),
            (&["f"], Some("42.0")),
            (&["e"], Some("1000")),
            (&["h"], None),
            (&["t"], Some("true")),
            (&["z"], None),
            (&["o"], None),
            (&["absent"], None),
            (&["in", "s"], Some("")),
        ] {
            assert_eq!(of(path).as_deref(), value, "{path:?}");
        }
        assert_eq!(fields(b"{}", None, &[]), []);
    }

    #[test]
    fn d20_fields_must_say_what_the_arguments_say() {
        let one = |path: &str| Annotated {
            field: "f".to_owned(),
            path: vec![path.to_owned()],
        };
        let text = r#"{"s":"a\u0062","n":42,"big":-9007199254740991,"t":true,"z":null,"o":{}}"#;
        for (path, field, fits) in [
            ("s", Some("ab"), true),
            ("s", Some("=?base64?YWI=?="), true),
            ("s", Some("AB"), false),
            ("s", Some("=?base64?YWI?="), false),
            ("s", None, false),
            ("n", Some("42"), true),
            ("n", Some("42.0"), true),
            ("n", Some("43"), false),
            ("n", Some("4e1"), false),
            ("n", Some("nan"), false),
            ("big", Some("-9007199254740991"), true),
            ("t", Some("true"), true),
            ("t", Some("True"), false),
            ("z", None, true),
            ("z", Some("null"), false),
            ("absent", None, true),
            ("absent", Some("x"), false),
            ("o", Some("{}"), true),
        ] {
            let fields: Vec<(String, String)> = field
                .into_iter()
                .map(|value| ("f".to_owned(), value.to_owned()))
                .chain([("other".to_owned(), "x".to_owned())])
                .collect();
            let at = Some(Span::whole(text.as_bytes()));
            let compared = compare(text.as_bytes(), at, &[one(path)], &fields);
            assert_eq!(compared.is_ok(), fits, "{path} {field:?} {compared:?}");
        }
    }
}
