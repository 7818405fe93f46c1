//! Contract 2: what changes while we serve is taken up, without dropping a client; what is wrong
//! changes nothing.

use std::fs;

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::Gateway;
use crate::support::mcp::{Client, Events, any_of, text_of};
use crate::support::program::cli;

/// A gateway in front of the server `a`, a client, and its stream.
struct Scene {
    dir: Dir,
    gateway: Gateway,
    client: Client,
    events: Events,
}

impl Scene {
    fn new(args: &[&str]) -> Self {
        Self::with(args, fixture(&[]))
    }

    fn with(args: &[&str], entry: Value) -> Self {
        let dir = Dir::new();
        dir.servers(&[("a", entry)]);
        let gateway = Gateway::start(dir.path(), args);
        let mut client = Client::open(gateway.port);
        let mut events = client.listen();
        client.until(&mut events, |tools| any_of("a", tools));
        Self {
            dir,
            gateway,
            client,
            events,
        }
    }

    #[track_caller]
    fn until(&mut self, wanted: impl Fn(&[String]) -> bool) {
        self.client.until(&mut self.events, wanted);
    }

    /// The process that serves `a`, and how often it was asked so.
    #[track_caller]
    fn whoami(&mut self) -> Value {
        let response = self.client.call("a_1mcp_whoami", &json!({}));
        serde_json::from_str(text_of(&response)).unwrap()
    }
}

#[test]
fn contract_2_a_server_that_is_added_is_told_listed_and_usable() {
    let mut scene = Scene::new(&[]);
    let program = fixture(&[])["command"].as_str().unwrap().to_owned();
    cli(scene.dir.path(), &["mcp", "add", "b", "--", &program]).expect(0);
    scene.until(|tools| any_of("a", tools) && any_of("b", tools));
    scene.client.echo("b");
    // The other one was not touched.
    assert_eq!(scene.whoami()["count"], 1);
    assert_eq!(scene.whoami()["count"], 2);
    scene.gateway.stop();
}

#[test]
fn contract_2_a_server_that_is_removed_is_told_and_gone() {
    let mut scene = Scene::new(&[]);
    scene
        .dir
        .servers(&[("a", fixture(&[])), ("b", fixture(&[]))]);
    scene.until(|tools| any_of("b", tools));
    cli(scene.dir.path(), &["mcp", "remove", "b"]).expect(0);
    scene.until(|tools| any_of("a", tools) && !any_of("b", tools));
    let response = scene.client.call("b_1mcp_echo", &json!({"text": "x"}));
    assert_eq!(response["error"]["code"], -32602, "{response}");
    scene.client.echo("a");
    scene.gateway.stop();
}

#[test]
fn contract_2_calls_in_flight_of_a_removed_server_get_an_error() {
    let mut scene = Scene::new(&[]);
    let mut call = scene.client.long_call("a");
    scene.dir.servers(&[("b", fixture(&[]))]);
    let response = call.response();
    assert_eq!(response["error"]["code"], -32603, "{response}");
    scene.until(|tools| any_of("b", tools) && !any_of("a", tools));
    scene.gateway.stop();
}

#[test]
fn contract_2_a_changed_command_restarts_and_a_changed_tag_does_not() {
    let mut scene = Scene::new(&[]);
    let before = scene.whoami();
    let mut entry = fixture(&[]);
    entry["tags"] = json!(["x"]);
    entry["disabledTools"] = json!(["add"]);
    entry["toolDescriptionOverrides"] = json!({"echo": "Says it again."});
    scene.dir.servers(&[("a", entry.clone())]);
    scene.until(|tools| !tools.contains(&"a_1mcp_add".to_owned()));
    let list = scene.client.ask("tools/list", &json!({}));
    let tools = list["result"]["tools"].as_array().unwrap();
    let echo = tools
        .iter()
        .find(|tool| tool["name"] == "a_1mcp_echo")
        .unwrap();
    assert_eq!(echo["description"], "Says it again.");
    assert_eq!(scene.whoami()["pid"], before["pid"]);
    entry["args"] = json!(["--name", "another"]);
    scene.dir.servers(&[("a", entry)]);
    // Until the new process has come up, calls wait for it or are told that it is on its way.
    scene.gateway.log.containing("removed or replaced");
    let after = loop {
        let response = scene.client.call("a_1mcp_whoami", &json!({}));
        if response["error"].is_null() {
            break serde_json::from_str::<Value>(text_of(&response)).unwrap();
        }
        scene.events.tools_changed();
    };
    assert_eq!(after["name"], "another");
    assert_ne!(after["pid"], before["pid"]);
    scene.gateway.stop();
}

