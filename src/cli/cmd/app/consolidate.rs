//! `app consolidate`: takes over the servers of an application and lets it use 1mcp instead
//! (contract 6). Needs no running server and no network.

use std::time::Duration;

use onemcp::base::url::Url;
use onemcp::config::apps::{self, App, Kind, Plan, Surroundings};
use onemcp::config::{self, Server};

use super::own::{self, Own};
use super::report::{File, Report, What};
use super::select::{Selected, Wanted};
use super::takeover::{Care, Job};
use super::{running, target, which};
use crate::cli::args::Line;
use crate::cli::backups::{Backup, Operation};
use crate::cli::check::{self, Checked};
use crate::cli::cmd::config_file;
use crate::cli::failure::Failure;
use crate::cli::instances;
use crate::cli::places::{self, Places};
use crate::cli::terminal::Progress;
use crate::cli::{out, variable};

/// How long a server may take to answer. Short of a first download, but nobody waits longer for
/// what is only a warning.
const CHECK_PATIENCE: Duration = Duration::from_secs(20);

/// What was asked for.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
struct Options {
    dry_run: bool,
    yes: bool,
    force: bool,
    backup_only: bool,
    no_backup: bool,
    manual_only: bool,
    project: bool,
    url: Option<String>,
}

/// Everything that is the same for all applications of one command.
struct Session {
    options: Options,
    places: Places,
    around: Surroundings,
    own: Own,
    /// URLs of instances that run: entries of the application may lead there already.
    running: Vec<Url>,
}

/// Runs it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let options = Options::of(line)?;
    let apps = which::find_all(&line.operands)?;
    if apps.is_empty() {
        return Err(Failure::Usage(
            "app consolidate needs an application; 1mcp app discover shows what is installed"
                .to_owned(),
        ));
    }
    let places = places::resolve(line, variable)?;
    let session = Session {
        own: own::entry(line, &places, options.url.clone())?,
        around: which::surroundings()?,
        running: instances::urls(&places),
        places,
        options,
    };
    let mut report = Report::new(line, &session.places);
    let mut failures: Vec<Failure> = Vec::new();
    for app in apps {
        if let Err(failure) = session.app(app, &mut report) {
            failures.push(named(app, failure));
        }
    }
    let last = failures.pop();
    for failure in &failures {
        out::note(failure.line().unwrap_or_default());
    }
    report.print()?;
    last.map_or(Ok(0), Err)
}

impl Options {
    fn of(line: &Line) -> Result<Self, Failure> {
        let url = line.get("url", |text| {
            let host = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            let is_url = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
                && !text.contains(char::is_whitespace);
            is_url.then(|| text.to_owned()).ok_or_else(|| {
                "the URL of a running 1mcp, such as http://127.0.0.1:3050/mcp".to_owned()
            })
        })?;
        let options = Self {
            dry_run: line.is_set("dry-run"),
            yes: line.is_set("yes"),
            force: line.is_set("force"),
            backup_only: line.is_set("backup-only"),
            no_backup: line.is_set("no-backup"),
            manual_only: line.is_set("manual-only"),
            project: line.is_set("project"),
            url,
        };
        if options.backup_only && options.no_backup {
            let text = "--backup-only and --no-backup exclude each other";
            return Err(Failure::Usage(text.to_owned()));
        }
        Ok(options)
    }
}

/// Says of which application it is.
fn named(app: &App, failure: Failure) -> Failure {
    match failure {
        Failure::Failed(text) if !text.starts_with("configuration backup failed") => {
            Failure::Failed(format!("consolidation of {} failed: {text}", app.id))
        }
        other => other,
    }
}

impl Session {
    fn app(&self, app: &'static App, report: &mut Report) -> Result<(), Failure> {
        let by_hand = self.options.manual_only
            || app.kind == Kind::Manual
            || (self.options.url.is_some() && !app.takes_url());
        if by_hand && !self.options.backup_only {
            report.instructions(app, &app.instructions(&self.own.entry));
            return Ok(());
        }
        if app.kind == Kind::Manual {
            let text = format!("{} has no file to back up", app.title);
            return Err(Failure::Failed(text));
        }
        let wanted = Wanted {
            app,
            project: self.options.project,
            force: self.options.force,
            own: &self.own.entry,
            own_path: &self.own.path,
            running: &self.running,
            around: &self.around,
            places: &self.places,
        };
        let files = wanted.files()?;
        if self.options.backup_only {
            return self.back_up(&wanted, &files, report);
        }
        let plans = self.plans(&wanted, &files)?;
        if self.options.dry_run {
            return self.preview(&wanted, plans, report);
        }
        let is_done = plans.iter().all(|(_, plan)| plan.already_consolidated);
        let mut checked = Vec::new();
        if !is_done || self.options.force {
            running::ask(app, self.options.yes, "Change")?;
        }
        if !is_done && !self.options.force {
            checked = self.check(&plans)?;
        }
        self.carry_out(&wanted, &files, &checked, report)?;
        if let Some(warning) = self.own.warning.as_deref()
            && self.options.url.is_none()
            && (!is_done || self.options.force)
        {
            report.note(warning);
        }
        for file in wanted.left_in_project() {
            report.note(&format!(
                "{file} of this project has servers of its own; take them over with --project"
            ));
        }
        Ok(())
    }

