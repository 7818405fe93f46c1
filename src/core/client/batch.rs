//! Batches of 2025-03-26 (B8, C12): one array, told message by message.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::accept::Forms;
use crate::client::classify::is_initialize;
use crate::client::message;
use crate::client::refusal::{Refusal, Refused};
use crate::client::session::Session;
use crate::client::stream::Stream;
use crate::cx::Cx;
use crate::json::envelope::{self, Envelope, JsonId, Kind};
use crate::json::span::{self, Span};
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::BATCH_MAX;
use crate::links::LinkKey;
use crate::mcp::version::Version;

/// A batch whose messages are being told.
#[derive(Debug)]
pub(super) struct Batch {
    client: ClientKey,
    text: Rc<Vec<u8>>,
    /// What is left: where it lies, and for a request where its answer goes.
    items: VecDeque<(Span, Option<At>)>,
}

/// What is in a batch.
struct Plan {
    items: VecDeque<(Span, Option<At>)>,
    requests: usize,
    /// Errors for what was no message, or no request that can be taken.
    errors: Vec<Vec<u8>>,
}

impl Clients {
    /// The next message of the batch that was read last; it is in the frame.
    pub(super) fn next_of_batch(&mut self, frame: &mut Frame) -> Option<ClientEvent> {
        loop {
            let batch = self.batch.as_mut()?;
            let client = batch.client;
            let Some(session) = self.sessions.get_mut(client) else {
                self.batch = None;
                return None;
            };
            let Some((at_text, at)) = batch.items.pop_front() else {
                self.batch = None;
                return None;
            };
            // Copied, so that the frame holds one message as it always does.
            frame.fill(at_text.of(&batch.text));
            let text = frame.bytes();
            let Ok(envelope) = envelope::read(text) else {
                continue;
            };
            let event = match at {
                Some(at) => message::request(client, at, text, envelope),
                None => message::one_way(session, client, text, envelope),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// A batch on a client's only channel: its errors are answered one by one.
    pub(super) fn direct_batch(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &Frame,
        client: ClientKey,
    ) -> Result<(), Refusal> {
        let session = self
            .sessions
            .get_mut(client)
            .ok_or(Refusal::UnknownSession)?;
        let plan = plan(cx, session, frame.bytes(), 0)?;
        for error in &plan.errors {
            self.send_direct(cx, client, &[error.as_slice().into()]);
        }
        self.tell_batch(client, frame, plan.items);
        Ok(())
    }

    /// A batch posted to `/mcp`: without requests 202, else its answers leave as one array, or as
    /// events if something had to be streamed first.
    pub(super) fn post_batch(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &Frame,
        link: LinkKey,
        client: ClientKey,
        forms: Forms,
    ) -> Result<Option<ClientEvent>, Refusal> {
        self.admit_stream(client)?;
        let session = self
            .sessions
            .get_mut(client)
            .ok_or(Refusal::UnknownSession)?;
        let number = session.number();
        let plan = plan(cx, session, frame.bytes(), number)?;
        if plan.requests == 0 && plan.errors.is_empty() {
            self.http.empty(cx, link, 202, &[]);
        } else {
            let mut stream = Stream::held(number, link, forms, cx.now.tick);
            // Each error is an answer too, so the last of all ends the stream.
            stream.waiting = plan.requests + plan.errors.len();
            stream.batch = Some(Vec::new());
            self.start_stream(cx, client, stream);
            for error in &plan.errors {
                self.answer_stream(cx, client, number, &[error.as_slice().into()]);
            }
        }
        self.tell_batch(client, frame, plan.items);
        Ok(None)
    }

    fn tell_batch(
        &mut self,
        client: ClientKey,
        frame: &Frame,
        items: VecDeque<(Span, Option<At>)>,
    ) {
        self.batch = Some(Batch {
            client,
            text: Rc::clone(frame.shared()),
            items,
        });
    }
}

/// Whether an array has a request.
pub(super) fn has_request(text: &[u8]) -> bool {
    let mut elements = span::elements(text, Span::whole(text)).take(BATCH_MAX);
    elements
        .any(|at| envelope::read_at(text, at).is_ok_and(|envelope| envelope.kind == Kind::Request))
}

/// Looks at every message of an array, and notes its requests as owed.
fn plan(cx: &mut Cx<'_>, session: &mut Session, text: &[u8], stream: u32) -> Result<Plan, Refusal> {
    let spoken = session.opened && session.facts.version == Version::V2025_03_26;
    let elements: Vec<Span> = span::elements(text, Span::whole(text))
        .take(BATCH_MAX + 1)
        .collect();
    if spoken && elements.len() > BATCH_MAX {
        Mark::BatchTooLong.hit();
    }
    if !spoken || elements.is_empty() || elements.len() > BATCH_MAX {
        return Err(Refusal::Batch);
    }
    let initializes = |at: &Span| {
        envelope::read_at(text, *at).is_ok_and(|envelope| is_initialize(text, &envelope))
    };
    if elements.iter().any(initializes) {
        Mark::BatchedInitialize.hit();
        return Err(Refusal::BatchedInitialize);
    }
    let mut plan = Plan {
        items: VecDeque::with_capacity(elements.len()),
        requests: 0,
        errors: Vec::new(),
    };
    for at in elements {
        match envelope::read_at(text, at) {
            Err((fault, id)) => {
                let refused = Refused::named(fault.into(), text, id);
                plan.errors.push(refused.body());
            }
            Ok(envelope) => match take(cx, session, (text, &envelope), stream) {
                Ok(owed) => {
                    plan.requests += usize::from(owed.is_some());
                    plan.items.push_back((at, owed));
                }
                Err(refusal) => {
                    let refused = Refused::request(refusal, text, &envelope);
                    plan.errors.push(refused.counted(cx).body());
                }
            },
        }
    }
    if !plan.errors.is_empty() {
        Mark::BatchWithFault.hit();
    }
    Ok(plan)
}

/// Notes a request as owed; `None` for everything else.
fn take(
    cx: &mut Cx<'_>,
    session: &mut Session,
    (text, envelope): (&[u8], &Envelope),
    stream: u32,
) -> Result<Option<At>, Refusal> {
    message::legacy_only(text, envelope)?;
    if envelope.kind != Kind::Request {
        return Ok(None);
    }
    let id = envelope.id.map(|id| id.of(text)).unwrap_or_default();
    message::admit(session, id)?;
    let account = message::account(cx, text, envelope);
    Ok(Some(session.expect(JsonId::new(id), stream, account)))
}
