//! With `--enable-auth`: who comes in (R1-R4), whose sessions are whose (R8), and what ends with a
//! token or a grant. Without, every request costs one branch here.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::outbox::{Part, length};
use crate::client::Clients;
use crate::client::exchange::Way;
use crate::client::grants::Open;
use crate::client::refusal::{Refusal, Refused};
use crate::client::reply::JSON;
use crate::client::session::{Caller, Channel, Session};
use crate::client::stream::State;
use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::http1::server::{Headers, Request};
use crate::language::{At, ClientKey};
use crate::limits::{SESSION_SPARE_MS, SESSIONS_PER_GRANT_MAX};
use crate::links::LinkKey;
use crate::oauth::door::{self, Keys, Turned};
use crate::oauth::token::Bad;
use crate::principal::{GrantId, Principal, Scopes, Sight};
use crate::tally::End;
use crate::web::origin;

/// What a client gets that asks for what it may not see, where no status can say so.
const FORBIDDEN: i32 = -32_600;

impl Clients {
    /// Notes who sends a request of MCP, or answers that he does not come in.
    pub(super) fn comes_in(&mut self, cx: &mut Cx<'_>, link: LinkKey, request: &Request) -> bool {
        if !self.settings.auth {
            return true;
        }
        let origin = self.origin(&request.headers);
        match self
            .door
            .admit(cx.now.wall, request.query(), &request.headers)
        {
            Ok(principal) => {
                let sight = Sight::of(principal);
                if self.grants.seen(&sight) {
                    self.arm_door(cx);
                }
                self.caller = Caller { sight, origin };
                true
            }
            Err(turned) => {
                cx.log(Level::Debug, || format!("http refused: {}", turned.why()));
                let refused = turn_away(&origin, (request.path(), request.query()), turned);
                self.http.refuse(cx, link, &refused.into());
                false
            }
        }
    }

    /// Whether who asks for a page may know everything. Pages themselves are open to all.
    pub(super) fn knows_all(&mut self, cx: &Cx<'_>, request: &Request) -> bool {
        !self.settings.auth
            || self
                .presents(cx, request)
                .is_ok_and(|who| who.scopes == Scopes::All)
    }

    /// Who sends a request of a page, by its token.
    ///
    /// # Errors
    /// He has none that is good.
    pub fn presents(&mut self, cx: &Cx<'_>, request: &Request) -> Result<Rc<Principal>, Turned> {
        self.door
            .admit(cx.now.wall, request.query(), &request.headers)
    }

    /// The `WWW-Authenticate` field for whoever was turned away from a page.
    pub fn challenge(&mut self, turned: Turned, request: &Request) -> Option<String> {
        let origin = self.origin(&request.headers);
        turned.challenge(&door::metadata(&origin, request.path(), None))
    }

    /// Under which origin the sender of these fields knows us. Nearly all come by the same `Host`.
    fn origin(&mut self, headers: &Headers) -> Rc<str> {
        let host = headers.get("host").unwrap_or_default();
        if self.known_as.1.is_empty() || *self.known_as.0 != *host {
            self.known_as = (host.into(), origin::asked(&self.settings, headers).into());
        }
        Rc::clone(&self.known_as.1)
    }

    /// What a client may see, by the token of its latest request.
    #[must_use]
    pub fn sight(&self, client: ClientKey) -> Sight {
        self.sessions
            .get(client)
            .map_or(Sight::ALL, |session| session.caller.sight.clone())
    }

    /// The response of a request is this error, since its client's scopes are too few; `scopes` are
    /// all that it needs (R3).
    pub fn forbid(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        scopes: &str,
        message: &[Part<'_>],
    ) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        let Some(link) = held(session, at) else {
            return self.refuse(cx, client, at, (End::Refused, FORBIDDEN), message);
        };
        let metadata = door::metadata(&session.caller.origin, "/mcp", None);
        let challenge = door::insufficient(scopes, &metadata);
        let fields = [JSON, ("WWW-Authenticate", &*challenge)];
        self.http.full(cx, link, 403, &fields, message);
        self.close_if_slow(cx, link);
        if self.exchange(client).is_some() {
            if let Some(account) = self.take_account(client) {
                cx.settle(account, End::Refused, || length(message));
            }
            self.end(cx, client);
            self.pace(cx);
            return;
        }
        let number = self
            .sessions
            .get(client)
            .and_then(|session| session.stream_of(at));
        if let (Some(number), Some(own)) = (number, self.streamable(client))
            && let Some(stream) = own.stream_mut(number)
        {
            // Everything was said on it.
            stream.state = State::Orphan;
        }
        self.drop_as(cx, client, at, End::Refused);
    }

    /// Something was opened by whoever sends the request that is being read.
    pub(super) fn opened(&mut self, cx: &mut Cx<'_>, what: Open) {
        if self.settings.auth {
            self.grants.opened(&self.caller.sight, what);
            self.arm_door(cx);
        }
    }

