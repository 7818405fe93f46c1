//! One client: what is known of it, which requests it waits for, and the channel it is reached by.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::exchange::Exchange;
use crate::client::kept::Kept;
use crate::client::replay::{EventId, Replay};
use crate::client::sealed::Birth;
use crate::client::session_id::SessionId;
use crate::client::stream::Stream;
use crate::json::envelope::JsonId;
use crate::language::At;
use crate::links::LinkKey;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Version;
use crate::now::Tick;
use crate::principal::Sight;
use crate::tally::Account;

/// How a client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Our own stdin and stdout.
    Stdio,
    /// `/mcp`.
    Streamable,
    /// `/sse` and `/messages`.
    Sse,
}

/// What the hall may know of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFacts {
    /// The revision that is spoken; 2024-11-05 before `initialize` (E5).
    pub version: Version,
    /// What it declared; nothing before `initialize`.
    pub capabilities: ClientCapabilities,
    /// How it reached us.
    pub transport: Transport,
    /// Whether it sent `notifications/initialized`.
    pub initialized: bool,
    /// The log level that came with its one request, if it has no session.
    pub level: Option<u8>,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Outstanding {
    /// What the hall calls it.
    pub(super) at: At,
    /// What the client calls it.
    pub(super) id: JsonId,
    /// The POST it came in; 0 where there is only one channel.
    pub(super) stream: u32,
    /// To be given back when it ends.
    pub(super) account: Account,
}

/// Who sends a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// What its token lets it see, and of that what its URL asks for.
    pub(super) sight: Sight,
    /// Under which origin it knows us; empty for our own stdin.
    pub(super) origin: Rc<str>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) facts: ClientFacts,
    /// Who sent its latest request.
    pub(super) caller: Caller,
    /// Whether `initialize` came.
    pub(super) opened: bool,
    /// Whether the hall asked for a pause.
    pub(super) busy: bool,
    /// The last sign of life.
    pub(super) used: Tick,
    pub(super) outstanding: Vec<Outstanding>,
    pub(super) channel: Channel,
    next: u32,
}

/// The way to a client.
#[derive(Debug)]
pub(super) enum Channel {
    Stdio {
        link: LinkKey,
    },
    Sse {
        id: SessionId,
        link: LinkKey,
    },
    Streamable(Box<Streamable>),
    /// No session: one request.
    Exchange(Exchange),
}

/// The state of a session on `/mcp`.
#[derive(Debug)]
pub(super) struct Streamable {
    pub(super) id: SessionId,
    /// What its name says.
    pub(super) birth: Birth,
    /// POSTs with requests that are not all answered.
    pub(super) streams: Vec<Stream>,
    /// The connection of the GET stream.
    pub(super) main: Option<LinkKey>,
    /// Events on the GET stream have larger numbers than this.
    main_first: u32,
    /// Number of the last event on the GET stream.
    pub(super) main_last: u32,
    pub(super) replay: Replay,
    pub(super) undelivered: VecDeque<Undelivered>,
    /// The moment of the session's alarm.
    pub(super) armed: Tick,
}

/// A message that waits for a GET stream.
#[derive(Debug)]
pub(super) struct Undelivered {
    pub(super) message: Kept,
    /// A question may not be dropped silently: somebody waits for its answer.
    pub(super) question: bool,
}

impl Session {
    /// A client that has said nothing yet: taken for one of 2024-11-05 without capabilities (E5).
    pub(super) fn new(channel: Channel, caller: Caller, now: Tick) -> Self {
        let transport = match channel {
            Channel::Stdio { .. } => Transport::Stdio,
            Channel::Sse { .. } => Transport::Sse,
            Channel::Streamable(_) | Channel::Exchange(_) => Transport::Streamable,
        };
        Self {
            facts: ClientFacts {
                version: Version::V2024_11_05,
                capabilities: ClientCapabilities::default(),
                transport,
                initialized: false,
                level: None,
            },
            caller,
            opened: false,
            busy: false,
            used: now,
            outstanding: Vec::new(),
            channel,
            next: 0,
        }
    }

