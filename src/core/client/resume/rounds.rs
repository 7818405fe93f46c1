//! Writing the record of sessions: lock the file, read what stands there now, add what we know,
//! write it. What is wanted meanwhile shares one round.
//!
//! ```text
//! Idle -> Locking -> Storing -> Idle        (a round without news is over before Storing)
//! ```
//!
//! A disk that refuses costs only what the record is for: it is told of once, and sessions end with
//! the process.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::connection::Doing;
use crate::client::resume::numbers::Numbers;
use crate::client::resume::record::Record;
use crate::client::resume::{RECORD, Resume};
use crate::client::session::{Session, Streamable};
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Level, RecordTicket};
use crate::language::ClientKey;
use crate::limits::{SESSION_ALIVE_MS, SESSION_END_MS_MAX, SESSION_NEWS_MS, SESSION_RETRY_MS};
use crate::links::LinkKey;
use crate::now::{Now, Tick, UnixSeconds};

/// How far the writing is.
#[derive(Debug, Default)]
pub(super) enum Round {
    /// Nothing is wanted.
    #[default]
    Idle,
    /// The lock was ordered.
    Locking(u32),
    /// The record is being written.
    Storing {
        number: u32,
        /// Who is told that his session is over once that is on the disk.
        answers: Vec<LinkKey>,
    },
}

impl Clients {
    /// We listen, or somebody has come: now is the time to see to it that there is a key on disk
    /// before there is a session. What there is of one was told before.
    pub fn prepare_sessions(&mut self, cx: &mut Cx<'_>) {
        if self.resume.own.is_empty() && self.resume.record.keys.is_empty() {
            self.resume.key(cx.entropy);
            self.save_sessions(cx);
        }
    }

    /// `Input::Record` of [`RECORD`]: what there is at the start, and what others have written.
    pub fn sessions_record(&mut self, cx: &mut Cx<'_>, bytes: Option<&[u8]>) {
        // What we are writing was made from what stood there when we locked it; and a file that is
        // gone is written anew with the next change.
        if bytes.is_none() || matches!(self.resume.round, Round::Storing { .. }) {
            return;
        }
        match self.resume.read(cx, bytes) {
            Ok(record) => {
                self.resume.learn(record);
                let boot = self.resume.boot(cx.entropy);
                let ttl_s = self.resume.ttl_ms.div_ceil(1_000);
                self.resume.record.prune(boot, cx.now.wall, ttl_s);
            }
            Err(why) => self.resume.complain(cx, &why),
        }
        self.end_ended(cx);
    }

    /// `Input::RecordLocked`.
    pub fn sessions_locked(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        found: Result<Option<Vec<u8>>, String>,
    ) {
        if !matches!(self.resume.round, Round::Locking(own) if own == number) {
            // An order of ours that nobody remembers: let go of it.
            release(cx, number);
            return;
        }
        self.resume.round = Round::Idle;
        let read = found.and_then(|bytes| {
            let read = self.resume.read(cx, bytes.as_deref());
            read.inspect_err(|_| release(cx, number))
        });
        match read {
            Err(why) => self.sessions_unsaved(cx, &why, Vec::new()),
            Ok(found) => {
                let before = found.clone();
                self.resume.learn(found);
                self.add_own(cx);
                let answers = std::mem::take(&mut self.resume.waiting);
                if self.resume.record == before {
                    release(cx, number);
                    self.sessions_saved(cx, answers);
                } else {
                    cx.effects.push(Effect::StoreRecord {
                        ticket: RecordTicket::Sessions(number),
                        bytes: self.resume.record.write(),
                    });
                    self.resume.round = Round::Storing { number, answers };
                }
            }
        }
        self.end_ended(cx);
    }

    /// `Input::RecordStored`.
    pub fn sessions_stored(&mut self, cx: &mut Cx<'_>, number: u32, done: Result<(), String>) {
        let answers = match std::mem::take(&mut self.resume.round) {
            Round::Storing {
                number: own,
                answers,
            } if own == number => answers,
            other => {
                self.resume.round = other;
                return;
            }
        };
        match done {
            Ok(()) => self.sessions_saved(cx, answers),
            Err(why) => self.sessions_unsaved(cx, &why, answers),
        }
    }

