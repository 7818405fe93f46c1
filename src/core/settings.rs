//! What the command line decided, as the core needs it. Plain values; `cli` fills them in.

use std::net::IpAddr;
use std::rc::Rc;

use crate::base::parents::Parents;
use crate::effect::Level;
use crate::filter::Expr;
use crate::http1::proxy::Proxies;

/// Settings of one `serve`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Version of this program, for `serverInfo` and `/health`.
    pub version: String,
    /// Whether our own stdin and stdout are the client.
    pub stdio: bool,
    /// The address the HTTP port is bound to (`127.0.0.1`, `0.0.0.0`, `::1`, a name).
    pub host: String,
    /// The bound port; 0 in stdio mode.
    pub port: u16,
    /// `--external-url`: origin without a path.
    pub external_url: Option<String>,
    /// `--allowed-hosts`.
    pub allowed_hosts: Vec<String>,
    /// The machine's own host name, allowed as Host when bound to a wildcard.
    pub machine_name: Option<String>,
    /// `--allowed-origins`.
    pub allowed_origins: Vec<String>,
    /// `--enable-auth`: whoever asks on HTTP needs a token.
    pub auth: bool,
    /// `--trust-proxy`: whose word on forwarded addresses counts.
    pub trusted: Trusted,
    /// `--tags`: only servers with one of these tags or names; empty = all.
    pub tags: Vec<String>,
    /// `--filter`: of those only what this admits.
    pub filter: Option<Rc<Expr>>,
    /// `--preset`: of those only what this one admits.
    pub preset: Option<String>,
    /// `--pagination`: entries of one page; 0 = everything in one page.
    pub page_entries: usize,
    /// `--name-max`: length of offered names.
    pub name_bytes_max: usize,
    /// `--list-wait`.
    pub list_wait_ms: u64,
    /// `--session-ttl`.
    pub session_idle_ms: u64,
    /// `--stream-max`: an SSE answer is closed this early, after `retry`; `None` = never.
    pub stream_ms_max: Option<u64>,
    /// `--health-info-level`.
    pub health: HealthLevel,
    /// `--log-level`.
    pub log_level: Level,
    /// Which process this is, where it listens and what it serves, for `mcp status`.
    pub instance: Instance,
    /// Our own stdin is a regular file: requests already read get `list_wait_ms` after its end.
    pub stdin_is_file: bool,
    /// Proxies on the way to remote servers.
    pub proxies: Rc<Proxies>,
    /// Who we are for other gateways, and which of them stand above us.
    pub parents: Rc<Parents>,
}

impl Default for Settings {
    fn default() -> Self {
        use crate::limits;
        Self {
            version: "0.0.0".to_owned(),
            stdio: false,
            host: "127.0.0.1".to_owned(),
            port: 3050,
            external_url: None,
            allowed_hosts: Vec::new(),
            machine_name: None,
            allowed_origins: Vec::new(),
            auth: false,
            trusted: Trusted::default(),
            tags: Vec::new(),
            filter: None,
            preset: None,
            page_entries: 0,
            name_bytes_max: limits::NAME_BYTES_MAX,
            list_wait_ms: limits::LIST_WAIT_MS,
            session_idle_ms: limits::SESSION_IDLE_MS,
            stream_ms_max: None,
            health: HealthLevel::Minimal,
            log_level: Level::Info,
            instance: Instance::default(),
            stdin_is_file: false,
            proxies: Rc::default(),
            parents: Rc::default(),
        }
    }
}

/// What only the shell knows of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its process id.
    pub pid: u32,
    /// The URL of `/mcp`; `None` in stdio mode.
    pub url: Option<String>,
    /// `mcp.json`.
    pub config_file: String,
}

/// Which peers may say for whom they forward (`X-Forwarded-For`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trusted {
    /// Those on this machine.
    #[default]
    Loopback,
    /// None.
    Nobody,
    /// Those in one of these networks: address and length of its prefix.
    Networks(Vec<(IpAddr, u8)>),
}

/// How much `/health` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthLevel {
    /// The status only.
    #[default]
    Minimal,
    /// Counts as well.
    Basic,
    /// Each server's state.
    Full,
}

impl Settings {
    /// Whether other machines may be meant to reach us without a proxy.
    #[must_use]
    pub fn is_bound_beyond_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        let address = host.parse::<IpAddr>();
        address.map_or(host != "localhost", |address| !address.is_loopback())
    }
}
