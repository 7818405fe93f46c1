//! The scan and serde_json agree: on what is JSON, and on what the values found are.
//!
//! serde_json reads here without building values, as it does for raw values: then it rightly
//! accepts lone surrogates and numbers of any size, like we do. Depth is ours alone.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json::span::{self, Malformed, Span};

/// A small generator of the same numbers every time (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64)]
    }
}

const STRINGS: &[&str] = &[
    r#""""#,
    r#""id""#,
    r#""a longer string, of more than two words""#,
    r#""\u0069d""#,
    r#""\"\\\/\b\f\n\r\t""#,
    r#""é😀\ud83d\ude00""#,
    r#""},]:{[""#,
];
const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-12",
    "1.5",
    "2e3",
    "1E-2",
    "123456789012345",
];
const BLANKS: &[&str] = &["", "", "", " ", "\n", "\t \r\n"];

fn generate(dice: &mut Dice, depth: usize, out: &mut String) {
    out.push_str(dice.pick(BLANKS));
    match dice.below(if depth == 0 { 4 } else { 8 }) {
        0 | 1 => out.push_str(dice.pick(STRINGS)),
        2 | 3 => out.push_str(dice.pick(SCALARS)),
        shape => {
            let object = shape % 2 == 0;
            out.push(if object { '{' } else { '[' });
            out.push_str(dice.pick(BLANKS));
            for index in 0..dice.below(5) {
                if index > 0 {
                    out.push(',');
                }
                if object {
                    out.push_str(dice.pick(BLANKS));
                    out.push_str(dice.pick(STRINGS));
                    out.push_str(dice.pick(BLANKS));
                    out.push(':');
                }
                generate(dice, depth - 1, out);
            }
            out.push(if object { '}' } else { ']' });
        }
    }
    out.push_str(dice.pick(BLANKS));
}

fn mutate(dice: &mut Dice, text: &mut Vec<u8>) {
    const BYTES: &[u8] = b"{}[]:,\"\\u0019ae+-. \n\t\x00\x1f\x7f\xc3\xa9ntrl";
    for _ in 0..=dice.below(2) {
        let at = dice.below(text.len() as u64 + 1);
        let byte = BYTES[dice.below(BYTES.len() as u64)];
        match dice.below(4) {
            0 => text.insert(at, byte),
            1 if at < text.len() => text[at] = byte,
            2 if at < text.len() => drop(text.remove(at)),
            _ => text.truncate(at),
        }
    }
}

/// Each value found by walking spans parses to what the tree holds there.
fn compare(text: &[u8], at: Span, tree: &Value) {
    assert_eq!(&serde_json::from_slice::<Value>(at.of(text)).unwrap(), tree);
    match tree {
        Value::Object(fields) => {
            let mut seen = std::collections::BTreeSet::new();
            for (key, value) in span::members(text, at) {
                let key = span::string(text, key).unwrap();
                assert!(fields.contains_key(&*key));
                if seen.insert(key.to_string()) {
                    assert_eq!(span::member(text, at, &key), Some(value), "the first wins");
                }
            }
            assert_eq!(seen.len(), fields.len());
            // Of duplicate names serde_json keeps the last.
            let last: std::collections::BTreeMap<_, _> = span::members(text, at)
                .map(|(key, value)| (span::string(text, key).unwrap().into_owned(), value))
                .collect();
            for (key, value) in last {
                compare(text, value, &fields[&key]);
            }
        }
        Value::Array(items) => {
            let found: Vec<_> = span::elements(text, at).collect();
            assert_eq!(found.len(), items.len());
            for (&at, item) in found.iter().zip(items) {
                compare(text, at, item);
            }
        }
        Value::String(string) => assert_eq!(span::string(text, at).as_deref(), Some(&**string)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            assert_eq!(span::string(text, at), None);
        }
    }
}

#[test]
fn generated_texts_are_walked_as_serde_json_reads_them() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2000 {
        let mut text = String::new();
        generate(&mut dice, 5, &mut text);
        let whole = span::validate(text.as_bytes()).unwrap();
        assert_eq!(whole, Span::whole(text.as_bytes()));
        compare(
            text.as_bytes(),
            whole,
            &serde_json::from_str(&text).unwrap(),
        );
    }
}

#[test]
fn mutated_texts_are_accepted_and_refused_alike() {
    let (mut dice, mut accepted) = (Dice(42), 0);
    for _ in 0..8000 {
        let mut text = String::new();
        generate(&mut dice, 3, &mut text);
        let mut text = text.into_bytes();
        mutate(&mut dice, &mut text);
        let ours = span::validate(&text);
        let theirs = match std::str::from_utf8(&text) {
            Ok(text) => serde_json::from_str::<IgnoredAny>(text).is_ok(),
            Err(_) => {
                assert_eq!(ours, Err(Malformed::NotUtf8));
                continue;
            }
        };
        assert_eq!(ours.is_ok(), theirs, "{}", text.escape_ascii());
        accepted += usize::from(theirs);
        if ours.is_ok()
            && let Ok(tree) = serde_json::from_slice(&text)
        {
            compare(&text, ours.unwrap(), &tree);
        }
    }
    assert!(
        (1000..7000).contains(&accepted),
        "{accepted} show both sides"
    );
}
