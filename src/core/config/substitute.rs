//! `$NAME`, `${NAME}`, `${NAME:-default}` and `$$` in strings of the configuration (contract 2).
//!
//! A `$` that no name or brace follows is itself. A variable that is not set and has no default is
//! a fault: no literal `${TOKEN}` is ever sent out. As in a shell, the default also replaces an
//! empty value, and may hold references itself.

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::limits::{SUBSTITUTE_DEPTH_MAX, SUBSTITUTED_BYTES_MAX};

/// Why a string cannot be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A variable is set nowhere.
    NotSet(String),
    /// `${` and something that is no reference.
    NoReference(String),
    /// `${` without `}`.
    NotClosed,
    /// Defaults within defaults beyond `SUBSTITUTE_DEPTH_MAX`.
    TooDeep,
    /// The result is beyond `SUBSTITUTED_BYTES_MAX`.
    TooLong,
    /// The result is needed as text but is not UTF-8.
    NotText,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet(name) => write!(
                f,
                "variable {name} is not set: set it in the environment or in .env, \
                 or write ${{{name}:-default}}"
            ),
            Self::NoReference(text) => write!(
                f,
                "${{{text}}} is not a variable: write ${{NAME}}, ${{NAME:-default}}, \
                 or $$ for a dollar sign"
            ),
            Self::NotClosed => f.write_str("a ${ is never closed; write $$ for a dollar sign"),
            Self::TooDeep => f.write_str("defaults are nested too deeply"),
            Self::TooLong => f.write_str("a value is longer than 1 MiB"),
            Self::NotText => f.write_str("a variable holds bytes that are not UTF-8"),
        }
    }
}

/// Completes a string; `lookup` tells the value of a variable.
pub(super) fn substitute<'a>(
    text: &str,
    lookup: &impl Fn(&str) -> Option<&'a OsStr>,
) -> Result<OsString, Fault> {
    expand(text, lookup, 0)
}

/// The same where only text will do.
pub(super) fn substitute_text<'a>(
    text: &str,
    lookup: &impl Fn(&str) -> Option<&'a OsStr>,
) -> Result<String, Fault> {
    let value = substitute(text, lookup)?;
    value.into_string().map_err(|_| Fault::NotText)
}

/// Where the text itself, not what a reference stands for, has one of these bytes; `from` is where
/// to begin. Positions come in order.
pub(super) fn literal(text: &str, from: usize, wanted: &'static [u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"${") {
            let Some(end) = text.get(at + 2..).and_then(closing) else {
                break;
            };
            at += end + 3;
        } else if rest.starts_with(b"$$") {
            at += 2;
        } else {
            if rest.first().is_some_and(|byte| wanted.contains(byte)) {
                found.push(at);
            }
            at += 1;
        }
    }
    found
}

/// Whether this is a name as `$NAME` can refer to: `[A-Za-z_][A-Za-z0-9_]*`.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

fn expand<'a>(
    text: &str,
    lookup: &impl Fn(&str) -> Option<&'a OsStr>,
    depth: usize,
) -> Result<OsString, Fault> {
    if depth > SUBSTITUTE_DEPTH_MAX {
        return Err(Fault::TooDeep);
    }
    let mut out = OsString::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        push(&mut out, OsStr::new(before))?;
        if let Some(after) = after.strip_prefix('$') {
            push(&mut out, OsStr::new("$"))?;
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let end = closing(after).ok_or(Fault::NotClosed)?;
            let (inside, after) = after.split_at(end);
            push(&mut out, &braced(inside, lookup, depth)?)?;
            rest = after.strip_prefix('}').unwrap_or(after);
        } else {
            let (name, after) = after.split_at(name_length(after));
            if name.is_empty() {
                push(&mut out, OsStr::new("$"))?;
            } else {
                push(&mut out, set(name, lookup)?)?;
            }
            rest = after;
        }
    }
    push(&mut out, OsStr::new(rest))?;
    Ok(out)
}

/// What stands between `${` and `}`.
fn braced<'a>(
    inside: &str,
    lookup: &impl Fn(&str) -> Option<&'a OsStr>,
    depth: usize,
) -> Result<OsString, Fault> {
    let (name, after) = inside.split_at(name_length(inside));
    match (name, after.strip_prefix(":-")) {
        ("", _) => Err(Fault::NoReference(inside.to_owned())),
        (name, None) if after.is_empty() => set(name, lookup).map(OsStr::to_owned),
        (_, None) => Err(Fault::NoReference(inside.to_owned())),
        (name, Some(default)) => match lookup(name) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            Some(_) | None => expand(default, lookup, depth + 1),
        },
    }
}

