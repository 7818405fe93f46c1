//! The errors that clients get from us, in words: whose fault it is and what to do now.

use crate::base::outbox::Part;
use crate::json::envelope::JsonId;
use crate::json::write;
use crate::language::{At, ClientKey, PoolState, Refused};
use crate::route::Desk;
use crate::route::calls::Caller;
use crate::tally::End;

/// JSON-RPC: the method does not exist.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: the parameters are wrong.
pub const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC: we, or the server behind us, cannot.
pub const INTERNAL: i32 = -32603;
/// JSON-RPC: this is no request that may be sent (now).
pub const INVALID_REQUEST: i32 = -32600;
/// MCP up to 2025-11-25: no such resource (A7).
pub const RESOURCE_NOT_FOUND: i32 = -32002;

/// An error that answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// JSON-RPC code.
    pub code: i32,
    /// One sentence or two.
    pub message: String,
    /// Raw JSON.
    pub data: Option<String>,
    /// All scopes that a token needs for this, if that is what is missing (R3).
    pub scopes: Option<Box<str>>,
    /// How a request ends that gets it.
    pub end: End,
}

impl Failure {
    /// An error without data.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            scopes: None,
            end: End::Refused,
        }
    }

    /// It is not we who refuse: so it came about.
    #[must_use]
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// There is such a thing, but not for who asks with this token (R3).
    #[must_use]
    pub fn forbidden(scopes: String) -> Self {
        Self {
            scopes: Some(scopes.into()),
            ..Self::new(
                INVALID_REQUEST,
                "the access token does not allow this: ask its owner for more scopes",
            )
        }
    }

    /// The parameters are wrong in this way.
    #[must_use]
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// The method is not served.
    #[must_use]
    pub fn method(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("method not found: {method}"))
    }

    /// A member that we route by stands twice.
    #[must_use]
    pub fn twice() -> Self {
        Self::params("a member of params stands twice: send it once")
    }

    /// Nobody knows this tool or prompt.
    #[must_use]
    pub fn unknown(what: &str, name: &str, nearest: Option<&str>) -> Self {
        let hint = match nearest {
            Some(nearest) => format!("; did you mean {nearest}?"),
            None => String::new(),
        };
        Self::params(format!("unknown {what}: {name}{hint}"))
    }

    /// There is this tool or prompt, but who asks wants to see others; `why` tells that.
    #[must_use]
    pub fn left_out(what: &str, name: &str, why: &str) -> Self {
        Self::params(format!("unknown {what}: {name}; {why}"))
    }

    /// Nobody knows this resource (A7).
    #[must_use]
    pub fn no_resource(uri: &str) -> Self {
        Self {
            data: Some(format!("{{\"uri\":{}}}", write::string(uri))),
            ..Self::new(RESOURCE_NOT_FOUND, format!("resource not found: {uri}"))
        }
    }

    /// A server that cannot be reached, and when it is tried next.
    #[must_use]
    pub fn down(server: &str, state: &PoolState) -> Self {
        let text = match state {
            PoolState::Starting => format!("server {server} is still starting; try again soon"),
            PoolState::Ready => format!("server {server} did not take the request; try again"),
            PoolState::Restarting { in_ms, why } => {
                format!(
                    "server {server} is down: {why}; next try in {}",
                    seconds(*in_ms)
                )
            }
            PoolState::Awaiting { url, why } if url.is_empty() => {
                format!("server {server} awaits authorization: {why}")
            }
            PoolState::Awaiting { url, .. } => format!(
                "server {server} awaits authorization: its owner opens {url} and clicks Authorize"
            ),
            PoolState::Failed { why } => format!("server {server} failed: {why}"),
            PoolState::Stopping => format!("server {server} is being stopped"),
        };
        Self::about(server, text)
    }

    /// We leave, and the server had not answered.
    #[must_use]
    pub fn leaving(server: &str) -> Self {
        let text = "1mcp is stopping, and server";
        Self::about(
            server,
            format!("{text} {server} had not answered yet; send the request again in a moment"),
        )
    }

    /// Something that concerns one server.
    #[must_use]
    pub fn about(server: &str, message: String) -> Self {
        let data = Some(format!("{{\"server\":{}}}", write::string(server)));
        Self {
            data,
            ..Self::new(INTERNAL, message)
        }
    }

    /// A message that a server did not take.
    #[must_use]
    pub fn refused(server: &str, refused: Refused, state: &PoolState) -> Self {
        match refused {
            Refused::NotReady => Self::down(server, state),
            Refused::Busy => Self::about(
                server,
                format!("server {server} is busy: it does not read its input; try again later"),
            ),
        }
    }
}

