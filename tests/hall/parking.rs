//! Clients without a session that are asked something in the midst of a call: in the answer to it,
//! so that the call waits here until they come back (protocol 3.5, S2, S4, D14-D17).

use serde_json::{Value, json};

use crate::client::{Call, Client, described};
use crate::server::{Child, Seen, anything, prompt, resource, tools};
use crate::world::{World, entry};
use onemcp::base::mark::{Mark, must_hit};
use onemcp::input::Input;
use onemcp::limits::{
    ASKS_PER_CLIENT_MAX, GATHER_MS, LEASES_PER_SERVER_MAX, POOL_IDLE_MS, REQUEST_STATE_MS_MAX,
    RETRY_AGAIN_MS, RETRY_WAITERS_MAX, SUSPENDED_MS_MAX, SUSPENDED_PER_PRINCIPAL_MAX,
};

pub(crate) const DONE: &str = r#"{"content":[]}"#;
pub(crate) const URL: &str = r#"{"elicitation":{"url":{}}}"#;
pub(crate) const CALL: &str = r#"{"name":"s_1mcp_t","arguments":{}}"#;
const STALE: &str = "request state expired or not ours: start over without it";

/// What a call was answered with: questions by their keys, and the state.
pub(crate) struct Asked {
    pub(crate) requests: Vec<(String, Value)>,
    pub(crate) state: String,
}

/// The answer to a call asks something.
#[track_caller]
pub(crate) fn asked(world: &mut World, call: &Call) -> Asked {
    let result = call.result(world);
    assert_eq!(result["resultType"], "input_required", "{result}");
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "1mcp", "{result}");
    let requests = result.get("inputRequests").map(|all| {
        let all = all.as_object().unwrap();
        let one = |(key, request): (&String, &Value)| (key.clone(), request.clone());
        all.iter().map(one).collect()
    });
    Asked {
        requests: requests.unwrap_or_default(),
        state: result["requestState"].as_str().unwrap().to_owned(),
    }
}

/// The same parameters once more, with answers (raw) and a state.
pub(crate) fn again(params: &str, responses: &str, state: &str) -> String {
    let members = params.strip_suffix('}').unwrap();
    format!(r#"{members},"inputResponses":{responses},"requestState":"{state}"}}"#)
}

/// The answer to a call is that its state is not good.
#[track_caller]
fn is_stale(world: &mut World, call: &Call) {
    assert_eq!(call.error(world), (-32602, STALE.to_owned()));
}

#[test]
fn a_url_that_is_to_be_visited_first_is_asked_for_and_the_call_made_again() {
    let _seen = must_hit(Mark::ElicitedFirst);
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, URL);
    let call = c.request(&mut w, "tools/call", CALL);
    let error = r#"{"code":-32042,"message":"m","data":{"elicitations":[
        {"mode":"url","elicitationId":"1","url":"http://x","message":"m","n":1.0},
        {"mode":"url","url":"http://y","message":"n","elicitationId":"2"}]}}"#;
    let server = w.server("s");
    let error = error.replace('\n', "");
    server.expect(&mut w, "tools/call").error(&mut w, &error);
    let first = asked(&mut w, &call);
    let mut params: Vec<String> = Vec::new();
    for (key, request) in &first.requests {
        assert_eq!(
            (key.len(), &request["method"]),
            (32, &json!("elicitation/create"))
        );
        params.push(request["params"].to_string());
    }
    params.sort();
    assert_eq!(
        params,
        [
            r#"{"message":"m","mode":"url","n":1.0,"url":"http://x"}"#,
            r#"{"message":"n","mode":"url","url":"http://y"}"#
        ]
    );
    // Nothing is kept meanwhile, and it may be made again more than once.
    assert_eq!((w.counts().calls, w.counts().remembered), (0, 0));
    for _ in 0..2 {
        let retry = again(CALL, r#"{"k":{"action":"accept"}}"#, &first.state);
        let call = c.request(&mut w, "tools/call", &retry);
        let seen = server.expect(&mut w, "tools/call");
        let params = json!({"name": "t", "arguments": {}, "_meta": {}});
        assert_eq!(seen.value["params"], params);
        seen.result(&mut w, DONE);
        assert_eq!(call.result(&mut w)["resultType"], "complete");
    }
    w.advance(REQUEST_STATE_MS_MAX);
    let call = c.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    is_stale(&mut w, &call);
    server.expect_nothing(&mut w);
}

