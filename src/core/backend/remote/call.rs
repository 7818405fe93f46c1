//! Requests of the hall: each an exchange of its own, from being sent until it is answered or lost.
//! And what else the hall sends: notifications, and answers to the server.

use crate::backend::remote::exchange::Role;
use crate::backend::remote::sse_resume::Resume;
use crate::backend::remote::{Hands, Remote};
use crate::backend::words::span;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::effect::Level;
use crate::fetch::FetchKey;
use crate::json::envelope::{self, Envelope, Kind, our_number};
use crate::json::span::member;
use crate::language::{BackendEvent, CallLoss, Refused};
use crate::limits::{
    CANCELLED_MS_MAX, REMOTE_CALLS_MAX, REMOTE_KEPT_BYTES_MAX, REMOTE_TELLS_MAX, TOKEN_MS_MAX,
};
use crate::now::Tick;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for another session in the server's sense.
    Waiting,
    /// It is carried by this exchange.
    Asked(FetchKey),
    /// It was posted; the answer comes on the stream of the session.
    Streamed,
    /// It was refused, and waits for a token.
    Unauthorized {
        /// For how long.
        until: Tick,
        /// The one there is allows too little.
        more: bool,
    },
    /// The answer to it broke off; the rest is asked for later.
    Pausing {
        /// When.
        until: Tick,
    },
}

/// One request of the hall.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) place: Place,
    /// The request, for as long as it may have to be sent again.
    pub(super) body: Option<Vec<u8>>,
    /// What is repeated of it in fields.
    pub(super) params: Vec<(String, String)>,
    /// It was sent again.
    pub(super) repeated: bool,
    /// It was sent again with another token.
    pub(super) authorized: bool,
    /// What it is, once that had to be told.
    pub(super) operation: String,
    /// Why it was refused, once it is.
    pub(super) refusal: String,
    /// The session asks for it by itself once it is a new one.
    pub(super) ours: bool,
    /// Nobody waits for it any more; so long its answer is still of use.
    pub(super) cancelled: Option<Tick>,
    /// What the rest of the answer is asked for by, if it breaks off.
    pub(super) resume: Resume,
}

impl Remote {
    /// Takes one message of the hall.
    pub(in crate::backend) fn send(
        &mut self,
        hands: &mut Hands<'_, '_>,
        parts: &[Part<'_>],
        fields: &[(String, String)],
    ) -> Result<(), Refused> {
        if !self.is_ready() {
            return Err(Refused::NotReady);
        }
        let body: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes())
            .copied()
            .collect();
        // What the hall sends is whole; nothing else could be sent.
        let Ok(envelope) = envelope::read(&body) else {
            return Err(Refused::NotReady);
        };
        let id = envelope.id.and_then(|id| our_number(id.of(&body)));
        match (envelope.kind, id) {
            (Kind::Request, Some(id)) => self.call(hands, id, body, &envelope, fields),
            (Kind::Notification, _) => self.tell(hands, body, &envelope),
            (Kind::Result | Kind::Error | Kind::Request, _) => self.word(hands, body),
        }
    }

    fn call(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        body: Vec<u8>,
        envelope: &Envelope,
        fields: &[(String, String)],
    ) -> Result<(), Refused> {
        if self.calls.len() >= REMOTE_CALLS_MAX {
            return Err(Refused::Busy);
        }
        if let Some(why) = self.left_alone(hands.cx.now.tick) {
            self.lose(hands, id, why);
            return Ok(());
        }
        let fits = self.kept_bytes.saturating_add(body.len()) <= REMOTE_KEPT_BYTES_MAX;
        if self.is_modern() || self.old.is_some() {
            self.call_at_once(hands, id, body, (envelope, fields), fits);
            return Ok(());
        }
        let ours = asked_by_itself(&body, envelope);
        let waits = self.renewing.is_some() || self.resend;
        if waits {
            if !fits {
                return Err(Refused::Busy);
            }
            self.kept_bytes += body.len();
            let call = Call::new(Place::Waiting, Some(body), ours);
            self.calls.insert(id, call);
            return Ok(());
        }
        let kept = fits.then(|| body.clone());
        self.kept_bytes += kept.as_ref().map_or(0, Vec::len);
        let order = self.post(body);
        let key = self.exchange(hands, Role::Call(id), order);
        self.calls
            .insert(id, Call::new(Place::Asked(key), kept, ours));
        Ok(())
    }

