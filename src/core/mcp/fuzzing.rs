//! What must hold for any bytes at all. Each function is one fuzz target of fuzz/ and panics when a
//! promise is broken; tests/corpus.rs runs them over the seeds.

use std::borrow::Cow;

use serde_json::Value;

use crate::base::base64;
use crate::json::span::{self, Span, member, members, string, string_is};
use crate::limits::PARAM_HEADERS_MAX;
use crate::mcp::familiar::Familiar;
use crate::mcp::headers::{self, Annotated};
use crate::mcp::levels::LEVELS;
use crate::mcp::meta;

/// The `_meta` of any parameters says what its tree says; what we write ourselves is read back.
pub fn meta(data: &[u8]) {
    let Ok(whole) = span::validate(data) else {
        return;
    };
    let at = member(data, whole, "_meta");
    let found = meta::survey(data, at);
    let read = found.described(data);
    let mut familiar = Familiar::default();
    for _ in 0..2 {
        let known = familiar.survey(data, at);
        assert_eq!(known.described(data), read);
        assert_eq!(*known.hop.cuts, *found.hop.cuts);
        assert_eq!(known.hop.token, found.hop.token);
        let length = at.map(|at| familiar.length(data.get(at.start..).unwrap_or_default()));
        assert!(length.unwrap_or(0) <= at.map_or(0, |at| at.range().len()));
    }
    let Ok(tree) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let metas = members(data, whole).filter(|(key, _)| string_is(data, *key, "_meta"));
    let twice = read.as_ref().is_some_and(|read| read.twice);
    if metas.count() > 1 || twice {
        return;
    }
    let said = |key: &str| tree.get("_meta")?.as_object()?.get(key);
    let version = said(meta::VERSION);
    assert_eq!(read.is_some(), version.is_some());
    let Some((read, version)) = read.zip(version) else {
        return;
    };
    assert_eq!(version.as_str().unwrap_or_default(), read.version);
    let capabilities = said(meta::CAPABILITIES).is_some_and(Value::is_object);
    assert_eq!(read.capabilities.is_some(), capabilities);
    let level = said(meta::LOG_LEVEL);
    assert_eq!(read.level.is_some(), level.is_some());
    let known = level.and_then(Value::as_str);
    let known = LEVELS.iter().position(|level| Some(*level) == known);
    if let Some(level) = read.level {
        assert_eq!(level.ok().map(usize::from), known);
    }
}

/// A field's value means one thing or nothing, every text can be written as one, and a call agrees
/// with the fields that were made of its arguments and no others. The first line is the value, the
/// rest any arguments or any schema.
pub fn header(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let value = String::from_utf8_lossy(lines.next().unwrap_or_default());
    match headers::decode(&value) {
        Some(Cow::Borrowed(plain)) => {
            assert_eq!(plain, value.trim_matches([' ', '\t']));
            assert!(
                plain
                    .bytes()
                    .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            );
        }
        // Each text has one coded form.
        Some(Cow::Owned(meant)) => assert_eq!(coded(&meant), value.trim_matches([' ', '\t'])),
        None => {}
    }
    assert_eq!(headers::decode(&coded(&value)).as_deref(), Some(&*value));
    let rest = lines.next().unwrap_or_default();
    if let Ok(whole) = span::validate(rest) {
        schema(rest, whole);
        arguments(rest, whole, &value);
    }
}

fn coded(text: &str) -> String {
    let mut coded = base64::encode_url(text.as_bytes())
        .replace('-', "+")
        .replace('_', "/");
    while !coded.len().is_multiple_of(4) {
        coded.push('=');
    }
    format!("=?base64?{coded}?=")
}

/// Whatever is annotated in a schema can be used.
fn schema(text: &[u8], whole: Span) {
    let found = headers::annotated(text, whole).unwrap_or_default();
    assert!(found.len() <= PARAM_HEADERS_MAX);
    for (index, one) in found.iter().enumerate() {
        assert!(!one.field.is_empty() && !one.path.is_empty());
        assert!(one.field.bytes().all(|byte| byte.is_ascii_graphic()));
        let rest = found.get(index + 1..).unwrap_or_default();
        assert!(rest.iter().all(|other| other.field != one.field));
    }
}

fn arguments(text: &[u8], whole: Span, other: &str) {
    for (key, _) in members(text, whole) {
        let Some(name) = string(text, key) else {
            continue;
        };
        // Of two with one name the first is meant, here and there.
        let Some(value) = member(text, whole, &name) else {
            continue;
        };
        let said = match value.of(text) {
            [b'"', ..] => string(text, value),
            raw @ (b"true" | b"false") => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
            _ => None,
        };
        let Some(said) = said else {
            continue;
        };
        let field = Annotated {
            field: "f".to_owned(),
            path: vec![name.into_owned()],
        };
        let compare = |given: &str| {
            let fields = [("f".to_owned(), given.to_owned())];
            headers::compare(text, Some(whole), std::slice::from_ref(&field), &fields)
        };
        assert_eq!(compare(&coded(&said)), Ok(()));
        let ours = headers::fields(text, Some(whole), std::slice::from_ref(&field));
        let ours = ours.first().map(|(_, value)| headers::encode(value));
        assert_eq!(ours.map(|value| compare(&value)), Some(Ok(())));
        let same = headers::decode(other).is_some_and(|other| other == said);
        assert_eq!(compare(other).is_ok(), same);
        assert!(headers::compare(text, Some(whole), &[field], &[]).is_err());
    }
}
