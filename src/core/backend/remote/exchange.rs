//! One exchange of a session: what it is for, and how what comes of it is read. Knows nothing of
//! what is said in it.

use std::num::NonZeroU64;

use crate::backend::listen::StreamId;
use crate::base::frame::Frame;
use crate::fetch::FetchFailure;
use crate::http1::response_head::ResponseHead;
use crate::http1::sse_reader::{Event, Reader};
use crate::json::newline::{Line, Lines};
use crate::limits::{LINE_BYTES_MAX, QUOTE_BYTES_MAX};

/// What a message of the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `server/discover`.
    Discover,
    /// `initialize`.
    Initialize,
    /// `notifications/initialized`.
    Initialized,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The handshake.
    Hello(Step),
    /// A request of the hall, or what follows of the answer to it.
    Call(u64),
    /// A notification, or an answer to the server.
    Tell,
    /// The GET stream of a legacy server.
    Ears,
    /// The stream that is a session over HTTP+SSE.
    Stream,
    /// The stream of changes of a modern server.
    Changes(StreamId),
    /// DELETE.
    Goodbye,
}

impl Role {
    /// What comes here is about this request of the hall (protocol S3).
    pub(super) fn about(self) -> Option<NonZeroU64> {
        match self {
            Self::Call(id) => NonZeroU64::new(id),
            Self::Hello(_)
            | Self::Tell
            | Self::Ears
            | Self::Stream
            | Self::Changes(_)
            | Self::Goodbye => None,
        }
    }
}

/// How the body is read.
#[derive(Debug)]
pub(super) enum Reading {
    /// As a whole, when it has ended.
    Whole,
    /// As events, when they come.
    Events(Box<Reader>),
    /// As lines, when they come (protocol 6.4).
    Lines(Box<Lines>),
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Its response is complete; the body, unless it was read already.
    Whole(Vec<u8>),
    /// There is no response, or not all of it.
    Failed(FetchFailure),
}

/// What [`Exchange::next`] found.
pub(super) enum Found {
    /// A message, or an array of them; it is in the frame.
    Message,
    /// An event of a stream that is a session.
    Event(Event),
    /// Nothing until more comes.
    Nothing,
    /// A message beyond the limit; nothing more can be read.
    TooLong,
    /// Nothing more will come.
    Over(Ended),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) role: Role,
    /// Of which session in the server's sense.
    pub(super) talk: u32,
    /// The request named that session.
    pub(super) named: bool,
    /// The number of the token that went with it.
    pub(super) token: Option<u32>,
    /// The message, if it may be sent once more with another token.
    pub(super) again: Option<Vec<u8>>,
    pub(super) head: Option<ResponseHead>,
    pub(super) reading: Reading,
    pub(super) ended: Option<Ended>,
    /// It stands in the line of those that were not read.
    pub(super) in_line: bool,
    /// What it was for has come.
    pub(super) answered: bool,
    /// Its body was read, whatever it was.
    read: bool,
    /// More of it was held than there is room for.
    pub(super) full: bool,
}

impl Exchange {
    /// A request that is being sent.
    pub(super) fn new(role: Role, talk: u32, named: bool) -> Self {
        Self {
            role,
            talk,
            named,
            token: None,
            again: None,
            head: None,
            reading: Reading::Whole,
            ended: None,
            in_line: false,
            answered: false,
            read: false,
            full: false,
        }
    }

    /// The status of the response; 0 before there is one.
    pub(super) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// Whether the server did what it was asked, as far as HTTP is concerned.
    pub(super) fn succeeded(&self) -> bool {
        matches!(self.status(), 200..=299)
    }

    /// Whether the response is read as it comes.
    pub(super) fn head_is_stream(&self) -> bool {
        !matches!(self.reading, Reading::Whole)
    }

    /// The response has begun; whether its body is read as it comes. Whatever has no type is taken
    /// for JSON.
    pub(super) fn begin(&mut self, head: ResponseHead) -> bool {
        let kind = head.content_type().unwrap_or_default();
        let succeeds = matches!(head.status, 200..=299);
        self.reading = if succeeds && kind.eq_ignore_ascii_case("text/event-stream") {
            Reading::Events(Box::new(Reader::new(LINE_BYTES_MAX)))
        } else if succeeds && matches!(self.role, Role::Changes(_)) {
            Reading::Lines(Box::default())
        } else {
            Reading::Whole
        };
        self.head = Some(head);
        self.head_is_stream()
    }

    /// Whether the body is one that can hold messages.
    pub(super) fn holds_messages(&self) -> bool {
        let kind = self.head.as_ref().and_then(ResponseHead::content_type);
        let kind = kind.unwrap_or_default();
        let json = kind.is_empty()
            || kind.eq_ignore_ascii_case("application/json")
            || kind.to_ascii_lowercase().ends_with("+json");
        json || !matches!(self.reading, Reading::Whole)
    }

    /// Takes a piece of a body that is read as it comes.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        match &mut self.reading {
            Reading::Whole => {}
            Reading::Events(reader) => reader.receive(bytes),
            Reading::Lines(lines) => lines.push(bytes),
        }
    }

    /// How many bytes are held of messages that are not complete.
    pub(super) fn held(&self) -> usize {
        match &self.reading {
            Reading::Whole => 0,
            Reading::Events(reader) => reader.held(),
            Reading::Lines(lines) => lines.pending(),
        }
    }

    /// The next thing in what came.
    pub(super) fn next(&mut self, frame: &mut Frame) -> Found {
        if self.full {
            return Found::TooLong;
        }
        match &mut self.reading {
            Reading::Whole => {}
            Reading::Events(reader) => loop {
                match reader.next_event() {
                    Ok(Some(event)) if self.role == Role::Stream => return Found::Event(event),
                    // What has another name is somebody's invention, and what has no data is there
                    // for its id.
                    Ok(Some(event)) if event.event.is_some() || event.data.is_empty() => {}
                    Ok(Some(event)) => {
                        frame.adopt(event.data);
                        return Found::Message;
                    }
                    Ok(None) => break,
                    Err(_) => return Found::TooLong,
                }
            },
            Reading::Lines(lines) => {
                let line = match self.ended {
                    Some(_) => lines.finish(frame),
                    None => lines.next(frame),
                };
                match line {
                    Some(Line::Full) => return Found::Message,
                    Some(Line::TooLong { .. }) => return Found::TooLong,
                    None => {}
                }
            }
        }
        self.next_of_end(frame)
    }

    fn next_of_end(&mut self, frame: &mut Frame) -> Found {
        let (good, holds) = (self.succeeded(), self.holds_messages());
        match &mut self.ended {
            None => Found::Nothing,
            Some(Ended::Whole(body))
                if good && holds && !self.read && !body.trim_ascii().is_empty() =>
            {
                self.read = true;
                frame.adopt(std::mem::take(body));
                Found::Message
            }
            Some(_) => self.ended.take().map_or(Found::Nothing, Found::Over),
        }
    }

    /// What was read of the body was not what was asked for; some of it is kept for the sentence
    /// that says so.
    pub(super) fn read_in_vain(&mut self, text: &[u8]) {
        if let (Reading::Whole, Some(Ended::Whole(body))) = (&self.reading, &mut self.ended) {
            let some = text.len().min(4 * QUOTE_BYTES_MAX);
            *body = text.get(..some).unwrap_or_default().to_vec();
        }
    }

    /// The events, if these are any.
    pub(super) fn reader(&self) -> Option<&Reader> {
        match &self.reading {
            Reading::Events(reader) => Some(reader),
            Reading::Whole | Reading::Lines(_) => None,
        }
    }
}
