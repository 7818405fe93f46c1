//! The life of one backend session as the hall sees it: it waits for its turn, comes up, serves,
//! goes down, pauses, comes up again. Independent of what carries it (a child now) and of the
//! dialect that is spoken: those report here and take orders from here.
//!
//! ```text
//!            Turn         Opened             Greeted
//!   Queued ------> Opening ----> Handshaking -------> Ready
//!     ^                |              | Refused, Alarm   | Lost
//!     | Alarm, Retry   | Unopened     v                  v
//!   Backoff <----------+---------- Closing <-------------+        (Stop, anywhere) -> Gone
//!                      |              | Closed, once too often
//!                      +-> Failed <---+
//! ```
//!
//! `Unauthorized` leads from Handshaking and Ready through Closing to Awaiting. `Retry` leads on to
//! Queued, or `Refused` to Backoff; and so does time, for a server that wanted a token by mistake.

use crate::backend::backoff::{Backoff, Verdict};
use crate::backend::words::setting;
use crate::base::mark::Mark;
use crate::entropy::Entropy;
use crate::limits::{AWAITING_MS, STABLE_MS, STARTING_PLACE_MS};
use crate::now::Tick;

/// How much time a carrier gets to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    /// One server is stopped while we go on.
    Calm,
    /// We leave ourselves, or the carrier is of no use any more.
    Quick,
}

/// Where a backend session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for its turn to start.
    Queued,
    /// The carrier was ordered.
    Opening { since: Tick },
    /// The carrier is there, the server has not said yet what it is. `slow`: it has used up its
    /// place among those that start, so that a server that hangs does not hold the others up.
    Handshaking {
        since: Tick,
        until: Tick,
        slow: bool,
    },
    /// Serves.
    Ready { since: Tick },
    /// The carrier is going down by itself or by our order, to be tried again.
    Closing(Closing),
    /// The carrier is going down because nobody wants the session any more.
    Leaving,
    /// Waits for a token, for as long as that takes, and sees now and then whether it is still
    /// wanted.
    Awaiting { until: Tick },
    /// Waits until the next try.
    Backoff { until: Tick, why: String },
    /// Given up.
    Failed { why: String },
    /// Over; the key is free.
    Gone,
}

/// Why and from where a session goes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) why: String,
    /// The reason is ours, and what the carrier says of its end is only our doing.
    pub(super) ours: bool,
    /// For how long it had served; `None`: it never came up.
    pub(super) served_ms: Option<u64>,
    pub(super) after: After,
}

/// What follows when nothing is left of the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// A pause, or none if it was once too often.
    Pause,
    /// It died of a question that need not be asked: it is started again at once, and without.
    Again,
    /// It waits for a token.
    Await,
}

/// What can happen to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// There is a place to start in.
    Turn,
    /// The carrier takes bytes.
    Opened,
    /// There will be no carrier.
    Unopened(String),
    /// The handshake is done.
    Greeted,
    /// The handshake failed.
    Refused(String),
    /// The server does not let us in without a token, or not with the one there is.
    Unauthorized,
    /// The carrier is going down by itself.
    Lost(String),
    /// Nothing is left of the carrier; these were its last words.
    Closed(Option<String>),
    /// The carrier cannot be brought to an end.
    Stuck,
    /// The moment of [`Phase::deadline`] has come.
    Alarm,
    /// Not wanted any more.
    Stop(Pace),
    /// Wanted now, whatever happened before.
    Retry,
}

/// What has to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing.
    Nothing,
    /// Order the carrier.
    Open,
    /// Begin the handshake.
    Greet,
    /// End the carrier.
    Close(Pace),
    /// Tell the hall that it serves.
    Ready,
    /// Tell the hall that it does not serve any more, or did not come up.
    Down,
    /// It waits for a token now. What the hall waits for may come soon.
    Await,
    /// Tell the hall that it is over.
    Ended,
    /// Put it at the end of those who wait to start.
    Queue,
}

/// What the machine decides by.
pub(super) struct Policy<'a> {
    pub(super) connect_ms: u64,
    /// If it dies now, it may have died of a question that need not be asked.
    pub(super) only_asked: bool,
    pub(super) backoff: &'a mut Backoff,
    pub(super) entropy: &'a mut Entropy,
}

