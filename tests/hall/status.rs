//! What is told on an instance's own socket (contract 1, `mcp status`).

use onemcp::input::{ExitStatus, Input};
use onemcp::instance::survey::{Lists, ToolSurvey};
use onemcp::limits::{INSTANCE_MS_MAX, STDERR_LINES_BRIEF, TOOL_TEXT_BYTES_MAX, TOOLS_SHOWN_MAX};
use onemcp::links::LinkKey;
use serde_json::{Value, json};

use crate::server::{anything, prompt, resource, template, tool, tools};
use crate::world::{World, entry};

/// Asks; the answer, if there is one.
fn ask(world: &mut World, question: &[u8]) -> (LinkKey, Value) {
    let link = world.new_link();
    world.input(Input::Instance { link });
    world.bytes(link, question);
    let received = std::mem::take(&mut world.peer(link).received);
    assert!(received.ends_with(b"\n"), "{}", received.escape_ascii());
    (link, serde_json::from_slice(&received).unwrap())
}

fn status(world: &mut World) -> Value {
    let (link, answer) = ask(world, b"status\n");
    assert!(world.peer(link).closed);
    answer
}

fn server(document: &Value, name: &str) -> Value {
    let servers = document["servers"].as_array().unwrap();
    let mut named = servers.iter().filter(|server| server["name"] == name);
    named.next().unwrap().clone()
}

