//! What servers say, as HTTP.

use crate::faults::Fault;
use crate::net::{ConnId, Peer};
use crate::remotes::{Habits, Stream};
use crate::wire::json::{Message, Said};
use crate::world::World;

impl World {
    /// A whole response without anything behind it.
    pub(crate) fn respond(&mut self, id: ConnId, status: u16, fields: &str, body: &str) {
        self.model
            .trace(|| format!("site -> conn {id} {status} {body}"));
        let length = body.len();
        let last = self.last_word(id);
        let mut text = format!("HTTP/1.1 {status} Sim\r\n{fields}{last}");
        if status != 204 && self.rng.chance(300) && !body.is_empty() {
            text.push_str(&format!(
                "Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ));
        } else if status == 204 {
            text.push_str("\r\n");
        } else {
            text.push_str(&format!("content-length: {length}\r\n\r\n{body}"));
        }
        self.site_sends(id, text.as_bytes());
        self.response_over(id);
    }

    /// A response is complete: the connection is free, or closed.
    fn response_over(&mut self, id: ConnId) {
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.stream = None;
        }
        let habits = self.habits_at(id);
        if habits.announces || self.rng.chance(habits.closes) {
            self.hang_up(id, false);
        }
    }

    fn habits_at(&self, id: ConnId) -> Habits {
        let site = match self.net.conns[id].peer {
            Peer::Site(site) => site,
            Peer::Client(_) | Peer::Process(_) => 0,
        };
        self.remotes.habits(site, 0)
    }

    fn last_word(&self, id: ConnId) -> &'static str {
        match self.habits_at(id).announces {
            true => "Connection: close\r\n",
            false => "",
        }
    }

    /// Writes what a script has said since it was heard last.
    pub(crate) fn speak(&mut self, at: usize) {
        let Some(far) = &mut self.processes[at].far else {
            return;
        };
        for (about, text) in std::mem::take(&mut far.out) {
            self.say(at, about, &text);
        }
        if !self.processes[at].alive {
            self.bury(at);
        }
    }

    fn say(&mut self, at: usize, about: Option<u64>, text: &str) {
        let solo = self.processes[at].far.as_ref().is_some_and(|far| far.solo);
        let own = (at, about.filter(|_| !solo));
        let open = &self.remotes.open;
        let key = if open.contains_key(&own) {
            own
        } else {
            (at, None)
        };
        let Some(number) = open.get(&key).copied() else {
            return self
                .model
                .trace(|| format!("nobody hears process {at}: {text}"));
        };
        let message = Message::read(text.as_bytes()).unwrap();
        let answers = matches!(
            message.said(),
            Some(Said::Result { .. } | Said::Error { .. })
        );
        let ends = answers && (solo || about.is_some() && key.1 == about);
        let fails = matches!(message.said(), Some(Said::Error { .. }));
        if ends {
            self.remotes.open.remove(&key);
        }
        if ends && !solo && self.hit(Fault::SiteElsewhere) && self.say_elsewhere(key, text) {
            return;
        }
        let stream = &mut self.remotes.streams[number];
        stream.over |= ends;
        stream.events.push(text.to_owned());
        let (began, conn) = (stream.began, stream.conn);
        let habits = self.remotes.habits(self.site_of(at), 0);
        if let Some(conn) = conn {
            if ends && !began && self.rng.chance(habits.plain) {
                let fields = self.head_of(number, "application/json");
                self.respond(conn, 200, &fields, text);
            } else {
                self.begin_stream(number);
                self.event(number, self.remotes.streams[number].events.len());
                if ends {
                    self.end_stream(number);
                }
            }
        }
        let numbered = self.remotes.streams[number].numbered;
        if !ends && numbered && key.1.is_some() && self.hit(Fault::SiteBreaksOff) {
            self.break_off(number);
        }
        if ends && (solo || about == Some(0) && fails) {
            self.end_process(at);
        }
    }

    /// Says an answer where it does not belong, and nothing where it does.
    fn say_elsewhere(&mut self, own: (usize, Option<u64>), text: &str) -> bool {
        let others = self.remotes.open.iter();
        let mut others = others.filter(|(key, _)| key.0 == own.0);
        let Some(other) = others.next().map(|(_, number)| *number) else {
            return false;
        };
        let stream = &mut self.remotes.streams[other];
        stream.events.push(text.to_owned());
        let place = stream.events.len();
        self.begin_stream(other);
        self.event(other, place);
        true
    }

    fn site_of(&self, at: usize) -> usize {
        self.processes[at].far.as_ref().map_or(0, |far| far.site)
    }

    fn head_of(&self, number: usize, kind: &str) -> String {
        let stream = &self.remotes.streams[number];
        let mut fields = format!("Content-Type: {kind}\r\n");
        let far = self.processes[stream.process].far.as_ref();
        let session = far.and_then(|far| far.session.as_ref());
        if let Some(session) = session.filter(|_| stream.about == Some(0)) {
            fields.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        }
        fields
    }

    /// The head of a stream of events.
    pub(crate) fn begin_stream(&mut self, number: usize) {
        let Stream { began, conn, .. } = self.remotes.streams[number];
        let Some(conn) = conn.filter(|_| !began) else {
            return;
        };
        let fields = self.head_of(number, "text/event-stream");
        let last = self.last_word(conn);
        let head = format!("HTTP/1.1 200 OK\r\n{fields}{last}Transfer-Encoding: chunked\r\n\r\n");
        self.site_sends(conn, head.as_bytes());
        self.remotes.streams[number].began = true;
        let stream = &self.remotes.streams[number];
        let first = stream.numbered && stream.events.is_empty();
        if first && self.rng.chance(500) {
            // So that it can be had again before anything was said.
            self.chunk(conn, &format!("id: {number}-0\ndata:\n\n"));
        }
    }

    /// One event of a stream, by its place from 1.
    pub(crate) fn event(&mut self, number: usize, place: usize) {
        let stream = &self.remotes.streams[number];
        let (Some(conn), Some(text)) = (stream.conn, stream.events.get(place - 1)) else {
            return;
        };
        let id = match stream.numbered {
            true => format!("id: {number}-{place}\n"),
            false => String::new(),
        };
        let text = format!("{id}event: message\ndata: {text}\n\n");
        self.chunk(conn, &text);
    }

    fn chunk(&mut self, conn: ConnId, text: &str) {
        self.model
            .trace(|| format!("site -> conn {conn} {}", text.replace('\n', "|")));
        let length = text.len();
        let chunk = format!("{length:x}\r\n{text}\r\n");
        self.site_sends(conn, chunk.as_bytes());
    }

    /// A stream ends before its answer: the client may ask for the rest.
    fn break_off(&mut self, number: usize) {
        let Some(conn) = self.remotes.streams[number].conn else {
            return;
        };
        if self.rng.chance(500) {
            let ms = self.rng.time(5000);
            self.chunk(conn, &format!("retry: {ms}\n\n"));
        }
        self.end_stream(number);
    }

    /// A stream of events ends in order.
    pub(crate) fn end_stream(&mut self, number: usize) {
        if let Some(conn) = self.remotes.streams[number].conn.take() {
            self.site_sends(conn, b"0\r\n\r\n");
            self.response_over(conn);
        }
    }
}
