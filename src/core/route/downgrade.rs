//! What an older client would choke on, in words of its own revision (protocol 3.3). Only what
//! breaks strict clients is touched; members they merely do not know stay.

use crate::base::mark::Mark;
use crate::json::span::{Span, elements, member, members, string};
use crate::json::write;
use crate::mcp::version::Version;
use crate::route::asks::Want;
use crate::route::calls::Method;
use crate::route::splice::{Edits, member_with_comma};

/// A question that the client's revision has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inexpressible;

/// The same in words.
pub(crate) const INEXPRESSIBLE: &str =
    "the client's revision has no words for it (such as choosing several of several)";

/// Rewrites content blocks of a result that the client's revision does not have.
pub(crate) fn result(
    version: Version,
    method: Method,
    text: &[u8],
    result: Span,
    edits: &mut Edits,
) {
    if version >= Version::V2025_06_18 {
        return;
    }
    match method {
        Method::Tool => {
            let content = member(text, result, "content").unwrap_or_default();
            for block in elements(text, content) {
                content_block(version, text, block, edits);
            }
        }
        Method::Prompt => {
            let messages = member(text, result, "messages").unwrap_or_default();
            for message in elements(text, messages) {
                if let Some(block) = member(text, message, "content") {
                    content_block(version, text, block, edits);
                }
            }
        }
        Method::Read
        | Method::Subscribe
        | Method::Unsubscribe
        | Method::Complete
        | Method::Task(_) => {}
    }
}

fn content_block(version: Version, text: &[u8], block: Span, edits: &mut Edits) {
    let read = |name| member(text, block, name).and_then(|at| string(text, at));
    let instead = match read("type").as_deref() {
        Some("audio") if version < Version::V2025_03_26 => {
            let kind = read("mimeType").unwrap_or("audio".into());
            let encoded = read("data").map_or(0, |data| data.len());
            format!(
                "[{kind}, about {} bytes: this client cannot play audio]",
                encoded * 3 / 4
            )
        }
        Some("resource_link") => {
            let uri = read("uri").unwrap_or_default();
            let name = read("title").or_else(|| read("name")).unwrap_or_default();
            format!("{name}: {uri}")
        }
        _ => return,
    };
    Mark::ResultDowngraded.hit();
    let block_instead = format!("{{\"type\":\"text\",\"text\":{}}}", write::string(&instead));
    edits.replace(block, block_instead.into_bytes());
}

/// Rewrites the parameters of a question.
pub(crate) fn question(
    version: Version,
    want: Want,
    text: &[u8],
    params: Option<Span>,
    edits: &mut Edits,
) -> Result<(), Inexpressible> {
    match (want, params) {
        (Want::Form, Some(params)) => elicitation(version, text, params, edits),
        (Want::Sampling { .. }, Some(params)) => sampling(version, text, params, edits),
        _ => Ok(()),
    }
}

/// Rewrites the parameters of `sampling/createMessage`: before 2025-11-25 the content of a message
/// is one block, not a list of some.
fn sampling(
    version: Version,
    text: &[u8],
    params: Span,
    edits: &mut Edits,
) -> Result<(), Inexpressible> {
    if version >= Version::V2025_11_25 {
        return Ok(());
    }
    let messages = member(text, params, "messages").unwrap_or_default();
    for message in elements(text, messages) {
        let content = member(text, message, "content").unwrap_or_default();
        if !content.of(text).starts_with(b"[") {
            continue;
        }
        let mut blocks = elements(text, content);
        let (Some(only), None) = (blocks.next(), blocks.next()) else {
            return Err(Inexpressible);
        };
        for (start, end) in [(content.start, only.start), (only.end, content.end)] {
            edits.cut(Span { start, end });
        }
    }
    Ok(())
}

/// Rewrites the parameters of `elicitation/create` in form mode for a 2025-06-18 client: titled
/// choices become `enum` with `enumNames`, defaults remain on booleans only, `mode` goes.
fn elicitation(
    version: Version,
    text: &[u8],
    params: Span,
    edits: &mut Edits,
) -> Result<(), Inexpressible> {
    if version >= Version::V2025_11_25 {
        return Ok(());
    }
    if let Some(mode) = member_with_comma(text, params, "mode") {
        edits.cut(mode);
    }
    let schema = member(text, params, "requestedSchema").unwrap_or_default();
    let properties = member(text, schema, "properties").unwrap_or_default();
    for (_, property) in members(text, properties) {
        let kind = member(text, property, "type").and_then(|at| string(text, at));
        match kind.as_deref() {
            // Several of several: no revision before 2025-11-25 can say that.
            Some("array") => return Err(Inexpressible),
            Some("boolean") => continue,
            _ => {}
        }
        if let Some(default) = member_with_comma(text, property, "default") {
            edits.cut(default);
        }
        titled_choices(text, property, edits);
    }
    Ok(())
}

