//! `/metrics` and the log of the built binary: what the system says of the process, every call
//! accounted for, every line of a JSON log one object.

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::Gateway;
use crate::support::http::{Connection, request};
use crate::support::mcp::{Client, any_of};

/// The page, as somebody at this machine sees it.
fn page(gateway: &Gateway) -> String {
    let mut connection = Connection::open(gateway.port);
    let answer = connection.send(request("GET /metrics", "", "")).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// The sum of all series whose lines begin so.
fn sum(text: &str, begins: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(begins));
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    values.sum()
}

#[test]
fn contract_5_every_call_is_accounted_for_and_the_process_is_measured() {
    let dir = Dir::new();
    dir.servers(&[("files", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    client.echo("files");
    client.echo("files");
    client.post(
        &json!({"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"evil"}})
            .to_string(),
    );
    let text = page(&gateway);
    let ended = sum(&text, "onemcp_calls_total") + sum(&text, "onemcp_calls_forgotten_total");
    let open = sum(&text, "onemcp_calls_in_flight");
    let received = sum(&text, "onemcp_calls_received_total");
    assert!(
        (ended + open - received).abs() < 0.5 && received > 3.0,
        "{text}"
    );
    // The first may have come before its server told its tools: then it has no name there.
    let echo = "onemcp_calls_total{server=\"files\",method=\"tools/call\"";
    assert!((sum(&text, echo) - 2.0).abs() < 0.5, "{text}");
    assert!(!text.contains("evil"), "{text}");
    assert!(sum(&text, "process_resident_memory_bytes ") > 1e6, "{text}");
    assert!(sum(&text, "process_open_fds ") > 5.0, "{text}");
    assert!(sum(&text, "process_start_time_seconds ") > 1.6e9, "{text}");
    gateway.stop();
}

#[test]
fn contract_8_every_line_of_a_json_log_is_one_object_with_the_same_keys() {
    let dir = Dir::new();
    let odd = json!({"command": "sh", "args": ["-c",
        "printf 'a\\tb\\033[2J \"q\" server=evil\\r\\nlast' >&2; exit 3"]});
    dir.servers(&[("files", fixture(&[])), ("odd", odd)]);
    let args = ["--log-format", "json", "--log-level", "trace", "--log-file"];
    let path = dir.file("log");
    let mut command = crate::support::gateway::serve(dir.path(), &args);
    command.arg(&path);
    let gateway = Gateway::of(&mut command);
    let mut client = Client::open(gateway.port);
    let mut events = client.listen();
    // A call that comes before its server told its tools counts as one of `other`.
    client.until(&mut events, |tools| any_of("files", tools));
    client.echo("files");
    let _refused = client.call("evil\u{1b}\n\"x", &json!({}));
    page(&gateway);
    gateway.stop();
    let log = dir.read("log");
    let mut lines = Vec::new();
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        for key in ["time", "level", "message"] {
            assert!(value[key].is_string(), "{key} of {line}");
        }
        assert!(!line.chars().any(char::is_control), "{line}");
        assert_ne!(value["server"], "evil", "{line}");
        lines.push(value);
    }
    let is_echo = |line: &&Value| line["event"] == "call" && line["tool"] == "echo";
    let call = lines.iter().find(is_echo).expect(&log);
    assert_eq!(
        (&call["server"], &call["outcome"], &call["level"]),
        (&json!("files"), &json!("ok"), &json!("debug"))
    );
    assert!(call["ms"].is_u64() && call["bytes_in"].is_u64() && call["bytes_out"].is_u64());
    let is_page = |line: &&Value| line["event"] == "http" && line["path"] == "/metrics";
    let asked = lines.iter().find(is_page).expect(&log);
    assert_eq!(
        (&asked["status"], &asked["method"]),
        (&json!(200), &json!("GET"))
    );
    assert!(
        log.contains("server=evil"),
        "it was said, and is prose: {log}"
    );
}
