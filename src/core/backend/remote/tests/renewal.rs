//! Servers that do not know our session any more.

use super::*;
use crate::language::BackendEvent;

fn renewed(bench: &mut Bench, session: &str) {
    bench.initialize(Some(session));
    let ears = bench.asked.iter().position(|asked| asked.what() == "GET");
    let ears = bench.asked.remove(ears.unwrap());
    bench.respond(&ears, 405, &[], "");
}

fn proved(session: &str) -> (Bench, PoolKey) {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some(session));
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.json(&call, &answer(1));
    bench.told();
    (bench, pool)
}

#[test]
fn f5_one_renewal_for_all_calls_that_hit_it_and_each_is_sent_once_more() {
    let _reached = must_hit(Mark::SessionRenewed);
    let rows: [(u16, &str); 5] = [
        (404, ""),
        (
            404,
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"x\"}}",
        ),
        (400, "Bad Request: No valid session ID provided"),
        (
            400,
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\
               \"message\":\"Bad Request: Server not initialized\"}}",
        ),
        (401, ""),
    ];
    for (status, body) in rows {
        let (mut bench, pool) = proved("old");
        for id in [2, 3, 4] {
            bench.call(pool, id);
        }
        let calls = bench.asked();
        bench.respond(&calls[0], status, &[JSON], body);
        assert_eq!(bench.state(pool), PoolState::Ready);
        // One that comes meanwhile waits.
        bench.call(pool, 5);
        bench.respond(&calls[1], status, &[JSON], body);
        let initialize = bench.one("initialize");
        assert_eq!(initialize.field("mcp-session-id"), None);
        bench.respond(&initialize, 200, &[JSON, ("mcp-session-id", "new")], HELLO);
        let initialized = bench.one("notifications/initialized");
        assert_eq!(bench.events(), [""; 0]);
        bench.respond(&initialized, 202, &[], "");
        assert_eq!(
            bench.events(),
            ["Ready 0"],
            "the hall restores what it has set"
        );
        let mut again = bench.asked();
        assert_eq!(again.remove(0).what(), "GET");
        again.sort_by_key(|asked| asked.body().to_owned());
        let told: Vec<&str> = again.iter().map(Asked::body).collect();
        assert_eq!(told, [request(2), request(3), request(5)]);
        assert!(
            again
                .iter()
                .all(|one| one.field("mcp-session-id") == Some("new"))
        );
        // One that was refused by the old session after that is sent at once.
        bench.respond(&calls[2], status, &[JSON], body);
        let last = bench.one("tools/call");
        assert_eq!(
            (last.body(), last.field("mcp-session-id")),
            (&*request(4), Some("new"))
        );
        for (id, asked) in [(2, &again[0]), (3, &again[1]), (5, &again[2]), (4, &last)] {
            bench.json(asked, &answer(id));
            assert_eq!(bench.events(), [response(pool, id)]);
        }
    }
}

#[test]
fn f5_a_call_is_repeated_once_and_what_has_begun_is_lost() {
    let (mut bench, pool) = proved("old");
    for id in [2, 3] {
        bench.call(pool, id);
    }
    let calls = bench.asked();
    bench.stream(&calls[1], &[]);
    bench.respond(&calls[0], 404, &[], "");
    let why = "lost the session in which it worked on this; it may have been done";
    assert_eq!(bench.events(), [lost(3, why)]);
    renewed(&mut bench, "new");
    let again = bench.one("tools/call");
    bench.told();
    bench.respond(&again, 404, &[], "");
    let why = "lost its session: answered with status 404; look at \"url\"";
    assert_eq!(
        bench.events(),
        [lost(2, why)],
        "it is this call that is refused"
    );
    assert!(bench.asked().is_empty());
    // A session that was of no use is not renewed again and again.
    let _reached = must_hit(Mark::SessionNeverProved);
    let list = "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\",\"params\":{}}";
    assert_eq!(bench.send(pool, list), Ok(()));
    let call = bench.one("tools/list");
    bench.respond(&call, 404, &[], "");
    assert_eq!(bench.events(), ["Down 0"]);
    assert!(
        bench
            .why(pool)
            .starts_with("forgets its sessions at once: answered with status 404")
    );
}

#[test]
fn f5_a_second_loss_of_the_same_call_is_told() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    renewed(&mut bench, "new");
    let again = bench.one("tools/call");
    bench.call(pool, 3);
    let other = bench.one("tools/call");
    bench.json(&other, &answer(3));
    bench.told();
    bench.respond(&again, 404, &[], "");
    let why = "lost its session: answered with status 404; look at \"url\"";
    assert_eq!(bench.events(), [lost(2, why)]);
    assert!(bench.asked().is_empty(), "the others keep their session");
}