    /// `Alarm::Sessions` rang.
    pub(in crate::client) fn sessions_alarm(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        if self.resume.patience.is_some_and(|at| at <= now) {
            Mark::SessionEndImpatient.hit();
            let waiting = std::mem::take(&mut self.resume.waiting);
            self.answer_ended(cx, waiting);
            if let Round::Storing { answers, .. } = &mut self.resume.round {
                let late = std::mem::take(answers);
                self.answer_ended(cx, late);
            }
            self.resume.patience = None;
        }
        if self.resume.alive_at.is_some_and(|at| at <= now) {
            Mark::SessionsAlive.hit();
            self.resume.alive_at = Some(now.after(self.resume.alive_ms()));
            self.save_sessions(cx);
        }
        if self.resume.retries_at().is_some_and(|at| at <= now) {
            self.save_sessions(cx);
        }
        self.arm_sessions(cx);
    }

    /// The session is over; its client is told as soon as no crash can bring it back.
    pub(in crate::client) fn ended_for_good(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.http.hold(cx, link, Doing::Page);
        self.resume.waiting.push(link);
        let until = cx.now.tick.after(SESSION_END_MS_MAX);
        self.resume.patience.get_or_insert(until);
        self.save_sessions(cx);
        if matches!(self.resume.round, Round::Idle) {
            // The disk is left alone.
            let waiting = std::mem::take(&mut self.resume.waiting);
            self.answer_ended(cx, waiting);
        }
        self.arm_sessions(cx);
    }

    /// A session was opened here, or went on here: from now on we say that we are alive.
    pub(in crate::client) fn note_session(&mut self, cx: &mut Cx<'_>) {
        if self.resume.alive_at.is_none() {
            self.resume.alive_at = Some(cx.now.tick.after(self.resume.alive_ms()));
            self.arm_sessions(cx);
        }
    }

    /// What the record says of a session, or does not say, is about to be wrong: other copies would
    /// take it for unused. One write for all of which that is so within a few seconds.
    pub(in crate::client) fn note_news(&mut self, cx: &mut Cx<'_>) {
        let soon = cx.now.tick.after(SESSION_NEWS_MS);
        let at = self.resume.alive_at.unwrap_or(soon);
        self.resume.alive_at = Some(at.min(soon));
        self.arm_sessions(cx);
    }

    /// A session is used that was last used then.
    pub(in crate::client) fn note_use(&mut self, cx: &mut Cx<'_>, before: Tick) {
        if cx.now.tick.since(before) >= self.resume.alive_ms() {
            self.note_news(cx);
        }
    }

    /// One has ended. If it was the last, nothing is to wake us.
    pub(in crate::client) fn note_session_gone(&mut self, cx: &mut Cx<'_>) {
        if self.ids.is_empty() {
            self.resume.alive_at = None;
            self.arm_sessions(cx);
        }
    }

    /// We are stopping: until when we were alive is written down.
    pub(in crate::client) fn leave_sessions(&mut self, cx: &mut Cx<'_>) {
        self.resume.leaving = true;
        self.resume.alive_at = None;
        // It is now or never.
        self.resume.rests_until = None;
        if self.resume.opened > 0 || !self.ids.is_empty() {
            self.save_sessions(cx);
        }
        self.arm_sessions(cx);
    }

    /// Whether something is on its way to the disk that is worth a moment's wait.
    #[must_use]
    pub const fn is_saving(&self) -> bool {
        !matches!(self.resume.round, Round::Idle)
    }

    /// Orders a round, unless one is ordered that will do.
    pub(in crate::client) fn save_sessions(&mut self, cx: &mut Cx<'_>) {
        let resume = &mut self.resume;
        let rests = resume.rests_until.is_some_and(|at| cx.now.tick < at);
        match resume.round {
            Round::Idle if rests => {
                resume.unsaved = true;
                self.arm_sessions(cx);
            }
            Round::Idle => {
                resume.unsaved = false;
                resume.count = resume.count.wrapping_add(1);
                resume.round = Round::Locking(resume.count);
                cx.effects.push(Effect::LockRecord {
                    ticket: RecordTicket::Sessions(resume.count),
                    name: RECORD.to_owned(),
                });
            }
            Round::Locking(_) => {}
            Round::Storing { .. } => resume.again = true,
        }
    }

