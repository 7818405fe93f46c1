//! The house rules that no compiler checks: which room may know which, how long files, functions
//! and lines are, what may not be called in the core. Every rule is a function from one file to its
//! problems, and every rule is shown a file that breaks it, for a check that cannot fail is none.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use onemcp::base::mark::Mark;

#[path = "tidy/reader.rs"]
mod reader;
use reader::{blank, function_end, paths, without_tests, words};

/// Which room of the core may name which others. A new edge is one line here, to be argued for.
/// `client`, `backend` and `route` never name each other: [`FLOOR`] has the language between them.
const EDGES: &[(&str, &[&str])] = &[
    ("lib", &["*"]),
    ("hub", &["*"]),
    (
        "client",
        &["base", "filter", "http1", "json", "mcp", "oauth", "web"],
    ),
    ("route", &["base", "config", "filter", "json", "mcp"]),
    ("backend", &["base", "fetch", "http1", "json", "mcp"]),
    ("fetch", &["base", "http1"]),
    // The machines of OAuth answer requests, ask others, and render pages.
    (
        "oauth",
        &["base", "config", "fetch", "http1", "json", "web"],
    ),
    // What the pages show of a server is what a survey says of it: plain values, which `instance`
    // owns because `mcp status` came first.
    ("web", &["base", "config", "http1", "instance", "json"]),
    ("instance", &["base", "json"]),
    ("config", &["base", "filter", "http1", "json", "mcp"]),
    // Tools, which know nothing of what they are used for.
    ("filter", &["base", "json", "limits"]),
    ("mcp", &["base", "json", "limits"]),
    ("http1", &["base", "limits", "now"]),
    ("json", &["base", "limits"]),
    ("base", &["limits", "now"]),
    // The floor itself.
    (
        "cx",
        &[
            "base", "effect", "entropy", "language", "links", "now", "tally",
        ],
    ),
    ("effect", &["base", "language", "links"]),
    ("entropy", &[]),
    ("input", &["config", "effect", "language", "links"]),
    (
        "language",
        &[
            "base",
            "cx",
            "effect",
            "http1",
            "json",
            "links",
            "mcp",
            "now",
            "principal",
            "tally",
        ],
    ),
    ("limits", &[]),
    ("links", &["base", "language"]),
    ("now", &[]),
    ("principal", &["base", "filter", "now"]),
    ("settings", &["base", "effect", "filter", "http1", "limits"]),
    ("tally", &["base", "limits", "now"]),
];
/// What every room that has a part in the program may name.
const FLOOR: &[&str] = &[
    "cx",
    "effect",
    "entropy",
    "input",
    "language",
    "limits",
    "links",
    "now",
    "principal",
    "settings",
    "tally",
];
const ON_THE_FLOOR: &[&str] = &[
    "client", "route", "backend", "fetch", "oauth", "web", "config", "instance",
];

/// What the core never touches, as beginnings of paths or as names anywhere in one.
const FORBIDDEN_PATHS: &[&str] = &["std::env", "std::fs", "std::process", "std::thread"];
const FORBIDDEN_NAMES: &[&str] = &[
    "HashMap",
    "HashSet",
    "Instant",
    "RandomState",
    "SystemRandom",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
];

/// Compiled for tests only: a test that fails anyway does not complain of its marks as well.
const ALLOWED_PATHS: &[(&str, &str)] = &[("src/core/base/mark/mod.rs", "std::thread::panicking")];

/// System calls that std lacks; the fixture ignores SIGTERM when told to.
const UNSAFE: &[&str] = &[
    "src/shell/sys.rs",
    "src/shell/sys/files.rs",
    "src/shell/sys/inotify.rs",
    "src/shell/sys/no_unwind.rs",
    "src/shell/sys/signals.rs",
    "src/shell/sys/sockets.rs",
    "src/shell/sys/standard.rs",
    "src/shell/sys/terminal.rs",
    "src/shell/sys/variables.rs",
    "tests/fixtures/misbehave.rs",
];

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_LONG: usize = 350;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// One source file, in the three forms that rules look at.
struct File {
    path: String,
    text: String,
    /// Comments and the insides of literals are blanks.
    code: String,
    /// The same without what is compiled for tests only.
    product: String,
}

