//! What the sessions with a protected server share: the token, and how it stands with the owner's
//! permission (protocol O11). A lock belongs to a server's name **and** its URL: what was given for
//! one URL is never sent to another, however the configuration changes.
//!
//! Owns the tokens; never decides where to get one. That is said by whoever calls
//! [`Backends::set_token`], [`Backends::awaiting`] and [`Backends::no_token`], in answer to
//! [`BackendEvent::Challenged`](crate::language::BackendEvent::Challenged).

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::backend::Backends;
use crate::backend::either::Either;
use crate::backend::lifecycle::Phase;
use crate::backend::remote::Hands;
use crate::backend::session::Report;
use crate::backend::words::quoted;
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::{Challenge, PoolKey, PoolState, Token};
use crate::now::Now;

/// A server's name and its URL.
pub(super) type LockName = (Rc<str>, Rc<str>);

/// Where and why the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Our page; empty while it is not known.
    pub(super) page: Rc<str>,
    /// One sentence.
    pub(super) why: String,
    /// It serves on without it.
    step_up: bool,
}

/// What becomes of a request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is another token by now.
    Newer,
    /// There may be one soon.
    Wait,
    /// Only the owner can help.
    Owner(Asked),
}

/// One protected server.
#[derive(Debug, Default)]
struct Lock {
    token: Option<Token>,
    /// The whole field, made once.
    field: Option<Secret>,
    owner: Option<Asked>,
    /// Which token was told to be refused and not answered yet.
    told: Option<Option<u32>>,
    /// What was told to need more, last.
    told_more: Option<Challenge>,
    /// The last token that a request was answered well with.
    accepted: Option<u32>,
}

/// All protected servers.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<LockName, Lock>);

impl Locks {
    /// What is sent along, and which token that is.
    pub(super) fn field(&self, name: &LockName) -> Option<(u32, Secret)> {
        let lock = self.0.get(name)?;
        Some((lock.token.as_ref()?.number, lock.field.clone()?))
    }

    /// What only the owner can do about this server.
    pub(super) fn owner(&self, name: &LockName) -> Option<&Asked> {
        let owner = self.0.get(name)?.owner.as_ref()?;
        (!owner.page.is_empty()).then_some(owner)
    }

    /// Whether the token was refused, as far as was told.
    fn is_refused(&self, name: &LockName) -> bool {
        let lock = self.0.get(name);
        lock.is_some_and(|lock| matches!(lock.told, Some(Some(_))))
    }

    /// A request with this token was answered well.
    pub(super) fn accept(&mut self, name: &LockName, token: u32) {
        if let Some(lock) = self.0.get_mut(name) {
            lock.accepted = Some(token);
        }
    }

    /// Whether one was, with this token and none after it.
    pub(super) fn was_accepted(&self, name: &LockName, token: Option<u32>) -> bool {
        let lock = self.0.get(name);
        token.is_some() && lock.is_some_and(|lock| lock.accepted == token)
    }

    /// A request was refused; and whether that has to be told.
    pub(super) fn refused(&mut self, name: &LockName, challenge: &Challenge) -> (Refusal, bool) {
        let lock = self.0.entry(name.clone()).or_default();
        let ours = lock.token.as_ref().map(|token| token.number);
        if ours.is_some() && ours != challenge.token {
            return (Refusal::Newer, false);
        }
        let more = challenge.status == 403;
        let known = if more {
            lock.told_more.as_ref() == Some(challenge)
        } else {
            lock.told == Some(challenge.token)
        };
        let owner = lock.owner.as_ref();
        let owner = owner.filter(|owner| !owner.page.is_empty() && (known || !owner.step_up));
        if let Some(owner) = owner {
            return (Refusal::Owner(owner.clone()), false);
        }
        if more {
            lock.told_more = Some(challenge.clone());
        } else {
            lock.told = Some(challenge.token);
        }
        (Refusal::Wait, !known)
    }
}

impl Lock {
    /// Whatever was told is answered: the next refusal is told again.
    fn forget_told(&mut self) {
        self.told = None;
        self.told_more = None;
    }
}

impl Backends {
    /// There is a token for a server, or a newer one: sessions that waited for it start at once,
    /// and so do calls. One with another URL never gets it.
    pub fn set_token(&mut self, cx: &mut Cx<'_>, name: &str, url: &Url, token: Token) {
        let lock_name: LockName = (name.into(), url.to_string().into());
        let lock = self.locks.0.entry(lock_name.clone()).or_default();
        lock.field = Some(["Bearer ", token.secret.reveal()].concat().into());
        lock.token = Some(token);
        lock.owner = None;
        lock.forget_told();
        for pool in self.behind(|lock| *lock == lock_name) {
            self.with_lock(cx, pool, |session, hands| session.token_came(hands));
        }
    }

