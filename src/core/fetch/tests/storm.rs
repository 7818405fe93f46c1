//! Everything at once, from a seed: orders of all kinds, servers that answer, redirect, babble,
//! stop, close and die at any byte, connections that do not open, askers that lose interest.
//! Whatever happens, every exchange is told in order and ends exactly once, no exchange is told
//! what was meant for another, no connection carries two, no secret is told, nothing is left.

use std::collections::BTreeMap;

use super::*;
use crate::entropy::Entropy;
use crate::limits::FETCH_CALLS_PER_ORIGIN_MAX;

/// What was told of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Head,
}

/// A connection as its server sees it.
#[derive(Debug, Default)]
struct Peer {
    received: String,
    /// What it has not sent yet.
    answer: Vec<u8>,
    closes: bool,
}

struct Storm {
    world: World,
    dice: Entropy,
    asked: u32,
    told: BTreeMap<FetchKey, (u32, Told)>,
    /// What came of each body.
    bodies: BTreeMap<u32, String>,
    peers: BTreeMap<LinkKey, Peer>,
    ended: u32,
    whole: u32,
}

impl Storm {
    fn new(seed: u8) -> Self {
        Self {
            world: World::default(),
            dice: Entropy::new(&[seed; 32]),
            asked: 0,
            told: BTreeMap::new(),
            bodies: BTreeMap::new(),
            peers: BTreeMap::new(),
            ended: 0,
            whole: 0,
        }
    }

    fn below(&mut self, sides: u64) -> usize {
        usize::try_from(self.dice.below(sides)).unwrap()
    }

    fn ask(&mut self) {
        self.asked += 1;
        let host = self.below(3);
        let url = format!("http://h{host}/{}", self.asked);
        let order = if self.below(4) == 0 {
            get(&url)
        } else {
            post(&url)
        };
        let response_ms_max = order.response_ms_max.filter(|_| self.below(3) > 0);
        let key = self.world.ask(
            self.asked,
            Order {
                response_ms_max,
                ..order
            },
        );
        assert_eq!(self.told.insert(key, (self.asked, Told::Nothing)), None);
    }

    fn drain(&mut self) {
        while let Some((whose, key, news)) = self.world.fetcher.next() {
            let (asked, told) = self.told.get_mut(&key).expect("told of what has ended");
            assert_eq!(*asked, whose);
            match news {
                News::Head(head) => {
                    assert_eq!(*told, Told::Nothing);
                    *told = Told::Head;
                    assert!(!(300..304).contains(&head.status));
                    if self.below(3) == 0 {
                        self.world.fetcher.stream(key);
                    }
                }
                News::Data => {
                    assert_eq!(*told, Told::Head);
                    if self.below(3) > 0 {
                        let body = self.world.take(key);
                        self.check_body(whose, &body);
                    }
                }
                News::End(rest) => {
                    assert_eq!(*told, Told::Head);
                    self.check_body(whose, &String::from_utf8(rest).unwrap());
                    self.whole += 1;
                    self.told.remove(&key);
                    self.ended += 1;
                }
                News::Failed(failure) => {
                    assert!(!failure.why.contains("s3cret"), "{failure}");
                    self.told.remove(&key);
                    self.ended += 1;
                }
            }
        }
    }

    /// A body says for whom it is, again and again.
    fn check_body(&mut self, whose: u32, piece: &str) {
        let body = self.bodies.entry(whose).or_default();
        body.push_str(piece);
        let mine = format!("<{whose}>").repeat(body.len());
        assert!(mine.starts_with(&*body), "for {whose}: {body}");
    }

    /// Servers see what was sent to them, and make their answers.
    fn serve(&mut self) {
        for link in self.peers.keys().copied().collect::<Vec<_>>() {
            if self.world.dial(link).is_none() {
                self.peers.remove(&link);
                continue;
            }
            let sent = self.world.sent(link);
            let dice = self.below(12);
            let redirect = self.below(4);
            let peer = self.peers.get_mut(&link).unwrap();
            peer.received.push_str(&sent);
            if let Some(asked) = whole_request(&mut peer.received) {
                assert!(peer.answer.is_empty(), "two exchanges at once");
                peer.closes = dice == 1;
                peer.answer = answer(&asked, dice, redirect).into_bytes();
            }
        }
    }

    fn pick(&mut self) -> Option<LinkKey> {
        let count = self.peers.len();
        let at = self.below(count.max(1) as u64);
        self.peers.keys().nth(at).copied()
    }

    fn speak(&mut self, link: LinkKey) {
        let most = [1, 5, 1000][self.below(3)];
        let Some(peer) = self.peers.get_mut(&link) else {
            return;
        };
        let rest = peer.answer.split_off(most.min(peer.answer.len()));
        let piece = std::mem::replace(&mut peer.answer, rest);
        let ends = peer.answer.is_empty() && peer.closes;
        if !piece.is_empty() {
            self.world.feed(link, piece);
        }
        if ends {
            self.world.eof(link);
        }
    }

