//! Tasks of both revisions.

use serde_json::{Value, json};

use super::pipe::{Pipe, meta};

fn with_tasks() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {}})
}

/// Looks until the task has that status.
#[track_caller]
fn until(pipe: &mut Pipe, id: &Value, status: &str) -> Value {
    for _ in 0..2000 {
        let params = json!({"taskId": id});
        let told = pipe.modern("tasks/get", params, &with_tasks())["result"].clone();
        if told["status"] == status {
            return told;
        }
        std::thread::yield_now();
    }
    panic!("the task is never {status}")
}

#[test]
fn a_task_is_worked_on_after_its_handle() {
    let mut pipe = Pipe::start(&[]);
    let handle = pipe.call("slow_compute", &json!({"seconds": 0}), &with_tasks());
    assert_eq!(handle["resultType"], "task");
    assert!(handle["ttlMs"].is_u64() && handle.get("task").is_none());
    let done = until(&mut pipe, &handle["taskId"], "completed");
    assert!(done["result"]["content"][0]["text"].is_string());
    let plain = pipe.call("slow_compute", &json!({"seconds": 0}), &json!({}));
    assert_eq!(plain["resultType"], "complete", "not declared, so no task");
    let error = pipe.call("failing_job", &json!({}), &json!({}));
    assert_eq!(error["code"], -32021);
}

#[test]
fn a_task_asks_and_is_told() {
    let mut pipe = Pipe::start(&[]);
    let handle = pipe.call("multi_input", &json!({}), &with_tasks());
    let id = &handle["taskId"];
    let asking = until(&mut pipe, id, "input_required");
    let keys: Vec<_> = asking["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(keys.len(), 2);
    let update = |pipe: &mut Pipe, key: &str| {
        let responses = json!({key: {"action": "accept", "content": {"is": key}}});
        let params = json!({"taskId": id, "inputResponses": responses});
        let answer = pipe.modern("tasks/update", params, &with_tasks());
        assert_eq!(answer["result"]["resultType"], "complete");
    };
    update(&mut pipe, keys[0]);
    let asking = until(&mut pipe, id, "input_required");
    assert_eq!(asking["inputRequests"].as_object().unwrap().len(), 1);
    update(&mut pipe, keys[1]);
    let done = until(&mut pipe, id, "completed");
    assert!(done["result"].to_string().contains(keys[1].as_str()));
}

#[test]
fn a_listener_hears_of_its_task() {
    let mut pipe = Pipe::start(&[]);
    let handle = pipe.call("confirm_delete", &json!({"filename": "f"}), &with_tasks());
    let id = &handle["taskId"];
    until(&mut pipe, id, "input_required");
    let wanted = json!({"taskIds": [id, "nobody"]});
    let params = json!({"notifications": wanted, "_meta": meta(&with_tasks())});
    pipe.begin("subscriptions/listen", &params);
    assert_eq!(
        pipe.next()["params"]["notifications"]["taskIds"],
        json!([id])
    );
    pipe.modern("tasks/cancel", json!({"taskId": id}), &with_tasks());
    let told = pipe.next();
    assert_eq!(told["method"], "notifications/tasks");
    assert_eq!(told["params"]["status"], "cancelled");
}

#[test]
fn tasks_of_2025_11_25_ask_through_their_result() {
    let mut pipe = Pipe::start(&["--era", "legacy"]);
    let told = pipe.initialize(&json!({"elicitation": {"form": {}}}));
    assert!(told["capabilities"]["tasks"]["requests"]["tools"]["call"].is_object());
    let tools = pipe.ask("tools/list", &json!({}))["result"]["tools"].clone();
    let support = |name: &str| {
        let tool = tools
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == name);
        tool.unwrap()["execution"]["taskSupport"].clone()
    };
    assert_eq!(support("slow_compute"), "optional");
    assert_eq!(support("failing_job"), "required");
    let call = |name: &str, task: bool| {
        let mut params = json!({"name": name, "arguments": {"filename": "f", "name": "n"}});
        if task {
            params["task"] = json!({"ttl": 60_000});
        }
        params
    };
    for (name, task) in [("failing_job", false), ("greet", true)] {
        let error = pipe.ask("tools/call", &call(name, task))["error"]["code"].clone();
        assert_eq!(error, -32601, "{name}");
    }
    let made = pipe.ask("tools/call", &call("confirm_delete", true))["result"]["task"].clone();
    assert_eq!(made["ttl"], 60_000);
    let id = json!({"taskId": made["taskId"]});
    let waiting = pipe.begin("tasks/result", &id);
    let question = loop {
        let message = pipe.next();
        if message["method"] == "elicitation/create" {
            break message;
        }
        assert_eq!(message["method"], "notifications/tasks/status");
    };
    let related = &question["params"]["_meta"]["io.modelcontextprotocol/related-task"];
    assert_eq!(related, &id);
    let reply = json!({"action": "accept", "content": {"confirm": true}});
    pipe.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
    let done = pipe.answer(waiting)["result"].clone();
    assert_eq!(done["_meta"]["io.modelcontextprotocol/related-task"], id);
    assert_eq!(pipe.ask("tasks/get", &id)["result"]["status"], "completed");
    assert_eq!(pipe.ask("tasks/cancel", &id)["error"]["code"], -32602);
    let all = pipe.ask("tasks/list", &json!({}))["result"]["tasks"].clone();
    assert_eq!(all.as_array().unwrap().len(), 1);
}