fn set<'a>(name: &str, lookup: &impl Fn(&str) -> Option<&'a OsStr>) -> Result<&'a OsStr, Fault> {
    lookup(name).ok_or_else(|| Fault::NotSet(name.to_owned()))
}

/// Where the `}` stands that belongs to a `${` just before; inner ones are stepped over.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if before == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        before = byte;
    }
    None
}

fn push(out: &mut OsString, piece: &OsStr) -> Result<(), Fault> {
    if out.len() + piece.len() > SUBSTITUTED_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    out.push(piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<&'static OsStr> {
        match name {
            "A" => Some(OsStr::new("one")),
            "EMPTY" => Some(OsStr::new("")),
            "LOOP" => Some(OsStr::new("${LOOP}$LOOP")),
            _ => None,
        }
    }

    fn get(text: &str) -> Result<String, Fault> {
        substitute_text(text, &lookup)
    }

    #[test]
    fn contract_2_every_form() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$A", "one"),
            ("x$A.y", "xone.y"),
            ("${A}B", "oneB"),
            ("$$A", "$A"),
            ("$$$A", "$one"),
            ("$", "$"),
            ("5$", "5$"),
            ("$ 5", "$ 5"),
            ("$1.50", "$1.50"),
            ("^a$|b", "^a$|b"),
            ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"),
            ("${NO:-}", ""),
            ("${NO:-a b}", "a b"),
            ("${NO:-${A}}/", "one/"),
            ("${NO:-${NO2:-$A}}", "one"),
            ("${NO:-{x}", "{x"),
            ("${A:-$NO}", "one"),
            ("ä$A€", "äone€"),
            ("$LOOP", "${LOOP}$LOOP"),
        ] {
            assert_eq!(get(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_stands_literally_is_told_from_what_references_hold() {
        for (text, expected) in [
            ("", &[][..]),
            ("@a@", &[0, 2]),
            ("${A:-@}@", &[7]),
            ("${A:-${B:-@}@}ä@", &[16]),
            ("$A@$$@$", &[2, 5]),
            ("@${A@", &[0]),
        ] {
            assert_eq!(literal(text, 0, b"@"), expected, "{text}");
        }
        assert_eq!(literal("@a@", 1, b"@"), [2]);
    }

    #[test]
    fn not_set() {
        assert_eq!(get("$TOKEN"), Err(Fault::NotSet("TOKEN".into())));
        assert_eq!(get("Bearer ${TOKEN}"), Err(Fault::NotSet("TOKEN".into())));
        assert_eq!(get("${NO:-$TOKEN}"), Err(Fault::NotSet("TOKEN".into())));
        assert!(
            get("$TOKEN")
                .unwrap_err()
                .to_string()
                .starts_with("variable TOKEN is not set")
        );
    }

    #[test]
    fn no_reference() {
        for inside in ["", "env:X", "input:key", "1", "A-b", "A:+x", "A ", " A"] {
            assert_eq!(
                get(&format!("${{{inside}}}")),
                Err(Fault::NoReference(inside.into()))
            );
        }
    }

    #[test]
    fn not_closed() {
        assert_eq!(get("${A"), Err(Fault::NotClosed));
        assert_eq!(get("${A:-${A}"), Err(Fault::NotClosed));
    }

    #[test]
    fn too_deep() {
        let nested = |depth: usize| format!("{}{}", "${N:-".repeat(depth), "}".repeat(depth));
        assert_eq!(get(&nested(SUBSTITUTE_DEPTH_MAX)).as_deref(), Ok(""));
        assert_eq!(get(&nested(SUBSTITUTE_DEPTH_MAX + 1)), Err(Fault::TooDeep));
        // Must not take a second look at the rest for every level.
        assert_eq!(get(&nested(100_000)), Err(Fault::TooDeep));
    }

    #[test]
    fn too_long() {
        let fits = "x".repeat(SUBSTITUTED_BYTES_MAX);
        assert!(get(&fits).is_ok());
        assert_eq!(get(&format!("{fits}$A")), Err(Fault::TooLong));
    }

    #[cfg(unix)]
    #[test]
    fn not_text() {
        use std::os::unix::ffi::OsStrExt;
        let lookup = |_: &str| Some(OsStr::from_bytes(b"\xff"));
        assert_eq!(substitute_text("$A", &lookup), Err(Fault::NotText));
        assert_eq!(
            substitute("a$A", &lookup).unwrap(),
            OsStr::from_bytes(b"a\xff")
        );
    }
}
