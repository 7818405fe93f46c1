//! What the clients and servers of the fuzz target say: tables from which bytes choose.

use crate::config::{self, Config, Environment};
use crate::effect::Level;
use crate::settings::{HealthLevel, Settings};

/// The entry of a table that a byte chooses.
pub(super) fn pick<T: Copy + Default>(table: &[T], choice: u8) -> T {
    let index = usize::from(choice) % table.len().max(1);
    table.get(index).copied().unwrap_or_default()
}

/// Configurations: who shares a session, names that collide, roots, servers that come and go.
const CONFIGS: [&str; 8] = [
    r#""s1":{"command":"x"},"s2":{"command":"y"}"#,
    r#""s1":{"command":"x","isolation":"session"},"s2":{"command":"y","isolation":"shared"}"#,
    r#""s1":{"command":"x","prefix":""},"s2":{"command":"y","prefix":""}"#,
    r#""s1":{"command":"x","roots":["file:///r"],"requestTimeout":1000},"s3":{"command":"z"}"#,
    r#""s2":{"command":"y","disabledTools":["b"],"connectionTimeout":500}"#,
    r#""s1":{"command":"x","maxRestarts":1},"s2":{"command":"y","disabled":true}"#,
    r#""s1":{"command":"changed","restartOnExit":false},"s2":{"url":"http://127.0.0.1:1/mcp"}"#,
    "",
];

/// One of a few configurations.
pub(super) fn config(choice: u8) -> Config {
    let near = pick(&CONFIGS, choice);
    let far = match choice {
        0..192 => String::new(),
        _ => format!(r#""far":{{"url":"http://far.test/mcp","headers":{{"X-Key":"{SECRET}"}}}}"#),
    };
    let comma = if near.is_empty() || far.is_empty() {
        ""
    } else {
        ","
    };
    let text = format!(r#"{{"mcpServers":{{{near}{comma}{far}}}}}"#);
    let config = config::read(text.as_bytes(), &Environment::default());
    assert!(config.is_ok(), "{config:?}");
    config.unwrap_or_default()
}

/// What only one server may be told.
pub(super) const SECRET: &str = "s3cret-s3cret";

/// A response of a server, around this message or beside it.
pub(super) fn response(variant: u8, message: &str) -> String {
    let length = message.len();
    let session = if variant & 8 != 0 {
        "Mcp-Session-Id: far\r\n"
    } else {
        ""
    };
    match variant % 8 {
        0 | 1 => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{session}\
             Content-Length: {length}\r\n\r\n{message}"
        ),
        2 => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{session}\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\nid: 7\ndata: {message}\n\r\n0\r\n\r\n",
            length + 13
        ),
        3 => {
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata:\n\n".to_owned()
        }
        4 => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
        5 => "HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nno session".to_owned(),
        6 => "HTTP/1.1 503 No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 307 No\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
}

/// Settings from the bits of a byte.
pub(super) fn settings(bits: u8) -> Settings {
    let is = |bit: u8| bits & (1 << bit) != 0;
    Settings {
        stdio: is(0),
        port: if is(0) { 0 } else { 3050 },
        page_entries: usize::from(is(1)),
        stream_ms_max: is(2).then_some(1000),
        list_wait_ms: if is(3) { 0 } else { 10_000 },
        log_level: if is(4) { Level::Trace } else { Level::Info },
        health: if is(5) {
            HealthLevel::Full
        } else {
            HealthLevel::Minimal
        },
        stdin_is_file: is(6),
        session_idle_ms: if is(7) { 60_000 } else { 86_400_000 },
        ..Settings::default()
    }
}

/// As many as the low three bits of a variant choose; its high bits choose something else.
const VERSIONS: [&str; 8] = [
    "2025-11-25",
    "2025-11-25",
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
    "2099-01-01",
    "",
];

const CAPABILITIES: [&str; 4] = [
    "{}",
    r#"{"elicitation":{},"sampling":{},"roots":{"listChanged":true}}"#,
    r#"{"sampling":{"tools":{}}}"#,
    r#"{"elicitation":{"form":{},"url":{}},"roots":{}}"#,
];

/// What a client says of itself.
const CLIENT: &str = r#"{"name":"c","version":"1"}"#;

/// The revision of a header and of `initialize`.
pub(super) fn version(choice: u8) -> &'static str {
    pick(&VERSIONS, choice)
}

