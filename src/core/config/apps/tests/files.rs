//! The application's file: only the servers change, whatever the rest looks like.

use super::*;

const OWN: &str = r#"{"command":"/opt/bin/1mcp","args":["serve","--transport","stdio"]}"#;

#[test]
fn contract_6_the_guides_file() {
    let before = "{\n    \"globalShortcut\": \"Alt+Space\",\n    \"mcpServers\": {\n        \
                  \"files\": {\n            \"command\": \"npx\",\n            \"args\": [\"-y\", \
                  \"server\", \"/data $HOME\"],\n            \"env\": { \"K\": \"v\" }\n        }\n    \
                  },\n  \"preferences\":{\"a\" : [1,2 ,3]}\n}\n\n";
    let plan = plan("claude-desktop", before, "");
    let (app, mcp) = texts(&plan);
    assert_eq!(
        app,
        "{\n    \"globalShortcut\": \"Alt+Space\",\n    \"mcpServers\": {\n        \
         \"1mcp\": {\n            \"command\": \"/opt/bin/1mcp\",\n            \"args\": [\"serve\", \
         \"--transport\", \"stdio\"]\n        }\n    },\n  \"preferences\":{\"a\" : [1,2 ,3]}\n}\n\n"
    );
    assert_eq!(
        mcp,
        "{\n  \"mcpServers\": {\n    \"files\": {\n      \"command\": \"npx\",\n      \
         \"args\": [\"-y\", \"server\", \"/data $$HOME\"],\n      \"env\": {\n        \"K\": \"v\"\n      \
         }\n    }\n  }\n}\n"
    );
    assert!(!plan.already_consolidated);
    let again = plan_of("claude-desktop", 0, app, mcp).unwrap();
    assert!(again.already_consolidated);
    assert_eq!(
        (again.app_text, again.mcp_text),
        (plan.app_text, plan.mcp_text)
    );
}

#[test]
fn contract_6_every_other_byte_stays() {
    let beginnings = ["", "\u{feff}", "// mine\n", "/* a\r\n */\r\n", "\t"];
    let ends = ["", "\n", "\r\n// end", "  "];
    let insides = [
        r#"{"a":{"command":"a"}}"#,
        "{}",
        "{ // none\n }",
        "null",
        "{\r\n\t\"a\": { \"command\": \"a\", }, // why\r\n\t\"b\": {\"command\": \"b\",\"args\":[]},\r\n}",
        "{\n\"a\":\n{\"command\":\n\"a\"}\n\n,\"1mcp\":{\"command\":\"old/1mcp\"}}",
        "{\"a\":{\"command\":\"./kept\"},\"b\":{\"command\":\"b\"}}",
        "{\n  \"b\": {\"command\":\"b\"}, // b\n  /* k */ \"a\" : {\"command\" : \"./kept\" } ,\n  \"c\":{\"command\":\"c\"}\n}",
    ];
    for (id, index, shape) in FILES {
        for begin in beginnings {
            for end in ends {
                for inside in insides {
                    let shape = shape.replace(":@}", ": @ , \"z\" :\t[ 1,2 ]\r\n}");
                    let text = format!("{begin}{}{end}", shape.replace('@', inside));
                    let plan = plan_of(id, index, &text, "").unwrap();
                    let (app, _) = texts(&plan);
                    let (before, after) = shape.split_once('@').unwrap();
                    assert!(app.starts_with(&format!("{begin}{before}")), "{app}");
                    assert!(app.ends_with(&format!("{after}{end}")), "{app}");
                    assert!(
                        app.contains("\"1mcp\"") && app.contains("/opt/bin/1mcp"),
                        "{app}"
                    );
                    let keeps = inside.contains("kept");
                    assert_eq!(app.contains("./kept"), keeps, "{app}");
                    assert!(!keeps || app.contains("\"command\""), "{app}");
                    let again = plan_of(id, index, app, texts(&plan).1).unwrap();
                    assert!(again.already_consolidated, "{app}");
                }
            }
        }
    }
}

