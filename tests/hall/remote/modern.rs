//! Sites of 2026-07-28: every request is for itself and says in its fields what it says in its
//! body.

use onemcp::links::LinkKey;

use super::request::Request;
use super::{chunk, event, response};
use crate::server_modern::acknowledgement;
use crate::world::World;

impl World {
    /// A request to a server without sessions.
    pub(crate) fn serve_modern(&mut self, link: LinkKey, request: Request) {
        let site = self.site_of(link);
        if request.target != site.path {
            return self.responds(link, &response(404, &[], ""));
        }
        if request.method != "POST" {
            return self.responds(link, &response(405, &[], ""));
        }
        let method = request.says();
        let version = request.field("mcp-protocol-version").unwrap_or_default();
        if method != "initialize" && version != "2026-07-28" {
            // It was another server a moment ago.
            assert!(site.was_another, "{request:?}");
            let id = &request.message()["id"];
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no such version","data":{{"supported":["2026-07-28"],"requested":"{version}"}}}}}}"#
            );
            return self.responds(link, &response(400, &[], &body));
        }
        if method != "initialize" {
            described(&request);
        }
        if method == "subscriptions/listen" && !site.script.manual.contains("subscriptions/listen")
        {
            return self.serve_listen(link, &request);
        }
        self.serve_message(link, request);
    }

    fn serve_listen(&mut self, link: LinkKey, request: &Request) {
        let message = request.message();
        self.site_of(link)
            .script
            .check_described("subscriptions/listen", &message);
        let (id, wanted) = (&message["id"], &message["params"]["notifications"]);
        self.opens_stream(link, request, Some((id.clone(), wanted.clone())));
        let line = acknowledgement(id, &wanted.to_string());
        let bytes = chunk(&event(None, line.trim_end()));
        self.says(link, &bytes, super::End::Open);
    }
}

/// The fields repeat what the body says.
fn described(request: &Request) {
    let message = request.message();
    let params = &message["params"];
    let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
    let field = |name: &str| request.field(name);
    assert_eq!(field("mcp-session-id"), None, "{request:?}");
    assert_eq!(field("mcp-protocol-version"), version.as_str());
    assert_eq!(field("mcp-method"), message["method"].as_str());
    let accept = field("accept").unwrap_or_default();
    assert!(
        accept.contains("application/json") && accept.contains("text/event-stream"),
        "{request:?}"
    );
    assert_eq!(field("content-type"), Some("application/json"));
    let named = match message["method"].as_str() {
        Some("tools/call" | "prompts/get") => params["name"].as_str(),
        Some("resources/read") => params["uri"].as_str(),
        Some("tasks/get" | "tasks/update" | "tasks/cancel") => params["taskId"].as_str(),
        _ => None,
    };
    // Names that need an encoding are the business of the test that has one.
    let plain = |name: &&str| name.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if let Some(named) = named.filter(plain) {
        assert_eq!(field("mcp-name"), Some(named));
    }
}