/// The members of a call: a progress token, now and then one of another type or twice the same.
const METAS: [&str; 4] = [
    "",
    r#","_meta":{"progressToken":1}"#,
    r#","_meta":{"progressToken":"t"}"#,
    r#","_meta":{"progressToken":null,"x":[1]}"#,
];

const NAMES: [&str; 8] = [
    "s1_1mcp_a",
    "s2_1mcp_a",
    "a",
    "s3_1mcp_b",
    "nobody_1mcp_a",
    "s1_1mcp_",
    "s1_1mcp_b",
    "b",
];

const URIS: [&str; 4] = ["u:a", "u:b", "t:x/1", "nowhere:"];

/// Requests of a client: method and params.
pub(super) fn request(choice: u8, variant: u8) -> (&'static str, String) {
    let meta = pick(&METAS, variant / 8);
    let name = pick(&NAMES, variant);
    let uri = pick(&URIS, variant);
    let call = format!(r#"{{"name":"{name}","arguments":{{"x":"\u00e9"}}{meta}}}"#);
    let list = match variant % 4 {
        0 | 1 => "{}".to_owned(),
        2 => r#"{"cursor":"bogus"}"#.to_owned(),
        _ => r#"{"cursor":7,"_meta":{"progressToken":2}}"#.to_owned(),
    };
    match choice % 16 {
        0 => (
            "initialize",
            format!(
                r#"{{"protocolVersion":"{}","capabilities":{},"clientInfo":{CLIENT}}}"#,
                version(variant),
                pick(&CAPABILITIES, variant / 8)
            ),
        ),
        1..=3 => ("tools/call", call),
        4 => ("tools/list", list),
        5 => ("prompts/list", list),
        6 => ("resources/list", list),
        7 => ("resources/templates/list", list),
        8 => ("prompts/get", call),
        9 => ("resources/read", format!(r#"{{"uri":"{uri}"{meta}}}"#)),
        10 => ("resources/subscribe", format!(r#"{{"uri":"{uri}"}}"#)),
        11 => ("resources/unsubscribe", format!(r#"{{"uri":"{uri}"}}"#)),
        12 => (
            "logging/setLevel",
            format!(
                r#"{{"level":"{}"}}"#,
                pick(&["debug", "error", "loud"], variant)
            ),
        ),
        13 => (
            "completion/complete",
            format!(
                r#"{{"ref":{{"type":"ref/prompt","name":"{name}"}},"argument":{{"name":"x","value":"y"}}}}"#
            ),
        ),
        14 => ("ping", "{}".to_owned()),
        _ => ("tasks/unknown", "{}".to_owned()),
    }
}

/// Notifications of a client.
pub(super) fn client_note(variant: u8, id: &str) -> String {
    let (method, params) = match variant % 8 {
        0 | 1 => ("notifications/initialized", "{}".to_owned()),
        2..=4 => (
            "notifications/cancelled",
            format!(r#"{{"requestId":{id},"reason":"r"}}"#),
        ),
        5 => ("notifications/roots/list_changed", "{}".to_owned()),
        6 => (
            "notifications/progress",
            r#"{"progressToken":1,"progress":1}"#.to_owned(),
        ),
        _ => ("notifications/unknown", "{}".to_owned()),
    };
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// Answers of a client to a question.
const REPLIES: [&str; 5] = [
    r#""result":{"action":"accept","content":{}}"#,
    r#""result":{"roots":[{"uri":"file:///w"}]}"#,
    r#""error":{"code":-1,"message":"no"}"#,
    r#""result":{}"#,
    r#""result":null"#,
];

/// An answer to a question.
pub(super) fn reply(variant: u8, id: &str) -> String {
    let outcome = pick(&REPLIES, variant);
    format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#)
}

/// The result of an answer to a question; an error becomes none.
pub(super) fn reply_result(variant: u8) -> &'static str {
    pick(&REPLIES, variant)
        .strip_prefix("\"result\":")
        .unwrap_or("{}")
}

/// What a server says of itself.
const SERVER: &str = concat!(
    r#""capabilities":{"tools":{"listChanged":true},"prompts":{"listChanged":true},"#,
    r#""resources":{"subscribe":true,"listChanged":true},"completions":{},"logging":{}},"#,
    r#""serverInfo":{"name":"x","version":"1"},"instructions":"do""#
);

/// What a server answers by itself to a method; `None` for what the bytes decide.
pub(super) fn by_itself(method: &str, variant: u8) -> Option<String> {
    Some(match method {
        // It has sessions, whatever that question means.
        "server/discover" => "{}".to_owned(),
        "initialize" => format!(r#"{{"protocolVersion":"{}",{SERVER}}}"#, version(variant)),
        "tools/list" => {
            r#"{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"b"}]}"#.to_owned()
        }
        "prompts/list" => r#"{"prompts":[{"name":"a"}],"nextCursor":null}"#.to_owned(),
        "resources/list" => r#"{"resources":[{"uri":"u:a","name":"n"}]}"#.to_owned(),
        "resources/templates/list" => {
            r#"{"resourceTemplates":[{"uriTemplate":"t:x/{y}","name":"t"}]}"#.to_owned()
        }
        "logging/setLevel" | "ping" | "resources/subscribe" | "resources/unsubscribe" => {
            "{}".to_owned()
        }
        _ => return None,
    })
}

/// Outcomes of a server; the first is what the method wants, as far as it has one.
const OUTCOMES: [&str; 8] = [
    r#""result":{"content":[{"type":"text","text":"t"}],"contents":[]}"#,
    r#""result":{"content":[],"isError":true}"#,
    concat!(
        r#""error":{"code":-32042,"message":"m","data":{"elicitations":["#,
        r#"{"mode":"url","elicitationId":"e","url":"http://u","message":"m"}]}}"#
    ),
    r#""error":{"code":-32601,"message":"\u0000"}"#,
    r#""result":{"tools":[{"name":"a"},{"name":"a"},7,{"name":""}],"nextCursor":"more"}"#,
    r#""result":null"#,
    r#""result":{"completion":{"values":[]},"messages":[]}"#,
    r#""result":{},"error":{"code":1,"message":"both"}"#,
];

/// An answer of a server.
pub(super) fn outcome(variant: u8, id: &str) -> String {
    let outcome = pick(&OUTCOMES, variant);
    format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#)
}

/// Notifications of a server.
pub(super) fn server_note(variant: u8, token: &str) -> String {
    let (method, params) = match variant % 10 {
        0 | 1 => (
            "progress",
            format!(r#"{{"progressToken":{token},"progress":1}}"#),
        ),
        2 => (
            "message",
            r#"{"level":"error","logger":"l","data":"d"}"#.to_owned(),
        ),
        3 => ("message", r#"{"level":7}"#.to_owned()),
        4 => ("tools/list_changed", "{}".to_owned()),
        5 => ("resources/list_changed", "{}".to_owned()),
        6 => ("prompts/list_changed", "{}".to_owned()),
        7 => ("resources/updated", r#"{"uri":"u:a"}"#.to_owned()),
        8 => (
            "cancelled",
            format!(r#"{{"requestId":{}}}"#, variant / 10 % 3),
        ),
        _ => (
            "elicitation/complete",
            r#"{"elicitationId":"e"}"#.to_owned(),
        ),
    };
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#)
}

const QUESTIONS: [(&str, &str); 6] = [
    (
        "elicitation/create",
        r#"{"message":"m","requestedSchema":{"type":"object","properties":{}}}"#,
    ),
    (
        "elicitation/create",
        r#"{"mode":"url","message":"m","elicitationId":"e","url":"http://u"}"#,
    ),
    (
        "sampling/createMessage",
        r#"{"messages":[],"maxTokens":1,"_meta":{"progressToken":1}}"#,
    ),
    ("roots/list", "{}"),
    ("ping", "{}"),
    ("nothing/known", "{}"),
];

/// Questions of a server; their ids come from a pool of three.
pub(super) fn question(variant: u8) -> String {
    let (method, params) = pick(&QUESTIONS, variant);
    let id = pick(&["0", "1", "\"q\""], variant / 8);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// What is no message.
pub(super) fn garbage(variant: u8) -> &'static str {
    pick(
        &[
            "hello",
            "",
            "{",
            "[]",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}"#,
            r#"[{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info"}}]"#,
            r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
            "\u{0}\u{1}",
        ],
        variant,
    )
}
