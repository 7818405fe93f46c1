//! Clients of the hub: on `/mcp`, on `/sse`, or its own stdin. Ids count from 1 for each client, so
//! that those of several clients are always equal.

use std::collections::VecDeque;

use onemcp::input::Input;
use onemcp::links::LinkKey;
use serde_json::{Value, json};

use crate::http::{self, Response};
use crate::world::World;

/// One client.
pub(crate) struct ClientState {
    way: Way,
    /// Connections with what was read from them.
    links: Vec<(LinkKey, Response)>,
    idle: Vec<LinkKey>,
    next_id: u64,
    version: String,
    /// Answers by raw id that nobody has looked at.
    answers: Vec<String>,
    /// Requests and notifications that nobody has looked at.
    inbox: VecDeque<String>,
    /// Statuses of responses without a message, in order.
    pub(crate) statuses: Vec<u16>,
    /// Status of the last response of which anything came.
    pub(crate) last_status: Option<u16>,
    /// Its `WWW-Authenticate`.
    pub(crate) last_challenge: Option<String>,
    /// Members that every `_meta` of its modern requests has, each with a comma before it.
    pub(crate) meta: String,
    /// Fields that its modern requests have beside the usual ones.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Its access token.
    pub(crate) token: Option<String>,
    /// The query of its URL, with `?`; empty if it has none.
    pub(crate) query: String,
}

enum Way {
    Http {
        session: Option<String>,
        main: Option<LinkKey>,
    },
    Stdio {
        link: LinkKey,
        unread: Vec<u8>,
    },
    /// Each request for itself, with what it declares.
    Modern {
        capabilities: String,
    },
    Sse {
        link: LinkKey,
        post_to: String,
    },
}

/// A client, for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(usize);

/// A request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    client: Client,
    /// Raw.
    pub(crate) id: String,
}

impl Client {
    fn add(world: &mut World, way: Way) -> Self {
        world.clients.push(ClientState {
            way,
            links: Vec::new(),
            idle: Vec::new(),
            next_id: 1,
            version: String::new(),
            answers: Vec::new(),
            inbox: VecDeque::new(),
            statuses: Vec::new(),
            last_status: None,
            last_challenge: None,
            meta: String::new(),
            fields: Vec::new(),
            token: None,
            query: String::new(),
        });
        Self(world.clients.len() - 1)
    }

    /// One that will speak to `/mcp`.
    pub(crate) fn http(world: &mut World) -> Self {
        Self::add(
            world,
            Way::Http {
                session: None,
                main: None,
            },
        )
    }

    /// The same client after a restart: it knows its session, and is not told what has happened.
    pub(crate) fn goes_on(self, before: &mut World, world: &mut World) -> Self {
        let Way::Http { session, .. } = &self.state(before).way else {
            panic!("only sessions on /mcp go on");
        };
        let way = Way::Http {
            session: session.clone(),
            main: None,
        };
        let client = Self::add(world, way);
        let old = self.state(before);
        let state = client.state(world);
        state.version.clone_from(&old.version);
        state.token.clone_from(&old.token);
        state.next_id = old.next_id;
        client
    }

    /// The one behind our own stdin.
    pub(crate) fn stdio(world: &mut World) -> Self {
        let link = world.new_link();
        world.input(Input::Stdio { link });
        Self::add(
            world,
            Way::Stdio {
                link,
                unread: Vec::new(),
            },
        )
    }

    /// One without a session on `/mcp`, that declares this with each request.
    pub(crate) fn modern(world: &mut World, capabilities: &str) -> Self {
        let capabilities = capabilities.to_owned();
        Self::add(world, Way::Modern { capabilities })
    }

    /// Says more in the `_meta` of each request: a raw member.
    pub(crate) fn says_of_itself(self, world: &mut World, member: &str) {
        self.state(world).meta = format!(",{member}");
    }

    /// Sends this access token with each request from now on.
    pub(crate) fn has_token(self, world: &mut World, token: &str) {
        self.state(world).token = Some(token.to_owned());
    }

    /// Asks with this query from now on.
    pub(crate) fn asks_for(self, world: &mut World, query: &str) {
        self.state(world).query = match query {
            "" => String::new(),
            query => format!("?{query}"),
        };
    }

    /// The path of its requests on `/mcp`.
    fn path(self, world: &mut World) -> String {
        format!("/mcp{}", self.state(world).query)
    }

    /// Adds a header field to each request.
    pub(crate) fn adds_field(self, world: &mut World, name: &'static str, value: &str) {
        self.state(world).fields.push((name, value.to_owned()));
    }

    /// Hangs up on everything that is not answered.
    pub(crate) fn hangs_up(self, world: &mut World) {
        for (link, _) in std::mem::take(&mut self.state(world).links) {
            world.input(Input::Broken { link });
        }
        world.rest();
    }

