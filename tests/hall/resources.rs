//! Resources: whose a URI is, and who hears of its changes (A7, F17, contract 3).

use onemcp::base::mark::{Mark, must_hit};
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::{Script, anything, prompt, resource, template, tools};
use crate::world::{World, entry};

fn files(uris: &[&str], templates: &[&str]) -> Script {
    let mut script = anything();
    script.lists.insert(
        "resources",
        vec![uris.iter().map(|uri| resource(uri)).collect()],
    );
    let templates = templates.iter().map(|uri| template(uri)).collect();
    script.lists.insert("resourceTemplates", vec![templates]);
    script
}

fn read(w: &mut World, client: Client, uri: &str) -> Call {
    client.request(w, "resources/read", &format!("{{\"uri\":{}}}", json!(uri)))
}

fn subscribe(w: &mut World, client: Client, uri: &str) -> Call {
    client.request(
        w,
        "resources/subscribe",
        &format!("{{\"uri\":{}}}", json!(uri)),
    )
}

fn unsubscribe(w: &mut World, client: Client, uri: &str) -> Call {
    client.request(
        w,
        "resources/unsubscribe",
        &format!("{{\"uri\":{}}}", json!(uri)),
    )
}

/// The URIs of the updates that a client heard of.
fn updates(w: &mut World, client: Client) -> Vec<String> {
    let told: Vec<Value> = std::iter::from_fn(|| client.next(w)).collect();
    let updates = told
        .iter()
        .filter(|told| told["method"] == "notifications/resources/updated");
    updates
        .map(|told| told["params"]["uri"].as_str().unwrap().to_owned())
        .collect()
}

fn updated(w: &mut World, server: &str, uri: &str) {
    let params = format!("{{\"uri\":{}}}", json!(uri));
    w.server(server)
        .notes(w, "notifications/resources/updated", &params);
}

const NOT_FOUND: &str = r#"{"code":-32002,"message":"nope"}"#;

#[test]
fn a_listed_uri_leads_to_its_server_and_stays_as_it_is() {
    let mut w = World::http()
        .server("one", files(&["x://a", "ui://w/\u{e9}"], &[]))
        .server("two", files(&["x://b"], &["t://{id}/data"]))
        .start();
    let a = w.client("{}");
    assert_eq!(
        a.list(&mut w, "resources/list"),
        ["x://a", "ui://w/\u{e9}", "x://b"]
    );
    for (uri, server) in [
        ("x://b", "two"),
        ("ui://w/\u{e9}", "one"),
        ("t://7/data", "two"),
        // Accepted, never offered.
        ("one_1mcp_x://b", "one"),
    ] {
        let call = read(&mut w, a, uri);
        let seen = w.server(server).expect(&mut w, "resources/read");
        let asked = uri.strip_prefix("one_1mcp_").unwrap_or(uri);
        assert_eq!(seen.value["params"]["uri"], json!(asked));
        let contents = r#"{"contents":[{"uri":"any://thing","text":"1.0"}]}"#;
        seen.result(&mut w, contents);
        assert_eq!(call.result(&mut w).to_string().len(), contents.len());
        assert_eq!(w.server("one").next(&mut w), None);
        assert_eq!(w.server("two").next(&mut w), None);
    }
    // An error of the one server that has it is its error.
    let call = read(&mut w, a, "x://a");
    w.server("one")
        .expect(&mut w, "resources/read")
        .error(&mut w, NOT_FOUND);
    assert_eq!(call.error(&mut w), (-32002, "nope".to_owned()));
}