impl Policy<'_> {
    /// It went down, or never came up: another try, or none.
    fn down(&mut self, now: Tick, why: String, served_ms: Option<u64>) -> (Phase, Order) {
        let stable = served_ms.is_some_and(|ms| ms >= STABLE_MS);
        let phase = match self.backoff.strike(stable, self.entropy) {
            Verdict::After(ms) => Phase::Backoff {
                until: now.after(ms),
                why,
            },
            Verdict::GiveUp => Phase::Failed { why },
        };
        (phase, Order::Down)
    }
}

impl Phase {
    /// One of the few that may start at the same time.
    pub(super) const fn takes_a_place(&self) -> bool {
        matches!(
            self,
            Self::Opening { .. } | Self::Handshaking { slow: false, .. }
        )
    }

    /// When [`Event::Alarm`] is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Handshaking {
                until, slow: true, ..
            }
            | Self::Awaiting { until }
            | Self::Backoff { until, .. } => Some(*until),
            Self::Handshaking {
                since,
                until,
                slow: false,
            } => Some(since.after(STARTING_PLACE_MS).min(*until)),
            Self::Queued
            | Self::Opening { .. }
            | Self::Ready { .. }
            | Self::Closing(_)
            | Self::Leaving
            | Self::Failed { .. }
            | Self::Gone => None,
        }
    }

    /// One step.
    pub(super) fn on(self, now: Tick, event: Event, policy: &mut Policy<'_>) -> (Self, Order) {
        match self {
            Self::Queued => Self::queued(now, &event),
            Self::Opening { since } => Self::opening(since, now, event, policy),
            Self::Handshaking { since, until, slow } => {
                Self::handshaking((since, until, slow), now, event, policy)
            }
            Self::Ready { since } => Self::ready(since, now, event),
            Self::Closing(closing) => closing.on(now, event, policy),
            Self::Leaving => Self::leaving(&event),
            Self::Awaiting { until } => Self::awaiting(until, now, event, policy),
            Self::Backoff { until, why } => Self::backoff(until, why, now, &event),
            Self::Failed { why } => Self::failed(why, &event, policy),
            Self::Gone => (Self::Gone, Order::Nothing),
        }
    }

    fn queued(now: Tick, event: &Event) -> (Self, Order) {
        match event {
            Event::Turn => (Self::Opening { since: now }, Order::Open),
            Event::Stop(_) => {
                Mark::StoppedInQueue.hit();
                (Self::Gone, Order::Ended)
            }
            Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm
            | Event::Retry => (Self::Queued, Order::Nothing),
        }
    }

    fn opening(since: Tick, now: Tick, event: Event, policy: &mut Policy<'_>) -> (Self, Order) {
        match event {
            Event::Opened => {
                let until = since.after(policy.connect_ms);
                let slow = false;
                (Self::Handshaking { since, until, slow }, Order::Greet)
            }
            Event::Unopened(why) => {
                Mark::SpawnFails.hit();
                policy.down(now, why, None)
            }
            Event::Stop(pace) => (Self::Leaving, Order::Close(pace)),
            Event::Turn
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm
            | Event::Retry => (Self::Opening { since }, Order::Nothing),
        }
    }

    fn handshaking(
        (since, until, slow): (Tick, Tick, bool),
        now: Tick,
        event: Event,
        policy: &mut Policy<'_>,
    ) -> (Self, Order) {
        let closing = |why, ours, after| {
            Self::Closing(Closing {
                why,
                ours,
                served_ms: None,
                after,
            })
        };
        match event {
            Event::Lost(why) if policy.only_asked => {
                Mark::ProbeKills.hit();
                (closing(why, false, After::Again), Order::Nothing)
            }
            Event::Greeted => (Self::Ready { since: now }, Order::Ready),
            Event::Refused(why) => {
                Mark::HandshakeRefused.hit();
                (closing(why, true, After::Pause), Order::Close(Pace::Quick))
            }
            Event::Unauthorized => {
                let closing = closing(String::new(), true, After::Await);
                (closing, Order::Close(Pace::Quick))
            }
            Event::Lost(why) => {
                Mark::HandshakeDies.hit();
                (closing(why, false, After::Pause), Order::Nothing)
            }
            Event::Alarm if now >= until => {
                Mark::HandshakeTimesOut.hit();
                let limit = setting(policy.connect_ms);
                let why = format!("did not finish its handshake within {limit}");
                (closing(why, true, After::Pause), Order::Close(Pace::Quick))
            }
            Event::Stop(pace) => (Self::Leaving, Order::Close(pace)),
            Event::Alarm => {
                let slow = slow || now >= since.after(STARTING_PLACE_MS);
                if slow {
                    Mark::SlowStart.hit();
                }
                (Self::Handshaking { since, until, slow }, Order::Nothing)
            }
            // A carrier says that it is lost before it is closed.
            Event::Closed(_)
            | Event::Stuck
            | Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Retry => (Self::Handshaking { since, until, slow }, Order::Nothing),
        }
    }

    fn ready(since: Tick, now: Tick, event: Event) -> (Self, Order) {
        let closing = |why, ours, after| {
            Self::Closing(Closing {
                why,
                ours,
                served_ms: Some(now.since(since)),
                after,
            })
        };
        match event {
            Event::Lost(why) => (closing(why, false, After::Pause), Order::Nothing),
            Event::Unauthorized => {
                let closing = closing(String::new(), true, After::Await);
                (closing, Order::Close(Pace::Quick))
            }
            Event::Stop(pace) => (Self::Leaving, Order::Close(pace)),
            Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Refused(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm
            | Event::Retry => (Self::Ready { since }, Order::Nothing),
        }
    }

    fn leaving(event: &Event) -> (Self, Order) {
        match event {
            Event::Closed(_) | Event::Stuck | Event::Unopened(_) => (Self::Gone, Order::Ended),
            Event::Stop(pace) => (Self::Leaving, Order::Close(*pace)),
            Event::Turn
            | Event::Opened
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Alarm
            | Event::Retry => (Self::Leaving, Order::Nothing),
        }
    }

    fn awaiting(until: Tick, now: Tick, event: Event, policy: &mut Policy<'_>) -> (Self, Order) {
        match event {
            Event::Retry => (Self::Queued, Order::Queue),
            Event::Alarm if now >= until => (Self::Queued, Order::Queue),
            Event::Refused(why) => policy.down(now, why, None),
            Event::Stop(_) => (Self::Gone, Order::Ended),
            Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm => (Self::Awaiting { until }, Order::Nothing),
        }
    }

    fn backoff(until: Tick, why: String, now: Tick, event: &Event) -> (Self, Order) {
        match event {
            Event::Retry => (Self::Queued, Order::Queue),
            Event::Alarm if now >= until => (Self::Queued, Order::Queue),
            Event::Stop(_) => (Self::Gone, Order::Ended),
            Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm => (Self::Backoff { until, why }, Order::Nothing),
        }
    }

    fn failed(why: String, event: &Event, policy: &mut Policy<'_>) -> (Self, Order) {
        match event {
            Event::Retry => {
                // Somebody has done something about it: count from the beginning.
                policy.backoff.forgive();
                (Self::Queued, Order::Queue)
            }
            Event::Stop(_) => (Self::Gone, Order::Ended),
            Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Closed(_)
            | Event::Stuck
            | Event::Alarm => (Self::Failed { why }, Order::Nothing),
        }
    }
}

