//! One failure after the other, each in words.

use super::*;
use crate::limits::{
    OPEN_GRACE_MS, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEAD_MS_MAX, RESPONSE_IDLE_MS_MAX,
};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

/// What is told if this happens after the request was sent; nothing is left.
fn news(happens: impl FnOnce(&mut World, LinkKey)) -> Vec<String> {
    let (mut world, _, link) = asking(post("http://a/key?token"));
    happens(&mut world, link);
    let news = world.news();
    world.assert_nothing_left();
    news
}

#[test]
fn a_connection_that_does_not_open_is_told_as_the_shell_tells_it() {
    let mut world = World::default();
    world.ask(1, post("http://a"));
    world.refuse();
    assert_eq!(world.news(), ["1 Open(Refused): nobody listens at a:80"]);
    world.assert_nothing_left();
}

#[test]
fn open_grace_ms_bounds_a_shell_that_says_nothing() {
    let mut world = World::default();
    world.ask(1, post("https://a"));
    let dial = world.dials[0].0;
    world.pass(CONNECT_MS + OPEN_GRACE_MS - 1);
    assert!(world.news().is_empty());
    world.pass(1);
    assert_eq!(world.orders, [Effect::GiveUpOpen { dial }]);
    assert_eq!(
        world.news(),
        ["1 Open(TimedOut): https://a: the connection to the server did not open in time"]
    );
    world.assert_nothing_left();
}

#[test]
fn an_end_before_the_response_whatever_the_place() {
    for (text, place, reset) in [
        ("", "without a response", "before the response"),
        (
            "HTTP/1.1 200 O",
            "in the middle of the response head",
            "in the middle of the response head",
        ),
    ] {
        let closed = news(|world, link| {
            world.feed(link, text);
            world.eof(link);
        });
        let kind = if text.is_empty() { "Before" } else { "Head" };
        assert_eq!(
            closed,
            [format!(
                "1 Exchange(Closed({kind})), reached: http://a: the server closed the connection {place}"
            )]
        );
        let broken = news(|world, link| {
            world.feed(link, text);
            world.broken(link);
        });
        assert_eq!(
            broken,
            [format!(
                "1 Exchange(Reset({kind})), reached: http://a: the connection was lost {reset}"
            )]
        );
    }
}

#[test]
fn an_end_in_the_body_follows_the_head() {
    for cut in 0..5 {
        let told = news(|world, link| {
            world.feed(link, HEAD);
            world.feed(link, &"hello"[..cut]);
            world.eof(link);
        });
        assert_eq!(
            told,
            [
                "1 head 200",
                "1 Exchange(Closed(Body)), reached: http://a: the server closed the connection in \
                 the middle of the response"
            ]
        );
    }
}

#[test]
fn response_ms_max_bounds_the_first_byte() {
    let told = news(|world, _| {
        world.pass(RESPONSE_MS - 1);
        assert!(world.news().is_empty());
        world.pass(1);
    });
    assert_eq!(
        told,
        ["1 Exchange(TimedOut(Before)), reached: http://a: the server did not respond in time"]
    );
}

#[test]
fn without_response_ms_max_nothing_rings() {
    let order = Order {
        response_ms_max: None,
        ..post("http://a")
    };
    let (mut world, key, _) = asking(order);
    world.pass(1 << 40);
    assert!(world.news().is_empty() && world.timers.is_empty());
    world.input(|fetcher, cx| fetcher.give_up(cx, key));
    world.assert_nothing_left();
}

/// "A call is bounded by its request timeout", and by nothing else.
#[test]
fn without_response_ms_max_the_body_of_a_call_may_pause_and_that_of_a_stream_may_not() {
    let order = Order {
        response_ms_max: None,
        ..post("http://a")
    };
    let (mut world, _, link) = asking(order);
    world.feed(link, HEAD);
    world.pass(RESPONSE_IDLE_MS_MAX + 3_000);
    world.feed(link, "hello");
    assert_eq!(world.news(), ["1 head 200", "1 end hello"]);
    let order = Order {
        response_ms_max: None,
        ..get("http://b")
    };
    let (mut world, _, link) = asking(order);
    world.feed(link, HEAD);
    world.pass(RESPONSE_IDLE_MS_MAX);
    assert_eq!(world.news().len(), 2);
    world.assert_nothing_left();
}

