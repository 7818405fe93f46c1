//! How the era of a server is found out, and what is remembered of it (protocol F1, F3).

use onemcp::limits::PROBE_SILENT_MS;

use crate::server::{Script, anything, tool};
use crate::server_modern::stateless;
use crate::world::{Builder, World, entry};

fn with_tool(script: Script) -> Script {
    script.with("tools", [tool("t")])
}

/// A server with sessions that does not answer what it does not know.
fn silent() -> Builder {
    let script = with_tool(anything()).manual("server/discover");
    World::http().server("s", script)
}

/// The requests that the latest child got, as far as they are about the handshake.
fn handshake(w: &World) -> Vec<&'static str> {
    let mut all = Vec::new();
    for line in &w.children.last().unwrap().lines {
        for method in ["server/discover", "initialize"] {
            if line.contains(&format!("\"method\":\"{method}\"")) {
                all.push(method);
            }
        }
    }
    all
}

fn offers_its_tool(w: &mut World) {
    let client = w.client("{}");
    assert_eq!(client.list(w, "tools/list"), ["s_1mcp_t"]);
}

#[test]
fn f1_without_a_setting_each_server_is_spoken_to_in_its_own_era() {
    for (script, asked, spoken) in [
        (stateless(), vec!["server/discover"], "2026-07-28"),
        (
            anything(),
            vec!["server/discover", "initialize"],
            "2025-11-25",
        ),
    ] {
        let mut w = World::http().server("s", with_tool(script)).start();
        assert_eq!(handshake(&w), asked);
        assert_eq!(w.survey().servers[0].protocol, Some(spoken));
        offers_its_tool(&mut w);
        // It is asked again when it starts again: it may have been replaced meanwhile.
        w.server("s").dies(&mut w);
        w.advance(5_000);
        assert_eq!(handshake(&w), asked);
    }
}

#[test]
fn f3_a_server_that_does_not_answer_is_waited_for_only_once() {
    let mut w = silent().begin();
    w.advance(PROBE_SILENT_MS - 1);
    assert_eq!(handshake(&w), ["server/discover"]);
    w.advance(1);
    assert_eq!(handshake(&w), ["server/discover", "initialize"]);
    offers_its_tool(&mut w);
    let mut w = silent().store(w.store).begin();
    assert_eq!(handshake(&w), ["initialize"]);
    w.advance(1_000);
    offers_its_tool(&mut w);
    // It is remembered as long as it stays so.
    let w = silent().store(w.store).begin();
    assert_eq!(handshake(&w), ["initialize"]);
}

#[test]
fn f3_another_version_of_the_server_is_asked_again() {
    let mut w = silent().begin();
    w.advance(PROBE_SILENT_MS);
    let older = |bytes: &Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(r#""unasked":"1""#), "{text}");
        text.replace(r#""unasked":"1""#, r#""unasked":"0.9""#)
            .into_bytes()
    };
    let store = w
        .store
        .iter()
        .map(|(name, bytes)| (name.clone(), older(bytes)));
    let w = silent().store(store.collect()).start();
    assert_eq!(handshake(&w), ["initialize"]);
    let w = silent().store(w.store).start();
    assert_eq!(handshake(&w), ["server/discover"]);
}

#[test]
fn f3_a_server_that_lost_its_sessions_is_not_lost_for_what_is_remembered() {
    let mut w = silent().begin();
    w.advance(PROBE_SILENT_MS);
    let script = with_tool(stateless());
    let mut w = World::http().server("s", script).store(w.store).start();
    assert_eq!(handshake(&w), ["initialize", "server/discover"]);
    assert_eq!(w.survey().servers[0].protocol, Some("2026-07-28"));
    offers_its_tool(&mut w);
}

#[test]
fn f3_a_server_that_dies_of_the_question_is_there_at_once_and_nobody_notices() {
    let mut w = silent().begin();
    let client = w.client("{}");
    let call = client.call(&mut w, "s_1mcp_t", "{}");
    w.server("s").dies(&mut w);
    w.advance(1);
    assert_eq!(handshake(&w), ["initialize"]);
    let s = w.server("s");
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
    assert!(!w.logged(&["down"]) && w.logged(&["server=s ended when asked for its era"]));
    let survey = &w.survey().servers[0];
    assert_eq!((survey.restarts, survey.last_error.as_deref()), (0, None));
    let w = silent().store(w.store).begin();
    assert_eq!(handshake(&w), ["initialize"]);
}

#[test]
fn contract_2_another_era_in_the_entry_starts_the_server_anew() {
    let mut w = World::http().server("s", with_tool(anything())).start();
    w.configure(&[entry("s", r#""era":"legacy""#)]);
    w.advance(5_000);
    assert_eq!(w.starts("s"), 2);
    assert_eq!(handshake(&w), ["initialize"]);
    w.configure(&[entry("s", r#""era":"modern""#)]);
    w.advance(100);
    assert_eq!(handshake(&w), ["server/discover"]);
    assert!(w.logged(&[
        "server=s",
        "refused the handshake",
        "its entry says 'era': 'modern'"
    ]));
}
