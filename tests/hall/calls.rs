//! Calls there and back: ids, tokens, bytes (A1, A2, A12).

use serde_json::json;

use crate::server::tools;
use crate::world::World;

fn echo() -> World {
    World::http().server("files", tools(["echo"])).start()
}

#[test]
fn a1_an_answer_carries_the_id_that_the_client_gave() {
    let mut w = echo();
    let a = w.client("{}");
    let files = w.server("files");
    for id in ["7", "0", "-1", "9007199254740993", "123456789012345678901234567890", "\"x\"", "\"7\"", "\"\"", r#""a\"b\\\u0041\n""#] {
        let call = a.request_as(&mut w, id, "tools/call", r#"{"name":"files_1mcp_echo"}"#);
        let seen = files.expect(&mut w, "tools/call");
        assert!(seen.value["id"].is_u64() && seen.value["id"] != json!(7), "{}", seen.line);
        seen.result(&mut w, "{}");
        let line = call.line(&mut w).unwrap();
        assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
}
