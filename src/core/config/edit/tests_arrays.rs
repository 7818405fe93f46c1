//! Elements of arrays, paths through arrays, and other names for keys.

use super::model::{Edit, checked};
use super::path::steps;
use super::*;

#[track_caller]
fn gives(text: &str, edit: &Edit<'_>, expected: &str) {
    let edited = checked(text.as_bytes(), edit).expect("editable");
    assert_eq!(String::from_utf8(edited).unwrap(), expected);
}

#[track_caller]
fn appends(text: &str, path: &[Step<'_>], json: &str, expected: &str) {
    gives(text, &Edit::Append(path, json), expected);
}

#[track_caller]
fn removes(text: &str, path: &[Step<'_>], expected: &str) {
    gives(text, &Edit::Remove(path), expected);
}

#[track_caller]
fn renames(text: &str, path: &[&str], key: &str, expected: &str) {
    gives(text, &Edit::Rename(&steps(path), key), expected);
}

const SERVERS: [Step<'static>; 2] = [Step::Key("augment.advanced"), Step::Key("mcpServers")];
const ENTRY: &str = r#"{"name":"b","command":"npx"}"#;

#[test]
fn a_new_element_looks_like_its_neighbours() {
    appends(
        "{\r\n\t\"augment.advanced\": {\r\n\t\t\"mcpServers\": [\r\n\t\t\t{\r\n\t\t\t\t\"name\": \"a\"\r\n\t\t\t} // one\r\n\t\t]\r\n\t}\r\n}",
        &SERVERS,
        ENTRY,
        "{\r\n\t\"augment.advanced\": {\r\n\t\t\"mcpServers\": [\r\n\t\t\t{\r\n\t\t\t\t\"name\": \"a\"\r\n\t\t\t}, // one\r\n\t\t\t{\r\n\t\t\t\t\"name\": \"b\",\r\n\t\t\t\t\"command\": \"npx\"\r\n\t\t\t}\r\n\t\t]\r\n\t}\r\n}",
    );
    appends(
        "{\"a\": [{\n  \"name\": 1\n}, {\n  \"name\": 2\n}]}",
        &["a".into()],
        r#"{"name":3}"#,
        "{\"a\": [{\n  \"name\": 1\n}, {\n  \"name\": 2\n}, {\n  \"name\": 3\n}]}",
    );
    appends(
        "{\"a\": [1, 2,]}",
        &["a".into()],
        "3",
        "{\"a\": [1, 2, 3,]}",
    );
    appends("{\"a\":[1]}", &["a".into()], "3", "{\"a\":[1,3]}");
}

#[test]
fn an_empty_or_missing_array_is_opened() {
    appends("{\"a\":[]}", &["a".into()], "3", "{\"a\":[3]}");
    appends(
        "{\n  \"a\": []\n}",
        &["a".into()],
        "{\"x\":1}",
        "{\n  \"a\": [\n    {\n      \"x\": 1\n    }\n  ]\n}",
    );
    appends(
        "{\n  \"a\": 1\n}",
        &["b".into(), "c".into()],
        "{\"x\":1}",
        "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      {\n        \"x\": 1\n      }\n    ]\n  }\n}",
    );
    appends("", &["a".into()], "1", "{\n  \"a\": [1]\n}\n");
    appends("// none\n", &[], "1", "// none\n[1]\n");
    appends("[]", &[], "1", "[\n  1\n]");
}

#[test]
fn an_element_goes_with_its_line() {
    let text = "{\"a\": [\n  1, // one\n  2,\n  3\n]}";
    let at = |index: usize| ["a".into(), Step::Index(index)];
    removes(text, &at(0), "{\"a\": [\n  // one\n  2,\n  3\n]}");
    removes(text, &at(1), "{\"a\": [\n  1, // one\n  3\n]}");
    removes(text, &at(2), "{\"a\": [\n  1, // one\n  2\n]}");
    removes("{\"a\": [1, 2, 3]}", &at(1), "{\"a\": [1, 3]}");
    removes("{\"a\": [ 1 , ]}", &at(0), "{\"a\": []}");
    removes(
        "{\"a\": [[1], {\"b\": 2}]}",
        &["a".into(), 1.into(), "b".into()],
        "{\"a\": [[1], {}]}",
    );
    let edited = remove_element(text.as_bytes(), &["a"], 1);
    assert_eq!(edited.unwrap(), b"{\"a\": [\n  1, // one\n  3\n]}");
}

#[test]
fn a_value_inside_an_element_is_set() {
    let inside = [SERVERS[0], SERVERS[1], Step::Index(1), Step::Key("env")];
    gives(
        "{\"augment.advanced\": {\"mcpServers\": [1, {\"name\": \"x\"}]}}",
        &Edit::Set(&inside, "{}"),
        "{\"augment.advanced\": {\"mcpServers\": [1, {\"name\": \"x\", \"env\": {}}]}}",
    );
    gives(
        "{\"augment.advanced\": {\"mcpServers\": [1, [2]]}}",
        &Edit::Set(&inside[..3], "{\"a\":3}"),
        "{\"augment.advanced\": {\"mcpServers\": [1, {\"a\": 3}]}}",
    );
}

#[test]
fn a_key_gets_another_name_in_its_place() {
    renames(
        "{\n  \"mcpServers\" : {}, // c\n  \"z\": 1\n}",
        &["mcpServers"],
        "a\"b",
        "{\n  \"a\\\"b\" : {}, // c\n  \"z\": 1\n}",
    );
    renames("{\"\\u0061\": 1}", &["a"], "a", "{\"\\u0061\": 1}");
    let taken = rename(b"{\"a\": 1, \"b\": 2}", &["a"], "b").unwrap_err();
    assert_eq!(
        taken.to_string(),
        "line 1, column 10: there is a \"b\" already"
    );
    assert!(matches!(taken, EditError::Taken(_)));
    let missing = rename(b"{}", &["a"], "b").unwrap_err();
    assert_eq!(missing, EditError::Missing("a".to_owned()));
    let array = rename(b"[1]", &[Step::Index(0)], "b").unwrap_err();
    assert!(matches!(array, EditError::NotAnObject(_)));
}

#[test]
fn get_gives_the_text_as_it_was_written() {
    let text = b"{\"a\": [ 1.50, {\"b\" : [ ] } ]} // c";
    let path = [Step::Key("a"), Step::Index(1)];
    assert_eq!(get(text, &path), Ok(Some(&b"{\"b\" : [ ] }"[..])));
    assert_eq!(get(text, &["b"]), Ok(None));
    assert_eq!(get(b" // x", &["a"]), Ok(None));
    assert_eq!(get::<&str>(b" [1] ", &[]), Ok(Some(&b"[1]"[..])));
}

#[test]
fn not_an_array() {
    let error = append_element(b"{\"a\": {}}", &["a"], "1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, column 7: expected an array, found an object"
    );
    assert!(matches!(error, EditError::NotAnArray(_)));
    let error = remove_element(b"{\"a\": 1}", &["a"], 0).unwrap_err();
    assert!(matches!(error, EditError::NotAnArray(_)));
    let error = set(b"[1]", &["a"], "1").unwrap_err();
    assert!(matches!(error, EditError::NotAnObject(_)));
}

#[test]
fn no_element() {
    let error = remove_element(b"{\"a\": [1]}", &["a"], 1).unwrap_err();
    assert_eq!(error, EditError::NoElement(1));
    assert_eq!(error.to_string(), "there is no element 2");
    // An array never gets holes.
    let path = [Step::Key("a"), Step::Index(0), Step::Key("b")];
    assert_eq!(set(b"{}", &path, "1"), Err(EditError::NoElement(0)));
    assert_eq!(set(b"", &path, "1"), Err(EditError::NoElement(0)));
    assert_eq!(set(b"[]", &path[1..], "1"), Err(EditError::NoElement(0)));
}

#[test]
fn too_much() {
    use crate::limits::JSON_DEPTH_MAX;
    let levels = JSON_DEPTH_MAX - 1;
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let inside = vec![Step::Index(0); levels - 1];
    let edited = append_element(deep.as_bytes(), &inside, "[]").unwrap();
    assert!(jsonc::parse(&edited, Dialect::Relaxed).is_ok());
    let error = append_element(deep.as_bytes(), &inside, "[[]]").unwrap_err();
    assert_eq!(error, EditError::TooMuch(Why::TooDeep));
    assert_eq!(
        error.to_string(),
        "there is no room for the new value: nested too deeply"
    );
}
