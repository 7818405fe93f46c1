//! Presets: filters with a name, as they stand in `presets.json`; how a filter is written there.
//!
//! Never reads the file: `config::presets` does.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Expr;
use crate::json::write;

/// What `presets.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presets(BTreeMap<Box<str>, Preset>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is for.
    pub description: Option<String>,
    /// What its query means.
    pub expr: Rc<Expr>,
}

impl Presets {
    /// The preset of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Preset)> {
        self.0.iter().map(|(name, preset)| (&**name, preset))
    }

    /// Their names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// Puts one in, in the place of one of the same name.
    pub fn insert(&mut self, name: &str, preset: Preset) {
        self.0.insert(name.into(), preset);
    }
}

/// Whether a preset may be called so: `[A-Za-z0-9_-]{1,50}`.
///
/// # Errors
/// What is expected.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    const CHARACTERS_MAX: usize = 50;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err("a name is made of 1 to 50 of A-Z a-z 0-9 _ and -")
    }
}

/// The `strategy` under which an expression is written: how a person would choose its tags.
#[must_use]
pub fn strategy(expr: &Expr) -> &'static str {
    let is_tag = |one: &Expr| matches!(one, Expr::Tag(_));
    match expr {
        Expr::Tag(_) => "or",
        Expr::Or(any) if any.iter().all(is_tag) => "or",
        Expr::And(all) if all.iter().all(is_tag) => "and",
        Expr::Not(_) | Expr::And(_) | Expr::Or(_) => "advanced",
    }
}

/// The `tagQuery` of an expression, as JSON: operators rather than `$advanced`, which other
/// programs that read the file keep and do not understand.
#[must_use]
pub fn tag_query(expr: &Expr) -> String {
    let list = |operator: &str, inner: &[Expr]| {
        let inner: Vec<String> = inner.iter().map(tag_query).collect();
        format!("{{\"{operator}\":[{}]}}", inner.join(","))
    };
    match expr {
        Expr::Tag(tag) => format!("{{\"tag\":{}}}", write::string(tag)),
        Expr::Not(inner) => format!("{{\"$not\":{}}}", tag_query(inner)),
        Expr::And(all) => list("$and", all),
        Expr::Or(any) => list("$or", any),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Expr {
        Expr::Tag(text.into())
    }

    #[test]
    fn contract_4_names_are_those_of_servers() {
        let long = "x".repeat(51);
        for name in ["a", "A-b_9", "1mcp", &long[1..]] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "ä", "a/b", "a.b", &long] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn contract_4_an_expression_is_written_with_its_strategy() {
        let (a, b) = (|| tag("a"), || tag("b"));
        for (expr, expected, query) in [
            (a(), "or", r#"{"tag":"a"}"#),
            (
                Expr::Or(vec![a(), b()]),
                "or",
                r#"{"$or":[{"tag":"a"},{"tag":"b"}]}"#,
            ),
            (
                Expr::And(vec![a(), b()]),
                "and",
                r#"{"$and":[{"tag":"a"},{"tag":"b"}]}"#,
            ),
            (
                Expr::Not(Box::new(a())),
                "advanced",
                r#"{"$not":{"tag":"a"}}"#,
            ),
            (
                Expr::And(vec![Expr::Or(vec![a(), tag("\"")]), b()]),
                "advanced",
                r#"{"$and":[{"$or":[{"tag":"a"},{"tag":"\""}]},{"tag":"b"}]}"#,
            ),
            (Expr::NOTHING, "or", r#"{"$or":[]}"#),
        ] {
            assert_eq!(strategy(&expr), expected, "{expr:?}");
            assert_eq!(tag_query(&expr), query);
        }
    }

    #[test]
    fn presets_are_found_by_their_whole_name() {
        let mut presets = Presets::default();
        for (name, text) in [("b", "x"), ("a", "y"), ("b", "z")] {
            let expr = Rc::new(tag(text));
            let description = None;
            presets.insert(name, Preset { description, expr });
        }
        assert_eq!(presets.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            presets.get("b").map(|preset| &*preset.expr),
            Some(&tag("z"))
        );
        assert_eq!(presets.get("B"), None);
        assert_eq!(presets.iter().len(), 2);
    }
}
