//! The fixture on a pipe.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::checked::Checked;

/// How long anything may take on a busy machine.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// The fixture program, which cargo builds beside the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    profile.join("examples/fixture")
}

/// `_meta` of a request of 2026-07-28 whose client declares these capabilities.
pub(crate) fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

/// A running fixture and what it said.
pub(crate) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    checked: Checked,
    asked: BTreeMap<u64, Value>,
    id: u64,
    /// What was read past while something else was waited for.
    skipped: Vec<Value>,
}

impl Pipe {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { return };
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            checked: Checked::new(),
            asked: BTreeMap::new(),
            id: 0,
            skipped: Vec::new(),
        }
    }

    /// Sends a message as it is.
    pub(crate) fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    /// Sends a request; its id.
    pub(crate) fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        self.send(&request);
        self.asked.insert(self.id, request);
        self.id
    }

    /// The next message, checked.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        if !self.skipped.is_empty() {
            return self.skipped.remove(0);
        }
        self.read()
    }

    #[track_caller]
    fn read(&self) -> Value {
        let message = self.lines.recv_timeout(WAIT).unwrap();
        let id = message["id"]
            .as_u64()
            .filter(|_| message["method"].is_null());
        let asked = id.and_then(|id| self.asked.get(&id));
        let about = asked.map_or(&message, |asked| asked);
        let told = about["params"]["_meta"].as_object();
        let modern = told.is_some_and(|meta| {
            meta.keys()
                .any(|key| key.ends_with("/protocolVersion") || key.ends_with("/subscriptionId"))
        }) || self
            .asked
            .values()
            .all(|asked| asked["method"] != "initialize");
        self.checked.message(&message, asked, modern);
        message
    }

    /// The next message whatever it is.
    #[track_caller]
    pub(crate) fn unchecked(&mut self) -> Value {
        self.lines.recv_timeout(WAIT).unwrap()
    }

    /// The answer to a request; what comes before it is kept for `next`.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        let is_it = |message: &Value| message["id"] == id && message["method"].is_null();
        if let Some(at) = self.skipped.iter().position(is_it) {
            return self.skipped.remove(at);
        }
        loop {
            let message = self.read();
            if is_it(&message) {
                return message;
            }
            self.skipped.push(message);
        }
    }

    /// Sends a request as it is and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)
    }

    /// A request of 2026-07-28 by a client of these capabilities.
    #[track_caller]
    pub(crate) fn modern(&mut self, method: &str, mut params: Value, can: &Value) -> Value {
        params["_meta"] = meta(can);
        self.ask(method, &params)
    }

    /// Calls a tool in the newer revision; the result, or the error.
    #[track_caller]
    pub(crate) fn call(&mut self, name: &str, arguments: &Value, can: &Value) -> Value {
        let params = json!({"name": name, "arguments": arguments});
        let answer = self.modern("tools/call", params, can);
        answer
            .get("result")
            .or(answer.get("error"))
            .unwrap()
            .clone()
    }

    /// Shakes hands at 2025-11-25; the result.
    #[track_caller]
    pub(crate) fn initialize(&mut self, can: &Value) -> Value {
        let info = json!({"name": "wire", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": info});
        let answer = self.ask("initialize", &params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    /// Closes the input and collects what is still said.
    #[track_caller]
    pub(crate) fn close(mut self) -> Vec<Value> {
        drop(self.input.take());
        let mut last = std::mem::take(&mut self.skipped);
        while let Ok(message) = self.lines.recv_timeout(WAIT) {
            last.push(message);
        }
        assert!(self.child.wait().unwrap().success());
        last
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        drop(self.input.take());
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
