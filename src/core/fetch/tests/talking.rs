//! Exchanges that go well.

use super::*;
use crate::base::frame::Frame;
use crate::base::origin::Host;
use crate::http1::proxy::{Proxies, Proxy};
use crate::http1::server::{After, Reply, Server, Step};
use crate::limits::SHARE_BYTES_MIN;

#[test]
fn one_exchange_whatever_the_split() {
    let text = response(200, "hello");
    for pieces in splits(text.as_bytes()) {
        let mut world = World::default();
        world.ask(1, post("http://a/mcp?q"));
        let link = world.open();
        assert_eq!(
            world.sent(link),
            "POST /mcp?q HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\nAccept: text/plain\r\n\
             Authorization: s3cret\r\nUser-Agent: 1mcp/0.1.0\r\nContent-Length: 2\r\n\r\n{}"
        );
        let mut news = Vec::new();
        for piece in pieces {
            world.feed(link, piece);
            news.extend(world.news());
        }
        assert_eq!(news, ["1 head 200", "1 end hello"]);
        assert_eq!((world.fetcher.count(), world.fetcher.connections()), (0, 1));
        world.assert_nothing_left();
    }
}

#[test]
fn bodies_of_every_framing_whatever_the_split() {
    for (text, closes, news) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n4;x\r\n bar\r\n0\r\nT: u\r\n\r\n",
            false,
            ["1 head 200", "1 end foo bar"],
        ),
        (
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
            true,
            ["1 head 200", "1 end until the end"],
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
            true,
            ["1 head 200", "1 end hi"],
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            false,
            ["1 head 204", "1 end "],
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 404 x\r\nContent-Length: 1\r\n\r\n!",
            false,
            ["1 head 404", "1 end !"],
        ),
    ] {
        for pieces in splits(text.as_bytes()) {
            let (mut world, _, link) = asking(post("http://a"));
            pieces.into_iter().for_each(|piece| world.feed(link, piece));
            world.eof(link);
            assert_eq!(world.news(), news, "{text}");
            assert_eq!(world.fetcher.connections(), 0, "{text} {closes}");
            world.assert_nothing_left();
        }
    }
}

#[test]
fn the_body_of_a_head_request_is_not_waited_for() {
    let order = Order {
        method: Method::Head,
        body: Vec::new(),
        ..post("http://a")
    };
    let (mut world, _, link) = asking(order);
    world.feed(
        link,
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(world.news(), ["1 head 200", "1 end "]);
    world.assert_nothing_left();
}

#[test]
fn a_long_body_is_sent_without_being_copied() {
    let mut world = World::default();
    let order = Order {
        body: vec![b'x'; SHARE_BYTES_MIN],
        ..post("http://a")
    };
    let key = world.ask(1, order);
    let link = world.open();
    let payload = world.fetcher.exchanges.get(key).unwrap().payload.clone();
    assert_eq!(Rc::strong_count(&payload.unwrap()), 3);
    let sent = world.sent(link);
    assert!(sent.contains("\r\nContent-Length: 32768\r\n\r\nxxx"));
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["1 head 200", "1 end "]);
    world.assert_nothing_left();
}

#[test]
fn what_the_protocol_needs_wins_over_what_the_user_wishes() {
    let mut order = post("http://a");
    order.headers = Rc::from([
        ("accept".into(), "mine".into()),
        ("ACCEPT-ENCODING".into(), "gzip".into()),
        ("User-Agent".into(), "me".into()),
    ]);
    let mut world = World::default();
    world.ask(1, order);
    let link = world.open();
    let sent = world.sent(link);
    assert!(
        sent.contains("\r\nAccept: text/plain\r\nUser-Agent: me\r\nContent"),
        "{sent}"
    );
    assert!(sent.contains("\r\nAccept-Encoding: identity\r\n") && !sent.contains("gzip"));
}

