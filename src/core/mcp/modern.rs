//! The dialect of 2026-07-28 as pure functions: which methods there are, what stands in every
//! result, the messages of a subscription. Knows nobody; the texts are put together elsewhere.

use crate::json::write;
use crate::mcp::meta::{SERVER_INFO, SUBSCRIPTION};

/// JSON-RPC code: a header field contradicts the body, is missing or is malformed.
pub const HEADER_MISMATCH: i32 = -32020;
/// JSON-RPC code: the request needs something that its sender did not declare.
pub const MISSING_CAPABILITY: i32 = -32021;
/// JSON-RPC code: a revision that is not spoken.
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// How an answer may be kept: not at all, and by nobody else. Lists are answered from memory, so a
/// client gains nothing by keeping them; what a resource says only its server knows (D4).
pub const CACHE_HINTS: &str = "\"ttlMs\":0,\"cacheScope\":\"private\"";

/// Whether a method exists in this revision, as far as a server of ours can serve it (D21).
#[must_use]
pub fn serves(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "tools/call"
            | "prompts/list"
            | "prompts/get"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "completion/complete"
            | "subscriptions/listen"
            | "tasks/get"
            | "tasks/update"
            | "tasks/cancel"
    )
}

/// The parameter that `Mcp-Name` repeats.
#[must_use]
pub fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// The status of a POST that is answered by this error and nothing before it.
#[must_use]
pub const fn status(code: i32) -> u16 {
    match code {
        -32601 => 404,
        HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION => 400,
        _ => 200,
    }
}

/// `"io.modelcontextprotocol/serverInfo":{..}`: who we are, a member of a `_meta`.
#[must_use]
pub fn server_info(version: &str) -> String {
    let version = write::string(version);
    format!("\"{SERVER_INFO}\":{{\"name\":\"1mcp\",\"version\":{version}}}")
}

/// A notification on a subscription; `id` is that of its `subscriptions/listen`, raw. `params` are
/// further members with a comma behind each.
#[must_use]
pub fn on_subscription(id: &[u8], method: &str, params: &str) -> String {
    let id = String::from_utf8_lossy(id);
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\
         \"params\":{{{params}\"_meta\":{{\"{SUBSCRIPTION}\":{id}}}}}}}"
    )
}

/// The answer that ends a subscription, given by us (D18).
#[must_use]
pub fn end_of_subscription(id: &[u8], version: &str) -> String {
    let id = String::from_utf8_lossy(id);
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\
         \"_meta\":{{\"{SUBSCRIPTION}\":{id},{}}}}}}}",
        server_info(version)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d21_removed_methods_do_not_exist() {
        for removed in [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
            "tasks/list",
            "tasks/result",
            "TOOLS/LIST",
        ] {
            assert!(!serves(removed), "{removed}");
        }
        assert!(serves("server/discover") && serves("tools/call"));
    }

    #[test]
    fn d18_messages_of_a_subscription_carry_its_id_as_it_was() {
        assert_eq!(
            on_subscription(b"\"1\"", "x", "\"uri\":1,"),
            r#"{"jsonrpc":"2.0","method":"x","params":{"uri":1,"_meta":{"io.modelcontextprotocol/subscriptionId":"1"}}}"#
        );
        assert!(end_of_subscription(b"1", "9").contains(r#""id":1,"result""#));
    }
}