    /// The status of the last response.
    pub(crate) fn status(self, world: &mut World) -> Option<u16> {
        self.read(world);
        self.state(world).last_status
    }

    /// The `WWW-Authenticate` of the last response.
    pub(crate) fn challenge(self, world: &mut World) -> Option<String> {
        self.read(world);
        self.state(world).last_challenge.clone()
    }

    /// One on `/sse`.
    pub(crate) fn sse(world: &mut World) -> Self {
        Self::sse_with(world, None)
    }

    /// The same with an access token.
    pub(crate) fn sse_with(world: &mut World, token: Option<&str>) -> Self {
        Self::sse_at(world, "/sse", token)
    }

    /// The same with a query.
    pub(crate) fn sse_at(world: &mut World, path: &str, token: Option<&str>) -> Self {
        let link = world.connect();
        let client = Self::add(
            world,
            Way::Sse {
                link,
                post_to: String::new(),
            },
        );
        client.state(world).links.push((link, Response::default()));
        client.state(world).token = token.map(str::to_owned);
        let headers = client.headers(world, "text/event-stream");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        world.bytes(link, &http::request("GET", path, &headers, ""));
        client.read(world);
        let endpoint = client.state(world).inbox.pop_front().unwrap();
        client.state(world).way = Way::Sse {
            link,
            post_to: endpoint,
        };
        client
    }

    fn state(self, world: &mut World) -> &mut ClientState {
        &mut world.clients[self.0]
    }

    // --- saying ---

    /// `initialize`; the whole result.
    #[track_caller]
    pub(crate) fn initialize(self, world: &mut World, version: &str, capabilities: &str) -> Value {
        let call = self.begin(world, version, capabilities);
        if matches!(self.state(world).way, Way::Stdio { .. }) {
            // Servers start a moment later, in case the input has ended.
            world.advance(1);
        }
        call.result(world)
    }

