//! Servers without sessions on HTTP want arguments of some tools repeated in header fields (F9,
//! F10, D20). Who calls need not know: clients of every kind call plainly.

use onemcp::base::mark::{Mark, must_hit};
use serde_json::json;

use crate::client::Client;
use crate::remote::{Site, far};
use crate::server::{Script, tool};
use crate::server_modern::stateless;
use crate::world::World;

/// A tool `t` whose `region` has this field.
fn annotated(field: &str) -> String {
    format!(
        r#"{{"name":"t","inputSchema":{{"type":"object","properties":{{
            "region":{{"type":"string","x-mcp-header":"{field}"}},
            "place":{{"type":"object","properties":{{"floor":{{"type":"integer","x-mcp-header":"Floor"}}}}}},
            "note":{{"type":"string"}}}}}}}}"#
    )
    .replace('\n', "")
}

fn server(tools: [String; 2]) -> Script {
    stateless().with("tools", tools)
}

/// The fields that the last call had.
fn fields(w: &World, site: Site) -> Vec<(String, String)> {
    let request = site.last(w, "tools/call");
    let all = request.fields.iter();
    let lower = all.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    lower
        .filter(|(name, _)| name.starts_with("mcp-param-"))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn f9_annotated_arguments_are_repeated_in_fields_for_clients_of_both_eras() {
    let mut w = World::http()
        .remote("r", far(server([annotated("Region"), tool("plain")])))
        .start();
    let (a, site) = (w.client("{}"), w.site("r"));
    for (arguments, expected) in [
        (
            r#"{"region":"us-west1","place":{"floor":3},"note":"n"}"#,
            vec![
                pair("mcp-param-region", "us-west1"),
                pair("mcp-param-floor", "3"),
            ],
        ),
        (
            r#"{"region":"K\u00f6ln","place":{"floor":null}}"#,
            vec![pair("mcp-param-region", "=?base64?S8O2bG4=?=")],
        ),
        (r#"{"note":"n"}"#, vec![]),
    ] {
        let call = a.call(&mut w, "r_1mcp_t", arguments);
        site.expect(&mut w, "tools/call").result(&mut w, "{}");
        call.result(&mut w);
        assert_eq!(fields(&w, site), expected, "{arguments}");
    }
    let b = Client::modern(&mut w, "{}");
    b.adds_field(&mut w, "Mcp-Param-Region", "=?base64?dXM=?=");
    let call = b.call(&mut w, "r_1mcp_t", r#"{"region":"us"}"#);
    site.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
    assert_eq!(fields(&w, site), [pair("mcp-param-region", "us")]);
    let call = a.call(&mut w, "r_1mcp_plain", r#"{"region":"x"}"#);
    site.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
    assert_eq!(fields(&w, site), []);
}

const MISMATCH: &str = r#"{"code":-32020,"message":"Mcp-Param-Zone is missing"}"#;

#[test]
fn f9_a_server_that_sees_it_otherwise_is_asked_for_its_list_and_the_call_made_once_more() {
    let _reached = must_hit(Mark::CallAwaitsList);
    let mut w = World::http()
        .remote("r", far(server([annotated("Region"), tool("plain")])))
        .start();
    let (a, site) = (w.client("{}"), w.site("r"));
    w.advance(60_000);
    let lists = site.got(&w, "tools/list");
    let call = a.call(&mut w, "r_1mcp_t", r#"{"region":"x"}"#);
    let other = a.call(&mut w, "r_1mcp_plain", "{}");
    let seen = site.expect(&mut w, "tools/call");
    site.state(&mut w)
        .script
        .set("tools", [annotated("Zone"), tool("plain")]);
    seen.error(&mut w, MISMATCH);
    assert_eq!(site.got(&w, "tools/list"), lists + 1);
    site.expect(&mut w, "tools/call").result(&mut w, "{}");
    other.result(&mut w);
    let again = site.expect(&mut w, "tools/call");
    assert_ne!(again.id(), seen.id());
    assert_eq!(again.value["params"]["arguments"], json!({"region": "x"}));
    assert_eq!(fields(&w, site), [pair("mcp-param-zone", "x")]);
    again.result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w)["content"], json!([]));
    // Once and no more; what is wrong is told in words, as no fault of the client's.
    let call = a.call(&mut w, "r_1mcp_t", r#"{"region":"x"}"#);
    site.expect(&mut w, "tools/call").error(&mut w, MISMATCH);
    w.advance(60_000);
    site.expect(&mut w, "tools/call").error(&mut w, MISMATCH);
    let (code, message) = call.error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("server r refused our request: Mcp-Param-Zone"),
        "{message}"
    );
    site.expect_nothing(&mut w);
}

#[test]
fn f9_a_list_that_does_not_come_lets_the_call_fail_as_the_server_said() {
    let mut w = World::http()
        .remote("r", far(server([annotated("Region"), tool("plain")])))
        .start();
    let (a, site) = (Client::modern(&mut w, "{}"), w.site("r"));
    a.adds_field(&mut w, "Mcp-Param-Region", "x");
    w.advance(60_000);
    let call = a.call(&mut w, "r_1mcp_t", r#"{"region":"x"}"#);
    let seen = site.expect(&mut w, "tools/call");
    site.state(&mut w).script.manual.insert("tools/list");
    seen.error(&mut w, MISMATCH);
    let list = site.expect(&mut w, "tools/list");
    site.expect_nothing(&mut w);
    list.error(&mut w, r#"{"code":-32603,"message":"no"}"#);
    site.expect(&mut w, "tools/call").error(&mut w, MISMATCH);
    let (code, message) = call.error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("server r refused our request"),
        "{message}"
    );
    // For a client that does not wait nothing is sent.
    site.state(&mut w).script.manual.remove("tools/list");
    w.advance(600_000);
    let calls = site.got(&w, "tools/call");
    a.call(&mut w, "r_1mcp_t", r#"{"region":"x"}"#);
    let seen = site.expect(&mut w, "tools/call");
    site.state(&mut w).script.manual.insert("tools/list");
    seen.error(&mut w, MISMATCH);
    a.hangs_up(&mut w);
    let list = site.expect(&mut w, "tools/list");
    list.error(&mut w, r#"{"code":-32603,"message":"no"}"#);
    w.advance(1);
    assert_eq!(site.got(&w, "tools/call"), calls + 1);
}

#[test]
fn f10_tools_that_annotate_wrongly_are_not_offered_and_told_in_one_line() {
    let wrong = |name: &str, property: &str| {
        format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object","properties":{{"a":{property}}}}}}}"#
        )
    };
    let script = stateless().with(
        "tools",
        [
            annotated("Region"),
            wrong("empty", r#"{"type":"string","x-mcp-header":""}"#),
            wrong("object", r#"{"type":"object","x-mcp-header":"A"}"#),
            wrong("number", r#"{"type":"number","x-mcp-header":"A"}"#),
            tool("plain"),
        ],
    );
    let mut w = World::http()
        .server("child", script.clone())
        .remote("r", far(script))
        .start();
    let a = w.client("{}");
    let offered = a.list(&mut w, "tools/list");
    let of = |server: &str| {
        offered
            .iter()
            .filter(|name| name.starts_with(server))
            .count()
    };
    assert_eq!((of("child_"), of("r_")), (5, 2), "{offered:?}");
    let call = a.call(&mut w, "r_1mcp_object", "{}");
    assert_eq!(call.error(&mut w).0, -32602);
    w.site("r").list_changed(&mut w, "tools");
    w.advance(60_000);
    let told = w.log.iter().filter(|line| line.contains("tools left out"));
    let told: Vec<&String> = told.collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains(r#"3 in all, "empty", "object", "number""#),
        "{told:?}"
    );
}