/// A list that is answered 404 for reasons of its own, in every session.
#[test]
fn f5_a_refusal_in_a_session_that_was_just_renewed_is_one_of_the_request() {
    let (mut bench, pool) = proved("s0");
    let list = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"prompts/list\",\"params\":{}}";
    let mut sessions = 0;
    for second in 0..600 {
        assert_eq!(bench.send(pool, list), Ok(()));
        let asked = bench.one("prompts/list");
        bench.respond(&asked, 404, &[], "");
        if bench.asked.is_empty() {
            let why = "lost its session: answered with status 404; look at \"url\"";
            assert_eq!(bench.events(), [lost(2, why)]);
        } else {
            sessions += 1;
            renewed(&mut bench, &format!("s{sessions}"));
            bench.call(pool, 3);
            let call = bench.one("tools/call");
            bench.json(&call, &answer(3));
            bench.told();
        }
        assert_eq!(bench.state(pool), PoolState::Ready, "{second}");
        bench.pass(1_000);
    }
    assert!((10..20).contains(&sessions), "{sessions} sessions");
}

#[test]
fn f5_ears_that_are_refused_in_a_session_that_works_are_asked_again_later() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    bench.initialize(Some("new"));
    let asked = bench.asked();
    let find = |what: &str| asked.iter().find(|one| one.what() == what).unwrap();
    bench.json(find("tools/call"), &answer(2));
    bench.stream(find("GET"), &[]);
    bench.chunk(find("GET"), "retry: 300\ndata:\n\n");
    bench.end(find("GET"));
    bench.pass(300);
    let get = bench.one("GET");
    bench.respond(&get, 404, &[], "");
    assert!(bench.asked().is_empty());
    bench.pass(2_000);
    bench.one("GET");
}

/// What an answer to it would be, is an answer to somebody else in the session of now.
#[test]
fn f7_a_question_in_a_session_that_was_renewed_since_reaches_nobody() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    bench.call(pool, 3);
    let calls = bench.asked();
    bench.respond(&calls[1], 404, &[], "");
    renewed(&mut bench, "new");
    bench.asked();
    bench.told();
    bench.stream(&calls[0], &[]);
    for method in ["elicitation/create", "ping"] {
        let ask = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"}}");
        bench.chunk(&calls[0], &format!("data: {ask}\n\n"));
    }
    assert!(bench.asked().is_empty());
    assert_eq!(bench.events(), [""; 0]);
    bench.chunk(&calls[0], &format!("data: {}\n\n", answer(2)));
    assert_eq!(bench.events(), [response(pool, 2)]);
}

#[test]
fn f12_a_call_that_was_cancelled_is_not_sent_to_another_session() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                  \"params\":{\"requestId\":2}}";
    assert_eq!(bench.send(pool, cancel), Ok(()));
    let told = bench.one("notifications/cancelled");
    bench.respond(&told, 202, &[], "");
    bench.respond(&call, 404, &[], "");
    renewed(&mut bench, "new");
    assert!(bench.asked().is_empty());
}

/// A tool with codes of its own, and a server that was replaced by a modern one.
#[test]
fn f3_one_answer_that_looks_modern_is_passed_on_and_many_in_a_row_are_believed() {
    let _reached = must_hit(Mark::RemoteEraChanged);
    let (mut bench, pool) = proved("s");
    let refused = |bench: &mut Bench, id: u64| {
        bench.call(pool, id);
        let call = bench.one("tools/call");
        let error = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32020,\"message\":\"m\"}}}}"
        );
        bench.respond(&call, 400, &[JSON], &error);
        (bench.events(), format!("response {id} of 0: {error}"))
    };
    for id in [2, 3] {
        let (told, passed) = refused(&mut bench, id);
        assert_eq!(told, [passed]);
    }
    bench.call(pool, 4);
    let call = bench.one("tools/call");
    bench.json(&call, &answer(4));
    bench.told();
    for id in [5, 6] {
        let (told, passed) = refused(&mut bench, id);
        assert_eq!(told, [passed]);
    }
    assert_eq!(refused(&mut bench, 7).0, ["Down 0"]);
}

#[test]
fn f5_lists_and_levels_are_not_repeated_since_the_hall_asks_for_them_anew() {
    for method in ["tools/list", "logging/setLevel"] {
        let (mut bench, pool) = proved("old");
        let text =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"{method}\",\"params\":{{}}}}");
        assert_eq!(bench.send(pool, &text), Ok(()));
        let asked = bench.one(method);
        bench.respond(&asked, 404, &[], "");
        let why = "lost its session: answered with status 404; look at \"url\"";
        assert_eq!(bench.events(), [lost(2, why)]);
        renewed(&mut bench, "new");
        assert!(bench.asked().is_empty());
    }
}

