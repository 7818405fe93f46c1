//! The health pages (contract 5). What the level withholds is absent, never zero; nothing here is
//! secret at any level.

use std::fmt::Write;

use crate::json::write;
use crate::settings::HealthLevel;
use crate::web::answer::Answer;

/// What the pages tell of, taken at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthView {
    /// Version of this program.
    pub version: String,
    /// Since the start.
    pub uptime_ms: u64,
    /// We leave: nobody shall be sent to us any more.
    pub stopping: bool,
    /// All configured servers in file order.
    pub servers: Vec<ServerView>,
    /// Open sessions of clients.
    pub sessions: usize,
    /// Calls in flight.
    pub calls: usize,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is, if somebody else runs it; without what may be a secret.
    pub url: Option<String>,
    /// How it is doing.
    pub state: ServerState,
    /// Why it is not ready, if it is not.
    pub why: Option<String>,
    /// Tools it offers, once that is known.
    pub tools: Option<usize>,
    /// Its process.
    pub pid: Option<u32>,
    /// Since it became ready.
    pub uptime_ms: Option<u64>,
    /// How often it was started again.
    pub restarts: u64,
}

/// How a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Waits for its turn, starts or shakes hands.
    Starting,
    /// Serves.
    Ready,
    /// Ended and is tried again in this many milliseconds.
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
}

impl ServerState {
    const ALL: [Self; 7] = [
        Self::Ready,
        Self::Starting,
        Self::Restarting { in_ms: 0 },
        Self::Awaiting,
        Self::Failed,
        Self::Stopping,
        Self::Disabled,
    ];

    /// Its word in the answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Restarting { .. } => "restarting",
            Self::Awaiting => "awaiting_oauth",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Disabled => "disabled",
        }
    }
}

impl ServerView {
    /// Whether something is wrong with it. A first start is not: it may have to download.
    fn is_ill(&self) -> bool {
        match self.state {
            ServerState::Restarting { .. } | ServerState::Awaiting | ServerState::Failed => true,
            ServerState::Starting => self.restarts > 0,
            ServerState::Ready | ServerState::Stopping | ServerState::Disabled => false,
        }
    }

    /// Whether nobody has to wait for it any more: it serves, or its first try is over.
    fn is_settled(&self) -> bool {
        self.state != ServerState::Starting || self.restarts > 0
    }
}

/// `/health`: 200 as long as anybody can be answered.
#[must_use]
pub fn health(view: &HealthView, level: HealthLevel) -> Answer {
    let mut out = Object::new();
    out.text("status", status(view));
    if level != HealthLevel::Minimal {
        out.text("version", &view.version);
        out.number("uptimeMs", view.uptime_ms);
        out.raw("servers", &counts(view));
        out.number("sessions", view.sessions);
        out.number("calls", view.calls);
    }
    if level == HealthLevel::Full {
        out.raw("mcp", &server_list(view));
    }
    Answer::json(200, out.end())
}

/// `/health/live`: 200 while the program handles requests at all.
#[must_use]
pub fn live() -> Answer {
    let mut out = Object::new();
    out.text("status", "ok");
    Answer::json(200, out.end())
}

/// `/health/ready`: 503 until every server serves or has failed at least once, so that a client
/// that starts afterwards sees full lists; and from the moment on when we were told to stop.
#[must_use]
pub fn ready(view: &HealthView, level: HealthLevel) -> Answer {
    let settled = view.servers.iter().all(ServerView::is_settled);
    let (status, word) = match (view.stopping, settled) {
        (true, _) => (503, "stopping"),
        (false, false) => (503, "starting"),
        (false, true) => (200, "ready"),
    };
    let mut out = Object::new();
    out.text("status", word);
    if level != HealthLevel::Minimal {
        out.raw("servers", &counts(view));
    }
    Answer::json(status, out.end())
}

