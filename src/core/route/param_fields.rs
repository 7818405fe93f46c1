//! Arguments that are repeated in header fields (`x-mcp-header`): servers without sessions that are
//! reached over HTTP want them beside the calls of some tools, as their list says (F9). When such a
//! server sees it otherwise, its list is fetched anew and the call made once more. Tools that say
//! it wrongly are not offered (F10). Never writes a field: that is the backend's.

use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::member;
use crate::language::{PoolKey, Refused};
use crate::limits::NAMES_LOGGED_MAX;
use crate::mcp::headers;
use crate::mcp::modern::HEADER_MISMATCH;
use crate::route::calls::Call;
use crate::route::catalog::Kind;
use crate::route::outcome::error_code;
use crate::route::pools::Life;
use crate::route::{Desk, Hall, ServerKey};

/// A call of a tool, as far as its fields are concerned.
pub(crate) struct Arguments<'a> {
    /// What its server calls the tool; `None` if it is a call of something else.
    pub(crate) tool: Option<&'a Rc<str>>,
    /// The request as it came.
    pub(crate) text: &'a [u8],
    /// Its members.
    pub(crate) envelope: &'a Envelope,
}

impl Hall {
    /// Sends a request of a client, with its fields if its server wants any.
    pub(crate) fn send_call(
        &self,
        desk: &mut Desk<'_, '_>,
        (pool, server): (PoolKey, ServerKey),
        arguments: &Arguments<'_>,
        message: &[Part<'_>],
    ) -> Result<(), Refused> {
        let annotated = arguments
            .tool
            .and_then(|tool| self.directory.annotated(server, tool))
            .filter(|_| desk.backends.wants_fields(pool));
        let Some(annotated) = annotated else {
            return desk.backends.send(desk.cx, pool, message);
        };
        let Arguments { text, envelope, .. } = *arguments;
        let given = envelope.params.and_then(|at| member(text, at, "arguments"));
        let fields = headers::fields(text, given, annotated);
        desk.backends
            .send_with_fields(desk.cx, pool, message, &fields)
    }

    /// Takes a call that was refused for its fields, to be made once more when the list of its
    /// server's tools is there; gives back any other.
    pub(crate) fn unless_refused_for_fields(
        &mut self,
        desk: &mut Desk<'_, '_>,
        mut call: Call,
        envelope: &Envelope,
        frame: &Frame,
    ) -> Option<Call> {
        if envelope.kind != Message::Error || !desk.backends.wants_fields(call.pool) {
            return Some(call);
        }
        let code = envelope.outcome;
        let code = code.and_then(|error| error_code(frame.bytes(), error));
        let session = self.pools.get(&call.pool);
        let lists = session.is_some_and(|session| session.life == Life::Up && session.lists);
        if code != Some(i64::from(HEADER_MISMATCH)) || !lists || !call.awaits_list() {
            return Some(call);
        }
        Mark::CallAwaitsList.hit();
        let pool = call.pool;
        self.put_back(desk, call);
        self.fetch(desk, pool, Kind::Tools);
        None
    }

    /// The tools of a session are listed anew, or could not be: the calls that waited for it are
    /// made once more.
    pub(crate) fn repeat_for_fields(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        if !desk.backends.wants_fields(pool) {
            return;
        }
        let mut waiting = self.calls.of_pool(pool);
        waiting.retain(|key| self.calls.get_mut(*key).is_some_and(Call::list_is_there));
        if waiting.is_empty() {
            return;
        }
        self.refresh_names(desk);
        for key in waiting {
            self.repeat(desk, key, None);
        }
    }
}

/// What is told of tools that say wrongly which fields they want.
pub(crate) fn unfit_warning(server: &str, tools: &[Rc<str>]) -> String {
    let shown = tools.iter().take(NAMES_LOGGED_MAX);
    let shown: Vec<String> = shown.map(|tool| format!("{tool:?}")).collect();
    format!(
        "server={server} tools left out that say wrongly which header fields they want ({}): {} \
         in all, {}",
        headers::ANNOTATION,
        tools.len(),
        shown.join(", ")
    )
}
