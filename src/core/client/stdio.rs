//! Our own stdin and stdout as one client (B1 to B8): lines in, lines out.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::classify::{Era, classify};
use crate::client::message::{self, read_message};
use crate::client::refusal::{Refusal, Refused};
use crate::client::session::{Caller, Channel, Session};
use crate::cx::Cx;
use crate::effect::Effect;
use crate::json::newline::{Line, Lines};
use crate::language::{ClientEvent, ClientKey};
use crate::limits::{CALLS_PER_CLIENT_MAX, CLIENT_OUTBOX_BYTES_SOFT};
use crate::links::{LinkKey, Owner};

/// How far our stdin has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// More may come.
    Open,
    /// It has ended; lines may still wait.
    Ended,
    /// All of it was told.
    Told,
}

/// Our own stdin and stdout.
#[derive(Debug)]
pub(super) struct Stdio {
    link: LinkKey,
    client: ClientKey,
    lines: Lines,
    input: Input,
    paused: bool,
    /// Its requests without a session.
    pub(super) exchanges: Vec<ClientKey>,
    /// How many of those are subscriptions.
    pub(super) listens: usize,
}

impl Stdio {
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    pub(super) fn eof(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Ended;
        }
    }

    pub(super) const fn client(&self) -> ClientKey {
        self.client
    }
}

impl Clients {
    /// Our own stdin and stdout are a client from now on. Of several, the last one counts.
    pub fn stdio(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        cx.links.open(link, Owner::Stdio);
        let session = Session::new(Channel::Stdio { link }, Caller::default(), cx.now.tick);
        let client = self.sessions.insert(session);
        self.stdio = Some(Stdio {
            link,
            client,
            lines: Lines::default(),
            input: Input::Open,
            paused: false,
            exchanges: Vec::new(),
            listens: 0,
        });
    }

    /// Our own stdio, if that is this link.
    pub(super) fn stdio_of(&mut self, link: LinkKey) -> Option<&mut Stdio> {
        self.stdio.as_mut().filter(|stdio| stdio.link == link)
    }

    /// What the next lines want.
    pub(super) fn next_of_stdio(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
    ) -> Option<ClientEvent> {
        loop {
            self.pace(cx);
            let stdio = self.stdio.as_mut().filter(|stdio| !stdio.paused)?;
            let client = stdio.client;
            let line = match stdio.input {
                Input::Open => stdio.lines.next(frame)?,
                Input::Ended => match stdio.lines.finish(frame) {
                    Some(line) => line,
                    None => {
                        stdio.input = Input::Told;
                        return Some(ClientEvent::InputEnded { client });
                    }
                },
                Input::Told => return None,
            };
            let taken = match line {
                Line::Full => self.take_line(cx, frame, client),
                Line::TooLong { .. } => {
                    Mark::ClientLineTooLong.hit();
                    Err(Refusal::LineTooLong.into())
                }
            };
            match taken {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {
                    if let Some(event) = self.next_of_batch(frame) {
                        return Some(event);
                    }
                }
                Err(refused) => {
                    let body = refused.counted(cx).body();
                    self.send_direct(cx, client, &[body.as_slice().into()]);
                }
            }
        }
    }

    fn take_line(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        client: ClientKey,
    ) -> Result<Option<ClientEvent>, Refused> {
        let Some(envelope) = read_message(frame, &self.familiar)? else {
            self.direct_batch(cx, frame, client)?;
            return Ok(None);
        };
        let text = frame.bytes();
        let named = |refusal| Refused::request(refusal, text, &envelope);
        if self.cancel_exchange(cx, text, &envelope) {
            return Ok(None);
        }
        let found = self.familiar.survey(text, envelope.meta);
        if let Era::Modern(meta) = classify(text, found, None)
            && let Some(link) = self.stdio.as_ref().map(|stdio| stdio.link)
        {
            return self
                .line_modern(cx, frame, (link, client), (envelope, meta))
                .map_err(named);
        }
        let id = message::asked(&envelope).map(|id| id.of(text));
        if id.is_some_and(|id| self.stdio_exchange(id).is_some()) {
            return Err(named(Refusal::DuplicateId));
        }
        let Some(session) = self.sessions.get_mut(client) else {
            return Ok(None);
        };
        message::direct(cx, (session, client), text, envelope).map_err(named)
    }

    /// Stops reading our stdin while too much of it is unanswered, or the answers are not read: a
    /// file of requests may well be piped in with a slow reader behind us. Once it has ended, the
    /// little that was read already is answered whatever happens, or we would not come to our end.
    pub(super) fn pace(&mut self, cx: &mut Cx<'_>) {
        let Some(stdio) = &mut self.stdio else {
            return;
        };
        let unread = cx.links.unsent(stdio.link) > CLIENT_OUTBOX_BYTES_SOFT;
        let full = self.sessions.get(stdio.client).is_some_and(|session| {
            let calls = stdio.exchanges.len().saturating_sub(stdio.listens);
            session.busy || session.outstanding.len() + calls >= CALLS_PER_CLIENT_MAX
        });
        if full {
            Mark::StdinPaused.hit();
        } else if unread && stdio.input == Input::Open {
            Mark::StdinPausedUnread.hit();
        }
        let full = full || (unread && stdio.input == Input::Open);
        if stdio.paused != full {
            stdio.paused = full;
            if stdio.input == Input::Open {
                cx.effects.push(Effect::PauseRead {
                    link: stdio.link,
                    paused: full,
                });
            }
        }
    }
}
