//! What the demo answers: a function from one line and the time to at most one line.

use onemcp::json::envelope::{self, Envelope, Fault, Kind};
use onemcp::json::span::{self, Span};
use onemcp::json::write;
use onemcp::mcp::version::Version;

use super::clock;

const TOOLS: &str = concat!(
    r#"{"tools":[{"name":"echo","description":"Returns its text unchanged","inputSchema":"#,
    r#"{"type":"object","properties":{"text":{"type":"string","description":"What to return"}},"#,
    r#""required":["text"]}},"#,
    r#"{"name":"add","description":"Adds two numbers","inputSchema":"#,
    r#"{"type":"object","properties":{"a":{"type":"number","description":"The first"},"#,
    r#""b":{"type":"number","description":"The second"}},"required":["a","b"]}},"#,
    r#"{"name":"now","description":"Tells the time in UTC","inputSchema":"#,
    r#"{"type":"object","properties":{}}}]}"#,
);
const RESOURCES: &str = concat!(
    r#"{"resources":[{"uri":"demo://about","name":"about","#,
    r#""description":"What this server is","mimeType":"text/plain"}]}"#,
);
const PROMPTS: &str = concat!(
    r#"{"prompts":[{"name":"greet","description":"Asks for a greeting","#,
    r#""arguments":[{"name":"name","description":"Whom to greet","required":true}]}]}"#,
);
const CAPABILITIES: &str = r#"{"tools":{},"resources":{},"prompts":{},"completions":{}}"#;
const INSTRUCTIONS: &str =
    "A demo: echo, add and now are tools, demo://about is a resource, greet is a prompt.";
const ABOUT: &str = "This is the demo server that is built into 1mcp. It runs as a child of the \
                     gateway and speaks MCP over stdin and stdout, as any other server does.";
/// What the argument of `greet` is completed to.
const NAMES: [&str; 6] = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Tony"];

/// Why a request has no result: code, message, data.
struct Refusal(i32, String, Option<String>);

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal(-32602, message.into(), None)
}

type Answer = Result<String, Refusal>;

/// The demo server.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// The revision that was agreed on.
    version: Option<Version>,
}

impl Server {
    /// Answers a message or a batch; `None` if nothing is to be said.
    pub(super) fn answer(&mut self, text: &[u8], unix_s: u64) -> Option<Vec<u8>> {
        match envelope::read(text) {
            Ok(envelope) => self.message(text, &envelope, unix_s),
            Err((Fault::Array, _)) if self.takes_batches() => self.batch(text, unix_s),
            Err(fault) => Some(refuse(text, fault)),
        }
    }

    /// Batches went with 2025-06-18.
    fn takes_batches(&self) -> bool {
        self.version
            .is_some_and(|version| version < Version::V2025_06_18)
    }

    fn batch(&mut self, text: &[u8], unix_s: u64) -> Option<Vec<u8>> {
        let mut answers = Vec::new();
        let mut count = 0;
        for at in span::elements(text, Span::whole(text)) {
            count += 1;
            answers.extend(match envelope::read_at(text, at) {
                Ok(envelope) => self.message(text, &envelope, unix_s),
                Err(fault) => Some(refuse(text, fault)),
            });
        }
        if count == 0 {
            return Some(write::error(
                None,
                -32600,
                "Invalid request: an empty batch",
                None,
            ));
        }
        let joined = answers.join(&b',');
        (!joined.is_empty()).then(|| [b"[", &joined[..], b"]"].concat())
    }

