//! The way of one `tools/call` through the core, in the order of the list in `core/lib.rs`. One
//! real message is followed twice: through the hub as a whole, and at each step through the
//! function that the step is named after, so that a reader can put a finger on every hop.
#![cfg(test)]

use std::net::{Ipv4Addr, SocketAddr};

use onemcp::base::frame::Frame;
use onemcp::base::slab::Key;
use onemcp::config::{self, Environment};
use onemcp::effect::{Effect, Effects};
use onemcp::http1::server::{Server, Step};
use onemcp::hub::Hub;
use onemcp::input::{Input, Port};
use onemcp::json::envelope::{self, Kind, our_number};
use onemcp::json::newline::{Line, Lines};
use onemcp::json::span::{member, string};
use onemcp::limits::{BODY_BYTES_MAX, READ_BYTES_PER_TURN_MAX};
use onemcp::links::LinkKey;
use onemcp::mcp::names;
use onemcp::now::{Now, Tick, UnixSeconds};
use onemcp::route::calls;
use onemcp::settings::Settings;
use onemcp::web::{app, guard};

/// The message: id, name and token are the client's own, everything else nobody's but the server's.
const MESSAGE: &str = r#"{"jsonrpc":"2.0","id":"one","method":"tools/call","params":{"name":"files_1mcp_read.file","arguments":{"path":"/data/a","n":1.0},"_meta":{"progressToken":7,"x":null}}}"#;

#[test]
fn one_tools_call_from_the_socket_to_the_child_and_back() {
    let mut gateway = Gateway::start();
    let session = gateway.initialize();

    // 1. The shell reads at most 64 KiB and calls `Hub::handle` with `Input::Bytes`.
    let request = post(&format!("Mcp-Session-Id: {session}\r\n"), MESSAGE);
    assert!(request.len() <= READ_BYTES_PER_TURN_MAX);
    gateway.receive(CLIENT, &request);

    // 2. `http1::server` finds the head and the body; `web` knows the path and the guest.
    let (mut server, mut frame) = (Server::new(BODY_BYTES_MAX), Frame::default());
    server.receive(&request);
    let Step::Request(head) = server.next(&mut frame) else {
        panic!("no request")
    };
    assert_eq!(frame.bytes(), MESSAGE.as_bytes());
    assert_eq!(app::route(&head.method, head.path()), app::Route::McpPost);
    let settings = Settings::default();
    assert_eq!(
        guard::check(&settings, head.path(), &head.headers),
        Ok(None)
    );

    // 3. `client` finds the session by its header, `json::envelope` the id, the method and the span
    //    of `params`: one scan, no tree.
    assert_eq!(head.headers.get("mcp-session-id"), Some(session.as_str()));
    let asked = envelope::read(frame.bytes()).unwrap();
    assert_eq!(asked.kind, Kind::Request);
    assert_eq!(
        asked.method_name(frame.bytes()).as_deref(),
        Some("tools/call")
    );
    assert_eq!(asked.id.unwrap().of(frame.bytes()), b"\"one\"");

    // 4. `route` looks the name up, mints an id of our own and remembers who asked.
    let name = member(frame.bytes(), asked.params.unwrap(), "name").unwrap();
    let name = string(frame.bytes(), name).unwrap();
    assert_eq!(names::split_plain(&name), Some(("files", "read.file")));

    // 5. `backend` takes the spliced line into that child's outbox: the server's own name, our id,
    //    our token, and otherwise the bytes of the client.
    let line = gateway.sent_to(CHILD);
    let (mut lines, mut frame) = (Lines::default(), Frame::default());
    lines.push(line.as_bytes());
    assert_eq!(lines.next(&mut frame), Some(Line::Full));
    let sent = envelope::read(frame.bytes()).unwrap();
    let our_id = our_number(sent.id.unwrap().of(frame.bytes())).unwrap();
    let call = calls::from_wire(our_id).unwrap();
    assert_eq!(calls::to_wire(call), our_id);
    let spliced = MESSAGE
        .replace("\"one\"", &our_id.to_string())
        .replace("files_1mcp_read.file", "read.file")
        .replace(":7,", &format!(":{our_id},"));
    assert_eq!(line, format!("{spliced}\n"));

    // 6. Back: `json::newline` -> `json::envelope` -> `route` finds the caller by our id and
    //    splices the caller's id in -> `client` frames it, here as one JSON body.
    let result = r#"{"content":[{"type":"text","text":"\u00e9"}],"n":1e5}"#;
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{our_id},\"result\":{result}}}\n");
    gateway.receive(CHILD, answer.as_bytes());
    let response = gateway.sent_to(CLIENT);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/json"), "{head}");
    assert_eq!(
        body,
        format!(r#"{{"jsonrpc":"2.0","id":"one","result":{result}}}"#)
    );
    assert_eq!(gateway.hub.counts().calls, 0);
}

