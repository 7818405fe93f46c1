//! An MCP client that starts the gateway itself and speaks over its stdin and stdout.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::mcp::initialize;
use super::program::{self, Beside};

/// A gateway in stdio mode.
pub(crate) struct Stdio {
    pub(crate) gateway: Beside,
    id: u64,
}

/// `1mcp serve --transport stdio`.
pub(crate) fn serve(dir: &Path, args: &[&str]) -> Command {
    let args = [&["serve", "--transport", "stdio"], args].concat();
    let mut command = program::command(dir, &args);
    command.arg("--config-dir").arg(dir);
    command
}

impl Stdio {
    /// Starts it and shakes hands.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let gateway = Beside::start(command);
        let mut client = Self { gateway, id: 0 };
        client.ask("initialize", &initialize());
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        let input = self.gateway.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
    }

    /// Sends a request; its id.
    pub(crate) fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.id += 1;
        let id = self.id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Waits for the answer to a request.
    #[track_caller]
    pub(crate) fn answer(&self, id: u64) -> Value {
        self.gateway.out.find("answer", |line| {
            let message: Value = serde_json::from_str(line).unwrap();
            (message["id"] == id && message["method"].is_null()).then_some(message)
        })
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)
    }

    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    }
}
