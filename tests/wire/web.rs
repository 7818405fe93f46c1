//! The fixture over HTTP: one connection per request, written by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::checked::Checked;
use super::pipe::{WAIT, meta, program};

/// A running fixture.
pub(crate) struct Web {
    child: Child,
    address: String,
    checked: Checked,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The messages of the body, whichever form it has.
    pub(crate) fn messages(&self) -> Vec<Value> {
        if self.is_stream() {
            let data = self
                .body
                .lines()
                .filter_map(|line| line.strip_prefix("data: "));
            return data
                .map(|data| serde_json::from_str(data).unwrap())
                .collect();
        }
        vec![serde_json::from_str(&self.body).unwrap()]
    }

    pub(crate) fn last(&self) -> Value {
        self.messages().pop().unwrap()
    }

    pub(crate) fn code(&self) -> Value {
        self.last()["error"]["code"].clone()
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.head.contains("text/event-stream")
    }
}

/// A request of 2026-07-28 and the headers that repeat it.
pub(crate) fn request(method: &str, mut params: Value) -> (Value, Vec<(String, String)>) {
    params["_meta"] = meta(&json!({}));
    let mut headers = vec![
        ("MCP-Protocol-Version".to_owned(), "2026-07-28".to_owned()),
        ("Mcp-Method".to_owned(), method.to_owned()),
    ];
    for member in ["name", "uri", "taskId"] {
        if let Some(name) = params[member].as_str() {
            headers.push(("Mcp-Name".to_owned(), name.to_owned()));
        }
    }
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    (body, headers)
}

impl Web {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(["--http", "0"])
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("listening on http://").unwrap();
        let address = address.strip_suffix("/mcp").unwrap().to_owned();
        Self {
            child,
            address,
            checked: Checked::new(),
        }
    }

    /// Sends a request and leaves the connection open.
    pub(crate) fn open(&self, headers: &[(String, String)], body: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(WAIT)).unwrap();
        let mut head = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\n", self.address);
        head.push_str("Content-Type: application/json\r\nConnection: close\r\n");
        head.push_str("Accept: application/json, text/event-stream\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        connection.write_all(head.as_bytes()).unwrap();
        connection
    }

    /// Sends bytes as a body and reads the whole answer.
    pub(crate) fn post(&self, headers: &[(String, String)], body: &str) -> Answer {
        let mut text = String::new();
        self.open(headers, body).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Sends a request with the right headers; every message of the answer is checked.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, params: Value) -> Answer {
        let (body, headers) = request(method, params);
        self.check(&headers, &body)
    }

    /// Sends a request with these headers; every message of the answer is checked.
    #[track_caller]
    pub(crate) fn check(&self, headers: &[(String, String)], body: &Value) -> Answer {
        let answer = self.post(headers, &body.to_string());
        for message in answer.messages() {
            let asked = message["method"].is_null().then_some(body);
            self.checked.message(&message, asked, true);
        }
        answer
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn d5_json_unless_something_goes_before_the_answer() {
    let web = Web::start(&[]);
    let plain = web.ask(
        "tools/call",
        json!({"name": "echo", "arguments": {"text": "x"}}),
    );
    assert_eq!((plain.status, plain.is_stream()), (200, false));
    let (mut body, headers) = request(
        "tools/call",
        json!({"name": "test_tool_with_progress", "arguments": {}}),
    );
    body["params"]["_meta"]["progressToken"] = json!(1);
    let stream = web.check(&headers, &body);
    assert!(stream.is_stream() && stream.head.contains("x-accel-buffering: no"));
    assert_eq!(stream.messages().len(), 4);
    let always = Web::start(&["--sse", "--era", "modern"]);
    assert!(always.ask("tools/list", json!({})).is_stream());
    assert!(
        !always.ask("nobody/knows", json!({})).is_stream(),
        "a status of its own"
    );
}

#[test]
fn d7_a_closed_connection_cancels() {
    let web = Web::start(&[]);
    let (body, headers) = request(
        "tools/call",
        json!({"name": "slow",
        "arguments": {"ms": 600_000}}),
    );
    let connection = web.open(&headers, &body.to_string());
    drop(connection);
    loop {
        let counted = web.ask(
            "tools/call",
            json!({"name": "cancelled_count", "arguments": {}}),
        );
        if counted.last()["result"]["content"][0]["text"] == "1" {
            break;
        }
    }
}

#[test]
fn d18_a_subscription_is_a_stream_with_an_end() {
    let web = Web::start(&[]);
    let (body, headers) = request(
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    let mut stream = BufReader::new(web.open(&headers, &body.to_string()));
    let mut next = || {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        }
        serde_json::from_str::<Value>(&line["data: ".len()..]).unwrap()
    };
    assert_eq!(next()["method"], "notifications/subscriptions/acknowledged");
    web.ask(
        "tools/call",
        json!({"name": "add_tool", "arguments": {"name": "x"}}),
    );
    assert_eq!(next()["method"], "notifications/tools/list_changed");
    web.ask(
        "tools/call",
        json!({"name": "end_listens", "arguments": {}}),
    );
    assert_eq!(next()["result"]["resultType"], "complete");
}

#[test]
fn d11_only_posts_are_of_this_revision() {
    let web = Web::start(&["--era", "modern"]);
    for method in ["GET", "DELETE"] {
        let mut connection = TcpStream::connect(&web.address).unwrap();
        let head = format!("{method} /mcp HTTP/1.1\r\nHost: {}\r\n", web.address);
        let head = format!("{head}Connection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 "), "{text}");
    }
}
