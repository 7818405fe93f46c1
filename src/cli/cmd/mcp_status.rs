//! `mcp status`: whether the servers work: asks the running instances, or starts the servers
//! briefly itself. Decides what is well; `status_view` shows it.

use std::thread;
use std::time::{Duration, Instant};

use onemcp::config::{self, Config};
use onemcp::instance::render;

use super::config_file;
use super::status_view::{self, Report, Row};
use crate::cli::args::{Line, number};
use crate::cli::failure::Failure;
use crate::cli::instances::{self, Found, Server};
use crate::cli::places::Places;
use crate::cli::terminal::{Progress, Terminal, readable};
use crate::cli::{check, out, places, suggest, variable};

/// How often instances are asked again by `--wait`.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Shows them: 0 all enabled ones are well, 1 one is not, 3 there is none of that name.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = operand(line)?;
    let name = name.as_deref();
    let wait = line.get("wait", number(1, u64::MAX / 2))?;
    let wait = wait.map(Duration::from_millis);
    let places = places::resolve(line, variable)?;
    let found = ask(&places, name, wait);
    let config = match read(&places) {
        Err(failure) if found.is_empty() => return Err(failure),
        // What runs, runs on what the file said before.
        Err(failure) => {
            out::note(failure.line().unwrap_or_default());
            None
        }
        Ok(config) => Some(config),
    };
    let file = places.config_file.display().to_string();
    let problems = config.iter().flat_map(|config| &config.problems);
    for problem in problems.clone() {
        out::note(&format!("{file}: {problem}"));
    }
    let healthy = config.is_some() && (problems.count() == 0 || name.is_some());
    let config = config.unwrap_or_default();
    let rows = if found.is_empty() {
        check_ourselves(&config, name, wait)?
    } else {
        rows_of(&found, &config, name)
    };
    if let Some(name) = name
        && rows.is_empty()
        && found.silent.is_empty()
    {
        return Err(unknown(name, &config, &file));
    }
    let rows_well = rows.iter().all(|row| row.server.is_well());
    let report = Report {
        running: !found.is_empty(),
        healthy: healthy && rows_well && found.silent.is_empty(),
        config_file: file,
        found,
        rows,
    };
    show(line, name, &report)?;
    Ok(u8::from(!report.healthy))
}

fn operand(line: &Line) -> Result<Option<String>, Failure> {
    match &line.operands[..] {
        [] => Ok(None),
        [name] => Ok(Some(name.to_string_lossy().into_owned())),
        [..] => Err(Failure::Usage(
            "mcp status takes at most one name".to_owned(),
        )),
    }
}

fn show(line: &Line, name: Option<&str>, report: &Report) -> Result<(), Failure> {
    if line.is_set("json") {
        return out::result(&status_view::document(report));
    }
    for (pid, why) in &report.found.silent {
        out::note(&readable(&format!("instance {pid} cannot be asked: {why}")));
    }
    if report.rows.is_empty() && report.found.silent.is_empty() {
        let file = &report.config_file;
        out::note(&format!(
            "no servers in {file}; add one with 1mcp mcp add NAME -- COMMAND ARGS..."
        ));
    }
    let terminal = Terminal::stdout();
    out::result(&match name {
        Some(_) => status_view::details(report, terminal),
        None => status_view::table(report, terminal),
    })?;
    if !report.running && report.rows.iter().any(|row| row.server.state != "disabled") {
        out::note("no instance is running: the servers were started for this check and stopped");
    }
    Ok(())
}

fn read(places: &Places) -> Result<Config, Failure> {
    let path = &places.config_file;
    let text = config_file::read(path)?.unwrap_or_else(|| b"{}".to_vec());
    config::read(&text, &config_file::environment(places))
        .map_err(|error| config_file::bad_file(path, &error))
}

/// Asks the instances; again while a server starts, until the wait is over.
fn ask(places: &Places, name: Option<&str>, wait: Option<Duration>) -> Found {
    let until = wait.map(|wait| Instant::now() + wait);
    loop {
        let found = instances::ask(places, name);
        let starts = |server: &Server| server.state == "starting";
        let mut servers = found
            .instances
            .iter()
            .flat_map(|instance| &instance.servers);
        if !servers.any(starts) || until.is_none_or(|until| Instant::now() >= until) {
            return found;
        }
        thread::sleep(ASK_AGAIN);
    }
}

/// What the instances told, and what they should have told.
fn rows_of(found: &Found, config: &Config, name: Option<&str>) -> Vec<Row> {
    let mut rows = Vec::new();
    for instance in &found.instances {
        let place = |name: &str| {
            config
                .servers
                .iter()
                .position(|server| &*server.name == name)
        };
        // What is not in the file any more stays last, in its own order.
        let place = |server: &Server| place(&server.name).unwrap_or(usize::MAX);
        let mut told: Vec<Server> = Vec::new();
        for server in &instance.servers {
            let at = told.partition_point(|before| place(before) <= place(server));
            told.insert(at, server.clone());
        }
        for server in &config.servers {
            let wanted = name.is_none_or(|name| name == &*server.name);
            if wanted && told.iter().all(|told| told.name != *server.name) {
                told.push(Server {
                    name: server.name.to_string(),
                    state: "unknown".to_owned(),
                    why: Some(
                        "this instance has not read the configuration that names it: it does so \
                         within a second, unless it was started with --no-config-reload"
                            .to_owned(),
                    ),
                    ..Server::default()
                });
            }
        }
        rows.extend(told.into_iter().map(|server| Row {
            instance: Some(instance.pid),
            server,
        }));
    }
    rows
}

/// Starts the servers, since nobody runs who could be asked.
fn check_ourselves(
    config: &Config,
    name: Option<&str>,
    wait: Option<Duration>,
) -> Result<Vec<Row>, Failure> {
    let wanted = |server: &&config::Server| name.is_none_or(|name| name == &*server.name);
    let all: Vec<&config::Server> = config.servers.iter().filter(wanted).collect();
    let enabled = all.iter().filter(|server| !server.disabled);
    let enabled = enabled.map(|server| (*server).clone()).collect();
    let mut progress = Progress::new();
    let surveyed = check::survey_each(enabled, wait, &mut |how_far| {
        progress.show(&how_far.line());
    });
    progress.clear();
    let mut surveyed = surveyed?.into_iter();
    let mut rows = Vec::new();
    for server in all {
        let server = if server.disabled {
            Server {
                name: server.name.to_string(),
                state: "disabled".to_owned(),
                ..Server::default()
            }
        } else if let Some((survey, _)) = surveyed.next() {
            // The same words as an instance would use.
            serde_json::from_str(&render::server(&survey)).unwrap_or_default()
        } else {
            continue;
        };
        rows.push(Row {
            instance: None,
            server,
        });
    }
    Ok(rows)
}

/// There is no server of this name, or its entry is of no use.
pub(super) fn unknown(name: &str, config: &Config, file: &str) -> Failure {
    let named = format!("\"{name}\"");
    let mut problems = config.problems.iter();
    if problems.any(|problem| problem.text.contains(&named) || problem.text.contains(name)) {
        let text = format!("the entry of {} in {file} cannot be used", readable(name));
        return Failure::Failed(text);
    }
    let names = config.servers.iter().map(|server| &*server.name);
    let hint = suggest::hint(name, names, "");
    Failure::Absent(format!(
        "no server is named {} in {file}{hint}",
        readable(name)
    ))
}