#[test]
fn what_is_kept_keeps_its_bytes() {
    let text = "{\n  \"mcpServers\": {\n    // first\n    \"a\": {\"command\": \"a\"},\n    \
                \"k\" : { \"command\":\"./k\" }, // stays\n    \"c\": {\"command\": \"c\"}\n  }\n}";
    let plan = plan("cursor", text, "");
    assert_eq!(
        texts(&plan).0,
        "{\n  \"mcpServers\": {\n    // first\n    \"k\" : { \"command\":\"./k\" }, // stays\n    \
         \"1mcp\": {\"command\": \"/opt/bin/1mcp\", \"args\": [\"serve\", \"--transport\", \
         \"stdio\"]}\n  }\n}"
    );
    assert_eq!(plan.kept.len(), 1);
}

#[test]
fn a_file_that_is_missing_or_empty_becomes_one_with_our_entry() {
    for text in ["", "\n", "\u{feff}", "{}", "{ }\n", "// only this\n"] {
        for (id, index, shape) in FILES {
            let plan = plan_of(id, index, text, "").unwrap();
            let (app, mcp) = texts(&plan);
            assert_eq!((mcp, plan.already_consolidated), ("", false));
            let key = shape.split('"').nth(1).unwrap();
            assert!(app.contains(key) && app.contains("\"1mcp\": {"), "{app}");
            assert!(plan_of(id, index, app, "").unwrap().already_consolidated);
        }
    }
    let plan = plan("claude-desktop", "", "");
    assert_eq!(
        texts(&plan).0,
        "{\n  \"mcpServers\": {\n    \"1mcp\": {\n      \"command\": \"/opt/bin/1mcp\",\n      \
         \"args\": [\"serve\", \"--transport\", \"stdio\"]\n    }\n  }\n}\n"
    );
}

