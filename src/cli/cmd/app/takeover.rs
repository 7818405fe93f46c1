//! Consolidating one file: what is to be done, and doing it so that a crash at any point leaves
//! both files whole and a second run finishes.
//!
//! The order: back up, `mcp.json`, the application's file. Killed in between, the servers are in
//! both files; the second run finds them there and only replaces the application's.

use std::cell::RefCell;

use onemcp::base::url::Url;
use onemcp::config::apps::{
    self, App, Inspection, OwnEntry, Plan, Refusal, Request, State, Surroundings,
};

use super::target::{self, NotWritten, Present, TRIES};
use super::which::Place;
use crate::cli::backups::{Backup, Imported, Keep, Operation, Store};
use crate::cli::cmd::config_file;
use crate::cli::failure::Failure;
use crate::cli::places::Places;

/// One file to consolidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    pub(super) app: &'static App,
    pub(super) place: &'a Place,
    /// What the file gets; `None` for a second file of the same application.
    pub(super) own: Option<&'a OwnEntry>,
    /// The path of this binary.
    pub(super) own_path: Option<&'a str>,
    /// URLs of instances that run.
    pub(super) running: &'a [Url],
    pub(super) around: &'a Surroundings,
    pub(super) places: &'a Places,
}

/// How careful to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Care {
    /// Do it again although it is done.
    pub(super) again: bool,
    /// Keep what the file said.
    pub(super) backup: bool,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    /// The plan that was carried out, with everything that was imported on the way to it.
    pub(super) plan: Plan,
    /// What was kept.
    pub(super) backup: Option<Backup>,
    /// Nothing was written: the file is as it should be.
    pub(super) was_done: bool,
}

