//! What stands in every result for a client without a session (D3, D4): that it is complete, who
//! answers, and for how long it may be kept. And what of a server's `_meta` goes to nobody (A12).

use std::rc::Rc;

use crate::json::envelope::Envelope;
use crate::json::span::{Span, members, string_begins, string_is};
use crate::mcp::meta::HOP_LOCAL;
use crate::mcp::modern::{CACHE_HINTS, server_info};
use crate::route::splice::Edits;

/// A result that is no question, and no task.
pub(crate) const COMPLETE: &str = "\"resultType\":\"complete\"";

/// The pieces, written once.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// Who we are: a member of a `_meta`.
    info: String,
    /// What is put before the first member of nearly every result.
    usual: Rc<[u8]>,
}

/// A result that is no object: no revision has such a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoObject;

impl Stamp {
    /// For this version of ours.
    pub(crate) fn new(version: &str) -> Self {
        let info = server_info(version);
        let usual = format!("{COMPLETE},\"_meta\":{{{info}}},").into_bytes();
        Self {
            info,
            usual: usual.into(),
        }
    }

    /// The members that every result of our own begins with; `cached` if it needs cache hints.
    pub(crate) fn members(&self, cached: bool) -> String {
        let hints = if cached { CACHE_HINTS } else { "" };
        let comma = if cached { "," } else { "" };
        format!("{COMPLETE},\"_meta\":{{{}}}{comma}{hints}", self.info)
    }

    /// The members that a result of our own begins with that is not the last word.
    pub(crate) fn members_of(&self, kind: &str) -> String {
        format!("\"resultType\":\"{kind}\",\"_meta\":{{{}}}", self.info)
    }

    /// A result that asks: `requests` are the members of `inputRequests`, none if it is empty.
    pub(crate) fn input_required(&self, requests: &str, state: &str) -> String {
        let requests = match requests {
            "" => String::new(),
            some => format!("\"inputRequests\":{{{some}}},"),
        };
        format!(
            "{{\"resultType\":\"input_required\",\"_meta\":{{{}}},{requests}\
             \"requestState\":\"{state}\"}}",
            self.info
        )
    }

    /// The same as [`Stamp::result`] for one that is not cached and in which neither `_meta` nor
    /// `resultType` stands, as in nearly all: it need not be gone through. `false` if it has to be.
    pub(crate) fn usual(&self, text: &[u8], result: Span, edits: &mut Edits) -> bool {
        let [b'{', inner @ ..] = result.of(text) else {
            return false;
        };
        let first = inner.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'"') {
            return false;
        }
        edits.insert(result.start + 1, Rc::clone(&self.usual));
        true
    }

    /// Makes the result of a server with sessions one of the revision without. What it says of
    /// itself in words of this revision, it cannot mean.
    pub(crate) fn result(
        &self,
        text: &[u8],
        result: Span,
        cached: bool,
        edits: &mut Edits,
    ) -> Result<(), NoObject> {
        if !result.of(text).starts_with(b"{") {
            return Err(NoObject);
        }
        let (mut empty, mut typed, mut meta) = (true, false, false);
        let (mut aged, mut scoped) = (!cached, !cached);
        for (key, value) in members(text, result) {
            empty = false;
            let is = |name| string_is(text, key, name);
            if is("_meta") {
                meta = true;
                put_into_meta(text, value, &self.info, edits);
            } else if is("resultType") {
                typed = true;
                edits.replace(value, b"\"complete\"".to_vec());
            } else if cached && is("ttlMs") {
                aged = true;
                edits.replace(value, b"0".to_vec());
            } else if cached && is("cacheScope") {
                scoped = true;
                edits.replace(value, b"\"private\"".to_vec());
            }
        }
        let meta_member = format!("\"_meta\":{{{}}}", self.info);
        let missing = [
            (typed, COMPLETE),
            (meta, meta_member.as_str()),
            (aged, "\"ttlMs\":0"),
            (scoped, "\"cacheScope\":\"private\""),
        ];
        let missing: Vec<&str> = missing
            .iter()
            .filter_map(|(there, text)| (!there).then_some(*text))
            .collect();
        if !missing.is_empty() {
            let comma = if empty { "" } else { "," };
            let missing = format!("{}{comma}", missing.join(","));
            edits.insert(result.start + 1, missing.into_bytes());
        }
        Ok(())
    }
}