impl File {
    fn new(path: &str, text: &str, is_test: bool) -> Self {
        let code = blank(text);
        let product = if is_test {
            String::new()
        } else {
            without_tests(&code)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            product,
        }
    }

    /// `src/core/ROOM/..` or `src/core/ROOM.rs`.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/core/")?;
        inside.split(['/', '.']).next()
    }
}

type Rule = fn(&File) -> Vec<String>;
const RULES: &[(&str, Rule)] = &[
    ("edges", edges),
    ("forbidden", forbidden),
    ("unsafe", unsafe_code),
    ("file length", file_length),
    ("function length", function_length),
    ("columns", columns),
    ("unfinished", unfinished),
    ("module comment", module_comment),
];

// --- the rules ---------------------------------------------------------------------------------

fn edges(file: &File) -> Vec<String> {
    let Some(room) = file.room() else {
        return Vec::new();
    };
    let Some((_, own)) = EDGES.iter().find(|(name, _)| *name == room) else {
        return vec![format!("room {room} is missing in the table of edges")];
    };
    let floor = if ON_THE_FLOOR.contains(&room) {
        FLOOR
    } else {
        &[]
    };
    let allowed =
        |to: &str| to == room || own.contains(&"*") || own.contains(&to) || floor.contains(&to);
    let depth = file.path.matches('/').count() - usize::from(file.path.ends_with("/mod.rs")) - 1;
    let target = |path: &String| {
        let mut names = path.split("::");
        match names.next()? {
            "crate" => names.next().map(str::to_owned),
            // As many steps up as lead to the root of the crate.
            "super" => {
                let ups = 1 + names.clone().take_while(|name| *name == "super").count();
                (ups >= depth)
                    .then(|| names.nth(ups - 1))
                    .flatten()
                    .map(str::to_owned)
            }
            _ => None,
        }
    };
    let targets: BTreeSet<String> = paths(&file.product).iter().filter_map(target).collect();
    let targets = targets
        .into_iter()
        .filter(|to| to != "slab_keys" && !allowed(to));
    targets
        .map(|to| format!("{room} must not know {to}"))
        .collect()
}

fn forbidden(file: &File) -> Vec<String> {
    if file.room().is_none() {
        return Vec::new();
    }
    let is_bad = |path: &String| {
        let inside = |bad: &str| path == bad || path.starts_with(&format!("{bad}::"));
        if ALLOWED_PATHS.contains(&(file.path.as_str(), path.as_str())) {
            return false;
        }
        FORBIDDEN_PATHS.iter().any(|bad| inside(bad))
            || path.split("::").any(|name| FORBIDDEN_NAMES.contains(&name))
    };
    let found: BTreeSet<String> = paths(&file.code).into_iter().filter(is_bad).collect();
    found
        .into_iter()
        .map(|path| format!("the core must not use {path}"))
        .collect()
}

fn unsafe_code(file: &File) -> Vec<String> {
    let used = words(&file.code).any(|word| word == "unsafe");
    problem(used && !UNSAFE.contains(&file.path.as_str()), || {
        format!("unsafe stands in {} only", UNSAFE.join(" and "))
    })
}

fn file_length(file: &File) -> Vec<String> {
    let lines = product_lines(file);
    problem(lines > FILE_LINES_MAX, || {
        format!("{lines} lines without tests; split it by phase or by direction")
    })
}

fn product_lines(file: &File) -> usize {
    let last = file.product.trim_end().len();
    file.product[..last].lines().count()
}

fn function_length(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in file.product.match_indices("fn ") {
        let before = file.product[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &file.product[at..];
        if let Some(end) = function_end(rest) {
            let lines = rest[..end].lines().count();
            let name = words(rest).nth(1).unwrap_or_default();
            if lines > FUNCTION_LINES_MAX {
                found.push(format!("fn {name} has {lines} lines"));
            }
        }
    }
    found
}

/// Lines of test data may be longer, if the length is that of a literal; so may rows of a table in
/// a comment, which cannot be broken.
fn columns(file: &File) -> Vec<String> {
    let product: Vec<&str> = file.product.lines().collect();
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let in_product = product
            .get(number)
            .is_some_and(|line| !line.trim().is_empty());
        let is_data = !in_product && line.contains('"');
        let is_row = line
            .trim_start()
            .trim_start_matches(['/', '!'])
            .starts_with(" |");
        if line.chars().count() > COLUMNS_MAX && !is_data && !is_row {
            found.push(format!("line {} is longer than {COLUMNS_MAX}", number + 1));
        }
    }
    found
}

