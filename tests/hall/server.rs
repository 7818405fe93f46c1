//! Servers as children of the hub: a script answers the handshake and the lists, everything else is
//! left to the test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use onemcp::effect::StopSignal;
use onemcp::input::{ExitStatus, Input};
use onemcp::language::PoolKey;
use onemcp::links::LinkKey;
use serde_json::Value;

use crate::server_modern::CACHEABLE;
use crate::world::World;

/// How all children of one name behave.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) version: String,
    pub(crate) capabilities: String,
    pub(crate) instructions: Option<String>,
    /// Pages of raw entries, by member (`tools`, `resourceTemplates` ...).
    pub(crate) lists: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// It never answers `initialize`.
    pub(crate) mute: bool,
    /// It cannot be started, and why.
    pub(crate) missing: Option<String>,
    /// Methods that the test answers although a script could.
    pub(crate) manual: BTreeSet<&'static str>,
    pub(crate) ignores_eof: bool,
    pub(crate) ignores_term: bool,
}

/// A server with everything and nothing in it.
pub(crate) fn anything() -> Script {
    Script {
        version: "2025-11-25".to_owned(),
        capabilities: r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}}"#.to_owned(),
        instructions: None,
        lists: BTreeMap::new(),
        mute: false,
        missing: None,
        manual: BTreeSet::new(),
        ignores_eof: false,
        ignores_term: false,
    }
}

/// A server with tools of these names and nothing else.
pub(crate) fn tools<const N: usize>(names: [&str; N]) -> Script {
    let capabilities = r#"{"tools":{"listChanged":true},"logging":{}}"#.to_owned();
    Script {
        capabilities,
        ..anything()
    }
    .with("tools", names.map(tool))
}

