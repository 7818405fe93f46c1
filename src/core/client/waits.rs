//! Moments of sessions and their streams: held answers that become event streams, streams that are
//! closed early, sessions that nobody uses; and the end of a session.

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::exchange::Way;
use crate::client::grants::Open;
use crate::client::leaving::Taking;
use crate::client::refusal::{Refusal, Refused};
use crate::client::session::{Channel, Session};
use crate::client::stream::State;
use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::language::{ClientEvent, ClientKey};
use crate::limits::{SESSION_SPARE_MS, SESSIONS_MAX, STREAM_HOLD_MS};
use crate::now::Tick;
use crate::tally::End;

impl Clients {
    /// A held POST becomes an event stream after a while, so that no proxy times out.
    pub(super) fn push_hold(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32) {
        self.holds
            .push(cx.now.tick.after(self.hold_ms()), (client, number));
        self.arm_waits(cx);
    }

    /// An open stream is to be closed early, if that is asked for.
    pub(super) fn push_early(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32) {
        if let Some(ms) = self.early_ms() {
            self.early.push(cx.now.tick.after(ms), (client, number));
            self.arm_waits(cx);
        }
    }

    /// How long nothing is sent. Half of `--stream-max` at most: the rest is for the stream.
    fn hold_ms(&self) -> u64 {
        let max = self.settings.stream_ms_max;
        max.map_or(STREAM_HOLD_MS, |max| STREAM_HOLD_MS.min(max / 2))
    }

    /// How long an event stream stays open, so that with the wait before it `--stream-max` is held.
    fn early_ms(&self) -> Option<u64> {
        let max = self.settings.stream_ms_max?;
        Some(max.saturating_sub(self.hold_ms()))
    }

    /// The alarm is left alone if it is set: both waits have one length each, so it rings in time
    /// or too early, and busy times do not touch the alarms with every request.
    fn arm_waits(&mut self, cx: &mut Cx<'_>) {
        if let Some(at) = self.next_wait() {
            cx.timers.set_by(Alarm::Holds, at);
        }
    }

    /// An answer was given: if nobody else waits, nothing is to wake us.
    pub(super) fn disarm_waits(&mut self, cx: &mut Cx<'_>) {
        if self.next_wait().is_none() {
            cx.timers.clear(Alarm::Holds);
        }
    }

    /// Drops what is over from both queues, and tells the earliest moment of the rest.
    fn next_wait(&mut self) -> Option<Tick> {
        let live = self.http.connections.len();
        let sessions = &self.sessions;
        let state = |(client, number): (ClientKey, u32)| {
            let session = sessions.get(client)?;
            if let Channel::Exchange(exchange) = &session.channel {
                return match exchange.way {
                    Way::Held { link, .. } => Some(State::Held(link)),
                    Way::Open(_) | Way::Line(_) => None,
                };
            }
            let own = session.streamable()?;
            let stream = own.streams.iter().find(|stream| stream.number == number)?;
            Some(stream.state)
        };
        let held = self
            .holds
            .next(|key| !matches!(state(key), Some(State::Held(_))));
        self.early.prune(live, |key| state(key).is_none());
        let early = self.early.next(|key| state(key).is_none());
        match (held, early) {
            (Some(held), Some(early)) => Some(held.min(early)),
            (held, early) => held.or(early),
        }
    }

    /// `Alarm::Holds` rang.
    pub(super) fn waits_over(&mut self, cx: &mut Cx<'_>) {
        while let Some((client, number)) = self.holds.pop_due(cx.now.tick) {
            self.open_stream(cx, client, number);
        }
        while let Some((client, number)) = self.early.pop_due(cx.now.tick) {
            self.close_early(cx, client, number);
        }
        self.arm_waits(cx);
    }

    /// Closes an event stream that is open for too long (`--stream-max`): the client comes back
    /// after `retry` and gets the rest. Not before it knows an event id to come back with.
    pub(super) fn close_early(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32) {
        // Who would come back then finds nobody who knows the stream.
        let Some(ms) = self.early_ms().filter(|_| self.http.taking == Taking::Yes) else {
            return;
        };
        let now = cx.now.tick;
        let Some(stream) = self
            .streamable(client)
            .and_then(|own| own.stream_mut(number))
        else {
            return;
        };
        if let State::Open(link) = stream.state
            && stream.primed
            && stream.waiting > 0
            && now.since(stream.since) >= ms
        {
            Mark::StreamClosedEarly.hit();
            stream.state = State::Detached;
            self.http.retry(cx, link);
            self.http.end(cx, link);
        }
    }

    /// Sets the session's alarm unless an earlier one is set.
    pub(super) fn arm_session(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: Tick) {
        if let Some(own) = self.streamable(client)
            && at < own.armed
        {
            own.armed = at;
            cx.timers.set(Alarm::Session(client), at);
        }
    }

