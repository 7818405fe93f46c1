use super::super::fuzzing;
use super::generator::Generator;
use super::model::{Plain, checked_remove, checked_set};
use super::*;

#[track_caller]
fn sets(text: &str, path: &[&str], json: &str, expected: &str) {
    let edited = checked_set(text.as_bytes(), path, json).expect("editable");
    assert_eq!(String::from_utf8(edited).unwrap(), expected);
}

#[track_caller]
fn removes(text: &str, path: &[&str], expected: &str) {
    let edited = checked_remove(text.as_bytes(), path).expect("removable");
    assert_eq!(String::from_utf8(edited).unwrap(), expected);
}

fn set_error(text: &str, path: &[&str], json: &str) -> EditError {
    set(text.as_bytes(), path, json).unwrap_err()
}

const ENTRY: &str = r#"{"command":"npx","args":["-y","x"]}"#;
const ADD: [&str; 2] = ["mcpServers", "new"];

#[test]
fn a_new_entry_looks_like_its_neighbours() {
    sets(
        "{\n    \"mcpServers\": {\n        \"a\": {\n            \"command\": \"x\"\n        }\n    }\n}",
        &ADD,
        ENTRY,
        "{\n    \"mcpServers\": {\n        \"a\": {\n            \"command\": \"x\"\n        },\n        \
         \"new\": {\n            \"command\": \"npx\",\n            \"args\": [\"-y\", \"x\"]\n        }\n    }\n}",
    );
    sets(
        "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\"command\": \"x\"}, // keep\r\n\t},\r\n}\r\n",
        &ADD,
        ENTRY,
        "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\"command\": \"x\"}, // keep\r\n\t\t\"new\": \
         {\"command\": \"npx\", \"args\": [\"-y\", \"x\"]},\r\n\t},\r\n}\r\n",
    );
    sets(
        r#"{"mcpServers":{"a":{}},"z":1}"#,
        &ADD,
        ENTRY,
        r#"{"mcpServers":{"a":{},"new":{"command":"npx","args":["-y","x"]}},"z":1}"#,
    );
    sets(
        "{ \"mcpServers\": { \"a\": 1, } }",
        &ADD,
        "2",
        "{ \"mcpServers\": { \"a\": 1, \"new\": 2, } }",
    );
}

#[test]
fn a_missing_comma_goes_before_the_remark_and_the_entry_after_it() {
    sets(
        "{\n  \"a\": 1 // one /* */\n  // end\n}",
        &["b"],
        "2",
        "{\n  \"a\": 1, // one /* */\n  \"b\": 2\n  // end\n}",
    );
    sets(
        "{\n  \"a\": 1 /* one */ /* two\n */ }",
        &["b"],
        "2",
        "{\n  \"a\": 1, /* one */\n  \"b\": 2 /* two\n */ }",
    );
    sets(
        "{ \"a\": 1,\n  \"b\": 2 }",
        &["c"],
        "3",
        "{ \"a\": 1,\n  \"b\": 2,\n  \"c\": 3 }",
    );
    sets("{\"a\":1 // x\n}", &["b"], "2", "{\"a\":1,\"b\":2 // x\n}");
}

#[test]
fn an_empty_object_is_opened() {
    sets("{}", &["a"], "1", "{\n  \"a\": 1\n}");
    sets(
        "{}\n",
        &ADD,
        "{}",
        "{\n  \"mcpServers\": {\n    \"new\": {}\n  }\n}\n",
    );
    sets(
        "{\n\t\"x\": 1,\n\t\"mcpServers\": {}\n}",
        &ADD,
        "1",
        "{\n\t\"x\": 1,\n\t\"mcpServers\": {\n\t\t\"new\": 1\n\t}\n}",
    );
    sets(
        "{\"mcpServers\":{}}",
        &ADD,
        "1",
        "{\"mcpServers\":{\"new\":1}}",
    );
    sets("{\"a\": { }}", &["a", "b"], "1", "{\"a\": { \"b\": 1 }}");
    sets(
        "{ // none yet\n}",
        &["a"],
        "1",
        "{ // none yet\n  \"a\": 1\n}",
    );
    sets("{ /* c */ }", &["a"], "1", "{ /* c */ \"a\": 1 }");
}

#[test]
fn an_empty_file_becomes_a_document() {
    let document = "{\n  \"mcpServers\": {\n    \"new\": 1\n  }\n}\n";
    sets("", &ADD, "1", document);
    sets("\u{feff}", &ADD, "1", &format!("\u{feff}{document}"));
    sets("\n", &ADD, "1", document);
    sets("// mine", &["a"], "1", "// mine\n{\n  \"a\": 1\n}\n");
    sets(
        "// mine\r\n",
        &["a"],
        "1",
        "// mine\r\n{\r\n  \"a\": 1\r\n}\r\n",
    );
}

