//! Answering lists from memory, merged in file order, in pages if wanted; and whoever waits for
//! servers that were never seen before.

use std::rc::Rc;

use ring::hmac;

use crate::base::digest::hex;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, JsonId};
use crate::json::span::{Span, member, string};
use crate::json::write;
use crate::language::{At, ClientKey, ParamFields, PoolKey};
use crate::limits::WAITING_PER_SERVER_MAX;
use crate::mcp::meta::survey;
use crate::mcp::names;
use crate::mcp::version::Version;
use crate::now::Tick;
use crate::route::catalog::{Entry, Kind};
use crate::route::directory::Directory;
use crate::route::errors::Failure;
use crate::route::keeps::{Keeps, hints};
use crate::route::pools::Life;
use crate::route::rendered::Rendered;
use crate::route::router::Incoming;
use crate::route::servers::Server;
use crate::route::splice::Edits;
use crate::route::{Desk, Hall, Running, ServerKey};
use crate::tally::End;

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Want {
    /// A list from this entry on.
    List(Kind, usize),
    /// Who offers the tool or prompt that this request names.
    Name {
        kind: Kind,
        envelope: Envelope,
        frame: Frame,
        fields: Option<ParamFields>,
    },
    /// The answer to `server/discover`.
    Discover,
    /// What a client that listens gets of what it asked for.
    Listen,
    /// The answer to `initialize`, in this revision.
    Initialize(Version),
}

/// A request that waits until it is known what the servers offer, but not for ever.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) client: ClientKey,
    pub(crate) at: At,
    pub(crate) id: JsonId,
    pub(crate) what: Want,
    pub(crate) deadline: Tick,
}

/// What a client sees of one server.
struct Shown {
    rendered: Rc<Rendered>,
    keeps: Option<Keeps>,
    absent: bool,
    /// It should be fetched again.
    stale: bool,
    /// The session that offers it; `None` if it is only remembered.
    pool: Option<PoolKey>,
}

impl Hall {
    /// One of the four lists.
    pub(crate) fn list(&mut self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>, kind: Kind) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let from = incoming
            .params(["cursor"])
            .and_then(|[cursor]| match cursor {
                None => Ok(0),
                Some(_) => self.open_cursor(client, kind, &incoming.text_of(cursor, "cursor")?),
            });
        let from = match from {
            Ok(from) => from,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        if self.is_modern(client) {
            self.want_lists(desk, client);
        } else {
            self.initialized(desk, client);
        }
        match self.settled_at(desk.cx.now.tick, client) {
            None => self.answer_list(desk, client, at, &id, kind, from),
            Some(deadline) => {
                self.wake_at(desk, deadline);
                self.waiting.push(Waiting {
                    client,
                    at,
                    id,
                    what: Want::List(kind, from),
                    deadline,
                });
            }
        }
    }