    /// `initialize`, its answer not awaited.
    pub(crate) fn begin(self, world: &mut World, version: &str, capabilities: &str) -> Call {
        version.clone_into(&mut self.state(world).version);
        let params = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"t","version":"1"}}}}"#
        );
        self.request(world, "initialize", &params)
    }

    /// `notifications/initialized`.
    pub(crate) fn initialized(self, world: &mut World) {
        self.notes(world, "notifications/initialized", "{}");
    }

    /// Opens the GET stream.
    pub(crate) fn listen(self, world: &mut World) {
        let link = world.connect();
        self.state(world).links.push((link, Response::default()));
        let headers = self.headers(world, "text/event-stream");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let path = self.path(world);
        world.bytes(link, &http::request("GET", &path, &headers, ""));
        if let Way::Http { main, .. } = &mut self.state(world).way {
            *main = Some(link);
        }
    }

    /// A request with the next id.
    pub(crate) fn request(self, world: &mut World, method: &str, params: &str) -> Call {
        let state = self.state(world);
        let id = state.next_id.to_string();
        state.next_id += 1;
        self.request_as(world, &id, method, params)
    }

    /// A request with this raw id.
    pub(crate) fn request_as(
        self,
        world: &mut World,
        id: &str,
        method: &str,
        params: &str,
    ) -> Call {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.says(world, &text);
        Call {
            client: self,
            id: id.to_owned(),
        }
    }

    /// `tools/call`.
    pub(crate) fn call(self, world: &mut World, name: &str, arguments: &str) -> Call {
        let params = format!(r#"{{"name":{},"arguments":{arguments}}}"#, json!(name));
        self.request(world, "tools/call", &params)
    }

    /// A notification.
    pub(crate) fn notes(self, world: &mut World, method: &str, params: &str) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.says(world, &text);
    }

    /// Does not want an answer any more.
    pub(crate) fn cancels(self, world: &mut World, call: &Call) {
        let params = format!(r#"{{"requestId":{},"reason":"enough"}}"#, call.id);
        self.notes(world, "notifications/cancelled", &params);
    }

    /// Answers a question.
    pub(crate) fn answers(self, world: &mut World, ask: &Value, result: &str) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            ask["id"]
        );
        self.says(world, &text);
    }

    /// One message as it is.
    pub(crate) fn says(self, world: &mut World, text: &str) {
        match &self.state(world).way {
            Way::Stdio { link, .. } => {
                let link = *link;
                world.bytes(link, format!("{text}\n").as_bytes());
            }
            Way::Modern { .. } => self.posts_modern(world, text),
            Way::Sse { post_to, .. } => {
                let path = post_to.clone();
                self.posts(world, &path, text);
            }
            Way::Http { .. } => {
                let path = self.path(world);
                self.posts(world, &path, text);
            }
        }
        self.read(world);
    }

    fn posts(self, world: &mut World, path: &str, text: &str) {
        let mut idle = std::mem::take(&mut self.state(world).idle);
        // Those that were idle for too long are closed by now.
        idle.retain(|link| !world.peer(*link).closed);
        let link = idle.pop().unwrap_or_else(|| world.connect());
        self.state(world).idle = idle;
        self.state(world).links.push((link, Response::default()));
        let headers = self.headers(world, "application/json, text/event-stream");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        world.bytes(link, &http::request("POST", path, &headers, text));
    }

    /// A request without a session, with what it has to say of itself.
    fn posts_modern(self, world: &mut World, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        let method = message["method"].as_str().unwrap().to_owned();
        let state = self.state(world);
        let Way::Modern { capabilities } = &state.way else {
            unreachable!()
        };
        let text = described(text, capabilities, &state.meta);
        let mut headers = state.fields.clone();
        headers.extend([
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("MCP-Protocol-Version", "2026-07-28".to_owned()),
            ("Mcp-Method", method),
        ]);
        let name = ["name", "uri", "taskId"].into_iter();
        let mut name = name.filter_map(|name| message["params"][name].as_str());
        headers.extend(name.next().map(|name| ("Mcp-Name", name.to_owned())));
        headers.extend(self.authorization(world));
        let link = world.connect();
        self.state(world).links.push((link, Response::default()));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let path = self.path(world);
        world.bytes(link, &http::request("POST", &path, &headers, &text));
    }

    fn headers(self, world: &mut World, accept: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Accept", accept.to_owned())];
        headers.extend(self.authorization(world));
        let state = self.state(world);
        if let Way::Http {
            session: Some(session),
            ..
        } = &state.way
        {
            headers.push(("Mcp-Session-Id", session.clone()));
            headers.push(("MCP-Protocol-Version", state.version.clone()));
        }
        headers
    }

    fn authorization(self, world: &mut World) -> Option<(&'static str, String)> {
        let token = self.state(world).token.as_ref()?;
        Some(("Authorization", format!("Bearer {token}")))
    }

    /// Ends its session: DELETE, or the end of its channel.
    pub(crate) fn leaves(self, world: &mut World) {
        match &self.state(world).way {
            Way::Http { .. } => {
                let link = world.connect();
                let headers = self.headers(world, "*/*");
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
                world.bytes(link, &http::request("DELETE", "/mcp", &headers, ""));
            }
            Way::Stdio { link, .. } => {
                let link = *link;
                world.input(Input::Eof { link });
            }
            Way::Modern { .. } => self.hangs_up(world),
            Way::Sse { link, .. } => {
                let link = *link;
                world.input(Input::Broken { link });
            }
        }
        world.rest();
    }

    /// The link of its main stream, or its only one.
    pub(crate) fn link(self, world: &mut World) -> LinkKey {
        match &self.state(world).way {
            Way::Http { main, .. } => main.unwrap(),
            Way::Stdio { link, .. } | Way::Sse { link, .. } => *link,
            Way::Modern { .. } => panic!("it has none"),
        }
    }

    // --- hearing ---

    /// Reads everything that came.
    fn read(self, world: &mut World) {
        world.rest();
        let mut came = Vec::new();
        if let Way::Stdio { link, .. } = self.state(world).way {
            let bytes = std::mem::take(&mut world.peer(link).received);
            let Way::Stdio { unread, .. } = &mut self.state(world).way else {
                unreachable!()
            };
            unread.extend(bytes);
            if let Some(end) = unread.iter().rposition(|byte| *byte == b'\n') {
                let lines: Vec<u8> = unread.drain(..=end).collect();
                came.extend(String::from_utf8(lines).unwrap().lines().map(str::to_owned));
            }
        }
        for index in 0..self.state(world).links.len() {
            let link = self.state(world).links[index].0;
            let bytes = std::mem::take(&mut world.peer(link).received);
            let state = self.state(world);
            let response = &mut state.links[index].1;
            let messages = response.take(&bytes);
            if !bytes.is_empty() && response.status.is_some() {
                state.last_status = response.status;
                state.last_challenge = response.header("www-authenticate").map(str::to_owned);
            }
            if let (Some(id), Way::Http { session, .. }) =
                (response.header("mcp-session-id"), &mut state.way)
            {
                *session = Some(id.to_owned());
            }
            if response.done && messages.is_empty() && !response.is_stream() {
                state.statuses.push(response.status.unwrap());
            }
            came.extend(messages);
        }
        let state = self.state(world);
        let (over, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut state.links)
            .into_iter()
            .partition(|(_, response)| response.done);
        state.links = rest;
        state.idle.extend(
            over.into_iter()
                .filter(|(_, r)| r.reusable())
                .map(|(link, _)| link),
        );
        for message in came {
            match serde_json::from_str::<Value>(&message) {
                Ok(value) if value.get("method").is_none() => state.answers.push(message),
                Ok(_) | Err(_) => state.inbox.push_back(message),
            }
        }
    }

    /// The next message that is no answer, as it came.
    pub(crate) fn next_line(self, world: &mut World) -> Option<String> {
        self.read(world);
        self.state(world).inbox.pop_front()
    }

    /// The next message that is no answer.
    pub(crate) fn next(self, world: &mut World) -> Option<Value> {
        let line = self.next_line(world)?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next message must have this method.
    #[track_caller]
    pub(crate) fn expect(self, world: &mut World, method: &str) -> Value {
        let message = self
            .next(world)
            .unwrap_or_else(|| panic!("nothing came, wanted {method}"));
        assert_eq!(message["method"], method, "{message}");
        message
    }

    /// Nothing came but answers.
    #[track_caller]
    pub(crate) fn expect_nothing(self, world: &mut World) {
        assert_eq!(self.next(world), None);
    }

    /// Methods of all messages that came and are no answers.
    pub(crate) fn heard(self, world: &mut World) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(message) = self.next(world) {
            heard.push(message["method"].as_str().unwrap().to_owned());
        }
        heard
    }

    /// Forgets what came so far.
    pub(crate) fn clear(self, world: &mut World) {
        drop(self.heard(world));
    }

    /// Answers that nobody has looked at: there must be none at the end of most stories.
    pub(crate) fn unread_answers(self, world: &mut World) -> Vec<String> {
        self.read(world);
        self.state(world).answers.clone()
    }

    /// Statuses of responses that carried no message.
    pub(crate) fn statuses(self, world: &mut World) -> Vec<u16> {
        self.read(world);
        std::mem::take(&mut self.state(world).statuses)
    }

    // --- shorthands ---

    /// The offered keys of a list (`tools/list` and the like), all pages.
    #[track_caller]
    pub(crate) fn list(self, world: &mut World, method: &str) -> Vec<String> {
        let result = self.request(world, method, "{}").result(world);
        keys(method, &result)
    }
}