    fn job<'j>(&'j self, wanted: &'j Wanted<'_>, selected: &'j Selected) -> Job<'j> {
        let own = selected.gets_entry.then_some(wanted.own);
        wanted.job(&selected.place, own)
    }

    /// What would be done, file after file: each one begins with the `mcp.json` of the one before.
    fn plans<'f>(
        &self,
        wanted: &Wanted<'_>,
        files: &'f [Selected],
    ) -> Result<Vec<(&'f Selected, Plan)>, Failure> {
        let mut mcp = config_file::read(&self.places.config_file)?.unwrap_or_default();
        let mut plans = Vec::new();
        for selected in files {
            let present = target::read(&selected.place.path)?;
            let text = present.bytes.unwrap_or_default();
            let plan = self.job(wanted, selected).plan(&text, &mcp)?;
            mcp.clone_from(&plan.mcp_text);
            plans.push((selected, plan));
        }
        Ok(plans)
    }

    fn preview(
        &self,
        wanted: &Wanted<'_>,
        plans: Vec<(&Selected, Plan)>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut mcp = config_file::read(&self.places.config_file)?.unwrap_or_default();
        for (selected, plan) in plans {
            let path = &selected.place.path;
            let present = target::read(path)?;
            let text = present.bytes.unwrap_or_default();
            if plan.already_consolidated {
                report.file(File::new(wanted.app, path, What::AlreadyDone, plan));
                continue;
            }
            let changes = vec![
                (self.places.config_file.clone(), mcp, plan.mcp_text.clone()),
                (path.clone(), text, plan.app_text.clone()),
            ];
            mcp = plan.mcp_text.clone();
            report.file(File::new(wanted.app, path, What::WouldDo(changes), plan));
        }
        Ok(())
    }

    /// Tries the servers that are to be imported. What does not work is worth a warning, and
    /// nothing more: it did not work in the application either.
    fn check(&self, plans: &[(&Selected, Plan)]) -> Result<Vec<Checked>, Failure> {
        let is_new = |server: &Server| {
            let mut imported = plans.iter().flat_map(|(_, plan)| &plan.imported);
            imported.any(|new| *new.name == *server.name && !new.is_disabled)
        };
        let Some((_, last)) = plans.last() else {
            return Ok(Vec::new());
        };
        let environment = config_file::environment(&self.places);
        // What is wrong with the file is said when it is written.
        let Ok(config) = config::read(&last.mcp_text, &environment) else {
            return Ok(Vec::new());
        };
        let servers: Vec<Server> = config.servers.into_iter().filter(is_new).collect();
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let mut line = Progress::new();
        let result = check::start_each(servers, Some(CHECK_PATIENCE), &mut |progress| {
            line.show(&progress.line());
        });
        line.clear();
        result
    }

    fn carry_out(
        &self,
        wanted: &Wanted<'_>,
        files: &[Selected],
        checked: &[Checked],
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut batch: Option<String> = None;
        let care = Care {
            again: self.options.force,
            backup: !self.options.no_backup,
        };
        for selected in files {
            let job = self.job(wanted, selected);
            let done = job.carry_out(care, batch.as_deref())?;
            let what = match done.was_done {
                true => What::AlreadyDone,
                false => What::Done,
            };
            let mut file = File::new(wanted.app, &selected.place.path, what, done.plan);
            if let Some(backup) = &done.backup {
                batch = Some(backup.meta.batch.clone());
                file.backup = Some(backup.name());
            }
            file.checked = checked.to_vec();
            report.file(file);
        }
        Ok(())
    }

    fn back_up(
        &self,
        wanted: &Wanted<'_>,
        files: &[Selected],
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut first: Option<Backup> = None;
        for selected in files {
            let path = &selected.place.path;
            let present = target::read(path)?;
            if present.bytes.is_none() {
                return Err(Failure::Failed(format!(
                    "there is no {} to back up",
                    path.display()
                )));
            }
            let mut file = File::new(wanted.app, path, What::BackedUp, nothing());
            if !self.options.dry_run {
                let batch = first.as_ref().map(|first| &*first.meta.batch);
                let job = self.job(wanted, selected);
                let kept = job.keep(&present, Operation::Backup, batch, None)?;
                file.backup = Some(kept.name());
                first.get_or_insert(kept);
            }
            report.file(file);
        }
        Ok(())
    }
}

/// The plan of changing nothing.
fn nothing() -> Plan {
    Plan {
        app_text: Vec::new(),
        mcp_text: Vec::new(),
        imported: Vec::<apps::Imported>::new(),
        already_there: Vec::new(),
        kept: Vec::new(),
        own_entries_dropped: Vec::new(),
        notes: Vec::new(),
        already_consolidated: true,
    }
}