impl Closing {
    fn on(mut self, now: Tick, event: Event, policy: &mut Policy<'_>) -> (Phase, Order) {
        match event {
            // Closing its output came first, now it is known with which code it ended.
            Event::Lost(why) if !self.ours => {
                self.why = why;
                (Phase::Closing(self), Order::Nothing)
            }
            Event::Closed(_) if self.after == After::Again => (Phase::Queued, Order::Queue),
            Event::Closed(_) if self.after == After::Await => {
                let order = match self.served_ms {
                    Some(_) => Order::Down,
                    None => Order::Await,
                };
                let until = now.after(AWAITING_MS);
                (Phase::Awaiting { until }, order)
            }
            Event::Closed(last_words) => {
                if let Some(words) = last_words {
                    self.why.push_str("; stderr: ");
                    self.why.push_str(&words);
                }
                policy.down(now, self.why, self.served_ms)
            }
            // A second one beside it would fight it for its files and ports.
            Event::Stuck => {
                let why = format!("{}; it does not end, not even by SIGKILL", self.why);
                (Phase::Failed { why }, Order::Down)
            }
            Event::Stop(pace) => (Phase::Leaving, Order::Close(pace)),
            Event::Turn
            | Event::Opened
            | Event::Unopened(_)
            | Event::Greeted
            | Event::Refused(_)
            | Event::Unauthorized
            | Event::Lost(_)
            | Event::Alarm
            | Event::Retry => (Phase::Closing(self), Order::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::testkit::spec;
    use crate::language::PoolSpec;

    const NOW: Tick = Tick(1_000_000);
    const CONNECT_MS: u64 = 120_000;

    fn step_with(spec: &PoolSpec, phase: Phase, event: Event) -> (Phase, Order) {
        let mut backoff = Backoff::new(spec);
        let mut policy = Policy {
            connect_ms: CONNECT_MS,
            only_asked: false,
            backoff: &mut backoff,
            entropy: &mut Entropy::new(&[0; 32]),
        };
        phase.on(NOW, event, &mut policy)
    }

    fn step(phase: Phase, event: Event) -> (Phase, Order) {
        step_with(&spec(), phase, event)
    }

    fn name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Queued => "Queued",
            Phase::Opening { .. } => "Opening",
            Phase::Handshaking { slow: false, .. } => "Handshaking",
            Phase::Handshaking { slow: true, .. } => "Slow",
            Phase::Ready { .. } => "Ready",
            Phase::Closing(_) => "Closing",
            Phase::Leaving => "Leaving",
            Phase::Awaiting { .. } => "Awaiting",
            Phase::Backoff { .. } => "Backoff",
            Phase::Failed { .. } => "Failed",
            Phase::Gone => "Gone",
        }
    }

    fn phases() -> [Phase; 10] {
        let why = "it broke".to_owned();
        [
            Phase::Queued,
            Phase::Opening { since: NOW },
            Phase::Handshaking {
                since: NOW,
                until: NOW.after(CONNECT_MS),
                slow: false,
            },
            Phase::Ready { since: NOW },
            Phase::Closing(Closing {
                why: why.clone(),
                ours: false,
                served_ms: None,
                after: After::Pause,
            }),
            Phase::Leaving,
            Phase::Awaiting { until: NOW },
            Phase::Backoff {
                until: NOW,
                why: why.clone(),
            },
            Phase::Failed { why },
            Phase::Gone,
        ]
    }

    fn events() -> [Event; 12] {
        let why = || "because".to_owned();
        [
            Event::Turn,
            Event::Opened,
            Event::Unopened(why()),
            Event::Greeted,
            Event::Refused(why()),
            Event::Unauthorized,
            Event::Lost(why()),
            Event::Closed(None),
            Event::Stuck,
            Event::Alarm,
            Event::Stop(Pace::Calm),
            Event::Retry,
        ]
    }

    /// Every pair, spelled out: columns are `events()`; `.` = nothing changes, nothing is done.
    #[rustfmt::skip]
    const TABLE: [[&str; 12]; 10] = [
        // Turn, Opened, Unopened, Greeted, Refused, Unauthorized, Lost, Closed, Stuck, Alarm,
        // Stop, Retry
        ["Opening Open", ".", ".", ".", ".", ".", ".", ".", ".", ".", "Gone Ended", "."],
        [".", "Handshaking Greet", "Backoff Down", ".", ".", ".", ".", ".", ".", ".", "Leaving Close", "."],
        [".", ".", ".", "Ready Ready", "Closing Close", "Closing Close", "Closing Nothing", ".", ".", ".", "Leaving Close", "."],
        [".", ".", ".", ".", ".", "Closing Close", "Closing Nothing", ".", ".", ".", "Leaving Close", "."],
        [".", ".", ".", ".", ".", ".", "Closing Nothing", "Backoff Down", "Failed Down", ".", "Leaving Close", "."],
        [".", ".", "Gone Ended", ".", ".", ".", ".", "Gone Ended", "Gone Ended", ".", "Leaving Close", "."],
        [".", ".", ".", ".", "Backoff Down", ".", ".", ".", ".", "Queued Queue", "Gone Ended", "Queued Queue"],
        [".", ".", ".", ".", ".", ".", ".", ".", ".", "Queued Queue", "Gone Ended", "Queued Queue"],
        [".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "Gone Ended", "Queued Queue"],
        [".", ".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "."],
    ];

    #[test]
    fn every_phase_meets_every_event() {
        for (phase, row) in phases().into_iter().zip(TABLE) {
            for (event, expected) in events().into_iter().zip(row) {
                let (next, order) = step(phase.clone(), event.clone());
                let order_name = match order {
                    Order::Close(_) => "Close".to_owned(),
                    other => format!("{other:?}"),
                };
                let told = if next == phase && order == Order::Nothing {
                    ".".to_owned()
                } else {
                    format!("{} {order_name}", name(&next))
                };
                assert_eq!(told, expected, "{phase:?} on {event:?}");
            }
        }
    }

    #[test]
    fn o11_who_has_served_tells_that_it_awaits_and_who_never_came_up_is_still_waited_for() {
        for (phase, expected) in [
            (phases()[2].clone(), Order::Await),
            (phases()[3].clone(), Order::Down),
        ] {
            let (closing, _) = step(phase, Event::Unauthorized);
            let next = step(closing, Event::Closed(None));
            let until = NOW.after(AWAITING_MS);
            assert_eq!(next, (Phase::Awaiting { until }, expected));
            assert_eq!(next.0.deadline(), Some(until));
        }
    }

    #[test]
    fn a_slow_start_gives_its_place_up_and_fails_only_at_the_connect_timeout() {
        let since = Tick(NOW.0 - STARTING_PLACE_MS);
        let until = since.after(CONNECT_MS);
        let young = Phase::Handshaking {
            since,
            until,
            slow: false,
        };
        assert!(young.takes_a_place());
        assert_eq!(young.deadline(), Some(NOW));
        let (slow, order) = step(young, Event::Alarm);
        assert_eq!((name(&slow), order), ("Slow", Order::Nothing));
        assert!(!slow.takes_a_place());
        assert_eq!(slow.deadline(), Some(until));
        let old = Phase::Handshaking {
            since: Tick(NOW.0 - CONNECT_MS),
            until: NOW,
            slow: true,
        };
        let (closing, order) = step(old, Event::Alarm);
        assert_eq!(order, Order::Close(Pace::Quick));
        let Phase::Closing(Closing {
            why, ours: true, ..
        }) = closing
        else {
            panic!("{closing:?}");
        };
        assert_eq!(why, "did not finish its handshake within 120 s");
    }

    #[test]
    fn our_reason_stays_and_the_carriers_is_completed() {
        let closing = |ours| {
            Phase::Closing(Closing {
                why: "closed its output".into(),
                ours,
                served_ms: None,
                after: After::Pause,
            })
        };
        for (ours, expected) in [(true, "closed its output"), (false, "exited")] {
            let (next, _) = step(closing(ours), Event::Lost("exited".into()));
            let (down, _) = step(next, Event::Closed(Some("bad flag".into())));
            let Phase::Backoff { why, .. } = down else {
                panic!("{down:?}");
            };
            assert_eq!(why, format!("{expected}; stderr: bad flag"));
        }
    }

    #[test]
    fn without_restart_the_first_end_is_the_last() {
        let never = PoolSpec {
            restart: false,
            ..spec()
        };
        let (failed, order) = step_with(&never, phases()[4].clone(), Event::Closed(None));
        assert_eq!((name(&failed), order), ("Failed", Order::Down));
        let (failed, _) = step_with(&never, phases()[1].clone(), Event::Unopened("no".into()));
        assert_eq!(failed, Phase::Failed { why: "no".into() });
    }

    #[test]
    fn strikes_are_forgiven_after_a_stable_run_only() {
        let once = PoolSpec {
            restarts_max: 1,
            ..spec()
        };
        for (served_ms, expected) in [
            (None, "Failed"),
            (Some(STABLE_MS - 1), "Failed"),
            (Some(STABLE_MS), "Backoff"),
        ] {
            let mut backoff = Backoff::new(&once);
            let mut entropy = Entropy::new(&[0; 32]);
            backoff.strike(false, &mut entropy);
            let mut policy = Policy {
                connect_ms: CONNECT_MS,
                only_asked: false,
                backoff: &mut backoff,
                entropy: &mut entropy,
            };
            let closing = Closing {
                why: String::new(),
                ours: false,
                served_ms,
                after: After::Pause,
            };
            let (next, _) = Phase::Closing(closing).on(NOW, Event::Closed(None), &mut policy);
            assert_eq!(name(&next), expected, "{served_ms:?}");
        }
    }
}