#[test]
fn the_same_uri_of_a_later_server_is_offered_by_a_qualified_name() {
    let mut w = World::http()
        .server("one", files(&["x://a"], &["t://{id}"]))
        .server("two", files(&["x://a", "x://\u{e9}"], &["t://{id}"]))
        .start();
    let a = w.client("{}");
    assert_eq!(
        a.list(&mut w, "resources/list"),
        ["x://a", "onemcp://two/x://a", "x://\u{e9}"]
    );
    assert_eq!(
        a.list(&mut w, "resources/templates/list"),
        ["t://{id}", "onemcp://two/t://{id}"]
    );
    for (uri, original) in [
        ("onemcp://two/x://a", "x://a"),
        // An expansion of the qualified template, and anything else of that server.
        ("onemcp://two/t://7", "t://7"),
        ("onemcp://two/x://b?c#d%20", "x://b?c#d%20"),
    ] {
        let call = read(&mut w, a, uri);
        let seen = w.server("two").expect(&mut w, "resources/read");
        assert_eq!(seen.value["params"]["uri"], json!(original));
        let contents =
            json!({"contents": [{"uri": original, "text": "t"}, {"uri": "y://sub"}, {"blob": ""}]});
        seen.result(&mut w, &contents.to_string());
        assert_eq!(
            call.result(&mut w),
            json!({"contents": [{"uri": uri, "text": "t"}, {"uri": "onemcp://two/y://sub"}, {"blob": ""}]})
        );
    }
    w.server("one").expect_nothing(&mut w);
    // It may be one of a 1mcp behind us.
    let call = read(&mut w, a, "onemcp://nobody/x");
    for server in ["one", "two"] {
        let seen = w.server(server).expect(&mut w, "resources/read");
        assert_eq!(seen.value["params"]["uri"], json!("onemcp://nobody/x"));
        seen.error(&mut w, NOT_FOUND);
    }
    assert_eq!(call.error(&mut w).0, -32002);
}

