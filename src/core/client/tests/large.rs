//! Bodies that are not small: nobody fills our memory with them who may not come in.

use super::auth::{bearer, call, closed, open};
use super::kit::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::*;
use crate::links::LinkKey;

/// The head of a POST whose body is this long, or comes in chunks.
fn head(path: &str, fields: &[(&str, &str)], length: Option<usize>) -> String {
    let text = http("POST", path, fields, "");
    let framing = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    text.replace("Content-Length: 0", &framing)
}

fn chunk(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n", body.len())
}

/// What a connection holds of what it received.
fn held(kit: &Kit, link: LinkKey) -> usize {
    let connection = kit.clients.http.connections.get(&link);
    connection.map_or(0, |connection| connection.server.held_bytes())
}

/// A call whose message has this length.
fn long_call(bearer: &str, length: usize) -> (String, String) {
    let text = call(bearer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let more = format!(r#""params":{{"a":"{}","#, "x".repeat(length));
    let body = body.replacen(r#""params":{"#, &more, 1);
    let fields: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("Content-Length"))
        .collect();
    (fields.join("\r\n"), body)
}

#[test]
fn r1_strangers_with_large_bodies_are_turned_away_by_their_heads() {
    let piece = "x".repeat(READ_BYTES_PER_TURN_MAX);
    for (path, status) in [
        ("/mcp", 401),
        ("/messages?sessionId=0", 401),
        ("/register", 413),
        ("/token", 413),
        ("/authorize", 413),
        ("/oauth/login", 413),
        ("/nothing", 404),
        ("/health", 405),
        ("/sse", 405),
    ] {
        for length in [Some(16_000_000), None] {
            let mut kit = open();
            let begun = head(path, &[], length);
            let strangers: Vec<LinkKey> = (0..24).map(|_| kit.connect()).collect();
            let mut answers = vec![Vec::new(); strangers.len()];
            for (link, answer) in strangers.iter().zip(&mut answers) {
                let mut sent = 0;
                assert!(kit.send(*link, &begun).is_empty());
                while sent < 1_000_000 {
                    let piece = match length {
                        Some(_) => piece.clone(),
                        None => chunk(&piece),
                    };
                    assert!(kit.send(*link, &piece).is_empty());
                    sent += piece.len();
                    answer.extend(kit.take_bytes(*link));
                    assert!(held(&kit, *link) <= SMALL_BODY_BYTES_MAX);
                }
            }
            for answer in answers {
                let answer = Answer::read(&answer);
                assert_eq!(answer.status, status, "{path} {length:?}");
                assert_eq!(answer.header("connection"), Some("close"));
                assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
            }
            assert_eq!(kit.clients.http.reserved, 0);
            kit.wait(LINGER_MS_MAX);
            assert_eq!(kit.clients.count().connections, 0);
        }
    }
}

#[test]
fn c13_a_large_body_from_elsewhere_gets_403_by_its_head() {
    let mut kit = Kit::default();
    for field in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        for path in ["/mcp", "/token"] {
            let (link, told, answer) = kit.ask_http(&head(path, &[field], Some(1_000_000)));
            assert!(told.is_empty());
            assert_eq!((answer.status, answer.whole), (403, true));
            assert!(held(&kit, link) <= INBOX_KEPT_BYTES_MAX);
        }
    }
}

#[test]
fn rfc9110_10_1_1_a_stranger_is_never_told_to_continue() {
    let mut kit = closed();
    let expects = [("Expect", "100-continue")];
    for length in [Some(SMALL_BODY_BYTES_MAX + 1), None] {
        let (_, _, answer) = kit.ask_http(&head("/mcp", &expects, length));
        assert_eq!(answer.status, 503, "without keys");
        let (_, _, answer) = kit.ask_http(&head("/nothing", &expects, length));
        assert_eq!(answer.status, 404);
    }
    let mut kit = open();
    let (_, _, answer) = kit.ask_http(&head("/mcp", &expects, None));
    assert_eq!(answer.status, 401);
    let (_, _, answer) = kit.ask_http(&head("/token", &expects, Some(70_000)));
    assert_eq!(answer.status, 413);
    // A form without a length is taken as far as a small body goes.
    let link = kit.connect();
    kit.send(link, head("/token", &expects, None));
    assert_eq!(kit.take(link), "HTTP/1.1 100 Continue\r\n\r\n");
    kit.send(link, chunk(&"x".repeat(SMALL_BODY_BYTES_MAX)));
    assert_eq!(kit.take(link), "");
    kit.send(link, "1\r\n");
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 413);
}

#[test]
fn r1_whoever_comes_in_sends_ten_megabytes_sized_chunked_and_expecting() {
    let _reached = must_hit(Mark::BodyLarge);
    let mut kit = open();
    let (fields, body) = long_call(&bearer(1), 10_000_000);
    let sized = format!("Content-Length: {}", body.len());
    for (version, framing) in [
        ("1.1", sized.clone()),
        ("1.0", sized.clone()),
        ("1.1", format!("{sized}\r\nExpect: 100-continue")),
        ("1.1", "Transfer-Encoding: chunked".to_owned()),
        (
            "1.1",
            "Transfer-Encoding: chunked\r\nExpect: 100-continue".to_owned(),
        ),
    ] {
        let link = kit.connect();
        let fields = fields.replace("HTTP/1.1", &format!("HTTP/{version}"));
        assert!(
            kit.send(link, format!("{fields}\r\n{framing}\r\n\r\n"))
                .is_empty()
        );
        let expected = match framing.contains("Expect") {
            true => "HTTP/1.1 100 Continue\r\n\r\n",
            false => "",
        };
        assert_eq!(kit.take(link), expected);
        let chunked = framing.starts_with("Transfer");
        let mut rest = body.as_str();
        let mut told = Vec::new();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(50_000));
            rest = more;
            let piece = match chunked {
                true => chunk(piece),
                false => piece.to_owned(),
            };
            told.extend(kit.send(link, piece));
        }
        if chunked {
            assert!(kit.clients.http.reserved > 0);
            told.extend(kit.send(link, "0\r\n\r\n"));
        }
        let told = told.first().expect("was taken");
        let (client, at, _) = told.request();
        assert!(told.text == body, "{version} {framing}");
        assert_eq!(kit.clients.http.reserved, 0);
        kit.answer(client, at, RESULT);
        assert_eq!(Answer::read(&kit.take_bytes(link)).body, RESULT);
        kit.pull();
    }
}