    fn message(&mut self, text: &[u8], envelope: &Envelope, unix_s: u64) -> Option<Vec<u8>> {
        match envelope.kind {
            Kind::Request => {}
            Kind::Notification | Kind::Result | Kind::Error => return None,
        }
        let id = envelope.id?.of(text);
        let method = envelope.method_name(text)?;
        let params = Params {
            text,
            at: envelope.params,
        };
        let answer = match &*method {
            "initialize" => self.initialize(&params),
            "ping" => Ok("{}".to_owned()),
            "tools/list" => Ok(TOOLS.to_owned()),
            "tools/call" => call(&params, unix_s),
            "resources/list" => Ok(RESOURCES.to_owned()),
            "resources/templates/list" => Ok(r#"{"resourceTemplates":[]}"#.to_owned()),
            "resources/read" => read(&params),
            "prompts/list" => Ok(PROMPTS.to_owned()),
            "prompts/get" => prompt(&params),
            "completion/complete" => complete(&params),
            other => Err(Refusal(-32601, format!("Method not found: {other}"), None)),
        };
        Some(match answer {
            Ok(result) => write::result(id, result.as_bytes()),
            Err(Refusal(code, message, data)) => {
                write::error(Some(id), code, &message, data.as_deref().map(str::as_bytes))
            }
        })
    }

    fn initialize(&mut self, params: &Params<'_>) -> Answer {
        let Some(requested) = params.string(&["protocolVersion"]) else {
            return Err(invalid("initialize needs a protocolVersion"));
        };
        let version = Version::negotiate(requested.as_bytes());
        self.version = Some(version);
        let program = env!("CARGO_PKG_VERSION");
        let instructions = write::string(INSTRUCTIONS);
        Ok(format!(
            "{{\"protocolVersion\":\"{}\",\"capabilities\":{CAPABILITIES},\
             \"serverInfo\":{{\"name\":\"1mcp-demo\",\"version\":\"{program}\"}},\
             \"instructions\":{instructions}}}",
            version.name(),
        ))
    }
}

fn refuse(text: &[u8], (fault, id): (Fault, Option<Span>)) -> Vec<u8> {
    let id = id.map(|id| id.of(text));
    write::error(id, fault.code(), fault.message(), None)
}

/// The parameters of a request.
struct Params<'a> {
    text: &'a [u8],
    at: Option<Span>,
}

impl Params<'_> {
    fn at(&self, path: &[&str]) -> Option<Span> {
        span::path(self.text, self.at?, path)
    }

    fn string(&self, path: &[&str]) -> Option<String> {
        span::string(self.text, self.at(path)?).map(|text| text.into_owned())
    }

    /// The digits of a number.
    fn number(&self, path: &[&str]) -> Option<&str> {
        let digits = std::str::from_utf8(self.at(path)?.of(self.text)).ok()?;
        let number = digits.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        number.then_some(digits)
    }
}

fn call(params: &Params<'_>, unix_s: u64) -> Answer {
    let Some(name) = params.string(&["name"]) else {
        return Err(invalid("tools/call needs a name"));
    };
    let outcome = match name.as_str() {
        "echo" => params
            .string(&["arguments", "text"])
            .ok_or("echo needs \"text\", a string"),
        "add" => add(params).ok_or("add needs \"a\" and \"b\", two numbers"),
        "now" => Ok(clock::rfc3339(unix_s)),
        _ => return Err(invalid(format!("Unknown tool: {name}"))),
    };
    // A6: wrong arguments are a result, so that the model reads what was wrong and tries again.
    let (text, is_error) = match outcome {
        Ok(text) => (text, ""),
        Err(why) => (why.to_owned(), r#","isError":true"#),
    };
    let text = write::string(&text);
    Ok(format!(
        r#"{{"content":[{{"type":"text","text":{text}}}]{is_error}}}"#
    ))
}

/// The sum: exact for whole numbers that fit 64 bits, else as floating point.
fn add(params: &Params<'_>) -> Option<String> {
    let a = params.number(&["arguments", "a"])?;
    let b = params.number(&["arguments", "b"])?;
    if let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>())
        && let Some(sum) = a.checked_add(b)
    {
        return Some(sum.to_string());
    }
    let sum = a.parse::<f64>().ok()? + b.parse::<f64>().ok()?;
    Some(format!("{sum:?}"))
}