/// A message with the `_meta` of a modern one, in front of what `params` has. A `_meta` that it has
/// already is the test's own.
pub(crate) fn described(text: &str, capabilities: &str, more: &str) -> String {
    let meta = format!(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities},"io.modelcontextprotocol/clientInfo":{{"name":"t","version":"1"}}{more}"#
    );
    if text.contains(r#""_meta":{"#) {
        return text.replacen(r#""_meta":{"#, &format!(r#""_meta":{{{meta},"#), 1);
    }
    let text = text.replacen(
        r#""params":{"#,
        &format!(r#""params":{{"_meta":{{{meta}}},"#),
        1,
    );
    text.replacen("},}", "}}", 1)
}

/// The keys in the result of a list.
pub(crate) fn keys(method: &str, result: &Value) -> Vec<String> {
    let (member, key) = match method {
        "tools/list" => ("tools", "name"),
        "prompts/list" => ("prompts", "name"),
        "resources/list" => ("resources", "uri"),
        _ => ("resourceTemplates", "uriTemplate"),
    };
    let entries = result[member]
        .as_array()
        .unwrap_or_else(|| panic!("{result}"));
    entries
        .iter()
        .map(|entry| entry[key].as_str().unwrap().to_owned())
        .collect()
}

impl Call {
    /// The answer as it came; taken out.
    pub(crate) fn line(&self, world: &mut World) -> Option<String> {
        self.client.read(world);
        let wanted: Value = serde_json::from_str(&self.id).unwrap();
        let answers = &mut self.client.state(world).answers;
        let is_it = |line: &String| {
            serde_json::from_str::<Value>(line).is_ok_and(|answer| answer["id"] == wanted)
        };
        let place = answers.iter().position(is_it)?;
        Some(answers.remove(place))
    }

    /// No answer came yet.
    #[track_caller]
    pub(crate) fn pending(&self, world: &mut World) {
        assert_eq!(self.line(world), None);
    }

    /// The answer.
    #[track_caller]
    pub(crate) fn answer(&self, world: &mut World) -> Value {
        let line = self
            .line(world)
            .unwrap_or_else(|| panic!("no answer to {}", self.id));
        serde_json::from_str(&line).unwrap()
    }

    /// The result; an error fails the test.
    #[track_caller]
    pub(crate) fn result(&self, world: &mut World) -> Value {
        let answer = self.answer(world);
        assert!(answer.get("result").is_some(), "{answer}");
        answer["result"].clone()
    }

    /// Code and message of the error; a result fails the test.
    #[track_caller]
    pub(crate) fn error(&self, world: &mut World) -> (i64, String) {
        let answer = self.answer(world);
        let error = answer.get("error").unwrap_or_else(|| panic!("{answer}"));
        (
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().to_owned(),
        )
    }
}