fn titled_choices(text: &[u8], property: Span, edits: &mut Edits) {
    let choices = members(text, property)
        .find(|(key, _)| string(text, *key).is_some_and(|key| key == "oneOf"));
    let Some((key, choices)) = choices else {
        return;
    };
    let column = |name: &str| {
        let values = elements(text, choices).map(|choice| {
            let at = member(text, choice, name).unwrap_or_default();
            String::from_utf8_lossy(at.of(text)).into_owned()
        });
        values
            .filter(|value| !value.is_empty())
            .collect::<Vec<String>>()
            .join(",")
    };
    let instead = format!(
        "\"enum\":[{}],\"enumNames\":[{}]",
        column("const"),
        column("title")
    );
    let whole = Span {
        start: key.start,
        end: choices.end,
    };
    edits.replace(whole, instead.into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn rewritten(text: &str, mut rewrite: impl FnMut(&[u8], Span, &mut Edits)) -> String {
        let buffer = Rc::new(text.as_bytes().to_vec());
        let whole = Span::whole(&buffer);
        let mut edits = Edits::default();
        rewrite(&buffer, whole, &mut edits);
        let parts = edits.parts(&buffer, whole);
        let bytes = parts
            .iter()
            .flat_map(|part| part.bytes().to_vec())
            .collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn p33_audio_and_links_become_text_for_clients_that_do_not_have_them() {
        let text = concat!(
            r#"{"content":[{"type":"audio","data":"AAAA","mimeType":"audio/wav"},"#,
            r#"{"type":"resource_link","uri":"x://y","name":"why"},{"type":"text","text":"t"}]}"#
        );
        let to = |version| {
            rewritten(text, |text, at, edits| {
                result(version, Method::Tool, text, at, edits);
            })
        };
        assert_eq!(to(Version::V2025_06_18), text);
        assert_eq!(
            to(Version::V2025_03_26),
            concat!(
                r#"{"content":[{"type":"audio","data":"AAAA","mimeType":"audio/wav"},"#,
                r#"{"type":"text","text":"why: x://y"},{"type":"text","text":"t"}]}"#
            )
        );
        assert!(to(Version::V2024_11_05).contains("[audio/wav, about 3 bytes: this client"));
    }

    #[test]
    fn p33_prompts_are_rewritten_as_well() {
        let text = r#"{"messages":[{"role":"user","content":{"type":"audio","data":""}}]}"#;
        let old = Version::V2024_11_05;
        let rewritten = rewritten(text, |text, at, edits| {
            result(old, Method::Prompt, text, at, edits);
        });
        assert!(rewritten.contains(r#"{"type":"text","text":"[audio, about 0 bytes"#));
    }

    #[test]
    fn p33_titled_choices_and_defaults_in_words_of_2025_06_18() {
        let text = concat!(
            r#"{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{"#,
            r#""a":{"type":"string","default":"r","oneOf":[{"const":"r","title":"Red"},"#,
            r#"{"const":"g","title":"Green"}]},"b":{"type":"boolean","default":true}}}}"#
        );
        let to = |version| {
            rewritten(text, |text, at, edits| {
                elicitation(version, text, at, edits).unwrap();
            })
        };
        assert_eq!(to(Version::V2025_11_25), text);
        assert_eq!(
            to(Version::V2025_06_18),
            concat!(
                r#"{"message":"m","requestedSchema":{"type":"object","properties":{"#,
                r#""a":{"type":"string","enum":["r","g"],"enumNames":["Red","Green"]},"#,
                r#""b":{"type":"boolean","default":true}}}}"#
            )
        );
    }

    #[test]
    fn p33_messages_have_one_block_each_before_2025_11_25() {
        let ask = |version, text: &str| {
            let mut said = Ok(());
            let want = Want::Sampling { tools: false };
            let text = rewritten(text, |text, at, edits| {
                said = question(version, want, text, Some(at), edits);
            });
            said.map(|()| text)
        };
        let one = r#"{"messages":[{"content":[ {"type":"text"} ]},{"content":{"a":[]}}]}"#;
        let two = r#"{"messages":[{"content":[{"a":1},{"b":1}]}]}"#;
        let none = r#"{"messages":[{"content":[]}]}"#;
        let (new, old) = (Version::V2025_11_25, Version::V2025_06_18);
        assert_eq!(ask(new, one).as_deref(), Ok(one));
        assert_eq!(ask(new, two).as_deref(), Ok(two));
        let bare = r#"{"messages":[{"content":{"type":"text"}},{"content":{"a":[]}}]}"#;
        assert_eq!(ask(old, one).as_deref(), Ok(bare));
        assert_eq!(ask(old, two), Err(Inexpressible));
        assert_eq!(ask(old, none), Err(Inexpressible));
    }

    #[test]
    fn p33_several_of_several_cannot_be_asked() {
        let text = r#"{"requestedSchema":{"properties":{"a":{"type":"array"}}}}"#;
        let whole = Span::whole(text.as_bytes());
        let version = Version::V2025_06_18;
        let asked = elicitation(version, text.as_bytes(), whole, &mut Edits::default());
        assert_eq!(asked, Err(Inexpressible));
    }
}
