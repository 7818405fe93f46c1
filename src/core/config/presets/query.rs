//! `tagQuery`: which tags a preset wants, as operators within operators.
//!
//! `{"tag": "x"}`, `{"$or": [..]}`, `{"$and": [..]}`, `{"$not": ..}`, `{"$in": ["x", "y"]}` (also as
//! `{"tag": {"$in": [..]}}`), `{"$advanced": "x and not y"}`; a string alone is a tag, and `{}` is
//! nobody. What could be meant in two ways is refused: a preset that is left out shows nothing,
//! while one that was misunderstood shows what was to be hidden.

use super::super::jsonc::{Kind, Member, Value};
use super::super::report::shown;
use super::Fault;
use crate::filter::Expr;
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, PRESET_PARTS_MAX};

/// What a query means.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read(query: &Value) -> Result<Expr, Fault> {
    let mut reader = Reader { parts: 0 };
    reader.query(query, "its \"tagQuery\"", 0)
}

struct Reader {
    /// Queries and tags so far.
    parts: usize,
}

impl Reader {
    /// `what` is what it is called in a sentence.
    fn query(&mut self, query: &Value, what: &str, depth: usize) -> Result<Expr, Fault> {
        let at = query.at.start;
        if depth > FILTER_DEPTH_MAX {
            let text = format!("its \"tagQuery\" is deeper than {FILTER_DEPTH_MAX} operators");
            return Err((at, text));
        }
        self.count(at)?;
        let members = match &query.kind {
            Kind::String(text) => return tag(text, at),
            Kind::Object(members) => members,
            _ => return Err((at, must(what, "an object", query))),
        };
        match &members[..] {
            [] => Ok(Expr::NOTHING),
            [only] => self.operator(only, depth),
            [_, second, ..] => Err((
                second.key_at.start,
                format!(
                    "{} stands beside another operator: put both into \"$and\" or \"$or\"",
                    shown(&second.key)
                ),
            )),
        }
    }

    fn operator(&mut self, member: &Member, depth: usize) -> Result<Expr, Fault> {
        let (value, at) = (&member.value, member.value.at.start);
        match (member.key.as_str(), &value.kind) {
            ("tag", Kind::String(text)) => tag(text, at),
            ("tag", Kind::Object(inner)) => match &inner[..] {
                [only] if only.key == "$in" => self.operator(only, depth),
                _ => Err((
                    at,
                    must("its \"tag\"", "a string or {\"$in\": [..]}", value),
                )),
            },
            ("tag", _) => Err((at, must("its \"tag\"", "a string", value))),
            ("$or", Kind::Array(list)) => self
                .list(list, "what stands in its \"$or\"", depth)
                .map(any),
            ("$and", Kind::Array(list)) if list.is_empty() => Err((
                at,
                "its \"$and\" of nothing would show everything".to_owned(),
            )),
            ("$and", Kind::Array(list)) => self
                .list(list, "what stands in its \"$and\"", depth)
                .map(all),
            ("$in", Kind::Array(list)) => self.tags(list).map(any),
            (key @ ("$or" | "$and" | "$in"), _) => {
                Err((at, must(&format!("its {key:?}"), "an array", value)))
            }
            ("$not", _) => match self.query(value, "its \"$not\"", depth + 1)? {
                Expr::Not(inner) => Ok(*inner),
                other => Ok(Expr::Not(Box::new(other))),
            },
            ("$advanced", Kind::String(text)) => Expr::parse(text)
                .map_err(|misread| (at, format!("its \"$advanced\" is wrong at {misread}"))),
            ("$advanced", _) => Err((at, must("its \"$advanced\"", "an expression", value))),
            (key, _) => Err((
                member.key_at.start,
                format!(
                    "{} is no operator; there are tag, $or, $and, $not, $in and $advanced",
                    shown(key)
                ),
            )),
        }
    }

    fn list(&mut self, list: &[Value], what: &str, depth: usize) -> Result<Vec<Expr>, Fault> {
        let queries = list.iter();
        queries
            .map(|query| self.query(query, what, depth + 1))
            .collect()
    }

    fn tags(&mut self, list: &[Value]) -> Result<Vec<Expr>, Fault> {
        let one = |value: &Value| match &value.kind {
            Kind::String(text) => {
                self.count(value.at.start)?;
                tag(text, value.at.start)
            }
            _ => Err((
                value.at.start,
                must("its \"$in\"", "an array of tags", value),
            )),
        };
        list.iter().map(one).collect()
    }

    fn count(&mut self, at: usize) -> Result<(), Fault> {
        self.parts += 1;
        if self.parts > PRESET_PARTS_MAX {
            let text = format!("its \"tagQuery\" has more than {PRESET_PARTS_MAX} parts");
            return Err((at, text));
        }
        Ok(())
    }
}

fn must(what: &str, expected: &str, found: &Value) -> String {
    format!("{what} must be {expected}, found {}", found.noun())
}

/// Tags of servers may hold what no expression can spell, so here nearly everything goes.
fn tag(text: &str, at: usize) -> Result<Expr, Fault> {
    let tag = text.trim();
    if tag.is_empty() || tag.len() > FILTER_BYTES_MAX || tag.contains(char::is_control) {
        return Err((at, format!("{} is no tag", shown(text))));
    }
    Ok(Expr::Tag(tag.to_lowercase().into()))
}

fn any(list: Vec<Expr>) -> Expr {
    alone(list).unwrap_or_else(Expr::Or)
}

fn all(list: Vec<Expr>) -> Expr {
    alone(list).unwrap_or_else(Expr::And)
}

/// A list of one is that one.
fn alone(mut list: Vec<Expr>) -> Result<Expr, Vec<Expr>> {
    match list.pop() {
        Some(only) if list.is_empty() => Ok(only),
        last => {
            list.extend(last);
            Err(list)
        }
    }
}
