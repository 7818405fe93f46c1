//! What the query of a URL asks for: `?tags=a,b`, `?tag-filter=EXPR`, `?filter=EXPR`,
//! `?preset=NAME`. Never knows which presets there are.
//!
//! A `+` in a query is a blank by the rules of forms, and it is *and* by ours. In an expression it
//! is *and*, since people type `?filter=web+api`; a program that writes blanks so
//! (`web+and+not+db`) is understood as well. No text can be read both ways: as *and* it stands
//! between two operands, and with a blank between them these are no expression.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use super::{Expr, Misread};
use crate::base::percent;
use crate::limits::FILTER_TAGS_MAX;

/// What somebody asks to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Nothing was said: everything.
    #[default]
    All,
    /// What this expression admits.
    By(Rc<Expr>),
    /// What the preset of this name admits, whatever it says at the moment.
    Preset(Box<str>),
}

/// Why a query is refused (400).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two of the four at once, or one twice.
    Two(&'static str, &'static str),
    /// The value of this one cannot be read.
    Bad(&'static str, Misread),
    /// There is no preset of this name.
    NoPreset(Box<str>),
}

/// The parameters that are ours.
const NAMES: [&str; 4] = [TAGS, TAG_FILTER, FILTER, PRESET];
const TAGS: &str = "tags";
const TAG_FILTER: &str = "tag-filter";
const FILTER: &str = "filter";
const PRESET: &str = "preset";

/// Characters of an unknown name that are shown.
const SHOWN_CHARS_MAX: usize = 60;

impl Wish {
    /// Reads the query of a URL, without `?`. What else is in it is none of ours.
    ///
    /// # Errors
    /// What is wrong, for the answer 400.
    pub fn read(query: Option<&str>) -> Result<Self, Fault> {
        let mut found = None;
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name, b' ').ok();
            let Some(name) = NAMES.iter().find(|own| decoded.as_deref() == Some(**own)) else {
                continue;
            };
            match found.replace((*name, value)) {
                None => {}
                Some((before, _)) => return Err(Fault::Two(before, name)),
            }
        }
        let Some((name, value)) = found else {
            return Ok(Self::All);
        };
        let wish = match name {
            TAGS => any_of(value),
            PRESET => decode(value, b' ').and_then(|name| match name.trim() {
                "" => Err(ends("the name of a preset")),
                name => Ok(Self::Preset(name.into())),
            }),
            _ => expression(value).map(|expr| Self::By(Rc::new(expr))),
        };
        wish.map_err(|misread| Fault::Bad(name, misread))
    }
}

/// `a,b`: any of them, each once. A tag here may be any text, as in the configuration.
fn any_of(value: &str) -> Result<Wish, Misread> {
    let value = decode(value, b' ')?;
    Misread::long(&value, "a list of tags")?;
    let mut tags: Vec<Expr> = Vec::new();
    let mut position = 1;
    for tag in value.split(',') {
        let one = Expr::Tag(tag.trim().to_lowercase().into());
        if !tag.trim().is_empty() && !tags.contains(&one) {
            if tags.len() == FILTER_TAGS_MAX {
                return Err(Misread::many(position));
            }
            tags.push(one);
        }
        position += tag.chars().count() + 1;
    }
    tags.shrink_to_fit();
    match tags.as_slice() {
        [] => Err(ends("a tag")),
        _ => Ok(Wish::By(Rc::new(Expr::Or(tags)))),
    }
}

/// With `+` as *and*, else as a blank. If it is neither, what comes further is what was meant.
fn expression(value: &str) -> Result<Expr, Misread> {
    let joined = decode(value, b'+').and_then(|text| Expr::parse(&text));
    if joined.is_ok() || !value.contains('+') {
        return joined;
    }
    let spaced = decode(value, b' ').and_then(|text| Expr::parse(&text));
    match (joined, spaced) {
        (Err(joined), Err(spaced)) if joined.position >= spaced.position => Err(joined),
        (_, spaced) => spaced,
    }
}

fn ends(expected: &str) -> Misread {
    Misread {
        position: 1,
        what: format!("{expected} is expected, but it ends here"),
    }
}