    /// What this process knows best is put into the record: its keys, which of its own sessions are
    /// over, and which of others it goes on with.
    fn add_own(&mut self, cx: &mut Cx<'_>) {
        let boot = self.resume.boot(cx.entropy);
        let now = cx.now;
        // Until then nothing is written again, unless what is written of unused sessions is wrong.
        let alive_ms = match self.resume.leaving {
            true => 0,
            false => self.resume.alive_ms(),
        };
        let (mut open, mut idle) = (Vec::new(), BTreeMap::new());
        for (_, session) in self.sessions.iter() {
            let Some(own) = session.streamable() else {
                continue;
            };
            let used = last_used(session, now);
            if own.birth.boot != boot {
                self.resume.record.keep(&own.birth, used);
                continue;
            }
            open.push(own.birth.number);
            if used.after(alive_ms.div_ceil(1_000)) <= now.wall {
                idle.insert(own.birth.number, used);
            }
        }
        let Resume {
            record,
            own,
            opened,
            ttl_ms,
            ..
        } = &mut self.resume;
        let ttl_s = ttl_ms.div_ceil(1_000);
        record.add_keys(own);
        if *opened > 0 {
            let known = record.boots.entry(boot).or_default();
            known.alive = now.wall.after(alive_ms.div_ceil(1_000));
            known.idle = idle;
            // Nobody uses it here any more; a copy beside us does.
            open.extend(known.kept_now(now.wall, ttl_s));
            known.ended.add(&Numbers::below(*opened, open));
        }
        record.prune(boot, now.wall, ttl_s);
    }

    /// Sessions that somebody else has ended end here too.
    fn end_ended(&mut self, cx: &mut Cx<'_>) {
        let ended = |client: &ClientKey| {
            let session = self.sessions.get(*client);
            let own = session.and_then(|session| session.streamable());
            own.is_some_and(|own| self.resume.record.has_ended(&own.birth))
        };
        let over: BTreeSet<ClientKey> = self.sessions.keys().into_iter().filter(ended).collect();
        for client in over {
            Mark::SessionEndedElsewhere.hit();
            self.end(cx, client);
        }
    }

    fn sessions_saved(&mut self, cx: &mut Cx<'_>, answers: Vec<LinkKey>) {
        self.resume.rests_until = None;
        self.resume.rest_ms = 0;
        self.resume.complained = false;
        self.answer_ended(cx, answers);
        self.after_round(cx);
    }

    fn sessions_unsaved(&mut self, cx: &mut Cx<'_>, why: &str, answers: Vec<LinkKey>) {
        Mark::SessionsUnsaved.hit();
        let longer = self.resume.rest_ms.saturating_mul(2);
        self.resume.rest_ms = longer.clamp(SESSION_RETRY_MS, SESSION_ALIVE_MS);
        self.resume.rests_until = Some(cx.now.tick.after(self.resume.rest_ms));
        self.resume.unsaved = true;
        self.resume.complain(cx, why);
        self.answer_ended(cx, answers);
        let waiting = std::mem::take(&mut self.resume.waiting);
        self.answer_ended(cx, waiting);
        self.after_round(cx);
    }

    fn after_round(&mut self, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.resume.again) {
            self.save_sessions(cx);
        }
        if self.resume.waiting.is_empty() && !self.is_saving() {
            self.resume.patience = None;
        }
        self.arm_sessions(cx);
    }

    fn answer_ended(&mut self, cx: &mut Cx<'_>, links: Vec<LinkKey>) {
        for link in links {
            self.http.empty(cx, link, 204, &[]);
        }
    }

    /// One alarm for all reasons.
    fn arm_sessions(&self, cx: &mut Cx<'_>) {
        let resume = &self.resume;
        let moments = [resume.patience, resume.alive_at, resume.retries_at()];
        match moments.into_iter().flatten().min() {
            Some(at) => cx.timers.set(Alarm::Sessions, at),
            None => cx.timers.clear(Alarm::Sessions),
        }
    }
}

impl Resume {
    /// The file says this; what only we know is added.
    fn learn(&mut self, mut found: Record) {
        found.add(&self.record);
        found.add_keys(&self.record.keys);
        self.record = found;
    }

    /// When the disk is tried again for what it has refused.
    fn retries_at(&self) -> Option<Tick> {
        let wanted = self.unsaved && !self.leaving;
        self.rests_until.filter(|_| wanted)
    }

    /// Once, until it has worked again.
    fn complain(&mut self, cx: &mut Cx<'_>, why: &str) {
        if !std::mem::replace(&mut self.complained, true) {
            cx.log(Level::Warn, || {
                format!("sessions of clients end with this process: {why}")
            });
        }
    }
}

/// To the second, and not in the future.
fn last_used(session: &Session, now: Now) -> UnixSeconds {
    let streams = session.streamable().is_some_and(Streamable::in_use);
    let idle_ms = match streams || !session.outstanding.is_empty() {
        true => 0,
        false => now.tick.since(session.used),
    };
    UnixSeconds(now.wall.0.saturating_sub(idle_ms / 1_000))
}

fn release(cx: &mut Cx<'_>, number: u32) {
    cx.effects.push(Effect::ReleaseRecord {
        ticket: RecordTicket::Sessions(number),
    });
}
