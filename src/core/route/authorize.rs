//! A server that its owner has to authorize us at first (protocol O13). A client that can open
//! pages is handed ours, where that is done; never the one of the authorization server, which
//! belongs to whoever begins at ours. Any other client is told where the page is.
//!
//! Nothing is kept meanwhile: whoever was there makes the call again.

use crate::base::mark::Mark;
use crate::json::span::{Span, member, members, string_is};
use crate::json::write;
use crate::language::PoolState;
use crate::limits::REQUEST_STATE_MS_MAX;
use crate::mcp::version::Version;
use crate::route::calls::{CallKey, Caller, Method, Origin};
use crate::route::errors::Failure;
use crate::route::seal::State;
use crate::route::{Desk, Hall};

/// 2025-11-25: the request is made again once a URL was visited.
const URL_ELICITATION_REQUIRED: i32 = -32042;

impl Hall {
    /// Answers a request that its server has not begun with, since it is down.
    pub(crate) fn refuse_down(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        method: Method,
        (server, state): (&str, &PoolState),
    ) {
        let failure = self.down(server, state);
        if let PoolState::Awaiting { url, .. } = state
            && !url.is_empty()
            && self.hand_page(desk, caller, method, (server, url), &failure)
        {
            return;
        }
        desk.fail(caller.client, caller.at, &caller.id, &failure);
    }

    /// The same for a call that its server refused before it began with it.
    pub(crate) fn call_unauthorized(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: CallKey,
        (server, state): (&str, &PoolState),
    ) {
        let Some(call) = self.end_call(desk, key) else {
            return;
        };
        match &call.origin {
            Origin::Client { caller, method, .. } if call.suspended.is_none() => {
                self.refuse_down(desk, caller, *method, (server, state));
            }
            _ => self.lose(desk, call, &Failure::down(server, state)),
        }
    }

    /// Hands the page to a client that can open it; `false` if it cannot.
    fn hand_page(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        method: Method,
        (server, url): (&str, &str),
        failure: &Failure,
    ) -> bool {
        let Some(facts) = desk.clients.facts(caller.client) else {
            return false;
        };
        if !facts.capabilities.elicitation_url || !method.may_ask() {
            return false;
        }
        let says = format!("Server {server} wants to be authorized: open this page of 1mcp");
        let page = format!(
            "\"mode\":\"url\",\"message\":{},\"url\":{}",
            write::string(&says),
            write::string(url)
        );
        match facts.version {
            Version::V2026_07_28 => self.ask_to_open(desk, caller, &page),
            Version::V2025_11_25 => {
                Mark::PageHanded.hit();
                let id = desk.cx.entropy.token();
                let data = format!("{{\"elicitations\":[{{{page},\"elicitationId\":\"{id}\"}}]}}");
                let failure = Failure {
                    code: URL_ELICITATION_REQUIRED,
                    data: Some(data),
                    ..failure.clone()
                };
                desk.fail(caller.client, caller.at, &caller.id, &failure);
                true
            }
            // They have no word for it.
            Version::V2024_11_05 | Version::V2025_03_26 | Version::V2025_06_18 => false,
        }
    }

    /// The answer is a question, whose retry makes the call again.
    fn ask_to_open(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller, page: &str) -> bool {
        let client = self.clients.get(&caller.client);
        if client.is_none_or(|client| client.declined) {
            return false;
        }
        let until = desk.cx.now.tick.after(REQUEST_STATE_MS_MAX);
        let Some(state) = self.sealed(caller.client, until, &State::Elicited) else {
            return false;
        };
        Mark::PageHanded.hit();
        let key = desk.cx.entropy.token();
        let request =
            format!("\"{key}\":{{\"method\":\"elicitation/create\",\"params\":{{{page}}}}}");
        let result = self.stamp.input_required(&request, &state);
        desk.succeed(caller.client, caller.at, &caller.id, &result);
        true
    }
}

/// Whether any of the answers in a retry is a no: who declined is not asked the same once more.
pub(crate) fn declines(text: &[u8], responses: Option<Span>) -> bool {
    let responses = responses.map(|responses| members(text, responses));
    let mut answers = responses.into_iter().flatten();
    answers.any(|(_, answer)| {
        let action = member(text, answer, "action");
        action.is_some_and(|action| !string_is(text, action, "accept"))
    })
}
