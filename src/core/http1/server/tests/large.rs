//! Bodies that are long, and those that are asked about before they are read.

use super::*;

/// What a connection tells that asks above 10 bytes, is told to go on up to `bytes_max`, and
/// gets these pieces.
fn told<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, bytes_max: usize) -> Vec<String> {
    let mut server = Server::new(100).asking_above(10);
    let (mut frame, mut told) = (Frame::default(), Vec::new());
    for piece in pieces {
        server.receive(piece);
        loop {
            match server.next(&mut frame) {
                Step::NeedMore | Step::Paused => break,
                Step::Continue => told.push("continue".to_owned()),
                Step::Large(request) => {
                    told.push(format!("large {}", request.path()));
                    server.go_on(request, bytes_max);
                }
                Step::Reject(reject) => {
                    told.push(reject.status.to_string());
                    let _head = server.respond(reject.status, &[], Reply::Full(0));
                    assert_eq!(server.done(), After::Close);
                }
                Step::Request(request) => {
                    told.push(format!("{} {}", request.path(), text(frame.bytes())));
                    let _head = server.respond(200, &[], Reply::Empty);
                    let _after = server.done();
                }
            }
        }
    }
    told
}

#[test]
fn a_large_body_is_asked_about_once_and_a_small_one_never_whatever_the_split() {
    let input = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789\
         POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a\
         POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n\
         POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nabcd\r\n6\r\nefghij\r\n1\r\nk\r\nf\r\n0123456789abcde\r\n0\r\n\r\n\
         POST /e HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nABCDEFGHIJKL\
         GET /f HTTP/1.1\r\nHost: x\r\n\r\n";
    let expected = [
        "/a 0123456789",
        "large /b",
        "/b 0123456789a",
        "/c abcdefghij",
        "large /d",
        "/d abcdefghijk0123456789abcde",
        "large /e",
        "/e ABCDEFGHIJKL",
        "/f ",
    ];
    assert_eq!(told([input.as_bytes()], 100), expected);
    for pieces in splits(input.as_bytes()) {
        assert_eq!(told(pieces, 100), expected);
    }
}

#[test]
fn a_large_body_that_may_be_less_long_gets_413_whatever_the_split() {
    let sized = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n\
                 0123456789abcdefghijk";
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for input in [
        sized.to_owned(),
        format!("{chunked}15\r\n0123456789abcdefghijk\r\n0\r\n\r\n"),
        format!("{chunked}b\r\n0123456789a\r\na\r\n0123456789\r\n0\r\n\r\n"),
    ] {
        assert_eq!(told([input.as_bytes()], 20), ["large /", "413"]);
        assert_eq!(told([input.as_bytes()], 0), ["large /", "413"]);
        assert_eq!(told([input.as_bytes()], 1000).len(), 2);
        for pieces in splits(input.as_bytes()) {
            assert_eq!(told(pieces, 20), ["large /", "413"]);
        }
    }
}

#[test]
fn rfc9110_10_1_1_a_large_body_is_asked_about_before_its_sender_is() {
    for (framing, body) in [
        ("Content-Length: 11", "0123456789a"),
        (
            "Transfer-Encoding: chunked",
            "b\r\n0123456789a\r\n0\r\n\r\n",
        ),
    ] {
        let head =
            format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{framing}\r\n\r\n");
        let pieces = [head.as_bytes(), body.as_bytes()];
        assert_eq!(told(pieces, 100), ["large /", "continue", "/ 0123456789a"]);
        assert_eq!(told(pieces, 10).last().unwrap(), "413");
    }
    // Whoever sends at once is not asked twice.
    let small = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
                 Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(told([small.as_bytes()], 100), ["/ abc"]);
}

#[test]
fn a_large_body_that_is_not_wanted_is_answered_last_and_holds_nothing() {
    for method in ["POST", "HEAD"] {
        let mut server = Server::new(1 << 20).asking_above(10);
        let mut frame = Frame::default();
        let head = "HTTP/1.1\r\nHost: x\r\nContent-Length: 100000";
        server.receive(format!("{method} / {head}\r\n\r\nabc").as_bytes());
        let Step::Large(request) = server.next(&mut frame) else {
            panic!("was not asked");
        };
        assert_eq!(
            (server.announced_bytes(), request.path()),
            (Some(100_000), "/")
        );
        assert!(matches!(server.next(&mut frame), Step::Paused));
        assert_eq!(server.waiting(), Waiting::Body);
        let answer = text(&server.respond(401, &[], Reply::Full(0)));
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
        assert_eq!(server.sends_body(), method == "POST");
        assert_eq!(server.done(), After::Close);
        server.receive(&[b'x'; 100_000]);
        assert!(matches!(server.next(&mut frame), Step::Paused));
        assert!(server.held_bytes() <= INBOX_KEPT_BYTES_MAX);
        // Too late.
        server.go_on(request, 100);
        assert!(server.must_close());
    }
    let mut server = Server::new(100).asking_above(10);
    server.receive(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n");
    assert!(matches!(server.next(&mut Frame::default()), Step::Large(_)));
    server.close_after();
    assert!(server.must_close());
}

#[test]
fn long_bodies_are_moved_and_short_ones_leave_no_room_behind() {
    for length in [0, 10, SHARE_BYTES_MIN - 1, SHARE_BYTES_MIN, 300_000] {
        let (mut server, mut frame) = (Server::new(1 << 20), Frame::default());
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        let body = vec![b'x'; length];
        let input = [head.as_bytes(), &body, GET.as_bytes()].concat();
        let mut found = false;
        for piece in input.chunks(65536) {
            server.receive(piece);
            if matches!(server.next(&mut frame), Step::Request(_)) {
                found = true;
                assert_eq!(frame.bytes(), body);
            }
        }
        assert!(found);
        assert_eq!(server.inbox_bytes(), GET.len());
        let _head = server.respond(200, &[], Reply::Full(0));
        assert_eq!(server.done(), After::KeepAlive);
        let _request = serve(&mut server, &mut frame);
        assert!(server.inbox.capacity() <= INBOX_KEPT_BYTES_MAX);
    }
}