    /// Something has ended that was opened with this sight.
    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, sight: &Sight, what: Open) {
        if self.settings.auth {
            self.grants.ended(sight, what);
            if self.grants.next().is_none() {
                cx.timers.clear(Alarm::Door);
            }
        }
    }

    /// Whether whoever asks may open one more session. If he has too many, the one that was unused
    /// for longest ends, unless that is too short, as [`Clients::make_room`] does it for all.
    pub(super) fn make_room_of_grant(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.grants.fits(&self.caller.sight, Open::Session) {
            return true;
        }
        let grant = self.caller.sight.grant();
        let own = |session: &Session| session.caller.sight.grant() == grant;
        match self.longest_unused(cx, own) {
            Some((client, idle_ms)) if idle_ms >= SESSION_SPARE_MS => {
                Mark::GrantMakesRoom.hit();
                self.end(cx, client);
                true
            }
            Some(_) | None => {
                Mark::GrantSessionsFull.hit();
                cx.log(Level::Warn, || {
                    format!("http refused: {SESSIONS_PER_GRANT_MAX} sessions of one grant")
                });
                false
            }
        }
    }

    /// Tokens are checked against these from now on. What belongs to a revoked grant ends at once.
    pub fn set_keys(&mut self, cx: &mut Cx<'_>, keys: Keys) {
        let revoked = |session: &Session| {
            let grant = session.caller.sight.grant();
            grant.is_some_and(|grant| keys.revoked.contains_key(&grant))
        };
        let gone = self.clients_that(revoked);
        self.door.set_keys(keys);
        for client in gone {
            Mark::GrantRevoked.hit();
            self.cut(cx, client);
        }
    }

    /// `Alarm::Door` rang: streams of grants whose newest token has ended end too. Whoever has a
    /// newer one comes back; calls that run are still answered, and sessions on `/mcp` wait.
    pub(super) fn tokens_over(&mut self, cx: &mut Cx<'_>) {
        let over: Vec<GrantId> = self.grants.take_over(cx.now.wall);
        let of_them = |session: &Session| {
            let grant = session.caller.sight.grant();
            grant.is_some_and(|grant| over.contains(&grant))
        };
        for client in self.clients_that(of_them) {
            let Some(session) = self.sessions.get_mut(client) else {
                continue;
            };
            match &mut session.channel {
                Channel::Sse { .. } => self.end(cx, client),
                Channel::Streamable(own) => {
                    if let Some(link) = own.main.take() {
                        session.used = cx.now.tick;
                        self.http.end(cx, link);
                    }
                }
                Channel::Exchange(_) => self.end_listen(cx, client),
                Channel::Stdio { .. } => {}
            }
        }
        self.arm_door(cx);
    }

    /// One alarm for all grants. The wall clock may be set meanwhile: whoever is woken looks again.
    fn arm_door(&mut self, cx: &mut Cx<'_>) {
        if let Some(at) = self.grants.next() {
            let ms = at.0.saturating_sub(cx.now.wall.0).saturating_mul(1_000);
            cx.timers.set_by(Alarm::Door, cx.now.tick.after(ms.max(1)));
        }
    }

    fn clients_that(&self, is_meant: impl Fn(&Session) -> bool) -> Vec<ClientKey> {
        let meant = self.sessions.iter().filter(|(_, one)| is_meant(one));
        meant.map(|(client, _)| client).collect()
    }

    /// Ends a client whose grant was revoked.
    fn cut(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        let origin = Rc::clone(&session.caller.origin);
        match self.exchange(client).map(|exchange| exchange.way) {
            Some(Way::Held { link, .. }) => {
                let turned = Turned::Bad(Bad::Revoked);
                let refused = Refused {
                    refusal: turn_away(&origin, ("/mcp", None), turned),
                    id: self.exchange(client).map(|one| one.id.raw().into()),
                    method: None,
                };
                self.http.refuse(cx, link, &refused);
            }
            Some(Way::Open(link)) => self.http.end(cx, link),
            Some(Way::Line(_)) | None => {}
        }
        self.end_opened(cx, client);
    }
}

fn turn_away(origin: &str, asked: (&str, Option<&str>), turned: Turned) -> Refusal {
    let metadata = door::metadata(origin, asked.0, asked.1);
    let challenge = turned.challenge(&metadata);
    Refusal::Turned { turned, challenge }
}

/// The connection on which nothing was said yet and this one request is to be answered.
fn held(session: &Session, at: At) -> Option<LinkKey> {
    match &session.channel {
        Channel::Exchange(exchange) => match exchange.way {
            Way::Held { link, .. } => Some(link),
            Way::Open(_) | Way::Line(_) => None,
        },
        Channel::Streamable(own) => {
            let number = session.stream_of(at)?;
            let stream = own.streams.iter().find(|one| one.number == number)?;
            match stream.state {
                State::Held(link) if stream.batch.is_none() => Some(link),
                State::Held(_) | State::Open(_) | State::Detached | State::Orphan => None,
            }
        }
        Channel::Sse { .. } | Channel::Stdio { .. } => None,
    }
}
