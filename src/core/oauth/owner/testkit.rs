//! What the tests of this room share: requests as they come from browsers, a world for the
//! machine.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use ring::pbkdf2;

use crate::base::frame::Frame;
use crate::base::slab::Key;
use crate::base::timers::Timers;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Effects, Level};
use crate::entropy::Entropy;
use crate::http1::server::{Server, Step};
use crate::language::WebRequest;
use crate::limits::BODY_BYTES_MAX;
use crate::links::{LinkKey, Links};
use crate::now::{Now, Tick};
use crate::oauth::server::record::Password;
use crate::tally::Tally;

/// A request as it is told to the pages; `fields` are whole lines.
pub(super) fn request(method: &str, target: &str, fields: &str, body: &str) -> WebRequest {
    let mut server = Server::new(BODY_BYTES_MAX);
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\n{fields}");
    let names_host = |line: &str| line.to_lowercase().starts_with("host:");
    let host = if fields.lines().any(names_host) {
        ""
    } else {
        "Host: localhost:3050\r\n"
    };
    server.receive(format!("{head}{host}Content-Length: {length}\r\n\r\n{body}").as_bytes());
    let mut frame = Frame::default();
    let Step::Request(head) = server.next(&mut frame) else {
        panic!("{method} {target} is no request");
    };
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    WebRequest {
        head,
        body: frame.bytes().to_vec(),
        peer,
        client: peer,
    }
}

/// A form as browsers send it.
pub(super) fn form(target: &str, cookie: &str, body: &str) -> WebRequest {
    let fields = format!(
        "Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Origin: http://localhost:3050\r\nSec-Fetch-Site: same-origin\r\nAccept: text/html\r\n"
    );
    request("POST", target, &fields, body)
}

/// A password as the record has it.
pub(super) fn password(text: &str) -> Password {
    let salt = [7; 16];
    Password {
        salt,
        rounds: NonZeroU32::MIN,
        key: stretch(text, salt),
    }
}

pub(super) fn stretch(text: &str, salt: [u8; 16]) -> [u8; 32] {
    let mut key = [0; 32];
    let once = NonZeroU32::MIN;
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        once,
        &salt,
        text.as_bytes(),
        &mut key,
    );
    key
}

/// A connection.
pub(super) fn link(index: u32) -> LinkKey {
    LinkKey(Key {
        index,
        generation: 0,
    })
}

/// Everything that a [`Cx`] points to.
pub(super) struct World {
    pub(super) now: Now,
    links: Links,
    pub(super) timers: Timers<Alarm>,
    pub(super) effects: Effects,
    entropy: Entropy,
    tally: Tally,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: Now {
                tick: Tick(1_000_000),
                ..Now::default()
            },
            links: Links::default(),
            timers: Timers::default(),
            effects: Effects::default(),
            entropy: Entropy::new(&[9; 32]),
            tally: Tally::default(),
        }
    }
}

impl World {
    pub(super) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            log_level: Level::Debug,
            links: &mut self.links,
            timers: &mut self.timers,
            effects: &mut self.effects,
            entropy: &mut self.entropy,
            tally: &mut self.tally,
        }
    }

    /// Takes all orders out.
    pub(super) fn orders(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.effects.pop()).collect()
    }
}