    /// Answers whoever waits in vain, or no longer has to.
    pub(crate) fn settle(&mut self, desk: &mut Desk<'_, '_>) {
        if self.waiting.is_empty() {
            return self.wake_for_none(desk);
        }
        self.refresh_names(desk);
        let now = desk.cx.now.tick;
        let mut rest = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let unsettled = match waiting.what {
                Want::List(..) => self.settled_at(now, waiting.client).is_some(),
                Want::Initialize(_) | Want::Discover => self.strangers(now, waiting.client),
                Want::Listen => self.awaits(waiting.client),
                // As long as it may, and no longer than until somebody turns out to offer it: the
                // router finds out, and lets it wait again.
                Want::Name { .. } => false,
            };
            if unsettled && waiting.deadline > now {
                self.wake_at(desk, waiting.deadline);
                rest.push(waiting);
                continue;
            }
            if unsettled {
                Mark::ListWaitOver.hit();
            }
            let Waiting {
                client,
                at,
                id,
                what,
                ..
            } = waiting;
            match what {
                Want::List(kind, from) => self.answer_list(desk, client, at, &id, kind, from),
                Want::Initialize(version) => self.greet(desk, client, at, &id, version),
                Want::Discover => self.introduce(desk, client, at, &id),
                Want::Listen => self.acknowledge(desk, client),
                Want::Name {
                    kind,
                    envelope,
                    frame,
                    fields,
                } => {
                    let again = Incoming {
                        client,
                        at,
                        id,
                        envelope,
                        frame: &frame,
                        hop: survey(frame.bytes(), envelope.meta).hop,
                        fields,
                    };
                    self.named(desk, again, kind);
                }
            }
        }
        rest.append(&mut self.waiting);
        self.waiting = rest;
        self.wake_for_none(desk);
    }

    /// When it is known of every server what it offers, or was waited for long enough; `None` if
    /// that is so now.
    fn settled_at(&self, now: Tick, client: ClientKey) -> Option<Tick> {
        self.visible(client)
            .filter_map(|(_, server)| self.unsettled(now, server, client))
            .max()
    }

    /// Whether there are servers of which nothing at all is known yet.
    pub(crate) fn strangers(&self, now: Tick, client: ClientKey) -> bool {
        let servers = self.visible(client).map(|(_, server)| server);
        let mut strangers = servers.filter(|server| self.reference(server).is_none());
        strangers.any(|server| self.unsettled(now, server, client).is_some())
    }

    /// Lets a request wait whose name nobody offers yet, if a server that was never seen before and
    /// that is still starting may come to offer it: without the server's own prefix in front, a
    /// name does not tell whose it is. Whether it does wait.
    pub(crate) fn wait_for_name(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: &Incoming<'_>,
        kind: Kind,
    ) -> bool {
        let named = |waiting: &&Waiting| matches!(waiting.what, Want::Name { .. });
        let full = self.waiting.iter().filter(named).count() >= WAITING_PER_SERVER_MAX;
        let name = incoming
            .params(["name"])
            .and_then(|[at]| incoming.text_of(at, "name"));
        let Some(name) = name.ok().filter(|_| !full && self.running != Running::Over) else {
            return false;
        };
        // Somebody offers it, whom this client does not see.
        if self.directory.find(kind, &name).is_some() {
            return false;
        }
        // In the default form it says whose it is, and that server has been asked.
        let owner = names::split_plain(&name).and_then(|(server, _)| self.server_by_name(server));
        if owner.is_some_and(|owner| self.sees(incoming.client, owner)) {
            return false;
        }
        let servers = self.visible(incoming.client).map(|(_, server)| server);
        let strangers =
            servers.filter(|server| self.reference(server).is_none() && server.may_offer(&name));
        let until = strangers
            .filter_map(|server| self.unsettled(desk.cx.now.tick, server, incoming.client))
            .max();
        let Some(deadline) = until else {
            return false;
        };
        self.wake_at(desk, deadline);
        self.waiting.push(Waiting {
            client: incoming.client,
            at: incoming.at,
            id: incoming.id.clone(),
            what: Want::Name {
                kind,
                envelope: incoming.envelope,
                frame: incoming.frame.keep(),
                fields: incoming.fields.clone(),
            },
            deadline,
        });
        true
    }

    /// Takes waiting requests of a client out: it cancelled one, or is gone.
    pub(crate) fn drop_waiting(&mut self, client: ClientKey, id: Option<&[u8]>) -> Vec<At> {
        // `initialize` cannot be cancelled.
        let theirs = |waiting: &Waiting| {
            waiting.client == client
                && id.is_none_or(|id| {
                    waiting.id.same(id) && !matches!(waiting.what, Want::Initialize(_))
                })
        };
        let (dropped, rest): (Vec<Waiting>, Vec<Waiting>) =
            self.waiting.drain(..).partition(theirs);
        self.waiting = rest;
        dropped.into_iter().map(|waiting| waiting.at).collect()
    }

    fn answer_list(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        at: At,
        id: &JsonId,
        kind: Kind,
        from: usize,
    ) {
        self.refresh_names(desk);
        let modern = self.is_modern(client);
        let (mut shown, mut parts_keep, mut stale) = (Vec::new(), Vec::new(), Vec::new());
        let now = desk.cx.now.tick;
        let visible: Vec<ServerKey> = self.visible(client).map(|(key, _)| key).collect();
        for key in visible {
            let Some(part) = self.rendered(now, key, (client, modern), kind) else {
                continue;
            };
            if !part.absent {
                parts_keep.push(part.keeps);
            }
            if part.stale {
                stale.extend(part.pool);
            }
            shown.push(part.rendered);
        }
        let page = match self.settings.page_entries {
            0 => usize::MAX,
            entries => entries,
        };
        let to = from.saturating_add(page);
        let mut parts = vec![
            Part::from("{\"jsonrpc\":\"2.0\",\"id\":"),
            Part::Copy(id.raw()),
        ];
        let head = format!(",\"result\":{{\"{}\":[", kind.member());
        parts.push(Part::from(head.as_str()));
        let mut passed = 0;
        let mut first = true;
        for rendered in &shown {
            let range = rendered.range(from.saturating_sub(passed), to.saturating_sub(passed));
            passed += rendered.len();
            if range.is_empty() {
                continue;
            }
            if !std::mem::take(&mut first) {
                parts.push(Part::from(","));
            }
            parts.push(Part::Share(&rendered.bytes, range));
        }
        let mut tail = String::from("]");
        if to < passed {
            tail.push_str(&format!(
                ",\"nextCursor\":\"{}\"",
                self.seal_cursor(client, kind, to)
            ));
        }
        if modern {
            let hints = self.hints(now, client, &parts_keep);
            tail.push_str(&format!(",{},{hints}", self.stamp.members(false)));
        }
        tail.push_str("}}");
        parts.push(Part::from(tail.as_str()));
        desk.clients.answer(desk.cx, client, at, End::Ok, &parts);
        for pool in stale {
            // Whoever asks next gets what it is now (F16).
            self.fetch(desk, pool, kind);
        }
    }

    /// What a client sees of one server: its own session's list once it is known, and nothing of a
    /// server that is down.
    fn rendered(
        &mut self,
        now: Tick,
        key: ServerKey,
        (client, modern): (ClientKey, bool),
        kind: Kind,
    ) -> Option<Shown> {
        let own = self.lister(self.servers.get(key)?, client);
        let Self {
            servers,
            pools,
            directory,
            ..
        } = self;
        let server = servers.get_mut(key)?;
        if server.fault().is_some() {
            return None;
        }
        let session = own.or(server.shared).and_then(|pool| pools.get(&pool));
        if session.is_some_and(|session| session.life == Life::Down) {
            return None;
        }
        let whose = [own, server.shared].into_iter().flatten().find(|pool| {
            pools
                .get(pool)
                .is_some_and(|pool| pool.catalog.list(kind).known())
        });
        let (version, mut memory) = (directory.version, server.memory.take());
        let view: &Server = server;
        let render = |entry: &Entry, out: &mut Vec<u8>| {
            render(directory, (key, view), (kind, modern), entry, out)
        };
        let list = match whose.and_then(|pool| pools.get_mut(&pool)) {
            Some(session) => Some(session.catalog.list_mut(kind)),
            None => memory.as_mut().map(|memory| memory.catalog.list_mut(kind)),
        };
        let shown = list.map(|list| Shown {
            rendered: list.rendered(version, modern, render),
            keeps: list.keeps(),
            absent: list.absent(),
            stale: list.stale(now),
            pool: whose,
        });
        server.memory = memory;
        shown
    }

    /// For how long a list may be kept that has these parts. What depends on who asks may be kept
    /// by nobody else (X11).
    fn hints(&self, now: Tick, client: ClientKey, parts: &[Option<Keeps>]) -> String {
        let hints = hints(now, parts);
        match self.is_apart(client) {
            false => hints,
            true => hints.replace("\"public\"", "\"private\""),
        }
    }

    /// A cursor names where the next page begins; the seal keeps it ours (A4), and good only for
    /// the same grant, as long as that sees the same servers.
    fn seal_cursor(&self, client: ClientKey, kind: Kind, from: usize) -> String {
        let mut text = format!("{}.{from}", kind.member());
        if let Some(grant) = self.grant(client) {
            text.push('.');
            text.push_str(&grant.text());
        }
        if !self.sees_all(client) {
            for (_, server) in self.visible(client) {
                text.push('/');
                text.push_str(server.name());
            }
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.cursor_key);
        let tag = hmac::sign(&key, text.as_bytes());
        let seal = hex(tag.as_ref().iter().take(8));
        format!("{from}.{seal}")
    }

    fn open_cursor(&self, client: ClientKey, kind: Kind, cursor: &str) -> Result<usize, Failure> {
        if cursor.is_empty() {
            return Ok(0);
        }
        let from = cursor
            .split_once('.')
            .and_then(|(from, _)| from.parse().ok());
        from.filter(|from| self.seal_cursor(client, kind, *from) == cursor)
            .ok_or_else(|| Failure::params("unknown cursor: begin the list again without one"))
    }
}

