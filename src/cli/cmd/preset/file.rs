//! `presets.json` as the commands see it.

use std::path::PathBuf;

use onemcp::config::edit::{self, EditError};
use onemcp::config::jsonc::{self, Dialect, Value};
use onemcp::config::{Problem, presets};
use onemcp::filter::{Preset, Presets};

use super::super::config_file::{self, Changed};
use crate::cli::failure::Failure;
use crate::cli::places::Places;
use crate::cli::suggest;

/// The file, read.
pub(super) struct Known {
    pub(super) file: String,
    text: Vec<u8>,
    pub(super) presets: Presets,
    pub(super) problems: Vec<Problem>,
}

/// Where it is.
pub(super) fn path(places: &Places) -> PathBuf {
    places.config_file.with_file_name("presets.json")
}

/// Reads it; one that is not there has no presets.
pub(super) fn read(places: &Places) -> Result<Known, Failure> {
    let path = path(places);
    let text = config_file::read(&path)?.unwrap_or_else(|| b"{}".to_vec());
    let (presets, problems) =
        presets::read(&text).map_err(|error| config_file::bad_file(&path, &error))?;
    Ok(Known {
        file: path.display().to_string(),
        text,
        presets,
        problems,
    })
}

impl Known {
    /// The preset of this name; one that is there and bad is told with what is wrong with it.
    pub(super) fn get(&self, name: &str) -> Result<&Preset, Failure> {
        if let Some(preset) = self.presets.get(name) {
            return Ok(preset);
        }
        match self.problem(name) {
            Some(problem) => {
                let file = &self.file;
                Err(Failure::Failed(format!("{file}: {problem}")))
            }
            None => Err(absent(&self.text, name, &self.file)),
        }
    }

    fn problem(&self, name: &str) -> Option<&Problem> {
        problem(&self.problems, name)
    }
}

fn problem<'p>(problems: &'p [Problem], name: &str) -> Option<&'p Problem> {
    let start = format!("preset {name:?} ");
    problems
        .iter()
        .find(|problem| problem.text.starts_with(&start))
}

/// "There is no such preset", with the nearest name.
pub(super) fn absent(text: &[u8], name: &str, file: &str) -> Failure {
    let names = names(text);
    let hint = suggest::hint(name, names.iter().map(String::as_str), "");
    Failure::Absent(format!("there is no preset {name:?} in {file}{hint}"))
}

/// The names of all presets, the bad ones included.
fn names(text: &[u8]) -> Vec<String> {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        return Vec::new();
    };
    let presets = root.get("presets").map(Value::members).unwrap_or_default();
    presets.iter().map(|member| member.key.clone()).collect()
}

/// What an operand can be.
pub(in super::super) fn completions(places: &Places) -> Vec<String> {
    let text = config_file::read(&path(places)).ok().flatten();
    text.map(|text| names(&text)).unwrap_or_default()
}

/// Puts `edit(old bytes)` in the place of the file, as the commands of `mcp` do with theirs.
pub(super) fn change(
    places: &Places,
    edit: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<Changed, Failure> {
    config_file::change_file(&path(places), &places.config_dir, "presets", edit)
}

/// One step of an edit.
pub(super) fn set(
    places: &Places,
    text: &[u8],
    keys: &[&str],
    json: &str,
) -> Result<Vec<u8>, Failure> {
    edit::set(text, keys, json).map_err(|error| bad(places, &error))
}

/// What keeps the file from being edited.
pub(super) fn bad(places: &Places, error: &EditError) -> Failure {
    config_file::bad_file(&path(places), error)
}

/// What was built must be what `serve` accepts, or its complaint is ours.
pub(super) fn check(places: &Places, text: &[u8], name: &str) -> Result<(), Failure> {
    let (presets, problems) =
        presets::read(text).map_err(|error| config_file::bad_file(&path(places), &error))?;
    if presets.get(name).is_some() {
        return Ok(());
    }
    let why = problem(&problems, name);
    let why = why.map_or("this preset would not be accepted", |problem| &problem.text);
    Err(Failure::Usage(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let text = br#"{"presets": {"dev": {}, "prod": 1}}"#;
        let line = |text: &[u8], name| absent(text, name, "f").line().unwrap().to_owned();
        let near = "there is no preset \"pord\" in f; did you mean prod?";
        assert_eq!(line(text, "pord"), near);
        assert!(line(text, "unrelated").ends_with(" in f"));
        assert!(line(b"", "x").ends_with(" in f"));
    }
}