#[test]
fn d15_a_state_that_is_not_ours_is_refused_and_answers_without_one_mean_nothing() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, "{}");
    for state in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let call = c.request(&mut w, "tools/call", &again(CALL, "{}", state));
        is_stale(&mut w, &call);
    }
    let state = r#"{"name":"s_1mcp_t","requestState":7}"#;
    let call = c.request(&mut w, "tools/call", state);
    is_stale(&mut w, &call);
    let server = w.server("s");
    server.expect_nothing(&mut w);
    for params in [
        r#"{"name":"s_1mcp_t","inputResponses":{},"arguments":{}}"#,
        r#"{"inputResponses":{"k":1},"name":"s_1mcp_t","arguments":{}}"#,
        r#"{"name":"s_1mcp_t","arguments":{},"task":{"ttl":1},"inputResponses":{}}"#,
    ] {
        let call = c.request(&mut w, "tools/call", params);
        let seen = server.expect(&mut w, "tools/call");
        let params = json!({"name": "t", "arguments": {}, "_meta": {}});
        assert_eq!(seen.value["params"], params);
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
    // To a client with a session these names mean nothing.
    let legacy = w.client("{}");
    let call = legacy.request(&mut w, "tools/call", &again(CALL, "{}", "x"));
    let seen = server.expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["requestState"], "x");
    seen.result(&mut w, DONE);
    call.result(&mut w);
}

