//! Bytes that no honest client sends: each gets one clear answer, and the next client is served.

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::Gateway;
use crate::support::http::{Connection, request};
use crate::support::mcp::{Client, text_of};
use crate::support::processes::processor_ticks;
use crate::support::program::other;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const JSON: &str = "Content-Type: application/json\r\n";

fn scene() -> (Dir, Gateway, Client) {
    let dir = Dir::new();
    dir.servers(&[("f", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    let client = Client::open(gateway.port);
    (dir, gateway, client)
}

/// A POST to /mcp with these headers beside Host.
fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n{JSON}{headers}\r\n{body}").into_bytes()
}

#[test]
fn f1_shapes_on_which_two_parsers_disagree_are_refused_once() {
    let (_dir, gateway, mut client) = scene();
    let length = PING.len();
    let chunked = |chunks: &str| post("Transfer-Encoding: chunked\r\n", chunks);
    let with_length = |text: &str| post(&format!("Content-Length: {text}\r\n"), PING);
    let many = "X-A: b\r\n".repeat(10_000);
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        (
            "a length and chunks",
            post(
                "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            &[400],
        ),
        (
            "two lengths",
            post(
                &format!("Content-Length: {length}\r\nContent-Length: 4\r\n"),
                PING,
            ),
            &[400],
        ),
        ("a sign", with_length(&format!("+{length}")), &[400]),
        ("hexadecimal", with_length("0x28"), &[400]),
        ("a negative length", with_length("-1"), &[400]),
        ("an overflow", with_length(&"9".repeat(30)), &[400, 413]),
        (
            "a list of lengths",
            with_length(&format!("{length}, 4")),
            &[400],
        ),
        (
            "an unknown coding",
            post("Transfer-Encoding: xchunked\r\n", ""),
            &[400, 501],
        ),
        (
            "chunked not last",
            post("Transfer-Encoding: chunked, gzip\r\n", ""),
            &[400, 501],
        ),
        (
            "a blank before the colon",
            post("Transfer-Encoding : chunked\r\n", ""),
            &[400],
        ),
        ("a folded header", post("X-A: b\r\n c\r\n", ""), &[400]),
        ("a NUL", post("X-A: b\0c\r\n", ""), &[400]),
        ("a bare CR", post("X-A: b\rc\r\n", ""), &[400]),
        (
            "bare line feeds",
            String::from_utf8(with_length(&length.to_string()))
                .unwrap()
                .replace("\r\n", "\n")
                .into_bytes(),
            &[400],
        ),
        (
            "no Host",
            format!("POST /mcp HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{PING}").into_bytes(),
            &[400],
        ),
        (
            "two Hosts",
            post("Host: example.org\r\nContent-Length: 0\r\n", ""),
            &[400],
        ),
        (
            "a chunk size with a sign",
            chunked(&format!("+28\r\n{PING}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "a chunk size with 0x",
            chunked(&format!("0x28\r\n{PING}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "a chunk size that overflows",
            chunked("FFFFFFFFFFFFFFFFFF\r\n"),
            &[400, 413],
        ),
        (
            "a chunk longer than its size",
            chunked(&format!("5\r\n{PING}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "a header of 1 MB",
            post(&format!("X-A: {}\r\n", "a".repeat(1 << 20)), ""),
            &[431],
        ),
        ("10000 headers", post(&many, ""), &[431]),
        (
            "a target of 1 MB",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
            &[414, 431],
        ),
        (
            "1 GB announced",
            post("Content-Length: 1073741824\r\n", "x"),
            &[413],
        ),
        (
            "1 GB announced and waited for",
            post("Content-Length: 1073741824\r\nExpect: 100-continue\r\n", ""),
            &[413, 417],
        ),
        ("no HTTP", b"hello there\r\n\r\n".to_vec(), &[400]),
        (
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            &[400, 505],
        ),
        (
            "HTTP/9",
            b"GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_vec(),
            &[400, 505],
        ),
    ];
    for (name, bytes, wanted) in cases {
        let mut connection = Connection::open(gateway.port);
        connection.send(&bytes);
        let text = connection.rest();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        assert!(
            status.is_some_and(|status| wanted.contains(&status)),
            "{name}: {text}"
        );
        let answers = |of: char| text.matches(&format!("HTTP/1.1 {of}")).count();
        let answers: usize = ['2', '4', '5'].map(answers).iter().sum();
        assert_eq!(answers, 1, "{name}: {text}");
    }
    client.echo("f");
    gateway.stop();
}

#[test]
fn f3_bodies_that_are_no_message_are_told_apart() {
    let (_dir, gateway, mut client) = scene();
    let deep =
        |inner: String| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{inner}}}"#);
    let cases: Vec<(&str, Vec<u8>, i64)> = vec![
        ("nothing", Vec::new(), -32700),
        ("half a message", br#"{"jsonrpc":"2.0","#.to_vec(), -32700),
        ("two messages", PING.repeat(2).into_bytes(), -32700),
        (
            "invalid UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
            -32700,
        ),
        ("open brackets", vec![b'['; 100_000], -32700),
        (
            "deep brackets",
            deep("[".repeat(100_000) + &"]".repeat(100_000)).into_bytes(),
            -32700,
        ),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", PING.as_bytes()].concat(),
            -32700,
        ),
        ("a number", b"42".to_vec(), -32600),
        ("no method", br#"{"jsonrpc":"2.0","id":1}"#.to_vec(), -32600),
        (
            "a null id",
            br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_vec(),
            -32600,
        ),
        (
            "an object as id",
            br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.to_vec(),
            -32600,
        ),
        (
            "another version",
            br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_vec(),
            -32600,
        ),
        (
            "two ids",
            br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_vec(),
            -32600,
        ),
        (
            "two methods",
            br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#.to_vec(),
            -32600,
        ),
        (
            "an id of 1 MB",
            format!(
                r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#,
                "x".repeat(1 << 20)
            )
            .into_bytes(),
            -32600,
        ),
        ("a batch", format!("[{PING}]").into_bytes(), -32600),
        ("an empty batch", b"[]".to_vec(), -32600),
    ];
    for (name, body, code) in cases {
        let mut connection = Connection::open(gateway.port);
        let bytes = request("POST /mcp", client.headers(), &body);
        let answer = connection.send(bytes).answer();
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert_eq!(
            answer.message()["error"]["code"],
            code,
            "{name}: {answer:?}"
        );
        // The connection is still good: the body was read to its end.
        let bytes = request("POST /mcp", client.headers(), PING);
        assert_eq!(
            connection.send(bytes).answer().message()["result"],
            json!({}),
            "{name}"
        );
    }
    client.echo("f");
    gateway.stop();
}

#[test]
fn f4_what_must_not_be_is_refused_with_its_own_status() {
    let (_dir, gateway, client) = scene();
    let status = |first: &str, headers: &str| {
        let bytes = request(
            first,
            headers,
            if first.starts_with("POST") { PING } else { "" },
        );
        Connection::open(gateway.port).send(bytes).answer().status
    };
    let session = client.headers().replace(JSON, "");
    let host = format!(
        "GET /health HTTP/1.1\r\nHost: evil.example:{}\r\n\r\n",
        gateway.port
    );
    assert_eq!(
        Connection::open(gateway.port).send(host).answer().status,
        403
    );
    assert_eq!(
        status(
            "POST /mcp",
            &format!("{JSON}Origin: http://evil.example\r\n")
        ),
        403
    );
    assert_eq!(
        status(
            "POST /mcp",
            &format!("{session}Content-Type: text/plain\r\n")
        ),
        415
    );
    assert_eq!(
        status("POST /mcp", &format!("{JSON}Accept: text/html\r\n")),
        406
    );
    assert_eq!(
        status("POST /mcp", &format!("{JSON}Mcp-Session-Id: nobody\r\n")),
        404
    );
    assert_eq!(status("POST /mcp", JSON), 400);
    assert_eq!(status("PUT /mcp", ""), 405);
    assert_eq!(status("GET /nowhere", ""), 404);
    let head = "HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let text = Connection::open(gateway.port).send(head).rest();
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    let unknown = format!("{}MCP-Protocol-Version: 1999-01-01\r\n", client.headers());
    assert_eq!(status("POST /mcp", &unknown), 400);
    gateway.stop();
}

#[test]
fn f5_every_way_of_sending_an_honest_request_is_one() {
    let (_dir, gateway, client) = scene();
    let whole = request("POST /mcp", client.headers(), PING);
    // Byte by byte.
    let mut connection = Connection::open(gateway.port);
    for byte in &whole {
        connection.send([*byte]);
    }
    assert_eq!(connection.answer().message()["result"], json!({}));
    // Three at once, answered in order.
    let numbered = |id: u32| {
        let body = PING.replace(":1,", &format!(":{id},"));
        request("POST /mcp", client.headers(), body)
    };
    connection.send([numbered(11), numbered(12), numbered(13)].concat());
    for id in 11..14 {
        assert_eq!(connection.answer().message()["id"], id);
    }
    // In chunks, with an extension and a trailer.
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{}",
        client.headers()
    );
    let (one, two) = PING.split_at(7);
    let chunks = format!(
        "7;a=b\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nX-T: 1\r\n\r\n",
        two.len()
    );
    connection.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    assert_eq!(connection.answer().message()["result"], json!({}));
    // With a body that waits to be asked for.
    connection.send(format!(
        "{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        PING.len()
    ));
    assert_eq!(connection.answer().status, 100);
    connection.send(PING);
    assert_eq!(connection.answer().message()["result"], json!({}));
    // With the sending half closed behind it.
    let mut connection = Connection::open(gateway.port);
    connection.send(&whole).end();
    assert_eq!(connection.answer().message()["result"], json!({}));
    assert_eq!(connection.rest(), "");
    // As HTTP/1.0: no chunks, and the connection is closed.
    let old = String::from_utf8(whole)
        .unwrap()
        .replace("HTTP/1.1", "HTTP/1.0");
    let mut connection = Connection::open(gateway.port);
    let text = connection.send(old).rest();
    assert!(
        text.contains("\"result\":{}") && !text.contains("chunked"),
        "{text}"
    );
    gateway.stop();
}

#[test]
fn c3_ten_megabytes_there_and_back_are_the_same_bytes() {
    let (_dir, gateway, client) = scene();
    // Every kind of text that somebody might spell anew: escapes, astral characters, numbers that
    // no double holds, odd spacing.
    let odd = r#"{ "a":"\u0041\/\n\ud83d\ude00é😀", "n" : 1.0e+2, "big":123456789012345678901234567890 ,"z":[ ] }"#;
    let count = 10 * 1024 * 1024 / odd.len();
    let arguments = format!("[{}]", vec![odd; count].join(" ,"));
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":"ten","method":"tools/call","params":{{"name":"f_1mcp_echo_raw","arguments":{{"x":{arguments}}}}}}}"#
    );
    let answer = client.post(&message);
    assert_eq!(answer.status, 200);
    let response: Value = answer.message();
    assert_eq!(response["id"], "ten");
    let params = text_of(&response);
    assert!(params.len() > 10_000_000);
    assert!(
        params.contains(&arguments),
        "the arguments arrive as they were sent"
    );
    gateway.stop();
}

#[test]
fn f6_a_body_over_the_limit_is_refused_and_one_below_is_not() {
    let (_dir, gateway, mut client) = scene();
    let body = |length: usize| {
        let frame = PING.replace('}', r#","params":{"x":""}}"#);
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    let limit = 16 * 1024 * 1024;
    assert_eq!(client.post(&body(limit)).status, 200);
    assert_eq!(client.post(&body(limit + 1)).status, 413);
    // The same without a length that gives it away.
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{}",
        client.headers()
    );
    let mut connection = Connection::open(gateway.port);
    connection.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..17 {
        connection.send(&chunk);
    }
    assert!(connection.rest().starts_with("HTTP/1.1 413 "));
    client.echo("f");
    gateway.stop();
}

#[test]
fn c4_one_id_used_twice_at_once_is_answered_twice_at_most_and_breaks_nothing() {
    let (_dir, gateway, mut client) = scene();
    let call = |ms: u32| {
        json!({
            "jsonrpc": "2.0", "id": 5, "method": "tools/call",
            "params": {"name": "f_1mcp_slow", "arguments": {"ms": ms}},
        })
    };
    let mut connections: Vec<_> = [200, 50, 100]
        .iter()
        .map(|ms| {
            let mut connection = Connection::open(gateway.port);
            connection.send(request(
                "POST /mcp",
                client.headers(),
                call(*ms).to_string(),
            ));
            connection
        })
        .collect();
    for connection in &mut connections {
        assert_eq!(connection.answer().message()["id"], 5);
    }
    client.echo("f");
    gateway.stop();
}

#[test]
fn f7_three_hundred_clients_at_once_are_all_served() {
    let (_dir, gateway, client) = scene();
    let mut connections: Vec<_> = (0..300).map(|_| Connection::open(gateway.port)).collect();
    let call = |id: usize| {
        let message = json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "f_1mcp_echo", "arguments": {"text": format!("text {id}")}},
        });
        request("POST /mcp", client.headers(), message.to_string())
    };
    // The second half first, while the first half says nothing.
    for (id, connection) in connections.iter_mut().enumerate().rev() {
        connection.send(call(id));
    }
    for (id, connection) in connections.iter_mut().enumerate() {
        let response = connection.answer().message();
        // One session has a bound of calls at once; what is over it is told so.
        if response["error"].is_null() {
            assert_eq!(text_of(&response), format!("text {id}"));
        } else {
            assert_eq!(response["error"]["code"], -32603, "{response}");
        }
        assert_eq!(response["id"], id);
    }
    drop(connections);
    // Each with a session of its own.
    let clients: Vec<_> = (0..300).map(|_| Client::open(gateway.port)).collect();
    assert_eq!(clients.len(), 300);
    gateway.stop();
}

#[test]
fn f8_clients_that_leave_in_the_middle_take_nothing_with_them() {
    let (_dir, gateway, mut client) = scene();
    client.echo("f");
    let whole = request("POST /mcp", client.headers(), PING);
    for end in (0..whole.len()).step_by(7) {
        Connection::open(gateway.port).send(&whole[..end]);
    }
    for _ in 0..20 {
        drop(client.long_call("f"));
        drop(client.listen());
    }
    client.echo("f");
    gateway.stop();
}

#[test]
fn f9_without_free_descriptors_it_serves_who_is_there_and_never_spins() {
    let dir = Dir::new();
    dir.servers(&[("f", fixture(&[]))]);
    let serve = crate::support::gateway::serve(dir.path(), &[]);
    let mut arguments = vec!["-c", "ulimit -n 40; exec \"$0\" \"$@\""];
    arguments.push(serve.get_program().to_str().unwrap());
    arguments.extend(serve.get_args().map(|arg| arg.to_str().unwrap()));
    let gateway = Gateway::of(&mut other("sh", dir.path(), &arguments));
    let mut client = Client::open(gateway.port);
    client.echo("f");
    let mut there = Connection::open(gateway.port);
    let ping = request("POST /mcp", client.headers(), PING);
    assert_eq!(there.send(&ping).answer().status, 200);
    let waiting: Vec<_> = (0..100).map(|_| Connection::open(gateway.port)).collect();
    assert_eq!(there.send(&ping).answer().status, 200);
    // Nothing happens now, so nothing may be done: a loop that spins would use all of this time,
    // whenever one looks. A slow machine may still be closing connections at first.
    let used = || {
        let before = processor_ticks(gateway.process.pid);
        std::thread::sleep(std::time::Duration::from_millis(500));
        processor_ticks(gateway.process.pid) - before
    };
    let used: Vec<u64> = std::iter::repeat_with(used).take(5).collect();
    let least = used.iter().min().unwrap();
    assert!(
        *least < 10,
        "{used:?} hundredths of a second in half a second each"
    );
    assert_eq!(there.send(&ping).answer().status, 200);
    drop(waiting);
    // There is room again. Whoever came too early was sent away, so a new one tries until it is in.
    let served = || {
        let get = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        Connection::open(gateway.port)
            .send(get)
            .rest()
            .starts_with("HTTP/1.1 200 ")
    };
    while !served() {
        std::thread::yield_now();
    }
    client.echo("f");
    gateway.stop();
}
