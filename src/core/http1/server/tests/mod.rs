//! Bytes in, requests out; `large` bodies and `answers` have files of their own.

mod answers;
mod large;

use super::*;
use crate::http1::fuzzing::{splits, transcript};
use crate::http1::response;
use crate::limits::HEAD_BYTES_MAX;

fn serve(server: &mut Server, frame: &mut Frame) -> Request {
    match server.next(frame) {
        Step::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Receives one request and gives the connection, ready to answer.
fn asked(text: &str) -> Server {
    let mut server = Server::new(1 << 20);
    server.receive(text.as_bytes());
    let _request = serve(&mut server, &mut Frame::default());
    server
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn rfc9112_9_3_2_pipelined_requests_come_one_by_one_whatever_the_split() {
    let input = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
         POST /b?c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nfoo\r\n3;x\r\nbar\r\n0\r\nT: u\r\n\r\n\r\n\
         GET /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n!\
         HEAD /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\
         GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    let whole = transcript([input.as_bytes()]);
    let ends = |line: &str, path: &str, rest: &str| {
        assert!(line.contains(path) && line.ends_with(rest), "{line}");
    };
    assert_eq!(whole.len(), 5);
    ends(&whole[0], "POST /a None", "\"hello\" KeepAlive");
    ends(&whole[1], "POST /b Some(\"c\")", "\"foobar\" KeepAlive");
    ends(&whole[2], "GET /c None", "\"!\" KeepAlive");
    ends(&whole[3], "HEAD /d None", "\"\" Close");
    assert_eq!(whole[4], "Response 0");
    for pieces in splits(input.as_bytes()) {
        assert_eq!(transcript(pieces), whole);
    }
}

#[test]
fn pipelined_bytes_wait_for_the_answer() {
    let (mut server, mut frame) = (Server::new(100), Frame::default());
    server.receive(format!("{GET}{GET}GE").as_bytes());
    let _first = serve(&mut server, &mut frame);
    assert!(matches!(server.next(&mut frame), Step::Paused));
    assert_eq!(server.inbox_bytes(), GET.len() + 2);
    let _head = server.respond(200, &[], Reply::Full(2));
    assert!(matches!(server.next(&mut frame), Step::Paused));
    assert_eq!(server.done(), After::KeepAlive);
    let _second = serve(&mut server, &mut frame);
    let _head = server.respond(202, &[], Reply::Empty);
    assert_eq!(server.done(), After::KeepAlive);
    assert!(matches!(server.next(&mut frame), Step::NeedMore));
    assert_eq!((server.waiting(), server.inbox_bytes()), (Waiting::Head, 2));
}

#[test]
fn what_is_waited_for() {
    let (mut server, mut frame) = (Server::new(100), Frame::default());
    assert_eq!(server.waiting(), Waiting::IdleHead);
    server.receive(b"POST / HTTP/1.1\r\n");
    assert!(matches!(server.next(&mut frame), Step::NeedMore));
    assert_eq!(server.waiting(), Waiting::Head);
    server.receive(b"Host: x\r\nContent-Length: 3\r\n\r\na");
    assert!(matches!(server.next(&mut frame), Step::NeedMore));
    assert_eq!(server.waiting(), Waiting::Body);
    server.receive(b"bc");
    let _request = serve(&mut server, &mut frame);
    assert_eq!(
        (server.waiting(), frame.bytes()),
        (Waiting::Response, &b"abc"[..])
    );
    let _head = server.respond(204, &[], Reply::Empty);
    assert_eq!(server.done(), After::KeepAlive);
    assert_eq!(server.waiting(), Waiting::IdleHead);
}

#[test]
fn rfc9110_10_1_1_continue_is_sent_once_and_only_while_the_body_is_awaited() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut frame = Frame::default();
    let mut server = Server::new(100);
    server.receive(head.as_bytes());
    assert!(matches!(server.next(&mut frame), Step::Continue));
    assert!(matches!(server.next(&mut frame), Step::NeedMore));
    server.receive(b"h");
    assert!(matches!(server.next(&mut frame), Step::NeedMore));
    server.receive(b"i");
    let _request = serve(&mut server, &mut frame);

    let mut server = Server::new(100);
    server.receive(format!("{head}h").as_bytes());
    assert!(matches!(server.next(&mut frame), Step::NeedMore));

    for (header, status) in [("Content-Length: 101", 413), ("Content-Length: x", 400)] {
        let mut server = Server::new(100);
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{header}");
        server.receive(format!("{head}\r\n\r\n").as_bytes());
        match server.next(&mut frame) {
            Step::Reject(reject) => assert_eq!(reject.status, status),
            other => panic!("{other:?}"),
        }
    }
    let asks = "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(asked(asks).waiting(), Waiting::Response);
}

#[test]
fn a_gigabyte_announced_gets_413_and_nothing_is_reserved() {
    for framing in [
        "Content-Length: 1073741824\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
    ] {
        let (mut server, mut frame) = (Server::new(1 << 24), Frame::default());
        server.receive(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}xx").as_bytes());
        match server.next(&mut frame) {
            Step::Reject(reject) => assert_eq!(reject.status, 413),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.inbox_bytes(), 0);
        server.receive(&[b'x'; 1000]);
        assert_eq!(server.inbox_bytes(), 0);
        let head = text(&server.respond(413, &[], Reply::Full(0)));
        assert!(head.contains("Connection: close\r\n"), "{head}");
        assert_eq!(server.done(), After::Close);
        assert!(matches!(server.next(&mut frame), Step::Paused));
    }
}

#[test]
fn smuggling_shapes_get_400_and_close() {
    let post = "POST / HTTP/1.1\r\nHost: x\r\n";
    for rest in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5\0\r\n\r\nhello",
        "Host: y\r\n\r\n",
    ] {
        let input = format!("{post}{rest}{GET}");
        let lines = transcript([input.as_bytes()]);
        assert!(
            lines[0].starts_with("400 ") && lines.len() == 2,
            "{rest:?} {lines:?}"
        );
        for pieces in splits(input.as_bytes()) {
            assert_eq!(transcript(pieces), lines);
        }
    }
}

#[test]
fn pair_every_request_that_is_written_is_read() {
    let methods = ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "BREW"];
    let bodies = ["", "a", "{\"jsonrpc\":\"2.0\"}", "\r\n\r\n0\r\n\r\n"];
    let (mut input, mut expected) = (Vec::new(), Vec::new());
    for (index, method) in methods.iter().enumerate() {
        for (place, body) in bodies.iter().enumerate() {
            let path = format!("/{index}/{place}");
            input.extend(write_request(method, &path, body, (index + place) % 2 == 0));
            expected.push(((*method).to_owned(), path, (*body).to_owned()));
        }
    }
    for size in [1, 2, 7, 64, 4096] {
        let (mut server, mut frame) = (Server::new(100), Frame::default());
        let mut seen = Vec::new();
        for piece in input.chunks(size) {
            server.receive(piece);
            while let Step::Request(request) = server.next(&mut frame) {
                let method = request.method.name().to_owned();
                seen.push((method, request.path().to_owned(), text(frame.bytes())));
                let _head = server.respond(200, &[], Reply::Full(0));
                assert_eq!(server.done(), After::KeepAlive);
            }
        }
        assert_eq!(seen, expected);
        assert_eq!(server.waiting(), Waiting::IdleHead);
    }
}

fn write_request(method: &str, path: &str, body: &str, chunked: bool) -> Vec<u8> {
    let start = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
    if !chunked {
        return format!("{start}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }
    let mut out = format!("{start}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.as_bytes().chunks(3) {
        response::push_hex(&mut out, piece.len());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[test]
fn a_megabyte_of_head_gets_431_and_holds_no_more_than_the_limit() {
    let (mut server, mut frame) = (Server::new(100), Frame::default());
    server.receive(b"GET / HTTP/1.1\r\nHost: x\r\nA: ");
    let mut refused = None;
    for _ in 0..1024 {
        server.receive(&[b'a'; 1024]);
        assert!(server.inbox_bytes() <= HEAD_BYTES_MAX + 1024);
        if let Step::Reject(reject) = server.next(&mut frame) {
            refused = Some(reject.status);
        }
    }
    assert_eq!(refused, Some(431));
}
