//! An MCP client over Streamable HTTP (2025-06-18), one connection for each request.

use serde_json::{Value, json};

use super::http::{Answer, Connection, request};

/// A session.
pub(crate) struct Client {
    port: u16,
    /// `/mcp`, with what it asks to see.
    target: String,
    headers: String,
    id: u64,
    /// What `initialize` answered.
    pub(crate) hello: Value,
}

const HEADERS: &str = "Content-Type: application/json\r\n\
                       Accept: application/json, text/event-stream\r\n";

/// The parameters of `initialize` for a client that can be asked nothing.
pub(crate) fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "e2e", "version": "1"},
    })
}

impl Client {
    #[track_caller]
    pub(crate) fn open(port: u16) -> Self {
        Self::open_at(port, "/mcp")
    }

    /// The same with a query behind the path.
    #[track_caller]
    pub(crate) fn open_at(port: u16, target: &str) -> Self {
        let mut client = Self {
            port,
            target: target.to_owned(),
            headers: HEADERS.to_owned(),
            id: 0,
            hello: Value::Null,
        };
        let message = client.message("initialize", &initialize());
        let answer = client.post(&message);
        assert_eq!(answer.status, 200, "{answer:?}");
        client.hello = answer.message()["result"].take();
        let session = answer.header("mcp-session-id").unwrap();
        client.headers =
            format!("{HEADERS}Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-06-18\r\n");
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&initialized.to_string()).status, 202);
        client
    }

    /// Speaks to another gateway from now on, as if nothing had happened.
    pub(crate) const fn turns_to(&mut self, port: u16) {
        self.port = port;
    }

    /// Ends the session; the status.
    #[track_caller]
    pub(crate) fn ends(&self) -> u16 {
        let bytes = request("DELETE /mcp", &self.headers, "");
        Connection::open(self.port).send(bytes).answer().status
    }

    /// Whether the session goes on.
    #[track_caller]
    pub(crate) fn goes_on(&self) -> bool {
        let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
        let answer = self.post(&ping.to_string());
        match answer.status {
            200 => true,
            404 => false,
            _ => panic!("{answer:?}"),
        }
    }

    /// The headers of a request of this session.
    pub(crate) fn headers(&self) -> &str {
        &self.headers
    }

    fn message(&mut self, method: &str, params: &Value) -> String {
        self.id += 1;
        json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).to_string()
    }

    fn bytes(&self, message: &str) -> Vec<u8> {
        request(&format!("POST {}", self.target), &self.headers, message)
    }

    /// Posts one message.
    #[track_caller]
    pub(crate) fn post(&self, message: &str) -> Answer {
        Connection::open(self.port)
            .send(self.bytes(message))
            .answer()
    }

    /// One request; the whole response.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let message = self.message(method, params);
        let answer = self.post(&message);
        assert_eq!(answer.status, 200, "{answer:?}");
        let response = answer.message();
        assert_eq!(response["id"], self.id, "{response}");
        response
    }

    /// The names of all tools.
    #[track_caller]
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let response = self.ask("tools/list", &json!({}));
        let tools = response["result"]["tools"].as_array().unwrap();
        let names = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    /// Whether a server offers tools now.
    #[track_caller]
    pub(crate) fn offers(&mut self, server: &str) -> bool {
        any_of(server, &self.tools())
    }

    /// Waits until the tools are as wanted, looking again whenever they have changed.
    #[track_caller]
    pub(crate) fn until(&mut self, events: &mut Events, wanted: impl Fn(&[String]) -> bool) {
        while !wanted(&self.tools()) {
            events.tools_changed();
        }
    }

    /// Calls a tool; the whole response.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool that runs for ten minutes and waits until it does: its first progress is there.
    #[track_caller]
    pub(crate) fn long_call(&mut self, server: &str) -> Events {
        let params = json!({
            "name": format!("{server}_1mcp_slow"),
            "arguments": {"ms": 600_000, "steps": 10_000},
            "_meta": {"progressToken": "p"},
        });
        let message = self.message("tools/call", &params);
        let bytes = self.bytes(&message);
        let mut connection = Connection::open(self.port);
        let answer = connection.send(bytes).stream();
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut events = Events(connection);
        events.wait_for("notifications/progress");
        events
    }

    /// Calls `echo` of a server and checks what comes back.
    #[track_caller]
    pub(crate) fn echo(&mut self, server: &str) {
        let text = format!("for {server}");
        let response = self.call(&format!("{server}_1mcp_echo"), &json!({"text": text}));
        assert_eq!(text_of(&response), text, "{response}");
    }

    /// Opens the stream for what belongs to no request.
    #[track_caller]
    pub(crate) fn listen(&self) -> Events {
        let headers = self.headers.replace("application/json, ", "");
        let target = &self.target;
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        let mut connection = Connection::open(self.port);
        let answer = connection.send(bytes).stream();
        assert_eq!(answer.status, 200, "{answer:?}");
        Events(connection)
    }
}

/// Whether there are tools of a server among these.
pub(crate) fn any_of(server: &str, tools: &[String]) -> bool {
    let prefix = format!("{server}_1mcp_");
    tools.iter().any(|name| name.starts_with(&prefix))
}

/// The text of a tool's answer.
#[track_caller]
pub(crate) fn text_of(response: &Value) -> &str {
    let text = response["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{response}"))
}

/// An open stream.
pub(crate) struct Events(Connection);

impl Events {
    /// Waits for a notification of this method.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, method: &str) -> Value {
        loop {
            let data = self.0.event();
            let message: Value = serde_json::from_str(&data).unwrap();
            if message["method"] == method {
                return message;
            }
        }
    }

    /// Waits for the response to the request whose stream this is.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Value {
        loop {
            let message: Value = serde_json::from_str(&self.0.event()).unwrap();
            if message["method"].is_null() {
                return message;
            }
        }
    }

    /// Waits until the tools have changed.
    #[track_caller]
    pub(crate) fn tools_changed(&mut self) {
        self.wait_for("notifications/tools/list_changed");
    }
}