fn unfinished(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for word in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
        found.extend(problem(file.code.contains(word), || {
            format!("{word} is left in it")
        }));
    }
    let marks = [["FIX", "ME"].concat(), ["XX", "X:"].concat()];
    let left = marks
        .iter()
        .filter(|mark| file.text.contains(mark.as_str()));
    found.extend(left.map(|mark| format!("{mark} is left in it")));
    found
}

fn module_comment(file: &File) -> Vec<String> {
    let is_product = !file.product.is_empty();
    let missing = is_product && !file.text.starts_with("//! ");
    problem(missing, || {
        "begins without saying what it owns (//!)".to_owned()
    })
}

fn problem(is_one: bool, text: impl FnOnce() -> String) -> Vec<String> {
    if is_one { vec![text()] } else { Vec::new() }
}

/// Constants of a file of limits that nobody uses: a limit that is written down and not kept.
fn idle_limits(limits: &str, others: &[File]) -> Vec<String> {
    let used: BTreeSet<&str> = others.iter().flat_map(|file| words(&file.code)).collect();
    let limits = blank(limits);
    let constants = limits
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    let names = constants.filter_map(|line| line.split(':').next());
    names
        .filter(|name| !used.contains(name))
        .map(str::to_owned)
        .collect()
}

/// Coverage marks that stand nowhere in the core, and those that neither the simulator nor any test
/// is asked to reach. Each mark with whether the simulator is excused from it.
fn idle_marks(marks: &[(String, bool)], files: &[File]) -> Vec<String> {
    let squeezed = |file: &File| file.code.split_whitespace().collect::<String>();
    let in_core = files.iter().filter(|file| file.room().is_some());
    let core: String = in_core.map(squeezed).collect();
    let all: String = files.iter().map(squeezed).collect();
    let mut found = Vec::new();
    for (mark, excused) in marks {
        if !core.contains(&format!("Mark::{mark}.hit()")) {
            found.push(format!("{mark} stands nowhere in the core"));
        }
        if *excused && !all.contains(&format!("must_hit(Mark::{mark})")) {
            found.push(format!("no test says must_hit(Mark::{mark})"));
        }
    }
    found
}

// --- the tree ----------------------------------------------------------------------------------