#[test]
fn contract_2_a_disabled_server_is_stopped_and_an_enabled_one_started() {
    let mut scene = Scene::new(&[]);
    let mut entry = fixture(&[]);
    entry["disabled"] = json!(true);
    scene.dir.servers(&[("a", entry)]);
    scene.until(|tools| tools.is_empty());
    scene.gateway.log.containing("server=a stopped");
    scene.dir.servers(&[("a", fixture(&[]))]);
    scene.until(|tools| any_of("a", tools));
    scene.client.echo("a");
    scene.gateway.stop();
}

#[test]
fn contract_2_garbage_changes_nothing_and_is_told_with_its_place() {
    let mut scene = Scene::new(&[]);
    let before = scene.whoami();
    scene
        .dir
        .replace("mcp.json", "{\"mcpServers\": {\n  nonsense");
    scene.gateway.log.containing("mcp.json: line 2, column 3: ");
    assert_eq!(scene.whoami()["pid"], before["pid"]);
    // Half a file, as an editor leaves it that does not rename.
    let whole = crate::support::dir::config(&[("a", fixture(&[])), ("b", fixture(&[]))]);
    fs::write(scene.dir.file("mcp.json"), &whole[..whole.len() - 10]).unwrap();
    fs::write(scene.dir.file("mcp.json"), &whole).unwrap();
    scene.until(|tools| any_of("b", tools));
    assert_eq!(scene.whoami()["pid"], before["pid"]);
    scene.gateway.stop();
}

#[test]
fn contract_2_a_file_that_vanishes_changes_nothing_until_it_is_back() {
    let mut scene = Scene::new(&[]);
    let before = scene.whoami();
    fs::remove_file(scene.dir.file("mcp.json")).unwrap();
    scene
        .dir
        .servers(&[("a", fixture(&[])), ("b", fixture(&[]))]);
    scene.until(|tools| any_of("b", tools));
    assert_eq!(scene.whoami()["pid"], before["pid"]);
    scene.gateway.stop();
}

#[test]
fn contract_2_a_changed_dot_env_is_a_changed_configuration() {
    let mut entry = fixture(&[]);
    entry["env"] = json!({"COLOUR": "${COLOUR:-none}"});
    let mut scene = Scene::with(&[], entry);
    let colour = |scene: &mut Scene| {
        let response = scene.client.call("a_1mcp_env", &json!({"name": "COLOUR"}));
        response["error"]
            .is_null()
            .then(|| text_of(&response).to_owned())
    };
    assert_eq!(colour(&mut scene).unwrap(), "none");
    scene.dir.replace(".env", "COLOUR=blue\n");
    scene.gateway.log.containing("removed or replaced");
    while colour(&mut scene).as_deref() != Some("blue") {
        scene.events.tools_changed();
    }
    scene.gateway.stop();
}

#[test]
fn contract_1_without_reload_nothing_is_taken_up_until_sighup() {
    let mut scene = Scene::new(&["--no-config-reload"]);
    scene
        .dir
        .servers(&[("a", fixture(&[])), ("b", fixture(&[]))]);
    // What is not done cannot be awaited: the watch would have seen this, and had its say, by the
    // time several times its pause has gone by.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!scene.client.offers("b"));
    scene.gateway.process.signal("HUP");
    scene.until(|tools| any_of("b", tools));
    scene.gateway.stop();
}

#[test]
fn contract_2_saving_through_a_symlink_is_seen() {
    let dotfiles = Dir::new();
    let dir = Dir::new();
    dotfiles.servers(&[("a", fixture(&[]))]);
    std::os::unix::fs::symlink(dotfiles.file("mcp.json"), dir.file("mcp.json")).unwrap();
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    let mut events = client.listen();
    client.until(&mut events, |tools| any_of("a", tools));
    dotfiles.servers(&[("b", fixture(&[]))]);
    client.until(&mut events, |tools| {
        any_of("b", tools) && !any_of("a", tools)
    });
    gateway.stop();
}
