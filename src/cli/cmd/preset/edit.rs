//! `preset edit`: what is given of a preset, and nothing else.

use std::cell::RefCell;

use onemcp::config::edit::{self, EditError};
use onemcp::config::presets;
use onemcp::filter::Expr;
use onemcp::filter::presets::{strategy, tag_query};
use onemcp::json::write;

use super::super::config_file::{self, Changed};
use super::super::done::Done;
use super::{file, filter, name};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::places::{self, Places};
use crate::cli::variable;
use crate::shell::clock::{rfc3339, unix_ms};

/// What is wanted of it.
struct Wish<'a> {
    name: &'a str,
    expr: Option<Expr>,
    description: Option<String>,
}

/// Changes the preset.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = name(line, "edit")?;
    let wish = Wish {
        name: &name,
        expr: filter(line)?,
        description: line.get("description", |text| Ok(text.to_owned()))?,
    };
    if wish.expr.is_none() && wish.description.is_none() {
        return Err(Failure::Usage(
            "preset edit needs what is to change: --filter EXPR, --description TEXT".to_owned(),
        ));
    }
    let places = places::resolve(line, variable)?;
    let path = file::path(&places);
    let shown = path.display().to_string();
    if config_file::read(&path)?.is_none() {
        return Err(file::absent(b"", &name, &shown));
    }
    let touched = RefCell::new(Vec::new());
    let changed = file::change(&places, |old| {
        let keys = ["presets", &name];
        if !edit::contains(old, &keys).map_err(|error| file::bad(&places, &error))? {
            return Err(file::absent(old, &name, &shown));
        }
        let (new, keys) = wish.apply(&places, old)?;
        touched.replace(keys);
        Ok(new)
    })?;
    let touched = touched.into_inner();
    let text = match changed {
        Changed::No => format!("{name} is so already in {shown}"),
        Changed::Yes { .. } => format!("changed {} of {name} in {shown}", touched.join(", ")),
    };
    let keys: Vec<String> = touched.iter().map(|key| write::string(key)).collect();
    let done = Done {
        action: "edit",
        name: &name,
        text,
        changed,
        more: vec![("keys", format!("[{}]", keys.join(",")))],
    };
    done.tell_of(line, &path).map(|()| 0)
}

impl Wish<'_> {
    /// The text with the wish granted, and what was changed for it. What says so already keeps its
    /// bytes, however it is written.
    fn apply(&self, places: &Places, old: &[u8]) -> Result<(Vec<u8>, Vec<&'static str>), Failure> {
        let path = file::path(places);
        let (known, _) =
            presets::read(old).map_err(|error| config_file::bad_file(&path, &error))?;
        // A bad one is put right by what is given.
        let known = known.get(self.name);
        let mut text = old.to_vec();
        let mut touched = Vec::new();
        let key = |key| ["presets", self.name, key];
        if let Some(expr) = self.expr.as_ref()
            && known.is_none_or(|known| *known.expr != *expr)
        {
            let strategy = write::string(strategy(expr));
            text = file::set(places, &text, &key("strategy"), &strategy)?;
            text = file::set(places, &text, &key("tagQuery"), &tag_query(expr))?;
            touched.push("filter");
        }
        let described = known.and_then(|known| known.description.as_deref());
        match self.description.as_deref() {
            None => {}
            Some(wanted) if known.is_some() && wanted == described.unwrap_or_default() => {}
            Some("") => match edit::remove(&text, &key("description")) {
                Ok(new) => {
                    text = new;
                    touched.push("description");
                }
                Err(EditError::Missing(_)) => {}
                Err(error) => return Err(file::bad(places, &error)),
            },
            Some(wanted) => {
                let wanted = write::string(wanted);
                text = file::set(places, &text, &key("description"), &wanted)?;
                touched.push("description");
            }
        }
        if !touched.is_empty() {
            let now = write::string(&rfc3339(unix_ms()));
            text = file::set(places, &text, &key("lastModified"), &now)?;
            file::check(places, &text, self.name)?;
        }
        Ok((text, touched))
    }
}