    /// Nothing goes on at a server before its owner has authorized us at this page (empty: that is
    /// still to be found out), for this reason. Tokens of before are of no use, unless `step_up`.
    pub fn awaiting(
        &mut self,
        cx: &mut Cx<'_>,
        name: &str,
        page: &Rc<str>,
        why: &str,
        step_up: bool,
    ) {
        let asked = Asked {
            page: Rc::clone(page),
            why: why.to_owned(),
            step_up,
        };
        let mut changed = false;
        let mut useless = Vec::new();
        for (lock_name, lock) in self.locks.0.iter_mut().filter(|(one, _)| &*one.0 == name) {
            changed |= lock.owner.as_ref() != Some(&asked);
            lock.owner = Some(asked.clone());
            if !step_up && lock.token.take().is_some() {
                lock.field = None;
                useless.push(lock_name.clone());
            }
        }
        if changed && !page.is_empty() {
            cx.log(Level::Warn, || {
                format!(
                    "server={name} awaits authorization: open {page} why={}",
                    quoted(why)
                )
            });
        }
        for pool in self.behind(|lock| &*lock.0 == name) {
            self.with_lock(cx, pool, |session, hands| {
                session.owner_asked(hands, useless.contains(&session.lock), &asked.why, step_up);
            });
        }
    }

    /// There will be no token for now, for this reason: whatever waited for one has failed like
    /// anything else that fails.
    pub fn no_token(&mut self, cx: &mut Cx<'_>, name: &str, why: &str) {
        let why = &format!("wants authorization (status 401): {why}");
        let refused: Vec<LockName> = self.locks.0.keys().cloned().collect();
        let refused: Vec<LockName> = refused
            .into_iter()
            .filter(|one| &*one.0 == name && self.locks.is_refused(one))
            .collect();
        for (_, lock) in self.locks.0.iter_mut().filter(|(one, _)| &*one.0 == name) {
            lock.owner = None;
            lock.forget_told();
        }
        for pool in self.behind(|lock| &*lock.0 == name) {
            self.with_lock(cx, pool, |session, hands| {
                session.token_denied(hands, refused.contains(&session.lock), why);
            });
        }
    }

    /// Nobody will be asked for more: what was refused for want of it stays refused, in the words
    /// of the server.
    pub fn no_more(&mut self, cx: &mut Cx<'_>, name: &str) {
        for (_, lock) in self.locks.0.iter_mut().filter(|(one, _)| &*one.0 == name) {
            lock.told_more = None;
        }
        for pool in self.behind(|lock| &*lock.0 == name) {
            self.with_lock(cx, pool, |session, hands| session.more_denied(hands));
        }
    }

    /// Tries all sessions with a server now that wait for something, whatever that is.
    pub fn retry(&mut self, cx: &mut Cx<'_>, name: &str) {
        for (_, lock) in self.locks.0.iter_mut().filter(|(one, _)| &*one.0 == name) {
            lock.forget_told();
        }
        let named = |(_, one): &(PoolKey, &Either)| &**one.name() == name;
        let pools = self.sessions.iter().filter(named).map(|(pool, _)| pool);
        for pool in pools.collect::<Vec<_>>() {
            self.retry_now(cx, pool);
        }
    }

    /// These are the protected servers now: what is kept of others is forgotten. To be called when
    /// their sessions were stopped, which say farewell with their tokens.
    pub fn keep_tokens<'a>(&mut self, servers: impl Iterator<Item = (&'a str, &'a Url)>) {
        let kept: Vec<(String, String)> = servers
            .map(|(name, url)| (name.to_owned(), url.to_string()))
            .collect();
        let is_kept = |one: &LockName| {
            let mut kept = kept.iter();
            kept.any(|(name, url)| (name.as_str(), url.as_str()) == (&*one.0, &*one.1))
        };
        self.locks.0.retain(|one, _| is_kept(one));
    }

    /// How a session over HTTP is doing, if that is the owner's affair.
    pub(super) fn state_of_remote(&self, now: Now, pool: PoolKey) -> Option<PoolState> {
        let Either::Remote(session) = self.sessions.get(pool)? else {
            return None;
        };
        let owner = self.locks.owner(&session.lock)?;
        match session.phase {
            // Now and then it is seen whether a token is still wanted: that changes nothing yet.
            Phase::Awaiting { .. }
            | Phase::Queued
            | Phase::Opening { .. }
            | Phase::Handshaking { .. } => Some(PoolState::Awaiting {
                url: Rc::clone(&owner.page),
                why: owner.why.clone(),
            }),
            ref phase => Some(phase.state(now)),
        }
    }

    /// Sessions with such locks.
    fn behind(&self, which: impl Fn(&LockName) -> bool) -> Vec<PoolKey> {
        let is = |session: &Either| match session {
            Either::Remote(session) => session.is_protected() && which(&session.lock),
            Either::Child(_) => false,
        };
        let found = self.sessions.iter().filter(|(_, session)| is(session));
        found.map(|(pool, _)| pool).collect()
    }

    fn with_lock(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        act: impl FnOnce(&mut crate::backend::remote::Remote, &mut Hands<'_, '_>),
    ) {
        let mut report: Option<Report> = None;
        if let Some(session) = self.sessions.get_mut(pool).and_then(Either::remote) {
            act(session, &mut hands!(self, cx, pool));
            report = session.report();
        }
        self.settle(cx, pool, report);
    }
}