/// `/health/mcp`: all servers.
#[must_use]
pub fn servers(view: &HealthView, level: HealthLevel) -> Answer {
    let mut out = Object::new();
    out.text("status", status(view));
    if level != HealthLevel::Minimal {
        out.raw("servers", &counts(view));
    }
    if level == HealthLevel::Full {
        out.raw("mcp", &server_list(view));
    }
    Answer::json(200, out.end())
}

/// `/health/mcp/NAME`: 200 if it serves, else 503. Below the full level not even the names are
/// told, so every name gets the same 404.
#[must_use]
pub fn server(view: &HealthView, level: HealthLevel, name: &str) -> Answer {
    if level != HealthLevel::Full {
        return Answer::error(
            404,
            "single servers are not told at this level",
            "start 1mcp with --health-info-level full",
        );
    }
    match view.servers.iter().find(|server| server.name == name) {
        None => Answer::error(
            404,
            &format!("no server is named {name}"),
            "/health/mcp lists all servers",
        ),
        Some(server) => {
            let serves = server.state == ServerState::Ready;
            Answer::json(if serves { 200 } else { 503 }, one_server(server).end())
        }
    }
}

fn status(view: &HealthView) -> &'static str {
    if view.servers.iter().any(ServerView::is_ill) {
        "degraded"
    } else {
        "ok"
    }
}

/// How many servers are in each state; states without servers are left out.
fn counts(view: &HealthView) -> Vec<u8> {
    let mut out = Object::new();
    out.number("total", view.servers.len());
    for state in ServerState::ALL {
        let same = |server: &&ServerView| server.state.word() == state.word();
        let count = view.servers.iter().filter(same).count();
        if count > 0 {
            out.number(state.word(), count);
        }
    }
    out.close()
}

fn server_list(view: &HealthView) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, server) in view.servers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(one_server(server).close());
    }
    out.push(b']');
    out
}

fn one_server(server: &ServerView) -> Object {
    let mut out = Object::new();
    out.text("name", &server.name);
    out.text("state", server.state.word());
    if let ServerState::Restarting { in_ms } = server.state {
        out.number("retryInMs", in_ms);
    }
    if let Some(url) = &server.url {
        out.text("url", url);
    }
    if let Some(why) = &server.why {
        out.text("why", why);
    }
    if let Some(tools) = server.tools {
        out.number("tools", tools);
    }
    if let Some(pid) = server.pid {
        out.number("pid", pid);
    }
    if let Some(uptime_ms) = server.uptime_ms {
        out.number("uptimeMs", uptime_ms);
    }
    if server.state != ServerState::Disabled {
        out.number("restarts", server.restarts);
    }
    out
}