/// One entry as clients get it: its offered name, a configured description, and no output schema
/// that would make an official client refuse the whole list (protocol 3.3). `false` if it is not
/// offered.
fn render(
    directory: &Directory,
    (key, server): (ServerKey, &Server),
    (kind, modern): (Kind, bool),
    entry: &Entry,
    out: &mut Vec<u8>,
) -> bool {
    if kind == Kind::Tools && !server.offers_tool(&entry.key) {
        return false;
    }
    let Some(offered) = directory.offered(kind, key, &entry.key) else {
        return false;
    };
    let mut edits = Edits::default();
    if **offered != *entry.key {
        edits.replace(entry.key_at, write::string(offered).into_bytes());
    }
    if kind == Kind::Tools {
        edit_tool(server, entry, modern, &mut edits);
    }
    for part in edits.parts(&entry.page, entry.whole).iter() {
        out.extend_from_slice(part.bytes());
    }
    true
}

fn edit_tool(server: &Server, entry: &Entry, modern: bool, edits: &mut Edits) {
    let (page, whole) = (&entry.page, entry.whole);
    if let Some(text) = server.entry.tool_descriptions.get(&*entry.key) {
        let text = write::string(text);
        match member(page, whole, "description") {
            Some(at) => edits.replace(at, text.into_bytes()),
            None => {
                // Behind the brace that opens the tool.
                let at = Span {
                    start: whole.start + 1,
                    end: whole.start + 1,
                };
                edits.replace(at, format!("\"description\":{text},").into_bytes());
            }
        }
    }
    if modern {
        // How a tool takes part in tasks is not said any more (protocol 3.3).
        if let Some(at) = super::splice::member_with_comma(page, whole, "execution") {
            edits.cut(at);
        }
        return;
    }
    if let Some(schema) = member(page, whole, "outputSchema") {
        let root = member(page, schema, "type").and_then(|at| string(page, at));
        if root.is_none_or(|root| root != "object")
            && let Some(at) = super::splice::member_with_comma(page, whole, "outputSchema")
        {
            edits.cut(at);
        }
    }
}
