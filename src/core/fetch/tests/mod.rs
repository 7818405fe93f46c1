//! Whole exchanges, told as stories.

mod bounds;
mod failing;
mod giving_up;
mod keeping;
mod reaching;
mod redirecting;
mod storm;
mod streaming;
mod talking;

use super::world::*;
use super::*;
use crate::base::mark::{Mark, must_hit};
use crate::base::secret::Secret;
use crate::cx::Alarm;
use crate::effect::Effect;
use crate::http1::fuzzing::splits;
use crate::http1::head::Method;
use crate::links::LinkKey;

/// A world with a first exchange under way on a fresh connection, its request sent.
fn asking(order: Order) -> (World, FetchKey, LinkKey) {
    let mut world = World::default();
    let key = world.ask(1, order);
    let link = world.open();
    let _request = world.sent(link);
    (world, key, link)
}

/// A world with an idle connection to `http://a`.
fn idle() -> (World, LinkKey) {
    let (mut world, _, link) = asking(post("http://a/"));
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["1 head 200", "1 end "]);
    assert_eq!((world.fetcher.count(), world.fetcher.connections()), (0, 1));
    (world, link)
}

/// How long the orders of the tests give for a connection.
const CONNECT_MS: u64 = 9_000;
/// How long they give for the first byte.
const RESPONSE_MS: u64 = 5_000;

/// A `POST` of a few bytes with a secret.
fn post(url: &str) -> Order {
    Order {
        method: Method::Post,
        url: Rc::new(Url::parse(url).unwrap()),
        fields: vec![("Accept".into(), "text/plain".into())],
        headers: Rc::from([("Authorization".into(), Secret::from("s3cret"))]),
        body: b"{}".to_vec(),
        response_ms_max: Some(RESPONSE_MS),
        connect_ms_max: CONNECT_MS,
        lane: Lane::Call,
        reach: Reach::Anywhere,
    }
}

/// A `GET` that becomes a stream.
fn get(url: &str) -> Order {
    Order {
        method: Method::Get,
        body: Vec::new(),
        lane: Lane::Stream,
        reach: Reach::Anywhere,
        ..post(url)
    }
}

impl World {
    /// All news, each in words: `1 head 200`, `1 data`, `1 end BODY`, `1 KIND, reached: WHY`.
    fn news(&mut self) -> Vec<String> {
        let news = std::iter::from_fn(|| self.fetcher.next());
        news.map(|(whose, _, news)| format!("{whose} {}", told(news)))
            .collect()
    }

    /// What has come of a body and was not taken.
    fn take(&mut self, key: FetchKey) -> String {
        let mut body = b"left over".to_vec();
        self.input(|fetcher, cx| fetcher.take_body(cx, key, &mut body));
        String::from_utf8(body).unwrap()
    }

    /// Everything was told, and nothing is left.
    fn assert_nothing_left(&mut self) {
        assert_eq!(self.news(), [""; 0]);
        self.assert_empty();
    }
}

/// One of the news in words.
fn told(news: News) -> String {
    match news {
        News::Head(head) => format!("head {}", head.status),
        News::Data => "data".to_owned(),
        News::End(rest) => format!("end {}", String::from_utf8_lossy(&rest)),
        News::Failed(failure) => {
            let reached = if failure.reached { ", reached" } else { "" };
            format!("{:?}{reached}: {}", failure.kind, failure.why)
        }
    }
}

/// A whole response with this status and body, behind which the connection stays.
fn response(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}")
}