/// `1.5 s`, `12 s`, `2 min`.
#[must_use]
pub fn seconds(ms: u64) -> String {
    match ms {
        0..=9_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..=119_999 => format!("{} s", ms / 1000),
        _ => format!("{} min", ms / 60_000),
    }
}

/// What every part of the hall needs to answer.
impl Desk<'_, '_> {
    /// Answers a request with an error.
    pub fn fail(&mut self, client: ClientKey, at: At, id: &JsonId, failure: &Failure) {
        let modern = || {
            let facts = self.clients.facts(client);
            facts.is_some_and(|facts| facts.version.is_modern())
        };
        let code = match failure.code {
            // The revision without sessions has no code for it (A7).
            RESOURCE_NOT_FOUND if modern() => INVALID_PARAMS,
            code => code,
        };
        let data = failure.data.as_deref().map(str::as_bytes);
        let message = write::error(Some(id.raw()), code, &failure.message, data);
        let message = [Part::Copy(&message)];
        match &failure.scopes {
            Some(scopes) => self.clients.forbid(self.cx, client, at, scopes, &message),
            None => {
                let how = (failure.end, code);
                self.clients.refuse(self.cx, client, at, how, &message);
            }
        }
    }

    /// Answers a request with a result of our own (raw JSON).
    pub fn succeed(&mut self, client: ClientKey, at: At, id: &JsonId, result: &str) {
        self.result(client, at, End::Ok, (id, result));
    }

    /// Answers a call of a tool with a result that says that it failed.
    pub fn tool_failed(&mut self, caller: &Caller, why: &str) {
        let text = write::string(why);
        let result =
            format!("{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":true}}");
        let (client, at) = (caller.client, caller.at);
        self.result(client, at, End::ToolError, (&caller.id, &result));
    }

    fn result(&mut self, client: ClientKey, at: At, end: End, (id, result): (&JsonId, &str)) {
        let message = write::result(id.raw(), result.as_bytes());
        self.clients
            .answer(self.cx, client, at, end, &[Part::Copy(&message)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_down_is_named_with_the_reason_and_the_next_try() {
        let why = "exited with exit code 1".to_owned();
        let down = Failure::down(
            "files",
            &PoolState::Restarting {
                in_ms: 1500,
                why: why.clone(),
            },
        );
        assert_eq!(down.code, INTERNAL);
        assert_eq!(
            down.message,
            "server files is down: exited with exit code 1; next try in 1.5 s"
        );
        assert_eq!(down.data.as_deref(), Some(r#"{"server":"files"}"#));
        let failed = Failure::down("files", &PoolState::Failed { why });
        assert_eq!(
            failed.message,
            "server files failed: exited with exit code 1"
        );
        for state in [PoolState::Starting, PoolState::Ready, PoolState::Stopping] {
            assert!(
                Failure::down("files", &state)
                    .message
                    .contains("server files")
            );
        }
        let busy = Failure::refused("files", Refused::Busy, &PoolState::Ready);
        assert!(busy.message.contains("busy"));
    }

    #[test]
    fn a6_unknown_names_are_invalid_params_with_a_suggestion() {
        let failure = Failure::unknown("tool", "ehco", Some("echo"));
        assert_eq!(failure.code, INVALID_PARAMS);
        assert_eq!(failure.message, "unknown tool: ehco; did you mean echo?");
        assert_eq!(
            Failure::unknown("tool", "x", None).message,
            "unknown tool: x"
        );
    }

    #[test]
    fn a7_not_found_carries_the_uri() {
        let failure = Failure::no_resource("x://\"y");
        assert_eq!(
            (failure.code, failure.data.as_deref()),
            (-32002, Some(r#"{"uri":"x://\"y"}"#))
        );
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(
            [seconds(900), seconds(12_345), seconds(600_000)],
            ["0.9 s", "12 s", "10 min"]
        );
    }
}