/// An object that is being written.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(vec![b'{'])
    }

    fn key(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write::push_string(&mut self.0, name);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        write::push_string(&mut self.0, value);
    }

    fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        let mut digits = String::new();
        // Writing to a String cannot fail.
        let _ = write!(digits, "{value}");
        self.raw(name, digits.as_bytes());
    }

    fn raw(&mut self, name: &str, value: &[u8]) {
        self.key(name);
        self.0.extend_from_slice(value);
    }

    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn end(self) -> Vec<u8> {
        let mut text = self.close();
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_view(name: &str, state: ServerState) -> ServerView {
        ServerView {
            name: name.to_owned(),
            url: None,
            state,
            why: None,
            tools: None,
            pid: None,
            uptime_ms: None,
            restarts: 0,
        }
    }

    fn view(servers: Vec<ServerView>) -> HealthView {
        HealthView {
            version: "1.2.3".to_owned(),
            uptime_ms: 5000,
            stopping: false,
            servers,
            sessions: 2,
            calls: 0,
        }
    }

    fn ill() -> HealthView {
        let files = ServerView {
            tools: Some(11),
            pid: Some(42),
            uptime_ms: Some(7),
            ..server_view("files", ServerState::Ready)
        };
        let broken = ServerView {
            url: Some("https://h/mcp?***".to_owned()),
            why: Some("exit code 1: \"no\"".to_owned()),
            restarts: 3,
            ..server_view("broken", ServerState::Restarting { in_ms: 900 })
        };
        view(vec![
            files,
            broken,
            server_view("off", ServerState::Disabled),
        ])
    }

    fn text(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).unwrap()
    }

    #[test]
    fn contract_5_minimal_tells_the_status_only() {
        let level = HealthLevel::Minimal;
        assert_eq!(text(&health(&ill(), level)), "{\"status\":\"degraded\"}\n");
        assert_eq!(text(&servers(&ill(), level)), "{\"status\":\"degraded\"}\n");
        assert_eq!(text(&ready(&ill(), level)), "{\"status\":\"ready\"}\n");
        assert_eq!(text(&live()), "{\"status\":\"ok\"}\n");
        assert_eq!(health(&ill(), level).status, 200);
        // Whether a server exists is not told either.
        assert_eq!(
            server(&ill(), level, "files"),
            server(&ill(), level, "none")
        );
        assert_eq!(server(&ill(), level, "files").status, 404);
    }

    #[test]
    fn contract_5_basic_tells_counts() {
        let counts = "{\"total\":3,\"ready\":1,\"restarting\":1,\"disabled\":1}";
        assert_eq!(
            text(&health(&ill(), HealthLevel::Basic)),
            format!(
                "{{\"status\":\"degraded\",\"version\":\"1.2.3\",\"uptimeMs\":5000,\
                 \"servers\":{counts},\"sessions\":2,\"calls\":0}}\n"
            )
        );
        assert_eq!(
            text(&ready(&ill(), HealthLevel::Basic)),
            format!("{{\"status\":\"ready\",\"servers\":{counts}}}\n")
        );
        assert_eq!(server(&ill(), HealthLevel::Basic, "files").status, 404);
    }

    #[test]
    fn contract_5_full_tells_each_server() {
        let all = text(&servers(&ill(), HealthLevel::Full)).to_owned();
        assert!(all.contains(
            "\"mcp\":[{\"name\":\"files\",\"state\":\"ready\",\"tools\":11,\"pid\":42,\
             \"uptimeMs\":7,\"restarts\":0},{\"name\":\"broken\",\"state\":\"restarting\",\
             \"retryInMs\":900,\"url\":\"https://h/mcp?***\",\"why\":\"exit code 1: \\\"no\\\"\",\"restarts\":3},\
             {\"name\":\"off\",\"state\":\"disabled\"}]"
        ));
        let health = health(&ill(), HealthLevel::Full);
        for page in [all.as_str(), text(&health)] {
            crate::json::span::validate(page.as_bytes()).unwrap();
        }
        let status = |name| server(&ill(), HealthLevel::Full, name).status;
        assert_eq!(
            (status("files"), status("broken"), status("none")),
            (200, 503, 404)
        );
    }

    #[test]
    fn contract_5_ready_waits_for_first_tries_only() {
        let starting = server_view("a", ServerState::Starting);
        let failed_once = ServerView {
            restarts: 1,
            ..starting.clone()
        };
        for (servers, expected) in [
            (vec![], 200),
            (vec![starting.clone()], 503),
            (vec![server_view("b", ServerState::Ready), starting], 503),
            (vec![failed_once], 200),
            (vec![server_view("a", ServerState::Failed)], 200),
            (vec![server_view("a", ServerState::Disabled)], 200),
        ] {
            let view = view(servers);
            assert_eq!(
                ready(&view, HealthLevel::Minimal).status,
                expected,
                "{view:?}"
            );
        }
    }

    #[test]
    fn contract_5_a_first_start_is_no_illness() {
        let ok = "{\"status\":\"ok\"}\n";
        let view = view(vec![
            server_view("a", ServerState::Starting),
            server_view("b", ServerState::Stopping),
        ]);
        assert_eq!(text(&health(&view, HealthLevel::Minimal)), ok);
    }
}
