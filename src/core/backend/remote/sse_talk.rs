//! Sessions over HTTP+SSE of 2024-11-05: the half of [`Remote`] for servers of that transport. GET
//! comes first; `initialize` is posted as soon as the server has said where; whatever the server
//! says comes on the stream (`sse`), and its end is the end of the session. Which of the two
//! transports is tried, and when the other one, is decided here too (protocol F2).

use std::rc::Rc;

use crate::backend::handshake::{Answer, Handshake, INITIALIZE_ID, INITIALIZED};
use crate::backend::lifecycle::Phase;
use crate::backend::remote::exchange::{Ended, Exchange, Role, Step};
use crate::backend::remote::renew::speaks_of_session;
use crate::backend::remote::sse::{Heard, NoStream, Stream, instead_of_stream};
use crate::backend::remote::{Hands, Remote};
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::url::Url;
use crate::effect::Level;
use crate::fetch::{FailureKind, FetchFailure, FetchKey, Lane};
use crate::http1::fault::{Fault, Place};
use crate::http1::sse_reader::Event;
use crate::json::envelope::{Envelope, Kind};
use crate::language::RemoteKind;
use crate::limits::STREAM_STABLE_MS;
use crate::mcp::version::Era;
use crate::now::Tick;

/// Which transport a server is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What is known of the way to a server.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The one by which it came up last.
    known: Option<Way>,
    /// Why the first one of this try was refused, while the other one is tried.
    refused: Option<String>,
}

/// What a session over HTTP+SSE has beside its exchanges.
#[derive(Debug, Default)]
pub(super) struct Old {
    stream: Stream,
    handshake: Handshake,
}

impl Remote {
    // --- which transport ---

    /// The transport that is tried first: what worked last, else what the entry says. That is only
    /// a beginning, since entries outlive servers: where the one is unknown, the other is tried
    /// once.
    pub(super) fn way(&mut self) -> Way {
        self.ways.refused = None;
        match (self.ways.known, self.at.kind, self.spec.era) {
            // A revision without sessions cannot be spoken on a stream that is a session.
            (_, _, Era::Modern) => Way::Streamable,
            (Some(way), ..) => way,
            (None, RemoteKind::Http, _) => Way::Streamable,
            (None, RemoteKind::Sse, _) => Way::Sse,
        }
    }

    /// Streamable HTTP is not spoken at this URL, for this reason.
    pub(super) fn fall_back(&mut self, hands: &mut Hands<'_, '_>, why: String) {
        if self.renewing.is_some() || self.ways.refused.is_some() || self.spec.era == Era::Modern {
            return self.refuse(hands, why);
        }
        Mark::FallsBackToSse.hit();
        self.ways.refused = Some(why);
        self.begin_sse(hands);
    }

    /// HTTP+SSE is not spoken at this URL, for this reason.
    fn fall_forward(&mut self, hands: &mut Hands<'_, '_>, why: String) {
        self.old = None;
        let Phase::Handshaking { until, .. } = self.phase else {
            return self.lost(hands, why);
        };
        if self.ways.refused.is_some() {
            return self.refuse(hands, why);
        }
        Mark::FallsForwardFromSse.hit();
        self.ways.refused = Some(why);
        self.begin_greeting(hands, until);
    }

    /// What the server cannot be spoken with for, if both transports were tried.
    pub(super) fn both_refused(&mut self, why: String) -> String {
        match self.ways.refused.take() {
            Some(first) => format!("{first}; by the other transport: {why}"),
            None => why,
        }
    }

    /// The session came up: its way is remembered, and told if the entry says another.
    pub(super) fn note_way(&mut self, hands: &mut Hands<'_, '_>) {
        let way = if self.old.is_some() {
            Way::Sse
        } else {
            Way::Streamable
        };
        self.ways.refused = None;
        if self.ways.known.replace(way) == Some(way) {
            return;
        }
        let name = &self.spec.name;
        match (self.at.kind, way) {
            (RemoteKind::Http, Way::Streamable) | (RemoteKind::Sse, Way::Sse) => {}
            (RemoteKind::Http, Way::Sse) => hands.cx.log(Level::Info, || {
                format!("server={name} speaks HTTP+SSE of 2024-11-05 only")
            }),
            (RemoteKind::Sse, Way::Streamable) => hands.cx.log(Level::Info, || {
                format!(
                    "server={name} has no stream of \"type\": \"sse\", and speaks Streamable \
                     HTTP: write \"type\": \"http\""
                )
            }),
        }
    }