#[test]
fn contract_6_an_array_under_a_key_with_a_dot() {
    let text = "{\n  \"editor.fontSize\": 12,\n  \"augment.advanced\": {\n    \"x\": 1,\n    \
                \"mcpServers\": [\n      {\"name\": \"a\", \"command\": \"npx\", \"args\": \
                [\"$x\"]},\n      {\"name\": \"k\", \"command\": \"npx -y k\"}, // stays\n      \
                {\"name\": \"1mcp\", \"url\": \"http://127.0.0.1:3050/mcp\"}\n    ]\n  }\n}\n";
    let plan = plan_of("augment", 0, text, "").unwrap();
    let (app, _) = texts(&plan);
    assert_eq!(
        app,
        "{\n  \"editor.fontSize\": 12,\n  \"augment.advanced\": {\n    \"x\": 1,\n    \
         \"mcpServers\": [\n      {\"name\": \"k\", \"command\": \"npx -y k\"}, // stays\n      \
         {\"name\": \"1mcp\", \"command\": \"/opt/bin/1mcp\", \"args\": [\"serve\", \"--transport\", \
         \"stdio\"]}\n    ]\n  }\n}\n"
    );
    assert_eq!(plan.own_entries_dropped, ["1mcp"]);
    assert_eq!(plan.kept[0].name, "k");
    assert_eq!(server(&plan, "a").spawn().unwrap().args, ["$x"]);
    assert!(plan_of("augment", 0, app, "").unwrap().already_consolidated);
    let plan = plan_of("augment", 0, "{}", "").unwrap();
    assert!(
        texts(&plan)
            .0
            .contains("\"augment.advanced\": {\n    \"mcpServers\": [\n")
    );
    let flat = r#"{"augment.advanced.mcpServers":[{"name":"a","command":"a"}]}"#;
    let plan = plan_of("augment", 0, flat, "").unwrap();
    assert_eq!(
        texts(&plan).0,
        format!(
            r#"{{"augment.advanced.mcpServers":[{{"name":"1mcp",{}]}}"#,
            &OWN[1..]
        )
    );
    let object = r#"{"augment.advanced":{"mcpServers":{"a":{"command":"a"}}}}"#;
    let plan = plan_of("augment", 0, object, "").unwrap();
    assert!(texts(&plan).0.contains(r#""mcpServers":{"1mcp":{"#));
}

#[test]
fn the_older_place_of_vscode_is_emptied_without_our_entry() {
    for text in [
        r#"{"mcp":{"inputs":[],"servers":{"a":{"command":"a"}}}}"#,
        r#"{"mcp.servers":{"a":{"command":"a"}}}"#,
    ] {
        let candidate = candidate("vscode", 1);
        let request = Request {
            app_text: text.as_bytes(),
            level: Level::User,
            mcp_text: b"",
            own: None,
            own_path: None,
            running: &[],
            around: &around(),
        };
        let app = find("vscode").unwrap();
        let plan = consolidate(app, candidate.file, &request).unwrap();
        assert_eq!(
            texts(&plan).0,
            text.replace(r#"{"a":{"command":"a"}}"#, "{}")
        );
        assert_eq!(plan.imported.len(), 1);
        let request = Request {
            app_text: &plan.app_text,
            ..request
        };
        let again = consolidate(app, candidate.file, &request).unwrap();
        assert!(again.already_consolidated);
    }
}

#[test]
fn contract_3_entries_that_run_1mcp_are_never_imported() {
    let text = [
        r#"{"mcpServers":{"one":{"command":"npx","args":["-y","@1mcp/agent","serve"]},"#,
        r#""two":{"command":"/usr/bin/1mcp"},"#,
        r#""1mcp":{"url":"http://localhost:3050/sse?app=cursor"},"#,
        r#""four":{"command":"sh","args":["-c","exec 1mcp"]},"#,
        r#""five":{"command":"/opt/bin/1mcp","args":["serve"]}}}"#,
    ]
    .concat();
    let plan = plan("cursor", &text, "");
    assert_eq!(
        plan.own_entries_dropped,
        ["one", "two", "1mcp", "four", "five"]
    );
    assert_eq!((plan.imported.len(), plan.kept.len()), (0, 0));
    assert_eq!(
        texts(&plan).0,
        format!(r#"{{"mcpServers":{{"1mcp":{OWN}}}}}"#)
    );
}

#[test]
fn our_entry_may_carry_more_than_we_wrote() {
    let more = format!(
        r#"{{"mcpServers":{{"1mcp":{},"alwaysAllow":["x"]}}}}}}"#,
        &OWN[..OWN.len() - 1]
    );
    assert!(plan("roo-code", &more, "").already_consolidated);
    let off = more.replace("\"alwaysAllow\":[\"x\"]", "\"disabled\":true");
    assert!(!plan("roo-code", &off, "").already_consolidated);
    let beside = more.replace("{\"1mcp\"", "{\"a\":{\"command\":\"a\"},\"1mcp\"");
    let plan = plan("roo-code", &beside, "");
    assert_eq!(texts(&plan).0, more);
    assert_eq!(plan.own_entries_dropped, [""; 0]);
}

#[test]
fn inspecting() {
    let look = |text: &str| {
        let candidate = candidate("vscode", 0);
        let request = Request {
            app_text: text.as_bytes(),
            level: candidate.level,
            mcp_text: b"",
            own: None,
            own_path: Some("/opt/bin/1mcp"),
            running: &[],
            around: &around(),
        };
        inspect(find("vscode").unwrap(), candidate.file, &request)
    };
    assert_eq!(look("").unwrap().state, State::None);
    assert_eq!(look("{\"servers\":{}}").unwrap().state, State::None);
    let all = look(
        r#"{"servers":{"a":{"command":"a"},"b":{"url":"https://h/sse"},"c":{"url":"https://h"},
        "d":{"command":"${input:x}"},"e":5,"1mcp":{"command":"1mcp"}}}"#,
    )
    .unwrap();
    assert_eq!(all.state, State::Direct);
    let kinds: Vec<FoundKind> = all.servers.iter().map(|found| found.kind).collect();
    assert_eq!(
        kinds,
        [
            FoundKind::Stdio,
            FoundKind::Sse,
            FoundKind::Http,
            FoundKind::Stdio,
            FoundKind::Unknown,
            FoundKind::Own
        ]
    );
    assert!(all.servers[3].kept.is_some() && all.servers[4].kept.is_some());
    let rest = r#"{"servers":{"d":{"command":"${input:x}"},"1mcp":{"command":"1mcp"}}}"#;
    assert_eq!(look(rest).unwrap().state, State::Consolidated);
    let error = look("{\n  \"servers\": 5\n}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 14: servers must be an object, found a number"
    );
}

/// Numbers below a bound, the same ones for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn trivia(&mut self) -> String {
        let pieces = [
            " ", "", "\n", "\r\n", "\t", "  ", "// c\n", "/* } */", "\n    ",
        ];
        (0..self.below(3))
            .map(|_| pieces[self.below(pieces.len())])
            .collect()
    }

    /// Servers as an object, or as an array whose entries carry their names.
    fn servers(&mut self, is_array: bool) -> String {
        let entries = [
            r#""command":"a","args":["$x"]"#,
            r#""command":"./kept""#,
            r#""command":"1mcp""#,
            r#""url":"https://h/mcp""#,
            r#""command" : "b" , "env":{ "K":"v" } "#,
        ];
        let names = ["a", "1mcp", "b", "c d", "e"];
        let mut out = String::from(if is_array { "[" } else { "{" });
        let first = self.below(names.len());
        let count = self.below(names.len() + 1);
        for index in 0..count {
            let name = names[(first + index) % names.len()];
            let entry = entries[self.below(entries.len())];
            out.push_str(&self.trivia());
            out.push_str(&if is_array {
                format!("{{\"name\":\"{name}\",{entry}}}")
            } else {
                format!("\"{name}\"{}:{}{{{entry}}}", self.trivia(), self.trivia())
            });
            out.push_str(&self.trivia());
            if index + 1 < count || self.below(4) == 0 {
                out.push(',');
            }
        }
        out.push_str(&self.trivia());
        out.push(if is_array { ']' } else { '}' });
        out
    }
}