#[test]
fn f5_what_the_hall_sends_on_ready_comes_before_what_waited() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    bench.respond_initialize_by_hand(pool);
    let told: Vec<String> = bench.asked().iter().map(Asked::what).collect();
    assert_eq!(told, ["GET", "resources/subscribe", "tools/call"]);
}

impl Bench {
    /// The hall subscribes as soon as it hears of the new session.
    fn respond_initialize_by_hand(&mut self, pool: PoolKey) {
        let asked = self.one("initialize");
        self.json(&asked, HELLO);
        let asked = self.one("notifications/initialized");
        let Some(Owner::Dialed(dial)) = self.world.links.owner(asked.link) else {
            panic!("no link");
        };
        let text = b"HTTP/1.1 202 x\r\nContent-Length: 0\r\n\r\n";
        self.backends
            .dialed_receive(&mut self.world.cx(), dial, text);
        let subscribe = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"resources/subscribe\",\
                         \"params\":{\"uri\":\"f:///x\"}}";
        while let Some(event) = self.backends.next(&mut self.world.cx(), &mut self.frame) {
            if matches!(event, BackendEvent::Ready { .. }) {
                let cx = &mut self.world.cx();
                assert_eq!(self.backends.send(cx, pool, &[subscribe.into()]), Ok(()));
            }
        }
        self.input(|_, _| ());
        // Connections open in any order; what matters is in which they were ordered.
        self.asked.sort_by_key(|asked| asked.what() == "tools/call");
    }
}

#[test]
fn f5_a_renewal_that_fails_takes_the_session_down() {
    let rows: [(u16, &str, &str); 2] = [
        (401, "", "wants authorization (status 401)"),
        (500, "", "answered with status 500"),
    ];
    for (status, body, says) in rows {
        let (mut bench, pool) = proved("old");
        bench.call(pool, 2);
        let call = bench.one("tools/call");
        bench.respond(&call, 404, &[], "");
        let asked = bench.one("initialize");
        bench.respond(&asked, status, &[], body);
        assert_eq!(bench.events(), ["Down 0"]);
        assert!(bench.why(pool).starts_with(says), "{}", bench.why(pool));
    }
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    bench.one("initialize");
    bench.pass(30_000);
    assert_eq!(bench.events(), ["Down 0"]);
    assert!(bench.why(pool).contains("did not open another in time"));
}

#[test]
fn f3_a_server_that_comes_back_in_the_other_era_is_met_anew() {
    let _reached = must_hit(Mark::RemoteEraChanged);
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    let asked = bench.one("initialize");
    let unknown = "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32601,\"message\":\"no\"}}";
    bench.respond(&asked, 404, &[JSON], unknown);
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.events(), ["Down 0"]);
    bench.pass(2_000);
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.events(), ["Ready 0"]);
    // And back again.
    bench.asked();
    bench.call(pool, 3);
    let call = bench.one("tools/call");
    bench.respond(&call, 400, &[], "Bad Request: Missing session ID");
    assert_eq!(bench.events(), ["Down 0"]);
    assert_eq!(
        bench.why(pool),
        "speaks another revision of the protocol than before"
    );
}

/// Seed 51 of the simulator.
#[test]
fn f4_a_question_before_the_new_session_is_there_reaches_nobody() {
    let (mut bench, pool) = proved("old");
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    let initialize = bench.one("initialize");
    bench.stream(&initialize, &[("mcp-session-id", "new")]);
    let early = "{\"jsonrpc\":\"2.0\",\"id\":\"early\",\"method\":\"roots/list\"}";
    bench.chunk(&initialize, &format!("data: {early}\n\n"));
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn f5_a_tool_that_says_session_is_no_server_that_forgot_ours() {
    for body in ["bad value session", "there are no sessions to list"] {
        let (mut bench, pool) = proved("old");
        bench.call(pool, 2);
        let call = bench.one("tools/call");
        bench.respond(&call, 400, &[], body);
        assert_eq!(bench.events().len(), 1);
        assert!(bench.asked().is_empty(), "{body}");
    }
}

#[test]
fn f5_a_server_without_session_ids_that_began_anew_is_met_again() {
    for (body, asks) in [("Server not initialized", 1), ("Session not found", 0)] {
        let mut bench = Bench::new();
        let pool = bench.legacy(None);
        bench.call(pool, 1);
        let call = bench.one("tools/call");
        bench.json(&call, &answer(1));
        bench.call(pool, 2);
        let call = bench.one("tools/call");
        bench.respond(&call, 400, &[], body);
        assert_eq!(bench.asked().len(), asks, "{body}");
    }
}