#[test]
fn a_value_is_replaced_in_its_place() {
    sets(
        "{\n  \"a\" : \"old\" , // why\n  \"b\": 2\n}",
        &["a"],
        "[1]",
        "{\n  \"a\" : [1] , // why\n  \"b\": 2\n}",
    );
    sets(
        "{\n  \"a\": {\n    \"x\": 1\n  }\n}",
        &["a"],
        "{\"y\":2}",
        "{\n  \"a\": {\n    \"y\": 2\n  }\n}",
    );
    sets(
        "{\n  \"a\": {\"x\": 1}\n}",
        &["a"],
        "{\"y\":2}",
        "{\n  \"a\": {\"y\": 2}\n}",
    );
    sets(
        "{\"a\":1}",
        &["a"],
        "{\"y\":[2,3]}",
        "{\"a\":{\"y\":[2,3]}}",
    );
}

#[test]
fn what_is_there_already_keeps_its_layout_and_its_comments() {
    let text = "{\n  \"a\": [ 1 , // one\n 2,]\n}";
    sets(text, &["a"], "[1,2]", text);
    sets(text, &["a"], "[1,2.0]", "{\n  \"a\": [1, 2.0]\n}");
}

#[test]
fn a_member_goes_with_its_line() {
    let three = "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"x\": 1\r\n  },\r\n  \"c\": 3\r\n}\r\n";
    removes(three, &["b"], "{\r\n  \"a\": 1,\r\n  \"c\": 3\r\n}\r\n");
    removes(
        three,
        &["c"],
        "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"x\": 1\r\n  }\r\n}\r\n",
    );
    removes(
        three,
        &["b", "x"],
        "{\r\n  \"a\": 1,\r\n  \"b\": {},\r\n  \"c\": 3\r\n}\r\n",
    );
    removes("{ \"a\": 1, \"b\": 2 }", &["a"], "{ \"b\": 2 }");
    removes("{ \"a\": 1, \"b\": 2 }", &["b"], "{ \"a\": 1 }");
    removes("{\"a\":1,\"b\":2,}", &["b"], "{\"a\":1,}");
    removes("{ \"a\": 1,\n  \"b\": 2 }", &["a"], "{\n  \"b\": 2 }");
    removes("{ \"a\": 1,\n  \"b\": 2 }", &["b"], "{ \"a\": 1 }");
    removes("{ \"a\": 1, }", &["a"], "{}");
}

#[test]
fn comments_around_a_removed_member_stay() {
    removes(
        "{\n  // about a\n  \"a\": 1, // one\n  \"b\": 2\n}",
        &["a"],
        "{\n  // about a\n  // one\n  \"b\": 2\n}",
    );
    removes(
        "{\n  \"a\": 1, // one\n  \"b\": 2 // two\n}",
        &["b"],
        "{\n  \"a\": 1 // one\n  // two\n}",
    );
    removes(
        "{ \"a\": 1, // one\n \"b\": 2 }",
        &["b"],
        "{ \"a\": 1 // one\n }",
    );
    removes("{\"a\": 1 /* c */, \"b\": 2}", &["a"], "{/* c */ \"b\": 2}");
    removes("{ /* c */ \"a\": 1 }", &["a"], "{ /* c */ }");
    removes("{ // c\n \"a\": 1 }", &["a"], "{ // c\n }");
}

#[test]
fn contains_looks_along_the_path() {
    let text = b"{\"a\": {\"b\": 1}}";
    assert_eq!(contains(text, &["a", "b"]), Ok(true));
    assert_eq!(contains(text, &["a", "c"]), Ok(false));
    assert_eq!(contains(b" // x", &["a"]), Ok(false));
    assert!(matches!(contains(b"{", &["a"]), Err(EditError::NotJson(_))));
}

#[test]
fn not_json() {
    let error = set_error("{\n  \"a\" 1\n}", &["a"], "1");
    assert_eq!(
        error.to_string(),
        "line 2, column 7: expected ':' after the key"
    );
    assert!(matches!(remove(b"", &["a"]), Err(EditError::NotJson(_))));
}

#[test]
fn not_an_object() {
    for (text, path) in [("[]", &["a"][..]), ("{\"a\": 5}", &["a", "b"])] {
        let error = set_error(text, path, "1");
        assert!(matches!(error, EditError::NotAnObject(_)), "{error}");
    }
    let error = set_error("{\"a\": null}", &["a", "b"], "1").to_string();
    assert_eq!(error, "line 1, column 7: expected an object, found null");
}

