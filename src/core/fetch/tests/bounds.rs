//! Places, and who waits for them.

use super::*;
use crate::limits::{
    FETCH_BYTES_PER_ORIGIN_MAX, FETCH_CALLS_MAX, FETCH_CALLS_PER_ORIGIN_MAX, FETCH_STREAMS_MAX,
    FETCH_STREAMS_PER_ORIGIN_MAX, FETCH_WAITING_MAX, FETCH_WAITING_PER_ORIGIN_MAX,
    RESPONSE_BODY_BYTES_MAX,
};

const BUSY: &str = "Busy: http://a: too many requests to it are under way; try again in a moment";

/// Asks so many times, each by a name of its own.
fn ask_many(world: &mut World, count: usize, order: impl Fn(usize) -> Order) -> Vec<FetchKey> {
    (0..count)
        .map(|number| world.ask(u32::try_from(number).unwrap(), order(number)))
        .collect()
}

fn give_up_all(mut world: World) {
    let keys = world.fetcher.exchanges.keys();
    for key in keys {
        world.input(|fetcher, cx| fetcher.give_up(cx, key));
    }
    world.assert_nothing_left();
}

#[test]
fn fetch_calls_per_origin_max_lets_the_next_wait_in_order() {
    let _reached = must_hit(Mark::FetchWaits);
    let mut world = World::default();
    let most = FETCH_CALLS_PER_ORIGIN_MAX;
    let keys = ask_many(&mut world, most + 2, |_| post("http://a"));
    assert_eq!(world.dials.len(), most);
    world.ask(1, post("http://b"));
    assert_eq!(world.dials.len(), most + 1, "others do not wait for that");
    let link = world.open();
    let _request = world.sent(link);
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["0 head 200", "0 end "]);
    assert!(
        world.sent(link).starts_with("POST "),
        "the oldest has the connection now"
    );
    let first = world.fetcher.exchanges.get(keys[most]).unwrap();
    assert!(matches!(first.phase, exchange::Phase::Asked(_)));
    let last = world.fetcher.exchanges.get(keys[most + 1]).unwrap();
    assert!(matches!(last.phase, exchange::Phase::Waiting));
    world.refuse();
    assert_eq!(
        world.dials.len(),
        most,
        "a failure gives its place back as well"
    );
    world.input(|fetcher, cx| fetcher.give_up(cx, keys[2]));
    give_up_all(world);
}

#[test]
fn streams_do_not_take_the_places_of_calls() {
    let mut world = World::default();
    let most = FETCH_STREAMS_PER_ORIGIN_MAX;
    ask_many(&mut world, most + 3, |_| get("http://a"));
    assert_eq!(world.dials.len(), most);
    world.ask(1000, post("http://a"));
    assert_eq!(world.dials.len(), most + 1);
    give_up_all(world);
}

#[test]
fn fetch_calls_max_and_fetch_streams_max_bound_all_origins_together() {
    for (most, order) in [
        (FETCH_CALLS_MAX, post as fn(&str) -> Order),
        (FETCH_STREAMS_MAX, get),
    ] {
        let mut world = World::default();
        ask_many(&mut world, most + 1, |number| {
            order(&format!("http://h{}", number / 100))
        });
        assert_eq!(world.dials.len(), most);
        world.refuse();
        assert_eq!(world.dials.len(), most);
        give_up_all(world);
    }
}

#[test]
fn who_waits_too_long_for_a_place_is_told_that_all_are_taken() {
    let mut world = World::default();
    let mut keys = ask_many(&mut world, FETCH_CALLS_PER_ORIGIN_MAX, |_| post("http://a"));
    for _ in 0..keys.len() {
        let _link = world.open();
    }
    let late = Order {
        connect_ms_max: 100,
        ..post("http://a")
    };
    keys.push(world.ask(1000, late));
    world.pass(99);
    assert!(world.news().is_empty());
    world.pass(1);
    assert_eq!(world.news(), [format!("1000 {BUSY}")]);
    give_up_all(world);
}

#[test]
fn fetch_waiting_per_origin_max_makes_one_more_fail_at_once() {
    let mut world = World::default();
    let most = FETCH_CALLS_PER_ORIGIN_MAX + FETCH_WAITING_PER_ORIGIN_MAX;
    let keys = ask_many(&mut world, most, |_| post("http://a"));
    assert!(world.news().is_empty());
    world.ask(1000, post("http://a"));
    assert_eq!(world.news(), [format!("1000 {BUSY}")]);
    world.input(|fetcher, cx| fetcher.give_up(cx, keys[most - 1]));
    world.ask(1001, post("http://a"));
    assert!(world.news().is_empty());
    give_up_all(world);
}

#[test]
fn fetch_waiting_max_bounds_all_origins_together() {
    let _reached = must_hit(Mark::FetchBusy);
    let mut world = World::default();
    ask_many(&mut world, FETCH_CALLS_MAX + FETCH_WAITING_MAX, |number| {
        post(&format!("http://h{}", number / 100))
    });
    assert!(world.news().is_empty());
    world.ask(1000, post("http://a"));
    assert_eq!(world.news(), [format!("1000 {BUSY}")]);
    give_up_all(world);
}

#[test]
fn fetch_bytes_per_origin_max_bounds_what_is_held_for_repeating() {
    let order = |bytes: usize| Order {
        body: vec![b'x'; bytes],
        ..post("http://a")
    };
    let mut world = World::default();
    world.ask(1, order(FETCH_BYTES_PER_ORIGIN_MAX));
    world.ask(2, order(1));
    assert_eq!(world.news(), [format!("2 {BUSY}")]);
    let link = world.open();
    let _request = world.sent(link);
    // Held until there is a response, and not until its end.
    world.feed(link, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(world.news(), ["1 head 200"]);
    world.ask(3, order(FETCH_BYTES_PER_ORIGIN_MAX));
    assert!(world.news().is_empty());
    give_up_all(world);
}

#[test]
fn fetch_gathered_bytes_per_origin_max_fails_the_response_that_is_too_much() {
    let mut world = World::default();
    let piece = vec![b'x'; RESPONSE_BODY_BYTES_MAX - 1];
    let head = format!("HTTP/1.1 200 x\r\nContent-Length: {RESPONSE_BODY_BYTES_MAX}\r\n\r\n");
    let mut links = Vec::new();
    for _ in 0..2 {
        world.ask(1, post("http://a"));
        let link = world.open();
        let _request = world.sent(link);
        world.feed(link, &head);
        world.feed(link, &piece);
        links.push(link);
    }
    assert_eq!(world.news(), ["1 head 200", "1 head 200"]);
    world.ask(2, post("http://a"));
    let link = world.open();
    let _request = world.sent(link);
    world.feed(link, &head);
    world.feed(link, "123");
    let too_much = "2 Busy, reached: http://a: too much of its other responses is under way to \
                    take this one; it may have been done";
    assert_eq!(world.news(), ["2 head 200", too_much]);
    // What ends gives its room back, and what becomes a stream takes none.
    world.feed(links[0], "x");
    assert_eq!(world.news().len(), 1);
    let key = world.ask(3, post("http://a"));
    let link = links[0];
    let _request = world.sent(link);
    world.feed(link, &head);
    world.feed(link, "123");
    assert_eq!(world.news(), ["3 head 200"]);
    world.input(|fetcher, _| fetcher.stream(key));
    assert_eq!(world.take(key), "123");
    give_up_all(world);
}