#[test]
fn response_head_ms_max_bounds_slow_heads() {
    let told = news(|world, link| {
        for byte in b"HTTP/1.1 " {
            world.feed(link, [*byte]);
            world.pass(RESPONSE_HEAD_MS_MAX / 9 + 1);
        }
    });
    assert_eq!(
        told,
        [
            "1 Exchange(TimedOut(Head)), reached: http://a: the server sends its response head too \
          slowly"
        ]
    );
}

#[test]
fn response_idle_ms_max_bounds_pauses_and_not_the_whole() {
    let told = news(|world, link| {
        world.feed(link, HEAD);
        for byte in b"hell" {
            world.pass(RESPONSE_IDLE_MS_MAX - 1);
            world.feed(link, [*byte]);
        }
        assert_eq!(world.news(), ["1 head 200"]);
        world.pass(RESPONSE_IDLE_MS_MAX);
    });
    assert_eq!(
        told,
        [
            "1 Exchange(TimedOut(Body)), reached: http://a: the server stopped in the middle of the \
          response"
        ]
    );
}

#[test]
fn response_body_bytes_max_bounds_what_is_gathered() {
    let over = RESPONSE_BODY_BYTES_MAX + 1;
    let too_long =
        "1 Exchange(BodyTooLong), reached: http://a: the response of the server is too long";
    let announced = news(|world, link| {
        world.feed(
            link,
            format!("HTTP/1.1 200 OK\r\nContent-Length: {over}\r\n\r\n"),
        );
        world.feed(link, "x");
    });
    assert_eq!(announced, ["1 head 200", too_long]);
    let sent = news(|world, link| {
        world.feed(link, "HTTP/1.0 200 OK\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        (0..=over >> 20).for_each(|_| world.feed(link, &piece));
    });
    assert_eq!(sent, ["1 head 200", too_long]);
}

#[test]
fn what_is_no_response_is_told_by_what_is_wrong() {
    for (text, why) in [
        ("SSH-2.0-x\r\n", "what the server sent is not HTTP/1.1"),
        (
            "\x15\x03\x01",
            "the server speaks TLS on this port; its URL begins with https://",
        ),
        (
            "HTTP/1.1 101 Switching\r\n\r\n",
            "the server goes over to a protocol that it was not asked for",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "the only transfer coding taken is chunked",
        ),
    ] {
        let told = news(|world, link| world.feed(link, text));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].ends_with(&format!(", reached: http://a: {why}")),
            "{told:?}"
        );
    }
}

#[test]
fn an_encoded_response_fails_and_an_encoded_error_keeps_its_status() {
    let text = |status| {
        format!(
            "HTTP/1.1 {status} x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x01\x02"
        )
    };
    assert_eq!(
        news(|world, link| world.feed(link, text(200))),
        [
            "1 Encoded, reached: http://a: the server compresses its response although it was asked \
          not to; switch that off there, or in the proxy before it"
        ]
    );
    assert_eq!(
        news(|world, link| world.feed(link, text(404))),
        ["1 head 404", "1 end "]
    );
    assert_eq!(
        news(|world, link| world.feed(link, "HTTP/1.1 204 x\r\nContent-Encoding: gzip\r\n\r\n")),
        ["1 head 204", "1 end "]
    );
}

#[test]
fn a_field_that_cannot_be_sent_fails_before_anything_is_opened() {
    let mut world = World::default();
    let mut order = post("http://a");
    order.headers = Rc::from([("X-Key".into(), "s3cret\r\nHost: evil".into())]);
    world.ask(1, order);
    assert!(world.dials.is_empty());
    assert_eq!(
        world.news(),
        [
            "1 Field: http://a: the header \"X-Key\" was not sent: the value of the header has line \
          ends or control characters"
        ]
    );
    world.assert_nothing_left();
}
