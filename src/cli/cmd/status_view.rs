//! What `mcp status` shows: a table, everything about one server, or one JSON document.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::instances::{Found, Instance, Server};
use crate::cli::terminal::{Cell, Ink, Table, Terminal, readable};
use crate::shell::clock::rfc3339;

/// Lines of stderr that are shown for one server; `--json` has all that are kept.
const STDERR_LINES: usize = 20;

/// Everything that is to be shown.
#[derive(Debug)]
pub(super) struct Report {
    /// An instance runs.
    pub(super) running: bool,
    pub(super) healthy: bool,
    pub(super) config_file: String,
    pub(super) found: Found,
    pub(super) rows: Vec<Row>,
}

/// One server in one instance; without one it was started for the check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<u32>,
    #[serde(flatten)]
    pub(super) server: Server,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    running: bool,
    healthy: bool,
    config_file: &'a str,
    instances: &'a [Instance],
    silent: Vec<Silent<'a>>,
    servers: &'a [Row],
}

#[derive(Serialize)]
struct Silent<'a> {
    pid: &'a str,
    why: &'a str,
}

/// One JSON document.
pub(super) fn document(report: &Report) -> String {
    let silent = report.found.silent.iter();
    let document = Document {
        running: report.running,
        healthy: report.healthy,
        config_file: &report.config_file,
        instances: &report.found.instances,
        silent: silent.map(|(pid, why)| Silent { pid, why }).collect(),
        servers: &report.rows,
    };
    // Plain values cannot fail to be written.
    serde_json::to_string(&document).unwrap_or_default() + "\n"
}

/// One line for each instance, one row for each server.
pub(super) fn table(report: &Report, terminal: Terminal) -> String {
    let mut out = String::new();
    for instance in &report.found.instances {
        let text = format!("instance {}", about(instance));
        out.push_str(&terminal.paint(Ink::Dim, &text));
        out.push('\n');
    }
    let several = report.found.instances.len() > 1;
    let mut headings = vec!["NAME", "STATE", "TOOLS", "PID", "UP", "RESTARTS", "WHY"];
    if several {
        headings.insert(0, "INSTANCE");
    }
    let mut table = Table::new(&headings);
    for row in &report.rows {
        let server = &row.server;
        let number = |number: Option<String>| Cell::from(number.unwrap_or_default());
        let mut cells = Vec::with_capacity(headings.len());
        if several {
            cells.push(number(row.instance.map(|pid| pid.to_string())));
        }
        cells.extend([
            Cell::new(&server.name),
            Cell::inked(ink(server), &server.state),
            number(server.tools.map(|tools| tools.to_string())),
            number(server.pid.map(|pid| pid.to_string())),
            number(server.uptime_ms.map(span)),
            Cell::from(server.restarts.to_string()),
            Cell::from(why(server)),
        ]);
        table.row(cells);
    }
    out.push_str(&table.show(terminal));
    out
}

/// Everything about one server, once for each instance.
pub(super) fn details(report: &Report, terminal: Terminal) -> String {
    let mut out = String::new();
    for row in &report.rows {
        let server = &row.server;
        let instances = &report.found.instances;
        let instance = instances.iter().find(|one| Some(one.pid) == row.instance);
        let state = terminal.paint(ink(server), &readable(&server.state));
        let _ = writeln!(out, "{}: {state}", readable(&server.name));
        for (label, value) in facts(server, instance) {
            let _ = writeln!(out, "  {label:<10}  {}", readable(&value));
        }
        let skipped = server.stderr.len().saturating_sub(STDERR_LINES);
        match (server.stderr.len(), skipped) {
            (0, _) => {}
            (_, 0) => out.push_str("  stderr\n"),
            (all, _) => {
                let _ = writeln!(out, "  stderr, the last {STDERR_LINES} of {all} lines");
            }
        }
        for line in server.stderr.iter().skip(skipped) {
            let _ = writeln!(out, "    {}", readable(line));
        }
    }
    out
}

/// What is known, with its label.
fn facts(server: &Server, instance: Option<&Instance>) -> Vec<(&'static str, String)> {
    let server_info = server.server_name.as_ref().map(|name| {
        let version = server.server_version.as_deref().unwrap_or_default();
        format!("{name} {version}").trim_end().to_owned()
    });
    let count = |count: Option<usize>| count.map(|count| count.to_string());
    let pids = match server.pids.as_slice() {
        [] => server.pid.map(|pid| pid.to_string()),
        pids => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            Some(pids.join(", "))
        }
    };
    let last = server.last_error.clone();
    let all = [
        ("why", Some(why(server)).filter(|why| !why.is_empty())),
        ("instance", instance.map(about)),
        ("url", server.url.clone().filter(|url| !url.is_empty())),
        ("process", pids),
        ("up", server.uptime_ms.map(span)),
        ("restarts", instance.map(|_| server.restarts.to_string())),
        ("server", server_info),
        ("protocol", server.protocol_version.clone()),
        ("tools", count(server.tools)),
        ("prompts", count(server.prompts)),
        ("resources", count(server.resources)),
        ("sessions", instance.map(|_| server.sessions.to_string())),
        (
            "last error",
            last.filter(|last| Some(last) != server.why.as_ref()),
        ),
    ];
    let known = all.into_iter();
    known
        .filter_map(|(label, value)| Some((label, value?)))
        .collect()
}

