//! `/metrics`: who may see it, and what is shown. Contract 5: the owner who has logged in; without
//! `--enable-auth` somebody at this machine; with it, wherever he is, who has a token that is good
//! for everything. Then to be at this machine is not enough: that could be anybody's program.

use crate::cx::Cx;
use crate::effect::{Effect, Effects};
use crate::hub::Hub;
use crate::input::ProcessFacts;
use crate::language::{PoolState, WebRequest};
use crate::links::{LinkKey, Owner};
use crate::now::Now;
use crate::oauth::owner::Who;
use crate::principal::{MCP, Scopes};
use crate::route::Desk;
use crate::tally::{End, Tally};
use crate::web::answer::Answer;
use crate::web::metrics::{self, Gauges, UP};

impl Hub {
    /// Asks the shell for what only it knows, or says why this is not shown.
    pub(super) fn metrics(
        &mut self,
        now: Now,
        out: &mut Effects,
        link: LinkKey,
        request: &WebRequest,
    ) {
        let mut cx = cx!(self, now, out);
        let visitor = self.logins.visitor(&mut cx, request);
        let refused = match visitor.who {
            Who::Owner | Who::Local => None,
            Who::Stranger if self.settings.auth => self.turned_from_metrics(now, out, request),
            Who::Stranger => Some(elsewhere(request)),
        };
        match refused {
            None => out.push(Effect::Measure { link }),
            Some(answer) => {
                let mut cx = cx!(self, now, out);
                self.clients.page(&mut cx, link, &answer);
            }
        }
    }

    /// Who has no token that is good for everything.
    fn turned_from_metrics(
        &mut self,
        now: Now,
        out: &mut Effects,
        request: &WebRequest,
    ) -> Option<Answer> {
        let cx = cx!(self, now, out);
        let hint = "send a token of scope mcp (Authorization: Bearer ...), or log in at \
                    /oauth/login in a browser";
        match self.clients.presents(&cx, &request.head) {
            Ok(who) if who.scopes == Scopes::All => None,
            Ok(_) => {
                let needs = format!("the access token does not cover this: scope {MCP} is needed");
                let answer = Answer::error(403, &needs, hint);
                Some(answer.with(
                    "WWW-Authenticate",
                    "Bearer error=\"insufficient_scope\", scope=\"mcp\"",
                ))
            }
            Err(turned) => {
                let answer = Answer::error(turned.status(), turned.why(), hint);
                let challenge = self.clients.challenge(turned, &request.head);
                Some(match challenge {
                    Some(challenge) => answer.with("WWW-Authenticate", challenge),
                    None => answer,
                })
            }
        }
    }

    /// `Input::Measured`.
    pub(super) fn measured(
        &mut self,
        now: Now,
        out: &mut Effects,
        link: LinkKey,
        process: ProcessFacts,
    ) {
        let gauges = self.gauges(now, out, process);
        let answer = metrics::page(&self.tally, &gauges);
        let mut cx = cx!(self, now, out);
        self.clients.page(&mut cx, link, &answer);
    }

    fn gauges(&mut self, now: Now, out: &mut Effects, process: ProcessFacts) -> Gauges {
        let mut cx = cx!(self, now, out);
        let desk: &Desk<'_, '_> = desk!(self, cx);
        let servers = self.hall.status(desk).into_iter();
        let servers = servers.map(|server| (server.name.to_string(), state(&server.state)));
        let servers = servers.collect();
        let count = self.clients.count();
        let links = |is: fn(Owner) -> bool| self.links.count_of(is);
        Gauges {
            version: self.settings.version.clone(),
            sessions: self.clients.sessions_by_transport(),
            exchanges: count.exchanges,
            connections: count.connections,
            links: vec![
                (
                    "client",
                    links(|who| matches!(who, Owner::Http | Owner::Stdio)),
                ),
                ("child", links(|who| matches!(who, Owner::Child(_)))),
                ("remote", links(|who| matches!(who, Owner::Dialed(_)))),
                ("instance", links(|who| matches!(who, Owner::Instance))),
            ],
            servers,
            process,
        }
    }

    /// What does not agree of what is counted, for tests.
    #[must_use]
    pub fn miscounted(&self) -> Option<String> {
        let (tally, owed) = (&self.tally, self.clients.owed() as u64);
        let (received, ended, open) = (tally.received(), tally.ended(), tally.open());
        let slow = tally.servers().find(|server| {
            let refused = server.ended_as(End::Refused);
            server.took.count() + refused != server.ended()
        });
        if received == ended + open && open == owed && slow.is_none() {
            return None;
        }
        Some(format!(
            "{received} requests: {ended} ended, {open} open, {owed} owed; {slow:?}"
        ))
    }

    /// Everything that was counted.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Somebody elsewhere, where there are no tokens.
fn elsewhere(request: &WebRequest) -> Answer {
    let far = !request.peer.to_canonical().is_loopback();
    let why = if far {
        "metrics are shown to this machine only, and this request comes from another one"
    } else {
        "metrics are shown to this machine only, and this request may come from anywhere: it was \
         forwarded, or has a Host or an external URL that is not of this machine"
    };
    Answer::error(
        403,
        why,
        "ask http://127.0.0.1:PORT/metrics on the machine itself, or start 1mcp with --enable-auth \
         and send a token of scope mcp, or log in at /oauth/login in a browser",
    )
}

const fn state(state: &PoolState) -> &'static str {
    match state {
        PoolState::Starting => "starting",
        PoolState::Ready => UP,
        PoolState::Restarting { .. } => "restarting",
        PoolState::Awaiting { .. } => "awaiting_authorization",
        PoolState::Failed { .. } => "failed",
        PoolState::Stopping => "stopping",
    }
}