const CLIENT: LinkKey = LinkKey(Key {
    index: 0,
    generation: 0,
});
const CHILD: LinkKey = LinkKey(Key {
    index: 1,
    generation: 0,
});

fn post(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3050\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The hub, with the part of the shell that this walk needs.
struct Gateway {
    hub: Hub,
    effects: Effects,
}

impl Gateway {
    /// One server, `files`, which is up and offers one tool.
    fn start() -> Self {
        let mut gateway = Self {
            hub: Hub::new(Settings::default(), &[1; 32]),
            effects: Effects::default(),
        };
        let text = br#"{"mcpServers":{"files":{"command":"files","era":"legacy"}}}"#;
        let config = config::read(text, &Environment::default()).unwrap();
        gateway.handle(Input::Config(Box::new(config)));
        let answers = [
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"f","version":"1"}}"#,
            r#"{"tools":[{"name":"read.file","inputSchema":{"type":"object"}}]}"#,
        ];
        for result in answers {
            let asked = gateway.sent_to(CHILD);
            let asked = asked
                .lines()
                .find(|line| line.contains("\"id\""))
                .unwrap()
                .to_owned();
            let envelope = envelope::read(asked.as_bytes()).unwrap();
            let id = String::from_utf8_lossy(envelope.id.unwrap().of(asked.as_bytes()));
            let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
            gateway.receive(CHILD, answer.as_bytes());
        }
        gateway
    }

    /// A client opens its session; the id of it.
    fn initialize(&mut self) -> String {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        self.handle(Input::Accepted {
            link: CLIENT,
            peer,
            port: Port::Clients,
        });
        let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        self.receive(CLIENT, &post("", hello));
        let response = self.sent_to(CLIENT);
        let header = response
            .lines()
            .find_map(|line| line.strip_prefix("Mcp-Session-Id: "));
        header.unwrap().to_owned()
    }

    fn receive(&mut self, link: LinkKey, bytes: &[u8]) {
        self.handle(Input::Bytes { link, bytes });
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = moment();
        self.hub.handle(now, input, &mut self.effects);
        while let Some(effect) = self.effects.pop() {
            match effect {
                Effect::LoadState { name } => {
                    let bytes = None;
                    self.handle(Input::StateLoaded { name, bytes });
                }
                Effect::Spawn { pool, .. } => self.handle(Input::Spawned {
                    pool,
                    link: CHILD,
                    pid: 1,
                }),
                _ => {}
            }
        }
    }

    /// Takes what the hub wrote to a peer.
    fn sent_to(&mut self, link: LinkKey) -> String {
        while self.hub.next_dirty().is_some() {}
        let bytes: Vec<u8> = self.hub.pending(link).flatten().copied().collect();
        self.hub
            .wrote(moment(), link, bytes.len(), &mut self.effects);
        String::from_utf8(bytes).unwrap()
    }
}

fn moment() -> Now {
    Now {
        tick: Tick(1_000),
        wall: UnixSeconds(1_800_000_000),
    }
}