impl Stamp {
    /// Says in a result of a server without sessions that it is we who answer, and what else is
    /// `missing`: members with a comma behind each.
    pub(crate) fn sign(
        &self,
        text: &[u8],
        result: Span,
        meta: Option<Span>,
        mut missing: String,
        edits: &mut Edits,
    ) {
        let info = self.info.as_str();
        if let Some(meta) = meta {
            put_into_meta(text, meta, info, edits);
        } else {
            let comma = if members(text, result).next().is_some() {
                ","
            } else {
                ""
            };
            for piece in ["\"_meta\":{", info, "}", comma] {
                missing.push_str(piece);
            }
        }
        if !missing.is_empty() {
            edits.insert(result.start + 1, missing.into_bytes());
        }
    }
}

/// Puts a member into a `_meta`, in the place of those that concern only the hop it comes from.
fn put_into_meta(text: &[u8], meta: Span, member: &str, edits: &mut Edits) {
    if !meta.of(text).starts_with(b"{") {
        return edits.replace(meta, format!("{{{member}}}").into_bytes());
    }
    let stays = |key: Span| !string_begins(text, key, HOP_LOCAL);
    let comma = if members(text, meta).any(|(key, _)| stays(key)) {
        ","
    } else {
        ""
    };
    edits.insert(meta.start + 1, format!("{member}{comma}").into_bytes());
    edits.cut_hop_local(text, Some(meta));
}

/// Puts a member into the `_meta` of the parameters of a notification, which may have none.
pub(crate) fn put_into_params(text: &[u8], params: Span, member: &str, edits: &mut Edits) {
    let mut found = members(text, params).peekable();
    let empty = found.peek().is_none();
    let mut put = false;
    for (_, value) in found.filter(|(key, _)| string_is(text, *key, "_meta")) {
        put = true;
        put_into_meta(text, value, member, edits);
    }
    if !put {
        let comma = if empty { "" } else { "," };
        let meta = format!("\"_meta\":{{{member}}}{comma}");
        edits.insert(params.start + 1, meta.into_bytes());
    }
}

