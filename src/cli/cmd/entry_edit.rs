//! Changes one entry of `mcp.json` in place: each step splices the bytes of one key, and a step
//! that would change nothing leaves even those alone.

use onemcp::config::edit::{self, EditError, Step};
use onemcp::config::jsonc::{self, Dialect, Kind, Value};
use onemcp::config::{self, Environment};

use super::config_file::{self, Changed};
use crate::cli::failure::Failure;
use crate::cli::places::Places;
use crate::cli::suggest;

/// The file while one of its entries is changed.
pub(super) struct Editor<'a> {
    text: Vec<u8>,
    name: &'a str,
    places: &'a Places,
    /// What was changed, as a person would name it: `tags`, `env.TOKEN`.
    pub(super) touched: Vec<String>,
}

/// Changes the entry of a server that exists, and checks that `serve` accepts the result.
pub(super) fn change(
    places: &Places,
    name: &str,
    edit: impl Fn(&mut Editor<'_>) -> Result<(), Failure>,
) -> Result<(Changed, Vec<String>), Failure> {
    let file = places.config_file.display().to_string();
    if config_file::read(&places.config_file)?.is_none() {
        return Err(Failure::Absent(format!(
            "there is no {file} yet, and so no server {name:?}; add one with 1mcp mcp add NAME -- \
             COMMAND ARGS..."
        )));
    }
    let touched = std::cell::RefCell::new(Vec::new());
    let changed = config_file::change(places, |old| {
        let mut editor = Editor {
            text: old.to_vec(),
            name,
            places,
            touched: Vec::new(),
        };
        if editor.entry()?.is_none() {
            return Err(absent(old, name, &file));
        }
        edit(&mut editor)?;
        if editor.text != old {
            check(&editor.text, name, &file)?;
        }
        touched.replace(editor.touched);
        Ok(editor.text)
    })?;
    Ok((changed, touched.into_inner()))
}

/// "There is no such server", with the nearest name.
pub(super) fn absent(text: &[u8], name: &str, file: &str) -> Failure {
    let names = names(text);
    let hint = suggest::hint(name, names.iter().map(String::as_str), "");
    Failure::Absent(format!("there is no server {name:?} in {file}{hint}"))
}

/// The names of all servers, whatever their entries say.
pub(super) fn names(text: &[u8]) -> Vec<String> {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        return Vec::new();
    };
    let servers = root.get("mcpServers");
    let members = servers.map(Value::members).unwrap_or_default();
    members.iter().map(|member| member.key.clone()).collect()
}

/// What was built must be what `serve` accepts, or its complaint is ours.
pub(super) fn check(text: &[u8], name: &str, file: &str) -> Result<(), Failure> {
    let config = config::read(text, &Environment::default())
        .map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    if config.servers.iter().any(|server| &*server.name == name) {
        return Ok(());
    }
    let quoted = format!("{name:?}");
    let problem = config
        .problems
        .iter()
        .find(|problem| problem.text.contains(&quoted));
    let why = problem.map_or("this entry would not be accepted", |problem| &problem.text);
    Err(Failure::Usage(why.to_owned()))
}

/// Why `serve`, started from here, would not start it: a variable that is not set, say.
pub(super) fn fault(places: &Places, name: &str) -> Option<String> {
    let text = config_file::read(&places.config_file).ok()??;
    let config = config::read(&text, &config_file::environment(places)).ok()?;
    let mut named = config
        .servers
        .into_iter()
        .filter(|server| &*server.name == name);
    named.next()?.fault
}

