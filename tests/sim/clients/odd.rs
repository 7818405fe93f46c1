//! Requests that are wrong, or none of MCP's business.

use crate::clients::exchange::Kind;
use crate::clients::web::Web;
use crate::model::Cx;

impl Web {
    /// Sends something that is answered without ever reaching a server.
    pub(crate) fn odd(&mut self, cx: &mut Cx<'_>) {
        let session = |web: &Self, cx: &mut Cx<'_>| web.fields(cx, Some("application/json"));
        let (method, target, fields, body, statuses): (_, _, _, Option<&str>, &'static [u16]) =
            match cx.rng.below(16) {
                0 => ("POST", "/mcp", session(self, cx), Some("{"), &[400]),
                1 => ("POST", "/mcp", session(self, cx), Some("[]"), &[400]),
                2 => ("POST", "/mcp", session(self, cx), Some("7"), &[400]),
                3 => (
                    "POST",
                    "/mcp",
                    session(self, cx),
                    Some(r#"{"jsonrpc":"2.0"}"#),
                    &[400],
                ),
                4 => {
                    let body = r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#;
                    ("POST", "/mcp", session(self, cx), Some(body), &[400])
                }
                5 => {
                    let body = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#;
                    ("POST", "/mcp", session(self, cx), Some(body), &[400])
                }
                6 => {
                    let fields = vec![("Mcp-Session-Id", "nobody".to_owned())];
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", fields, Some(body), &[404])
                }
                7 => {
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", Vec::new(), Some(body), &[400])
                }
                8 => ("GET", "/nowhere", Vec::new(), None, &[404]),
                9 => ("PUT", "/mcp", Vec::new(), Some("{}"), &[405]),
                10 => {
                    let fields = vec![("Origin", "https://evil.example".to_owned())];
                    ("POST", "/mcp", fields, Some("{}"), &[403])
                }
                11 => ("GET", "/health", Vec::new(), None, &[200, 503]),
                12 => ("GET", "/health/mcp", Vec::new(), None, &[200, 503]),
                13 => ("GET", "/", Vec::new(), None, &[200]),
                14 => {
                    let mut fields = session(self, cx);
                    fields.push(("MCP-Protocol-Version", "1999-01-01".to_owned()));
                    fields.retain(|(name, value)| {
                        *name != "MCP-Protocol-Version" || value == "1999-01-01"
                    });
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", fields, Some(body), &[400])
                }
                _ => ("DELETE", "/mcp", Vec::new(), None, &[400]),
            };
        self.send(cx, method, target, fields, body, Kind::Odd(statuses));
    }
}
