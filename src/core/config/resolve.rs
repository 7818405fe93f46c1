//! From an entry to a server: variables substituted, transport inferred, defaults filled in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::rc::Rc;

use super::entry::{Entry, EntryKind, Variable};
use super::environment::{Environment, Inherit};
use super::headers;
use super::model::{Prefix, Remote, RemoteKind, Restart, Server, Transport};
use super::oauth;
use super::substitute::{Fault, substitute, substitute_text};
use super::user_info::{self, Located, Template};
use crate::base::digest::{Sha256, hex};
use crate::base::secret::Secret;
use crate::base::url::BadUrl;
use crate::effect::SpawnSpec;
use crate::limits;

const AUTHORIZATION: &str = "Authorization";

/// Makes the server of an entry, defaults already merged in.
///
/// # Errors
/// What is wrong with the entry as a whole, as the end of a sentence that begins with its name.
pub(super) fn server(
    name: &str,
    entry: Entry,
    environment: &Environment,
) -> Result<Server, &'static str> {
    let mut lookup = Lookup {
        environment,
        fault: None,
    };
    let (transport, process_hash) = match transport_kind(&entry)? {
        Wanted::Stdio(command) => stdio(&entry, &command, &mut lookup),
        Wanted::Remote(kind, url) => remote(&entry, kind, &url, &mut lookup),
    };
    let fault = lookup.fault;
    let new = Server::new(name, transport);
    Ok(Server {
        connect_ms: entry
            .connect_ms
            .or(entry.timeout_ms)
            .unwrap_or(new.connect_ms),
        request_ms: entry
            .request_ms
            .or(entry.timeout_ms)
            .unwrap_or(new.request_ms),
        restart: Restart {
            on_exit: entry.restart_on_exit.unwrap_or(new.restart.on_exit),
            max: entry.restarts_max.unwrap_or(new.restart.max),
            delay_ms: entry.restart_delay_ms.unwrap_or(new.restart.delay_ms),
        },
        tags: entry.tags.unwrap_or_default(),
        disabled: entry.disabled.unwrap_or_default(),
        disabled_tools: entry.disabled_tools.unwrap_or_default(),
        enabled_tools: entry.enabled_tools,
        tool_descriptions: entry.tool_descriptions.unwrap_or_default(),
        instructions: entry.instructions,
        prefix: entry.prefix.map_or(Prefix::Default, Prefix::Text),
        isolation: entry.isolation.unwrap_or_default(),
        era: entry.era.unwrap_or_default(),
        roots: entry.roots,
        fault,
        process_hash,
        ..new
    })
}

/// Whether a name may be a server's (contract 1).
///
/// # Errors
/// What is expected instead.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > limits::SERVER_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        Err("a server name is made of 1 to 50 letters, digits, '_' and '-'")
    } else if name == "1mcp" {
        Err("the name 1mcp is reserved")
    } else if name.contains("_1mcp_") {
        Err("a server name must not contain _1mcp_, which separates it from tool names")
    } else {
        Ok(())
    }
}

enum Wanted {
    Stdio(String),
    Remote(RemoteKind, String),
}

/// Which transport an entry asks for: its `type`, else a command means a child and a URL means
/// HTTP, or HTTP+SSE if its path ends in `/sse`.
fn transport_kind(entry: &Entry) -> Result<Wanted, &'static str> {
    let (command, url) = (entry.command.clone(), entry.url.clone());
    match (entry.kind, command, url) {
        (Some(EntryKind::Stdio) | None, Some(command), None)
        | (Some(EntryKind::Stdio), Some(command), Some(_)) => Ok(Wanted::Stdio(command)),
        (Some(EntryKind::Stdio), None, _) => Err("\"type\" stdio needs a \"command\""),
        (Some(EntryKind::Http), _, Some(url)) => Ok(Wanted::Remote(RemoteKind::Http, url)),
        (Some(EntryKind::Sse), _, Some(url)) => Ok(Wanted::Remote(RemoteKind::Sse, url)),
        (Some(EntryKind::Http | EntryKind::Sse), _, None) => Err("this \"type\" needs a \"url\""),
        (None, None, Some(url)) => Ok(Wanted::Remote(kind_of(&url), url)),
        (None, Some(_), Some(_)) => Err("has a \"command\" and a \"url\"; \"type\" must say which"),
        (None, None, None) => Err("has neither a \"command\" nor a \"url\""),
    }
}

/// What a URL alone tells about its transport.
#[must_use]
pub fn kind_of(url: &str) -> RemoteKind {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if path.trim_end_matches('/').ends_with("/sse") {
        RemoteKind::Sse
    } else {
        RemoteKind::Http
    }
}

/// Substitutes and remembers the first fault.
struct Lookup<'a> {
    environment: &'a Environment,
    fault: Option<String>,
}

impl Lookup<'_> {
    fn os(&mut self, text: &str) -> OsString {
        let result = substitute(text, &|name| self.environment.get(name));
        self.take(result)
    }

    fn text(&mut self, text: &str) -> String {
        let result = substitute_text(text, &|name| self.environment.get(name));
        self.take(result)
    }

    fn take<T: Default>(&mut self, result: Result<T, Fault>) -> T {
        result.unwrap_or_else(|fault| {
            self.refuse(fault.to_string());
            T::default()
        })
    }

    fn refuse(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }
}

