//! Starts configured servers for a moment, to see whether they work and what they offer: for
//! `mcp status` and `mcp tools` when no instance runs, and for `app consolidate`.
//!
//! Runs the same core and the same event loop as `serve`, without clients and without records; it
//! writes nothing and leaves no process behind.

use std::env;
use std::time::Duration;

use onemcp::config::{Config, Server};
use onemcp::hub::Hub;
use onemcp::instance::survey::{Detail, Lists, ServerSurvey, State, ToolSurvey};
use onemcp::limits::{STARTING_MAX, STDERR_LINES_KEPT_MAX};
use onemcp::now::Now;

use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::terminal::readable;
use crate::shell::{self, Outward};

/// A server that came up but does not tell what it offers gets this long, or `patience`.
const LISTS_MS_MAX: u64 = 30_000;

/// What is said of a server that wants a token.
const AWAITS: &str = "wants authorization: start 1mcp serve, and open its page /oauth";

/// What came of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Its name, as given.
    pub(crate) name: String,
    /// What it offers, or one sentence that says why it does not work.
    pub(crate) outcome: Result<Counts, String>,
    /// Its tools in its own order, bounded.
    pub(crate) tools: Vec<Tool>,
    /// The last lines that it wrote to stderr, oldest first, without control characters.
    pub(crate) stderr: Vec<String>,
}

/// How much a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tools, those switched off in the configuration not counted.
    pub(crate) tools: usize,
    /// Prompts.
    pub(crate) prompts: usize,
    /// Resources and resource templates.
    pub(crate) resources: usize,
}

/// One tool as a person may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tool {
    /// As the server calls it.
    pub(crate) name: String,
    /// The first line of its description, cut; empty if it has none.
    pub(crate) description: String,
    /// Whether the configuration offers it (`disabledTools`, `enabledTools`).
    pub(crate) offered: bool,
}

/// How far the check is; told when a server is through, and every now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// Servers that are through.
    pub(crate) done: usize,
    /// All of them.
    pub(crate) total: usize,
    /// Those that are not, in order.
    pub(crate) waiting: Vec<&'a str>,
}

impl Progress<'_> {
    /// For a line of progress: `checking 2 of 5: files, github`.
    pub(crate) fn line(&self) -> String {
        let at = self.total.min(self.done + 1);
        let names = self.waiting.join(", ");
        format!("checking {at} of {}: {names}", self.total)
    }
}

