//! Nobody wants it any more; and what comes for something that has gone.

use super::*;
use crate::input::{OpenFailure, OpenFault};

fn give_up(world: &mut World, key: FetchKey) {
    world.input(|fetcher, cx| fetcher.give_up(cx, key));
}

#[test]
fn x_cancel_closes_the_connection_wherever_the_exchange_is() {
    type Before = fn(&mut World, LinkKey);
    let places: [Before; 4] = [
        |_, _| {},
        |world, link| world.feed(link, "HTTP/1.1 200 OK\r\nCont"),
        |world, link| world.feed(link, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
        |world, link| {
            world.feed(
                link,
                "HTTP/1.1 307 x\r\nLocation: /\r\nContent-Length: 5\r\n\r\nhel",
            );
        },
    ];
    for before in places {
        let (mut world, key, link) = asking(post("http://a"));
        before(&mut world, link);
        give_up(&mut world, key);
        assert_eq!(world.orders, [Effect::Close { link }]);
        assert!(world.news().is_empty() && world.fetcher.is_empty());
        world.feed(link, "lo");
        give_up(&mut world, key);
        world.assert_nothing_left();
    }
}

#[test]
fn what_is_over_but_not_told_is_not_told_any_more() {
    let (mut world, key, link) = asking(post("http://a"));
    world.feed(link, response(200, ""));
    give_up(&mut world, key);
    assert!(world.news().is_empty());
    assert_eq!(
        world.fetcher.connections(),
        1,
        "it is kept, for it is clean"
    );
    world.assert_nothing_left();
}

#[test]
fn late_answers_to_an_order_to_open_find_nobody() {
    let _reached = must_hit(Mark::FetchOpenedLate);
    let mut world = World::default();
    let key = world.ask(1, post("http://a"));
    let dial = world.dials[0].0;
    give_up(&mut world, key);
    assert_eq!(world.orders, [Effect::GiveUpOpen { dial }]);
    world.orders.clear();
    // The successor has the same place in the table.
    let next = world.ask(2, post("http://a"));
    assert_eq!(world.dials[0].0.0.index, dial.0.index);
    assert_eq!(next.0.index, key.0.index);
    let link = world.open_late(dial);
    assert_eq!(world.orders, [Effect::Close { link }]);
    let failure = OpenFailure {
        fault: OpenFault::Refused,
        why: "late".to_owned(),
    };
    world.input(|fetcher, cx| fetcher.open_failed(cx, dial, failure));
    assert!(world.news().is_empty());
    let link = world.open();
    let _request = world.sent(link);
    world.feed(link, response(200, "2"));
    assert_eq!(world.news(), ["2 head 200", "2 end 2"]);
    world.assert_nothing_left();
}

#[test]
fn keys_of_former_exchanges_and_connections_reach_nobody() {
    let (mut world, old) = idle();
    let old_dial = world.dial(old).unwrap();
    world.eof(old);
    let (_, key) = (
        world.ask(2, post("http://a")),
        FetchKey(crate::base::slab::Key {
            index: 0,
            generation: 0,
        }),
    );
    let link = world.open();
    let _request = world.sent(link);
    assert_eq!(world.dial(link).unwrap().0.index, old_dial.0.index);
    world.orders.clear();
    world.input(|fetcher, cx| {
        fetcher.receive(cx, old_dial, b"HTTP/1.1 200 OK\r\n\r\n");
        fetcher.eof(cx, old_dial);
        fetcher.broken(cx, old, old_dial);
        fetcher.give_up(cx, key);
        fetcher.stream(key);
        fetcher.pause(cx, key, true);
        let mut body = Vec::new();
        fetcher.take_body(cx, key, &mut body);
    });
    assert!(world.orders.is_empty() && world.news().is_empty());
    world.feed(link, response(200, "2"));
    assert_eq!(world.news(), ["2 head 200", "2 end 2"]);
    world.assert_nothing_left();
}