fn stdio(entry: &Entry, command: &str, lookup: &mut Lookup<'_>) -> (Transport, String) {
    let program = lookup.os(command);
    let args = entry.args.as_deref().unwrap_or_default();
    let args: Vec<OsString> = args.iter().map(|arg| lookup.os(arg)).collect();
    let cwd = entry.cwd.as_deref().map(|cwd| lookup.os(cwd));
    let mut own = BTreeMap::new();
    for (name, variable) in entry.env.iter().flatten() {
        let value = match variable {
            Variable::Text(text) => Some(lookup.os(text)),
            Variable::Copied => lookup.environment.get(name).map(ToOwned::to_owned),
        };
        own.extend(value.map(|value| (name.clone(), value)));
    }
    let inherit = Inherit {
        everything: entry.inherit.unwrap_or_default(),
        filter: entry.env_filter.clone().unwrap_or_default(),
        own,
    };
    let mut hash = Hash::new("stdio");
    hash.add(program.as_encoded_bytes());
    hash.add_all(args.iter().map(|arg| arg.as_encoded_bytes()));
    hash.add_all(cwd.iter().map(|cwd| cwd.as_encoded_bytes()));
    hash.add(&[u8::from(inherit.everything)]);
    hash.add_all(inherit.filter.iter().map(String::as_bytes));
    hash.add_all(
        inherit
            .own
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_encoded_bytes()]),
    );
    let spec = SpawnSpec {
        program,
        args,
        cwd,
        env: lookup.environment.child(&inherit),
    };
    (Transport::Stdio(spec), hash.finish(lookup))
}

fn remote(
    entry: &Entry,
    kind: RemoteKind,
    url: &str,
    lookup: &mut Lookup<'_>,
) -> (Transport, String) {
    let (located, text) = locate(url, lookup);
    // Without its variables it is no URL, and that is told already.
    let located = located.map_err(|bad| {
        lookup.refuse(format!("\"url\" cannot be used: {bad}"));
    });
    let mut headers = headers::resolve(entry.headers.iter().flatten(), |name, value| {
        let value = lookup.text(value);
        if let Err(bad) = headers::check(name, &value) {
            lookup.refuse(format!("header {name:?} cannot be sent: {bad}"));
        }
        value
    });
    let (oauth, bad) = oauth::resolve(entry.oauth.as_ref(), |text| lookup.text(text));
    if let Some(bad) = bad {
        lookup.refuse(bad);
    }
    let mut hash = Hash::new(match kind {
        RemoteKind::Http => "http",
        RemoteKind::Sse => "sse",
    });
    hash.add_all(text.iter().map(String::as_bytes));
    hash.add_all(
        headers
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.reveal().as_bytes()]),
    );
    if let Ok(Located {
        authorization: Some(authorization),
        ..
    }) = &located
    {
        if headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION))
        {
            lookup.refuse(
                "its \"url\" has a user name, its \"headers\" have Authorization: keep one of them"
                    .to_owned(),
            );
        }
        headers.push((AUTHORIZATION.into(), Secret::from(&**authorization)));
    }
    let (url, headers) = (located.ok().map(|it| Rc::new(it.url)), headers.into());
    let remote = Remote {
        kind,
        url,
        headers,
        oauth,
    };
    (Transport::Remote(remote), hash.finish(lookup))
}

/// Where the server is, and the pieces of text that say so.
fn locate(url: &str, lookup: &mut Lookup<'_>) -> (Result<Located, BadUrl>, Vec<String>) {
    let Some(cut) = Template::cut(url) else {
        let text = lookup.text(url);
        return (user_info::locate(&text), vec![text]);
    };
    let [scheme, user, rest] = [cut.scheme, cut.user, cut.rest].map(|text| lookup.text(text));
    let located = Template::locate(Template {
        scheme: &scheme,
        user: &user,
        rest: &rest,
    });
    (located, vec![scheme, user, rest])
}

/// SHA-256 over pieces, each with its length before it, so that no two lists look the same.
struct Hash(Sha256);

impl Hash {
    fn new(kind: &str) -> Self {
        let mut hash = Self(Sha256::default());
        hash.add(kind.as_bytes());
        hash
    }

    fn add(&mut self, piece: &[u8]) {
        self.0.add(&(piece.len() as u64).to_le_bytes());
        self.0.add(piece);
    }

    fn add_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        let pieces: Vec<&[u8]> = pieces.collect();
        self.0.add(&(pieces.len() as u64).to_le_bytes());
        for piece in pieces {
            self.add(piece);
        }
    }

    /// In hexadecimal. A fault counts too: two entries that lack different variables differ.
    fn finish(mut self, lookup: &Lookup<'_>) -> String {
        if let Some(fault) = &lookup.fault {
            self.add(fault.as_bytes());
        }
        hex(&self.0.finish())
    }
}
