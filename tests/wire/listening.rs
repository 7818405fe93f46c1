//! Subscriptions of 2026-07-28.

use serde_json::{Value, json};

use super::pipe::{Pipe, meta};

const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn listen(pipe: &mut Pipe, wanted: &Value) -> u64 {
    let params = json!({"notifications": wanted, "_meta": meta(&json!({}))});
    let id = pipe.begin("subscriptions/listen", &params);
    let told = pipe.next();
    assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(told["params"]["_meta"][ID], id);
    id
}

#[test]
fn d18_only_what_was_asked_for_is_told_and_tagged() {
    let mut pipe = Pipe::start(&[]);
    let tools = listen(&mut pipe, &json!({"toolsListChanged": true}));
    let watched = json!({"resourceSubscriptions": ["test://watched-resource", "test://nowhere"]});
    let resource = listen(&mut pipe, &watched);
    pipe.call("test_trigger_prompt_change", &json!({}), &json!({}));
    pipe.call("add_tool", &json!({"name": "x"}), &json!({}));
    let told = pipe.next();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"][ID], tools);
    let touched = pipe.call("touch_watched", &json!({}), &json!({}));
    assert!(
        touched["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("\"told\":1")
    );
    let told = pipe.next();
    assert_eq!(told["params"]["uri"], "test://watched-resource");
    assert_eq!(told["params"]["_meta"][ID], resource);
}

#[test]
fn d18_the_acknowledgement_leaves_out_what_there_is_not() {
    let mut pipe = Pipe::start(&["--no-prompts"]);
    let wanted = json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourceSubscriptions": ["test://nowhere", "test://watched-resource"],
    });
    let params = json!({"notifications": wanted, "_meta": meta(&json!({}))});
    pipe.begin("subscriptions/listen", &params);
    let accepted = json!({
        "toolsListChanged": true, "resourceSubscriptions": ["test://watched-resource"],
    });
    assert_eq!(pipe.next()["params"]["notifications"], accepted);
}

#[test]
fn b5_a_cancelled_subscription_is_silent() {
    let mut pipe = Pipe::start(&[]);
    let id = listen(&mut pipe, &json!({"toolsListChanged": true}));
    let params = json!({"requestId": id});
    pipe.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    pipe.call("add_tool", &json!({"name": "x"}), &json!({}));
    assert!(pipe.close().is_empty());
}

#[test]
fn b7_subscriptions_end_with_a_result() {
    let mut pipe = Pipe::start(&[]);
    let id = listen(&mut pipe, &json!({"toolsListChanged": true}));
    pipe.call("end_listens", &json!({"how": "cancelled"}), &json!({}));
    let told = pipe.next();
    assert_eq!(told["method"], "notifications/cancelled");
    assert_eq!(told["params"]["requestId"], id);
    assert_eq!(pipe.answer(id)["result"]["_meta"][ID], id);
    let id = listen(&mut pipe, &json!({"toolsListChanged": true}));
    let last = pipe.close();
    assert_eq!(last[0]["id"], id, "the end of the input ends them too");
}
