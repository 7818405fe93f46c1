//! The GET stream of a legacy server, on which it says what belongs to no request (F5). Not every
//! server has one. It is opened again whenever it ends: from behind its last event if that has an
//! id; else something may have been missed.
//!
//! ```text
//!            open            head                 ended
//!   Closed -------> Asking ---------> Open ---------------> Pausing -> Asking
//!                     | refused
//!                     v
//!                  Without
//! ```

use crate::backend::backoff::{Backoff, Verdict};
use crate::backend::remote::exchange::{Ended, Exchange, Role};
use crate::backend::remote::sse_resume::Resume;
use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::fetch::{FailureKind, FetchKey, Lane};
use crate::language::{BackendEvent, PoolSpec};
use crate::limits::{BACKOFF_MS_MIN, STABLE_MS};
use crate::now::Tick;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Closed,
    Asking(FetchKey),
    Open {
        key: FetchKey,
        since: Tick,
    },
    Pausing {
        until: Tick,
    },
    /// It waits for a token.
    Unauthorized,
    Without,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ears {
    stage: Stage,
    resume: Resume,
    /// The server said when to ask again.
    says_when: bool,
    /// It was open before in this session.
    worked: bool,
    backoff: Backoff,
}

impl Ears {
    pub(super) fn new(spec: &PoolSpec) -> Self {
        Self {
            stage: Stage::Closed,
            resume: Resume::default(),
            says_when: false,
            worked: false,
            backoff: Backoff::new(&PoolSpec {
                restart: true,
                restarts_max: 0,
                restart_delay_ms: BACKOFF_MS_MIN,
                ..spec.clone()
            }),
        }
    }

    /// The session is over.
    pub(super) fn close(&mut self) {
        self.stage = Stage::Closed;
        self.resume = Resume::default();
        self.says_when = false;
        self.worked = false;
    }
}

impl Remote {
    /// The handshake is done.
    pub(super) fn open_ears(&mut self, hands: &mut Hands<'_, '_>) {
        let order = self.get(self.ears.resume.last_id(), Lane::Stream);
        let key = self.exchange(hands, Role::Ears, order);
        self.ears.stage = Stage::Asking(key);
    }

    /// The session is gone.
    pub(super) fn close_ears(&mut self, hands: &mut Hands<'_, '_>) {
        if let Stage::Asking(key) | Stage::Open { key, .. } = self.ears.stage {
            self.give_up(hands, key);
        }
        self.ears.close();
    }

    /// The stream has begun.
    pub(super) fn ears_open(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) {
        let is_stream = self
            .exchanges
            .get(&key)
            .is_some_and(Exchange::head_is_stream);
        if !is_stream || self.ears.stage != Stage::Asking(key) {
            return;
        }
        self.streams_refused = 0;
        let missed = self.ears.worked && self.ears.resume.last_id().is_none();
        self.ears.worked = true;
        let since = hands.cx.now.tick;
        self.ears.stage = Stage::Open { key, since };
        if missed && self.tells_changes() {
            Mark::EarsMissed.hit();
            hands.events.push_back(BackendEvent::Watching {
                pool: hands.me,
                uris: Vec::new(),
                missed,
            });
        }
    }

    /// Whether the server says when its lists change.
    fn tells_changes(&self) -> bool {
        // The hall asks only for lists that there are.
        self.hello.is_some()
    }

    /// The stream has ended, or there is none.
    pub(super) fn ears_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        exchange: &Exchange,
        ended: Ended,
    ) {
        let now = hands.cx.now.tick;
        let since = match self.ears.stage {
            Stage::Open { since, .. } => Some(since),
            Stage::Asking(_) => None,
            Stage::Closed | Stage::Pausing { .. } | Stage::Unauthorized | Stage::Without => return,
        };
        let wait_ms = exchange.reader().map(|reader| {
            self.ears.says_when |= reader.retry_ms().is_some();
            self.ears.resume.ended(reader)
        });
        let why = match ended {
            Ended::Failed(failure) if matches!(failure.kind, FailureKind::Open(_)) => {
                return self.lost(hands, failure.why);
            }
            Ended::Failed(failure) => failure.why,
            Ended::Whole(body) if !exchange.head_is_stream() => {
                return self.ears_refused(hands, exchange, &body);
            }
            Ended::Whole(_) => "ended".to_owned(),
        };
        let name = &self.spec.name;
        hands.cx.log(Level::Debug, || {
            format!("server={name} stream of the session: {why}")
        });
        let stable = since.is_some_and(|since| now.since(since) >= STABLE_MS);
        // Who says when is asked then; one whose streams end at once for ever says nothing.
        self.pause_ears(hands, stable, wait_ms.filter(|_| self.ears.says_when));
    }

    /// GET was refused for a token; whether there is another one at once.
    pub(super) fn ears_unauthorized(&mut self, hands: &mut Hands<'_, '_>, again: bool) {
        if !matches!(self.ears.stage, Stage::Asking(_)) {
            return;
        }
        self.ears.stage = Stage::Unauthorized;
        if again {
            self.open_ears(hands);
        }
    }

    /// There is another token.
    pub(super) fn ears_authorized(&mut self, hands: &mut Hands<'_, '_>) {
        if self.ears.stage == Stage::Unauthorized {
            self.open_ears(hands);
        }
    }

    fn pause_ears(&mut self, hands: &mut Hands<'_, '_>, stable: bool, wait_ms: Option<u64>) {
        let backoff_ms = match self.ears.backoff.strike(stable, hands.cx.entropy) {
            Verdict::After(ms) => ms,
            Verdict::GiveUp => return,
        };
        let ms = wait_ms.unwrap_or(backoff_ms);
        let until = hands.cx.now.tick.after(ms);
        self.ears.stage = Stage::Pausing { until };
    }

    /// GET was answered by no stream. Some servers have none, and say so in many ways; one that
    /// had one before has forgotten the session.
    fn ears_refused(&mut self, hands: &mut Hands<'_, '_>, exchange: &Exchange, body: &[u8]) {
        let status = exchange.status();
        if self.ears.worked && self.is_of_session(exchange, body, false, false) {
            let why = self.words(exchange, body);
            self.ears.stage = Stage::Closed;
            self.session_lost(hands, None, exchange.talk, &why);
            if self.is_ready() && self.renewing.is_none() {
                // It was of this request alone.
                self.pause_ears(hands, false, None);
            }
            return;
        }
        if matches!(status, 408 | 429 | 500..=599 if status != 501) {
            // That is said of this stream, and not of calls. One that does not want to wait at all
            // would be asked without pause.
            let wait_ms = self.wait_of(exchange);
            let wait_ms = wait_ms.filter(|ms| *ms >= BACKOFF_MS_MIN);
            return self.pause_ears(hands, false, wait_ms);
        }
        self.ears.stage = Stage::Without;
        let name = &self.spec.name;
        hands.cx.log(Level::Debug, || {
            format!("server={name} has no stream of the session (status {status})")
        });
    }

    /// When [`Remote::ears_alarm`] is due.
    pub(super) fn ears_until(&self) -> Option<Tick> {
        match self.ears.stage {
            Stage::Pausing { until } => Some(until),
            Stage::Closed
            | Stage::Asking(_)
            | Stage::Open { .. }
            | Stage::Unauthorized
            | Stage::Without => None,
        }
    }

    /// It is.
    pub(super) fn ears_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        self.open_ears(hands);
    }
}