#[test]
fn a_uri_that_nobody_lists_is_looked_for_in_file_order() {
    let mut w = World::http()
        .server("none", tools(["t"]))
        .server("one", files(&[], &[]))
        .server("two", files(&[], &[]))
        .server("three", files(&[], &[]))
        .start();
    let a = w.client("{}");
    let params = r#"{"uri":"x://\u0061","_meta":{"progressToken":"p"}}"#;
    let call = a.request(&mut w, "resources/read", params);
    let first = w.server("one").expect(&mut w, "resources/read");
    w.server("two").expect_nothing(&mut w);
    first.error(&mut w, NOT_FOUND);
    let second = w.server("two").expect(&mut w, "resources/read");
    assert_eq!(
        second.value["params"]["_meta"]["progressToken"],
        second.value["id"]
    );
    assert!(second.line.contains(r#""uri":"x://\u0061""#));
    second.error(&mut w, r#"{"code":-32602,"message":"unknown resource"}"#);
    let third = w.server("three").expect(&mut w, "resources/read");
    let note = format!(r#"{{"progressToken":{},"progress":1}}"#, third.id());
    w.server("three")
        .notes(&mut w, "notifications/progress", &note);
    assert_eq!(
        a.expect(&mut w, "notifications/progress")["params"]["progressToken"],
        json!("p")
    );
    third.result(&mut w, r#"{"contents":[]}"#);
    assert_eq!(call.result(&mut w), json!({"contents": []}));
    // The next time the one that answered is asked at once, also for a subscription.
    read(&mut w, a, "x://a");
    w.server("three").expect(&mut w, "resources/read");
    subscribe(&mut w, a, "x://a").result(&mut w);
    assert_eq!(w.server("three").got(&w, "resources/subscribe"), 1);
    w.server("one").expect_nothing(&mut w);
}

#[test]
fn a7_a_resource_that_nobody_has_is_not_found() {
    let mut w = World::http()
        .server("one", files(&[], &[]))
        .server("two", files(&[], &[]))
        .start();
    let a = w.client("{}");
    let call = read(&mut w, a, "x://\"a\"");
    for server in ["one", "two"] {
        w.server(server)
            .expect(&mut w, "resources/read")
            .error(&mut w, NOT_FOUND);
    }
    let answer = call.answer(&mut w);
    assert_eq!(answer["error"]["code"], json!(-32002));
    assert_eq!(answer["error"]["data"], json!({"uri": "x://\"a\""}));
    assert_eq!(w.counts().calls, 0);
    // Another error ends the search: that server knows it.
    let call = read(&mut w, a, "x://b");
    let error = r#"{"code":-32603,"message":"disk"}"#;
    w.server("one")
        .expect(&mut w, "resources/read")
        .error(&mut w, error);
    assert_eq!(call.error(&mut w), (-32603, "disk".to_owned()));
    w.server("two").expect_nothing(&mut w);
    // No server has resources, but they were advertised.
    let mut w = World::http().start();
    let a = w.client("{}");
    let answer = read(&mut w, a, "x://a").answer(&mut w);
    assert_eq!(answer["error"]["code"], json!(-32002));
    assert_eq!(answer["error"]["data"], json!({"uri": "x://a"}));
}

#[test]
fn a_search_goes_on_past_servers_that_are_down_or_do_not_start() {
    let mut w = World::http()
        .server("down", files(&["d://"], &[]))
        .server("slow", files(&[], &[]).manual("initialize"))
        .server("good", files(&[], &[]))
        .start();
    let a = w.client("{}");
    w.server("down").dies(&mut w);
    let call = read(&mut w, a, "x://a");
    w.server("good")
        .expect(&mut w, "resources/read")
        .result(&mut w, r#"{"contents":[]}"#);
    assert_eq!(call.result(&mut w), json!({"contents": []}));
    // Nobody who answers has it: then it may be one that is not there.
    let call = read(&mut w, a, "x://b");
    w.server("good")
        .expect(&mut w, "resources/read")
        .error(&mut w, NOT_FOUND);
    let (code, message) = call.error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("down") || message.contains("slow"),
        "{message}"
    );
}

#[test]
fn a_search_can_be_cancelled_between_two_servers() {
    let mut w = World::http()
        .server("one", files(&[], &[]))
        .server("two", files(&[], &[]))
        .start();
    let a = w.client("{}");
    let call = read(&mut w, a, "x://a");
    let first = w.server("one").expect(&mut w, "resources/read");
    first.error(&mut w, NOT_FOUND);
    let second = w.server("two").expect(&mut w, "resources/read");
    a.cancels(&mut w, &call);
    w.server("two").expect(&mut w, "notifications/cancelled");
    w.server("one").expect_nothing(&mut w);
    second.result(&mut w, "{}");
    assert_eq!(a.unread_answers(&mut w), [""; 0]);
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn what_answered_once_and_does_not_any_more_is_looked_for_again() {
    let mut w = World::http()
        .server("one", files(&[], &[]))
        .server("two", files(&[], &[]))
        .start();
    let a = w.client("{}");
    read(&mut w, a, "x://a");
    w.server("one")
        .expect(&mut w, "resources/read")
        .error(&mut w, NOT_FOUND);
    w.server("two")
        .expect(&mut w, "resources/read")
        .result(&mut w, r#"{"contents":[]}"#);
    read(&mut w, a, "x://a");
    w.server("two")
        .expect(&mut w, "resources/read")
        .error(&mut w, NOT_FOUND);
    read(&mut w, a, "x://a");
    w.server("one")
        .expect(&mut w, "resources/read")
        .result(&mut w, r#"{"contents":[]}"#);
}

#[test]
fn subscriptions_are_counted_and_the_server_is_told_once() {
    let mut w = World::http()
        .server("s", files(&["x://a", "x://b"], &[]))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    for client in [a, b, a] {
        assert_eq!(subscribe(&mut w, client, "x://a").result(&mut w), json!({}));
    }
    assert_eq!(s.got(&w, "resources/subscribe"), 1);
    updated(&mut w, "s", "x://a");
    updated(&mut w, "s", "x://b");
    // Below what is listened to, and beside it.
    updated(&mut w, "s", "x://a/sub");
    updated(&mut w, "s", "x://ab");
    assert_eq!(updates(&mut w, a), ["x://a", "x://a/sub"]);
    assert_eq!(updates(&mut w, b), ["x://a", "x://a/sub"]);
    assert_eq!(unsubscribe(&mut w, a, "x://a").result(&mut w), json!({}));
    assert_eq!(s.got(&w, "resources/unsubscribe"), 0);
    updated(&mut w, "s", "x://a");
    assert_eq!(updates(&mut w, a), [""; 0]);
    assert_eq!(updates(&mut w, b), ["x://a"]);
    assert_eq!(unsubscribe(&mut w, b, "x://a").result(&mut w), json!({}));
    assert_eq!(s.got(&w, "resources/unsubscribe"), 1);
    updated(&mut w, "s", "x://a");
    assert_eq!(updates(&mut w, b), [""; 0]);
    // What was never subscribed to can be given up as well.
    assert_eq!(unsubscribe(&mut w, b, "x://b").result(&mut w), json!({}));
}

#[test]
fn an_update_passes_as_it_is_and_by_the_name_that_the_client_uses() {
    let mut w = World::http()
        .server("one", files(&["x://a"], &[]))
        .server("two", files(&["x://a"], &[]))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    subscribe(&mut w, a, "onemcp://two/x://a").result(&mut w);
    subscribe(&mut w, b, "x://a").result(&mut w);
    assert_eq!(w.server("two").got(&w, "resources/subscribe"), 1);
    assert!(
        w.children[1]
            .lines
            .last()
            .unwrap()
            .contains(r#""uri":"x://a""#)
    );
    w.server("two").says(
        &mut w,
        r#"{"method":"notifications/resources/updated" ,"params":{"n":1.0,"uri":"x:\/\/a"},"jsonrpc":"2.0"}"#,
    );
    assert_eq!(
        a.next_line(&mut w).unwrap(),
        r#"{"method":"notifications/resources/updated" ,"params":{"n":1.0,"uri":"onemcp://two/x://a"},"jsonrpc":"2.0"}"#
    );
    b.expect_nothing(&mut w);
    w.server("one").says(
        &mut w,
        r#"{"method":"notifications/resources/updated" ,"params":{"n":1.0,"uri":"x:\/\/a"},"jsonrpc":"2.0"}"#,
    );
    assert_eq!(
        b.next_line(&mut w).unwrap(),
        r#"{"method":"notifications/resources/updated" ,"params":{"n":1.0,"uri":"x:\/\/a"},"jsonrpc":"2.0"}"#
    );
    a.expect_nothing(&mut w);
}

#[test]
fn one_client_can_listen_by_two_names_and_hears_once() {
    let mut w = World::http()
        .server("one", files(&["x://a"], &[]))
        .server("two", files(&["x://a", "x://a/b"], &[]))
        .start();
    let a = w.client("{}");
    subscribe(&mut w, a, "onemcp://two/x://a").result(&mut w);
    subscribe(&mut w, a, "x://a/b").result(&mut w);
    updated(&mut w, "two", "x://a/b");
    assert_eq!(updates(&mut w, a).len(), 1);
}

#[test]
fn a_refused_subscription_is_none() {
    let mut w = World::http()
        .server("s", files(&["x://a"], &[]).manual("resources/subscribe"))
        .server(
            "plain",
            files(&["y://a"], &[]).capable(r#"{"resources":{}}"#),
        )
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let refused = subscribe(&mut w, a, "x://a");
    let s = w.server("s");
    s.expect(&mut w, "resources/subscribe")
        .error(&mut w, r#"{"code":-32000,"message":"no"}"#);
    assert_eq!(refused.error(&mut w), (-32000, "no".to_owned()));
    updated(&mut w, "s", "x://a");
    assert_eq!(updates(&mut w, a), [""; 0]);
    // The next one asks anew.
    let granted = subscribe(&mut w, b, "x://a");
    s.expect(&mut w, "resources/subscribe").result(&mut w, "{}");
    granted.result(&mut w);
    let (code, message) = subscribe(&mut w, a, "y://a").error(&mut w);
    assert_eq!(
        (code, message.contains("plain")),
        (-32601, true),
        "{message}"
    );
    assert_eq!(
        a.request(&mut w, "resources/subscribe", "{}")
            .error(&mut w)
            .0,
        -32602
    );
}

#[test]
fn a_subscription_to_what_nobody_lists_goes_to_whom_it_must_be_for_or_to_nobody() {
    let plain = files(&[], &[]).capable(r#"{"resources":{}}"#);
    let mut w = World::http()
        .server("plain", plain)
        .server("one", files(&[], &[]))
        .start();
    let a = w.client("{}");
    subscribe(&mut w, a, "x://a").result(&mut w);
    assert_eq!(w.server("one").got(&w, "resources/subscribe"), 1);
    let mut w = World::http()
        .server("one", files(&[], &[]))
        .server("two", files(&[], &[]))
        .start();
    let a = w.client("{}");
    assert_eq!(subscribe(&mut w, a, "x://a").error(&mut w).0, -32002);
}

#[test]
fn a2_a_token_in_a_subscription_does_not_reach_the_server() {
    let mut w = World::http().server("s", files(&["x://a"], &[])).start();
    let a = w.client("{}");
    let params = r#"{"uri":"x://a","_meta":{"progressToken":1}}"#;
    a.request(&mut w, "resources/subscribe", params)
        .result(&mut w);
    a.request(&mut w, "resources/unsubscribe", params)
        .result(&mut w);
    let lines: Vec<Value> = w.children[0]
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let about = lines.iter().filter(|line| line["params"]["uri"] == "x://a");
    for line in about {
        assert_eq!(
            line["params"]["_meta"]["progressToken"], line["id"],
            "{line}"
        );
    }
}

#[test]
fn a_subscription_that_is_under_way_survives_the_end_of_another() {
    let _reached = must_hit(Mark::UnsubscribeOvertaken);
    let mut w = World::http()
        .server("s", files(&["x://a"], &[]).manual("resources/subscribe"))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    subscribe(&mut w, a, "x://a");
    let first = s.expect(&mut w, "resources/subscribe");
    subscribe(&mut w, b, "x://a");
    let second = s.expect(&mut w, "resources/subscribe");
    first.result(&mut w, "{}");
    // The server would end what b is just beginning.
    assert_eq!(unsubscribe(&mut w, a, "x://a").result(&mut w), json!({}));
    second.result(&mut w, "{}");
    assert_eq!(s.got(&w, "resources/unsubscribe"), 0);
    updated(&mut w, "s", "x://a");
    assert_eq!((updates(&mut w, a).len(), updates(&mut w, b).len()), (0, 1));
}

#[test]
fn subscriptions_are_renewed_when_the_server_comes_back_and_end_with_their_client() {
    let mut w = World::http()
        .server("s", files(&["x://a", "x://b"], &[]))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    subscribe(&mut w, a, "x://a").result(&mut w);
    subscribe(&mut w, b, "x://a").result(&mut w);
    subscribe(&mut w, b, "x://b").result(&mut w);
    w.server("s").dies(&mut w);
    w.advance(3_000);
    let s = w.server("s");
    assert_eq!(s.got(&w, "resources/subscribe"), 2);
    updated(&mut w, "s", "x://a");
    assert_eq!((updates(&mut w, a).len(), updates(&mut w, b).len()), (1, 1));
    b.leaves(&mut w);
    assert_eq!(s.got(&w, "resources/unsubscribe"), 1);
    updated(&mut w, "s", "x://a");
    assert_eq!(updates(&mut w, a), ["x://a"]);
    // Given up while it is away.
    w.server("s").dies(&mut w);
    unsubscribe(&mut w, a, "x://a");
    w.advance(10_000);
    assert_eq!(w.server("s").got(&w, "resources/subscribe"), 0);
}

#[test]
fn a_client_has_so_many_subscriptions_and_no_more() {
    let _reached = must_hit(Mark::SubscriptionsFull);
    let max = onemcp::limits::SUBSCRIPTIONS_PER_CLIENT_MAX;
    let mut w = World::http().server("s", files(&[], &["x://{id}"])).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    for id in 0..max {
        subscribe(&mut w, a, &format!("x://{id}")).result(&mut w);
    }
    let (code, message) = subscribe(&mut w, a, "x://more").error(&mut w);
    assert_eq!(
        (code, message.contains("1024 subscriptions")),
        (-32603, true),
        "{message}"
    );
    subscribe(&mut w, b, "x://more").result(&mut w);
    unsubscribe(&mut w, a, "x://7").result(&mut w);
    subscribe(&mut w, a, "x://more").result(&mut w);
    // A server that goes takes its subscriptions along.
    w.configure(&[]);
    w.configure(&[entry("s", "")]);
    w.advance(500);
    subscribe(&mut w, a, "x://again").result(&mut w);
}

#[test]
fn completion_refers_to_what_the_server_calls_it() {
    let one = files(&["x://a"], &["t://{id}"]).with("prompts", [prompt("p.q")]);
    let two = files(&["x://a"], &["t://{id}"]);
    let mut w = World::http().server("one", one).server("two", two).start();
    let a = w.client("{}");
    for (reference, server, asked) in [
        (
            r#"{"type":"ref/prompt","name":"one_1mcp_p_q"}"#,
            "one",
            r#"{"type":"ref/prompt","name":"p.q"}"#,
        ),
        (
            r#"{"type":"ref/prompt","name":"one_1mcp_p.q"}"#,
            "one",
            r#"{"type":"ref/prompt","name":"p.q"}"#,
        ),
        (
            r#"{"type":"ref/resource","uri":"t://{id}"}"#,
            "one",
            r#"{"type":"ref/resource","uri":"t://{id}"}"#,
        ),
        (
            r#"{"uri":"onemcp://two/t://{id}","type":"ref/resource"}"#,
            "two",
            r#"{"uri":"t://{id}","type":"ref/resource"}"#,
        ),
        (
            r#"{"uri":"onemcp://two/x://a","type":"ref/resource"}"#,
            "two",
            r#"{"uri":"x://a","type":"ref/resource"}"#,
        ),
    ] {
        let rest = r#""argument":{"name":"id","value":"1"},"context":{"arguments":{"a":"b"}}"#;
        let call = a.request(
            &mut w,
            "completion/complete",
            &format!(r#"{{"ref":{reference},{rest}}}"#),
        );
        let seen = w.server(server).expect(&mut w, "completion/complete");
        assert!(
            seen.line.contains(&format!(r#"{{"ref":{asked},{rest}}}"#)),
            "{}",
            seen.line
        );
        let result = r#"{"completion":{"values":["x"],"total":1}}"#;
        seen.result(&mut w, result);
        assert_eq!(call.result(&mut w)["completion"]["values"], json!(["x"]));
    }
    for (params, code) in [
        (r#"{"ref":{"type":"ref/prompt","name":"nope"}}"#, -32602),
        (r#"{"ref":{"type":"ref/resource","uri":"nope"}}"#, -32002),
        (r#"{"ref":{"type":"ref/resource"}}"#, -32602),
        (r#"{"ref":{"name":7}}"#, -32602),
        ("{}", -32602),
        (r#"{"ref":{"name":"a","name":"b"}}"#, -32602),
    ] {
        assert_eq!(
            a.request(&mut w, "completion/complete", params)
                .error(&mut w)
                .0,
            code,
            "{params}"
        );
    }
}

#[test]
fn completion_for_old_servers_and_for_those_that_have_none() {
    let params = r#"{"context":{"arguments":{}} , "ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"n","value":"v"}}"#;
    let none = json!({"completion": {"values": [], "total": 0, "hasMore": false}});
    for (version, capabilities, asked, context) in [
        (
            "2025-06-18",
            r#"{"prompts":{},"completions":{}}"#,
            true,
            true,
        ),
        ("2025-06-18", r#"{"prompts":{}}"#, false, false),
        (
            "2025-03-26",
            r#"{"prompts":{},"completions":{}}"#,
            true,
            false,
        ),
        ("2025-03-26", r#"{"prompts":{}}"#, false, false),
        ("2024-11-05", r#"{"prompts":{}}"#, true, false),
    ] {
        let script = anything()
            .with("prompts", [prompt("p")])
            .speaks(version)
            .capable(capabilities);
        let mut w = World::http().server("s", script).start();
        let a = w.client("{}");
        let call = a.request(&mut w, "completion/complete", params);
        let s = w.server("s");
        if !asked {
            assert_eq!(call.result(&mut w), none);
            s.expect_nothing(&mut w);
            continue;
        }
        let seen = s.expect(&mut w, "completion/complete");
        assert_eq!(
            seen.value["params"].get("context").is_some(),
            context,
            "{version}"
        );
        assert_eq!(seen.value["params"]["ref"]["name"], json!("p"));
        seen.error(&mut w, r#"{"code":-32601,"message":"no"}"#);
        assert_eq!(call.result(&mut w), none);
    }
}
