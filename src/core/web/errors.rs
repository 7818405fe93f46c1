//! Errors outside MCP: `{"error": "...", "hint": "..."}` (contract 5).

use crate::json::write::push_string;

/// What is wrong and what to do about it, as JSON.
#[must_use]
pub fn body(error: &str, hint: &str) -> Vec<u8> {
    let mut out = b"{\"error\":".to_vec();
    push_string(&mut out, error);
    if !hint.is_empty() {
        out.extend_from_slice(b",\"hint\":");
        push_string(&mut out, hint);
    }
    out.extend_from_slice(b"}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_errors_have_a_hint_if_there_is_something_to_do() {
        assert_eq!(body("a\"", "b"), b"{\"error\":\"a\\\"\",\"hint\":\"b\"}\n");
        assert_eq!(body("a", ""), b"{\"error\":\"a\"}\n");
    }
}