    /// A request in no session of Streamable HTTP: only another token is a reason to send it again.
    fn call_at_once(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        body: Vec<u8>,
        (envelope, fields): (&Envelope, &[(String, String)]),
        fits: bool,
    ) {
        let kept = (fits && self.has_token(hands)).then(|| body.clone());
        self.kept_bytes += kept.as_ref().map_or(0, Vec::len);
        let params = match kept {
            Some(_) => fields.to_vec(),
            None => Vec::new(),
        };
        let place = self.post_call(hands, id, body, envelope, fields);
        let call = Call {
            params,
            ..Call::new(place, kept, false)
        };
        self.calls.insert(id, call);
    }

    /// Posts a request as the server wants it.
    fn post_call(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        body: Vec<u8>,
        envelope: &Envelope,
        fields: &[(String, String)],
    ) -> Place {
        let order = if self.is_modern() {
            self.post_modern(body, envelope, fields)
        } else if self.old.is_some() {
            self.post_word(body)
        } else {
            self.post(body)
        };
        let key = self.exchange(hands, Role::Call(id), order);
        if self.old.is_some() {
            Place::Streamed
        } else {
            Place::Asked(key)
        }
    }

    /// A notification. Over HTTP a modern server hears only one of them: that an exchange is given
    /// up, which cancels what was asked in it (F12).
    fn tell(
        &mut self,
        hands: &mut Hands<'_, '_>,
        body: Vec<u8>,
        envelope: &Envelope,
    ) -> Result<(), Refused> {
        let cancelled = self.cancelled(&body, envelope);
        if self.is_modern() {
            if let Some(id) = cancelled {
                Mark::RemoteCancelCloses.hit();
                self.forget(hands, id);
            }
            return Ok(());
        }
        let resumes = cancelled.is_some_and(|id| self.resumes(id));
        if let Some(id) = cancelled
            && let Some(call) = self.calls.get_mut(&id)
        {
            let refused = matches!(call.place, Place::Unauthorized { .. }) && !resumes;
            if refused || call.place == Place::Waiting {
                // The server never heard of it.
                self.forget(hands, id);
                return Ok(());
            }
            call.cancelled = Some(hands.cx.now.tick.after(CANCELLED_MS_MAX));
        }
        self.word(hands, body)
    }

    fn cancelled(&self, body: &[u8], envelope: &Envelope) -> Option<u64> {
        let method = envelope.method_name(body)?;
        if method != "notifications/cancelled" {
            return None;
        }
        let id = member(body, envelope.params?, "requestId")?;
        our_number(id.of(body)).filter(|id| self.calls.contains_key(id))
    }

    /// A message to a legacy server that is answered by a status only. A modern one is told
    /// nothing.
    pub(super) fn word(&mut self, hands: &mut Hands<'_, '_>, body: Vec<u8>) -> Result<(), Refused> {
        if self.is_modern() {
            return Ok(());
        }
        if self.renewing.is_some() {
            // It belongs to a session that is no more.
            return Ok(());
        }
        let words = self.exchanges.values().filter(|one| one.role == Role::Tell);
        if words.count() >= REMOTE_TELLS_MAX {
            Mark::RemoteTellsFull.hit();
            return Err(Refused::Busy);
        }
        let again = self.kept_word(hands, &body);
        let order = self.post_word(body);
        let key = self.exchange(hands, Role::Tell, order);
        if let Some(exchange) = self.exchanges.get_mut(&key) {
            exchange.again = again;
        }
        Ok(())
    }