fn about(instance: &Instance) -> String {
    let place = instance.url.as_deref().unwrap_or("stdio");
    // Whole seconds are known.
    let since = rfc3339(instance.started_at.saturating_mul(1000)).replace(".000", "");
    let sessions = match instance.sessions {
        1 => "1 client".to_owned(),
        many => format!("{many} clients"),
    };
    let (pid, version, up) = (instance.pid, &instance.version, span(instance.uptime_ms));
    readable(&format!(
        "{pid}: {place}, version {version}, up {up} since {since}, {sessions}"
    ))
}

fn why(server: &Server) -> String {
    let why = server.why.clone().unwrap_or_default();
    match (server.retry_in_ms, &server.authorize_url) {
        (_, Some(page)) => format!("{why}; open {page}"),
        (Some(ms), None) => format!("{why}; next try in {}", span(ms)),
        (None, None) => why,
    }
}

fn ink(server: &Server) -> Ink {
    match server.state.as_str() {
        "ready" => Ink::Good,
        "starting" | "restarting" | "stopping" | "awaiting_oauth" | "unknown" => Ink::Warn,
        "disabled" | "unselected" | "waiting" => Ink::Dim,
        _ => Ink::Bad,
    }
}

/// A span of time in one unit.
fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(instances: usize) -> Report {
        let server = |name: &str, state: &str| Server {
            name: name.to_owned(),
            state: state.to_owned(),
            ..Server::default()
        };
        let good = Server {
            tools: Some(11),
            pid: Some(42),
            uptime_ms: Some(180_000),
            server_name: Some("fix\u{1b}[2J".to_owned()),
            ..server("files", "ready")
        };
        let bad = Server {
            why: Some("exited with exit code 1".to_owned()),
            last_error: Some("exited with exit code 1".to_owned()),
            retry_in_ms: Some(3000),
            restarts: 4,
            stderr: (0..30).map(|line| format!("line {line}")).collect(),
            ..server("bad", "restarting")
        };
        let mut rows = Vec::new();
        let mut found = Found::default();
        for pid in (100..).take(instances) {
            found.instances.push(Instance {
                pid,
                version: "1.2".to_owned(),
                ..Instance::default()
            });
            rows.extend([&good, &bad].map(|server| Row {
                instance: Some(pid),
                server: server.clone(),
            }));
        }
        Report {
            running: true,
            healthy: false,
            config_file: "/c/mcp.json".to_owned(),
            found,
            rows,
        }
    }

    #[test]
    fn contract_1_one_row_for_each_server_and_a_column_more_for_several_instances() {
        let text = table(&report(1), Terminal::plain());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("instance 100: stdio, version 1.2, up 0 s since 1970-"));
        assert!(lines[1].starts_with("NAME   STATE       TOOLS  PID  UP     RESTARTS  WHY"));
        assert!(lines[2].starts_with("files  ready       11     42   3 min  0"));
        assert!(lines[3].ends_with("exited with exit code 1; next try in 3 s"));
        let text = table(&report(2), Terminal::plain());
        assert_eq!(text.lines().count(), 7);
        assert!(text.contains("INSTANCE  NAME") && text.contains("101       files"));
    }

    #[test]
    fn contract_1_details_have_the_last_lines_of_stderr_and_cannot_steer_a_terminal() {
        let text = details(&report(1), Terminal::plain());
        assert!(text.contains("stderr, the last 20 of 30 lines\n    line 10\n"));
        assert!(text.contains("    line 29\n") && !text.contains("line 9\n"));
        assert!(!text.contains('\u{1b}') && text.contains("fix"));
        // Said once.
        assert_eq!(text.matches("exited with exit code 1").count(), 1);
    }

    #[test]
    fn contract_1_json_is_one_document_whose_rows_name_their_instance() {
        let text = document(&report(2));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(json["instances"][1]["pid"], 101);
        assert_eq!(json["servers"][2]["instance"], 101);
        assert_eq!(json["servers"][3]["stderr"][29], "line 29");
        assert_eq!(json["servers"][0]["tools"], 11);
        assert!(json["instances"][0]["servers"].is_null());
    }

    #[test]
    fn contract_1_the_page_of_a_server_that_awaits_its_owner_is_shown() {
        let mut report = report(1);
        let server = &mut report.rows[0].server;
        server.state = "awaiting_oauth".to_owned();
        server.why = Some("nobody has authorized us".to_owned());
        server.authorize_url = Some("http://127.0.0.1:3050/oauth/connect/files".to_owned());
        let expected = "nobody has authorized us; open http://127.0.0.1:3050/oauth/connect/files";
        assert!(table(&report, Terminal::plain()).contains(expected));
        assert!(details(&report, Terminal::plain()).contains(expected));
        let json: serde_json::Value = serde_json::from_str(&document(&report)).unwrap();
        let page = &json["servers"][0]["authorizeUrl"];
        assert_eq!(page, "http://127.0.0.1:3050/oauth/connect/files");
    }

    #[test]
    fn spans_have_one_unit() {
        let spans = [0, 119_999, 120_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
    }
}
