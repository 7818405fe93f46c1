//! Operations of clients and servers without sessions: requests that describe themselves, more or
//! less, retries with states that were given or made up, answers to the question for the era, and
//! questions in results.

use crate::hub::fuzzing::peer::Role;
use crate::hub::fuzzing::words::{self, pick};
use crate::hub::fuzzing::world::{self, World};
use crate::hub::fuzzing::{Choices, link, send};

/// What a request says of itself; the first two are as they have to be.
const DESCRIPTIONS: [&str; 6] = [
    concat!(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{"sampling":{},"#,
        r#""elicitation":{"form":{},"url":{}},"roots":{}},"progressToken":1"#
    ),
    concat!(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{},"#,
        r#""io.modelcontextprotocol/logLevel":"debug""#
    ),
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
    concat!(
        r#""io.modelcontextprotocol/protocolVersion":"2099-01-01","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}"#
    ),
    concat!(
        r#""io.modelcontextprotocol/protocolVersion":7,"#,
        r#""io.modelcontextprotocol/clientCapabilities":[]"#
    ),
    "",
];

/// Answers of servers: to the question for their era, with questions, and of odd kinds.
const OUTCOMES: [&str; 10] = [
    concat!(
        r#""result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":"#,
        r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}},"#,
        r#""ttlMs":0,"cacheScope":"private"}"#
    ),
    r#""error":{"code":-32022,"message":"m","data":{"supported":["2026-07-28"]}}"#,
    r#""error":{"code":-32601,"message":"m"}"#,
    concat!(
        r#""result":{"resultType":"input_required","requestState":"s\u0074","inputRequests":"#,
        r#"{"k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}}}"#
    ),
    concat!(
        r#""result":{"resultType":"input_required","inputRequests":{"r":{"method":"roots/list"},"#,
        r#""s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}}"#
    ),
    r#""result":{"resultType":"input_required","requestState":"only"}"#,
    r#""result":{"resultType":"input_required"}"#,
    concat!(
        r#""result":{"resultType":"complete","content":[],"_meta":{"#,
        r#""io.modelcontextprotocol/serverInfo":{}}}"#
    ),
    r#""result":{"resultType":"new","content":[]}"#,
    r#""result":{"resultType":"input_required","requestState":7,"inputRequests":[]}"#,
];

/// Notifications of servers without sessions.
const NOTES: [&str; 5] = [
    concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","#,
        r#""params":{"notifications":{"toolsListChanged":true,"#,
        r#""resourceSubscriptions":["u:a"]},"_meta":{"#,
        r#""io.modelcontextprotocol/subscriptionId":"1mcp-listen-1"}}}"#
    ),
    concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"#,
        r#""_meta":{"io.modelcontextprotocol/subscriptionId":"1mcp-listen-1"}}}"#
    ),
    concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"#,
        r#""uri":"u:a","_meta":{"#,
        r#""io.modelcontextprotocol/subscriptionId":"1mcp-listen-2"}}}"#
    ),
    concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"#,
        r#""requestId":"1mcp-listen-1"}}"#
    ),
    r#"{"jsonrpc":"2.0","id":"1mcp-listen-1","result":{"resultType":"complete"}}"#,
];

/// One operation.
pub(super) fn operate(world: &mut World, choices: &mut Choices<'_>, what: u8) {
    match what % 16 {
        0..=7 => says(world, choices, false),
        8..=11 => says(world, choices, true),
        12..=14 => answers(world, choices),
        _ => {
            let (at, which) = (choices.byte(), choices.byte());
            if let Some(index) = link(world, at, Some(true)) {
                send(
                    world,
                    index,
                    format!("{}\n", pick(&NOTES, which)).as_bytes(),
                );
            }
        }
    }
}

/// A request without a session, or one that goes on with an earlier one.
fn says(world: &mut World, choices: &mut Choices<'_>, again: bool) {
    let Some(index) = link(world, choices.byte(), Some(false)) else {
        return;
    };
    let (what, variant, odd) = (choices.byte(), choices.byte(), choices.byte());
    let (method, params) = match what {
        240.. => (
            "subscriptions/listen",
            r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["u:a","u:b"]}}"#
                .to_owned(),
        ),
        200..240 => ("server/discover", "{}".to_owned()),
        _ => words::request(what, variant % 8),
    };
    let mut members = format!(r#""_meta":{{{}}}"#, pick(&DESCRIPTIONS, odd % 8));
    if again {
        let (state, responses) = (choices.byte(), choices.byte());
        if let Some(state) = state_of(world, state) {
            members.push_str(&format!(r#","requestState":{state}"#));
        }
        let key = world.keys_asked.iter().rev();
        let key = key.cycle().nth(usize::from(responses / 8 % 4)).cloned();
        let key = key.unwrap_or_else(|| "\"k\"".to_owned());
        let answer = words::reply_result(responses);
        members.push_str(&format!(r#","inputResponses":{{{key}:{answer}}}"#));
    }
    let rest = params.strip_prefix('{').unwrap_or("}");
    let comma = if rest == "}" { "" } else { "," };
    let id = world::id(index, variant / 64);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}{comma}{rest}}}"#
    );
    world.owes(&text);
    let bytes = if world.peers[index].role == Role::Stdio {
        text + "\n"
    } else {
        post(method, &params, odd, &text)
    };
    send(world, index, bytes.as_bytes());
}

/// A POST whose fields repeat its body, or not.
fn post(method: &str, params: &str, odd: u8, body: &str) -> String {
    let named = |key: &str| {
        let rest = params.split_once(&format!("\"{key}\":\""))?.1;
        rest.split_once('"').map(|(name, _)| name.to_owned())
    };
    let name = named("name").or_else(|| named("uri")).unwrap_or_default();
    let version = if odd & 64 == 0 {
        "2026-07-28"
    } else {
        "2025-11-25"
    };
    let method = if odd & 128 == 0 { method } else { "other" };
    let accept = if odd & 32 == 0 {
        "*/*"
    } else {
        "application/json"
    };
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nMCP-Protocol-Version: \
         {version}\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\nContent-Type: application/json\
         \r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A state that some client was given (raw), as it was or not; `None`: none is sent.
fn state_of(world: &World, choice: u8) -> Option<String> {
    let known = world.states.iter().rev();
    let known = known.cycle().nth(usize::from(choice / 16 % 4)).cloned();
    match (choice % 16, known) {
        (0, _) => None,
        (1, _) | (_, None) => Some("\"AAAA\"".to_owned()),
        (2, _) => Some("7".to_owned()),
        (3, Some(state)) => Some(state.replace('A', "B")),
        (4, Some(state)) => Some(state.replacen('"', "\"A", 1)),
        (_, known) => known,
    }
}

/// A child answers as one without sessions would.
fn answers(world: &mut World, choices: &mut Choices<'_>) {
    let (at, how, variant) = (choices.byte(), choices.byte(), choices.byte());
    let Some(index) = link(world, at, Some(true)) else {
        return;
    };
    let pending = &mut world.peers[index].pending;
    if pending.is_empty() {
        return;
    }
    let at = if how % 2 == 0 { 0 } else { pending.len() - 1 };
    let (id, ..) = pending.remove(at);
    let outcome = pick(&OUTCOMES, variant);
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{outcome}}}\n");
    send(world, index, line.as_bytes());
}
