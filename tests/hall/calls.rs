//! Calls there and back: ids, tokens, bytes (A1, A2, A12), and what ends a call early.

use std::collections::BTreeMap;

use onemcp::base::mark::{Mark, must_hit};
use serde_json::{Value, json};

use crate::server::{Seen, tools};
use crate::world::World;

fn echo() -> World {
    World::http().server("files", tools(["echo"])).start()
}

#[test]
fn a1_an_answer_carries_the_id_that_the_client_gave() {
    let mut w = echo();
    let a = w.client("{}");
    let files = w.server("files");
    for id in [
        "7",
        "0",
        "-1",
        "9007199254740993",
        "123456789012345678901234567890",
        "\"x\"",
        "\"7\"",
        "\"\"",
        r#""a\"b\\\u0041\n""#,
    ] {
        let call = a.request_as(&mut w, id, "tools/call", r#"{"name":"files_1mcp_echo"}"#);
        let seen = files.expect(&mut w, "tools/call");
        assert!(
            seen.value["id"].is_u64() && seen.value["id"] != json!(7),
            "{}",
            seen.line
        );
        seen.result(&mut w, "{}");
        let line = call.line(&mut w).unwrap();
        assert_eq!(
            line,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        );
    }
}

#[test]
fn a1_an_unknown_method_is_refused_and_an_unknown_notification_is_ignored() {
    let mut w = echo();
    let a = w.client("{}");
    let (code, message) = a.request(&mut w, "tools/fly", "{}").error(&mut w);
    assert_eq!(
        (code, message.as_str()),
        (-32601, "method not found: tools/fly")
    );
    assert_eq!(
        a.request(&mut w, "sampling/createMessage", "{}")
            .error(&mut w)
            .0,
        -32601
    );
    assert_eq!(a.request(&mut w, "", "{}").error(&mut w).0, -32601);
    a.notes(&mut w, "notifications/fly", "{}");
    a.expect_nothing(&mut w);
    w.server("files").expect_nothing(&mut w);
}

#[test]
fn c14_ping_is_answered_here() {
    let mut w = echo();
    let a = w.client("{}");
    assert_eq!(a.request(&mut w, "ping", "{}").result(&mut w), json!({}));
    let files = w.server("files");
    files.asks(&mut w, "\"p\"", "ping", "{}");
    assert_eq!(files.granted(&mut w, "\"p\""), json!({}));
    a.expect_nothing(&mut w);
}

#[test]
fn a2_ids_and_tokens_of_two_clients_do_not_meet_in_one_child() {
    let mut w = echo();
    let clients = [w.client("{}"), w.client("{}")];
    let files = w.server("files");
    let mut calls = Vec::new();
    for round in 0..8 {
        for (who, client) in clients.iter().enumerate() {
            let params = format!(
                r#"{{"name":"files_1mcp_echo","arguments":{{"who":{who},"round":{round}}},"_meta":{{"progressToken":{round}}}}}"#
            );
            let id = round.to_string();
            calls.push((
                who,
                round,
                client.request_as(&mut w, &id, "tools/call", &params),
            ));
        }
    }
    let mut seen: Vec<Seen> = (0..16)
        .map(|_| files.expect(&mut w, "tools/call"))
        .collect();
    let ids: BTreeMap<String, usize> = seen.iter().map(|seen| (seen.id(), 1)).collect();
    assert_eq!(ids.len(), 16, "ids of our own, each once");
    // Any order will do: 5 and 16 have no common factor.
    seen = (0..16).map(|index| seen[index * 5 % 16].clone()).collect();
    for seen in &seen {
        let token = &seen.value["params"]["_meta"]["progressToken"];
        let arguments = &seen.value["params"]["arguments"];
        let params = format!(
            r#"{{"progressToken":{token},"progress":1,"message":"{}"}}"#,
            arguments["who"]
        );
        files.notes(&mut w, "notifications/progress", &params);
        seen.result(&mut w, &format!(r#"{{"content":[],"_meta":{arguments}}}"#));
    }
    for (who, round, call) in calls {
        assert_eq!(
            call.result(&mut w)["_meta"],
            json!({"who": who, "round": round})
        );
    }
    for (who, client) in clients.iter().enumerate() {
        let mut rounds = Vec::new();
        while let Some(note) = client.next(&mut w) {
            assert_eq!(note["params"]["message"], json!(who.to_string()));
            rounds.push(note["params"]["progressToken"].as_u64().unwrap());
        }
        rounds.sort_unstable();
        assert_eq!(rounds, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(client.unread_answers(&mut w), [""; 0]);
    }
}

#[test]
fn a2_an_answer_counts_only_from_the_child_that_was_asked_and_only_once() {
    let _reached = must_hit(Mark::AnswerToNobody);
    let mut w = World::http()
        .server("files", tools(["echo"]))
        .server("evil", tools(["t"]))
        .start();
    let a = w.client("{}");
    let call = a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = w.server("files").expect(&mut w, "tools/call");
    let evil = w.server("evil");
    for id in (0..64)
        .map(|id| id.to_string())
        .chain([seen.id(), format!("\"{}\"", seen.id())])
    {
        evil.says(
            &mut w,
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"evil":true}}}}"#),
        );
        evil.notes(
            &mut w,
            "notifications/progress",
            &format!(r#"{{"progressToken":{id},"progress":1}}"#),
        );
    }
    call.pending(&mut w);
    seen.result(&mut w, r#"{"n":1}"#);
    seen.result(&mut w, r#"{"n":2}"#);
    seen.error(&mut w, r#"{"code":1,"message":"late"}"#);
    assert_eq!(call.result(&mut w), json!({"n": 1}));
    assert_eq!(a.unread_answers(&mut w), [""; 0]);
    a.expect_nothing(&mut w);
}

#[test]
fn a12_the_bytes_of_a_call_pass_unchanged_but_for_id_name_and_token() {
    let mut w = echo();
    let a = w.client("{}");
    let files = w.server("files");
    let text = |id: &str, name: &str, token: &str| {
        format!(
            r#" {{"params" : {{ "x-unknown":[1.0, 1e5,-0,1E+2 , 12345678901234567890123], "arguments":{{"z":1,"a":"\u00e9\ud83d\ude00é😀\/","name":"files_1mcp_echo"}}, "name"  :{name},"_meta":{{"vendor/key":{{"progressToken":3}},"progressToken" : {token} ,"traceparent":"00-1"}}}},"id"  : {id}, "more":{{"id":1}},"jsonrpc":"2.0","method":"tools\/call"}} "#
        )
    };
    let sent = text(r#""i\u0064""#, r#""files\u005f1mcp_echo""#, r#""t\u006f""#);
    a.says(&mut w, &sent);
    let line = files.next(&mut w).unwrap();
    let value: Value = serde_json::from_str(&line).unwrap();
    let id = value["id"].to_string();
    assert_eq!(line, text(&id, "\"echo\"", &id).trim());
    let reply = |id: &str| {
        format!(
            r#"{{"result": {{"structuredContent":{{"n":1.0,"b":1e5,"big":12345678901234567890123}} ,"content":[{{"type":"text","text":"\u00e9\/é"}}],"x":{{"id":{id}}}}},"id" : {id},"jsonrpc":"2.0" , "y":0}}"#
        )
    };
    files.says(
        &mut w,
        &reply("77").replace("\"id\" : 77", &format!("\"id\" : {id}")),
    );
    let expected = reply("77").replace("\"id\" : 77", r#""id" : "i\u0064""#);
    assert_eq!(a.unread_answers(&mut w), [expected]);
}

#[test]
fn a12_what_concerns_one_hop_does_not_pass_and_neither_does_a_task() {
    let mut w = echo();
    let a = w.client("{}");
    let files = w.server("files");
    let related = r#""io.modelcontextprotocol/related-task":{"taskId":"1"}"#;
    for (meta, left) in [
        (format!("{{{related}}}"), "{}".to_owned()),
        (
            format!(r#"{{{related},"progressToken":1,"x/y":1.0}}"#),
            r#"{"progressToken":ID,"x/y":1.0}"#.to_owned(),
        ),
        (
            format!(r#"{{"progressToken":1,{related}}}"#),
            r#"{"progressToken":ID}"#.to_owned(),
        ),
    ] {
        let params = format!(r#"{{"name":"files_1mcp_echo","_meta":{meta},"task":{{"ttl":1}}}}"#);
        a.request(&mut w, "tools/call", &params);
        let seen = files.expect(&mut w, "tools/call");
        let left = left.replace("ID", &seen.id());
        let expected = format!(r#""params":{{"name":"echo","_meta":{left}}}"#);
        assert!(seen.line.contains(&expected), "{}", seen.line);
    }
}

#[test]
fn a12_line_ends_of_a_body_become_blanks_on_the_way_to_a_child() {
    let mut w = echo();
    let a = w.client("{}");
    a.says(
        &mut w,
        "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 5,\n  \"method\": \"tools/call\",\n  \"params\": {\"name\":\n\"files_1mcp_echo\"}\n}",
    );
    let seen = w.server("files").expect(&mut w, "tools/call");
    assert_eq!(
        seen.line,
        format!(
            r#"{{   "jsonrpc": "2.0",    "id": {},   "method": "tools/call",   "params": {{"name": "echo"}} }}"#,
            seen.id()
        )
    );
}

#[test]
fn errors_of_a_server_keep_their_code_message_and_data() {
    let mut w = echo();
    let a = w.client("{}");
    for error in [
        r#"{"code":-32000,"message":"m","data":{"a":[1.0]},"x":1}"#,
        r#"{"code":-32002,"message":""}"#,
        r#"{"message":"no code"}"#,
        "{}",
    ] {
        let call = a.call(&mut w, "files_1mcp_echo", "{}");
        w.server("files")
            .expect(&mut w, "tools/call")
            .error(&mut w, error);
        let line = call.line(&mut w).unwrap();
        assert_eq!(
            line,
            format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id)
        );
    }
}

#[test]
fn a_member_that_is_routed_by_and_stands_twice_is_refused() {
    let mut w = echo();
    let a = w.client("{}");
    for params in [
        r#"{"name":"files_1mcp_echo","name":"x"}"#,
        r#"{"name":"files_1mcp_echo","n\u0061me":"x"}"#,
        r#"{"name":"files_1mcp_echo","_meta":{},"_meta":{"progressToken":1}}"#,
        r#"{"name":"files_1mcp_echo","_meta":{"progressToken":1,"progressToken":2}}"#,
    ] {
        let (code, message) = a.request(&mut w, "tools/call", params).error(&mut w);
        assert_eq!(
            (code, message.contains("twice")),
            (-32602, true),
            "{params}"
        );
    }
    w.server("files").expect_nothing(&mut w);
}

#[test]
fn a_name_or_token_of_another_type_is_refused() {
    let mut w = echo();
    let a = w.client("{}");
    for params in [
        "{}",
        r#"{"name":7}"#,
        r#"{"name":null}"#,
        r#"{"name":"files_1mcp_echo","_meta":{"progressToken":{}}}"#,
        r#"{"name":"files_1mcp_echo","_meta":{"progressToken":null}}"#,
    ] {
        assert_eq!(
            a.request(&mut w, "tools/call", params).error(&mut w).0,
            -32602,
            "{params}"
        );
    }
    let long = "x".repeat(1024);
    let params = format!(r#"{{"name":"files_1mcp_echo","_meta":{{"progressToken":"{long}"}}}}"#);
    assert_eq!(
        a.request(&mut w, "tools/call", &params).error(&mut w).0,
        -32602
    );
    w.server("files").expect_nothing(&mut w);
}

#[test]
fn c11_cancel_tells_the_backend_with_our_id_and_the_client_gets_no_answer() {
    let mut w = echo();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let files = w.server("files");
    let calls = [
        a.call(&mut w, "files_1mcp_echo", "{}"),
        b.call(&mut w, "files_1mcp_echo", "{}"),
    ];
    let seen = files.expect(&mut w, "tools/call");
    let others = files.expect(&mut w, "tools/call");
    a.cancels(&mut w, &calls[0]);
    let told = files.expect(&mut w, "notifications/cancelled");
    assert_eq!(told.value["params"]["requestId"].to_string(), seen.id());
    assert_eq!(told.value["params"]["reason"], json!("enough"));
    // Again, or for what never was: nothing.
    a.cancels(&mut w, &calls[0]);
    a.notes(&mut w, "notifications/cancelled", r#"{"requestId":99}"#);
    a.notes(&mut w, "notifications/cancelled", "{}");
    files.expect_nothing(&mut w);
    seen.result(&mut w, "{}");
    calls[0].pending(&mut w);
    calls[1].pending(&mut w);
    others.result(&mut w, "{}");
    assert_eq!(calls[1].result(&mut w), json!({}));
    assert_eq!(w.counts().calls, 0);
    // Its id is free again.
    let again = a.request_as(&mut w, &calls[0].id, "ping", "{}");
    assert_eq!(again.result(&mut w), json!({}));
}

#[test]
fn c11_an_answer_that_races_a_cancel_wins_or_loses_but_never_both() {
    let mut w = echo();
    let a = w.client("{}");
    let files = w.server("files");
    let call = a.call(&mut w, "files_1mcp_echo", "{}");
    files.expect(&mut w, "tools/call").result(&mut w, "{}");
    a.cancels(&mut w, &call);
    files.expect_nothing(&mut w);
    assert_eq!(call.result(&mut w), json!({}));
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn a_call_that_takes_too_long_is_an_error_and_the_backend_is_told() {
    let mut w = World::http()
        .server_with("files", r#""requestTimeout":3000"#, tools(["echo"]))
        .start();
    let a = w.client("{}");
    let files = w.server("files");
    let call = a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = files.expect(&mut w, "tools/call");
    w.advance(2_999);
    call.pending(&mut w);
    w.advance(1);
    let (code, message) = call.error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("files") && message.contains("3.0 s"),
        "{message}"
    );
    let told = files.expect(&mut w, "notifications/cancelled");
    assert_eq!(told.value["params"]["requestId"].to_string(), seen.id());
    seen.result(&mut w, "{}");
    assert_eq!(a.unread_answers(&mut w), [""; 0]);
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn progress_is_told_with_the_callers_token_and_keeps_the_call_alive() {
    let _reached = must_hit(Mark::DeadlineRenewed);
    let mut w = World::http()
        .server_with("files", r#""requestTimeout":3000"#, tools(["echo"]))
        .start();
    let a = w.client("{}");
    let files = w.server("files");
    let params = r#"{"name":"files_1mcp_echo","_meta":{"progressToken":"t\u006f"}}"#;
    let call = a.request(&mut w, "tools/call", params);
    let quiet = a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = files.expect(&mut w, "tools/call");
    let without = files.expect(&mut w, "tools/call");
    for step in 1..=5 {
        w.advance(2_000);
        for seen in [&seen, &without] {
            let params = format!(
                r#"{{"progress":{step}.0,"progressToken":{},"total":1e1,"message":"\u00e9"}}"#,
                seen.id()
            );
            files.notes(&mut w, "notifications/progress", &params);
        }
        assert_eq!(
            a.next_line(&mut w).unwrap(),
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress":{step}.0,"progressToken":"t\u006f","total":1e1,"message":"\u00e9"}}}}"#
            )
        );
        a.expect_nothing(&mut w);
    }
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    // After the answer there is nothing that a token could mean.
    let late = format!(r#"{{"progress":9,"progressToken":{}}}"#, seen.id());
    files.notes(&mut w, "notifications/progress", &late);
    a.expect_nothing(&mut w);
    // A timeout comes at the latest one whole length too late.
    w.advance(6_000);
    assert_eq!(quiet.error(&mut w).0, -32603);
}

#[test]
fn f12_progress_does_not_keep_a_call_alive_for_ever() {
    let _reached = must_hit(Mark::ProgressForTooLong);
    let mut w = World::http()
        .server_with("files", r#""requestTimeout":600000"#, tools(["echo"]))
        .start();
    let a = w.client("{}");
    let files = w.server("files");
    let call = a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = files.expect(&mut w, "tools/call");
    let params = format!(r#"{{"progressToken":{},"progress":1}}"#, seen.id());
    let mut ms = 0;
    while ms < onemcp::limits::CALL_MS_MAX {
        files.notes(&mut w, "notifications/progress", &params);
        w.advance(500_000);
        ms += 500_000;
    }
    w.advance(600_000);
    assert_eq!(call.error(&mut w).0, -32603);
    files.expect(&mut w, "notifications/cancelled");
}

#[test]
fn an_answer_beyond_the_longest_line_is_an_error_for_its_caller_only() {
    let _reached = must_hit(Mark::AnswerTooLong);
    let mut w = echo();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let files = w.server("files");
    let call = a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = files.expect(&mut w, "tools/call");
    let other = b.call(&mut w, "files_1mcp_echo", "{}");
    let others = files.expect(&mut w, "tools/call");
    let long = "x".repeat(onemcp::limits::LINE_BYTES_MAX);
    seen.result(&mut w, &format!("{{\"text\":\"{long}\"}}"));
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("32 MiB")),
        (-32603, true),
        "{message}"
    );
    others.result(&mut w, "{}");
    assert_eq!(other.result(&mut w), json!({}));
}

#[test]
fn c3_calls_of_a_client_that_is_gone_are_cancelled_and_leave_nothing_behind() {
    let mut w = echo();
    let before = w.counts();
    let a = w.client("{}");
    let files = w.server("files");
    a.call(&mut w, "files_1mcp_echo", "{}");
    let seen = files.expect(&mut w, "tools/call");
    a.leaves(&mut w);
    let told = files.expect(&mut w, "notifications/cancelled");
    assert_eq!(told.value["params"]["requestId"].to_string(), seen.id());
    seen.result(&mut w, "{}");
    assert_eq!(
        (w.counts().calls, w.counts().sessions),
        (0, before.sessions)
    );
}
