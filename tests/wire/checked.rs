//! Which definition of which schema a message must meet.

use serde_json::Value;

use super::check::Schema;

/// The schemas of the two revisions that are spoken here.
pub(crate) struct Checked {
    modern: Schema,
    legacy: Schema,
}

impl Checked {
    pub(crate) fn new() -> Self {
        Self {
            modern: Schema::of("2026-07-28"),
            legacy: Schema::of("2025-11-25"),
        }
    }

    /// Checks what the fixture sent; `asked` is the request that it answers, if it is an answer.
    #[track_caller]
    pub(crate) fn message(&self, message: &Value, asked: Option<&Value>, modern: bool) {
        let done = if modern {
            self.modern(message, asked)
        } else {
            self.legacy(message, asked)
        };
        if let Err(why) = done {
            panic!("{message} fails its schema: {why}");
        }
    }

    fn modern(&self, message: &Value, asked: Option<&Value>) -> Result<(), String> {
        let schema = &self.modern;
        let Some(asked) = asked else {
            if message["method"] == "notifications/tasks" {
                // The extension has no schema of its own.
                return schema.check("JSONRPCNotification", message);
            }
            return schema.check("ServerNotification", message);
        };
        if let Some(code) = message["error"]["code"].as_i64() {
            let named = match code {
                -32020 => "HeaderMismatchError",
                -32021 => "MissingRequiredClientCapabilityError",
                -32022 => "UnsupportedProtocolVersionError",
                _ => "JSONRPCErrorResponse",
            };
            return schema.check(named, message);
        }
        let named = match asked["method"].as_str().unwrap_or_default() {
            "server/discover" => "DiscoverResultResponse",
            "tools/list" => "ListToolsResultResponse",
            "tools/call" if message["result"]["resultType"] == "task" => "JSONRPCResultResponse",
            "tools/call" => "CallToolResultResponse",
            "prompts/list" => "ListPromptsResultResponse",
            "prompts/get" => "GetPromptResultResponse",
            "resources/list" => "ListResourcesResultResponse",
            "resources/templates/list" => "ListResourceTemplatesResultResponse",
            "resources/read" => "ReadResourceResultResponse",
            "completion/complete" => "CompleteResultResponse",
            "subscriptions/listen" => "SubscriptionsListenResultResponse",
            _ => "JSONRPCResultResponse",
        };
        schema.check(named, message)?;
        // "anyOf" alone would take a question without questions.
        let result = &message["result"];
        match result["resultType"].as_str() {
            Some("input_required")
                if result["inputRequests"].is_null() && result["requestState"].is_null() =>
            {
                Err("neither questions nor a state".to_owned())
            }
            Some("complete" | "input_required" | "task") => Ok(()),
            _ => Err("no known resultType".to_owned()),
        }
    }

    fn legacy(&self, message: &Value, asked: Option<&Value>) -> Result<(), String> {
        let schema = &self.legacy;
        if message["method"].is_string() {
            let kind = if message.get("id").is_some() {
                "ServerRequest"
            } else {
                "ServerNotification"
            };
            return schema.check(kind, message);
        }
        if message.get("error").is_some() {
            return schema.check("JSONRPCErrorResponse", message);
        }
        schema.check("JSONRPCResultResponse", message)?;
        let asked = asked.ok_or("an answer that nobody asked for")?;
        let as_task = asked["params"]["task"].is_object();
        let named = match asked["method"].as_str().unwrap_or_default() {
            "initialize" => "InitializeResult",
            "tools/list" => "ListToolsResult",
            "tools/call" if as_task => "CreateTaskResult",
            "tools/call" | "tasks/result" => "CallToolResult",
            "tasks/get" => "GetTaskResult",
            "tasks/cancel" => "CancelTaskResult",
            "tasks/list" => "ListTasksResult",
            "prompts/list" => "ListPromptsResult",
            "prompts/get" => "GetPromptResult",
            "resources/list" => "ListResourcesResult",
            "resources/templates/list" => "ListResourceTemplatesResult",
            "resources/read" => "ReadResourceResult",
            "completion/complete" => "CompleteResult",
            _ => "EmptyResult",
        };
        schema.check(named, &message["result"])
    }
}

#[test]
fn a_wrong_message_fails() {
    use serde_json::json;
    let checked = Checked::new();
    let asked = json!({"method": "tools/list"});
    let mut answer = json!({"jsonrpc": "2.0", "id": 1, "result": {
        "resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private",
    }});
    assert_eq!(checked.modern(&answer, Some(&asked)), Ok(()));
    answer["result"]["ttlMs"] = json!(-1);
    assert!(checked.modern(&answer, Some(&asked)).is_err());
    answer["result"]["ttlMs"] = json!(0);
    answer["result"]["tools"] = json!([{"name": "x"}]);
    assert!(checked.modern(&answer, Some(&asked)).is_err());
    let mut told = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": "t", "progress": 1}});
    assert_eq!(checked.modern(&told, None), Ok(()));
    told["params"]["progress"] = json!("1");
    assert!(checked.modern(&told, None).is_err());
    assert!(!Schema::of("2026-07-28").has("InitializeResult"));
}