    // --- the stream ---

    /// Asks for the stream.
    pub(super) fn begin_sse(&mut self, hands: &mut Hands<'_, '_>) {
        // What was asked by the other transport says nothing any more, however it ends.
        self.drop_hellos(hands);
        self.old = Some(Box::default());
        let order = self.get(None, Lane::Stream);
        self.exchange(hands, Role::Stream, order);
    }

    /// Where messages are posted.
    pub(super) fn post_url(&self) -> &Rc<Url> {
        let named = self.old.as_ref().and_then(|old| old.stream.post());
        named.unwrap_or(&self.at.url)
    }

    /// The response to GET has begun.
    pub(super) fn sse_begun(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) {
        let url = hands.fetch.url(key).unwrap_or(&self.at.url);
        let head = self.exchanges.get(&key).and_then(|one| one.head.as_ref());
        if let (Some(old), Some(head)) = (&mut self.old, head) {
            // What it is if it is no stream is read when its body is there.
            let _ = old.stream.head(hands.cx.now.tick, Rc::clone(url), head);
        }
    }

    /// An event came on the stream; whether there is a message, which is in the frame then.
    pub(super) fn sse_event(
        &mut self,
        hands: &mut Hands<'_, '_>,
        event: Event,
        frame: &mut Frame,
    ) -> bool {
        let Some(old) = &mut self.old else {
            return false;
        };
        match old.stream.event(event) {
            Heard::Nothing => {}
            Heard::Opened => self.sse_initialize(hands),
            Heard::Refused(why) => self.sse_lost(hands, why),
            Heard::Message(text) => {
                frame.adopt(text);
                return true;
            }
        }
        false
    }

    /// Until when the server has to say where to post.
    pub(super) fn sse_until(&self) -> Option<Tick> {
        self.old.as_ref()?.stream.deadline()
    }

