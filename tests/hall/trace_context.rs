//! Trace context (protocol 3.2, last row but one of its table): what a client says of its trace
//! stands in `_meta`, and goes on byte by byte, whatever either side speaks; so does what a server
//! says in its answers and notes. Fields of HTTP are never passed on.

use crate::client::Client;
use crate::server::{Script, tool, tools};
use crate::server_modern::stateless;
use crate::world::World;

/// As odd as JSON may be written.
const TRACE: &str = r#""traceparent" : "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"congo=t61rcWkgMzE,\u0072ojo=00f067aa0ba902b7" ,  "baggage":"userId=Am%C3%A9lie,serverNode=DF%2028\/x""#;

/// Both eras of servers.
fn servers() -> [(&'static str, Script); 2] {
    [
        ("", tools(["t"])),
        (r#""era":"modern""#, stateless().with("tools", [tool("t")])),
    ]
}

/// Both eras of clients.
fn clients(w: &mut World) -> [Client; 2] {
    [w.client("{}"), Client::modern(w, "{}")]
}

#[test]
fn p32_trace_context_passes_unchanged_between_all_eras_and_back() {
    for (entry, script) in servers() {
        let mut w = World::http().server_with("s", entry, script).start();
        for client in clients(&mut w) {
            let params = format!(
                r#"{{"name":"s_1mcp_t","_meta":{{"progressToken":"p",{TRACE},"v.x/k":1}},"arguments":{{}}}}"#
            );
            let call = client.request(&mut w, "tools/call", &params);
            let server = w.server("s");
            let seen = server.expect(&mut w, "tools/call");
            assert!(seen.line.contains(TRACE), "{}", seen.line);
            assert_eq!(seen.line.matches("traceparent").count(), 1);
            let progress = format!(
                r#"{{"progressToken":{},"progress":1,"_meta":{{{TRACE}}}}}"#,
                seen.id()
            );
            server.notes(&mut w, "notifications/progress", &progress);
            let heard = client.next_line(&mut w).unwrap();
            assert!(heard.contains(TRACE), "{heard}");
            let result =
                format!(r#"{{"resultType":"complete","content":[],"_meta":{{"a":1,{TRACE}}}}}"#);
            seen.result(&mut w, &result);
            let answer = call.line(&mut w).unwrap();
            assert!(answer.contains(TRACE), "{answer}");
        }
    }
}

#[test]
fn p32_trace_context_alone_in_a_meta_passes_too() {
    for (entry, script) in servers() {
        let mut w = World::http().server_with("s", entry, script).start();
        for client in clients(&mut w) {
            let params = format!(r#"{{"_meta":{{{TRACE}}},"name":"s_1mcp_t"}}"#);
            let call = client.request(&mut w, "tools/call", &params);
            let seen = w.server("s").expect(&mut w, "tools/call");
            assert!(seen.line.contains(TRACE), "{}", seen.line);
            seen.result(&mut w, r#"{"resultType":"complete","content":[]}"#);
            call.result(&mut w);
        }
    }
}

#[test]
fn p32_trace_context_in_fields_of_http_goes_nowhere() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let client = w.client("{}");
    client.adds_field(&mut w, "traceparent", "00-1-2-01");
    client.adds_field(&mut w, "baggage", "a=b");
    let call = client.call(&mut w, "s_1mcp_t", "{}");
    let seen = w.server("s").expect(&mut w, "tools/call");
    let odd = ["traceparent", "baggage", "_meta"];
    assert!(
        odd.iter().all(|name| !seen.line.contains(name)),
        "{}",
        seen.line
    );
    seen.result(&mut w, r#"{"content":[]}"#);
    call.result(&mut w);
}
