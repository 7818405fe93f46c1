//! What a scripted server of 2026-07-28 does by itself: it answers `server/discover`, keeps streams
//! of changes open, and insists that each request describes itself.

use onemcp::input::Input;
use serde_json::Value;

use crate::schemas;
use crate::server::{Child, Script, anything};
use crate::world::World;

/// What a list says of how long it may be kept, with a comma behind.
pub(crate) const CACHEABLE: &str = r#""resultType":"complete","ttlMs":0,"cacheScope":"private","#;
const META: &str = "io.modelcontextprotocol";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A server of 2026-07-28 with everything and nothing in it.
pub(crate) fn stateless() -> Script {
    anything()
        .capable(
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"completions":{},"logging":{}}"#,
        )
        .speaks("2026-07-28")
}

impl Script {
    /// Whether it knows no sessions.
    pub(crate) fn is_modern(&self) -> bool {
        self.version == "2026-07-28"
    }

    /// Whether the revision without sessions has the method at all.
    pub(crate) fn serves(&self, method: &str) -> bool {
        !matches!(
            method,
            "initialize"
                | "ping"
                | "logging/setLevel"
                | "resources/subscribe"
                | "resources/unsubscribe"
                | "tasks/list"
                | "tasks/result"
        )
    }

    /// Every request has to say who sends it and what it can be asked.
    pub(crate) fn check_described(&self, method: &str, message: &Value) {
        let meta = &message["params"]["_meta"];
        let member = |name: &str| &meta[format!("{META}/{name}")];
        if method != "initialize" {
            assert_eq!(member("protocolVersion"), "2026-07-28", "{message}");
            assert!(member("clientCapabilities").is_object(), "{message}");
            assert_eq!(member("clientInfo")["name"], "1mcp", "{message}");
        }
        if let Some(definition) = schemas::request(method) {
            schemas::meets("2026-07-28", definition, message);
        }
    }

    /// The answer to `server/discover`.
    pub(crate) fn discovered(&self) -> String {
        let instructions = match &self.instructions {
            Some(text) => format!(r#""instructions":{},"#, Value::from(text.as_str())),
            None => String::new(),
        };
        format!(
            r#"{{{CACHEABLE}"supportedVersions":["{}"],"capabilities":{},{instructions}"_meta":{{"{META}/serverInfo":{{"name":"x","version":"1"}}}}}}"#,
            self.version, self.capabilities
        )
    }
}

impl World {
    /// Streams of changes, opened and closed; whether the message was about one.
    pub(crate) fn stream_reads(&mut self, index: usize, method: &str, message: &Value) -> bool {
        let script = self.script_of(index);
        if !script.is_modern() || script.manual.contains("subscriptions/listen") {
            return false;
        }
        let child = &mut self.children[index];
        match method {
            "subscriptions/listen" => {
                let wanted = &message["params"]["notifications"];
                child.streams.push((message["id"].clone(), wanted.clone()));
                self.scripts[&self.children[index].name].check_described(method, message);
                let line = acknowledgement(&message["id"], &wanted.to_string());
                if let Some(link) = self.children[index].link {
                    let bytes = line.as_bytes();
                    self.feed_input(Input::Bytes { link, bytes });
                }
                true
            }
            "notifications/cancelled" => {
                let before = child.streams.len();
                let id = &message["params"]["requestId"];
                child.streams.retain(|(stream, _)| stream != id);
                child.streams.len() < before
            }
            _ => false,
        }
    }
}

/// The first message on a stream, as a line; `granted` is what will be told.
pub(crate) fn acknowledgement(id: &Value, granted: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{granted},"_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#
    ) + "\n"
}

impl Child {
    /// Whether it knows no sessions.
    pub(crate) fn is_modern(self, world: &World) -> bool {
        world.script_of(self.0).is_modern()
    }

    /// What the streams that it keeps open were asked to tell.
    pub(crate) fn open_streams(self, world: &World) -> Vec<Value> {
        let streams = world.children[self.0].streams.iter();
        streams.map(|(_, wanted)| wanted.clone()).collect()
    }

    /// It says something on its streams; `params` are members with a comma behind each.
    #[track_caller]
    pub(crate) fn streams(self, world: &mut World, method: &str, params: &str) {
        let streams = world.children[self.0].streams.clone();
        assert_ne!(streams, [], "nobody listens");
        for (id, _) in streams {
            self.on_stream(world, &id, method, params);
        }
    }

    /// It says something on a stream of this id, open or not.
    pub(crate) fn on_stream(self, world: &mut World, id: &Value, method: &str, params: &str) {
        let params = format!(r#"{{{params}"_meta":{{"{SUBSCRIPTION}":{id}}}}}"#);
        self.notes(world, method, &params);
    }

    /// It says that a resource changed.
    #[track_caller]
    pub(crate) fn updates(self, world: &mut World, uri: &str) {
        let params = format!("\"uri\":{uri:?},");
        self.streams(world, "notifications/resources/updated", &params);
    }
}
