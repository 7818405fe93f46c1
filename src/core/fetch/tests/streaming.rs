//! Event streams: told as they come, without an end, and paused when nobody takes them.

use super::*;
use crate::limits::{FETCH_UNTAKEN_BYTES_MAX, RESPONSE_BODY_BYTES_MAX, RESPONSE_IDLE_MS_MAX};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A stream that has begun.
fn streaming() -> (World, FetchKey, LinkKey) {
    let (mut world, key, link) = asking(get("http://a/"));
    world.feed(link, HEAD);
    assert_eq!(world.news(), ["1 head 200"]);
    world.fetcher.stream(key);
    (world, key, link)
}

#[test]
fn a_stream_is_told_as_it_comes_and_may_be_silent_for_as_long_as_it_likes() {
    let (mut world, key, link) = streaming();
    for text in ["one", "two"] {
        world.pass(RESPONSE_IDLE_MS_MAX * 100);
        world.feed(link, chunk(text));
        assert_eq!(world.news(), ["1 data"]);
        assert_eq!(
            (world.take(key).as_str(), world.take(key).as_str()),
            (text, "")
        );
    }
    assert!(world.timers.is_empty());
    world.feed(link, chunk("three"));
    world.feed(link, chunk("four") + "0\r\n\r\n");
    assert_eq!(world.news(), ["1 data", "1 end threefour"]);
    assert_eq!(world.take(key), "");
    world.assert_nothing_left();
}

#[test]
fn what_came_with_the_head_is_told_as_well() {
    let (mut world, key, link) = asking(get("http://a/"));
    world.feed(link, HEAD.to_owned() + &chunk("one") + "0\r\n\r\n");
    let (_, told, _head) = world.fetcher.next().unwrap();
    assert_eq!(told, key);
    world.fetcher.stream(key);
    assert_eq!(world.news(), ["1 data", "1 end one"]);
    world.assert_nothing_left();
}

#[test]
fn what_came_before_a_failure_can_be_taken_before_it() {
    let (mut world, key, link) = streaming();
    world.feed(link, chunk("one"));
    world.broken(link);
    assert!(matches!(world.fetcher.next(), Some((1, _, News::Data))));
    assert_eq!(world.take(key), "one");
    assert_eq!(
        world.news(),
        [
            "1 Exchange(Reset(Body)), reached: http://a: the connection was lost in the middle of \
          the response"
        ]
    );
    world.assert_nothing_left();
}

#[test]
fn a_stream_is_longer_than_any_response_may_be() {
    let (mut world, key, link) = streaming();
    let piece = "x".repeat(1 << 19);
    let mut seen = 0;
    while seen <= RESPONSE_BODY_BYTES_MAX {
        world.feed(link, chunk(&piece));
        assert_eq!(world.news(), ["1 data"]);
        seen += world.take(key).len();
    }
    assert!(world.orders.is_empty());
    world.input(|fetcher, cx| fetcher.give_up(cx, key));
    world.assert_nothing_left();
}

#[test]
fn fetch_untaken_bytes_max_stops_reading_until_it_is_taken() {
    let _reached = must_hit(Mark::FetchUntaken);
    let (mut world, key, link) = streaming();
    world.feed(link, chunk(&"x".repeat(FETCH_UNTAKEN_BYTES_MAX)));
    let order = |paused| [Effect::PauseRead { link, paused }];
    assert_eq!(world.orders, order(true));
    assert_eq!(world.news(), ["1 data"]);
    world.orders.clear();
    assert_eq!(world.take(key).len(), FETCH_UNTAKEN_BYTES_MAX);
    assert_eq!(world.orders, order(false));
    world.orders.clear();
    world.feed(link, "0\r\n\r\n");
    assert_eq!(world.news(), ["1 end "]);
    world.assert_nothing_left();
}

#[test]
fn whoever_asks_pauses_a_stream_and_is_told_again_what_waits() {
    let (mut world, key, link) = streaming();
    world.input(|fetcher, cx| fetcher.pause(cx, key, true));
    world.input(|fetcher, cx| fetcher.pause(cx, key, true));
    assert_eq!(world.orders, [Effect::PauseRead { link, paused: true }]);
    world.orders.clear();
    world.feed(link, chunk("was read already"));
    assert_eq!(world.news(), ["1 data"]);
    world.input(|fetcher, cx| fetcher.pause(cx, key, false));
    assert_eq!(
        world.orders,
        [Effect::PauseRead {
            link,
            paused: false
        }]
    );
    assert_eq!(world.news(), ["1 data"]);
    assert_eq!(world.take(key), "was read already");
    world.input(|fetcher, cx| fetcher.give_up(cx, key));
    world.assert_nothing_left();
}

#[test]
fn a_connection_is_not_kept_paused() {
    let (mut world, key, link) = streaming();
    world.input(|fetcher, cx| fetcher.pause(cx, key, true));
    world.feed(link, "0\r\n\r\n");
    let pauses = [true, false].map(|paused| Effect::PauseRead { link, paused });
    assert_eq!(world.orders, pauses);
    assert_eq!(world.news(), ["1 end "]);
    world.assert_nothing_left();
}

#[test]
fn a_response_that_is_no_stream_is_not_paused() {
    let (mut world, key, link) = asking(post("http://a/"));
    world.input(|fetcher, cx| fetcher.pause(cx, key, true));
    world.feed(
        link,
        format!("HTTP/1.1 200 x\r\nContent-Length: {}\r\n\r\n", 3 << 20),
    );
    world.feed(link, vec![b'x'; 3 << 20]);
    assert!(world.orders.is_empty());
    assert_eq!(world.news().len(), 2);
    world.assert_nothing_left();
}

#[test]
fn streams_of_an_encoding_that_nobody_reads_stay_untold() {
    let (mut world, key, link) = asking(get("http://a/"));
    let head = "HTTP/1.1 500 x\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n";
    world.feed(link, head);
    world.fetcher.stream(key);
    world.feed(link, "xx");
    assert_eq!(world.news(), ["1 head 500", "1 end "]);
    world.assert_nothing_left();
}
