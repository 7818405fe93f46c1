//! One request of the revision without sessions (2026-07-28), as a client of its own: it lives from
//! the request to its answer, and who hangs up before has cancelled it (D7). Nothing outlives it.
//!
//! ```text
//! Held ---- answer ----> gone (one JSON body, with the status of its error)
//!   |  \--- note, or hold over ----> Open ---- answer ----> gone
//!   | connection lost, cancelled        | the same
//!   v                                   v
//! gone, and the hall is told          gone, and the hall is told
//! ```

use crate::base::outbox::{Part, length};
use crate::client::Clients;
use crate::client::accept::Forms;
use crate::client::connection::Doing;
use crate::client::grants::Open;
use crate::client::reply::JSON;
use crate::client::session::{Caller, Channel, ClientFacts, Session, Transport};
use crate::cx::Cx;
use crate::json::envelope::JsonId;
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::CLIENT_OUTBOX_BYTES_SOFT;
use crate::links::LinkKey;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::modern;
use crate::mcp::version::Version;
use crate::tally::{Account, End};

/// Where the answer of such a client goes: it has one request.
pub(super) const ONLY: At = At(1);

/// The way back to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A line on our stdout.
    Line(LinkKey),
    /// The answer to a POST, of which nothing was sent.
    Held { link: LinkKey, forms: Forms },
    /// The event stream that answers a POST.
    Open(LinkKey),
}

/// A request without a session.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What its sender calls it.
    pub(super) id: JsonId,
    pub(super) way: Way,
    /// It is a `subscriptions/listen`: it lasts until somebody ends it.
    pub(super) listens: bool,
    /// To be given back when it ends.
    pub(super) account: Option<Account>,
}

/// What a request says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) capabilities: ClientCapabilities,
    /// From which log level on it wants messages.
    pub(super) level: Option<u8>,
    /// It is a `subscriptions/listen`.
    pub(super) listens: bool,
}