    /// Sends a request that waits or was not executed.
    pub(super) fn ask_again(&mut self, hands: &mut Hands<'_, '_>, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(body) = call.body.take() else {
            return;
        };
        let params = std::mem::take(&mut call.params);
        self.kept_bytes = self.kept_bytes.saturating_sub(body.len());
        let Ok(envelope) = envelope::read(&body) else {
            return;
        };
        let place = self.post_call(hands, id, body, &envelope, &params);
        if let Some(call) = self.calls.get_mut(&id) {
            call.place = place;
        }
    }

    /// The server executes a request: it must not be sent again.
    pub(super) fn executes(&mut self, id: u64) {
        let body = self.calls.get_mut(&id).and_then(|call| call.body.take());
        let bytes = body.map_or(0, |body| body.len());
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
    }

    /// A request gets no answer.
    pub(super) fn lose(&mut self, hands: &mut Hands<'_, '_>, id: u64, why: String) {
        self.forget(hands, id);
        let why = self.redact(why);
        let name = &self.spec.name;
        hands
            .cx
            .log(Level::Debug, || format!("server={name} call lost: {why}"));
        hands.events.push_back(BackendEvent::CallLost {
            pool: hands.me,
            id: Some(id),
            loss: CallLoss::Exchange(why),
        });
    }

    /// A request is over; what carries it is given up. `false` if there is none of this id.
    pub(super) fn forget(&mut self, hands: &mut Hands<'_, '_>, id: u64) -> bool {
        self.executes(id);
        let Some(call) = self.calls.remove(&id) else {
            return false;
        };
        match call.place {
            Place::Asked(key) => self.give_up(hands, key),
            Place::Streamed => self.posted_over(hands.cx.now.tick, id),
            Place::Waiting | Place::Unauthorized { .. } | Place::Pausing { .. } => {}
        }
        true
    }

    /// Nothing more of an exchange is of interest.
    pub(super) fn give_up(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) {
        if self.exchanges.remove(&key).is_some() {
            hands.fetch.give_up(hands.cx, key);
        }
    }

    // --- alarms ---

    /// When something is due for one of the calls.
    pub(super) fn calls_until(&self) -> Option<Tick> {
        let due = |call: &Call| match call.place {
            Place::Pausing { until } | Place::Unauthorized { until, .. } => {
                Some(call.cancelled.map_or(until, |at| at.min(until)))
            }
            Place::Waiting | Place::Asked(_) | Place::Streamed => call.cancelled,
        };
        self.calls.values().filter_map(due).min()
    }

    /// It is.
    pub(super) fn calls_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.cx.now.tick;
        let over = |call: &Call| call.cancelled.is_some_and(|at| at <= now);
        let resumed = |call: &Call| matches!(call.place, Place::Pausing { until } if until <= now);
        let denied =
            |call: &Call| matches!(call.place, Place::Unauthorized { until, .. } if until <= now);
        let ids = |which: &dyn Fn(&Call) -> bool| -> Vec<u64> {
            let calls = self.calls.iter().filter(|(_, call)| which(call));
            calls.map(|(id, _)| *id).collect()
        };
        let (over, resumed, denied) = (ids(&over), ids(&resumed), ids(&denied));
        for id in over {
            self.lose(hands, id, "was told that nobody waits any more".to_owned());
        }
        for id in denied {
            Mark::TokenLate.hit();
            let why = format!(
                "wants another token; none came within {}",
                span(TOKEN_MS_MAX)
            );
            self.lose(hands, id, why);
        }
        for id in resumed {
            self.resume(hands, id);
        }
    }
}

impl Call {
    fn new(place: Place, body: Option<Vec<u8>>, ours: bool) -> Self {
        Self {
            place,
            body,
            params: Vec::new(),
            repeated: false,
            authorized: false,
            operation: String::new(),
            refusal: String::new(),
            ours,
            cancelled: None,
            resume: Resume::default(),
        }
    }
}

/// Whether the hall asks for this anew by itself in every new session: sent again, it would be
/// asked for twice.
fn asked_by_itself(body: &[u8], envelope: &Envelope) -> bool {
    let method = envelope.method_name(body).unwrap_or_default();
    matches!(
        &*method,
        "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "logging/setLevel"
    )
}