#[test]
fn contract_6_whatever_it_looks_like_it_reads_back_as_meant() {
    let mut numbers = Numbers(3);
    for _ in 0..600 {
        let is_array = numbers.below(3) == 0;
        let (id, shape) = if is_array {
            ("augment", r#"{"augment.advanced":{"z":1,"mcpServers":@}}"#)
        } else {
            ("cursor", r#"{"z":[1],"mcpServers":@,"y":{}}"#)
        };
        let servers = numbers.servers(is_array);
        let text = format!("{}{}", numbers.trivia(), shape.replace('@', &servers));
        let plan = plan_of(id, 0, &text, "").unwrap_or_else(|error| panic!("{error}: {text}"));
        let (app, mcp) = texts(&plan);
        let total = plan.imported.len()
            + plan.already_there.len()
            + plan.kept.len()
            + plan.own_entries_dropped.len();
        let entries = servers.matches("command").count() + servers.matches("url").count();
        assert_eq!(total, entries, "{text}");
        assert!(mcp.is_empty() || config_of(mcp.as_bytes()).problems.is_empty());
        let again = plan_of(id, 0, app, mcp).unwrap();
        assert!(again.already_consolidated, "{text}\n{app}");
        assert_eq!(again.kept, plan.kept);
    }
}

#[test]
fn contract_6_an_entry_with_another_configuration_is_told_when_it_gives_way() {
    for (args, expected) in [
        (
            r#"["serve", "--config-dir", "/a"]"#,
            Some("--config-dir /a"),
        ),
        (r#"["serve", "-c=/a/b.json"]"#, Some("--config /a/b.json")),
        (r#"["serve", "--tags", "x"]"#, None),
        (r#"["serve", "-d"]"#, None),
        ("5", None),
    ] {
        let entry = format!(r#"{{"command": "/old/1mcp", "args": {args}}}"#);
        let text = format!(r#"{{"mcpServers": {{"1mcp": {entry}}}}}"#);
        let plan = plan("claude-desktop", &text, "");
        assert_eq!(plan.own_entries_dropped, ["1mcp"], "{args}");
        let note = plan
            .notes
            .iter()
            .find(|note| note.contains("configuration"));
        match expected {
            Some(flag) => assert!(note.unwrap().contains(flag), "{note:?}"),
            None => assert_eq!(note, None),
        }
    }
}
