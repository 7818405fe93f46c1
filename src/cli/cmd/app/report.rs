//! What `app consolidate` tells: for people, or as one JSON document.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use onemcp::config::apps::{App, Plan};
use serde_json::{Value, json};

use super::masked;
use crate::cli::args::Line;
use crate::cli::check::Checked;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;
use crate::cli::terminal::{self, Ink, Terminal, readable, readable_lines};

/// A file, what it says, and what it would say.
pub(super) type Change = (PathBuf, Vec<u8>, Vec<u8>);

/// What happened to a file.
#[derive(Debug)]
pub(super) enum What {
    /// It was consolidated.
    Done,
    /// It was consolidated before.
    AlreadyDone,
    /// It would be.
    WouldDo(Vec<Change>),
    /// It was backed up.
    BackedUp,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    app: &'static App,
    path: PathBuf,
    what: What,
    plan: Plan,
    /// The name of what was kept.
    pub(super) backup: Option<String>,
    /// What came of starting the imported servers.
    pub(super) checked: Vec<Checked>,
}

impl File {
    /// A file that was not checked and not kept.
    pub(super) fn new(app: &'static App, path: &Path, what: What, plan: Plan) -> Self {
        Self {
            app,
            path: path.to_path_buf(),
            what,
            plan,
            backup: None,
            checked: Vec::new(),
        }
    }
}

/// Collects what is to be told.
pub(super) struct Report {
    json: bool,
    show_secrets: bool,
    mcp: PathBuf,
    files: Vec<File>,
    instructions: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

impl Report {
    /// Nothing yet.
    pub(super) fn new(line: &Line, places: &Places) -> Self {
        Self {
            json: line.is_set("json"),
            show_secrets: line.is_set("show-secrets"),
            mcp: places.config_file.clone(),
            files: Vec::new(),
            instructions: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// One file more.
    pub(super) fn file(&mut self, file: File) {
        self.files.push(file);
    }

    /// What has to be entered by hand.
    pub(super) fn instructions(&mut self, app: &'static App, text: &str) {
        self.instructions.push((app.id, text.to_owned()));
    }

    /// A sentence for people.
    pub(super) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// Tells it all.
    pub(super) fn print(&self) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
            return out::result(&format!("{text}\n"));
        }
        let mut text = String::new();
        for (_, instructions) in &self.instructions {
            text.push_str(&readable_lines(instructions.trim_end()));
            text.push('\n');
        }
        for file in &self.files {
            self.text_of(file, &mut text);
        }
        self.next_steps(&mut text);
        out::result(&text)?;
        self.notes.iter().for_each(|note| out::note(note));
        Ok(())
    }

    fn text_of(&self, file: &File, text: &mut String) {
        let terminal = Terminal::stdout();
        let (title, id) = (file.app.title, file.app.id);
        let path = readable(&file.path.display().to_string());
        let line = match &file.what {
            What::Done => format!("consolidated {title}: {path}"),
            What::AlreadyDone => format!(
                "{title} is already consolidated: {path} (to do it again: 1mcp app consolidate \
                 {id} --force)"
            ),
            What::WouldDo(_) => format!("would consolidate {title}: {path}"),
            What::BackedUp if file.backup.is_none() => format!("would back up {title}: {path}"),
            What::BackedUp => format!("backed up {title}: {path}"),
        };
        put(text, &terminal.paint(Ink::Bold, &line));
        for (name, what) in self.servers_of(file) {
            let name = match &*name {
                "" => "\"\"".to_owned(),
                name => readable(name),
            };
            put(text, &format!("  {name}: {}", readable(&what)));
        }
        if let What::WouldDo(changes) = &file.what {
            for change in changes {
                self.diff(terminal, change, text);
            }
        }
        if let Some(backup) = &file.backup {
            let undo = match file.what {
                What::BackedUp => String::new(),
                _ => format!(" (undo: 1mcp app restore {id})"),
            };
            put(text, &format!("  backup {backup}{undo}"));
        }
        for note in &file.plan.notes {
            put(text, &format!("  {}", readable(note)));
        }
    }

    /// A line for each server: its name in the application, and what became of it.
    fn servers_of(&self, file: &File) -> Vec<(String, String)> {
        let plan = &file.plan;
        let would = matches!(file.what, What::WouldDo(_));
        let verb = if would {
            "would be imported"
        } else {
            "imported"
        };
        let mut lines = Vec::new();
        for server in &plan.imported {
            let mut what = match &server.renamed {
                Some(why) => format!("{verb} as {} ({why})", server.name),
                None => verb.to_owned(),
            };
            if server.is_disabled {
                what.push_str(", disabled as it was");
            }
            match checked(file, &server.name).map(|checked| &checked.outcome) {
                Some(Ok(counts)) => {
                    let s = if counts.tools == 1 { "" } else { "s" };
                    let _fits = write!(what, ", works ({} tool{s})", counts.tools);
                }
                Some(Err(why)) => {
                    let verb = if server.is_stdio { "start" } else { "work" };
                    let _fits = write!(what, ", but does not {verb}: {why}");
                }
                None => {}
            }
            lines.push((server.name_in_app.clone(), what));
        }
        for server in &plan.already_there {
            let what = match server.name == server.name_in_app {
                true => "already in mcp.json".to_owned(),
                false => format!("already in mcp.json as {}", server.name),
            };
            lines.push((server.name_in_app.clone(), what));
        }
        for server in &plan.kept {
            let what = format!("stays in the file: {}", server.reason);
            lines.push((server.name.clone(), what));
        }
        for name in plan
            .own_entries_dropped
            .iter()
            .filter(|_| !plan.already_consolidated)
        {
            lines.push((
                name.clone(),
                "ran 1mcp and gives way to the new entry".to_owned(),
            ));
        }
        lines
    }