    fn turn(&mut self) {
        match self.below(20) {
            0..=3 => self.ask(),
            4..=6 if !self.world.dials.is_empty() => {
                let link = self.world.open();
                self.peers.insert(link, Peer::default());
            }
            7 if !self.world.dials.is_empty() => self.world.refuse(),
            8 => {
                let keys: Vec<_> = self.told.keys().copied().collect();
                if !keys.is_empty() {
                    let key = keys[self.below(keys.len() as u64)];
                    self.world.input(|fetcher, cx| fetcher.give_up(cx, key));
                    self.told.remove(&key);
                    self.ended += 1;
                }
            }
            9 => {
                if let Some(link) = self.pick() {
                    match self.below(3) {
                        0 => self.world.broken(link),
                        1 => self.world.eof(link),
                        _ if self.hears_farewells(link) => {
                            self.world.feed(link, "HTTP/1.1 408 x\r\n\r\n");
                        }
                        _ => {}
                    }
                }
            }
            10 => {
                let ms = [1, 50, 900, 6_000, 40_000][self.below(5)];
                self.world.pass(ms);
            }
            11 => {
                if let Some(key) = self.told.keys().next().copied() {
                    let paused = self.below(2) == 0;
                    self.world
                        .input(|fetcher, cx| fetcher.pause(cx, key, paused));
                }
            }
            12..=13 => self.serve(),
            _ => {
                if let Some(link) = self.pick() {
                    self.speak(link);
                }
            }
        }
        if self.below(3) > 0 {
            self.drain();
        }
        self.check();
    }

    /// Whether what is said now is part of no response.
    fn hears_farewells(&self, link: LinkKey) -> bool {
        let dial = self.world.dial(link);
        let connection = dial.and_then(|dial| self.world.fetcher.connections.get(dial));
        match connection.map(|connection| &connection.state) {
            Some(State::Idle { .. }) => true,
            Some(State::Busy { kept: true, .. }) => self.world.links.unsent(link) > 0,
            _ => false,
        }
    }

    fn check(&self) {
        let Fetcher {
            exchanges,
            connections,
            ..
        } = &self.world.fetcher;
        for (dial, connection) in connections.iter() {
            let Some(key) = connection.exchange() else {
                continue;
            };
            let exchange = exchanges.get(key).expect("a connection for nobody");
            assert_eq!(exchange.dial(), Some(dial));
        }
        let linked = exchanges.iter().filter_map(|(_, exchange)| exchange.dial());
        for dial in linked {
            assert!(connections.contains(dial));
        }
        // Whatever waits for something is watched.
        let timed = connections.iter().filter_map(|(_, one)| one.deadline());
        let alarm = self.world.timers.get(Alarm::Fetch);
        for deadline in timed {
            assert!(alarm.is_some_and(|alarm| alarm <= deadline));
        }
        assert!(connections.len() <= 3 * FETCH_CALLS_PER_ORIGIN_MAX);
    }

    /// Nobody asks any more; everything opens, answers or runs out of time.
    fn calm(&mut self) {
        for _ in 0..2_000 {
            while !self.world.dials.is_empty() {
                let link = self.world.open();
                self.peers.insert(link, Peer::default());
            }
            self.serve();
            for link in self.peers.keys().copied().collect::<Vec<_>>() {
                self.speak(link);
            }
            self.drain();
            if self.told.is_empty() {
                break;
            }
            self.world.pass(1_000);
        }
        for (key, _) in std::mem::take(&mut self.told) {
            self.world.input(|fetcher, cx| fetcher.give_up(cx, key));
            self.ended += 1;
        }
    }
}

/// Takes one whole request out, and tells the first piece of its path.
fn whole_request(received: &mut String) -> Option<String> {
    let end = received.find("\r\n\r\n")? + 4;
    let length = if received[..end].contains("Content-Length: 2\r\n") {
        2
    } else {
        0
    };
    if received.len() < end + length {
        return None;
    }
    let request: String = received.drain(..end + length).collect();
    assert!(request.contains("\r\nAuthorization: s3cret\r\n"));
    let path = request.split(' ').nth(1)?;
    let name = path.split(['/', '?']).nth(1)?;
    Some(name.to_owned())
}

/// What a server answers to the exchange of this name.
fn answer(asked: &str, dice: usize, redirect: usize) -> String {
    let word = format!("<{asked}>");
    let chunk = format!("{:x}\r\n{word}\r\n", word.len());
    match dice {
        0 => String::new(),
        1 => format!("HTTP/1.0 200 OK\r\n\r\n{word}"),
        2 => "no response".to_owned(),
        3 | 4 => {
            let place = [
                format!("/{asked}/more"),
                "//evil/".to_owned(),
                "?x".to_owned(),
                asked.to_owned(),
            ];
            format!(
                "HTTP/1.1 307 x\r\nLocation: {}\r\nContent-Length: 5\r\n\r\nmoved",
                if redirect == 3 {
                    format!("/{asked}/")
                } else {
                    place[redirect].clone()
                }
            )
        }
        5 => format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{word}"),
        6 => format!("HTTP/1.1 100 x\r\n\r\n{}", response(404, &word)),
        7 | 8 => format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(5)
        ),
        _ => response(200, &word),
    }
}

#[test]
fn whatever_happens_every_order_ends_once_and_nothing_is_left_over() {
    let (mut ended, mut whole) = (0, 0);
    for seed in 0..=127 {
        let mut storm = Storm::new(seed);
        for _ in 0..600 {
            storm.turn();
        }
        storm.calm();
        assert_eq!(storm.ended, storm.asked, "seed {seed}");
        storm.world.assert_nothing_left();
        ended += storm.ended;
        whole += storm.whole;
    }
    assert!(ended > 5_000 && whole > 1_000, "{ended} {whole}");
}
