//! What must hold whatever servers say and whenever connections fail: [`fetch`] is a fuzz target of
//! fuzz/ and panics when it is broken.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::origin::{Host, Origin, Scheme};
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::fetch::world::World;
use crate::fetch::{FetchKey, Lane, News, Order, Reach};
use crate::http1::head::Method;
use crate::http1::no_proxy::NoProxy;
use crate::http1::proxy::{Proxies, Proxy};
use crate::links::LinkKey;

/// Operations of one run.
const OPERATIONS_MAX: usize = 300;
/// No URL has braces: whatever is asked, it is not these.
const SECRET: &str = "{s3cret}";
const PASSWORD: &str = "{pr0xy}";
/// Longest step of the clock, in tenths of a second.
const STEP_MAX: u64 = 1_000;

/// One connection that is or was open.
struct Peer {
    link: LinkKey,
    /// What it was opened to: scheme, host, port; of the proxy, if one was asked.
    to: (Host, u16, Option<Host>),
}

/// A run of the target.
struct Run {
    world: World,
    asked: u32,
    /// Exchanges that are not over: whose, where, and whether the head was told.
    open: BTreeMap<FetchKey, (u32, Rc<Url>, bool)>,
    peers: Vec<Peer>,
}

/// Fuzzes whole exchanges. Each line is an operation: a letter and what it needs.
///
/// - `p URL`, `g URL`: ask (POST; GET for a stream);
/// - `o`: a connection opens; `r`: one does not; `w`: the kernel takes what was sent;
/// - `f TEXT`: a server says that (`|` is a line end); `e`: it closes; `b`: it breaks;
/// - `x`: the oldest exchange is given up; `s`: it is a stream; `z`, `Z`: it is paused and resumed;
///   `t`: its body is taken;
/// - `m N`: so many tenths of a second pass; `l N`: what follows is about that connection;
/// - `q`: we leave.
pub fn fetch(data: &[u8]) {
    let mut run = Run {
        world: World::new(Proxies {
            http: Proxy::parse(&format!("user:{PASSWORD}@proxy:1")).ok(),
            https: Proxy::parse(&format!("user:{PASSWORD}@proxy:2")).ok(),
            no: NoProxy::parse("a, b"),
        }),
        asked: 0,
        open: BTreeMap::new(),
        peers: Vec::new(),
    };
    let mut at = 0;
    for line in data.split(|byte| *byte == b'\n').take(OPERATIONS_MAX) {
        run.operate(&mut at, line);
        run.drain();
        run.check();
    }
    for key in run.open.into_keys() {
        run.world.input(|fetcher, cx| fetcher.give_up(cx, key));
    }
    assert!(run.world.fetcher.next().is_none());
    run.world.assert_empty();
}

impl Run {
    fn operate(&mut self, at: &mut usize, line: &[u8]) {
        let Some((verb, rest)) = line.split_first() else {
            return;
        };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let number = |most: u64| {
            let text = std::str::from_utf8(rest).unwrap_or_default();
            text.parse::<u64>().unwrap_or(1).min(most)
        };
        let link = self.peers.get(*at).map(|peer| peer.link);
        let oldest = self.open.keys().next().copied();
        match (*verb, link, oldest) {
            (b'p', ..) => self.ask(Method::Post, rest),
            (b'g', ..) => self.ask(Method::Get, rest),
            (b'o', ..) => *at = self.open_next().unwrap_or(*at),
            (b'r', ..) if !self.world.dials.is_empty() => self.world.refuse(),
            (b'q', ..) => self.world.input(|fetcher, cx| fetcher.leave(cx)),
            (b'm', ..) => self.world.pass(number(STEP_MAX) * 100),
            (b'l', ..) => *at = usize::try_from(number(100)).unwrap_or_default(),
            (b'w', Some(_), _) => self.take_sent(*at),
            (b'f', Some(link), _) => self.world.feed(link, with_line_ends(rest)),
            (b'e', Some(link), _) => self.world.eof(link),
            (b'b', Some(link), _) => self.world.broken(link),
            (b'x', _, Some(key)) => {
                self.world.input(|fetcher, cx| fetcher.give_up(cx, key));
                self.open.remove(&key);
            }
            (b's', _, Some(key)) => self.world.fetcher.stream(key),
            (b'z' | b'Z', _, Some(key)) => {
                let paused = *verb == b'z';
                self.world
                    .input(|fetcher, cx| fetcher.pause(cx, key, paused));
            }
            (b't', _, Some(key)) => {
                let mut body = Vec::new();
                self.world
                    .input(|fetcher, cx| fetcher.take_body(cx, key, &mut body));
            }
            _ => {}
        }
    }

