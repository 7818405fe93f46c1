//! Connections that are used again, and those that turn out dead.

use super::*;
use crate::limits::{IDLE_CONNECTION_MS, IDLE_CONNECTIONS_PER_ORIGIN_MAX};

#[test]
fn a_kept_connection_is_used_for_the_same_origin_only() {
    let (mut world, link) = idle();
    world.ask(2, post("https://a/"));
    world.ask(3, post("http://a:81/"));
    assert_eq!(world.dials.len(), 2);
    world.ask(4, post("HTTP://A:80/other"));
    assert_eq!(world.dials.len(), 2);
    assert!(world.sent(link).starts_with("POST /other "));
    world.ask(5, post("http://a/"));
    assert_eq!(world.dials.len(), 3, "one exchange at a time");
    world.feed(link, response(200, "4"));
    assert_eq!(world.news(), ["4 head 200", "4 end 4"]);
}

#[test]
fn an_idle_connection_that_says_anything_or_ends_is_dropped_silently() {
    type Ends = fn(&mut World, LinkKey);
    let ends: [(Ends, bool); 5] = [
        (|world, link| world.feed(link, "H"), true),
        (
            |world, link| world.feed(link, "HTTP/1.1 408 x\r\n\r\n"),
            true,
        ),
        (World::eof, true),
        (World::broken, false),
        (|world, _| world.pass(IDLE_CONNECTION_MS), true),
    ];
    for (end, closes) in ends {
        let (mut world, link) = idle();
        end(&mut world, link);
        let close = Effect::Close { link };
        assert_eq!(world.orders, if closes { vec![close] } else { vec![] });
        world.ask(2, post("http://a/"));
        assert_eq!((world.dials.len(), world.fetcher.connections()), (1, 1));
        world.refuse();
        assert_eq!(world.news().len(), 1);
        world.assert_nothing_left();
    }
}

#[test]
fn bytes_behind_a_response_end_its_connection() {
    let (mut world, _, link) = asking(post("http://a"));
    world.feed(link, response(200, "one") + "HTTP/1.1 200");
    assert_eq!(world.news(), ["1 head 200", "1 end one"]);
    assert_eq!(world.orders, [Effect::Close { link }]);
    world.assert_nothing_left();
}

#[test]
fn what_a_dead_kept_connection_did_not_take_is_sent_once_more() {
    let _reached = must_hit(Mark::FetchFarewell);
    type Dies = fn(&mut World, LinkKey);
    let deaths: [Dies; 4] = [
        World::eof,
        World::broken,
        |world, link| world.feed(link, "HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n"),
        |world, link| {
            let _shut = world.links.wrote(link, 10);
            world.broken(link);
        },
    ];
    for dies in deaths {
        let (mut world, old) = idle();
        world.ask(2, post("http://a/again"));
        dies(&mut world, old);
        assert_eq!((world.news().len(), world.fetcher.connections()), (0, 1));
        let link = world.open();
        let sent = world.sent(link);
        assert!(
            sent.starts_with("POST /again ") && sent.ends_with("\r\nContent-Length: 2\r\n\r\n{}")
        );
        world.feed(old, response(200, "of nobody"));
        world.feed(link, response(200, "yes"));
        assert_eq!(world.news(), ["2 head 200", "2 end yes"]);
        world.assert_nothing_left();
    }
}

#[test]
fn what_a_kept_connection_took_is_not_sent_again() {
    let (mut world, link) = idle();
    world.ask(2, post("http://a/"));
    let _request = world.sent(link);
    world.eof(link);
    assert_eq!(
        world.news(),
        [
            "2 Exchange(Closed(Before)), reached: http://a: the server closed the connection without \
          a response"
        ]
    );
    world.assert_nothing_left();
}

#[test]
fn what_a_fresh_connection_did_not_take_is_not_sent_again_here() {
    let mut world = World::default();
    world.ask(1, post("http://a"));
    let link = world.open();
    world.broken(link);
    assert_eq!(
        world.news(),
        ["1 Exchange(Reset(Before)): http://a: the connection was lost before the response"]
    );
    world.assert_nothing_left();
}

#[test]
fn it_is_sent_once_more_and_not_twice() {
    let _reached = must_hit(Mark::FetchRepeats);
    let (mut world, link) = idle();
    world.ask(2, post("http://a/"));
    world.eof(link);
    let link = world.open();
    world.eof(link);
    assert_eq!(
        world.news(),
        [
            "2 Exchange(Closed(Before)): http://a: the server closed the connection without a response"
        ]
    );
    world.assert_nothing_left();
}

#[test]
fn of_many_idle_connections_some_are_closed() {
    let mut world = World::default();
    let count = IDLE_CONNECTIONS_PER_ORIGIN_MAX + 3;
    let links: Vec<_> = (0..count)
        .map(|_| {
            world.ask(1, post("http://a"));
            world.open()
        })
        .collect();
    for link in links {
        let _request = world.sent(link);
        world.feed(link, response(200, ""));
    }
    assert_eq!(world.news().len(), 2 * count);
    assert_eq!(world.fetcher.connections(), IDLE_CONNECTIONS_PER_ORIGIN_MAX);
    assert_eq!(world.orders.len(), 3);
    world.assert_nothing_left();
}

#[test]
fn who_leaves_keeps_no_connection() {
    let (mut world, link) = idle();
    let key = world.ask(2, post("http://b"));
    let other = world.open();
    let _request = world.sent(other);
    world.input(|fetcher, cx| fetcher.leave(cx));
    assert_eq!(world.orders, [Effect::Close { link }]);
    world.feed(other, response(200, ""));
    assert_eq!(world.news(), ["2 head 200", "2 end "]);
    assert_eq!(world.fetcher.url(key), None);
    assert!(world.fetcher.is_empty());
    world.assert_nothing_left();
}