fn read_tree(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) -> io::Result<()> {
    let entries: Result<Vec<DirEntry>, _> = fs::read_dir(folder)?.collect();
    let mut entries: Vec<PathBuf> = entries?.iter().map(DirEntry::path).collect();
    entries.sort();
    for entry in entries {
        let foreign = ["target", "node_modules", "out"]
            .iter()
            .any(|name| entry.ends_with(name));
        if entry.is_dir() && !foreign {
            read_tree(root, &entry, found)?;
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let path = entry.strip_prefix(root).unwrap_or(&entry);
            let text = fs::read_to_string(&entry)?;
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
    Ok(())
}

/// Modules that are compiled for tests only and lie in files of their own: their paths begin so.
fn test_files(path: &str, text: &str) -> Vec<String> {
    let is_root = ["src/core/lib.rs", "src/main.rs"].contains(&path);
    let folder = match path.rsplit_once('/') {
        Some((folder, file)) if file == "mod.rs" || is_root => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let code = blank(text);
    let after = code.split("#[cfg(test)]").skip(1);
    let names = after.filter_map(|rest| {
        let item = rest.split(['{', ';']).next()?;
        let is_elsewhere = rest[item.len()..].starts_with(';');
        let name = item.split_once("mod ")?.1.trim();
        is_elsewhere.then(|| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")])
    });
    names.flatten().collect()
}

fn tree() -> io::Result<Vec<File>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "fuzz"].map(|name| root.join(name)) {
        if folder.is_dir() {
            read_tree(root, &folder, &mut found)?;
        }
    }
    let tests = found.iter().flat_map(|(path, text)| test_files(path, text));
    let tests: Vec<String> = tests.collect();
    let is_test = |path: &str| {
        !path.starts_with("src/") || tests.iter().any(|test| path.starts_with(test.as_str()))
    };
    let files = found
        .iter()
        .map(|(path, text)| File::new(path, text, is_test(path)));
    Ok(files.collect())
}

#[test]
fn the_tree_is_tidy() {
    let files = tree().unwrap();
    assert!(files.len() > 20, "the tree was not found");
    let mut problems = Vec::new();
    for file in &files {
        for (name, rule) in RULES {
            let found = rule(file).into_iter();
            problems.extend(found.map(|text| format!("{}: {text} ({name})", file.path)));
        }
        let lines = product_lines(file);
        if lines > FILE_LINES_LONG {
            println!("{}: {lines} lines, getting long", file.path);
        }
    }
    let marks = Mark::ALL.iter();
    let marks: Vec<(String, bool)> = marks
        .map(|mark| (mark.name(), mark.excuse().is_some()))
        .collect();
    problems.extend(idle_marks(&marks, &files));
    let (limits, others): (Vec<File>, Vec<File>) = files
        .into_iter()
        .partition(|file| file.room() == Some("limits"));
    for file in &limits {
        let idle = idle_limits(&file.text, &others).into_iter();
        problems.extend(idle.map(|name| format!("{}: nobody keeps {name}", file.path)));
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

// --- the rules are shown what they are for ------------------------------------------------------

fn broken_rules(path: &str, text: &str) -> Vec<&'static str> {
    let file = File::new(path, text, false);
    let broken = RULES.iter().filter(|(_, rule)| !rule(&file).is_empty());
    broken.map(|(name, _)| *name).collect()
}

#[test]
fn every_rule_catches_what_it_is_for_and_nothing_else() {
    let long_file = format!("//! A.\n{}", "const A: u8 = 1;\n".repeat(FILE_LINES_MAX));
    let long_fn = format!(
        "//! A.\nfn f() {{\n{}}}\n",
        "    g();\n".repeat(FUNCTION_LINES_MAX)
    );
    let wide = format!("//! A.\n// {}\n", "x".repeat(COLUMNS_MAX));
    let backend = "src/core/backend/a.rs";
    let cases = [
        (backend, "//! A.\nuse crate::client::Client;\n", "edges"),
        (
            backend,
            "//! A.\nuse crate::{base::slab::Slab, route::Hall};\n",
            "edges",
        ),
        (
            backend,
            "//! A.\nfn f() {\n    crate::web::page();\n}\n",
            "edges",
        ),
        (
            backend,
            "//! A.\nuse super::super::client::Client;\n",
            "edges",
        ),
        (
            "src/core/backend/mod.rs",
            "//! A.\nuse super::client::Client;\n",
            "edges",
        ),
        (
            "src/core/base/slab.rs",
            "//! A.\nuse crate::language::PoolKey;\n",
            "edges",
        ),
        ("src/core/attic.rs", "//! A.\n", "edges"),
        (
            backend,
            "//! A.\nuse std::{fmt, net::TcpStream};\n",
            "forbidden",
        ),
        (
            backend,
            "//! A.\nuse std::{io::{self, Read}, fs::File};\n",
            "forbidden",
        ),
        (
            backend,
            "//! A.\nfn f() {\n    let _ = std::env::var(\"A\");\n}\n",
            "forbidden",
        ),
        (
            backend,
            "//! A.\nstruct A {\n    a: HashMap<u8, u8>,\n}\n",
            "forbidden",
        ),
        (
            backend,
            "//! A.\nfn f() {\n    g(std::time::Instant::now());\n}\n",
            "forbidden",
        ),
        (
            backend,
            "//! A.\n#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n",
            "forbidden",
        ),
        (
            "src/shell/link.rs",
            "//! A.\nfn f() {\n    unsafe { g() }\n}\n",
            "unsafe",
        ),
        (backend, &long_file, "file length"),
        (backend, &long_fn, "function length"),
        (backend, &wide, "columns"),
        (backend, "//! A.\nfn f() {\n    todo!()\n}\n", "unfinished"),
        (
            backend,
            "//! A.\n#[cfg(test)]\nmod t {\n    #[ignore = \"slow\"]\n}\n",
            "unfinished",
        ),
        (
            backend,
            &["//! A.\n// FIX", "ME later\n"].concat(),
            "unfinished",
        ),
        (backend, "// A.\nfn f() {}\n", "module comment"),
    ];
    for (path, text, rule) in cases {
        assert_eq!(broken_rules(path, text), [rule], "{path}: {text}");
    }
    let seen: BTreeSet<&str> = cases.iter().map(|(.., rule)| *rule).collect();
    assert_eq!(seen.len(), RULES.len(), "a rule that is shown nothing");
}

#[test]
fn what_is_allowed_breaks_no_rule() {
    let long_test = "    const A: u8 = 1;\n".repeat(FILE_LINES_MAX);
    let wide_data = format!("    const B: &str = \"{}\";\n", "x".repeat(COLUMNS_MAX));
    let cases = [
        (
            "src/core/hub.rs",
            "//! A.\nuse crate::{client::A, backend::B};\n".to_owned(),
        ),
        (
            "src/core/backend/mod.rs",
            "//! A.\nuse crate::language::PoolKey;\n".to_owned(),
        ),
        (
            "src/core/backend/a.rs",
            "//! A.\nuse super::child::Child;\n".to_owned(),
        ),
        (
            "src/core/base/slab.rs",
            "//! A: no HashMap, std::fs.\nconst A: &str = \"unsafe\";\n".to_owned(),
        ),
        (
            "src/core/base/slab.rs",
            "//! A.\nconst A: &str = r#\"std::fs::File \" unsafe\"#;\n".to_owned(),
        ),
        (
            "src/shell/sys.rs",
            "//! A.\nuse std::fs;\nfn f() {\n    unsafe { g() }\n}\n".to_owned(),
        ),
        (
            "src/core/web/a.rs",
            format!("//! A.\n#[cfg(test)]\nmod tests {{\n{long_test}{wide_data}}}\n"),
        ),
        (
            "src/core/web/a.rs",
            "//! A.\n#[cfg(test)]\nmod tests {\n    use crate::route::A;\n}\n".to_owned(),
        ),
        (
            "tests/walkthrough.rs",
            "//! A.\nuse std::process::Command;\n".to_owned(),
        ),
    ];
    for (path, text) in cases {
        assert!(
            broken_rules(path, &text).is_empty(),
            "{path}: {:?}",
            broken_rules(path, &text)
        );
    }
}

#[test]
fn a_limit_that_is_named_only_in_a_comment_is_found() {
    let limits = "/// A.\npub const A_MAX: u8 = 1;\n/// B.\npub const B_MAX: u8 = A_MAX;\n";
    let user = File::new(
        "src/a.rs",
        "//! Keeps A_MAX.\nuse crate::limits::B_MAX;\n",
        false,
    );
    assert_eq!(idle_limits(limits, &[user]), ["A_MAX"]);
}

#[test]
fn a_mark_that_nobody_hits_or_looks_for_is_found() {
    let marks = [("A", false), ("B", true), ("C", true), ("D", false)];
    let marks = marks.map(|(name, excused)| (name.to_owned(), excused));
    let core = "//! Mark::D.hit();\nfn f() {\n    Mark::A.hit();\n    Mark::B.hit();\n    \
                Mark::C\n        .hit();\n}\n";
    let files = [
        File::new("src/core/web/a.rs", core, false),
        File::new("tests/a.rs", "let _a = must_hit(Mark::B);\n", true),
    ];
    assert_eq!(
        idle_marks(&marks, &files),
        [
            "no test says must_hit(Mark::C)",
            "D stands nowhere in the core"
        ]
    );
}

#[test]
fn modules_for_tests_in_files_of_their_own_are_known() {
    let text = "mod a;\n#[cfg(test)]\nmod kit;\n#[cfg(test)]\nmod tests {}\n";
    let found = test_files("src/core/web/mod.rs", text);
    assert_eq!(found, ["src/core/web/kit.rs", "src/core/web/kit/"]);
    assert_eq!(
        test_files("src/core/web/a.rs", text)[0],
        "src/core/web/a/kit.rs"
    );
}
