//! Two of ours face each other: the server of the one is the `/sse` of the other.

use std::collections::BTreeMap;

use onemcp::links::LinkKey;
use serde_json::json;

use crate::http;
use crate::remote::{Act, End, Of, Site, far};
use crate::server::{anything, tool, tools};
use crate::world::{Builder, World};

/// The near one, the far one behind it, and which connection is which.
struct Pair {
    near: World,
    far: World,
    site: Site,
    links: BTreeMap<LinkKey, LinkKey>,
}

impl Pair {
    fn new(far_side: Builder) -> Self {
        let mut far_side = far_side.start();
        far_side.advance(10);
        let mut door = far(tools([])).old_sse();
        door.faults.push((Of::All, Act::Leaves));
        let near = World::http()
            .remote_with("r", r#""type":"sse""#, door)
            .start();
        let site = near.site("r");
        let mut pair = Self {
            near,
            far: far_side,
            site,
            links: BTreeMap::new(),
        };
        pair.rest();
        pair
    }

    /// Carries bytes to and fro until there are none.
    fn rest(&mut self) {
        loop {
            let mut any = false;
            while let Some(asked) = self.site.next(&mut self.near) {
                any = true;
                let (far, request) = (&mut self.far, &asked.request);
                let link = *self
                    .links
                    .entry(asked.link)
                    .or_insert_with(|| far.connect());
                let skipped = ["host", "content-length", "content-type"];
                let fields = request.fields.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                let fields = fields.filter(|(k, _)| !skipped.contains(&&*k.to_ascii_lowercase()));
                let fields: Vec<_> = fields.collect();
                let bytes = http::request(&request.method, &request.target, &fields, &request.body);
                far.bytes(link, &bytes);
                if request.method == "POST" {
                    self.far.rest();
                    let bytes = std::mem::take(&mut self.far.peer(link).received);
                    self.near.responds(asked.link, &bytes);
                }
            }
            self.far.rest();
            for (near, far) in &self.links {
                let bytes = std::mem::take(&mut self.far.peer(*far).received);
                if !bytes.is_empty() {
                    any = true;
                    self.near.says(*near, &bytes, End::Open);
                }
            }
            self.near.settle();
            if !any {
                return;
            }
        }
    }

    fn advance(&mut self, ms: u64) {
        self.near.advance(ms);
        self.far.advance(ms);
        self.rest();
    }
}

#[test]
fn e2_what_we_serve_at_sse_we_can_use() {
    let mut pair = Pair::new(World::http().server("s", tools(["t"])));
    let a = pair.near.client(r#"{"sampling":{}}"#);
    assert_eq!(a.list(&mut pair.near, "tools/list"), ["r_1mcp_s_1mcp_t"]);
    let params = r#"{"name":"r_1mcp_s_1mcp_t","arguments":{"x":[1]},"_meta":{"progressToken":7}}"#;
    let call = a.request(&mut pair.near, "tools/call", params);
    pair.rest();
    let s = pair.far.server("s");
    let seen = s.expect(&mut pair.far, "tools/call");
    assert_eq!(seen.value["params"]["arguments"], json!({"x": [1]}));
    let token = &seen.value["params"]["_meta"]["progressToken"];
    let note = format!(r#"{{"progressToken":{token},"progress":0.5}}"#);
    s.notes(&mut pair.far, "notifications/progress", &note);
    s.asks(
        &mut pair.far,
        "3",
        "sampling/createMessage",
        r#"{"maxTokens":1}"#,
    );
    pair.rest();
    let note = a.expect(&mut pair.near, "notifications/progress");
    assert_eq!(note["params"], json!({"progressToken": 7, "progress": 0.5}));
    let ask = a.expect(&mut pair.near, "sampling/createMessage");
    assert_eq!(ask["params"]["maxTokens"], 1);
    a.answers(&mut pair.near, &ask, r#"{"n":5}"#);
    pair.rest();
    assert_eq!(s.granted(&mut pair.far, "3"), json!({"n": 5}));
    seen.result(&mut pair.far, r#"{"n":6}"#);
    pair.rest();
    assert_eq!(call.result(&mut pair.near), json!({"n": 6}));
}

#[test]
fn changes_and_cancellations_go_through_both() {
    let mut pair = Pair::new(World::http().server("s", anything().with("tools", [tool("t")])));
    let a = pair.near.client("{}");
    pair.far.script("s").set("tools", [tool("t"), tool("u")]);
    let s = pair.far.server("s");
    s.notes(&mut pair.far, "notifications/tools/list_changed", "{}");
    pair.rest();
    for _ in 0..10 {
        pair.advance(100);
    }
    assert!(
        a.heard(&mut pair.near)
            .contains(&"notifications/tools/list_changed".to_owned())
    );
    let names = a.list(&mut pair.near, "tools/list");
    assert_eq!(names, ["r_1mcp_s_1mcp_t", "r_1mcp_s_1mcp_u"]);
    let call = a.call(&mut pair.near, "r_1mcp_s_1mcp_u", "{}");
    pair.rest();
    s.expect(&mut pair.far, "tools/call");
    a.cancels(&mut pair.near, &call);
    pair.rest();
    s.expect(&mut pair.far, "notifications/cancelled");
    assert_eq!((pair.near.counts().calls, pair.far.counts().calls), (0, 0));
}