/// Starts each of these servers, `disabled` or not, waits until it has told what it offers or has
/// failed (its `connectionTimeout`, or `patience` if that is shorter), and stops them all.
///
/// # Errors
/// It was interrupted (all are stopped then), or the system cannot even wait for events.
pub(crate) fn start_each(
    servers: Vec<Server>,
    patience: Option<Duration>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<Checked>, Failure> {
    let surveyed = survey_each(servers, patience, on_progress)?;
    Ok(surveyed.into_iter().map(checked).collect())
}

/// The same with everything that is known of each server, in the order given.
pub(crate) fn survey_each(
    servers: Vec<Server>,
    patience: Option<Duration>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<(ServerSurvey, Vec<ToolSurvey>)>, Failure> {
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    let patience_ms = patience.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let mut check = Check {
        names: servers
            .iter()
            .map(|server| server.name.to_string())
            .collect(),
        patience_ms,
        surveys: Vec::new(),
    };
    let config = Config {
        presets: Default::default(),
        servers: prepared(servers, patience_ms),
        problems: Vec::new(),
    };
    // The variables of `serve` hold for what is tried in its place.
    let ca_file = env::var_os("ONE_MCP_CA_FILE").map(Into::into);
    let outward = Outward::new(ca_file, |name| env::var_os(name));
    for complaint in outward.complaints(&config.servers) {
        out::note(&complaint);
    }
    let whole = shell::run_briefly(Box::new(config), &outward, &mut |hub, now| {
        check.look(hub, now, on_progress)
    });
    match whole {
        Ok(true) => Ok(check.surveys),
        Ok(false) => Err(Failure::Failed(
            "interrupted; the servers are stopped".to_owned(),
        )),
        Err(why) => Err(Failure::Failed(why)),
    }
}

/// Numbers for names, since those of several files may be the same; one try each.
fn prepared(servers: Vec<Server>, patience_ms: Option<u64>) -> Vec<Server> {
    let numbered = servers.into_iter().enumerate();
    numbered
        .map(|(number, mut server)| {
            server.name = number.to_string().into();
            server.disabled = false;
            server.restart.on_exit = false;
            if let Some(patience_ms) = patience_ms {
                server.connect_ms = server.connect_ms.min(patience_ms);
            }
            server
        })
        .collect()
}

/// One check.
struct Check {
    names: Vec<String>,
    patience_ms: Option<u64>,
    surveys: Vec<(ServerSurvey, Vec<ToolSurvey>)>,
}

impl Check {
    /// Looks how far the servers are; `true` if it is enough.
    fn look(&mut self, hub: &mut Hub, now: Now, tell: &mut dyn FnMut(&Progress<'_>)) -> bool {
        let brief = hub.survey(now, &Detail::default()).servers;
        let over = self.patience_ms.is_some_and(|ms| now.tick.0 >= ms);
        let through = |server: &ServerSurvey| over || self.is_through(server);
        let waiting: Vec<&str> = brief
            .iter()
            .zip(&self.names)
            .filter(|(server, _)| !through(server))
            .map(|(_, name)| name.as_str())
            .collect();
        let (left, total) = (waiting.len(), self.names.len());
        tell(&Progress {
            done: total.saturating_sub(left),
            total,
            waiting,
        });
        if left > 0 {
            return false;
        }
        let detail = Detail {
            only: None,
            stderr_lines: STDERR_LINES_KEPT_MAX,
        };
        let servers = hub.survey(now, &detail).servers.into_iter();
        let named = servers.zip(self.names.clone());
        self.surveys = named
            .map(|(server, name)| {
                let tools = hub.tools_of(&server.name);
                (self.judged(server, name), tools)
            })
            .collect();
        true
    }

    /// Whether nothing more is to be expected of it.
    fn is_through(&self, server: &ServerSurvey) -> bool {
        match server.state {
            State::Ready => {
                let most = self.patience_ms.unwrap_or(LISTS_MS_MAX).min(LISTS_MS_MAX);
                server.lists != Lists::Awaited || server.uptime_ms.is_some_and(|ms| ms >= most)
            }
            State::Starting | State::Stopping | State::Waiting => false,
            // It is tried once. That it ends and what it said on stderr belong together.
            // A server that somebody else runs is tried again for ever, and has said why not.
            State::Restarting { .. } => server.url.is_some(),
            State::Awaiting
            | State::Failed
            | State::Disabled
            | State::Unselected
            | State::Fault => true,
        }
    }

    /// What did not come in time is a failure here.
    fn judged(&self, mut server: ServerSurvey, name: String) -> ServerSurvey {
        server.name = name;
        let why = match (server.state, server.lists) {
            (State::Ready, Lists::Whole) => None,
            (State::Ready, Lists::Awaited) => {
                Some("started, but does not tell what it offers".into())
            }
            (State::Ready, Lists::Refused(method)) => {
                Some(format!("started, but does not answer {method}"))
            }
            (State::Starting | State::Stopping | State::Waiting | State::Restarting { .. }, _) => {
                let ms = self.patience_ms.unwrap_or_default();
                let why = server.why.take();
                Some(
                    why.unwrap_or_else(|| match self.names.len() > STARTING_MAX {
                        true => format!(
                            "had no time to start within {ms} ms: those before it were slow"
                        ),
                        false => format!("did not start within {ms} ms"),
                    }),
                )
            }
            (
                State::Awaiting
                | State::Failed
                | State::Disabled
                | State::Unselected
                | State::Fault,
                _,
            ) => None,
        };
        if server.state == State::Awaiting {
            // Nobody would answer at the page, and what `serve` has been given is not looked at.
            server.authorize_url = None;
            server.why = Some(AWAITS.to_owned());
        }
        if why.is_some() {
            server.state = State::Failed;
            server.why = why;
        }
        // They are stopped by the time that anybody reads this.
        server.pids.clear();
        server.uptime_ms = None;
        server
    }
}

fn checked((server, tools): (ServerSurvey, Vec<ToolSurvey>)) -> Checked {
    let outcome = match server.state {
        State::Ready => Ok(Counts {
            tools: server.tools.unwrap_or_default(),
            prompts: server.prompts.unwrap_or_default(),
            resources: server.resources.unwrap_or_default(),
        }),
        state => Err(server.why.unwrap_or_else(|| state.word().to_owned())),
    };
    let tools = tools.into_iter().map(|tool| Tool {
        name: readable(&tool.name),
        description: readable(tool.description.trim().lines().next().unwrap_or_default()),
        offered: tool.offered,
    });
    Checked {
        name: server.name,
        outcome,
        tools: tools.collect(),
        stderr: server.stderr,
    }
}