#[test]
fn twice() {
    let text = "{\"a\": {\"b\": 1}, \"a\": {}}";
    assert!(matches!(
        set_error(text, &["a", "b"], "1"),
        EditError::Twice(ReadError { column: 17, .. })
    ));
    assert!(matches!(
        remove(text.as_bytes(), &["a"]),
        Err(EditError::Twice(_))
    ));
    // A duplicate beside the way is none of our business.
    removes(
        "{\"a\": 1, \"b\": 2, \"a\": 3}",
        &["b"],
        "{\"a\": 1, \"a\": 3}",
    );
}

#[test]
fn missing() {
    let missing = Err(EditError::Missing("b".to_owned()));
    assert_eq!(remove(b"{\"a\": 1}", &["b", "c"]), missing);
}

#[test]
fn bad_value() {
    for json in ["", "{a:1}", "[1,]", "1 // c", "\u{feff}1"] {
        assert!(matches!(
            set_error("{}", &["a"], json),
            EditError::BadValue(_)
        ));
    }
}

#[test]
fn empty_path() {
    assert_eq!(set_error("{}", &[], "1"), EditError::EmptyPath);
    assert_eq!(remove::<&str>(b"{}", &[]), Err(EditError::EmptyPath));
}

#[test]
fn keys_are_escaped_and_found_decoded() {
    let key = "a\"\\\n\u{1}ä";
    let made = checked_set(b"{}", &[key], "1").unwrap();
    assert!(Plain::parse(&made).is_some());
    removes("{\"\\u0061\": 1}", &["a"], "{}");
}

#[test]
fn edit_of_text_is_text_of_edit() {
    for seed in 1..6_000 {
        let mut generator = Generator::new(seed);
        let document = generator.document();
        let text = document.as_bytes();
        assert!(Plain::parse(text).is_some(), "seed {seed}: {document}");
        let depth = 1 + generator.below(3);
        let path: Vec<&str> = (0..depth)
            .map(|_| generator.pick(&["k0", "k1", "k2", "new"]))
            .collect();
        let json = generator.pick(&["1", "[]", "{\"a\":{\"b\":[1,{}]}}", "[[1],{\"a\":2}]"]);
        if let Some(edited) = checked_set(text, &path, json) {
            assert_eq!(checked_set(&edited, &path, json), Some(edited.clone()));
            let back = checked_remove(&edited, &path).expect("just set");
            assert!(Plain::parse(&back).is_some(), "seed {seed}");
        }
        let _removed = checked_remove(text, &path);
    }
}

#[test]
fn what_was_added_to_a_filled_object_and_removed_leaves_the_same_bytes() {
    let mut compared = 0;
    for seed in 1..6_000 {
        let mut generator = Generator::new(seed);
        let document = generator.document();
        let text = document.as_bytes();
        let Some(Plain::Object(members)) = Plain::parse(text) else {
            panic!("an object");
        };
        if members.is_empty() {
            continue;
        }
        let edited = checked_set(text, &["new"], "{\"a\":[{}]}").expect("editable");
        let back = checked_remove(&edited, &["new"]).expect("just set");
        assert_eq!(
            String::from_utf8(back).unwrap(),
            document,
            "seed {seed}, by way of\n{}",
            String::from_utf8_lossy(&edited)
        );
        compared += 1;
    }
    assert!(compared > 3_000);
}

#[test]
fn any_bytes_are_read_and_edited_without_a_panic() {
    let mut generator = Generator::new(7);
    for _ in 0..5_000 {
        let mut data = vec![0; 4];
        for byte in &mut data {
            *byte = u8::try_from(generator.below(6)).unwrap();
        }
        data.extend(generator.document().into_bytes());
        for _ in 0..generator.below(3) {
            let at = generator.below(data.len().max(1));
            data.resize(data.len().max(1), b' ');
            match generator.below(3) {
                0 => data[at] = b"{}[]\",:/*\\\n\xff "[generator.below(13)],
                1 => drop(data.remove(at)),
                _ => data.truncate(at),
            }
        }
        fuzzing::config(&data);
    }
}

/// A document on one line was looked back over once for each of its members: this took minutes.
#[test]
fn a_document_of_a_hundred_thousand_members_on_one_line_is_edited_in_passing() {
    let members: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let text = format!("{{\"mcpServers\":{{{}}}}}", members.join(","));
    let edited = set(text.as_bytes(), &ADD, ENTRY).unwrap();
    let expected = format!(",\"new\":{ENTRY}}}}}");
    assert!(edited.ends_with(expected.as_bytes()));
    assert_eq!(remove(&edited, &ADD).unwrap(), text.as_bytes());
}
