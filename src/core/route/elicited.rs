//! A server with sessions that ends a call until a URL was visited (-32042 of 2025-11-25), for a
//! client without a session: it gets the same as questions, and its retry makes the call again.
//! Nothing is kept meanwhile.

use crate::base::mark::Mark;
use crate::json::span::{Span, elements, path};
use crate::limits::{ASKS_PER_CLIENT_MAX, REQUEST_STATE_MS_MAX};
use crate::route::asks::{Want, want_of};
use crate::route::calls::Caller;
use crate::route::retry::cut_params;
use crate::route::seal::State;
use crate::route::splice::Edits;
use crate::route::{Desk, Hall};

impl Hall {
    /// Answers a call with the questions that stand in the error of its server; `false` if there
    /// are none, or the client cannot be asked.
    pub(crate) fn elicit_first(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        text: &[u8],
        error: Span,
    ) -> bool {
        let facts = desk.clients.facts(caller.client);
        if !facts.is_some_and(|facts| facts.capabilities.elicitation_url) {
            return false;
        }
        let list = path(text, error, &["data", "elicitations"]).unwrap_or_default();
        let mut requests = String::new();
        // The client declared urls, and nothing else can be asked for in this way.
        let is_url = |entry: &Span| {
            let wanted = want_of(text, "elicitation/create", Some(*entry));
            entry.of(text).starts_with(b"{") && wanted == Some(Want::Url)
        };
        let entries = elements(text, list).filter(is_url);
        for entry in entries.take(ASKS_PER_CLIENT_MAX) {
            if !requests.is_empty() {
                requests.push(',');
            }
            let key = desk.cx.entropy.token();
            let params = without_id(text, entry);
            let method = "elicitation/create";
            requests += &format!("\"{key}\":{{\"method\":\"{method}\",\"params\":{params}}}");
        }
        let until = desk.cx.now.tick.after(REQUEST_STATE_MS_MAX);
        let state = self.sealed(caller.client, until, &State::Elicited);
        let Some(state) = state.filter(|_| !requests.is_empty()) else {
            return false;
        };
        Mark::ElicitedFirst.hit();
        let result = self.stamp.input_required(&requests, &state);
        desk.succeed(caller.client, caller.at, &caller.id, &result);
        true
    }
}

/// A question without the id that servers with sessions give to it.
fn without_id(text: &[u8], entry: Span) -> String {
    let mut edits = Edits::default();
    cut_params(text, Some(entry), &["elicitationId"], &mut edits);
    String::from_utf8_lossy(&edits.joined(text, entry)).into_owned()
}
