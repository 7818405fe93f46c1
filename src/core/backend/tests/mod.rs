//! The whole room, driven from outside as the hub does it.

mod asking;
mod ending;
mod starting;
mod storm;
mod streams;
mod talking;

use super::*;
use crate::backend::testkit::{World, spec};
use crate::base::slab::Key;
use crate::now::Tick;

/// A room with a world around it. Orders and events are told as short words.
struct Bench {
    world: World,
    backends: Backends,
    frame: Frame,
    told: Vec<String>,
    links: u32,
}

const HELLO: &str = "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\",\
    \"capabilities\":{\"tools\":{}}}}\n";

impl Bench {
    fn new() -> Self {
        Self {
            world: World::default(),
            backends: Backends::new(&Settings::default()),
            frame: Frame::default(),
            told: Vec::new(),
            links: 0,
        }
    }

    /// Gives one input, pulls all events, notes what was ordered and told.
    fn input<T>(&mut self, input: impl FnOnce(&mut Backends, &mut Cx<'_>) -> T) -> T {
        let result = input(&mut self.backends, &mut self.world.cx());
        let mut events = Vec::new();
        while let Some(event) = self.backends.next(&mut self.world.cx(), &mut self.frame) {
            events.push(describe(&event, self.frame.bytes()));
        }
        for order in self.world.orders() {
            match order {
                Effect::Spawn { pool, .. } => self.told.push(format!("spawn {}", pool.0.index)),
                Effect::Signal { signal, .. } => self.told.push(format!("{signal:?}")),
                Effect::Close { link } => self.told.push(format!("close {}", link.0.index)),
                Effect::Log { line, .. } => self.told.push(line),
                other => panic!("{other:?}"),
            }
        }
        self.told.extend(events);
        result
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn start(&mut self, spec: PoolSpec) -> PoolKey {
        self.input(|backends, cx| backends.start(cx, spec))
    }

    fn spawned(&mut self, pool: PoolKey) -> LinkKey {
        let link = LinkKey(Key {
            index: self.links,
            generation: 0,
        });
        self.links += 1;
        let pid = 100 + self.links;
        self.input(|backends, cx| backends.spawned(cx, pool, link, pid));
        link
    }

    fn receive(&mut self, link: LinkKey, text: &str) {
        self.input(|backends, cx| backends.receive(cx, link, text.as_bytes()));
    }

    fn eof(&mut self, link: LinkKey) {
        self.input(|backends, cx| backends.eof(cx, link));
    }

    fn exited(&mut self, pool: PoolKey, code: i32) {
        self.input(|backends, cx| backends.exited(cx, pool, ExitStatus::Code(code)));
    }

    fn send(&mut self, pool: PoolKey, message: &[Part<'_>]) -> Result<(), Refused> {
        self.input(|backends, cx| backends.send(cx, pool, message))
    }

    /// Lets time pass and rings what is due.
    fn pass(&mut self, ms: u64) {
        self.world.pass(ms);
        while let Some(alarm) = self.world.timers.pop_due(self.world.now.tick) {
            let Alarm::Pool(pool) = alarm else {
                panic!("{alarm:?}");
            };
            self.input(|backends, cx| backends.alarm(cx, pool));
        }
    }

    fn state(&self, pool: PoolKey) -> PoolState {
        self.backends.state(self.world.now, pool)
    }

    /// Takes what was sent to a child, as text.
    fn sent(&mut self, link: LinkKey) -> String {
        let bytes: Vec<u8> = self.world.links.chunks(link).flatten().copied().collect();
        self.world.links.wrote(link, bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    /// A server that serves; nothing told or unsent.
    fn ready(&mut self) -> (PoolKey, LinkKey) {
        self.ready_with(spec())
    }

    fn ready_with(&mut self, spec: PoolSpec) -> (PoolKey, LinkKey) {
        let pool = self.start(spec);
        let link = self.spawned(pool);
        self.receive(link, HELLO);
        assert_eq!(self.state(pool), PoolState::Ready);
        self.sent(link);
        self.told();
        (pool, link)
    }

    /// Nothing may be left of anything.
    fn assert_empty(&self) {
        assert!(self.backends.is_empty() && self.backends.unread.is_empty());
        assert!(self.backends.events.is_empty());
        assert_eq!((self.world.links.count(), self.world.timers.len()), (0, 0));
    }
}

pub(super) fn describe(event: &BackendEvent, text: &[u8]) -> String {
    let whole = |envelope: &crate::json::envelope::Envelope| {
        String::from_utf8_lossy(envelope.whole.of(text)).into_owned()
    };
    match event {
        BackendEvent::Ready { pool } => format!("Ready {}", pool.0.index),
        BackendEvent::Down { pool } => format!("Down {}", pool.0.index),
        BackendEvent::Ended { pool } => format!("Ended {}", pool.0.index),
        BackendEvent::Challenged { challenge, .. } => format!("{challenge:?}"),
        BackendEvent::CallLost { id, loss, .. } => format!("{loss:?} {id:?}"),
        BackendEvent::Response { pool, id, envelope } => {
            let id = id.map_or("?".to_owned(), |id| id.to_string());
            format!("response {id} of {}: {}", pool.0.index, whole(envelope))
        }
        BackendEvent::Request {
            id,
            about,
            envelope,
            ..
        } => {
            let id = String::from_utf8_lossy(id.raw()).into_owned();
            let about = about.map_or(String::new(), |call| format!(" about {call}"));
            format!("request {id}{about}: {}", whole(envelope))
        }
        BackendEvent::Watching { uris, missed, .. } => {
            let uris: Vec<String> = uris.iter().map(|(uri, ok)| format!("{uri}={ok}")).collect();
            format!("Watching {} missed={missed}", uris.join(" "))
        }
        BackendEvent::Notification { envelope, .. } => format!("note: {}", whole(envelope)),
    }
}

fn answer(id: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}")
}
