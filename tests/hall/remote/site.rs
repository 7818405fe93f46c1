//! What one site is and how it behaves now.

use std::collections::VecDeque;

use onemcp::input::OpenFailure;
use onemcp::links::LinkKey;
use serde_json::Value;

use super::handle::Asked;
use super::issuer::Guard;
use super::request::Request;
use crate::server::Script;

/// How a connection of ours ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It stays open.
    Open,
    /// In order.
    Eof,
    /// By a reset.
    Reset,
}

/// Which requests are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    All,
    /// Messages with this method.
    Method(&'static str),
    /// Requests with this HTTP method.
    Verb(&'static str),
    /// Requests with this HTTP method to this target.
    At(&'static str, &'static str),
}

/// What a site does about a request instead of answering it.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says these bytes, as they are; nothing at all is silence.
    Says(Vec<u8>, End),
    /// Says this whole response.
    Whole(Vec<u8>),
    /// Says something, and then something again and again.
    Drips {
        first: Vec<u8>,
        bytes: Vec<u8>,
        every_ms: u64,
    },
    /// Leaves it to the test, whatever it is.
    Leaves,
}

impl Act {
    /// It never says anything.
    pub(crate) fn silence() -> Self {
        Self::Says(Vec::new(), End::Open)
    }

    /// It cuts the connection.
    pub(crate) fn reset() -> Self {
        Self::Says(Vec::new(), End::Reset)
    }

    /// These bytes, and the connection stays open.
    pub(crate) fn says(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Says(bytes.into(), End::Open)
    }

    /// Says something, and then something again and again.
    pub(crate) fn drips(first: &str, bytes: &str, every_ms: u64) -> Self {
        Self::Drips {
            first: first.into(),
            bytes: bytes.into(),
            every_ms,
        }
    }

    /// A whole response.
    pub(crate) fn status(status: u16, fields: &[(&str, &str)], body: &str) -> Self {
        Self::Whole(super::response(status, fields, body))
    }
}

/// What it says to a session that it does not know (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// 404, as it should.
    NotFound,
    /// 400 with the word "session", as many do.
    BadRequest,
    /// 401, as some do after they were started again.
    Unauthorized,
}

/// Which transport it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    OldSse,
}

/// A connection that an open event stream uses.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) link: LinkKey,
    /// Of which session.
    pub(crate) session: String,
    /// For a stream of changes of a server without sessions: the id of the request, and what was
    /// asked for.
    pub(crate) listens: Option<(Value, Value)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SiteState {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) path: String,
    pub(crate) script: Script,
    pub(crate) style: Style,
    /// It answers with event streams where it could answer with JSON.
    pub(crate) streaming: bool,
    /// It has a stream for GET.
    pub(crate) listens: bool,
    /// It gives out session ids.
    pub(crate) mints: bool,
    /// It answers every `tools/call` by itself.
    pub(crate) obliging: bool,
    pub(crate) lost_as: Lost,
    /// It wants tokens.
    pub(crate) guard: Option<Guard>,
    /// It is no server, but leads to all others.
    pub(crate) is_proxy: bool,
    /// It was started again with another script.
    pub(crate) was_another: bool,

    // --- faults ---
    pub(crate) unreachable: Option<OpenFailure>,
    /// Connections take for ever to open.
    pub(crate) hangs: bool,
    pub(crate) faults: Vec<(Of, Act)>,

    // --- what happened ---
    pub(crate) sessions: Vec<String>,
    pub(crate) minted: usize,
    /// Connections that were wanted.
    pub(crate) dials: usize,
    /// Connections to it through a proxy.
    pub(crate) tunnels: usize,
    /// All requests.
    pub(crate) requests: Vec<Request>,
    pub(crate) streams: Vec<Open>,
    /// Requests and notifications that the test has not looked at.
    pub(crate) seen: VecDeque<Asked>,
    /// Answers to what the server asked, that the test has not looked at.
    pub(crate) answers: Vec<String>,
}

/// A well-behaved remote server with this script.
pub(crate) fn far(script: Script) -> SiteState {
    SiteState {
        host: String::new(),
        port: 80,
        tls: false,
        path: "/mcp".to_owned(),
        script,
        style: Style::Streamable,
        streaming: false,
        listens: true,
        mints: true,
        obliging: false,
        lost_as: Lost::NotFound,
        guard: None,
        is_proxy: false,
        was_another: false,
        unreachable: None,
        hangs: false,
        faults: Vec::new(),
        sessions: Vec::new(),
        minted: 0,
        dials: 0,
        tunnels: 0,
        requests: Vec::new(),
        streams: Vec::new(),
        seen: VecDeque::new(),
        answers: Vec::new(),
    }
}

/// A proxy that lets everybody through to every site.
pub(crate) fn proxy() -> SiteState {
    SiteState {
        is_proxy: true,
        port: 3128,
        ..far(crate::server::anything())
    }
}

impl SiteState {
    /// It answers with event streams where it could answer with JSON.
    pub(crate) fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// It has no stream for GET.
    pub(crate) fn deaf(mut self) -> Self {
        self.listens = false;
        self
    }

    /// It knows no session ids, although it is of an era that has them.
    pub(crate) fn without_ids(mut self) -> Self {
        self.mints = false;
        self
    }

    /// It answers every `tools/call` by itself, with an empty result.
    pub(crate) fn obliging(mut self) -> Self {
        self.obliging = true;
        self
    }

    /// It is spoken to over TLS.
    pub(crate) fn https(mut self) -> Self {
        self.tls = true;
        self.port = 443;
        self
    }

    /// It speaks HTTP+SSE of 2024-11-05, at `/sse`.
    pub(crate) fn old_sse(mut self) -> Self {
        self.style = Style::OldSse;
        "/sse".clone_into(&mut self.path);
        self
    }

    /// What it says to sessions that it does not know.
    pub(crate) fn lost_as(mut self, lost: Lost) -> Self {
        self.lost_as = lost;
        self
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let usual = if self.tls { 443 } else { 80 };
        let port = match self.port == usual {
            true => String::new(),
            false => format!(":{}", self.port),
        };
        format!("{scheme}://{}{port}{}", self.host, self.path)
    }

    /// What it does about this request instead of answering it.
    pub(crate) fn fault(&self, request: &Request) -> Option<Act> {
        let mut faults = self.faults.iter();
        let concerned = |of: &Of| match of {
            Of::All => true,
            Of::Method(method) => request.says() == *method,
            Of::Verb(verb) => request.method == *verb,
            Of::At(verb, target) => request.method == *verb && request.target == *target,
        };
        faults
            .find(|(of, _)| concerned(of))
            .map(|(_, act)| act.clone())
    }

    /// A session that nobody has.
    pub(crate) fn mint(&mut self) -> String {
        self.minted += 1;
        let session = format!("{}-session-{}", self.host, self.minted);
        self.sessions.push(session.clone());
        session
    }
}

impl From<Script> for SiteState {
    fn from(script: Script) -> Self {
        far(script)
    }
}
