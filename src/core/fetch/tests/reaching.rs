//! Whom somebody else may make us ask: nobody but the public internet, on connections of its own.

use super::*;
use crate::http1::proxy::{Proxies, Proxy};

fn public(url: &str) -> Order {
    Order {
        reach: Reach::Public,
        ..post(url)
    }
}

fn by(proxy: &str) -> Proxies {
    Proxies {
        http: Proxy::parse(proxy).ok(),
        https: Proxy::parse(proxy).ok(),
        ..Proxies::default()
    }
}

fn after(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn x6_connections_of_one_reach_never_serve_the_other() {
    let (mut world, _) = idle();
    world.ask(2, public("http://a/"));
    assert!(world.dials[0].1.public_only, "not on the idle one");
    let link = world.open();
    let _request = world.sent(link);
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["2 head 200", "2 end "]);
    assert_eq!(world.fetcher.connections(), 2);
    // Each has its own now.
    world.ask(3, public("http://a/"));
    world.ask(4, post("http://a/"));
    assert!(world.dials.is_empty());
    world.ask(5, post("http://a/"));
    assert!(!world.dials[0].1.public_only);
    let last = world.open();
    world.broken(last);
}

#[test]
fn x6_a_redirect_keeps_the_reach() {
    let mut world = World::default();
    world.ask(1, public("http://a/"));
    let link = world.open();
    world.feed(
        link,
        after(307, "/b").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
    );
    assert!(world.dials[0].1.public_only);
    let link = world.open();
    world.feed(link, after(307, "http://127.0.0.1/"));
    assert!(world.dials.is_empty());
    assert!(world.news()[0].starts_with("1 Redirect"));
}

#[test]
fn x6_what_is_plainly_private_is_not_even_left_to_a_proxy() {
    let _reached = must_hit(Mark::FetchPrivate);
    for proxies in [Proxies::default(), by("http://proxy:3128")] {
        let mut world = World::new(proxies);
        for url in [
            "http://127.0.0.1/",
            "https://169.254.169.254/latest",
            "http://[::ffff:10.0.0.1]/",
            "https://localhost:8443/",
        ] {
            world.ask(1, public(url));
            let [news] = &world.news()[..] else {
                panic!("it fails at once");
            };
            assert!(news.starts_with("1 Open(Private): "), "{news}");
            assert!(news.contains("no host of the public internet"), "{news}");
        }
        assert!(world.dials.is_empty());
        world.assert_nothing_left();
    }
}

#[test]
fn x6_a_proxy_itself_may_be_anywhere_and_looks_names_up_by_itself() {
    let mut world = World::new(by("http://10.0.0.1:3128"));
    world.ask(1, public("https://a.example/"));
    let (_, spec) = &world.dials[0];
    assert!(!spec.public_only && spec.tunnel.is_some());
    world.open();
}

#[test]
fn errand_body_bytes_max_a_longer_answer_fails() {
    let _reached = must_hit(Mark::ErrandTooLong);
    for (length, told) in [(9, "1 end"), (10, "1 Exchange(BodyTooLong), reached")] {
        let mut world = World::default();
        let key = world.ask(1, public("http://a/"));
        world.fetcher.limit(key, 9);
        let link = world.open();
        let _request = world.sent(link);
        world.feed(link, response(200, &"x".repeat(length)));
        let news = world.news();
        assert!(news.last().unwrap().starts_with(told), "{news:?}");
        world.assert_nothing_left();
    }
}
