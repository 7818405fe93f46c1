//! The header fields by which a modern POST repeats parts of its body (D19, D20): how their values
//! are written, which argument of a tool each stands for, and whether the two agree.

use std::borrow::Cow;

use crate::base::base64;
use crate::json::span::{Span, elements, member, members, path, string};
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

/// How a value is written: as it is if that can be read back, else marked base64.
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let stays = value.trim_matches([' ', '\t']) == value
        && value.bytes().all(plain)
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    if stays {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(["=?base64?", &base64::encode(value.as_bytes()), "?="].concat())
    }
}

/// An argument of a tool that has a field of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// What stands behind [`PARAM_PREFIX`], in lower case.
    pub field: String,
    /// The names that lead to it from `arguments`.
    pub path: Vec<String>,
}

/// The annotated arguments of a tool by its `inputSchema`. A tool that annotates wrongly has none:
/// clients on HTTP drop it from their list.
#[must_use]
pub fn annotated(text: &[u8], schema: Span) -> Vec<Annotated> {
    let mut found = Vec::new();
    let good = collect(text, schema, &mut Vec::new(), &mut found);
    if good && found.len() <= PARAM_HEADERS_MAX {
        found
    } else {
        Vec::new()
    }
}

/// Follows `properties` only; `false` if an annotation on the way is not allowed.
fn collect<'a>(
    text: &'a [u8],
    schema: Span,
    at: &mut Vec<Cow<'a, str>>,
    found: &mut Vec<Annotated>,
) -> bool {
    let Some(properties) = member(text, schema, "properties") else {
        return true;
    };
    if at.len() >= PARAM_HEADERS_DEPTH_MAX {
        return true;
    }
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

/// A name as HTTP allows it (RFC 9110 section 5.6.2).
fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

fn is_primitive(text: &[u8], property: Span) -> bool {
    let Some(kind) = member(text, property, "type") else {
        return false;
    };
    let known = |at: Span| {
        let kind = string(text, at);
        matches!(
            kind.as_deref(),
            Some("string" | "integer" | "boolean" | "null")
        )
    };
    match kind.of(text) {
        [b'[', ..] => elements(text, kind).all(known),
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

    #[test]
    fn f9_what_is_encoded_reads_back_as_it_was() {
        for (value, written) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("a b\tc", "a b\tc"),
            (" x", "=?base64?IHg=?="),
            ("x\t", "=?base64?eAk=?="),
            ("\u{fc}", "=?base64?w7w=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
        ] {
            assert_eq!(encode(value), written);
            assert_eq!(decode(&encode(value)).as_deref(), Some(value));
        }
    }

    fn read(schema: &str) -> Vec<(String, String)> {
        annotated(schema.as_bytes(), Span::whole(schema.as_bytes()))
            .into_iter()
            .map(|one| (one.field, one.path.join(".")))
            .collect()
    }

    #[test]
    fn d20_annotations_stand_on_primitive_properties_only() {
        let schema = |properties: &str| format!(r#"{{"type":"object","properties":{properties}}}"#);
        let nested = schema(
            r#"{"r":{"type":"string","x-mcp-header":"Region"},
                "o":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
                "l":{"type":"array","items":{"type":"string","x-mcp-header":"Never"}}}"#,
        );
        let pair = |field: &str, path: &str| (field.to_owned(), path.to_owned());
        assert_eq!(read(&nested), [pair("region", "r"), pair("n", "o.n")]);
        for wrong in [
            r#"{"a":{"type":"string","x-mcp-header":""}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"a b"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":7}}"#,
            r#"{"a":{"type":"number","x-mcp-header":"A"}}"#,
            r#"{"a":{"x-mcp-header":"A"}}"#,
            r#"{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#,
        ] {
            assert_eq!(read(&schema(wrong)), [], "{wrong}");
        }
        let deep = r#"{"properties":{"a":"#.repeat(40) + "{}" + &"}}".repeat(40);
        assert_eq!(read(&deep), []);
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