impl Clients {
    /// A request becomes a client.
    pub(super) fn begin_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        id: JsonId,
        way: Way,
        (said, account): (Described, Account),
    ) -> ClientKey {
        let listens = said.listens;
        let channel = Channel::Exchange(Exchange {
            id,
            way,
            listens,
            account: Some(account),
        });
        let caller = match way {
            Way::Line(_) => Caller::default(),
            Way::Held { .. } | Way::Open(_) => self.caller.clone(),
        };
        let mut session = Session::new(channel, caller, cx.now.tick);
        session.facts = ClientFacts {
            version: Version::MODERN,
            capabilities: said.capabilities,
            transport: match way {
                Way::Line(_) => Transport::Stdio,
                Way::Held { .. } | Way::Open(_) => Transport::Streamable,
            },
            initialized: false,
            level: said.level,
        };
        let client = self.sessions.insert(session);
        self.exchanges += 1;
        self.listens += usize::from(listens);
        match way {
            Way::Line(_) => {
                if let Some(stdio) = &mut self.stdio {
                    stdio.exchanges.push(client);
                    stdio.listens += usize::from(listens);
                }
            }
            Way::Held { link, forms } => {
                let stream = ONLY.0;
                self.http.hold(cx, link, Doing::Held { client, stream });
                if forms != Forms::JsonOnly {
                    self.push_hold(cx, client, stream);
                }
                if listens {
                    self.opened(cx, Open::Listen);
                }
            }
            Way::Open(_) => {}
        }
        client
    }

    /// The request behind a client without a session.
    pub(super) fn exchange(&self, client: ClientKey) -> Option<&Exchange> {
        match &self.sessions.get(client)?.channel {
            Channel::Exchange(exchange) => Some(exchange),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Streamable(_) => None,
        }
    }

    /// The account of the request behind a client without a session, if it was not given back.
    pub(super) fn take_account(&mut self, client: ClientKey) -> Option<Account> {
        match &mut self.sessions.get_mut(client)?.channel {
            Channel::Exchange(exchange) => exchange.account.take(),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Streamable(_) => None,
        }
    }

    /// Its answer, the only one; `code` if it is an error that may have a status of its own.
    pub(super) fn answer_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        (end, code): (End, Option<i32>),
        message: &[Part<'_>],
    ) {
        if let Some(account) = self.take_account(client) {
            cx.settle(account, end, || length(message));
        }
        let Some(way) = self.exchange(client).map(|exchange| exchange.way) else {
            return;
        };
        let status = code.map_or(200, modern::status);
        match way {
            Way::Held { link, forms } if forms != Forms::StreamOnly || status != 200 => {
                self.http.full(cx, link, status, &[JSON], message);
                self.close_if_slow(cx, link);
            }
            Way::Held { .. } | Way::Open(_) => {
                self.open_exchange(cx, client);
                self.say(cx, client, message);
                if let Some(Way::Open(link)) = self.exchange(client).map(|exchange| exchange.way) {
                    self.http.end(cx, link);
                }
            }
            Way::Line(_) => self.say(cx, client, message),
        }
        self.end(cx, client);
        self.pace(cx);
    }

    /// Something about the request before its answer. Dropped if it cannot be streamed, or its
    /// reader is slow.
    pub(super) fn note_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        message: &[Part<'_>],
    ) {
        let Some(way) = self.exchange(client).map(|exchange| exchange.way) else {
            return;
        };
        let is_slow = |link| cx.links.unsent(link) > CLIENT_OUTBOX_BYTES_SOFT;
        let unwanted = match way {
            Way::Held { forms, .. } => forms == Forms::JsonOnly,
            Way::Line(link) | Way::Open(link) => is_slow(link),
        };
        if at == ONLY && !unwanted {
            self.open_exchange(cx, client);
            self.say(cx, client, message);
        }
    }

    /// A change that a subscription is about.
    pub(super) fn tell_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        message: &[Part<'_>],
    ) {
        if self
            .exchange(client)
            .is_some_and(|exchange| exchange.listens)
        {
            self.open_exchange(cx, client);
            self.say(cx, client, message);
        }
    }

    /// The answer becomes an event stream (D5); nothing if it is one already, or a line.
    pub(super) fn open_exchange(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let Some(Channel::Exchange(exchange)) = self
            .sessions
            .get_mut(client)
            .map(|session| &mut session.channel)
        else {
            return;
        };
        if let Way::Held { link, .. } = exchange.way {
            exchange.way = Way::Open(link);
            self.http.open(cx, link, client, ONLY.0, None);
        }
    }

    /// One message on the way that is open.
    fn say(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]) {
        let link = match self.exchange(client).map(|exchange| exchange.way) {
            Some(Way::Line(link)) => {
                cx.links.send(link, message);
                cx.links.send(link, &["\n".into()]);
                link
            }
            Some(Way::Open(link)) => {
                self.http.event(cx, link, None, message);
                link
            }
            Some(Way::Held { .. }) | None => return,
        };
        self.close_if_slow(cx, link);
    }

    /// A client without a session was removed: what counts it, and who is to know.
    pub(super) fn forget_exchange(&mut self, client: ClientKey, exchange: &Exchange) {
        self.exchanges = self.exchanges.saturating_sub(1);
        self.listens = self.listens.saturating_sub(usize::from(exchange.listens));
        if let (Way::Line(_), Some(stdio)) = (exchange.way, &mut self.stdio) {
            stdio.exchanges.retain(|other| *other != client);
            stdio.listens = stdio.listens.saturating_sub(usize::from(exchange.listens));
        }
        self.events.push_back(ClientEvent::Released { client });
    }

    /// We are stopping: a subscription ends with its answer (D18). On stdio a notice comes first:
    /// some clients wait for the one, some for the other (protocol 6.1).
    pub(super) fn end_listen(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let Some(exchange) = self.exchange(client).filter(|exchange| exchange.listens) else {
            return;
        };
        let end = modern::end_of_subscription(exchange.id.raw(), &self.settings.version);
        if let Way::Line(_) = exchange.way {
            let id = String::from_utf8_lossy(exchange.id.raw());
            let notice = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                 \"params\":{{\"requestId\":{id}}}}}"
            );
            self.say(cx, client, &[notice.as_str().into()]);
        }
        self.answer_exchange(cx, client, (End::Ok, None), &[end.as_str().into()]);
    }

    /// A request of our stdin that is still to be answered.
    pub(super) fn stdio_exchange(&self, id: &[u8]) -> Option<ClientKey> {
        let stdio = self.stdio.as_ref()?;
        let same = |client: &ClientKey| self.exchange(*client).is_some_and(|one| one.id.same(id));
        stdio.exchanges.iter().copied().find(same)
    }
}
