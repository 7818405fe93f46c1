//! Anything in any order, from one seed: clients that come, ask, drop, come back and vanish, with
//! every request cut anywhere. Nothing panics, no word reaches another client, and nothing is left
//! in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::kit::*;
use crate::entropy::Entropy;
use crate::language::{At, ClientEvent, ClientKey};
use crate::links::LinkKey;
use crate::settings::Settings;

struct Storm {
    kit: Kit,
    dice: Entropy,
    /// Open connections, and the bytes that each still has to send.
    links: BTreeMap<LinkKey, Vec<u8>>,
    /// Whom each connection has ever spoken for.
    spoke_for: BTreeMap<LinkKey, BTreeSet<String>>,
    sessions: Vec<String>,
    owed: Vec<(ClientKey, At)>,
    asked: usize,
    events_seen: Vec<String>,
    statuses: BTreeSet<String>,
}

const VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "1999-01-01",
];

const ACCEPTS: [&str; 5] = [
    "*/*",
    "application/json",
    "text/event-stream",
    "application/json, text/event-stream",
    "text/html",
];

impl Storm {
    fn new(seed: u8) -> Self {
        let settings = Settings {
            session_idle_ms: 600_000,
            stream_ms_max: seed.is_multiple_of(2).then_some(7_000),
            ..Settings::default()
        };
        Self {
            kit: Kit::with(&settings),
            dice: Entropy::new(&[seed; 32]),
            links: BTreeMap::new(),
            spoke_for: BTreeMap::new(),
            sessions: Vec::new(),
            owed: Vec::new(),
            asked: 0,
            events_seen: Vec::new(),
            statuses: BTreeSet::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let index = self.below(from.len());
        from.get(index).cloned()
    }

    fn link(&mut self) -> Option<LinkKey> {
        let links: Vec<LinkKey> = self.links.keys().copied().collect();
        self.pick(&links)
    }

    fn step(&mut self) {
        match self.below(60) {
            0..=5 => {
                // Most end up as streams that never end; somebody has to leave.
                if self.links.len() >= 12 {
                    self.leave();
                }
                let link = self.kit.connect();
                self.links.insert(link, Vec::new());
            }
            6..=19 => self.write_request(),
            20..=37 => self.send_some(),
            38..=43 => self.answer(),
            44..=48 => self.speak(),
            49 => self.leave(),
            50 => {
                if let Some(link) = self.link() {
                    let told = self.kit.eof(link);
                    self.heard(told);
                }
            }
            51 => {
                let ms = self.dice.below(9_000);
                let told = self.kit.wait(ms);
                self.heard(told);
            }
            _ => self.read_some(),
        }
        for link in self.kit.closed() {
            self.links.remove(&link);
        }
    }

    fn leave(&mut self) {
        if let Some(link) = self.link() {
            self.links.remove(&link);
            let told = self.kit.broken(link);
            self.heard(told);
        }
    }

    fn body(&mut self) -> String {
        let id = self.below(6);
        let version = VERSIONS[self.below(5)];
        match self.below(9) {
            0 | 1 => initialize(version),
            2 => INITIALIZED.to_owned(),
            3 => format!("[{},{NOTE},7,{}]", request(&id.to_string()), request("90")),
            4 => RESULT.to_owned(),
            5 => "{\"jsonrpc\":".to_owned(),
            _ => request(&id.to_string()),
        }
    }

    fn write_request(&mut self) {
        let Some(link) = self.link() else {
            return;
        };
        let accept = ACCEPTS[self.below(5)];
        let mut fields = vec![("Accept", accept)];
        // The older ones have mostly ended.
        let old = self.sessions.len().saturating_sub(6);
        let sessions = self.sessions[old..].to_vec();
        let session = self.pick(&sessions);
        if let Some(id) = &session {
            fields.push(("Mcp-Session-Id", id));
            self.spoke_for.entry(link).or_default().insert(id.clone());
        }
        let seen = self.events_seen.clone();
        let last = self.pick(&seen);
        let text = match self.below(40) {
            0 => http("DELETE", "/mcp", &fields, ""),
            1 | 2 => http("GET", "/sse", &fields, ""),
            3 | 4 => http("GET", "/mcp", &fields, ""),
            5..=9 => {
                if let Some(id) = &last {
                    fields.push(("Last-Event-ID", id));
                }
                http("GET", "/mcp", &fields, "")
            }
            10..=15 => {
                let path = format!(
                    "/messages?sessionId={}",
                    session.clone().unwrap_or_default()
                );
                let body = self.body();
                http("POST", &path, &[], &body)
            }
            _ => {
                let body = self.body();
                http("POST", "/mcp", &fields, &body)
            }
        };
        self.links.get_mut(&link).unwrap().extend(text.as_bytes());
    }

    fn send_some(&mut self) {
        let Some(link) = self.link() else {
            return;
        };
        let most = self.links[&link].len() + 1;
        let count = self.below(most).max(most / 2);
        let rest = self.links.get_mut(&link).unwrap();
        let piece: Vec<u8> = rest.drain(..count.min(rest.len())).collect();
        let told = self.kit.send(link, piece);
        self.heard(told);
    }

    fn heard(&mut self, told: Vec<Told>) {
        for one in told {
            match one.event {
                ClientEvent::Initialize { client, at, .. }
                | ClientEvent::Request { client, at, .. } => {
                    assert!(!self.owed.contains(&(client, at)));
                    self.owed.push((client, at));
                    self.asked += 1;
                }
                ClientEvent::Gone { client } | ClientEvent::Released { client } => {
                    self.owed.retain(|(of, _)| *of != client);
                }
                ClientEvent::Page { .. }
                | ClientEvent::Web { .. }
                | ClientEvent::InputEnded { .. } => panic!(),
                ClientEvent::Initialized { .. }
                | ClientEvent::Turned { .. }
                | ClientEvent::Notification { .. }
                | ClientEvent::Restored { .. }
                | ClientEvent::Response { .. } => {}
            }
        }
    }

    /// A message that says for whom it is.
    fn message(&self, client: ClientKey) -> String {
        format!(r#"{{"for":"{}"}}"#, self.kit.clients.name_of(client))
    }

    fn answer(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let index = self.below(self.owed.len());
        let (client, at) = self.owed.swap_remove(index);
        let message = self.message(client);
        if self.below(5) == 0 {
            self.kit.drop_request(client, at);
        } else {
            self.kit.answer(client, at, &message);
        }
        let told = self.kit.pull();
        self.heard(told);
    }

    fn speak(&mut self) {
        let owed = self.owed.clone();
        let Some((client, at)) = self.pick(&owed) else {
            return;
        };
        let message = self.message(client);
        match self.below(4) {
            0 => drop(self.kit.ask(client, at, &message)),
            1 => drop(self.kit.ask(client, At::MAIN, &message)),
            2 => self.kit.tell(client, &message),
            _ => self.kit.note(client, at, &message),
        }
    }

    /// The peer reads, and remembers what it learns.
    fn read_some(&mut self) {
        let Some(link) = self.link() else {
            return;
        };
        let text = self.kit.take(link);
        let named = text.split("Mcp-Session-Id: ").skip(1);
        for id in named.chain(text.split("sessionId=").skip(1)) {
            let id = id.lines().next().unwrap().to_owned();
            self.sessions.push(id.clone());
            self.spoke_for.entry(link).or_default().insert(id);
        }
        for answer in text.split("HTTP/1.1 ").skip(1) {
            self.statuses.insert(answer[..3].to_owned());
        }
        for id in text.split("\nid: ").skip(1) {
            self.events_seen.push(id.lines().next().unwrap().to_owned());
        }
        for whom in text.split(r#"{"for":""#).skip(1) {
            let known = self.spoke_for.get(&link);
            let (whom, _) = whom.split_once('"').unwrap();
            assert!(known.is_some_and(|all| all.contains(whom)), "{text}");
        }
        let told = self.kit.pull();
        self.heard(told);
    }

    /// Everybody leaves; then nothing may be left.
    fn end(mut self) -> (usize, BTreeSet<String>) {
        while let Some(link) = self.links.keys().next().copied() {
            self.links.remove(&link);
            let told = self.kit.broken(link);
            self.heard(told);
        }
        while !self.owed.is_empty() {
            self.answer();
        }
        let told = self.kit.wait(3 * 600_000);
        self.heard(told);
        let counts = self.kit.clients.count();
        assert_eq!((counts.sessions, counts.connections), (0, 0));
        assert!(self.kit.world.timers.is_empty());
        assert_eq!(self.kit.world.links.count(), 0);
        assert_eq!(self.kit.clients.replay_bytes.get(), 0);
        (self.asked, self.statuses)
    }
}

#[test]
fn storm_nothing_is_told_to_strangers_and_nothing_is_left() {
    let (mut asked, mut statuses) = (0, BTreeSet::new());
    for seed in 0..20 {
        let mut storm = Storm::new(seed);
        for _ in 0..4000 {
            storm.step();
        }
        let (more, seen) = storm.end();
        asked += more;
        statuses.extend(seen);
    }
    // The storm must have reached deep enough to mean anything.
    assert!(asked > 1000, "{asked}");
    let reached = ["200", "202", "204", "400", "404", "406", "408"];
    assert!(
        reached.iter().all(|status| statuses.contains(*status)),
        "{statuses:?}"
    );
}