fn read(params: &Params<'_>) -> Answer {
    let Some(uri) = params.string(&["uri"]) else {
        return Err(invalid("resources/read needs a uri"));
    };
    if uri != "demo://about" {
        let data = format!(r#"{{"uri":{}}}"#, write::string(&uri));
        return Err(Refusal(-32002, "Resource not found".to_owned(), Some(data)));
    }
    let text = write::string(ABOUT);
    Ok(format!(
        r#"{{"contents":[{{"uri":"demo://about","mimeType":"text/plain","text":{text}}}]}}"#
    ))
}

fn prompt(params: &Params<'_>) -> Answer {
    match params.string(&["name"]).as_deref() {
        Some("greet") => {}
        Some(other) => return Err(invalid(format!("Unknown prompt: {other}"))),
        None => return Err(invalid("prompts/get needs a name")),
    }
    let Some(name) = params.string(&["arguments", "name"]) else {
        return Err(invalid("greet needs the argument \"name\""));
    };
    let text = write::string(&format!("Greet {name} in one friendly sentence."));
    Ok(format!(
        r#"{{"description":"Asks for a greeting","messages":[{{"role":"user","content":{{"type":"text","text":{text}}}}}]}}"#
    ))
}

fn complete(params: &Params<'_>) -> Answer {
    let is = |path: &[&str], wanted: &str| params.string(path).as_deref() == Some(wanted);
    if !is(&["ref", "type"], "ref/prompt") || !is(&["ref", "name"], "greet") {
        return Err(invalid("only the prompt greet has arguments to complete"));
    }
    let Some(value) = params.string(&["argument", "value"]) else {
        return Err(invalid(
            "completion/complete needs an argument with a value",
        ));
    };
    if !is(&["argument", "name"], "name") {
        return Err(invalid("greet has no such argument"));
    }
    let value = value.to_lowercase();
    let found: Vec<String> = NAMES
        .iter()
        .filter(|name| name.to_lowercase().starts_with(&value))
        .map(|name| write::string(name))
        .collect();
    Ok(format!(
        r#"{{"completion":{{"values":[{}],"total":{},"hasMore":false}}}}"#,
        found.join(","),
        found.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: Option<Vec<u8>>) -> String {
        let answer = answer.expect("an answer");
        assert!(span::validate(&answer).is_ok());
        assert!(!answer.contains(&b'\n'));
        String::from_utf8(answer).unwrap()
    }

    /// The result or error of one request, as JSON.
    fn ask(method: &str, params: &str) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
        let answer = said(Server::default().answer(text.as_bytes(), 0));
        let rest = answer
            .strip_prefix(r#"{"jsonrpc":"2.0","id":7,"#)
            .expect("our id");
        rest.strip_suffix('}').expect("an object").to_owned()
    }

    #[test]
    fn b4_every_legacy_revision_is_spoken() {
        for version in Version::ALL {
            let params = format!(r#"{{"protocolVersion":"{}"}}"#, version.name());
            let answer = ask("initialize", &params);
            assert!(answer.contains(&format!("\"protocolVersion\":\"{}\"", version.name())));
        }
        let answer = ask("initialize", r#"{"protocolVersion":"1999-01-01"}"#);
        assert!(answer.contains("2025-11-25"));
        assert!(ask("initialize", "{}").contains("-32602"));
    }

    #[test]
    fn everything_listed_can_be_used() {
        assert!(ask("tools/list", "{}").contains("\"echo\""));
        let text =
            |text: &str| format!(r#""result":{{"content":[{{"type":"text","text":{text}}}]}}"#);
        let call = |name: &str, arguments: &str| {
            ask(
                "tools/call",
                &format!(r#"{{"name":"{name}","arguments":{arguments}}}"#),
            )
        };
        assert_eq!(
            call("echo", r#"{"text":"ä\n\u0001"}"#),
            text(r#""ä\n\u0001""#)
        );
        assert_eq!(call("add", r#"{"a":2,"b":40}"#), text(r#""42""#));
        assert_eq!(call("add", r#"{"a":0.5,"b":-1e2}"#), text(r#""-99.5""#));
        assert_eq!(
            call("add", r#"{"a":9223372036854775807,"b":1}"#),
            text(r#""9.223372036854776e18""#)
        );
        assert_eq!(call("now", "{}"), text(r#""1970-01-01T00:00:00Z""#));
        assert_eq!(
            ask("tools/call", r#"{"name":"now"}"#),
            text(r#""1970-01-01T00:00:00Z""#)
        );
        assert!(ask("resources/list", "{}").contains("demo://about"));
        assert!(ask("resources/read", r#"{"uri":"demo://about"}"#).contains("built into 1mcp"));
        assert!(ask("prompts/list", "{}").contains("greet"));
        let prompt = ask(
            "prompts/get",
            r#"{"name":"greet","arguments":{"name":"Ada"}}"#,
        );
        assert!(prompt.contains("Greet Ada in"));
        assert!(ask("resources/templates/list", "{}").contains("[]"));
    }

    #[test]
    fn a6_wrong_arguments_are_a_result_and_unknown_names_an_error() {
        for call in [
            r#"{"name":"echo"}"#,
            r#"{"name":"echo","arguments":{"text":5}}"#,
            r#"{"name":"add","arguments":{"a":"1","b":2}}"#,
            r#"{"name":"add","arguments":{"a":1}}"#,
        ] {
            assert!(
                ask("tools/call", call).contains(r#""isError":true"#),
                "{call}"
            );
        }
        assert!(ask("tools/call", r#"{"name":"x"}"#).contains("-32602"));
        assert!(ask("tools/call", "{}").contains("-32602"));
        assert!(ask("prompts/get", r#"{"name":"x"}"#).contains("-32602"));
        assert!(ask("prompts/get", r#"{"name":"greet"}"#).contains("-32602"));
        let missing = ask("resources/read", r#"{"uri":"demo://x"}"#);
        assert!(missing.contains("-32002") && missing.contains(r#""data":{"uri":"demo://x"}"#));
        assert!(ask("resources/read", "{}").contains("-32602"));
        assert!(ask("resources/subscribe", "{}").contains("-32601"));
        assert!(ask("x\\u0079", "{}").contains("Method not found: xy"));
    }

    #[test]
    fn a9_completion_narrows_with_what_was_typed() {
        let complete = |value: &str| {
            let params = format!(
                r#"{{"ref":{{"type":"ref/prompt","name":"greet"}},"argument":{{"name":"name","value":"{value}"}}}}"#
            );
            ask("completion/complete", &params)
        };
        assert!(complete("a").contains(r#""values":["Ada","Alan"],"total":2"#));
        assert!(complete("zz").contains(r#""values":[],"total":0"#));
        assert!(complete("").contains(r#""total":6"#));
        for params in [
            r#"{"ref":{"type":"ref/resource","uri":"demo://about"},"argument":{"name":"n","value":""}}"#,
            r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"x","value":""}}"#,
            r#"{"ref":{"type":"ref/prompt","name":"greet"}}"#,
        ] {
            assert!(ask("completion/complete", params).contains("-32602"));
        }
    }

    #[test]
    fn notifications_and_responses_are_not_answered() {
        let mut server = Server::default();
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","method":"unknown"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        ] {
            assert_eq!(server.answer(text.as_bytes(), 0), None);
        }
        assert!(said(server.answer(b"{", 0)).contains("-32700"));
        assert!(said(server.answer(b"5", 0)).contains("-32600"));
    }

    #[test]
    fn batches_are_answered_where_the_revision_has_them() {
        let batch =
            br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"n"},5]"#;
        let ping = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        for version in Version::ALL {
            let mut server = Server {
                version: Some(version),
            };
            let answer = said(server.answer(batch, 0));
            let batched = answer.starts_with(&format!("[{ping},{{"));
            assert_eq!(batched, version < Version::V2025_06_18, "{answer}");
            assert!(said(server.answer(b"[]", 0)).contains("-32600"));
        }
        let mut old = Server {
            version: Some(Version::V2025_03_26),
        };
        assert_eq!(old.answer(br#"[{"jsonrpc":"2.0","method":"n"}]"#, 0), None);
    }
}