impl Job<'_> {
    /// What consolidating would come to.
    pub(super) fn plan(&self, app_text: &[u8], mcp_text: &[u8]) -> Result<Plan, Failure> {
        let request = self.request(app_text, mcp_text);
        apps::consolidate(self.app, self.place.candidate.file, &request)
            .map_err(|refusal| self.refused(&refusal))
    }

    /// What is in the file.
    pub(super) fn inspect(&self, app_text: &[u8]) -> Result<Inspection, Failure> {
        let request = self.request(app_text, b"");
        apps::inspect(self.app, self.place.candidate.file, &request)
            .map_err(|error| self.refused(&Refusal::App(error)))
    }

    fn request<'r>(&'r self, app_text: &'r [u8], mcp_text: &'r [u8]) -> Request<'r> {
        Request {
            app_text,
            level: self.place.candidate.level,
            mcp_text,
            own: self.own,
            own_path: self.own_path,
            running: self.running,
            around: self.around,
        }
    }

    fn refused(&self, refusal: &Refusal) -> Failure {
        let id = self.app.id;
        Failure::Failed(match refusal {
            Refusal::App(error) => format!(
                "{}: {error}; nothing was changed: correct the file there, or take an older one \
                 back with 1mcp app restore {id}",
                self.place.path.display()
            ),
            Refusal::Mcp(error) => format!(
                "{}: {error}; nothing was changed: correct the file there (older ones are in {})",
                self.places.config_file.display(),
                self.places.config_dir.join("backups/mcp").display()
            ),
            Refusal::NoUrl | Refusal::Manual => {
                format!("{refusal}; 1mcp app consolidate {id} --manual-only says how")
            }
            Refusal::TooMany | Refusal::NoRoom(..) => format!("{refusal}; nothing was changed"),
            Refusal::NotAsMeant(_) => refusal.to_string(),
        })
    }

    /// Keeps what the file says; `batch` is of an earlier file of the same command.
    pub(super) fn keep(
        &self,
        present: &Present,
        operation: Operation,
        batch: Option<&str>,
        plan: Option<&Plan>,
    ) -> Result<Backup, Failure> {
        let text = present.bytes.as_deref().unwrap_or_default();
        let imported = plan
            .map(|plan| plan.imported.as_slice())
            .unwrap_or_default();
        let store = Store::of(&self.places.config_dir, self.app.id);
        let kept = store.keep(Keep {
            path: &self.place.path,
            project: self.place.is_project(),
            bytes: present.bytes.as_deref(),
            mode: present.mode,
            operation,
            batch: batch.map(str::to_owned),
            servers: self.inspect(text).ok().map(|found| found.servers.len()),
            imported: imported
                .iter()
                .map(|server| Imported {
                    name: server.name.clone(),
                    fingerprint: server.fingerprint.clone(),
                })
                .collect(),
            result: plan.map(|plan| plan.app_text.as_slice()),
        });
        kept.map_err(|why| {
            let id = self.app.id;
            Failure::Failed(format!(
                "configuration backup failed: {why}; nothing was changed. Free some space or get \
                 write access to {}, or go on without a backup: 1mcp app consolidate {id} --force \
                 --no-backup",
                store.dir().display()
            ))
        })
    }

    /// Consolidates the file.
    pub(super) fn carry_out(&self, care: Care, batch: Option<&str>) -> Result<Done, Failure> {
        let _held = target::hold(&self.place.path)?;
        let mut imported: Vec<apps::Imported> = Vec::new();
        let mut backup: Option<Backup> = None;
        for _ in 0..TRIES {
            let present = target::read(&self.place.path)?;
            let text = present.bytes.clone().unwrap_or_default();
            let mcp = config_file::read(&self.places.config_file)?.unwrap_or_default();
            let mut plan = self.plan(&text, &mcp)?;
            if plan.already_consolidated && !care.again {
                return Ok(Done {
                    was_done: imported.is_empty(),
                    plan,
                    backup,
                });
            }
            add(&mut imported, &plan.imported);
            plan.imported.clone_from(&imported);
            if care.backup {
                self.keep_instead(&mut backup, &present, batch, &plan)?;
            }
            if plan.mcp_text != mcp {
                // `app status` takes a backup for the sign of a change that was made.
                plan = self
                    .import(&text)
                    .inspect_err(|_| self.drop_backup(backup.take()))?;
                let before = imported.len();
                add(&mut imported, &plan.imported);
                plan.imported.clone_from(&imported);
                if care.backup && imported.len() != before {
                    self.keep_instead(&mut backup, &present, batch, &plan)?;
                }
            }
            match target::write(&self.place.path, &present, &plan.app_text) {
                Ok(()) => {
                    self.verify(&plan)?;
                    return Ok(Done {
                        plan,
                        backup,
                        was_done: false,
                    });
                }
                Err(NotWritten::Changed) => {}
                Err(NotWritten::Failed(failure)) => return Err(self.half_done(failure, &imported)),
            }
        }
        Err(self.half_done(target::restless(&self.place.path), &imported))
    }

    /// Keeps the file in the place of what an earlier try has kept.
    fn keep_instead(
        &self,
        backup: &mut Option<Backup>,
        present: &Present,
        batch: Option<&str>,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let new = self.keep(present, Operation::Consolidate, batch, Some(plan))?;
        self.drop_backup(backup.replace(new));
        Ok(())
    }

    /// If it cannot be removed, it is one backup too many, and as such harmless.
    fn drop_backup(&self, backup: Option<Backup>) {
        if let Some(old) = backup {
            let store = Store::of(&self.places.config_dir, self.app.id);
            let _left = store.remove(&old);
        }
    }

    /// Writes `mcp.json`, from what it says under its lock.
    fn import(&self, text: &[u8]) -> Result<Plan, Failure> {
        let carried_out = RefCell::new(None);
        config_file::change(self.places, |mcp| {
            let plan = self.plan(text, mcp)?;
            let new = plan.mcp_text.clone();
            carried_out.replace(Some(plan));
            Ok(new)
        })?;
        carried_out
            .into_inner()
            .map_or_else(|| self.plan(text, b""), Ok)
    }

    /// Reads back what was written.
    fn verify(&self, plan: &Plan) -> Result<(), Failure> {
        let path = self.place.path.display();
        let present = target::read(&self.place.path)?;
        let text = present.bytes.unwrap_or_default();
        let state = self.inspect(&text)?.state;
        let is_meant = match self.own {
            Some(_) => state == State::Consolidated,
            None => text == plan.app_text,
        };
        if is_meant {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{path} was written, but now says something else: its application has overwritten it. \
             Quit {} completely and run 1mcp app consolidate {} again",
            self.app.title, self.app.id
        )))
    }

    /// A failure after `mcp.json` was written.
    fn half_done(&self, failure: Failure, imported: &[apps::Imported]) -> Failure {
        match failure {
            Failure::Failed(text) if !imported.is_empty() => Failure::Failed(format!(
                "{} (its servers are in {} already, so nothing is lost and the next run goes \
                 on from there)",
                text.replace("nothing was changed", "this file was not changed"),
                self.places.config_file.display()
            )),
            other => other,
        }
    }
}

/// What a first try imported is already there for the second one.
fn add(all: &mut Vec<apps::Imported>, new: &[apps::Imported]) {
    for server in new {
        if !all.iter().any(|other| other.name == server.name) {
            all.push(server.clone());
        }
    }
}
