//! The configuration as the rest of the core sees it: plain values, everything checked, every
//! default filled in, every variable substituted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::rc::Rc;

use super::mask;
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::effect::SpawnSpec;
use crate::filter::Presets;
pub use crate::language::RemoteKind;
use crate::language::RemoteSpec;
use crate::mcp::version::Era;

/// What `mcp.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// All valid entries in file order, disabled ones and those with a fault included.
    pub servers: Vec<Server>,
    /// What `presets.json` beside it says.
    pub presets: Rc<Presets>,
    /// What was wrong with the others; each is one line for the log.
    pub problems: Vec<Problem>,
}

/// A bad entry (or a bad default): reported and skipped, the others run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Which entry and key, and what is expected there.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, text } = self;
        write!(f, "line {line}, column {column}: {text}")
    }
}

/// Why a whole file cannot be used: the old configuration stays, or the start fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was found and what is expected there.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
        } = self;
        write!(f, "line {line}, column {column}: {message}")
    }
}

impl std::error::Error for ReadError {}

/// One entry of `mcpServers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its key: `[A-Za-z0-9_-]{1,50}`, without `_1mcp_`, not `1mcp`.
    pub name: Rc<str>,
    /// How it is reached.
    pub transport: Transport,
    /// `tags`, as written (they compare case-insensitively).
    pub tags: Vec<String>,
    /// `disabled`: shown, never started.
    pub disabled: bool,
    /// `disabledTools`: these are not offered.
    pub disabled_tools: Vec<String>,
    /// `enabledTools`: if present, only these are offered.
    pub enabled_tools: Option<Vec<String>>,
    /// `toolDescriptionOverrides`: tool name to the description shown instead.
    pub tool_descriptions: BTreeMap<String, String>,
    /// `instructionOverride`: shown instead of the server's own instructions.
    pub instructions: Option<String>,
    /// `prefix`.
    pub prefix: Prefix,
    /// `isolation`.
    pub isolation: Isolation,
    /// `era`.
    pub era: Era,
    /// From spawn to the end of the handshake: `connectionTimeout`, else `timeout`.
    pub connect_ms: u64,
    /// One call: `requestTimeout`, else `timeout`.
    pub request_ms: u64,
    /// What happens after it ended.
    pub restart: Restart,
    /// `roots`: a fixed list given to the server, as a JSON array.
    pub roots: Option<String>,
    /// Why the entry cannot be started although it is well written (a variable is not set). The
    /// server is shown as failed with this sentence.
    pub fault: Option<String>,
    /// Hexadecimal SHA-256 over what makes the process what it is: program, arguments, directory,
    /// configured environment, URL, headers. A different one means a restart; it also names the
    /// record in the state directory. Inherited variables are left out: they cannot change while
    /// we run, and a new terminal must not make the record of yesterday useless.
    pub process_hash: String,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A child process.
    Stdio(SpawnSpec),
    /// Over HTTP.
    Remote(Remote),
}

/// A server that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Which transport it speaks.
    pub kind: RemoteKind,
    /// Its URL, substituted; `None` if there is a fault.
    pub url: Option<Rc<Url>>,
    /// `headers`, substituted, sorted by name; those that say how we speak are left out.
    pub headers: Rc<[(Box<str>, Secret)]>,
    /// `oauth`.
    pub oauth: Oauth,
}

/// What is arranged with whoever gives the tokens of a server; everything may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oauth {
    /// `clientId`; an https URL is a client-id document.
    pub client_id: Option<String>,
    /// `clientSecret`.
    pub client_secret: Option<Secret>,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `redirectUrl`.
    pub redirect_url: Option<String>,
}

/// What is put before each tool and prompt name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// `<server>_1mcp_`.
    #[default]
    Default,
    /// This text; empty = names unchanged.
    Text(String),
}

/// Who shares a session with the server (protocol S1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Shared until the server first asks a client for something.
    #[default]
    Auto,
    /// One session for all clients, always.
    Shared,
    /// One session for each client, always.
    Session,
}

/// What happens after a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// `restartOnExit`: start it again.
    pub on_exit: bool,
    /// `maxRestarts`: give up after so many failed starts in a row; 0 = never.
    pub max: u32,
    /// `restartDelay`: the first pause.
    pub delay_ms: u64,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            on_exit: true,
            max: 0,
            delay_ms: crate::limits::BACKOFF_MS_MIN,
        }
    }
}

impl Remote {
    /// Its URL without its query and what looks like a key; empty if there is none.
    #[must_use]
    pub fn shown(&self) -> String {
        let url = self.url.as_ref().map(ToString::to_string);
        mask::url(&url.unwrap_or_default())
    }

    /// Whether its entry brings its own authorization.
    #[must_use]
    pub fn authorizes(&self) -> bool {
        let is = |(name, _): &(Box<str>, _)| name.eq_ignore_ascii_case("authorization");
        self.headers.iter().any(is)
    }

    /// What a session with it needs; `None` if its URL leads nowhere.
    #[must_use]
    pub fn spec(&self) -> Option<RemoteSpec> {
        Some(RemoteSpec {
            oauth: !self.authorizes(),
            kind: self.kind,
            url: Rc::clone(self.url.as_ref()?),
            headers: Rc::clone(&self.headers),
        })
    }
}

impl Server {
    /// The process to start; `None` for a remote server.
    #[must_use]
    pub fn spawn(&self) -> Option<&SpawnSpec> {
        match &self.transport {
            Transport::Stdio(spec) => Some(spec),
            Transport::Remote(_) => None,
        }
    }

    /// Where it is; `None` for a child.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        match &self.transport {
            Transport::Stdio(_) => None,
            Transport::Remote(remote) => Some(remote),
        }
    }

    /// A child with an empty environment, for the demo and for tests; every default, no hash.
    #[must_use]
    pub fn stdio(name: &str, program: OsString, args: Vec<OsString>) -> Self {
        Self::new(
            name,
            Transport::Stdio(SpawnSpec {
                program,
                args,
                cwd: None,
                env: Vec::new(),
            }),
        )
    }

    /// A server with every default and no hash.
    #[must_use]
    pub fn new(name: &str, transport: Transport) -> Self {
        Self {
            name: Rc::from(name),
            connect_ms: match transport {
                Transport::Stdio(_) => crate::limits::CONNECT_STDIO_MS,
                Transport::Remote(_) => crate::limits::CONNECT_REMOTE_MS,
            },
            transport,
            tags: Vec::new(),
            disabled: false,
            disabled_tools: Vec::new(),
            enabled_tools: None,
            tool_descriptions: BTreeMap::new(),
            instructions: None,
            prefix: Prefix::Default,
            isolation: Isolation::Auto,
            era: Era::Auto,
            request_ms: crate::limits::REQUEST_MS,
            restart: Restart::default(),
            roots: None,
            fault: None,
            process_hash: String::new(),
        }
    }
}
