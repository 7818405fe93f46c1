//! What frames an answer, and which is the last.

use super::*;

#[test]
fn rfc9112_7_streams_are_chunked_on_1_1_and_end_with_the_connection_on_1_0() {
    let mut server = asked(GET);
    let head = text(&server.respond(200, &[("Content-Type", "a/b")], Reply::Stream));
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut out = Vec::new();
    server.chunk_head(26, &mut out);
    assert_eq!(
        (&out[..], server.chunk_tail()),
        (&b"1a\r\n"[..], &b"\r\n"[..])
    );
    assert_eq!(server.end_stream(), b"0\r\n\r\n");
    assert_eq!(server.end_stream(), b"");
    assert_eq!(server.done(), After::KeepAlive);

    let mut server = asked("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = text(&server.respond(200, &[], Reply::Stream));
    assert_eq!(head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    let mut out = Vec::new();
    server.chunk_head(26, &mut out);
    assert!(out.is_empty() && server.chunk_tail().is_empty() && server.must_close());
    assert_eq!(server.end_stream(), b"");
    assert_eq!(server.done(), After::Close);
}

#[test]
fn rfc9112_9_3_connection_fields_of_answers() {
    for (request, connection, after) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n", None, After::KeepAlive),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
            Some("close"),
            After::Close,
        ),
        ("GET / HTTP/1.0\r\n", Some("close"), After::Close),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
            Some("keep-alive"),
            After::KeepAlive,
        ),
    ] {
        let mut server = asked(&format!("{request}\r\n"));
        let head = text(&server.respond(200, &[], Reply::Full(2)));
        let found = head
            .lines()
            .find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!((found, server.done()), (connection, after), "{request}");
    }
}

#[test]
fn rfc9110_9_3_2_head_gets_the_head_of_get_and_no_body() {
    let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut server = asked(head);
    let answer = text(&server.respond(200, &[], Reply::Full(12)));
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
    assert!(!server.sends_body());
    assert_eq!(server.done(), After::KeepAlive);
    let mut server = asked(head);
    let _answer = server.respond(200, &[], Reply::Stream);
    assert_eq!(server.end_stream(), b"");
    assert!(asked(GET).sends_body());
}

#[test]
fn rfc9110_15_3_5_no_length_on_204() {
    let answer = asked(GET).respond(204, &[], Reply::Empty);
    assert_eq!(text(&answer), "HTTP/1.1 204 No Content\r\n\r\n");
    let answer = asked(GET).respond(202, &[], Reply::Empty);
    assert_eq!(
        text(&answer),
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn an_answer_in_the_middle_of_a_request_is_the_last() {
    for begun in [
        "",
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
    ] {
        let (mut server, mut frame) = (Server::new(100), Frame::default());
        server.receive(begun.as_bytes());
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        let head = text(&server.respond(408, &[], Reply::Full(0)));
        assert!(
            head.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{head}"
        );
        assert!(head.contains("Connection: close\r\n"));
        assert_eq!(server.done(), After::Close);
    }
    let mut server = asked(GET);
    server.close_after();
    assert!(text(&server.respond(200, &[], Reply::Full(0))).contains("Connection: close"));
    assert_eq!(server.done(), After::Close);
    let mut server = Server::new(100);
    server.close_after();
    assert!(server.must_close());
}
