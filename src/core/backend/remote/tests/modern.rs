//! Modern servers: requests that repeat themselves in their heads, and the stream of changes.

use super::*;
use crate::language::BackendEdge;

fn change(id: &str, name: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{name}\",\"params\":{{\"_meta\":{{\
         \"io.modelcontextprotocol/subscriptionId\":\"{id}\"}},\"notifications\":{{}}}}}}"
    )
}

fn acknowledged(id: &str) -> String {
    format!("data: {}\n\n", change(id, "subscriptions/acknowledged"))
}

#[test]
fn f2_f9_a_modern_server_comes_up_and_each_request_repeats_its_body_in_its_head() {
    let mut bench = Bench::new();
    let pool = bench.start(remote(RemoteKind::Http));
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(asked.field("mcp-method"), Some("server/discover"));
    assert_eq!(asked.field("mcp-name"), None);
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.events(), ["Ready 0"]);
    let listen = bench.one("subscriptions/listen");
    assert_eq!(listen.field("mcp-method"), Some("subscriptions/listen"));
    for (method, params, name) in [
        ("tools/call", "{\"name\":\"a b\"}", Some("a b")),
        (
            "prompts/get",
            "{\"name\":\"\u{fc}\"}",
            Some("=?base64?w7w=?="),
        ),
        ("resources/read", "{\"uri\":\"f:///x\"}", Some("f:///x")),
        ("tasks/get", "{\"taskId\":\" t\"}", Some("=?base64?IHQ=?=")),
        ("tools/list", "{\"name\":\"no\"}", None),
    ] {
        let text =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"{method}\",\"params\":{params}}}");
        assert_eq!(bench.send(pool, &text), Ok(()));
        let asked = bench.one(method);
        assert_eq!(asked.field("mcp-method"), Some(method));
        assert_eq!(asked.field("mcp-name"), name);
        assert_eq!(asked.field("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(asked.field("mcp-session-id"), None);
        bench.json(&asked, &answer(9));
        assert_eq!(bench.events(), [response(pool, 9)]);
    }
    assert!(bench.backends.wants_fields(pool));
    let fields = [("region".to_owned(), "us\u{e9}".to_owned())];
    let sent = bench.input(|backends, cx| {
        backends.send_with_fields(cx, pool, &[request(1).as_str().into()], &fields)
    });
    assert_eq!(sent, Ok(()));
    let asked = bench.one("tools/call");
    assert_eq!(asked.field("mcp-param-region"), Some("=?base64?dXPDqQ==?="));
    bench.json(&asked, &answer(1));
    bench.stop(pool);
    assert_eq!(bench.asked().len(), 0, "there is no session to end");
    bench.assert_empty();
}

#[test]
fn f12_a_cancelled_request_is_given_up_and_nothing_is_posted() {
    let _reached = must_hit(Mark::RemoteCancelCloses);
    let mut bench = Bench::new();
    let (pool, _) = bench.modern();
    bench.call(pool, 4);
    let call = bench.one("tools/call");
    let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                  \"params\":{\"requestId\":4}}";
    assert_eq!(bench.send(pool, cancel), Ok(()));
    assert!(bench.asked().is_empty());
    assert_eq!(bench.told(), [format!("close {}", call.link.0.index)]);
}

#[test]
fn f13_a_stream_of_changes_that_ends_is_opened_again_and_lists_count_as_changed() {
    let mut bench = Bench::new();
    let (pool, listen) = bench.modern();
    bench.stream(&listen, &[]);
    bench.chunk(&listen, &acknowledged("1mcp-listen-1"));
    let changed = change("1mcp-listen-1", "tools/list_changed");
    bench.chunk(&listen, &format!("data: {changed}\n\n"));
    assert_eq!(bench.events(), [format!("note: {changed}")]);
    for end in [true, false] {
        let before = bench.world.now;
        let listen = if end {
            bench.end(&listen);
            None
        } else {
            Some(bench.asked.remove(0))
        };
        if let Some(listen) = listen {
            bench.stream(&listen, &[]);
            bench.chunk(&listen, &acknowledged("1mcp-listen-2"));
            assert_eq!(bench.events(), ["Watching  missed=true"]);
            bench.reset(listen.link);
        }
        assert!(bench.asked().is_empty());
        bench.pass(2_500);
        assert!(bench.world.now.tick > before.tick);
        assert_eq!(bench.state(pool), PoolState::Ready);
    }
    bench.one("subscriptions/listen");
}

#[test]
fn f13_a_server_without_a_stream_of_changes_is_not_asked_again() {
    for (status, body) in [
        (
            404,
            "{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-listen-1\",\"error\":{\"code\":-32601,\
               \"message\":\"no\"}}",
        ),
        (405, ""),
    ] {
        let mut bench = Bench::new();
        let (pool, listen) = bench.modern();
        bench.respond(&listen, status, &[JSON], body);
        bench.pass(crate::limits::BACKOFF_MS_MAX);
        assert!(bench.asked().is_empty());
        assert_eq!(bench.state(pool), PoolState::Ready);
        bench.input(|backends, cx| backends.watch(cx, pool, vec!["f:///x".into()]));
        assert_eq!(bench.events(), ["Watching f:///x=false missed=false"]);
    }
}

#[test]
fn f13_the_fixture_of_the_suite_answers_a_listen_by_lines() {
    let mut bench = Bench::new();
    let (pool, listen) = bench.modern();
    bench.feed(
        listen.link,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    bench.chunk(
        &listen,
        &format!(
            "{}\n",
            change("1mcp-listen-1", "subscriptions/acknowledged")
        ),
    );
    let changed = change("1mcp-listen-1", "tools/list_changed");
    bench.chunk(&listen, &format!("{changed}\n"));
    assert_eq!(bench.events(), [format!("note: {changed}")]);
    assert_eq!(bench.state(pool), PoolState::Ready);
}