#[test]
fn large_bodies_bytes_max_one_more_gets_503_until_one_is_whole_or_gone() {
    let _reached = must_hit(Mark::LargeBodiesFull);
    let mut kit = Kit::default();
    let sized = head("/mcp", &[], Some(BODY_BYTES_MAX));
    let chunked = head("/mcp", &[], None);
    let long = chunk(&"x".repeat(SMALL_BODY_BYTES_MAX + 1));
    let count = LARGE_BODIES_BYTES_MAX / BODY_BYTES_MAX;
    let links: Vec<LinkKey> = (0..count).map(|_| kit.connect()).collect();
    for (index, link) in links.iter().enumerate() {
        match index % 2 {
            0 => assert!(kit.send(*link, &sized).is_empty()),
            _ => assert!(kit.send(*link, format!("{chunked}{long}")).is_empty()),
        }
        assert_eq!(kit.take(*link), "");
    }
    let is_full = |kit: &mut Kit| {
        let (_, _, answer) = kit.ask_http(&head("/mcp", &[], Some(SMALL_BODY_BYTES_MAX + 1)));
        if answer.status != 0 {
            assert_eq!((answer.status, answer.code()), (503, -32603));
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("connection"), Some("close"));
        }
        answer.status != 0
    };
    assert!(is_full(&mut kit));
    // Small ones are taken all the same, and what is too long for its path has no share.
    assert_eq!(kit.ask_http(&post(&[], "{")).2.status, 400);
    let (_, _, answer) = kit.ask_http(&head("/token", &[], Some(1_000_000)));
    assert_eq!(answer.status, 413);
    kit.broken(links[0]);
    assert!(!is_full(&mut kit));
    assert!(kit.send(links[1], "0\r\n\r\n").is_empty());
    assert_eq!(Answer::read(&kit.take_bytes(links[1])).status, 400);
    assert!(kit.send(links[3], "no chunk").is_empty());
    assert_eq!(Answer::read(&kit.take_bytes(links[3])).status, 400);
    assert!(kit.eof(links[4]).is_empty());
    let left = (count - 4) * BODY_BYTES_MAX + SMALL_BODY_BYTES_MAX + 1;
    assert_eq!(kit.clients.http.reserved, left);
    kit.wait(BODY_IDLE_MS_MAX);
    assert_eq!(kit.clients.http.reserved, 0);
}

#[test]
fn what_is_too_long_is_read_to_its_end_and_refused_in_words() {
    let _reached = must_hit(Mark::BodyTooLong);
    let length = 50 * 1024 * 1024;
    let piece = "x".repeat(READ_BYTES_PER_TURN_MAX);
    for (path, code) in [
        ("/mcp", Some(-32600)),
        ("/messages?sessionId=0", Some(-32600)),
        ("/token", None),
    ] {
        let mut kit = Kit::default();
        let link = kit.connect();
        kit.send(link, head(path, &[], Some(length)));
        for sent in 1..=length / piece.len() {
            assert_eq!(kit.take(link), "", "{sent}");
            assert!(kit.send(link, &piece).is_empty());
            assert!(held(&kit, link) <= INBOX_KEPT_BYTES_MAX);
        }
        let answer = Answer::read(&kit.take_bytes(link));
        assert_eq!(answer.status, 413, "{path}");
        assert_eq!(answer.header("connection"), Some("close"));
        match code {
            Some(code) => assert_eq!(answer.code(), code),
            None => assert!(answer.body.contains("64 KiB"), "{}", answer.body),
        }
        // Whoever asks before he sends, or announces more than anybody reads, is told at once.
        let expects = head(path, &[("Expect", "100-continue")], Some(length));
        for begun in [expects, head(path, &[], Some(SWALLOWED_BODY_BYTES_MAX + 1))] {
            let (_, _, answer) = kit.ask_http(&begun);
            assert_eq!(answer.status, 413);
        }
        // Nobody is waited for longer than with any other body.
        let slow = kit.connect();
        kit.send(slow, head(path, &[], Some(length)));
        kit.wait(BODY_IDLE_MS_MAX);
        assert_eq!(Answer::read(&kit.take_bytes(slow)).status, 408);
    }
}

#[test]
fn body_ms_max_gets_408_though_a_byte_comes_now_and_then() {
    let mut kit = Kit::default();
    let link = kit.connect();
    kit.send(link, head("/mcp", &[], Some(1_000_000)));
    for _ in 0..BODY_MS_MAX / 20_000 {
        assert_eq!(kit.take(link), "");
        kit.wait(20_000);
        kit.send(link, "x");
    }
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 408);
    assert_eq!(kit.clients.http.reserved, 0);
}
