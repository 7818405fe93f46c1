//! How everything is doing at one moment, as `mcp status` tells it. Plain values: taken by the hub,
//! written by [`super::render`].

/// One instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Whether its client is its own stdin.
    pub stdio: bool,
    /// Where it listens.
    pub url: Option<String>,
    /// When it was started.
    pub started_unix_s: u64,
    /// Since then.
    pub uptime_ms: u64,
    /// The file it serves.
    pub config_file: String,
    /// Clients.
    pub sessions: usize,
    /// Calls in flight.
    pub calls: usize,
    /// Servers in file order, then those that it does not serve.
    pub servers: Vec<ServerSurvey>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSurvey {
    /// Its name in the configuration.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// Where it is, if somebody else runs it; fit to be shown.
    pub url: Option<String>,
    /// Why it does not serve.
    pub why: Option<String>,
    /// Whether its lists are there.
    pub lists: Lists,
    /// Tools that are offered, once known.
    pub tools: Option<usize>,
    /// Prompts, once known.
    pub prompts: Option<usize>,
    /// Resources and templates, once known.
    pub resources: Option<usize>,
    /// Its processes, that of the common session first.
    pub pids: Vec<u32>,
    /// Since when it serves.
    pub uptime_ms: Option<u64>,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it was down last, also if it serves again.
    pub last_error: Option<String>,
    /// What it calls itself.
    pub server_name: Option<String>,
    /// Which version of itself it names.
    pub server_version: Option<String>,
    /// Our page where its owner authorizes us, if that is what it waits for.
    pub authorize_url: Option<String>,
    /// The revision of the protocol that it speaks.
    pub protocol: Option<&'static str>,
    /// Sessions with it.
    pub sessions: usize,
    /// The last lines of its stderr, oldest first, fit to be shown.
    pub stderr: Vec<String>,
}

impl ServerSurvey {
    /// A server of which nothing is known but this.
    #[must_use]
    pub fn new(name: &str, state: State) -> Self {
        Self {
            name: name.to_owned(),
            state,
            url: None,
            why: None,
            lists: Lists::Awaited,
            tools: None,
            prompts: None,
            resources: None,
            pids: Vec::new(),
            uptime_ms: None,
            restarts: 0,
            last_error: None,
            server_name: None,
            server_version: None,
            authorize_url: None,
            protocol: None,
            sessions: 0,
            stderr: Vec::new(),
        }
    }
}

/// How a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Serves.
    Ready,
    /// Waits for its turn, starts or shakes hands.
    Starting,
    /// Is started as soon as the one client of a stdio instance says `initialize`.
    Waiting,
    /// Ended and is tried again.
    Restarting {
        /// Until the next try.
        in_ms: u64,
    },
    /// Waits for its owner to authorize us there.
    Awaiting,
    /// Given up.
    Failed,
    /// Being stopped.
    Stopping,
    /// Switched off in the configuration.
    Disabled,
    /// Left out by `--tags`, `--filter` or `--preset`.
    Unselected,
    /// Its entry cannot be used: a variable is not set, for instance.
    Fault,
}

impl State {
    /// Its word in answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Restarting { .. } => "restarting",
            Self::Awaiting => "awaiting_oauth",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Disabled => "disabled",
            Self::Unselected => "unselected",
            Self::Fault => "fault",
        }
    }
}

/// Whether what a server offers is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// It is asked, or not up.
    Awaited,
    /// All of it.
    Whole,
    /// It did not answer this method.
    Refused(&'static str),
}

/// How much is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Only this server.
    pub only: Option<String>,
    /// Lines of stderr for each, at most.
    pub stderr_lines: usize,
}

/// One tool as a person may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSurvey {
    /// As the server calls it.
    pub name: String,
    /// Its whole description as the server wrote it, at most `TOOL_TEXT_BYTES_MAX`.
    pub description: String,
    /// Whether the configuration offers it.
    pub offered: bool,
}