/// One entry of `tools/list`.
pub(crate) fn tool(name: &str) -> String {
    format!(r#"{{"name":{name:?},"inputSchema":{{"type":"object"}}}}"#)
}

/// One entry of `resources/list`.
pub(crate) fn resource(uri: &str) -> String {
    format!(r#"{{"uri":{uri:?},"name":"r"}}"#)
}

/// One entry of `resources/templates/list`.
pub(crate) fn template(uri: &str) -> String {
    format!(r#"{{"uriTemplate":{uri:?},"name":"t"}}"#)
}

/// One entry of `prompts/list`.
pub(crate) fn prompt(name: &str) -> String {
    format!(r#"{{"name":{name:?}}}"#)
}

impl Script {
    /// A list in one page.
    pub(crate) fn with<const N: usize>(
        mut self,
        member: &'static str,
        entries: [String; N],
    ) -> Self {
        self.set(member, entries);
        self
    }

    /// Replaces a list.
    pub(crate) fn set<const N: usize>(&mut self, member: &'static str, entries: [String; N]) {
        self.lists.insert(member, vec![entries.into()]);
    }

    /// Leaves a method to the test.
    pub(crate) fn manual(mut self, method: &'static str) -> Self {
        self.manual.insert(method);
        self
    }

    /// Answers `initialize` with these capabilities.
    pub(crate) fn capable(mut self, capabilities: &str) -> Self {
        capabilities.clone_into(&mut self.capabilities);
        self
    }

    /// Answers `initialize` with this revision.
    pub(crate) fn speaks(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// What it answers by itself: a result, or an error.
    pub(crate) fn answer(&self, method: &str, message: &Value) -> Option<Result<String, String>> {
        if self.manual.contains(method) {
            return None;
        }
        if self.is_modern() {
            self.check_described(method, message);
            if !self.serves(method) {
                let error = r#"{"code":-32601,"message":"no such method in 2026-07-28"}"#;
                return Some(Err(error.to_owned()));
            }
        }
        match method {
            "server/discover" if self.mute => None,
            "server/discover" if self.is_modern() => Some(Ok(self.discovered())),
            // As most servers with sessions do with what they do not know.
            "server/discover" => Some(Err(
                r#"{"code":-32601,"message":"Method not found"}"#.to_owned()
            )),
            _ => Some(Ok(self.result(method, message)?)),
        }
    }

    fn result(&self, method: &str, message: &Value) -> Option<String> {
        let member = match method {
            "initialize" if self.mute => return None,
            "initialize" => {
                let instructions = match &self.instructions {
                    Some(text) => format!(r#","instructions":{}"#, Value::from(text.as_str())),
                    None => String::new(),
                };
                return Some(format!(
                    r#"{{"protocolVersion":"{}","capabilities":{},"serverInfo":{{"name":"x","version":"1"}}{instructions}}}"#,
                    self.version, self.capabilities
                ));
            }
            "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
                return Some("{}".to_owned());
            }
            "tools/list" => "tools",
            "prompts/list" => "prompts",
            "resources/list" => "resources",
            "resources/templates/list" => "resourceTemplates",
            _ => return None,
        };
        let cursor = message.pointer("/params/cursor").and_then(Value::as_str);
        let page: usize =
            cursor.map_or(0, |cursor| cursor.trim_start_matches('p').parse().unwrap());
        let pages = self.lists.get(member).cloned().unwrap_or_default();
        let entries = pages.get(page).cloned().unwrap_or_default().join(",");
        let next = match pages.len() > page + 1 {
            true => format!(r#","nextCursor":"p{}""#, page + 1),
            false => String::new(),
        };
        let stamp = if self.is_modern() { CACHEABLE } else { "" };
        Some(format!(r#"{{{stamp}"{member}":[{entries}]{next}}}"#))
    }
}

/// One child.
#[derive(Debug)]
pub(crate) struct ChildState {
    pub(crate) pool: PoolKey,
    pub(crate) link: Option<LinkKey>,
    pub(crate) name: String,
    pub(crate) alive: bool,
    pub(crate) signals: Vec<StopSignal>,
    /// Every line it got.
    pub(crate) lines: Vec<String>,
    /// Streams of changes that it keeps open: the id of the request, and what was asked for.
    pub(crate) streams: Vec<(Value, Value)>,
    /// Lines that the test has not looked at.
    seen: VecDeque<String>,
}

/// A child, for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child(pub(crate) usize);

/// A request that a child got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) child: Child,
    /// The line as it came.
    pub(crate) line: String,
    /// The same read.
    pub(crate) value: Value,
}

impl World {
    pub(crate) fn script_of(&self, index: usize) -> &Script {
        &self.scripts[&self.children[index].name]
    }

    /// `Effect::Spawn`.
    pub(crate) fn spawn(&mut self, pool: PoolKey, name: String) {
        if let Some(why) = self.scripts[&name].missing.clone() {
            return self.feed_input(Input::SpawnFailed { pool, why });
        }
        let link = self.new_link();
        let pid = 1000 + u32::try_from(self.children.len()).unwrap();
        self.children.push(ChildState {
            pool,
            link: Some(link),
            name,
            alive: true,
            signals: Vec::new(),
            lines: Vec::new(),
            streams: Vec::new(),
            seen: VecDeque::new(),
        });
        self.feed_input(Input::Spawned { pool, link, pid });
    }

    /// A child ends: its output first, then it is reaped.
    pub(crate) fn end_child(&mut self, index: usize, status: ExitStatus) {
        let child = &mut self.children[index];
        child.alive = false;
        let (pool, link) = (child.pool, child.link.take());
        if let Some(link) = link {
            self.feed_input(Input::Eof { link });
        }
        self.feed_input(Input::Exited { pool, status });
    }

    /// Children read what was written to them; whether there was anything.
    pub(crate) fn children_read(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.children.len() {
            any |= self.child_reads_all(index);
        }
        any
    }

    /// A child reads the lines that were written to it; whether there was one.
    pub(crate) fn child_reads_all(&mut self, index: usize) -> bool {
        let Some(link) = self.children[index].link else {
            return false;
        };
        let received = &mut self.peer(link).received;
        let Some(end) = received.iter().rposition(|byte| *byte == b'\n') else {
            return false;
        };
        let lines: Vec<u8> = received.drain(..=end).collect();
        for line in String::from_utf8(lines).unwrap().lines() {
            self.child_reads(index, line);
        }
        true
    }

    fn child_reads(&mut self, index: usize, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap();
        let method = message["method"].as_str().unwrap_or_default();
        if self.stream_reads(index, method, &message) {
            self.children[index].lines.push(line.to_owned());
            return;
        }
        let answer = match message.get("id") {
            Some(_) => self.script_of(index).answer(method, &message),
            None => None,
        };
        let child = &mut self.children[index];
        child.lines.push(line.to_owned());
        match (answer, child.link) {
            (Some(answer), Some(link)) => {
                let id = &message["id"];
                let outcome = match answer {
                    Ok(result) => format!("\"result\":{result}"),
                    Err(error) => format!("\"error\":{error}"),
                };
                let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{outcome}}}\n");
                self.feed_input(Input::Bytes {
                    link,
                    bytes: line.as_bytes(),
                });
            }
            _ if method == "notifications/initialized" => {}
            _ => child.seen.push_back(line.to_owned()),
        }
    }
}

impl Child {
    fn state(self, world: &mut World) -> &mut ChildState {
        &mut world.children[self.0]
    }

    /// The next line that the script did not answer; it must be this request.
    #[track_caller]
    pub(crate) fn expect(self, world: &mut World, method: &str) -> Seen {
        let line = self.next(world);
        let line = line.unwrap_or_else(|| panic!("nothing came, wanted {method}"));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["method"], method, "{line}");
        Seen {
            child: self,
            line,
            value,
        }
    }

    /// The next line that the script did not answer.
    pub(crate) fn next(self, world: &mut World) -> Option<String> {
        world.rest();
        self.state(world).seen.pop_front()
    }

    /// Whether the next line that the script did not answer is this request.
    pub(crate) fn has_next(self, world: &mut World, method: &str) -> bool {
        world.rest();
        let next = self.state(world).seen.front();
        let next = next.map(|line| serde_json::from_str::<Value>(line).unwrap());
        next.is_some_and(|message| message["method"] == method)
    }

    /// Nothing came that the test has not looked at.
    #[track_caller]
    pub(crate) fn expect_nothing(self, world: &mut World) {
        assert_eq!(self.next(world), None);
    }

    /// How many requests and notifications of this method it got.
    pub(crate) fn got(self, world: &World, method: &str) -> usize {
        let wanted = format!("\"method\":\"{method}\"");
        let lines = &world.children[self.0].lines;
        lines.iter().filter(|line| line.contains(&wanted)).count()
    }

    /// What was declared to it.
    pub(crate) fn declared(self, world: &World) -> Value {
        let lines = &world.children[self.0].lines;
        let mut messages = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let initialize = messages.find(|message: &Value| message["method"] == "initialize");
        initialize.unwrap()["params"]["capabilities"].clone()
    }

    /// Whether it runs.
    pub(crate) fn alive(self, world: &World) -> bool {
        world.children[self.0].alive
    }

    /// It writes a line.
    pub(crate) fn says(self, world: &mut World, line: &str) {
        if let Some(link) = self.state(world).link {
            world.bytes(link, format!("{line}\n").as_bytes());
        }
    }

    /// It sends a notification.
    pub(crate) fn notes(self, world: &mut World, method: &str, params: &str) {
        let line = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.says(world, &line);
    }

    /// It sends a request with this raw id.
    pub(crate) fn asks(self, world: &mut World, id: &str, method: &str, params: &str) {
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.says(world, &line);
    }

    /// It says that a list changed.
    pub(crate) fn list_changed(self, world: &mut World, group: &str) {
        let method = format!("notifications/{group}/list_changed");
        if self.is_modern(world) {
            return self.streams(world, &method, "");
        }
        self.notes(world, &method, "{}");
    }

    /// It exits.
    pub(crate) fn dies(self, world: &mut World) {
        world.end_child(self.0, ExitStatus::Code(1));
        world.rest();
        world.input(Input::Tick);
    }

    /// The answer that it got to a request of its own, as a line; `None` if there is none yet.
    pub(crate) fn answer_to(self, world: &mut World, id: &str) -> Option<String> {
        world.rest();
        let wanted: Value = serde_json::from_str(id).unwrap();
        let seen = &mut self.state(world).seen;
        let place = seen.iter().position(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            message.get("method").is_none() && message["id"] == wanted
        })?;
        seen.remove(place)
    }

    /// The error code that it got to a request of its own.
    #[track_caller]
    pub(crate) fn refused(self, world: &mut World, id: &str) -> i64 {
        let line = self.answer_to(world, id).expect("no answer yet");
        let message: Value = serde_json::from_str(&line).unwrap();
        message["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{line}"))
    }

    /// The result that it got to a request of its own.
    #[track_caller]
    pub(crate) fn granted(self, world: &mut World, id: &str) -> Value {
        let line = self.answer_to(world, id).expect("no answer yet");
        let message: Value = serde_json::from_str(&line).unwrap();
        assert!(message.get("result").is_some(), "{line}");
        message["result"].clone()
    }
}

impl Seen {
    /// Our id of the request.
    pub(crate) fn id(&self) -> String {
        self.value["id"].to_string()
    }

    /// It is taken back: the next thing that its server hears.
    #[track_caller]
    pub(crate) fn is_cancelled(&self, world: &mut World) {
        let cancelled = self.child.expect(world, "notifications/cancelled");
        assert_eq!(cancelled.value["params"]["requestId"], self.value["id"]);
    }

    /// The answer.
    pub(crate) fn result(&self, world: &mut World, result: &str) {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            self.id()
        );
        self.child.says(world, &line);
    }

    /// An error as the answer.
    pub(crate) fn error(&self, world: &mut World, error: &str) {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.id());
        self.child.says(world, &line);
    }
}
