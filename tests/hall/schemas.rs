//! Messages that the hub writes, checked against the official schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::Schema;

/// A message must meet a definition of its revision.
#[track_caller]
pub(crate) fn meets(revision: &'static str, definition: &str, message: &Value) {
    thread_local! {
        static SCHEMAS: std::cell::RefCell<BTreeMap<&'static str, Schema>> =
            const { std::cell::RefCell::new(BTreeMap::new()) };
    }
    let checked = SCHEMAS.with_borrow_mut(|schemas| {
        let schema = schemas
            .entry(revision)
            .or_insert_with(|| Schema::of(revision));
        schema.check(definition, message)
    });
    if let Err(why) = checked {
        panic!("{message} is no {definition} of {revision}: {why}");
    }
}

/// The definition of a request of 2026-07-28.
pub(crate) fn request(method: &str) -> Option<&'static str> {
    Some(match method {
        "server/discover" => "DiscoverRequest",
        "tools/list" => "ListToolsRequest",
        "tools/call" => "CallToolRequest",
        "prompts/list" => "ListPromptsRequest",
        "prompts/get" => "GetPromptRequest",
        "resources/list" => "ListResourcesRequest",
        "resources/templates/list" => "ListResourceTemplatesRequest",
        "resources/read" => "ReadResourceRequest",
        "completion/complete" => "CompleteRequest",
        "subscriptions/listen" => "SubscriptionsListenRequest",
        _ => return None,
    })
}
