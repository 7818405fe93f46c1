//! The descriptions of themselves that clients without sessions send with every request, byte by
//! byte the same each time: what they mean is worked out once. Knows bytes and what they say, and
//! never who sent them: two clients that say the same are answered alike, and nothing is taken from
//! one request for another (D14).

use crate::base::word;
use crate::json::span::Span;
use crate::limits::{FAMILIAR_META_BYTES_MAX, FAMILIAR_METAS_MAX};
use crate::mcp::meta::{Survey, survey};

/// See the module.
#[derive(Debug, Default)]
pub struct Familiar {
    kept: Vec<Kept>,
    /// Which one makes room next.
    oldest: usize,
}

/// One `_meta`, and where everything stands in it.
#[derive(Debug)]
struct Kept {
    /// A whole JSON object on one line, validated before.
    text: Box<[u8]>,
    found: Survey,
}

impl Familiar {
    /// With how many bytes this begins that are a `_meta` which is known; 0 = with none. An object
    /// ends where it ends, so whatever follows, this is all of it.
    #[must_use]
    pub fn length(&self, rest: &[u8]) -> usize {
        let known = self.kept.iter().find(|kept| rest.starts_with(&kept.text));
        known.map_or(0, |kept| kept.text.len())
    }

    /// As [`survey`], without going through what is known. The text must have been validated.
    #[must_use]
    pub fn survey(&mut self, text: &[u8], meta: Option<Span>) -> Survey {
        let Some(at) = meta else {
            return Survey::default();
        };
        let own = at.of(text);
        if let Some(known) = self.kept.iter().find(|kept| *kept.text == *own) {
            return known.found.later(at.start);
        }
        let found = survey(text, meta);
        if found.recurs() && is_fit(own) {
            self.keep(own);
        }
        found
    }

    fn keep(&mut self, own: &[u8]) {
        let kept = Kept {
            found: survey(own, Some(Span::whole(own))),
            text: own.into(),
        };
        match self.kept.get_mut(self.oldest) {
            Some(place) => *place = kept,
            None => self.kept.push(kept),
        }
        self.oldest = (self.oldest + 1) % FAMILIAR_METAS_MAX;
    }
}

/// Whether these bytes can be kept: on several lines the message that holds them would be taken to
/// stand on one.
fn is_fit(own: &[u8]) -> bool {
    own.starts_with(b"{") && own.len() <= FAMILIAR_META_BYTES_MAX && word::is_one_line(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::envelope::{read, read_knowing};

    fn request(before: &str, meta: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{{before}"_meta":{meta},"z":[1]}}}}"#
        )
    }

    fn meta(capabilities: &str, more: &str) -> String {
        format!(
            r#"{{"io.modelcontextprotocol/protocolVersion":"2026-07-28",{more}"io.modelcontextprotocol/clientCapabilities":{capabilities}}}"#
        )
    }

    /// Reads a text as it is read on the way in; tells whether its `_meta` was known.
    fn through(familiar: &mut Familiar, text: &str) -> bool {
        let text = text.as_bytes();
        let known = std::cell::Cell::new(false);
        let plain = read(text).unwrap();
        let length = |rest: &[u8]| {
            let length = familiar.length(rest);
            known.set(length > 0);
            length
        };
        assert_eq!(read_knowing(text, &length), Ok(plain));
        let (found, wanted) = (familiar.survey(text, plain.meta), survey(text, plain.meta));
        assert_eq!(found.described(text), wanted.described(text));
        assert_eq!(*found.hop.cuts, *wanted.hop.cuts);
        assert_eq!(found.hop.token, wanted.hop.token);
        known.get()
    }

    #[test]
    fn d14_a_description_is_read_the_same_whether_it_is_known_or_not() {
        let mut familiar = Familiar::default();
        let plain = meta("{}", "");
        for (before, own, known) in [
            ("", &plain, false),
            ("", &plain, true),
            (r#""name":"elsewhere","#, &plain, true),
            ("", &meta(r#"{"sampling":{}}"#, ""), false),
            ("", &meta(r#"{"sampling":{}}"#, ""), true),
            ("", &meta("{}", r#""other":[1,"\u007d}"],"#), false),
            ("", &meta("{}", r#""other":[1,"\u007d}"],"#), true),
            ("", &meta("{ }", "\n"), false),
            ("", &meta("{ }", "\n"), false),
            ("", &"{}".to_owned(), false),
            ("", &"{}".to_owned(), false),
            ("", &"7".to_owned(), false),
            ("", &"[]".to_owned(), false),
        ] {
            assert_eq!(
                through(&mut familiar, &request(before, own)),
                known,
                "{own}"
            );
        }
    }

    #[test]
    fn what_belongs_to_one_request_is_not_kept() {
        let mut familiar = Familiar::default();
        let own = meta("{}", r#""progressToken":7,"#);
        for _ in 0..2 {
            assert!(!through(&mut familiar, &request("", &own)));
        }
        let long = meta(
            "{}",
            &format!(r#""x":"{}","#, "x".repeat(FAMILIAR_META_BYTES_MAX)),
        );
        for _ in 0..2 {
            assert!(!through(&mut familiar, &request("", &long)));
        }
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut familiar = Familiar::default();
        let nth = |number: usize| request("", &meta("{}", &format!(r#""x":{number},"#)));
        for number in 0..=FAMILIAR_METAS_MAX {
            assert!(!through(&mut familiar, &nth(number)));
        }
        assert_eq!(familiar.kept.len(), FAMILIAR_METAS_MAX);
        for number in 1..=FAMILIAR_METAS_MAX {
            assert!(through(&mut familiar, &nth(number)), "{number}");
        }
        assert!(!through(&mut familiar, &nth(0)));
    }

    #[test]
    fn what_only_begins_like_a_known_one_is_read_by_itself() {
        let mut familiar = Familiar::default();
        assert!(!through(&mut familiar, &request("", &meta("{}", ""))));
        // The known bytes, and then something that is no JSON.
        let text = request("", &format!("{}x", meta("{}", "")));
        let length = |rest: &[u8]| familiar.length(rest);
        assert!(
            length(
                text.split_once(":{")
                    .map_or(&[], |(_, rest)| rest.as_bytes())
            ) == 0
        );
        assert_eq!(
            read_knowing(text.as_bytes(), &length),
            read(text.as_bytes())
        );
        // Twice in one message is twice.
        let twice = meta("{}", "") + r#","_meta":"# + &meta("{}", "");
        let text = request("", &twice);
        let envelope = read_knowing(text.as_bytes(), &length).unwrap();
        assert!(envelope.meta_twice);
    }
}