    fn ask(&mut self, method: Method, url: &[u8]) {
        let url = std::str::from_utf8(url).ok().map(Url::parse);
        let Some(Ok(url)) = url else {
            return;
        };
        let url = Rc::new(url);
        self.asked += 1;
        let is_post = method == Method::Post;
        let order = Order {
            method,
            url: Rc::clone(&url),
            fields: vec![("Accept".into(), "a/b".into())],
            headers: Rc::from([("X-Key".into(), Secret::from(SECRET))]),
            body: if is_post { b"{}".to_vec() } else { Vec::new() },
            response_ms_max: is_post.then_some(5_000),
            connect_ms_max: 5_000,
            lane: if is_post { Lane::Call } else { Lane::Stream },
            reach: Reach::Anywhere,
        };
        let key = self.world.ask(self.asked, order);
        let before = self.open.insert(key, (self.asked, url, false));
        assert!(before.is_none(), "a key of two exchanges");
    }

    fn open_next(&mut self) -> Option<usize> {
        let (_, spec) = self.world.dials.first()?.clone();
        if let Some(tunnel) = &spec.tunnel {
            assert!(spec.tls.is_some() && !tunnel.reveal().contains(SECRET));
        }
        let link = self.world.open();
        self.peers.push(Peer {
            link,
            to: (spec.host, spec.port, spec.tls),
        });
        Some(self.peers.len() - 1)
    }

    /// What was sent on a connection belongs there: secrets go to their own origin only.
    fn take_sent(&mut self, at: usize) {
        let Some(Peer { link, to }) = self.peers.get(at) else {
            return;
        };
        let sent = self.world.sent(*link);
        let (host, port, tls) = to;
        for line in sent.lines() {
            let Some(authority) = line.strip_prefix("Host: ") else {
                continue;
            };
            let scheme = if tls.is_some() { "https" } else { "http" };
            let meant = Url::parse(&format!("{scheme}://{authority}"));
            let meant = meant.as_ref().map(Url::origin);
            let is_theirs = |origin: &Origin| {
                let direct = origin.host == *host && origin.port == *port;
                let by_proxy = matches!(host, Host::Name(name) if &**name == "proxy");
                (direct || by_proxy) && (origin.scheme == Scheme::Https) == tls.is_some()
            };
            assert!(meant.is_ok_and(is_theirs), "{authority} is not {to:?}");
        }
    }

    /// Every exchange is told in order.
    fn drain(&mut self) {
        while let Some((whose, key, news)) = self.world.fetcher.next() {
            let told = self.open.get_mut(&key);
            assert!(told.is_some(), "told of what is over");
            let Some((asked, url, head)) = told else {
                return;
            };
            assert_eq!(*asked, whose);
            match news {
                News::Head(response) => {
                    assert!(response.status >= 200 && !std::mem::replace(head, true));
                    let now = self.world.fetcher.url(key).map(|url| url.origin());
                    assert!(now.is_none_or(|now| now == url.origin()));
                }
                News::Data => assert!(*head),
                News::End(_) => {
                    assert!(*head);
                    self.open.remove(&key);
                }
                News::Failed(failure) => {
                    let shown = [SECRET, PASSWORD].map(|secret| failure.why.contains(secret));
                    assert_eq!(shown, [false; 2]);
                    self.open.remove(&key);
                }
            }
        }
    }

    /// Each connection has one exchange, and whatever waits is watched.
    fn check(&self) {
        let fetcher = &self.world.fetcher;
        assert_eq!(fetcher.count(), self.open.len());
        let alarm = self.world.timers.next();
        for (dial, connection) in fetcher.connections.iter() {
            if let Some(key) = connection.exchange() {
                let exchange = fetcher.exchanges.get(key);
                assert!(exchange.is_some_and(|exchange| exchange.dial() == Some(dial)));
            }
            let deadline = connection.deadline();
            assert!(deadline.is_none_or(|deadline| alarm.is_some_and(|alarm| alarm <= deadline)));
        }
        for exchange in fetcher.exchanges.iter().map(|(_, exchange)| exchange) {
            let dial = exchange.dial();
            assert!(dial.is_none_or(|dial| fetcher.connections.contains(dial)));
        }
    }
}

fn with_line_ends(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    for byte in text {
        match byte {
            b'|' => out.extend_from_slice(b"\r\n"),
            byte => out.push(*byte),
        }
    }
    out
}
