//! Broken shapes: each gets a clear answer, nothing is lost, nothing panics.

use super::*;

#[test]
fn servers_that_are_no_object() {
    for (id, index, shape) in FILES {
        for (inside, noun) in [("[]", "an array"), ("\"x\"", "a string"), ("5", "a number")] {
            let error = plan_of(id, index, &shape.replace('@', inside), "").unwrap_err();
            let Refusal::App(error) = error else {
                panic!("{error}");
            };
            assert!(error.message.ends_with(&format!("found {noun}")), "{error}");
            assert_eq!(
                (error.line, error.column),
                (1, shape.find('@').unwrap() + 1)
            );
        }
    }
    let error = plan_of("augment", 0, r#"{"augment.advanced":{"mcpServers":5}}"#, "");
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("must be an array, found a number")
    );
    let error = plan_of("vscode", 1, r#"{"mcp":true}"#, "").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("mcp must be an object, found a boolean"),
        "{error}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    for (text, message) in [
        (
            "[]",
            "line 1, column 1: the file must be an object, found an array",
        ),
        (
            "{\n \"a\" 1}",
            "line 2, column 6: expected ':' after the key",
        ),
        (
            "{\"mcpServers\":{}",
            "line 1, column 17: the text ends too early",
        ),
        (
            "{\"mcpServers\":{},\"mcpServers\":{}}",
            "line 1, column 18: \"mcpServers\" appears twice",
        ),
        (
            "{\"mcpServers\":{\"a\":{},\"a\":{}}}",
            "line 1, column 23: \"a\" appears twice; remove one of the two first",
        ),
    ] {
        let error = plan_of("cursor", 0, text, "").unwrap_err();
        assert!(matches!(error, Refusal::App(_)), "{error:?}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let twice = r#"{"augment.advanced":{"mcpServers":[{"name":"a"},{"name":"a"}]}}"#;
    let error = plan_of("augment", 0, twice, "").unwrap_err().to_string();
    assert!(error.contains("\"a\" appears twice"), "{error}");
}

#[test]
fn entries_that_nobody_could_start_stay_where_they_are() {
    for (entry, reason) in [
        ("5", "is a number, not an object"),
        ("null", "is null, not an object"),
        ("\"x\"", "is a string, not an object"),
        ("{}", "neither a \"command\" nor a \"url\""),
        (
            r#"{"command":5}"#,
            "\"command\" must be a string, found a number",
        ),
        (r#"{"command":""}"#, "\"command\" must not be empty"),
        (
            r#"{"command":"a","args":"x"}"#,
            "must be an array of strings, found a string",
        ),
        (
            r#"{"command":"a","args":[1]}"#,
            "must be an array of strings, found a number",
        ),
        (
            r#"{"command":"a","env":{"K":1}}"#,
            "must be an object of strings",
        ),
        (r#"{"command":"a","env":{"":"x"}}"#, "no variable name"),
        (r#"{"command":"a","args":["\u0000"]}"#, "NUL"),
        (r#"{"command":"a","command":"b"}"#, "has \"command\" twice"),
        (
            r#"{"command":"a","url":"https://h"}"#,
            "has a \"command\" and a \"url\"",
        ),
        (
            r#"{"type":"odd","url":"https://h"}"#,
            "\"type\" must be one of",
        ),
        (
            r#"{"command":"a","disabled":"yes"}"#,
            "must be true or false",
        ),
    ] {
        let found = kept("claude-desktop", entry);
        assert!(found.contains(reason), "{entry}: {found}");
    }
    let array =
        r#"{"augment.advanced":{"mcpServers":[5,{"command":"a"},{"name":7,"command":"b"}]}}"#;
    let plan = plan_of("augment", 0, array, "").unwrap();
    assert_eq!(plan.kept[0].name, "server 1");
    assert_eq!(plan.imported.len(), 2);
    assert!(texts(&plan).0.contains("[5,{\"name\":\"1mcp\""));
}

#[test]
fn mcp_json_that_cannot_be_read() {
    let app = r#"{"mcpServers":{"a":{"command":"a"}}}"#;
    for mcp in [
        "{",
        "[]",
        r#"{"mcpServers":[]}"#,
        r#"{"mcpServers":{},"mcpServers":{}}"#,
    ] {
        let error = plan_of("cursor", 0, app, mcp).unwrap_err();
        assert!(matches!(error, Refusal::Mcp(_)), "{mcp}: {error}");
    }
    // A bad entry of ours is not in the way.
    let plan = plan("cursor", app, r#"{"mcpServers":{"bad":5}}"#);
    assert_eq!(plan.imported.len(), 1);
}

#[test]
fn no_more_servers_than_fit() {
    let entries: Vec<String> = (0..=crate::limits::SERVERS_MAX)
        .map(|number| format!(r#""s{number}":{{"command":"a"}}"#))
        .collect();
    let app = format!(r#"{{"mcpServers":{{{}}}}}"#, entries.join(","));
    assert_eq!(plan_of("cursor", 0, &app, ""), Err(Refusal::TooMany));
}

#[test]
fn more_servers_than_fit_are_not_even_compared() {
    // All want the same name: each would be compared with all before it.
    let entries: Vec<String> = (0..20_000)
        .map(|number| {
            format!(
                r#""{}a":{{"command":"{number}"}}"#,
                "!".repeat(number % 199 + 1)
            )
        })
        .enumerate()
        .map(|(number, entry)| entry.replacen('"', &format!("\"{}", "?".repeat(number / 199)), 1))
        .collect();
    let app = format!(r#"{{"mcpServers":{{{}}}}}"#, entries.join(","));
    assert_eq!(plan_of("cursor", 0, &app, ""), Err(Refusal::TooMany));
}

#[test]
fn an_entry_of_very_many_members_is_looked_through_once() {
    let member = |number: u32| (number.to_string(), tree::Json::Null);
    let members: Vec<(String, tree::Json)> = (0..1_000_000).map(member).collect();
    let around = around();
    assert!(draft::Draft::new(&members, &around, Level::User).is_ok());
    let twice = [&members[..], &members[..1]].concat();
    let why = draft::Draft::new(&twice, &around, Level::User).unwrap_err();
    assert_eq!(why, "has \"0\" twice");
}

#[test]
fn no_room() {
    let text = format!(
        "{{\"x\":\"{}\"}}",
        "x".repeat(crate::limits::CONFIG_BYTES_MAX - 20)
    );
    let error = plan_of("cursor", 0, &text, "").unwrap_err();
    assert!(matches!(error, Refusal::NoRoom(..)), "{error:?}");
}

#[test]
fn a_url_where_none_is_taken() {
    let candidate = candidate("claude-desktop", 0);
    let request = Request {
        app_text: b"",
        level: Level::User,
        mcp_text: b"",
        own: Some(&OwnEntry::Url("https://h/mcp".into())),
        own_path: None,
        running: &[],
        around: &around(),
    };
    let app = find("claude-desktop").unwrap();
    assert_eq!(
        consolidate(app, candidate.file, &request),
        Err(Refusal::NoUrl)
    );
}

#[test]
fn texts_cut_anywhere_and_mixed_up_never_panic() {
    let text = r#"{"augment.advanced":{"mcpServers":[{"name":"a","command":"a","env":{"K":"${x"}},{"name":"1mcp"}],"b":[1,{"c":null}]},
        "mcpServers":{"x":{"command":{"path":"p"},"timeout":1e99},"y":{"url":"http://$A"}},"context_servers":{"z":{"settings":{}}},
        "servers":{"w":{"command":"~","env":{"PATH":"","N":null}}},"mcp":{"servers":{},"allowed":[5]}}"#;
    let around = around();
    let own = OwnEntry::Url("http://h".into());
    for app in all() {
        let mut candidates = app.candidates(&around);
        candidates.dedup_by_key(|one| std::ptr::from_ref(one.file).addr());
        for candidate in candidates.into_iter().take(3) {
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = b"{}[]\",:5$"[at % 9];
                for text in [&bytes[..], &text.as_bytes()[..at]] {
                    let request = Request {
                        app_text: text,
                        level: candidate.level,
                        mcp_text: b"{}",
                        own: Some(&own),
                        own_path: None,
                        running: &[],
                        around: &around,
                    };
                    let _looked = inspect(app, candidate.file, &request);
                    let planned = consolidate(app, candidate.file, &request);
                    assert!(
                        !matches!(planned, Err(Refusal::NotAsMeant(_))),
                        "{planned:?}"
                    );
                }
            }
        }
    }
}