    fn diff(&self, terminal: Terminal, (path, old, new): &Change, text: &mut String) {
        let shown = |bytes: &[u8]| match self.show_secrets {
            true => bytes.to_vec(),
            false => masked::text(bytes),
        };
        let path = readable(&path.display().to_string());
        let difference = terminal::diff(terminal, &shown(old), &shown(new));
        match (difference.is_empty(), old == new) {
            (true, true) => put(text, &format!("{path} stays as it is")),
            (true, false) => put(text, &format!("{path} changes in secrets only")),
            (false, _) => {
                put(text, &terminal.paint(Ink::Bold, &format!("--- {path}")));
                put(text, &terminal.paint(Ink::Bold, &format!("+++ {path}")));
                put(text, difference.trim_end_matches('\n'));
            }
        }
    }

    /// The same for scripts.
    fn changes(&self, file: &File) -> Option<Vec<Value>> {
        let What::WouldDo(changes) = &file.what else {
            return None;
        };
        let shown = |(path, old, new): &Change| {
            let (old, new) = match self.show_secrets {
                true => (old.clone(), new.clone()),
                false => (masked::text(old), masked::text(new)),
            };
            json!({
                "file": path.display().to_string(),
                "diff": terminal::diff(Terminal::plain(), &old, &new),
            })
        };
        Some(changes.iter().map(shown).collect())
    }

    fn next_steps(&self, text: &mut String) {
        let mut told: Vec<&str> = Vec::new();
        for file in &self.files {
            let (title, id) = (file.app.title, file.app.id);
            if told.contains(&id) {
                continue;
            }
            match file.what {
                What::Done => put(
                    text,
                    &format!("next: restart {title} (quit it completely, then start it)"),
                ),
                What::WouldDo(_) => put(
                    text,
                    &format!("nothing was changed; do it with 1mcp app consolidate {id}"),
                ),
                What::AlreadyDone | What::BackedUp => continue,
            }
            told.push(id);
        }
        let failing: Vec<&str> = self
            .files
            .iter()
            .flat_map(|file| &file.checked)
            .filter(|checked| checked.outcome.is_err())
            .map(|checked| &*checked.name)
            .collect();
        if let Some(first) = failing.first() {
            let line = format!(
                "not all servers work; 1mcp mcp status {first} says why, and they are tried \
                 again whenever they are used"
            );
            put(text, &readable(&line));
        }
    }

    fn document(&self) -> Value {
        let files: Vec<Value> = self.files.iter().map(|file| self.entry(file)).collect();
        let by_hand: Vec<Value> = self
            .instructions
            .iter()
            .map(|(id, text)| json!({"app": id, "instructions": text}))
            .collect();
        json!({
            "config": self.mcp.display().to_string(),
            "files": files,
            "manual": by_hand,
            "notes": self.notes,
        })
    }

    fn entry(&self, file: &File) -> Value {
        let plan = &file.plan;
        let result = match file.what {
            What::Done => "consolidated",
            What::AlreadyDone => "already-consolidated",
            What::WouldDo(_) => "would-consolidate",
            What::BackedUp => "backed-up",
        };
        let imported: Vec<Value> = plan
            .imported
            .iter()
            .map(|server| {
                let outcome = checked(file, &server.name).map(|checked| &checked.outcome);
                json!({
                    "nameInApp": server.name_in_app,
                    "name": server.name,
                    "renamed": server.renamed,
                    "disabled": server.is_disabled,
                    "works": outcome.map(Result::is_ok),
                    "tools": outcome.and_then(|outcome| Some(outcome.as_ref().ok()?.tools)),
                    "error": outcome.and_then(|outcome| outcome.as_ref().err()),
                })
            })
            .collect();
        let there = plan.already_there.iter();
        let there = there.map(|it| json!({"nameInApp": it.name_in_app, "name": it.name}));
        let kept = plan.kept.iter();
        let kept = kept.map(|it| json!({"name": it.name, "reason": it.reason}));
        json!({
            "app": file.app.id,
            "file": file.path.display().to_string(),
            "result": result,
            "imported": imported,
            "alreadyThere": there.collect::<Vec<Value>>(),
            "kept": kept.collect::<Vec<Value>>(),
            "backup": file.backup,
            "changes": self.changes(file),
            "notes": plan.notes,
        })
    }
}

fn checked<'f>(file: &'f File, name: &str) -> Option<&'f Checked> {
    file.checked.iter().find(|checked| checked.name == name)
}

fn put(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
