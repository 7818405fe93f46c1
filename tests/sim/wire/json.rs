//! JSON-RPC messages, read strictly.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One message; values are as they came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    /// `None` also for null.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// What a message is.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    Request {
        id: &'a str,
        method: &'a str,
        params: &'a str,
    },
    Notification {
        method: &'a str,
        params: &'a str,
    },
    Result {
        id: &'a str,
        result: &'a str,
    },
    /// `id` is empty if it is null.
    Error {
        id: &'a str,
        error: &'a str,
    },
}

impl<'a> Message<'a> {
    /// Reads one message.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, String> {
        let wrong = |why: String| format!("{why}: {}", String::from_utf8_lossy(text));
        let message: Self =
            serde_json::from_slice(text).map_err(|error| wrong(format!("no message: {error}")))?;
        if message.jsonrpc != "2.0" {
            return Err(wrong("jsonrpc is not 2.0".to_owned()));
        }
        message
            .said()
            .map(|_| ())
            .ok_or_else(|| wrong("members do not fit".to_owned()))?;
        Ok(message)
    }

    /// What it is.
    pub(crate) fn said(&'a self) -> Option<Said<'a>> {
        let raw = |value: Option<&'a RawValue>| value.map_or("", RawValue::get);
        let (id, params) = (raw(self.id), raw(self.params));
        let method = self.method.as_deref();
        Some(match (self.id, method, self.result, self.error) {
            (Some(_), Some(method), None, None) => Said::Request { id, method, params },
            (None, Some(method), None, None) => Said::Notification { method, params },
            (Some(_), None, Some(result), None) => Said::Result {
                id,
                result: result.get(),
            },
            (_, None, None, Some(error)) => Said::Error {
                id,
                error: error.get(),
            },
            _ => return None,
        })
    }
}

/// The members of an object; empty for anything else.
pub(crate) fn object(text: &str) -> BTreeMap<Cow<'_, str>, &RawValue> {
    #[derive(Deserialize)]
    struct Object<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);
    serde_json::from_str::<Object<'_>>(text)
        .map(|object| object.0)
        .unwrap_or_default()
}

/// A value deep inside an object, as it came.
pub(crate) fn at<'a>(text: &'a str, path: &[&str]) -> Option<&'a str> {
    let mut text = text;
    for name in path {
        text = object(text).get(*name).map(|value| value.get())?;
    }
    Some(text)
}

/// A string deep inside an object, decoded.
pub(crate) fn string_at(text: &str, path: &[&str]) -> Option<String> {
    at(text, path).and_then(|raw| serde_json::from_str(raw).ok())
}

/// The elements of an array.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let list: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    list.into_iter().map(RawValue::get).collect()
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_are_messages() {
        let kinds = [
            (r#"{"jsonrpc":"2.0","id":"a","method":"m"}"#, true),
            (r#"{"jsonrpc":"2.0","method":"m","params":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"id":1,"result":{}}"#, false),
            (r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}x"#, false),
            (r#"{"jsonrpc":"2.0","id":1}"#, false),
        ];
        for (text, good) in kinds {
            assert_eq!(Message::read(text.as_bytes()).is_ok(), good, "{text}");
        }
        assert_eq!(
            string_at(r#"{"a":{"b":"\u0041"}}"#, &["a", "b"]).as_deref(),
            Some("A")
        );
    }
}