    /// Whether a request of this caller may use the session (R8). If so it counts as the latest.
    pub(super) fn is_used_by(&mut self, caller: &Caller) -> bool {
        let same = self.caller.sight.grant() == caller.sight.grant();
        if same {
            let before = std::mem::replace(&mut self.caller, caller.clone());
            if let Channel::Sse { .. } = self.channel {
                // What the URL of the stream asks for counts, not that of a message.
                let sight = std::mem::take(&mut self.caller.sight);
                self.caller.sight = sight.narrowed(before.sight.filter().clone());
            }
        }
        same
    }

    /// `initialize` was read: what was agreed on holds from here.
    pub(super) fn open(&mut self, version: Version, capabilities: ClientCapabilities) {
        self.opened = true;
        self.facts.version = version;
        self.facts.capabilities = capabilities;
        self.facts.initialized = false;
    }

    /// Numbers of requests and streams come after this one.
    pub(super) const fn begin_at(&mut self, number: u32) {
        self.next = number;
    }

    /// A number for a request or a stream that no live one has; never 0.
    pub(super) fn number(&mut self) -> u32 {
        loop {
            // A client with a thousand requests a second comes round after seven weeks.
            self.next = self.next.wrapping_add(1);
            let taken = self.outstanding.iter().any(|one| one.at.0 == self.next)
                || self.streamable().is_some_and(|own| own.has(self.next));
            if self.next != 0 && !taken {
                return self.next;
            }
        }
    }

    /// Whether the client still waits for an answer to this id.
    pub(super) fn waits_for(&self, id: &[u8]) -> bool {
        self.outstanding.iter().any(|one| one.id.same(id))
    }

    /// Notes that an answer is owed.
    pub(super) fn expect(&mut self, id: JsonId, stream: u32, account: Account) -> At {
        let at = At(self.number());
        self.outstanding.push(Outstanding {
            at,
            id,
            stream,
            account,
        });
        at
    }

    /// The account of a request that is owed.
    pub(super) fn account_of(&mut self, at: At) -> Option<&mut Account> {
        if let Channel::Exchange(exchange) = &mut self.channel {
            return exchange.account.as_mut();
        }
        let mut owed = self.outstanding.iter_mut();
        let found = owed.find(|one| one.at == at);
        found.map(|one| &mut one.account)
    }

    /// The answer came: nothing is owed any more.
    pub(super) fn take(&mut self, at: At) -> Option<Outstanding> {
        let index = self.outstanding.iter().position(|one| one.at == at)?;
        Some(self.outstanding.swap_remove(index))
    }

    /// The POST in which a request came.
    pub(super) fn stream_of(&self, at: At) -> Option<u32> {
        let found = self.outstanding.iter().find(|one| one.at == at);
        found.map(|one| one.stream)
    }

    pub(super) fn streamable(&self) -> Option<&Streamable> {
        match &self.channel {
            Channel::Streamable(own) => Some(own),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Exchange(_) => None,
        }
    }

    pub(super) fn streamable_mut(&mut self) -> Option<&mut Streamable> {
        match &mut self.channel {
            Channel::Streamable(own) => Some(own),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Exchange(_) => None,
        }
    }
}

impl Streamable {
    /// A session without streams.
    pub(super) fn new(id: SessionId, birth: Birth, replay: Replay) -> Self {
        Self {
            id,
            birth,
            streams: Vec::new(),
            main: None,
            main_first: 0,
            main_last: 0,
            replay,
            undelivered: VecDeque::new(),
            armed: Tick(u64::MAX),
        }
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.streams.iter().any(|stream| stream.number == number)
    }

    pub(super) fn stream_mut(&mut self, number: u32) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.number == number)
    }

    /// Numbers of events on the GET stream come after this one.
    pub(super) const fn begin_main_at(&mut self, number: u32) {
        self.main_first = number;
        self.main_last = number;
    }

    /// Whether this event of the GET stream, or its beginning, can be one that we sent: not of a
    /// run before this one.
    pub(super) const fn may_have_sent(&self, last: EventId) -> bool {
        self.main_first <= last.number
    }

    /// The id of the next event on the GET stream.
    pub(super) const fn next_main_event(&mut self) -> EventId {
        self.main_last = self.main_last.wrapping_add(1);
        EventId {
            stream: 0,
            number: self.main_last,
        }
    }

    /// Whether somebody listens or waits right now.
    pub(super) fn in_use(&self) -> bool {
        self.main.is_some() || !self.streams.is_empty()
    }
}
