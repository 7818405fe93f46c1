//! Keeps what we send out of what is told: servers repeat keys in their errors, and those are read
//! by clients, in the log and at `/health`. Hidden are words of header values, our tokens, the
//! query of the URL, long pieces of its path (some services have their key there), and the id of
//! the session.
//!
//! Owns nothing; never decides what is told.

use std::borrow::Cow;

use crate::backend::remote::Remote;
use crate::backend::words::plain;
use crate::base::url::Url;
use crate::limits::{QUOTE_BYTES_MAX, REDACT_BYTES_MAX};

/// What stands in the place of a secret.
const MASKED: &str = "***";
/// Shorter words stand everywhere by chance.
const SECRET_BYTES_MIN: usize = 4;
/// Shorter pieces of a path are its words; keys are longer.
const PATH_SECRET_BYTES_MIN: usize = 16;
/// How `plain` ends a text that it cut.
const CUT: &str = "...";

impl Remote {
    /// What a server wrote, without our secrets, fit for one line. They are hidden before the text
    /// is cut, or the half of one would be shown.
    pub(super) fn shown(&self, raw: &[u8]) -> String {
        let some = raw.get(..raw.len().min(REDACT_BYTES_MAX));
        let text = String::from_utf8_lossy(some.unwrap_or_default());
        plain(self.redact(text.into()).as_bytes(), QUOTE_BYTES_MAX)
    }

    /// A text without our secrets, nor the beginning of one at a place where the text was cut.
    pub(super) fn redact(&self, mut text: String) -> String {
        for secret in self.secrets() {
            let secret = &*secret;
            if text.contains(secret) {
                text = text.replace(secret, MASKED);
            }
            text = without_halves(text, secret);
        }
        text
    }

    /// The longest first: one may hold another.
    fn secrets(&self) -> Vec<Cow<'_, str>> {
        let mut all: Vec<Cow<'_, str>> = Vec::new();
        for (_, value) in self.at.headers.iter() {
            all.extend(value.reveal().split_whitespace().map(Cow::from));
        }
        for (_, field) in &self.spoken {
            all.extend(field.reveal().split_whitespace().skip(1).map(Cow::from));
        }
        of_url(&mut all, &self.at.url);
        of_url(&mut all, self.post_url());
        all.extend(self.talk.id.as_deref().map(Cow::from));
        all.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
        all.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
        all.dedup();
        all
    }
}

fn of_url<'a>(all: &mut Vec<Cow<'a, str>>, url: &'a Url) {
    let pieces = url.path().split('/');
    let keys = pieces.filter(|piece| piece.len() >= PATH_SECRET_BYTES_MIN);
    all.extend(keys.flat_map(both_forms));
    if let Some(query) = url.query() {
        all.push(query.into());
        let pairs = query.split('&');
        let values = pairs.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        all.extend(values.flat_map(both_forms));
    }
}

/// As it stands in the URL, and as the server reads it.
fn both_forms(text: &str) -> [Cow<'_, str>; 2] {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = behind;
            }
        }
    }
    [
        text.into(),
        String::from_utf8_lossy(&bytes).into_owned().into(),
    ]
}

/// What stands before a cut may be the beginning of a secret.
fn without_halves(text: String, secret: &str) -> String {
    if !text.contains(CUT) {
        return text;
    }
    let mut pieces: Vec<String> = text.split(CUT).map(str::to_owned).collect();
    let cut = pieces.len().saturating_sub(1);
    for piece in pieces.iter_mut().take(cut) {
        let longest = (SECRET_BYTES_MIN..secret.len()).rev();
        let mut halves = longest.filter_map(|length| secret.get(..length));
        if let Some(half) = halves.find(|half| piece.ends_with(half)) {
            piece.truncate(piece.len() - half.len());
            piece.push_str(MASKED);
        }
    }
    pieces.join(CUT)
}