    /// It did not: this may be the GET stream of Streamable HTTP, on which it has nothing to say.
    pub(super) fn sse_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        let old = self.old.as_mut();
        let heard = old.map(|old| old.stream.alarm(hands.cx.now.tick));
        let Some(Heard::Refused(why)) = heard else {
            return;
        };
        let mut exchanges = self.exchanges.iter();
        let stream = exchanges.find(|(_, exchange)| exchange.role == Role::Stream);
        if let Some(key) = stream.map(|(key, _)| *key) {
            self.give_up(hands, key);
        }
        self.fall_forward(hands, why);
    }

    /// The stream has ended, or there is none.
    pub(super) fn sse_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        exchange: &Exchange,
        ended: Ended,
    ) {
        let is_stream = exchange.head_is_stream();
        match (ended, &exchange.head) {
            (Ended::Failed(failure), _) if is_stream => {
                self.sse_lost(hands, format!("lost its event stream: {}", failure.why));
            }
            (Ended::Failed(failure), _) => self.lost(hands, failure.why),
            (Ended::Whole(_), _) if is_stream => {
                let why = "ended its event stream, which was the session".to_owned();
                self.sse_lost(hands, why);
            }
            (Ended::Whole(_), Some(head)) if exchange.succeeded() => {
                let why = instead_of_stream(head);
                self.fall_forward(hands, why);
            }
            (Ended::Whole(body), head) => {
                self.note_pause(hands, exchange);
                let why = self.words(exchange, &body);
                let is_unknown = |head| Stream::refusal(head) == NoStream::Unknown;
                if head.as_ref().is_some_and(is_unknown) {
                    self.fall_forward(hands, why);
                } else {
                    self.refuse(hands, why);
                }
            }
        }
    }

    /// The session is over. One that had served for a while is tried again soon, however often
    /// that happens: proxies cut every stream after a minute or an hour.
    fn sse_lost(&mut self, hands: &mut Hands<'_, '_>, why: String) {
        let now = hands.cx.now.tick;
        match self.phase.ready_since() {
            None => self.refuse(hands, why),
            Some(since) => {
                if now.since(since) >= STREAM_STABLE_MS {
                    self.backoff.forgive();
                }
                self.lost(hands, why);
            }
        }
    }

    // --- the handshake ---

    fn sse_initialize(&mut self, hands: &mut Hands<'_, '_>) {
        let Some(old) = &self.old else { return };
        let request = old.handshake.request(self.spec.declare, &self.our_version);
        let order = self.post_word(request);
        self.exchange(hands, Role::Hello(Step::Initialize), order);
    }

    /// An answer on the stream before the session is ready.
    pub(super) fn sse_hello(
        &mut self,
        hands: &mut Hands<'_, '_>,
        text: &[u8],
        envelope: &Envelope,
    ) {
        let id = envelope.id.map(|id| id.of(text));
        let of_nothing = id.is_none() && envelope.kind == Kind::Error;
        let Some(old) = &mut self.old else { return };
        if self.talk.version.is_some() || id != Some(INITIALIZE_ID) && !of_nothing {
            return;
        }
        match old.handshake.answer(text, envelope) {
            Answer::Again => self.sse_initialize(hands),
            Answer::Refused(why) => self.refuse(hands, why),
            Answer::Hello(hello) => {
                self.talk.version = Some(hello.version);
                self.take_hello(hello);
                self.was_legacy = true;
                let order = self.post_word(INITIALIZED.into());
                self.exchange(hands, Role::Hello(Step::Initialized), order);
            }
        }
    }

    /// A message of the handshake was posted, or could not be.
    pub(super) fn sse_hello_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        step: Step,
        exchange: &Exchange,
        ended: Ended,
    ) {
        match ended {
            Ended::Failed(failure) if is_late(&failure) => {}
            Ended::Failed(failure) => self.lost(hands, failure.why),
            Ended::Whole(body) if step == Step::Initialized => {
                self.initialized(hands, exchange, &body);
            }
            Ended::Whole(_) if exchange.succeeded() => {}
            Ended::Whole(body) => {
                self.note_pause(hands, exchange);
                let why = self.words(exchange, &body);
                self.refuse(hands, why);
            }
        }
    }

    // --- afterwards ---

    /// The request of this id was posted, or could not be. Its answer comes on the stream, so that
    /// a success says nothing, nor does a server that takes its time with it.
    pub(super) fn sse_posted(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        exchange: &Exchange,
        ended: Ended,
    ) {
        let why = match ended {
            Ended::Failed(failure) if is_late(&failure) => return,
            Ended::Failed(failure) if matches!(failure.kind, FailureKind::Open(_)) => {
                return self.lost(hands, failure.why);
            }
            Ended::Failed(failure) => failure.why,
            Ended::Whole(_) if exchange.succeeded() => return,
            Ended::Whole(body) => {
                self.note_pause(hands, exchange);
                let why = self.words(exchange, &body);
                if forgot(exchange, &body) {
                    return self.sse_forgotten(hands, &why);
                }
                why
            }
        };
        if self.calls.contains_key(&id) {
            self.lose(hands, id, why);
        }
    }

    /// The server does not know the session any more, although its stream is open: it was started
    /// again behind its proxy. No message will ever arrive, so another stream is asked for.
    pub(super) fn sse_forgotten(&mut self, hands: &mut Hands<'_, '_>, why: &str) {
        Mark::PostSessionGone.hit();
        self.sse_lost(hands, format!("does not know its session any more: {why}"));
    }
}

/// Whether a POST was refused since its session is unknown: 404 as most do, or 400 with a word
/// about it.
pub(super) fn forgot(exchange: &Exchange, body: &[u8]) -> bool {
    match exchange.status() {
        404 | 410 => true,
        400 => speaks_of_session(body),
        _ => false,
    }
}

/// The message was sent, and the server lets us wait for the word that it has it.
fn is_late(failure: &FetchFailure) -> bool {
    failure.reached && failure.kind == FailureKind::Exchange(Fault::TimedOut(Place::Before))
}
