//! Contract 4: presets. The commands of `1mcp preset`, what `serve` makes of the file, and clients
//! that see by it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::{Gateway, serve};
use crate::support::http::{Connection, request};
use crate::support::mcp::{Client, Events, any_of, initialize};
use crate::support::program::{Ended, cli, cli_in_turn, failing, run};
use crate::support::stdio;

/// Servers `web`, `db` and `bare` (which has no tags) that work.
fn three() -> Dir {
    let dir = Dir::new();
    let tagged = |tags: Value| {
        let mut entry = fixture(&[]);
        entry["tags"] = tags;
        entry
    };
    dir.servers(&[
        ("web", tagged(json!(["web", "Work"]))),
        ("db", tagged(json!(["db", "work"]))),
        ("bare", fixture(&[])),
    ]);
    dir
}

#[track_caller]
fn preset(dir: &Dir, args: &[&str]) -> Ended {
    cli(dir.path(), &[&["preset"], args].concat())
}

fn file(dir: &Dir) -> Value {
    serde_json::from_str(&dir.read("presets.json")).unwrap()
}

#[test]
fn contract_4_a_preset_from_its_making_to_its_end() {
    let dir = three();
    preset(&dir, &["list"]).expect(0);
    assert!(!fs::exists(dir.file("presets.json")).unwrap());
    let about = ["--description", "At home"];
    let made = preset(
        &dir,
        &[&["create", "home", "-f", "web, DB"], &about[..]].concat(),
    );
    assert!(
        made.expect(0).out().ends_with("presets.json: web or db\n"),
        "{made:?}"
    );
    let mode = fs::metadata(dir.file("presets.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = file(&dir);
    assert_eq!(written["version"], "1.0.0");
    let entry = &written["presets"]["home"];
    let query = json!({"$or": [{"tag": "web"}, {"tag": "db"}]});
    assert_eq!(
        (&entry["strategy"], &entry["tagQuery"]),
        (&json!("or"), &query)
    );
    assert_eq!(entry["created"], entry["lastModified"]);
    preset(&dir, &["create", "rest", "--filter", "not work"]).expect(0);
    let listed = preset(&dir, &["list", "--json"]).json();
    assert_eq!(
        listed["presets"],
        json!([
            {"name": "home", "description": "At home", "filter": "web or db", "strategy": "or",
             "tagQuery": query, "servers": ["web", "db"]},
            {"name": "rest", "filter": "not work", "strategy": "advanced",
             "tagQuery": {"$not": {"tag": "work"}}, "servers": ["bare"]},
        ])
    );
    let listed = preset(&dir, &["list"]);
    let first = listed.out().lines().nth(1).unwrap();
    let words: Vec<&str> = first.split_whitespace().collect();
    assert_eq!(words, ["home", "2", "web", "or", "db", "At", "home"]);
    let shown = preset(&dir, &["show", "home"]);
    assert!(
        shown.out().contains("\nservers:     web, db\n"),
        "{shown:?}"
    );
    assert_eq!(
        preset(&dir, &["show", "rest", "--json"]).json()["servers"],
        json!(["bare"])
    );
    preset(&dir, &["edit", "home", "--filter", "work and web"]).expect(0);
    let entry = &file(&dir)["presets"]["home"];
    assert_eq!(
        (&entry["strategy"], &entry["description"]),
        (&json!("and"), &json!("At home"))
    );
    let same = preset(&dir, &["edit", "home", "-f", "Work + web", "--json"]).json();
    assert_eq!(
        (&same["changed"], &same["keys"]),
        (&json!(false), &json!([]))
    );
    let changed = preset(&dir, &["edit", "home", "--description", "", "--json"]).json();
    assert_eq!(changed["keys"], json!(["description"]));
    assert_eq!(file(&dir)["presets"]["home"]["description"], Value::Null);
    // Asked only where somebody can be asked.
    let asked = preset(&dir, &["delete", "home"]);
    assert!(asked.expect(2).err.contains("--yes says yes"), "{asked:?}");
    let gone = preset(&dir, &["delete", "home", "--yes", "--json"]).json();
    assert_eq!(
        (&gone["action"], &gone["name"]),
        (&json!("delete"), &json!("home"))
    );
    let kept = fs::read_to_string(gone["backup"].as_str().unwrap()).unwrap();
    assert!(kept.contains("\"home\""), "{kept}");
    assert_eq!(file(&dir)["presets"].as_object().unwrap().len(), 1);
}

#[test]
fn contract_4_what_a_filter_admits_is_tried_before_it_is_used() {
    let dir = three();
    preset(&dir, &["create", "work", "--filter", "work"]).expect(0);
    for (args, admitted) in [
        (&["test", "work"][..], "web db"),
        (&["test", "--filter", "-work"], "bare"),
        (&["test", "-f", "WEB|(db + !work)"], "web"),
        (&["test", "-f", "bare"], ""),
    ] {
        let ended = preset(&dir, args);
        assert_eq!(
            ended.code,
            Some(if admitted.is_empty() { 3 } else { 0 }),
            "{ended:?}"
        );
        let rows = ended.out().lines().skip(1);
        let rows = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
        let names: Vec<&str> = rows
            .filter(|row| row[1] == "yes")
            .map(|row| row[0])
            .collect();
        assert_eq!(names.join(" "), admitted, "{args:?}");
        let document = preset(&dir, &[args, &["--json"]].concat()).json();
        let servers = document["servers"].as_array().unwrap();
        assert_eq!(servers.len(), 3);
        let admitted_of = |server: &&Value| server["admitted"] == true;
        assert_eq!(servers.iter().filter(admitted_of).count(), names.len());
    }
    let unfit = preset(&dir, &["create", "none", "-f", "wbe"]);
    assert!(
        unfit
            .expect(0)
            .err
            .contains("no configured server fits none now"),
        "{unfit:?}"
    );
}

#[test]
fn contract_4_wrong_usage_says_what_was_meant() {
    let dir = three();
    preset(&dir, &["create", "dev", "--filter", "web"]).expect(0);
    let before = dir.read("presets.json");
    for (args, code, says) in [
        (&["create", "dev", "-f", "db"][..], 1, "--force replaces it"),
        (&["create", "a b", "-f", "db"], 2, "A-Z a-z 0-9 _ and -"),
        (&["create", "x"], 2, "needs --filter EXPR"),
        (&["create"], 2, "needs the name of a preset"),
        (&["create", "x", "y", "-f", "db"], 2, "takes one name"),
        (&["create", "x", "-f", "web and"], 2, "(position 8: "),
        (&["create", "x", "-f", ""], 2, "(position 1: "),
        (&["edit", "dev"], 2, "needs what is to change"),
        (&["edit", "dve", "-f", "db"], 3, "did you mean dev?"),
        (&["edit", "dev", "-f", "(db"], 2, "(position 4: "),
        (&["show", "dve"], 3, "did you mean dev?"),
        (&["url", "dve"], 3, "did you mean dev?"),
        (&["test", "dve"], 3, "did you mean dev?"),
        (&["test", "dev", "-f", "db"], 2, "not both"),
        (&["test"], 2, "needs the name of a preset"),
        (&["delete", "dve", "--yes"], 3, "did you mean dev?"),
        (&["lst"], 2, "did you mean list?"),
        (&[], 2, "preset needs one of create, list"),
    ] {
        let ended = preset(&dir, args);
        assert!(ended.expect(code).err.contains(says), "{ended:?}");
        assert_eq!(dir.read("presets.json"), before, "{args:?}");
    }
    let none = Dir::new();
    for command in ["edit", "show", "url", "test", "delete"] {
        let more: &[&str] = match command {
            "edit" => &["-f", "a"],
            "delete" => &["--yes"],
            _ => &[],
        };
        preset(&none, &[&[command, "dev"], more].concat()).expect(3);
    }
    assert!(!fs::exists(none.file("presets.json")).unwrap());
    preset(&dir, &["create", "dev", "-f", "db", "--force"]).expect(0);
    assert_eq!(
        file(&dir)["presets"]["dev"]["tagQuery"],
        json!({"tag": "db"})
    );
}

/// As a person writes it; `@` is the query, `^` the time of the last change.
const ODD: &str = "\u{feff}// mine\r\n{ \"presets\" : {\r\n\t/* one */ \"dev\":{ \
                   \"lastModified\":^ ,\"tagQuery\" :@ , \"strategy\": \"advanced\", // why\r\n \
                   \"mine\": [1 ,2], }, \"bad\": 7,\r\n},\"version\": 3, }";

#[test]
fn contract_4_an_edit_changes_the_bytes_it_must() {
    let dir = three();
    let before = ODD
        .replace('@', r#"{"$advanced": "web , db"}"#)
        .replace('^', "0");
    dir.write("presets.json", &before);
    let listed = preset(&dir, &["list"]);
    let complaint = "presets.json: line 4, column 28: preset \"bad\" is left out: ";
    assert!(listed.expect(0).err.contains(complaint), "{listed:?}");
    assert!(
        preset(&dir, &["show", "bad"])
            .expect(1)
            .err
            .contains("line 4, column 28: ")
    );
    preset(&dir, &["edit", "dev", "-f", "db or web"]).expect(0);
    preset(&dir, &["edit", "dev", "-f", "!(a,b)"]).expect(0);
    let after = dir.read("presets.json");
    let (_, rest) = after.split_once("\"lastModified\":").unwrap();
    let (time, _) = rest.split_once(" ,").unwrap();
    let expected = ODD
        .replace('@', r#"{"$not": {"$or": [{"tag": "a"}, {"tag": "b"}]}}"#)
        .replace('^', time);
    assert_eq!(after, expected);
    preset(&dir, &["delete", "bad", "-y"]).expect(0);
    assert_eq!(
        dir.read("presets.json"),
        expected.replace(" \"bad\": 7,", "")
    );
    for broken in ["{\n  nonsense", "{\"presets\": [\n]}"] {
        dir.write("presets.json", broken);
        for args in [
            &["create", "x", "-f", "a"][..],
            &["edit", "dev", "-f", "a"],
            &["delete", "dev", "--yes"],
            &["list"],
            &["show", "dev"],
        ] {
            let ended = preset(&dir, args);
            assert!(
                ended.expect(1).err.contains("presets.json: line "),
                "{ended:?}"
            );
        }
        assert_eq!(dir.read("presets.json"), broken);
    }
}

#[test]
fn contract_4_of_twenty_at_once_none_is_lost() {
    let dir = three();
    let threads: Vec<_> = (0..20)
        .map(|number| {
            let path = dir.path().to_owned();
            thread::spawn(move || {
                let name = format!("p{number}");
                cli_in_turn(&path, &["preset", "create", &name, "-f", "work"]).expect(0);
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(file(&dir)["presets"].as_object().unwrap().len(), 20);
}

#[test]
fn contract_4_whatever_operation_fails_the_file_is_the_old_or_the_new_one() {
    let config = ["--config-dir", "."];
    let prepare = || {
        let dir = three();
        preset(&dir, &["create", "dev", "-f", "web"]).expect(0);
        dir
    };
    for number in 1..400 {
        let dir = prepare();
        let before = dir.read("presets.json");
        let args = [&["preset", "edit", "dev", "--filter", "db"], &config[..]].concat();
        let mut command = failing(dir.path(), &format!("{number}:EIO"), &args);
        let ended = run(command.current_dir(dir.path()));
        let failed = ended.err.contains("failpoint:");
        let after = dir.read("presets.json");
        if after != before {
            assert_eq!(
                file(&dir)["presets"]["dev"]["tagQuery"],
                json!({"tag": "db"}),
                "{number}"
            );
        }
        preset(&dir, &["edit", "dev", "--filter", "db"]).expect(0);
        assert_eq!(
            file(&dir)["presets"]["dev"]["tagQuery"],
            json!({"tag": "db"}),
            "{number}"
        );
        if !failed {
            assert!(number > 5, "the failures are not built in: {ended:?}");
            return;
        }
    }
    panic!("there is no end of operations");
}

#[test]
fn contract_4_serve_needs_the_preset_that_it_is_to_serve() {
    let dir = three();
    let ended = |args: &[&str]| run(&mut serve(dir.path(), args));
    let missing = ended(&["--preset", "dev"]);
    assert!(
        missing.expect(1).err.contains("no preset dev in /"),
        "{missing:?}"
    );
    preset(&dir, &["create", "home", "-f", "web"]).expect(0);
    let missing = ended(&["--preset", "dev"]);
    assert!(
        missing
            .expect(1)
            .err
            .ends_with("presets.json: it has home\n"),
        "{missing:?}"
    );
    let over_stdio = run(&mut stdio::serve(dir.path(), &["--preset", "dev"]));
    assert!(
        over_stdio.expect(1).err.contains("it has home"),
        "{over_stdio:?}"
    );
    dir.write("presets.json", "{\n  \"presets\": }");
    let broken = ended(&["--preset", "home"]);
    assert!(
        broken
            .expect(1)
            .err
            .contains("presets.json: line 2, column 14: "),
        "{broken:?}"
    );
    for (args, says) in [
        (&["--filter", "a and"][..], "--filter must be an expression"),
        (&["--tag-filter", "a b"], "(position 3: "),
        (&["-f", "&"], "(position 1: "),
        (&["--preset", "a/b"], "must be the name of a preset"),
    ] {
        assert!(ended(args).expect(2).err.contains(says), "{args:?}");
        let over_stdio = run(&mut stdio::serve(dir.path(), args));
        assert!(over_stdio.expect(2).err.contains(says), "{over_stdio:?}");
    }
    let variable = run(serve(dir.path(), &[]).env("ONE_MCP_FILTER", "a and"));
    assert!(
        variable.expect(2).err.contains("ONE_MCP_FILTER must be"),
        "{variable:?}"
    );
    // Nobody needs a preset: it serves, and says what is wrong.
    let gateway = Gateway::start(dir.path(), &[]);
    gateway
        .log
        .containing("line 2, column 14: expected a value; there are no presets");
    gateway.stop();
}

/// A client with a query, and its stream.
struct Seeing {
    client: Client,
    events: Events,
}

impl Seeing {
    fn open(gateway: &Gateway, target: &str) -> Self {
        let client = Client::open_at(gateway.port, target);
        let events = client.listen();
        Self { client, events }
    }

    /// Waits until it sees the tools of these servers and of no others.
    #[track_caller]
    fn until(&mut self, servers: &[&str]) {
        self.client.until(&mut self.events, |tools| {
            let sees = |server: &&str| any_of(server, tools);
            ["web", "db", "bare"]
                .iter()
                .all(|server| sees(server) == servers.contains(server))
        });
    }

    /// Whether a server answers a call by name.
    #[track_caller]
    fn reaches(&mut self, server: &str) -> bool {
        let tool = format!("{server}_1mcp_echo");
        let response = self.client.call(&tool, &json!({"text": "x"}));
        let error = &response["error"];
        assert!(error.is_null() || error["code"] == -32602, "{response}");
        error.is_null()
    }
}

/// What a first request on this path is answered with.
fn hello(gateway: &Gateway, target: &str) -> (u16, Value) {
    let message =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize()});
    let headers = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let bytes = request(&format!("POST {target}"), headers, message.to_string());
    let answer = Connection::open(gateway.port).send(bytes).answer();
    (answer.status, answer.message())
}

#[test]
fn contract_4_a_client_sees_by_a_preset_and_follows_its_changes() {
    let dir = three();
    let gateway = Gateway::start(dir.path(), &[]);
    let (status, refused) = hello(&gateway, "/mcp?preset=desk");
    assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32600)));
    preset(&dir, &["create", "desk", "--filter", "web"]).expect(0);
    gateway.log.containing("configuration read again");
    let told = preset(&dir, &["url", "desk", "--json"]).json();
    assert_eq!(told["running"], true);
    let url = format!("http://127.0.0.1:{}/mcp?preset=desk", gateway.port);
    assert_eq!(told["url"], url);
    let plain = preset(&dir, &["url", "desk"]);
    assert_eq!(
        (plain.out(), plain.err.as_str()),
        (&*format!("{url}\n"), "")
    );
    let mut desk = Seeing::open(&gateway, "/mcp?preset=desk");
    let mut all = Seeing::open(&gateway, "/mcp");
    all.until(&["web", "db", "bare"]);
    desk.until(&["web"]);
    assert!(desk.reaches("web") && !desk.reaches("db"));
    // A session that is open follows, without another request of its own.
    preset(&dir, &["create", "other", "--filter", "db"]).expect(0);
    preset(&dir, &["edit", "desk", "--filter", "work"]).expect(0);
    desk.events.tools_changed();
    desk.until(&["web", "db"]);
    assert!(desk.reaches("db") && !desk.reaches("bare"));
    Seeing::open(&gateway, "/mcp?preset=other").until(&["db"]);
    // A file that nobody can read changes nothing.
    let good = dir.read("presets.json");
    dir.replace("presets.json", "{\n  nonsense");
    gateway.log.containing("presets.json: line 2, column 3: ");
    assert!(desk.reaches("db") && !desk.reaches("bare"));
    dir.replace("presets.json", good);
    preset(&dir, &["delete", "desk", "--yes"]).expect(0);
    desk.events.tools_changed();
    desk.until(&[]);
    assert!(!desk.reaches("db"));
    assert_eq!(hello(&gateway, "/mcp?preset=desk").0, 400);
    assert!(all.reaches("web") && all.reaches("db") && all.reaches("bare"));
    gateway.stop();
}

#[test]
fn contract_4_what_serve_leaves_out_is_not_started_and_no_query_brings_it_back() {
    let dir = three();
    preset(&dir, &["create", "desk", "--filter", "work"]).expect(0);
    let bounds = ["--preset", "desk", "--filter", "not db"];
    let gateway = Gateway::start(dir.path(), &bounds);
    let mut client = Seeing::open(&gateway, "/mcp?filter=db,web,bare");
    client.until(&["web"]);
    assert!(!client.reaches("db") && !client.reaches("bare"));
    let states = || {
        let status = cli(dir.path(), &["mcp", "status", "--json"]).json();
        let servers = status["instances"][0]["servers"].as_array().cloned();
        let servers = servers.unwrap_or_else(|| status["servers"].as_array().unwrap().clone());
        servers
            .iter()
            .map(|server| server["state"].to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(states(), r#""ready" "unselected" "unselected""#);
    preset(&dir, &["edit", "desk", "--filter", "not nothing"]).expect(0);
    let mut all = Seeing::open(&gateway, "/mcp");
    all.until(&["web", "bare"]);
    assert_eq!(states(), r#""ready" "unselected" "ready""#);
    // The preset that it is to serve is gone: nothing is left to see.
    preset(&dir, &["delete", "desk", "--yes"]).expect(0);
    all.until(&[]);
    gateway.stop();
}

#[test]
fn contract_4_stdio_is_bounded_likewise() {
    let dir = three();
    preset(&dir, &["create", "desk", "--filter", "work"]).expect(0);
    for (args, servers) in [
        (&["--filter", "web"][..], &["web"][..]),
        (&["--preset", "desk"], &["web", "db"]),
        (&["--tags", "bare", "--filter", "not work"], &["bare"]),
    ] {
        let mut client = stdio::Stdio::start(&mut stdio::serve(dir.path(), args));
        let list = client.ask("tools/list", &json!({}));
        let tools = list["result"]["tools"].as_array().unwrap();
        let tools: Vec<String> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect();
        for server in ["web", "db", "bare"] {
            assert_eq!(
                any_of(server, &tools),
                servers.contains(&server),
                "{args:?} {list}"
            );
        }
    }
}
