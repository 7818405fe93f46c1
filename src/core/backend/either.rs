//! One session of the table: with a child of ours, or with a server that somebody else runs. Passes
//! on; decides nothing.

use std::rc::Rc;

use crate::backend::facts::Facts;
use crate::backend::lifecycle::{Event, Phase};
use crate::backend::remote::{Hands, Remote};
use crate::backend::session::{Report, Session};
use crate::cx::Cx;
use crate::language::{BackendEvent, Carrier, Hello, PoolKey, PoolSpec};
use crate::tally::Slot;

/// See the module.
pub(super) enum Either {
    /// A child's stdin and stdout carry it.
    Child(Box<Session>),
    /// HTTP carries it.
    Remote(Box<Remote>),
}

impl Either {
    /// A session that waits for its turn.
    pub(super) fn new(spec: PoolSpec, our_version: Rc<str>) -> Self {
        match &spec.carrier {
            Carrier::Child(_) => Self::Child(Box::new(Session::new(spec, our_version))),
            Carrier::Remote(remote) => {
                let remote = remote.clone();
                Self::Remote(Box::new(Remote::new(spec, remote, our_version)))
            }
        }
    }

    /// The one with a child.
    pub(super) fn child(&mut self) -> Option<&mut Session> {
        match self {
            Self::Child(session) => Some(session),
            Self::Remote(_) => None,
        }
    }

    /// The one over HTTP.
    pub(super) fn remote(&mut self) -> Option<&mut Remote> {
        match self {
            Self::Child(_) => None,
            Self::Remote(session) => Some(session),
        }
    }

    /// The server's name.
    pub(super) fn name(&self) -> &Rc<str> {
        match self {
            Self::Child(session) => &session.spec.name,
            Self::Remote(session) => &session.spec.name,
        }
    }

    /// Where it is counted.
    pub(super) fn slot(&self) -> Slot {
        match self {
            Self::Child(session) => session.spec.slot,
            Self::Remote(session) => session.spec.slot,
        }
    }

    /// Where its life is.
    pub(super) fn phase(&self) -> &Phase {
        match self {
            Self::Child(session) => &session.phase,
            Self::Remote(session) => &session.phase,
        }
    }

    /// What the server said last time.
    pub(super) fn hello(&self) -> Option<&Hello> {
        match self {
            Self::Child(session) => session.hello.as_ref(),
            Self::Remote(session) => session.hello.as_ref(),
        }
    }

    /// Everything known about it.
    pub(super) fn facts(&self) -> Facts<'_> {
        match self {
            Self::Child(session) => session.facts(),
            Self::Remote(session) => session.facts(),
        }
    }

    /// The same server by other rules.
    pub(super) fn update(&mut self, spec: PoolSpec) {
        match self {
            Self::Child(session) => session.update(spec),
            Self::Remote(session) => session.update(spec),
        }
    }

    /// Something happened to its life.
    pub(super) fn step(&mut self, hands: &mut Hands<'_, '_>, event: Event) -> Option<Report> {
        match self {
            Self::Child(session) => session.step(hands.cx, hands.me, event),
            Self::Remote(session) => session.wish(hands, event),
        }
    }

    /// `Alarm::Pool` rang.
    pub(super) fn alarm(&mut self, hands: &mut Hands<'_, '_>) -> Option<Report> {
        match self {
            Self::Child(session) => {
                let told = session.listen_alarm(hands.cx, hands.me);
                hands.events.extend(told);
                session.alarm(hands.cx, hands.me)
            }
            Self::Remote(session) => session.alarm(hands),
        }
    }

    /// Sets the alarm to the earliest of its reasons.
    pub(super) fn set_alarm(&self, cx: &mut Cx<'_>, me: PoolKey) {
        match self {
            Self::Child(session) => session.set_alarm(cx, me),
            Self::Remote(session) => session.set_alarm(cx, me),
        }
    }

    /// Other resources are listened to from now on.
    pub(super) fn watch(&mut self, hands: &mut Hands<'_, '_>, uris: Vec<Rc<str>>) {
        match self {
            Self::Child(session) => {
                let told: Option<BackendEvent> = session.watch(hands.cx, hands.me, uris);
                hands.events.extend(told);
            }
            Self::Remote(session) => session.watch(hands, uris),
        }
    }
}
