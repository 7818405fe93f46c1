use super::fuzzing::presets as fuzz;
use super::*;
use crate::filter::Expr;
use crate::limits::{CONFIG_PROBLEMS_MAX, FILTER_DEPTH_MAX, PRESET_PARTS_MAX};

fn document(entries: &str) -> (Presets, Vec<Problem>) {
    let text = format!("{{\"version\": \"1.0.0\", \"presets\": {{{entries}}}}}");
    fuzz(text.as_bytes());
    read(text.as_bytes()).unwrap()
}

/// What a `tagQuery` means, or the problem that it is.
fn query(json: &str) -> Result<Expr, String> {
    let (presets, problems) = document(&format!("\"p\": {{\"tagQuery\": {json}}}"));
    match (presets.get("p"), &problems[..]) {
        (Some(preset), []) => Ok(Expr::clone(&preset.expr)),
        (None, [only]) => Err(only.text.clone()),
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn contract_4_every_shape_of_a_query_means_what_it_says() {
    let sets: [&[&str]; 6] = [
        &[],
        &["a"],
        &["b"],
        &["A", "b"],
        &["b", "c"],
        &["a", "b", "c"],
    ];
    // One column for each of the sets: whether a server with these tags is admitted.
    for (json, admitted) in [
        (r#"{"tag": "a"}"#, ".x.x.x"),
        (r#"{"tag": " A "}"#, ".x.x.x"),
        (r#""a""#, ".x.x.x"),
        (r#"{"$or": [{"tag": "a"}, {"tag": "c"}]}"#, ".x.xxx"),
        (r#"{"$or": ["a", "c"]}"#, ".x.xxx"),
        (r#"{"$or": [{"tag": "a"}]}"#, ".x.x.x"),
        (r#"{"$or": []}"#, "......"),
        (r#"{"$in": ["a", "c"]}"#, ".x.xxx"),
        (r#"{"$in": ["a"]}"#, ".x.x.x"),
        (r#"{"$in": []}"#, "......"),
        (r#"{"tag": {"$in": ["a", "c"]}}"#, ".x.xxx"),
        (r#"{"$and": [{"tag": "a"}, {"tag": "b"}]}"#, "...x.x"),
        (r#"{"$and": [{"tag": "b"}]}"#, "..xxxx"),
        (r#"{"$not": {"tag": "a"}}"#, "x.x.x."),
        (r#"{"$not": "a"}"#, "x.x.x."),
        (r#"{"$not": {"$not": {"tag": "a"}}}"#, ".x.x.x"),
        (r#"{"$not": {"$in": ["a", "c"]}}"#, "x.x..."),
        (r#"{"$not": {}}"#, "xxxxxx"),
        (r#"{}"#, "......"),
        (
            r#"{"$and": [{"$or": [{"tag": "a"}, {"tag": "b"}]}, {"$not": {"tag": "c"}}]}"#,
            ".xxx..",
        ),
        (r#"{"$advanced": "a"}"#, ".x.x.x"),
        (r#"{"tag": "мир", /* comments */ }"#, "......"),
    ] {
        let expr = query(json).unwrap();
        let found: String = sets
            .iter()
            .map(|tags| {
                let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
                if expr.admits(&tags) { 'x' } else { '.' }
            })
            .collect();
        assert_eq!(found, admitted, "{json}: {expr:?}");
    }
}

#[test]
fn contract_4_what_could_mean_two_things_is_left_out() {
    for (json, why) in [
        (
            r#"{"tag": "a", "$not": {"tag": "b"}}"#,
            "\"$not\" stands beside another operator",
        ),
        (
            r#"{"tag": "a", "tag": "b"}"#,
            "\"tag\" stands beside another operator",
        ),
        (
            r#"{"$nor": []}"#,
            "\"$nor\" is no operator; there are tag, $or,",
        ),
        (r#"{"Tag": "a"}"#, "\"Tag\" is no operator"),
        (r#"{"$and": []}"#, "would show everything"),
        (
            r#"{"$or": {"tag": "a"}}"#,
            "its \"$or\" must be an array, found an object",
        ),
        (
            r#"{"$and": "a"}"#,
            "its \"$and\" must be an array, found a string",
        ),
        (
            r#"{"$in": "a"}"#,
            "its \"$in\" must be an array, found a string",
        ),
        (
            r#"{"$in": [1]}"#,
            "its \"$in\" must be an array of tags, found a number",
        ),
        (
            r#"{"$or": [null]}"#,
            "what stands in its \"$or\" must be an object, found null",
        ),
        (
            r#"{"$not": [{"tag": "a"}]}"#,
            "its \"$not\" must be an object, found an array",
        ),
        (
            r#"{"tag": ["a"]}"#,
            "its \"tag\" must be a string, found an array",
        ),
        (
            r#"{"tag": {"$or": ["a"]}}"#,
            "its \"tag\" must be a string or {\"$in\": [..]}",
        ),
        (r#"{"tag": ""}"#, "\"\" is no tag"),
        (r#"{"tag": "a\nb"}"#, "\"a\\nb\" is no tag"),
        (
            r#"["a"]"#,
            "its \"tagQuery\" must be an object, found an array",
        ),
        (
            r#"{"$advanced": 1}"#,
            "its \"$advanced\" must be an expression, found a number",
        ),
        (
            r#"{"$advanced": "a and"}"#,
            "its \"$advanced\" is wrong at position ",
        ),
        ("null", "it has no \"tagQuery\""),
    ] {
        let found = query(json).unwrap_err();
        assert!(
            found.starts_with("preset \"p\" is left out: ") && found.contains(why),
            "{json}: {found}"
        );
    }
}

#[test]
fn contract_4_a_file_of_the_other_program_reads_as_meant() {
    let (presets, problems) = document(
        r#"
        // kept
        "development": {
            "name": "development", "description": "At work", "strategy": "or",
            "tagQuery": {"$or": [{"tag": "web"}, {"tag": "api"}]},
            "created": "2025-09-06T10:00:00.000Z", "lastModified": "2025-09-06T10:00:00.000Z",
        },
        "one": {"strategy": "tag", "tagQuery": {"tag": "web"}, "description": null},
        "picked": {
            "strategy": "advanced",
            "tagQuery": {"$and": [{"tag": "web"}, {"$not": {"tag": "development"}}]}
        },"#,
    );
    assert_eq!(problems, []);
    let names: Vec<&str> = presets.names().collect();
    assert_eq!(names, ["development", "one", "picked"]);
    let described = |name| presets.get(name).unwrap().description.as_deref();
    assert_eq!(described("development"), Some("At work"));
    assert_eq!(described("one"), None);
}

#[test]
fn contract_4_a_bad_preset_is_one_line_with_its_place_and_the_others_hold() {
    let text = "{\"presets\": {\n  \"good\": {\"tagQuery\": \"a\"},\n  \"bad\": {\n    \"tagQuery\": {\"$or\": [\"b\", 7]}\n  },\n  \"bad name\": {\"tagQuery\": \"a\"}, \"good\": {},\n  \"s\": {\"strategy\": \"any\", \"tagQuery\": \"a\"},\n  \"d\": {\"description\": 1, \"tagQuery\": \"a\"},\n  \"t\": {\"tagQuery\": \"a\", \"tagQuery\": \"b\"}, \"n\": {}, \"l\": []\n}}";
    let (presets, problems) = read(text.as_bytes()).unwrap();
    assert_eq!(presets.names().collect::<Vec<_>>(), ["good"]);
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let left_out = |name: &str| format!("preset {name:?} is left out: ");
    let expected = [
        format!(
            "line 4, column 31: {}what stands in its \"$or\" must be an object, found a number",
            left_out("bad")
        ),
        format!(
            "line 6, column 3: {}a name is made of 1 to 50 of A-Z a-z 0-9 _ and -",
            left_out("bad name")
        ),
        format!(
            "line 6, column 34: {}it appears twice, the first one counts",
            left_out("good")
        ),
        format!(
            "line 7, column 21: {}its \"strategy\" must be or, and, or advanced, found \"any\"",
            left_out("s")
        ),
        format!(
            "line 8, column 24: {}its \"description\" must be a string, found a number",
            left_out("d")
        ),
        format!(
            "line 9, column 26: {}it has \"tagQuery\" twice",
            left_out("t")
        ),
        format!("line 9, column 44: {}it has no \"tagQuery\"", left_out("n")),
        format!(
            "line 9, column 58: {}it must be an object, found an array",
            left_out("l")
        ),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_file_of_which_nothing_can_be_trusted_is_an_error() {
    for (text, why) in [
        ("{\n  \"presets\": }", "line 2, column 14: expected a value"),
        ("", "the file is empty"),
        ("[]", "presets.json must be an object, found an array"),
        ("{\"presets\": []}", "\"presets\" must be an object"),
        (
            "{\"presets\": {}, \"presets\": {}}",
            "\"presets\" appears twice",
        ),
    ] {
        fuzz(text.as_bytes());
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let nothing = Ok((Presets::default(), Vec::new()));
    assert_eq!(read(b"{}"), nothing);
    assert_eq!(
        read(b"\xEF\xBB\xBF{\"version\": 7, \"presets\": {},} // x"),
        nothing
    );
}

#[test]
fn presets_and_what_is_in_one_are_bounded() {
    let entries: Vec<String> = (0..=PRESETS_MAX)
        .map(|n| format!("\"p{n}\": {{\"tagQuery\": \"a\"}}"))
        .collect();
    let (presets, problems) = document(&entries.join(","));
    assert_eq!((presets.iter().len(), problems.len()), (PRESETS_MAX, 1));
    assert!(problems[0].text.ends_with("there are more than 500"));
    let deep = |depth: usize| {
        let (open, close) = ("{\"$or\":[\"b\",".repeat(depth), "]}".repeat(depth));
        query(&format!("{open}{{\"tag\":\"a\"}}{close}"))
    };
    assert!(deep(FILTER_DEPTH_MAX).is_ok());
    let why = deep(FILTER_DEPTH_MAX + 1).unwrap_err();
    assert!(why.ends_with("is deeper than 32 operators"), "{why}");
    for (operator, count) in [("$in", PRESET_PARTS_MAX - 1), ("$or", PRESET_PARTS_MAX - 1)] {
        let tags = |count: usize| vec!["\"a\""; count].join(",");
        let with = |count: usize| query(&format!("{{\"{operator}\": [{}]}}", tags(count)));
        assert!(with(count).is_ok());
        let why = with(count + 1).unwrap_err();
        assert!(why.ends_with("has more than 2000 parts"), "{why}");
    }
    let many: Vec<String> = (0..CONFIG_PROBLEMS_MAX + 3)
        .map(|n| format!("\"p{n}\": 1"))
        .collect();
    let (_, problems) = document(&many.join(","));
    assert_eq!(problems.len(), CONFIG_PROBLEMS_MAX);
    assert!(
        problems[CONFIG_PROBLEMS_MAX - 1]
            .text
            .ends_with("(and 3 more problems)")
    );
}
