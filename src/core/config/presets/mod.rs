//! From the bytes of `presets.json` to [`Presets`]: the file of the TypeScript 1MCP, read as
//! forgivingly as `mcp.json`.
//!
//! ```json
//! {"version": "1.0.0", "presets": {
//!   "dev": {"name": "dev", "description": "at work", "strategy": "or",
//!           "tagQuery": {"$or": [{"tag": "web"}, {"tag": "db"}]}}}}
//! ```
//!
//! What a preset admits is said by its `tagQuery` alone: `strategy` only tells how it was made. One
//! bad preset never takes the others down; it becomes a [`Problem`].

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod query;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::jsonc::{self, Dialect, Kind, Member, Value};
use super::model::{Problem, ReadError};
use super::report::{Report, shown};
use crate::filter::presets::check_name;
use crate::filter::{Preset, Presets};
use crate::limits::PRESETS_MAX;

/// What is wrong with a preset: at which byte, and the rest of a sentence.
type Fault = (usize, String);

/// The presets that are good, and what is wrong with the others.
///
/// # Errors
/// The file as a whole cannot be used.
pub fn read(text: &[u8]) -> Result<(Presets, Vec<Problem>), ReadError> {
    let root = jsonc::parse(text, Dialect::Relaxed).map_err(|error| error.locate(text))?;
    let mut report = Report::new(text);
    report.need_object(&root, "presets.json")?;
    let mut presets = Presets::default();
    if let Some(value) = report.only(&root, "presets")? {
        report.need_object(value, "\"presets\"")?;
        let mut seen = BTreeSet::new();
        for member in value.members() {
            let first = seen.insert(member.key.as_str());
            let full = presets.iter().len() >= PRESETS_MAX;
            match may_be_preset(&member.key, first, full)
                .map_err(|why| (member.key_at.start, why))
                .and_then(|()| preset(member))
            {
                Ok(preset) => presets.insert(&member.key, preset),
                Err((at, why)) => {
                    let name = shown(&member.key);
                    report.problem(at, format!("preset {name} is left out: {why}"));
                }
            }
        }
    }
    Ok((presets, report.finish()))
}

fn may_be_preset(name: &str, first: bool, full: bool) -> Result<(), String> {
    check_name(name)?;
    if !first {
        return Err("it appears twice, the first one counts".to_owned());
    }
    if full {
        return Err(format!("there are more than {PRESETS_MAX}"));
    }
    Ok(())
}

fn preset(member: &Member) -> Result<Preset, Fault> {
    let entry = &member.value;
    if !matches!(entry.kind, Kind::Object(_)) {
        let text = format!("it must be an object, found {}", entry.noun());
        return Err((entry.at.start, text));
    }
    let description = text(entry, "description")?.map(str::to_owned);
    let strategies = ["or", "and", "advanced", "tag"];
    if let Some(strategy) = text(entry, "strategy")?
        && !strategies.contains(&strategy)
    {
        let at = only(entry, "strategy")?.map_or(entry.at.start, |value| value.at.start);
        let text = format!(
            "its \"strategy\" must be or, and, or advanced, found {}",
            shown(strategy)
        );
        return Err((at, text));
    }
    let Some(query) = only(entry, "tagQuery")? else {
        return Err((member.key_at.start, "it has no \"tagQuery\"".to_owned()));
    };
    let expr = Rc::new(query::read(query)?);
    Ok(Preset { description, expr })
}

/// The value of a key; `null` counts as absent, and two could mean either.
fn only<'v>(entry: &'v Value, key: &str) -> Result<Option<&'v Value>, Fault> {
    let mut found = entry.members().iter().filter(|member| member.key == key);
    let first = found.next();
    if let Some(second) = found.next() {
        return Err((second.key_at.start, format!("it has {key:?} twice")));
    }
    let value = first.map(|member| &member.value);
    Ok(value.filter(|value| value.kind != Kind::Null))
}

fn text<'v>(entry: &'v Value, key: &str) -> Result<Option<&'v str>, Fault> {
    match only(entry, key)? {
        None => Ok(None),
        Some(value) => match &value.kind {
            Kind::String(text) => Ok(Some(text)),
            _ => {
                let text = format!("its {key:?} must be a string, found {}", value.noun());
                Err((value.at.start, text))
            }
        },
    }
}

#[cfg(test)]
mod tests;