#[test]
fn where_is_dialed() {
    let proxies = || Proxies {
        http: Proxy::parse("u:p@one:1").ok(),
        https: Proxy::parse("u:p@two:2").ok(),
        ..Proxies::default()
    };
    let name = |text: &str| Host::Name(text.into());
    for (proxies, url, host, port, tunnel, tls, line) in [
        (
            Proxies::default(),
            "http://a:81/x",
            "a",
            81,
            None,
            None,
            "POST /x ",
        ),
        (
            Proxies::default(),
            "https://a/x",
            "a",
            443,
            None,
            Some("a"),
            "POST /x ",
        ),
        (
            proxies(),
            "http://a/x",
            "one",
            1,
            None,
            None,
            "POST http://a/x ",
        ),
        (
            proxies(),
            "https://a/x",
            "two",
            2,
            Some(
                "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
            ),
            Some("a"),
            "POST /x ",
        ),
        (
            proxies(),
            "http://localhost/",
            "localhost",
            80,
            None,
            None,
            "POST / ",
        ),
    ] {
        let mut world = World::new(proxies);
        world.ask(1, post(url));
        let spec = world.dials[0].1.clone();
        assert_eq!((spec.host, spec.port), (name(host), port), "{url}");
        assert_eq!(spec.tunnel.as_ref().map(|head| head.reveal()), tunnel);
        assert_eq!(spec.tls, tls.map(name));
        assert_eq!(spec.open_ms_max, CONNECT_MS);
        let link = world.open();
        assert!(world.sent(link).starts_with(line), "{url}");
        world.feed(link, response(200, ""));
        assert_eq!(world.news(), ["1 head 200", "1 end "]);
    }
}

#[test]
fn an_early_response_ends_the_exchange_and_the_connection() {
    let mut world = World::default();
    world.ask(
        1,
        Order {
            body: vec![b'x'; 100_000],
            ..post("http://a")
        },
    );
    let link = world.open();
    let _shut = world.links.wrote(link, 50_000);
    world.feed(link, response(413, "too long"));
    assert_eq!(world.news(), ["1 head 413", "1 end too long"]);
    assert_eq!(world.orders, [Effect::Close { link }]);
    world.assert_nothing_left();
}

/// Our client against our server, on kept connections, for bodies of all lengths and splits.
#[test]
fn pair_what_our_server_answers_is_told() {
    let mut world = World::default();
    let mut servers: Vec<(LinkKey, Server)> = Vec::new();
    let mut frame = Frame::default();
    for (round, size) in [1, 7, 100, 65_536].into_iter().cycle().take(60).enumerate() {
        let body = "x".repeat(round * 700);
        let order = Order {
            body: body.clone().into_bytes(),
            ..post("http://a/mcp")
        };
        world.ask(1, order);
        if !world.dials.is_empty() {
            let link = world.open();
            servers.push((link, Server::new(1 << 20)));
        }
        let (link, server) = servers.last_mut().unwrap();
        let request = world.sent(*link);
        for piece in request.as_bytes().chunks(size) {
            server.receive(piece);
        }
        let request = match server.next(&mut frame) {
            Step::Request(request) => request,
            other => panic!("{other:?}"),
        };
        assert_eq!((request.path(), frame.bytes()), ("/mcp", body.as_bytes()));
        let answer = "y".repeat(round * 300);
        if round % 5 == 4 {
            server.close_after();
        }
        let mut bytes = server.respond(200, &[], Reply::Full(answer.len()));
        bytes.extend_from_slice(answer.as_bytes());
        let (link, closes) = (*link, server.done() == After::Close);
        for piece in bytes.chunks(size) {
            world.feed(link, piece);
        }
        if closes {
            world.eof(link);
        }
        assert_eq!(
            world.news(),
            ["1 head 200".to_owned(), format!("1 end {answer}")]
        );
    }
    assert_eq!(servers.len(), 12, "a new one only when the last was closed");
    world.assert_nothing_left();
}