/// Cuts out of a result, or of the parameters of a notification, what concerns only the hop it
/// comes from.
pub(crate) fn cut_meta(text: &[u8], envelope: &Envelope, edits: &mut Edits) {
    if !envelope.meta_twice {
        return edits.cut_hop_local(text, envelope.meta);
    }
    let Some(object) = envelope.outcome.or(envelope.params) else {
        return;
    };
    for (_, meta) in members(text, object).filter(|(key, _)| string_is(text, *key, "_meta")) {
        edits.cut_hop_local(text, Some(meta));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::envelope;

    fn edited(text: &str, edit: impl FnOnce(&[u8], Span, &mut Edits)) -> String {
        let buffer = Rc::new(text.as_bytes().to_vec());
        let whole = Span::whole(&buffer);
        let mut edits = Edits::default();
        edit(&buffer, whole, &mut edits);
        let parts = edits.parts(&buffer, whole);
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes().to_vec())
            .collect();
        let edited = String::from_utf8(bytes).unwrap();
        crate::json::span::validate(edited.as_bytes()).unwrap();
        edited
    }

    const INFO: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"1mcp","version":"1"}"#;

    fn stamped(text: &str, cached: bool) -> String {
        let stamp = Stamp::new("1");
        edited(text, |text, at, edits| {
            stamp.result(text, at, cached, edits).unwrap();
        })
        .replace(INFO, "I")
    }

    #[test]
    fn d3_d4_every_result_says_that_it_is_complete_and_how_long_it_keeps() {
        let hints = r#""ttlMs":0,"cacheScope":"private""#;
        for (text, cached, result) in [
            (
                "{}",
                false,
                r#"{"resultType":"complete","_meta":{I}}"#.to_owned(),
            ),
            (
                r#"{ "content":[] }"#,
                false,
                r#"{"resultType":"complete","_meta":{I}, "content":[] }"#.to_owned(),
            ),
            (
                r#"{"contents":[]}"#,
                true,
                format!(r#"{{"resultType":"complete","_meta":{{I}},{hints},"contents":[]}}"#),
            ),
            (
                r#"{"ttlMs":-1,"cacheScope":7,"resultType":"task"}"#,
                true,
                r#"{"_meta":{I},"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#
                    .to_owned(),
            ),
            (
                r#"{"ttlMs":-1}"#,
                false,
                r#"{"resultType":"complete","_meta":{I},"ttlMs":-1}"#.to_owned(),
            ),
            (
                r#"{"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{}}}"#,
                false,
                r#"{"resultType":"complete","_meta":{I,"a":1}}"#.to_owned(),
            ),
            (
                r#"{"_meta":{"io.modelcontextprotocol/related-task":{}},"_meta":null,"x":1}"#,
                false,
                r#"{"resultType":"complete","_meta":{I},"_meta":{I},"x":1}"#.to_owned(),
            ),
        ] {
            assert_eq!(stamped(text, cached), result, "{text}");
        }
        for text in ["null", "[]", "7"] {
            let text = text.as_bytes();
            let refused =
                Stamp::new("1").result(text, Span::whole(text), false, &mut Edits::default());
            assert_eq!(refused, Err(NoObject));
        }
    }

    #[test]
    fn d3_a_result_with_nothing_of_its_own_to_say_needs_no_search() {
        let usual = |text: &str| {
            let mut done = false;
            let edited = edited(text, |text, at, edits| {
                done = Stamp::new("1").usual(text, at, edits);
            });
            (done, edited.replace(INFO, "I"))
        };
        for text in [r#"{"content":[]}"#, "{ \n\"x\" : 1.0 }"] {
            assert_eq!(usual(text), (true, stamped(text, false)), "{text}");
        }
        for text in ["{}", "{ }", "[]", "null"] {
            assert_eq!(usual(text), (false, text.to_owned()));
        }
    }

    #[test]
    fn a12_what_concerns_one_hop_goes_no_further() {
        let cut = |members: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
            let cut = edited(&text, |text, _, edits| {
                cut_meta(text, &envelope::read(text).unwrap(), edits);
            });
            cut.replace(r#"{"jsonrpc":"2.0","id":1,"#, "")
        };
        let meta = r#""_meta":{"io.modelcontextprotocol/serverInfo":{},"v":1}"#;
        for (members, left) in [
            (
                format!(r#""result":{{{meta},"x":{{"_meta":1}}}}"#),
                r#""result":{"_meta":{"v":1},"x":{"_meta":1}}}"#,
            ),
            (
                format!(r#""result":{{{meta},{meta}}}"#),
                r#""result":{"_meta":{"v":1},"_meta":{"v":1}}}"#,
            ),
            (
                format!(r#""params":{{"_meta":{{}}}},"result":{{{meta}}}"#),
                r#""params":{"_meta":{}},"result":{"_meta":{"v":1}}}"#,
            ),
            (r#""result":[]"#.to_owned(), r#""result":[]}"#),
        ] {
            assert_eq!(cut(&members), left);
        }
    }

    #[test]
    fn d18_a_notification_gets_the_id_of_its_subscription() {
        let put = |text| {
            edited(text, |text, at, edits| {
                put_into_params(text, at, "\"s\":1", edits);
            })
        };
        assert_eq!(put("{}"), r#"{"_meta":{"s":1}}"#);
        assert_eq!(put(r#"{"uri":"x"}"#), r#"{"_meta":{"s":1},"uri":"x"}"#);
        assert_eq!(
            put(r#"{"uri":"x","_meta":{"io.modelcontextprotocol/subscriptionId":"9","v":1}}"#),
            r#"{"uri":"x","_meta":{"s":1,"v":1}}"#
        );
    }
}