#[test]
fn contract_1_each_server_is_told_as_it_is() {
    let full = anything()
        .with("tools", [tool("t"), tool("u")])
        .with("prompts", [prompt("p")])
        .with("resources", [resource("r:1")])
        .with("resourceTemplates", [template("r:{x}")]);
    let mut slow = anything();
    slow.mute = true;
    let mut w = World::http()
        .settings(|settings| {
            settings.instance.pid = 7;
            settings.instance.url = Some("http://127.0.0.1:1/mcp".to_owned());
            settings.instance.config_file = "/c/mcp.json".to_owned();
        })
        .server_with("full", r#""disabledTools":["u"]"#, full)
        .server("slow", slow)
        .server_with("off", r#""disabled":true"#, anything())
        .server_with("fault", r#""args":["${NOT_SET}"]"#, anything())
        .start();
    w.client("{}");
    let told = status(&mut w);
    assert_eq!((&told["pid"], &told["sessions"]), (&json!(7), &json!(1)));
    assert_eq!(told["url"], "http://127.0.0.1:1/mcp");
    assert_eq!(told["configFile"], "/c/mcp.json");
    let full = server(&told, "full");
    assert_eq!(full["state"], "ready");
    let counts = ["tools", "prompts", "resources"].map(|key| full[key].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 2]);
    assert_eq!(full["protocolVersion"], "2025-11-25");
    assert_eq!(server(&told, "slow")["state"], "starting");
    assert_eq!(server(&told, "off")["state"], "disabled");
    let fault = server(&told, "fault");
    assert_eq!(fault["state"], "fault");
    assert!(fault["why"].as_str().unwrap().contains("NOT_SET"));
    // What is left out changes with the file.
    w.configure(&[entry("full", ""), entry("off", "")]);
    w.advance(300);
    assert_eq!(status(&mut w)["servers"].as_array().unwrap().len(), 2);
}

#[test]
fn contract_1_a_server_that_ended_is_told_with_its_last_words() {
    let mut w = World::http().server("a", tools(["t"])).start();
    let child = w.server("a");
    let pool = w.children[0].pool;
    let lines: String = (0..30).map(|line| format!("line {line}\n")).collect();
    w.input(Input::Stderr {
        pool,
        bytes: lines.as_bytes(),
    });
    assert!(child.alive(&w));
    w.script("a").mute = true;
    w.end_child(0, ExitStatus::Code(3));
    w.rest();
    let (_, told) = ask(&mut w, b"status a\n");
    let one = server(&told, "a");
    assert_eq!(one["state"], "restarting");
    assert!(one["retryInMs"].as_u64().unwrap() > 0);
    assert!(one["why"].as_str().unwrap().contains("exit code 3"));
    assert_eq!(one["stderr"].as_array().unwrap().len(), 30);
    let brief = server(&status(&mut w), "a");
    let lines = brief["stderr"].as_array().unwrap();
    assert_eq!(lines.len(), STDERR_LINES_BRIEF);
    assert_eq!(lines[STDERR_LINES_BRIEF - 1], "line 29");
    let (_, nobody) = ask(&mut w, b"status nobody\n");
    assert_eq!(nobody["servers"], json!([]));
    let (_, refused) = ask(&mut w, b"stop\n");
    assert!(refused["error"].is_string());
}

#[test]
fn contract_1_before_initialize_the_servers_of_a_stdio_instance_wait() {
    let mut w = World::stdio().server("a", tools(["t"])).start();
    let client = w.stdin();
    let told = status(&mut w);
    assert_eq!(told["transport"], "stdio");
    assert_eq!(server(&told, "a")["state"], "waiting");
    client.initialize(&mut w, "2025-11-25", "{}");
    w.advance(300);
    assert_eq!(server(&status(&mut w), "a")["state"], "ready");
}

#[test]
fn a_silent_peer_is_dropped_and_nothing_of_it_stays() {
    let mut w = World::http().server("a", tools(["t"])).start();
    let before = w.counts();
    let link = w.new_link();
    w.input(Input::Instance { link });
    w.bytes(link, b"stat");
    assert!(!w.peer(link).closed);
    w.advance(INSTANCE_MS_MAX);
    assert!(w.peer(link).closed);
    // Nobody reads the answer either.
    let deaf = w.new_link();
    w.input(Input::Instance { link: deaf });
    w.peer(deaf).stalled = true;
    w.bytes(deaf, b"status\n");
    assert!(w.unsent(deaf) > 0);
    w.advance(INSTANCE_MS_MAX);
    assert!(w.peer(deaf).closed);
    assert_eq!(w.counts(), before);
}

#[test]
fn a_survey_says_whether_lists_are_there_and_which_is_not() {
    let lists = |world: &mut World| world.survey().servers.remove(0).lists;
    let mut w = World::http().server("a", tools(["t"])).start();
    assert_eq!(lists(&mut w), Lists::Whole);
    let tools_of = w.tools_of("a");
    assert_eq!((tools_of.len(), tools_of[0].offered), (1, true));
    assert_eq!(w.tools_of("nobody"), []);
    let late = tools(["t"]).manual("tools/list");
    let mut w = World::http().server("a", late).start();
    assert_eq!(lists(&mut w), Lists::Awaited);
    let asked = w.server("a").expect(&mut w, "tools/list");
    asked.error(&mut w, r#"{"code":-32000,"message":"no"}"#);
    assert_eq!(lists(&mut w), Lists::Refused("tools/list"));
}

#[test]
fn tools_shown_max_and_tool_text_bytes_max_bound_what_a_person_is_shown() {
    let long = "é".repeat(TOOL_TEXT_BYTES_MAX);
    let entries = 0..=TOOLS_SHOWN_MAX;
    let entries = entries.map(|n| format!(r#"{{"name":"t{n}","description":"{long}"}}"#));
    let mut many = tools([]);
    many.lists.insert("tools", vec![entries.collect()]);
    let mut w = World::http().server("a", many).start();
    let shown = w.tools_of("a");
    assert_eq!(shown.len(), TOOLS_SHOWN_MAX);
    let fits = |tool: &ToolSurvey| tool.description.len() <= TOOL_TEXT_BYTES_MAX;
    assert!(shown.iter().all(fits) && shown[0].description.starts_with('é'));
    assert_eq!(w.survey().servers[0].tools, Some(TOOLS_SHOWN_MAX + 1));
}

#[test]
fn contract_3_a_remote_that_is_ourselves_is_refused_and_told_so() {
    let remote = |name: &str, url: &str| {
        format!(r#""{name}":{{"url":"{url}","headers":{{"Authorization":"Bearer s3cret"}}}}"#)
    };
    let mut w = World::http()
        .settings(|settings| settings.external_url = Some("https://mcp.example.com".to_owned()))
        .server("full", tools(["t"]))
        .start();
    let entries = [
        entry("full", ""),
        remote("self", "http://localhost:3050/mcp?key=s3cret"),
        remote("outside", "https://mcp.example.com/sse"),
        remote("other", "https://h.example/mcp?key=s3cret"),
    ];
    w.configure(&entries);
    let told = status(&mut w);
    for name in ["self", "outside"] {
        let server = server(&told, name);
        assert_eq!(server["state"], "fault");
        let why = server["why"].as_str().unwrap();
        assert!(why.contains("leads to this 1mcp itself"), "{why}");
    }
    let other = server(&told, "other");
    // Nobody is there.
    assert_eq!(other["state"], "restarting");
    assert_eq!(other["url"], "https://h.example/mcp?***");
    assert!(!told.to_string().contains("s3cret"), "{told}");
    assert_eq!(server(&told, "full").get("url"), None);
    let a = w.client("{}");
    let (code, message) = a.call(&mut w, "self_1mcp_t", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("server self failed: its URL leads"),
        "{message}"
    );
    // The same configuration again changes nothing.
    let before = w.log.len();
    w.configure(&entries);
    let news = w.log[before..].iter();
    assert_eq!(news.filter(|line| line.contains("self")).count(), 0);
}
