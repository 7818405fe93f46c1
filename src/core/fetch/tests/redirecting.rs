//! Redirects: within the origin, a few, and never with another method.

use super::*;
use crate::limits::{REDIRECT_BODY_BYTES_MAX, REDIRECT_BODY_MS_MAX, REDIRECTS_MAX};

fn to(status: u16, location: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn rfc9110_15_4_the_whole_request_goes_there_on_the_same_connection_whatever_the_split() {
    let text = to(307, "/mcp/?s", "moved");
    for pieces in splits(text.as_bytes()) {
        let (mut world, key, link) = asking(post("http://a/mcp"));
        pieces.into_iter().for_each(|piece| world.feed(link, piece));
        assert!(world.news().is_empty() && world.dials.is_empty());
        let sent = world.sent(link);
        assert!(
            sent.starts_with("POST /mcp/?s HTTP/1.1\r\nHost: a\r\n"),
            "{sent}"
        );
        assert!(sent.contains("\r\nAuthorization: s3cret\r\n"), "{sent}");
        assert!(sent.ends_with("\r\nContent-Length: 2\r\n\r\n{}"), "{sent}");
        assert_eq!(world.fetcher.url(key).unwrap().target(), "/mcp/?s");
        world.feed(link, response(200, "there"));
        assert_eq!(world.news(), ["1 head 200", "1 end there"]);
        world.assert_nothing_left();
    }
}

#[test]
fn a_connection_that_ends_with_the_redirect_is_replaced() {
    type Ends = fn(&mut World, LinkKey);
    let ends: [Ends; 5] = [
        |world, link| {
            world.feed(
                link,
                "HTTP/1.1 308 x\r\nLocation: /b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            );
        },
        |world, link| {
            world.feed(link, "HTTP/1.0 308 x\r\nLocation: /b\r\n\r\nmoved");
            world.eof(link);
        },
        |world, link| {
            world.feed(
                link,
                "HTTP/1.1 308 x\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmo",
            );
            world.broken(link);
        },
        |world, link| {
            world.feed(
                link,
                "HTTP/1.1 308 x\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmo",
            );
            world.pass(REDIRECT_BODY_MS_MAX - 1);
            assert!(world.dial(link).is_some());
            world.pass(1);
        },
        |world, link| {
            world.feed(
                link,
                to(308, "/b", &"x".repeat(REDIRECT_BODY_BYTES_MAX + 1)),
            );
        },
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let (mut world, _, link) = asking(post("http://a/"));
        end(&mut world, link);
        assert_eq!((world.dial(link), world.dials.len()), (None, 1), "{index}");
        let link = world.open();
        assert!(world.sent(link).starts_with("POST /b "));
        world.feed(link, response(200, ""));
        assert_eq!(world.news(), ["1 head 200", "1 end "]);
        world.assert_nothing_left();
    }
}

#[test]
fn what_is_not_followed_says_where_it_leads_and_what_to_do() {
    let advice = "if that is right, put the new URL into the entry";
    for (method, status, location, why) in [
        (
            Method::Post,
            307,
            "https://b/v2?key=1",
            format!("the server redirects to https://b/v2; {advice}"),
        ),
        (
            Method::Get,
            301,
            "//evil/",
            format!("the server redirects to http://evil/; {advice}"),
        ),
        (
            Method::Post,
            302,
            "/login?next",
            format!(
                "the server redirects to http://a/login with status 302, which would change the \
                 request; {advice}"
            ),
        ),
    ] {
        let order = Order {
            method,
            ..post("http://a/mcp?token=t0ken")
        };
        let (mut world, _, link) = asking(order);
        world.feed(link, to(status, location, ""));
        assert_eq!(
            world.news(),
            [format!("1 Redirect, reached: http://a: {why}")]
        );
        assert_eq!(world.orders, [Effect::Close { link }]);
        world.assert_nothing_left();
    }
}

#[test]
fn redirects_max_ends_a_loop() {
    let _reached = must_hit(Mark::FetchRedirected);
    let (mut world, _, link) = asking(post("http://a/"));
    for _ in 0..REDIRECTS_MAX {
        world.feed(link, to(308, "/", "again"));
        assert!(world.news().is_empty());
        assert!(world.sent(link).starts_with("POST / "));
    }
    world.feed(link, to(308, "/", "again"));
    assert_eq!(
        world.news(),
        [
            "1 Redirect, reached: http://a: the server redirects again and again, at last to \
          http://a/; look at the URL of the entry"
        ]
    );
    world.assert_nothing_left();
}

#[test]
fn a_redirect_on_a_kept_connection_that_dies_then_is_made_good_as_well() {
    let (mut world, link) = idle();
    world.ask(2, post("http://a/"));
    let _request = world.sent(link);
    world.feed(link, to(307, "/b", ""));
    world.eof(link);
    let link = world.open();
    assert!(world.sent(link).starts_with("POST /b "));
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["2 head 200", "2 end "]);
    world.assert_nothing_left();
}