pub(crate) const ASKABLE: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;
pub(crate) const SESSION: &str = r#""isolation":"session""#;
pub(crate) const ELICIT: (&str, &str) = (
    "elicitation/create",
    r#"{"message":"who?","requestedSchema":{"type":"object","properties":{}}}"#,
);
const SAMPLE: (&str, &str) = ("sampling/createMessage", r#"{"messages":[],"maxTokens":1}"#);

/// A server whose clients have sessions of their own, and a client that can be asked anything.
pub(crate) fn asking() -> (World, Client) {
    let world = World::http().server_with("s", SESSION, tools(["t"]));
    let mut w = world.start();
    let c = Client::modern(&mut w, ASKABLE);
    (w, c)
}

/// Makes the call; the child that has it.
#[track_caller]
pub(crate) fn begin(w: &mut World, c: Client) -> (Call, Child, Seen) {
    let call = c.request(w, "tools/call", CALL);
    let running = w.running("s");
    let mut found = None;
    for child in running {
        if child.has_next(w, "tools/call") {
            assert!(found.replace(child).is_none(), "two children have it");
        }
    }
    let child = found.expect("no child has it");
    let seen = child.expect(w, "tools/call");
    (call, child, seen)
}

/// The server asks, and a moment later the client is asked.
#[track_caller]
pub(crate) fn ask(
    w: &mut World,
    child: Child,
    id: &str,
    (method, params): (&str, &str),
    call: &Call,
) -> Asked {
    child.asks(w, id, method, params);
    call.pending(w);
    w.advance(GATHER_MS);
    asked(w, call)
}

/// The answers to all questions of a round: the same one for each.
pub(crate) fn all(asked: &Asked, answer: &str) -> String {
    let one = |(key, _): &(String, Value)| format!("\"{key}\":{answer}");
    let answers: Vec<String> = asked.requests.iter().map(one).collect();
    format!("{{{}}}", answers.join(","))
}

/// Comes back with an answer to everything.
pub(crate) fn back(w: &mut World, c: Client, asked: &Asked, answer: &str) -> Call {
    let params = again(CALL, &all(asked, answer), &asked.state);
    c.request(w, "tools/call", &params)
}

/// Nothing of it is left, but sessions that others may borrow.
#[track_caller]
pub(crate) fn all_gone(w: &mut World) {
    w.advance(RETRY_AGAIN_MS);
    let counts = w.counts();
    assert_eq!(
        (
            counts.suspended,
            counts.calls,
            counts.remembered,
            counts.exchanges
        ),
        (0, 0, 0, 0)
    );
}

#[test]
fn x10_calls_whose_outcome_was_told_make_room_for_others() {
    let (mut w, c) = asking();
    // More of them than may be suspended at once, in less time than each is kept for a repetition.
    let lanes = 4;
    assert!(GATHER_MS * (SUSPENDED_PER_PRINCIPAL_MAX / lanes + 1) as u64 <= RETRY_AGAIN_MS / 2);
    for _ in 0..=SUSPENDED_PER_PRINCIPAL_MAX / lanes {
        let calls: Vec<(Call, Child, Seen)> = (0..lanes).map(|_| begin(&mut w, c)).collect();
        for (_, child, _) in &calls {
            child.asks(&mut w, "7", ELICIT.0, ELICIT.1);
        }
        w.advance(GATHER_MS);
        for (call, child, seen) in calls {
            let first = asked(&mut w, &call);
            let retry = back(&mut w, c, &first, r#"{"action":"decline"}"#);
            child.granted(&mut w, "7");
            seen.result(&mut w, DONE);
            assert_eq!(retry.result(&mut w)["resultType"], "complete");
        }
    }
    assert_eq!(w.counts().suspended, SUSPENDED_PER_PRINCIPAL_MAX);
    all_gone(&mut w);
}

#[test]
fn a_question_is_the_answer_and_its_answer_ends_the_call() {
    let _seen = must_hit(Mark::SuspendAsked);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    let declared = child.declared(&w);
    assert_eq!(declared["elicitation"], json!({"form": {}, "url": {}}));
    assert_eq!(
        (&declared["sampling"], &declared["roots"]["listChanged"]),
        (&json!({}), &json!(false))
    );
    let first = ask(&mut w, child, "7", ELICIT, &call);
    assert_eq!(c.status(&mut w), Some(200));
    let (key, request) = &first.requests[0];
    assert_eq!((first.requests.len(), key.len()), (1, 32));
    assert_eq!(request["method"], "elicitation/create");
    assert_eq!(request["params"]["mode"], "form");
    assert_eq!(request["params"]["message"], "who?");
    let answer = r#"{"action":"accept","content":{"a":1.0,"b":"\u0041"}}"#;
    let retry = back(&mut w, c, &first, answer);
    let told = child.answer_to(&mut w, "7").unwrap();
    assert_eq!(
        told,
        format!(r#"{{"jsonrpc":"2.0","id":7,"result":{answer}}}"#)
    );
    retry.pending(&mut w);
    seen.result(&mut w, DONE);
    let result = retry.result(&mut w);
    assert_eq!(result["resultType"], "complete");
    all_gone(&mut w);
    // The next call borrows the same session.
    let (call, again, seen) = begin(&mut w, c);
    assert_eq!(again, child);
    seen.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn what_is_asked_at_the_same_time_is_one_round() {
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    child.asks(&mut w, "\"1\"", SAMPLE.0, SAMPLE.1);
    w.advance(GATHER_MS - 1);
    child.asks(&mut w, "2", "roots/list", "{}");
    call.pending(&mut w);
    w.advance(1);
    let first = asked(&mut w, &call);
    let mut methods: Vec<&str> = first
        .requests
        .iter()
        .map(|(_, request)| request["method"].as_str().unwrap())
        .collect();
    methods.sort_unstable();
    assert_eq!(
        methods,
        ["elicitation/create", "roots/list", "sampling/createMessage"]
    );
    // While the client is away the server asks on: that is the next round.
    child.asks(&mut w, "3", ELICIT.0, ELICIT.1);
    w.advance(10 * GATHER_MS);
    let retry = back(&mut w, c, &first, r#"{"x":1}"#);
    for id in ["1", "\"1\"", "2"] {
        assert_eq!(child.granted(&mut w, id), json!({"x": 1}));
    }
    w.advance(GATHER_MS);
    let second = asked(&mut w, &retry);
    assert_eq!(second.requests.len(), 1);
    let last = back(&mut w, c, &second, r#"{"y":1}"#);
    assert_eq!(child.granted(&mut w, "3"), json!({"y": 1}));
    seen.result(&mut w, DONE);
    last.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn d16_missing_answers_are_asked_for_again_and_others_ignored() {
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    child.asks(&mut w, "2", SAMPLE.0, SAMPLE.1);
    w.advance(GATHER_MS);
    let first = asked(&mut w, &call);
    let is_elicit = |(_, request): &&(String, Value)| request["method"] == ELICIT.0;
    let elicit = first.requests.iter().find(is_elicit).unwrap().0.clone();
    let sample = first
        .requests
        .iter()
        .find(|one| !is_elicit(one))
        .unwrap()
        .0
        .clone();
    let responses =
        format!(r#"{{"other":{{}},"{elicit}":{{"action":"decline"}},"{sample}":null}}"#);
    let params = again(CALL, &responses, &first.state);
    let retry = c.request(&mut w, "tools/call", &params);
    assert_eq!(child.granted(&mut w, "1"), json!({"action": "decline"}));
    w.advance(GATHER_MS);
    let second = asked(&mut w, &retry);
    assert_eq!(second.requests.len(), 1);
    assert_eq!(second.requests[0].0, sample);
    // A poll: no answers at all.
    let params = format!(
        r#"{},"requestState":"{}"}}"#,
        CALL.strip_suffix('}').unwrap(),
        second.state
    );
    let poll = c.request(&mut w, "tools/call", &params);
    w.advance(GATHER_MS);
    let third = asked(&mut w, &poll);
    let retry = back(&mut w, c, &third, r#"{"role":"assistant"}"#);
    assert_eq!(child.granted(&mut w, "2"), json!({"role": "assistant"}));
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn d15_replayed_tampered_foreign_and_malformed_retries_are_refused() {
    let _seen = must_hit(Mark::SuspendStale);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    let accept = all(&first, r#"{"action":"accept"}"#);
    let mut tampered = first.state.clone();
    let last = if tampered.ends_with('A') { "B" } else { "A" };
    tampered.replace_range(tampered.len() / 2..=tampered.len() / 2, last);
    let other = r#"{"name":"s_1mcp_t","arguments":{"other":1}}"#;
    for params in [
        again(CALL, &accept, &tampered),
        again(CALL, &accept, &first.state[1..]),
        again(other, &accept, &first.state),
    ] {
        let call = c.request(&mut w, "tools/call", &params);
        is_stale(&mut w, &call);
    }
    let call = c.request(&mut w, "tools/call", &again(CALL, "[]", &first.state));
    assert_eq!(call.error(&mut w).0, -32602);
    // None of these has used the round up.
    let retry = back(&mut w, c, &first, r#"{"action":"accept"}"#);
    child.granted(&mut w, "1");
    // With other answers it is no duplicate, and too late.
    let replay = back(&mut w, c, &first, r#"{"action":"decline"}"#);
    is_stale(&mut w, &replay);
    let second = ask(&mut w, child, "2", ELICIT, &retry);
    let last = back(&mut w, c, &second, r#"{"action":"cancel"}"#);
    // The first round is over for good.
    let replay = back(&mut w, c, &first, r#"{"action":"accept"}"#);
    is_stale(&mut w, &replay);
    seen.result(&mut w, DONE);
    last.result(&mut w);
    all_gone(&mut w);
    let late = back(&mut w, c, &second, r#"{"action":"cancel"}"#);
    is_stale(&mut w, &late);
}

#[test]
fn an_exact_duplicate_hears_the_same() {
    let _seen = [
        must_hit(Mark::SuspendAgain),
        must_hit(Mark::SuspendWaitersFull),
    ];
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    let accept = r#"{"action":"accept"}"#;
    let retries: Vec<Call> = (0..RETRY_WAITERS_MAX)
        .map(|_| back(&mut w, c, &first, accept))
        .collect();
    let one_more = back(&mut w, c, &first, accept);
    is_stale(&mut w, &one_more);
    child.granted(&mut w, "1");
    assert_eq!(child.answer_to(&mut w, "1"), None, "answered twice");
    // All of them are asked the same next, and so is who comes a moment later.
    child.asks(&mut w, "2", SAMPLE.0, SAMPLE.1);
    w.advance(GATHER_MS);
    let mut seconds: Vec<Asked> = retries.iter().map(|call| asked(&mut w, call)).collect();
    let late = back(&mut w, c, &first, accept);
    seconds.push(asked(&mut w, &late));
    for one in &seconds {
        assert_eq!(one.requests, seconds[0].requests);
    }
    let last = back(&mut w, c, &seconds[1], "{}");
    seen.result(&mut w, DONE);
    let result = last.result(&mut w);
    w.advance(RETRY_AGAIN_MS - 1);
    let late = back(&mut w, c, &seconds[2], "{}");
    assert_eq!(late.result(&mut w), result);
    w.advance(1);
    let late = back(&mut w, c, &seconds[2], "{}");
    is_stale(&mut w, &late);
    all_gone(&mut w);
}

#[test]
fn one_of_several_that_wait_may_hang_up() {
    let _seen = must_hit(Mark::SuspendHandedOver);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    let [a, b, d] = [(); 3].map(|()| Client::modern(&mut w, ASKABLE));
    let accept = r#"{"action":"accept"}"#;
    back(&mut w, a, &first, accept);
    back(&mut w, b, &first, accept);
    let stays = back(&mut w, d, &first, accept);
    child.granted(&mut w, "1");
    b.hangs_up(&mut w);
    a.hangs_up(&mut w);
    child.expect_nothing(&mut w);
    seen.result(&mut w, DONE);
    stays.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn who_hangs_up_has_cancelled_and_the_server_hears_it() {
    let _seen = must_hit(Mark::SuspendLeft);
    for gathering in [true, false] {
        let (mut w, c) = asking();
        let (call, child, seen) = begin(&mut w, c);
        child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
        child.asks(&mut w, "2", SAMPLE.0, SAMPLE.1);
        if !gathering {
            w.advance(GATHER_MS);
            let first = asked(&mut w, &call);
            let params = again(CALL, "{}", &first.state);
            c.request(&mut w, "tools/call", &params);
        }
        c.hangs_up(&mut w);
        assert_eq!(child.granted(&mut w, "1"), json!({"action": "cancel"}));
        assert_eq!(child.refused(&mut w, "2"), -32603);
        seen.is_cancelled(&mut w);
        all_gone(&mut w);
    }
}

#[test]
fn s4_who_never_comes_back_is_waited_for_ten_minutes() {
    let _seen = must_hit(Mark::SuspendExpires);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    child.asks(&mut w, "2", "roots/list", "{}");
    w.advance(GATHER_MS);
    let first = asked(&mut w, &call);
    // The clock of the call stands still.
    w.advance(SUSPENDED_MS_MAX - 1);
    child.expect_nothing(&mut w);
    assert_eq!((w.counts().suspended, w.counts().calls), (1, 1));
    w.advance(1);
    assert_eq!(child.granted(&mut w, "1"), json!({"action": "cancel"}));
    assert_eq!(child.refused(&mut w, "2"), -32603);
    seen.is_cancelled(&mut w);
    all_gone(&mut w);
    let late = back(&mut w, c, &first, "{}");
    is_stale(&mut w, &late);
}

#[test]
fn a_server_that_dies_or_answers_meanwhile_is_told_of_at_the_next_retry() {
    let _seen = [
        must_hit(Mark::SuspendOutcomeKept),
        must_hit(Mark::SuspendOutcomeFetched),
    ];
    for dies in [true, false] {
        let (mut w, c) = asking();
        let (call, child, seen) = begin(&mut w, c);
        let first = ask(&mut w, child, "1", ELICIT, &call);
        if dies {
            child.dies(&mut w);
        } else {
            seen.result(&mut w, r#"{"content":[],"isError":true}"#);
            assert_eq!(child.granted(&mut w, "1"), json!({"action": "cancel"}));
        }
        assert_eq!((w.counts().calls, w.counts().remembered), (0, 0));
        w.advance(SUSPENDED_MS_MAX / 2);
        let retry = back(&mut w, c, &first, "{}");
        if dies {
            let (code, text) = retry.error(&mut w);
            assert!(code == -32603 && text.contains("server s"), "{text}");
        } else {
            let result = retry.result(&mut w);
            assert_eq!(
                (&result["isError"], &result["resultType"]),
                (&json!(true), &json!("complete"))
            );
        }
        w.advance(RETRY_AGAIN_MS);
        let late = back(&mut w, c, &first, "{}");
        is_stale(&mut w, &late);
        all_gone(&mut w);
    }
}

#[test]
fn a_question_that_is_taken_back_is_not_asked() {
    let _seen = must_hit(Mark::SuspendWithdrawn);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    child.notes(&mut w, "notifications/cancelled", r#"{"requestId":1}"#);
    w.advance(10 * GATHER_MS);
    call.pending(&mut w);
    let first = ask(&mut w, child, "2", ELICIT, &call);
    child.notes(&mut w, "notifications/cancelled", r#"{"requestId":2}"#);
    let retry = back(&mut w, c, &first, "{}");
    w.advance(10 * GATHER_MS);
    assert_eq!(child.answer_to(&mut w, "2"), None);
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn d16_only_what_this_very_request_declares_is_asked() {
    let _seen = must_hit(Mark::SuspendUndeclared);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    child.asks(&mut w, "2", SAMPLE.0, SAMPLE.1);
    w.advance(GATHER_MS);
    let first = asked(&mut w, &call);
    // Who comes back declares less: the rest is refused, also what is asked later.
    let less = Client::modern(&mut w, r#"{"sampling":{}}"#);
    let retry = less.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    assert_eq!(child.refused(&mut w, "1"), -32601);
    child.asks(&mut w, "3", "roots/list", "{}");
    assert_eq!(child.refused(&mut w, "3"), -32601);
    let params = r#"{"messages":[],"maxTokens":1,"tools":[]}"#;
    child.asks(&mut w, "4", SAMPLE.0, params);
    assert_eq!(child.refused(&mut w, "4"), -32602);
    w.advance(GATHER_MS);
    let second = asked(&mut w, &retry);
    assert_eq!(second.requests.len(), 1);
    assert_eq!(second.requests[0].1["method"], SAMPLE.0);
    // And who declares more is asked more.
    let retry = back(&mut w, c, &second, "{}");
    child.granted(&mut w, "2");
    let third = ask(&mut w, child, "5", ELICIT, &retry);
    let retry = back(&mut w, c, &third, "{}");
    // Malformed questions are the server's fault.
    child.says(
        &mut w,
        r#"{"jsonrpc":"2.0","id":6,"method":"elicitation/create"}"#,
    );
    assert_eq!(child.refused(&mut w, "6"), -32602);
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn s1_the_asked_call_keeps_the_common_child_until_it_ends() {
    let _seen = must_hit(Mark::IsolationLeasesChild);
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, ASKABLE);
    let (call, child, seen) = begin(&mut w, c);
    assert_eq!(w.running("s"), [child]);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    // Somebody else's calls go elsewhere from now on, and are asked there.
    let other = Client::modern(&mut w, ASKABLE);
    let (call, elsewhere, others) = begin(&mut w, other);
    assert_ne!(child, elsewhere);
    assert_eq!(
        elsewhere.declared(&w)["roots"],
        json!({"listChanged": false})
    );
    let asked_too = ask(&mut w, elsewhere, "1", SAMPLE, &call);
    let retry = back(&mut w, c, &first, r#"{"first":1}"#);
    let retry_too = back(&mut w, other, &asked_too, r#"{"second":2}"#);
    assert_eq!(child.granted(&mut w, "1"), json!({"first": 1}));
    assert_eq!(elsewhere.granted(&mut w, "1"), json!({"second": 2}));
    seen.result(&mut w, DONE);
    others.result(&mut w, DONE);
    retry.result(&mut w);
    retry_too.result(&mut w);
    w.advance(300);
    assert!(!child.alive(&w) && elsewhere.alive(&w));
    all_gone(&mut w);
}

#[test]
fn a2_two_clients_with_id_1_get_their_own_questions_and_answers() {
    let (mut w, a) = asking();
    let b = Client::modern(&mut w, ASKABLE);
    for round in 0..100 {
        let mut open = Vec::new();
        for (name, client) in [("a", a), ("b", b)] {
            let params = format!(
                r#"{{"name":"s_1mcp_t","arguments":{{"n":"{name}"}},"_meta":{{"progressToken":"t"}}}}"#
            );
            let call = client.request_as(&mut w, "1", "tools/call", &params);
            w.advance(1);
            open.push((name, client, params, call));
        }
        let children = w.running("s");
        let busy: Vec<Child> = children
            .into_iter()
            .filter(|child| child.has_next(&mut w, "tools/call"))
            .collect();
        assert_eq!(busy.len(), 2);
        let seen: Vec<Seen> = busy
            .iter()
            .map(|child| child.expect(&mut w, "tools/call"))
            .collect();
        for (child, seen) in busy.iter().zip(&seen) {
            let name = &seen.value["params"]["arguments"]["n"];
            let params = format!(r#"{{"message":{name},"requestedSchema":{{}}}}"#);
            child.asks(&mut w, "1", ELICIT.0, &params);
        }
        w.advance(GATHER_MS);
        let mut retries = Vec::new();
        for (name, client, params, call) in open {
            let asked = asked(&mut w, &call);
            assert_eq!(asked.requests[0].1["params"]["message"], name);
            let answer = format!(r#"{{"action":"accept","content":{{"n":"{name}{round}"}}}}"#);
            let params = again(&params, &all(&asked, &answer), &asked.state);
            retries.push((name, client.request_as(&mut w, "1", "tools/call", &params)));
        }
        for (child, seen) in busy.iter().zip(&seen) {
            let name = seen.value["params"]["arguments"]["n"].as_str().unwrap();
            let told = child.granted(&mut w, "1");
            assert_eq!(told["content"]["n"], format!("{name}{round}"));
            seen.result(&mut w, &format!(r#"{{"content":[],"n":"{name}"}}"#));
        }
        for (name, retry) in retries {
            assert_eq!(retry.result(&mut w)["n"], name);
        }
    }
    assert!(w.running("s").len() <= 3);
    all_gone(&mut w);
}

#[test]
fn progress_goes_on_with_the_token_of_the_retry_and_rises() {
    let (mut w, c) = asking();
    let with = |token: &str| {
        let members = CALL.strip_suffix('}').unwrap();
        format!(r#"{members},"_meta":{{"progressToken":{token}}}}}"#)
    };
    let call = c.request(&mut w, "tools/call", &with("\"a\""));
    w.advance(1);
    let child = w.server("s");
    let seen = child.expect(&mut w, "tools/call");
    let token = seen.value["params"]["_meta"]["progressToken"].clone();
    let says = |w: &mut World, progress: u32| {
        let params = format!(r#"{{"progressToken":{token},"progress":{progress}}}"#);
        child.notes(w, "notifications/progress", &params);
    };
    says(&mut w, 1);
    let note = c.expect(&mut w, "notifications/progress");
    assert_eq!(note["params"], json!({"progressToken": "a", "progress": 1}));
    let first = ask(&mut w, child, "1", ELICIT, &call);
    says(&mut w, 2);
    let retry = again(&with("7"), &all(&first, "{}"), &first.state);
    let retry = c.request(&mut w, "tools/call", &retry);
    says(&mut w, 2);
    c.expect_nothing(&mut w);
    says(&mut w, 3);
    let note = c.expect(&mut w, "notifications/progress");
    assert_eq!(note["params"], json!({"progressToken": 7, "progress": 3}));
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn d17_prompts_and_resources_are_asked_about_and_nothing_else() {
    let _seen = must_hit(Mark::SuspendOutside);
    let script = anything()
        .with("prompts", [prompt("p")])
        .with("resources", [resource("x://1")]);
    let mut w = World::http().server_with("s", SESSION, script).start();
    let c = Client::modern(&mut w, ASKABLE);
    for (method, params, result) in [
        (
            "prompts/get",
            r#"{"name":"s_1mcp_p"}"#,
            r#"{"messages":[]}"#,
        ),
        ("resources/read", r#"{"uri":"x://1"}"#, r#"{"contents":[]}"#),
    ] {
        let call = c.request(&mut w, method, params);
        w.advance(1);
        let child = w.server("s");
        let seen = child.expect(&mut w, method);
        let first = ask(&mut w, child, "1", ELICIT, &call);
        let params = again(params, &all(&first, "{}"), &first.state);
        let retry = c.request(&mut w, method, &params);
        child.granted(&mut w, "1");
        seen.result(&mut w, result);
        assert_eq!(retry.result(&mut w)["resultType"], "complete");
    }
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    let call = c.request(&mut w, "completion/complete", params);
    w.advance(1);
    let child = w.server("s");
    let seen = child.expect(&mut w, "completion/complete");
    for outside in [false, true] {
        if outside {
            seen.result(&mut w, r#"{"completion":{"values":[]}}"#);
            call.result(&mut w);
        }
        child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
        assert_eq!(child.granted(&mut w, "1"), json!({"action": "cancel"}));
        child.asks(&mut w, "2", SAMPLE.0, SAMPLE.1);
        assert_eq!(child.refused(&mut w, "2"), -32601);
        child.asks(&mut w, "3", "roots/list", "{}");
        assert_eq!(child.refused(&mut w, "3"), -32601);
    }
    all_gone(&mut w);
}

#[test]
fn as_many_questions_as_may_wait_for_one_call() {
    let _seen = must_hit(Mark::SuspendQuestionsFull);
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    for id in 0..ASKS_PER_CLIENT_MAX {
        child.asks(&mut w, &id.to_string(), ELICIT.0, ELICIT.1);
    }
    child.asks(&mut w, "\"more\"", ELICIT.0, ELICIT.1);
    assert_eq!(child.refused(&mut w, "\"more\""), -32603);
    w.advance(GATHER_MS);
    let first = asked(&mut w, &call);
    assert_eq!(first.requests.len(), ASKS_PER_CLIENT_MAX);
    let retry = back(&mut w, c, &first, "{}");
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn as_many_calls_as_may_wait_for_their_clients() {
    let _seen = must_hit(Mark::SuspendFull);
    let servers = SUSPENDED_PER_PRINCIPAL_MAX / LEASES_PER_SERVER_MAX + 1;
    let mut world = World::http();
    for number in 0..servers {
        world = world.server_with(&format!("s{number}"), SESSION, tools(["t"]));
    }
    let mut w = world.start();
    w.advance(2_000);
    let c = Client::modern(&mut w, ASKABLE);
    let mut calls = Vec::new();
    for number in 0..servers {
        for _ in 0..LEASES_PER_SERVER_MAX {
            let call = c.call(&mut w, &format!("s{number}_1mcp_t"), "{}");
            w.advance(1);
            let child = w.server(&format!("s{number}"));
            child.expect(&mut w, "tools/call");
            child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
            calls.push((call, child));
        }
    }
    w.advance(GATHER_MS);
    assert_eq!(w.counts().suspended, SUSPENDED_PER_PRINCIPAL_MAX);
    for (number, (call, child)) in calls.iter().enumerate() {
        if number < SUSPENDED_PER_PRINCIPAL_MAX {
            asked(&mut w, call);
        } else {
            assert_eq!(child.refused(&mut w, "1"), -32603);
        }
    }
    c.hangs_up(&mut w);
    w.advance(SUSPENDED_MS_MAX);
    all_gone(&mut w);
}

#[test]
fn bytes_that_wait_for_clients_are_bounded() {
    let (mut w, c) = asking();
    let (_, child, _) = begin(&mut w, c);
    let long = format!(r#"{{"message":"{}"}}"#, "m".repeat(20 * 1024 * 1024));
    for id in ["1", "2", "3"] {
        child.asks(&mut w, id, ELICIT.0, &long);
    }
    child.asks(&mut w, "4", ELICIT.0, &long);
    assert_eq!(child.refused(&mut w, "4"), -32603);
    c.hangs_up(&mut w);
    all_gone(&mut w);
}

#[test]
fn sessions_are_borrowed_by_what_is_declared_and_make_room_for_others() {
    let _seen = must_hit(Mark::LeaseReplaced);
    let (mut w, c) = asking();
    let before = w.running("s").len();
    let calls: Vec<Call> = (0..LEASES_PER_SERVER_MAX)
        .map(|_| c.request(&mut w, "tools/call", CALL))
        .collect();
    w.advance(1);
    let plain = Client::modern(&mut w, "{}");
    let (code, text) = plain.request(&mut w, "tools/call", CALL).error(&mut w);
    assert!(code == -32603 && text.contains("busy"), "{text}");
    for child in w.running("s") {
        if child.has_next(&mut w, "tools/call") {
            child.expect(&mut w, "tools/call").result(&mut w, DONE);
        }
    }
    for call in calls {
        call.result(&mut w);
    }
    let (call, child, seen) = begin(&mut w, plain);
    assert_eq!(child.declared(&w), json!({}));
    seen.result(&mut w, DONE);
    call.result(&mut w);
    w.advance(5_000);
    assert_eq!(w.running("s").len(), before + LEASES_PER_SERVER_MAX);
    all_gone(&mut w);
}

#[test]
fn a_reload_or_a_stop_ends_what_waits() {
    for stop in [false, true] {
        let (mut w, c) = asking();
        let (call, child, _) = begin(&mut w, c);
        let first = ask(&mut w, child, "1", ELICIT, &call);
        let other = Client::modern(&mut w, ASKABLE);
        let (call, _, _) = begin(&mut w, other);
        if stop {
            w.input(Input::Stop);
            w.input(Input::Stop);
            w.rest();
        } else {
            w.configure(&[entry("s", r#""isolation":"session","args":["x"]"#)]);
            w.advance(300);
        }
        assert_eq!(call.error(&mut w).0, -32603);
        let counts = w.counts();
        assert_eq!((counts.calls, counts.remembered), (0, 0));
        if !stop {
            let retry = back(&mut w, c, &first, "{}");
            assert_eq!(retry.error(&mut w).0, -32603);
            all_gone(&mut w);
        }
        assert_eq!(w.counts().suspended, 0);
    }
}

#[test]
fn s4_a_state_of_an_earlier_process_is_refused() {
    let (mut w, c) = asking();
    let (call, child, _) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    let store = w.store.clone();
    let world = World::http()
        .server_with("s", SESSION, tools(["t"]))
        .seed(8);
    let mut w = world.store(store).start();
    let c = Client::modern(&mut w, ASKABLE);
    let retry = back(&mut w, c, &first, "{}");
    is_stale(&mut w, &retry);
}

#[test]
fn b7_the_end_of_our_input_ends_what_waits_for_it() {
    let mut w = World::stdio().server("s", tools(["t"])).begin();
    let c = w.stdin();
    let params = described(&format!(r#"{{"params":{CALL}}}"#), ASKABLE, "");
    let params = params
        .strip_prefix(r#"{"params":"#)
        .unwrap()
        .strip_suffix('}')
        .unwrap();
    for away in [true, false] {
        let call = c.request(&mut w, "tools/call", params);
        w.advance(10);
        let child = w.server("s");
        child.expect(&mut w, "tools/call");
        child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
        if away {
            w.advance(GATHER_MS);
            let first = asked(&mut w, &call);
            let retry = again(params, &all(&first, "{}"), &first.state);
            c.request(&mut w, "tools/call", &retry);
            child.granted(&mut w, "1");
            child.asks(&mut w, "2", ELICIT.0, ELICIT.1);
            w.advance(GATHER_MS);
        } else {
            let link = c.link(&mut w);
            w.input(Input::Eof { link });
            w.rest();
        }
    }
    w.advance(SUSPENDED_MS_MAX);
    assert_eq!(w.exit, Some(0));
    assert_eq!(w.counts().suspended, 0);
}

#[test]
fn s3_a_question_that_two_may_have_caused_waits_until_one_is_left() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, ASKABLE);
    let other = Client::modern(&mut w, ASKABLE);
    let (call, child, seen) = begin(&mut w, c);
    let (others, same, ends) = begin(&mut w, other);
    assert_eq!(child, same);
    child.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    w.advance(10 * GATHER_MS);
    call.pending(&mut w);
    others.pending(&mut w);
    ends.result(&mut w, DONE);
    assert_eq!(others.result(&mut w)["resultType"], "complete");
    w.advance(GATHER_MS);
    let first = asked(&mut w, &call);
    let retry = back(&mut w, c, &first, "{}");
    child.granted(&mut w, "1");
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn an_idle_gateway_is_not_woken_by_what_was_asked() {
    let (mut w, c) = asking();
    let before = w.counts().alarms;
    let (call, child, seen) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    let retry = back(&mut w, c, &first, "{}");
    child.granted(&mut w, "1");
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    c.hangs_up(&mut w);
    w.advance(POOL_IDLE_MS + SUSPENDED_MS_MAX);
    assert!(w.counts().alarms <= before);
    all_gone(&mut w);
}