impl Editor<'_> {
    fn path<'p>(&'p self, below: &[Step<'p>]) -> Vec<Step<'p>> {
        let mut path = vec![Step::Key("mcpServers"), Step::Key(self.name)];
        path.extend_from_slice(below);
        path
    }

    fn bad(&self, error: &EditError) -> Failure {
        config_file::bad_file(&self.places.config_file, error)
    }

    /// The value at a path of the whole file.
    fn find(&self, path: &[Step<'_>]) -> Result<Option<Value>, Failure> {
        let found = edit::get(&self.text, path).map_err(|error| self.bad(&error))?;
        // The text of a value that was read once can be read again.
        Ok(found.and_then(|text| jsonc::parse(text, Dialect::Relaxed).ok()))
    }

    /// The whole entry; its positions are those within its own text.
    pub(super) fn entry(&self) -> Result<Option<Value>, Failure> {
        self.find(&self.path(&[]))
    }

    /// The value of a key; `null` counts as absent, as it does for `serve`.
    pub(super) fn get(&self, key: &str) -> Result<Option<Value>, Failure> {
        let found = self.find(&self.path(&[Step::Key(key)]))?;
        Ok(found.filter(|value| value.kind != Kind::Null))
    }

    /// A list of strings; `None` if there is none.
    pub(super) fn list(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        Ok(self.get(key)?.map(|value| strings(&value)))
    }

    /// The same of `serverDefaults`, which holds where the entry says nothing.
    pub(super) fn default_list(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        let defaults = self.find(&[Step::Key("serverDefaults")])?;
        let value = defaults.as_ref().and_then(|defaults| defaults.get(key));
        let value = value.filter(|value| value.kind != Kind::Null);
        Ok(value.map(strings))
    }

    /// Gives a key, or a member of it, a value; nothing happens if it has it.
    pub(super) fn set(&mut self, below: &[&str], json: &str) -> Result<(), Failure> {
        let steps: Vec<Step<'_>> = below.iter().map(|key| Step::Key(key)).collect();
        let path = self.path(&steps);
        let old = edit::get(&self.text, &path).map_err(|error| self.bad(&error))?;
        if old.is_some_and(|old| is_same(old, json.as_bytes())) {
            return Ok(());
        }
        let new = edit::set(&self.text, &path, json).map_err(|error| self.bad(&error))?;
        self.done(new, below);
        Ok(())
    }

    /// Removes a key, or a member of it; whether it was there.
    pub(super) fn remove(&mut self, below: &[&str]) -> Result<bool, Failure> {
        let steps: Vec<Step<'_>> = below.iter().map(|key| Step::Key(key)).collect();
        let path = self.path(&steps);
        match edit::remove(&self.text, &path) {
            Ok(new) => {
                self.done(new, below);
                Ok(true)
            }
            Err(EditError::Missing(_)) => Ok(false),
            Err(error) => Err(self.bad(&error)),
        }
    }

    /// Puts a string at the end of a list.
    pub(super) fn append(&mut self, key: &str, json: &str) -> Result<(), Failure> {
        let path = self.path(&[Step::Key(key)]);
        let new =
            edit::append_element(&self.text, &path, json).map_err(|error| self.bad(&error))?;
        self.done(new, &[key]);
        Ok(())
    }

    /// Gives an element of a list another value.
    pub(super) fn set_element(&mut self, key: &str, at: usize, json: &str) -> Result<(), Failure> {
        let path = self.path(&[Step::Key(key), Step::Index(at)]);
        let new = edit::set(&self.text, &path, json).map_err(|error| self.bad(&error))?;
        self.done(new, &[key]);
        Ok(())
    }

    /// Takes every element away that is this string.
    pub(super) fn remove_elements(
        &mut self,
        key: &str,
        is: impl Fn(&str) -> bool,
    ) -> Result<bool, Failure> {
        let mut any = false;
        while let Some(at) = self
            .list(key)?
            .and_then(|list| list.iter().position(|item| is(item)))
        {
            let path = self.path(&[Step::Key(key)]);
            let new =
                edit::remove_element(&self.text, &path, at).map_err(|error| self.bad(&error))?;
            self.done(new, &[key]);
            any = true;
        }
        Ok(any)
    }

    fn done(&mut self, new: Vec<u8>, below: &[&str]) {
        self.text = new;
        let name = below.join(".");
        if !self.touched.contains(&name) {
            self.touched.push(name);
        }
    }
}

/// The strings of an array, an empty one for each element that is none.
fn strings(value: &Value) -> Vec<String> {
    let Kind::Array(elements) = &value.kind else {
        return Vec::new();
    };
    let text = |element: &Value| match &element.kind {
        Kind::String(text) => text.clone(),
        _ => String::new(),
    };
    elements.iter().map(text).collect()
}

/// Whether two texts hold the same value, however they are written.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let parse = |text| jsonc::parse(text, Dialect::Relaxed);
    match (parse(one), parse(other)) {
        (Ok(a), Ok(b)) => equal((one, &a), (other, &b)),
        _ => false,
    }
}

fn equal((a_text, a): (&[u8], &Value), (b_text, b): (&[u8], &Value)) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Number, Kind::Number) => a.at.of(a_text) == b.at.of(b_text),
        (Kind::Array(a), Kind::Array(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| equal((a_text, a), (b_text, b)))
        }
        (Kind::Object(a), Kind::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.key == b.key && equal((a_text, &a.value), (b_text, &b.value)))
        }
        (a, b) => a == b,
    }
}

/// One edit of a text, for tests.
#[cfg(test)]
pub(super) fn edited(
    text: &str,
    name: &str,
    edit: impl Fn(&mut Editor<'_>) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut editor = Editor {
        text: text.as_bytes().to_vec(),
        name,
        places: &crate::cli::places::nowhere(),
        touched: Vec::new(),
    };
    edit(&mut editor)?;
    Ok(String::from_utf8_lossy(&editor.text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let text = br#"{"mcpServers": {"files": {}, "memory": {}}}"#;
        let line = |text: &[u8], name| absent(text, name, "f").line().unwrap().to_owned();
        let near = "there is no server \"fiels\" in f; did you mean files?";
        assert_eq!(line(text, "fiels"), near);
        assert!(line(text, "unrelated").ends_with(" in f"));
        assert!(line(b"", "x").ends_with(" in f"));
    }

    #[test]
    fn equal_values_are_the_same_however_they_are_written() {
        let same = |a: &str, b: &str| is_same(a.as_bytes(), b.as_bytes());
        assert!(same("{\"a\" : [1, /* x */ \"b\"],}", "{\"a\":[1,\"b\"]}"));
        for (a, b) in [
            ("1", "2"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"b\":1}"),
            ("1", "\"1\""),
        ] {
            assert!(!same(a, b));
        }
    }
}