    /// `Alarm::Session` rang: old events are forgotten, and the session ends if nobody used it.
    pub(super) fn session_alarm(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let now = cx.now.tick;
        let idle_ms = self.settings.session_idle_ms;
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let owes = !session.outstanding.is_empty();
        let mut used = session.used;
        let Some(own) = session.streamable_mut() else {
            return;
        };
        own.armed = Tick(u64::MAX);
        let forget = own.replay.expire(now);
        if owes || own.in_use() {
            used = now;
        } else if now.since(used) >= idle_ms {
            Mark::SessionIdleEnds.hit();
            self.end(cx, client);
            // Without this, who knows its name could go on with it after a restart.
            self.save_sessions(cx);
            return;
        }
        let idle = used.after(idle_ms.max(1));
        let at = forget.map_or(idle, |forget| forget.min(idle));
        self.arm_session(cx, client, at);
    }

    /// Whether one more session fits. If all are taken, the one that was unused for longest ends,
    /// unless that is too short: a script that opens a session every few seconds and never ends one
    /// would otherwise keep everybody out for as long as sessions last. Who is still there opens
    /// another after a 404 (C6).
    pub(super) fn make_room(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.settings.auth && !self.make_room_of_grant(cx) {
            return false;
        }
        if self.count().sessions < SESSIONS_MAX {
            return true;
        }
        match self.longest_unused(cx, |_| true) {
            Some((client, idle_ms)) if idle_ms >= SESSION_SPARE_MS => {
                Mark::SessionMakesRoom.hit();
                cx.log(Level::Warn, || {
                    format!(
                        "{SESSIONS_MAX} sessions: one unused for {} s ends",
                        idle_ms / 1000
                    )
                });
                self.end(cx, client);
                true
            }
            Some(_) | None => {
                Mark::SessionsFull.hit();
                false
            }
        }
    }

    /// Of these sessions the one that nobody uses for longest, and for how long.
    pub(super) fn longest_unused(
        &self,
        cx: &Cx<'_>,
        is_meant: impl Fn(&Session) -> bool,
    ) -> Option<(ClientKey, u64)> {
        let unused = self.sessions.iter().filter(|(_, session)| {
            let away = session.streamable().is_some_and(|own| !own.in_use());
            away && session.outstanding.is_empty() && is_meant(session)
        });
        let (client, session) = unused.min_by_key(|(_, session)| session.used)?;
        Some((client, cx.now.tick.since(session.used)))
    }

    /// The session is over: its streams end, its key is free, and the hall is told.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let Some(session) = self.sessions.remove(client) else {
            return;
        };
        if !session.outstanding.is_empty() {
            Mark::SessionEndsWithRequests.hit();
        }
        let open = match &session.channel {
            Channel::Exchange(exchange) => exchange.listens.then_some(Open::Listen),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Streamable(_) => {
                self.events.push_back(ClientEvent::Gone { client });
                Some(Open::Session)
            }
        };
        if let Some(open) = open {
            self.ended(cx, &session.caller.sight, open);
        }
        match session.channel {
            Channel::Exchange(mut exchange) => {
                if let Some(account) = exchange.account.take() {
                    cx.settle(account, End::Cancelled, || 0);
                }
                self.forget_exchange(client, &exchange);
                self.disarm_waits(cx);
            }
            Channel::Stdio { .. } => {
                let stdio = self.stdio.take();
                for client in stdio.map(|stdio| stdio.exchanges).unwrap_or_default() {
                    self.end(cx, client);
                }
            }
            Channel::Sse { id, link } => {
                self.ids.remove(&id);
                // It may have been the last one, after those that the record of sessions is for.
                self.note_session_gone(cx);
                self.http.end(cx, link);
            }
            Channel::Streamable(own) => {
                self.ids.remove(&own.id);
                self.note_session_gone(cx);
                cx.timers.clear(Alarm::Session(client));
                if let Some(link) = own.main {
                    self.http.end(cx, link);
                }
                for stream in own.streams {
                    let mut owed = session.outstanding.iter();
                    let asked = owed.find(|one| one.stream == stream.number);
                    match stream.state {
                        State::Held(link) => {
                            let refused = Refused {
                                refusal: Refusal::SessionEnded,
                                id: asked.map(|one| one.id.raw().into()),
                                method: None,
                            };
                            self.http.refuse(cx, link, &refused);
                        }
                        State::Open(link) => self.http.end(cx, link),
                        State::Detached | State::Orphan => {}
                    }
                }
            }
        }
        for owed in session.outstanding {
            cx.settle(owed.account, End::Cancelled, || 0);
        }
    }
}
