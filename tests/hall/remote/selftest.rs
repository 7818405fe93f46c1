//! The kit itself: what it reads and what it says.

use super::request::Reader;
use super::{chunk, event, response, stream_head};

#[test]
fn a_request_is_read_whole_and_cut_anywhere() {
    let text =
        "POST /mcp?x=1 HTTP/1.1\r\nHost: r.test\r\nContent-Length: 17\r\n\r\n{\"method\":\"ping\"}";
    for cut in 0..text.len() {
        let mut reader = Reader::default();
        reader.take(&text.as_bytes()[..cut]);
        assert!(reader.next().is_none());
        reader.take(&text.as_bytes()[cut..]);
        let request = reader.next().unwrap();
        assert!(reader.is_empty());
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/mcp?x=1")
        );
        assert_eq!(request.field("HOST"), Some("r.test"));
        assert_eq!(request.says(), "ping");
    }
}

#[test]
fn what_is_said_is_what_a_reader_of_http_expects() {
    let said = [
        response(404, &[("Retry-After", "3")], "{}"),
        response(202, &[], ""),
        stream_head(&[]),
        chunk(&event(Some("7"), "{}")),
        chunk(""),
    ];
    let said = said.map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(
        said,
        [
            "HTTP/1.1 404 X\r\nRetry-After: 3\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 202 X\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1f\r\nid: 7\nevent: message\ndata: {}\n\n\r\n",
            "0\r\n\r\n",
        ]
    );
}