/// Without its escapes; what `+` stands for is for the caller to say.
fn decode(text: &str, plus: u8) -> Result<Cow<'_, str>, Misread> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let decoded = percent::decode(text.as_bytes(), plus).map(Cow::Owned);
    decoded.map_err(|characters| Misread {
        position: characters + 1,
        what: "a % is followed by two hexadecimal digits, and these make UTF-8".to_owned(),
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Two(one, other) if one == other => write!(f, "?{one} stands twice in the URL")?,
            Self::Two(one, other) => write!(f, "?{one} and ?{other} stand both in the URL")?,
            Self::Bad(name, misread) => return write!(f, "?{name} of the URL, {misread}"),
            Self::NoPreset(name) => {
                let name: String = name.chars().take(SHOWN_CHARS_MAX).collect();
                return write!(f, "?{PRESET} of the URL: there is no preset {name:?}");
            }
        }
        write!(f, ": it has at most one of {}", NAMES.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FILTER_BYTES_MAX;

    fn read(query: &str) -> Result<Wish, Fault> {
        Wish::read(Some(query))
    }

    /// In words, what an expression means that a query asks for.
    #[track_caller]
    fn by(query: &str) -> String {
        match read(query) {
            Ok(Wish::By(expr)) => expr.to_string(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn whoever_asks_for_nothing_gets_everything() {
        assert_eq!(Wish::read(None), Ok(Wish::All));
        for query in [
            "",
            "x=1",
            "Tags=a",
            "sessionId=7&y",
            "filters=(",
            "%zz=1&=a",
            "x=tags=a",
        ] {
            assert_eq!(read(query), Ok(Wish::All), "{query}");
        }
    }

    #[test]
    fn each_of_the_four_is_read() {
        assert_eq!(by("tags=Web,b"), "web or b");
        assert_eq!(by("x=1&tags=%20a+,%2C,c%2B%2b,&y"), "a or c++");
        assert_eq!(by("tags=%C3%89a"), "\u{e9}a");
        assert_eq!(by("filter=a,-b"), "a or not b");
        assert_eq!(by("tag-filter=a%20and%20(b%7Cc)"), "a and (b or c)");
        assert_eq!(by("%66ilter=a"), "a");
        assert_eq!(
            read("preset=my+own%2Fone"),
            Ok(Wish::Preset("my own/one".into()))
        );
    }

    #[test]
    fn a_plus_is_and_and_a_program_may_write_blanks_so() {
        for (value, words) in [
            ("web+api", "web and api"),
            ("web%2Bapi", "web and api"),
            ("web+-db", "web and not db"),
            ("(a,b)+(c,d)", "(a or b) and (c or d)"),
            ("a%20+%20b", "a and b"),
            // As forms are written.
            ("web+and+not+db", "web and not db"),
            ("a%2Bb+or+c", "a and b or c"),
            ("a%2C+b", "a or b"),
            ("not+a", "not a"),
            ("+a+", "a"),
        ] {
            assert_eq!(by(&format!("filter={value}")), words, "{value}");
        }
        // Further on is what was meant.
        let bad = |value: &str| match read(&format!("filter={value}")) {
            Err(Fault::Bad("filter", misread)) => misread.position,
            other => panic!("{value}: {other:?}"),
        };
        assert_eq!(bad("a+and+(b"), 9);
        assert_eq!(bad("a+b+"), 5);
        assert_eq!(bad("a+b)"), 4);
        // As a form would have it there is nothing between them.
        assert_eq!(bad("a%20b+c"), 3);
    }

    #[test]
    fn contract_4_tags_are_bounded_as_expressions_are_and_each_counts_once() {
        let bad = |value: &str| match read(&format!("tags={value}")) {
            Err(Fault::Bad("tags", misread)) => misread,
            other => panic!("{value}: {other:?}"),
        };
        assert_eq!(by("tags=a,B,A,,b,a"), "a or b");
        let same = vec!["a"; FILTER_BYTES_MAX / 2].join(",");
        assert_eq!(by(&format!("tags={same}")), "a");
        let long = bad(&format!("{same}a%C3%A4"));
        assert_eq!(long.position, FILTER_BYTES_MAX + 1);
        assert!(long.what.contains("at most 2000 bytes"), "{long}");
        // In characters, as people count.
        let long = bad(&"%C3%A4".repeat(FILTER_BYTES_MAX / 2 + 1));
        assert_eq!(long.position, FILTER_BYTES_MAX / 2 + 1);
        let tags = |count: usize| {
            let each: Vec<String> = (100..100 + count).map(|n| n.to_string()).collect();
            each.join(",")
        };
        assert!(read(&format!("tags={}", tags(FILTER_TAGS_MAX))).is_ok());
        let many = bad(&tags(FILTER_TAGS_MAX + 1));
        assert_eq!(many.position, 4 * FILTER_TAGS_MAX + 1);
        assert!(many.what.contains("at most 100 tags"), "{many}");
    }

    #[test]
    fn two_at_once_are_one_too_many() {
        let two = |query: &str| match read(query) {
            Err(Fault::Two(one, other)) => (one, other),
            other => panic!("{query}: {other:?}"),
        };
        assert_eq!(two("tags=a&filter=b"), ("tags", "filter"));
        assert_eq!(two("preset=a&x&tag-filter=("), ("preset", "tag-filter"));
        assert_eq!(two("tags=a&tags=a"), ("tags", "tags"));
        assert_eq!(two("filter=&preset"), ("filter", "preset"));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_position() {
        for (query, text) in [
            (
                "tags=",
                "?tags of the URL, position 1: a tag is expected, but it ends here",
            ),
            (
                "tags=%20,+",
                "?tags of the URL, position 1: a tag is expected, but it ends here",
            ),
            (
                "preset",
                "?preset of the URL, position 1: the name of a preset is expected, but it ends here",
            ),
            (
                "tag-filter=a%20b",
                "?tag-filter of the URL, position 3: \"and\", \"or\" or the end is expected, \
                 not \"b\"",
            ),
            (
                "filter=%C3%A4%zz",
                "?filter of the URL, position 2: a % is followed by two hexadecimal digits, and \
                 these make UTF-8",
            ),
            (
                "preset=abc%ff",
                "?preset of the URL, position 4: a % is followed by two hexadecimal digits, and \
                 these make UTF-8",
            ),
            (
                "tags=a&preset=b",
                "?tags and ?preset stand both in the URL: it has at most one of tags, \
                 tag-filter, filter, preset",
            ),
            (
                "filter=a&filter=b",
                "?filter stands twice in the URL: it has at most one of tags, tag-filter, \
                 filter, preset",
            ),
        ] {
            let fault = read(query).expect_err(query);
            assert_eq!(fault.to_string(), text, "{query}");
        }
        for value in ["%", "%2", "a%2", "%+1"] {
            let fault = read(&format!("preset={value}")).unwrap_err();
            assert!(matches!(fault, Fault::Bad("preset", _)), "{value}: {fault}");
        }
        let none = Fault::NoPreset("x\n".repeat(100).into()).to_string();
        assert!(
            none.contains("no preset \"x\\n") && none.len() < 200,
            "{none}"
        );
    }
}
