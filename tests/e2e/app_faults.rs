//! Contract 6: whatever fails, and whenever the process is killed, the application's file and ours
//! are whole, old or new, nothing is lost, and a second run succeeds.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;

use serde_json::Value;

use crate::support::desktop::{FILE, failing, home, home_with, one, text};
use crate::support::dir::Dir;
use crate::support::program::Ended;

const CONSOLIDATE: &[&str] = &["app", "consolidate", "claude-desktop", "--force"];
const RESTORE: &[&str] = &["app", "restore", "claude-desktop"];
const MCP: &str = ".config/1mcp/mcp.json";
/// More operations than any of the commands has.
const OPERATIONS_MAX: u32 = 400;

fn servers(home: &Dir) -> Vec<String> {
    let text = fs::read_to_string(home.file(MCP)).unwrap_or_else(|_| "{}".to_owned());
    let value: Value = serde_json::from_str(&text).unwrap();
    let servers = value["mcpServers"].as_object();
    servers
        .map(|servers| servers.keys().cloned().collect())
        .unwrap_or_default()
}

/// Both files are whole, and each server is in one of them at least.
#[track_caller]
fn nothing_is_lost(home: &Dir, states: &[&str], context: &str) {
    let now = home.read(FILE);
    assert!(states.contains(&now.as_str()), "{context}: {now}");
    let ours = servers(home);
    for server in ["files", "memory"] {
        let is_theirs = now.contains(&format!("\"{server}\""));
        assert!(
            is_theirs || ours.iter().any(|name| name == server),
            "{context}"
        );
    }
}

#[track_caller]
fn told(ended: &Ended, context: &str) {
    if ended.code.is_some_and(|code| code != 0) {
        assert_eq!(ended.code, Some(1), "{context}: {ended:?}");
        let says = [
            "again",
            "free",
            "writable",
            "--no-backup",
            "write access",
            "power failure",
            "reading ",
            "Take another one",
        ];
        assert!(
            says.iter().any(|word| ended.err.contains(word)),
            "{context}: {ended:?}"
        );
    }
}

/// Lets each operation fail in turn, in a home as `prepare` makes it; how many there were.
fn each_failure(
    how: &str,
    args: &[&str],
    prepare: fn() -> Dir,
    check: impl Fn(&Dir, &Ended, &str),
) {
    for number in 1..OPERATIONS_MAX {
        let home = prepare();
        let at = format!("{number}:{how}");
        let ended = failing(&home, &at, args);
        if !ended.err.contains("failpoint:") {
            assert!(number > 5, "the failures are not built in: {ended:?}");
            return;
        }
        told(&ended, &at);
        check(&home, &ended, &at);
    }
    panic!("there is no end of operations");
}

/// Nothing fails, in the same binary: what is written names it.
#[track_caller]
fn whole(home: &Dir, args: &[&str]) -> Ended {
    failing(home, "", args)
}

fn consolidated() -> Dir {
    let home = home();
    whole(&home, CONSOLIDATE).expect(0);
    home
}

/// What a consolidate makes of the file, which is the same in every home.
fn after() -> String {
    consolidated().read(FILE)
}

fn consolidate_survives(how: &str) {
    let (original, after) = (text().0, after());
    each_failure(how, CONSOLIDATE, home, |home, _, at| {
        nothing_is_lost(home, &[&original, &after], at);
        whole(home, CONSOLIDATE).expect(0);
        assert_eq!(home.read(FILE), after, "{at}");
        assert_eq!(servers(home), ["files", "memory"], "{at}");
        whole(home, RESTORE).expect(0);
        assert_eq!(home.read(FILE), original, "{at}");
    });
}

#[test]
fn contract_6_consolidate_with_any_operation_failing() {
    consolidate_survives("EIO");
}

#[test]
fn contract_6_consolidate_with_the_disk_full_at_any_operation() {
    consolidate_survives("short");
}

#[test]
fn contract_6_consolidate_killed_at_any_operation() {
    consolidate_survives("kill");
}

#[test]
fn contract_6_consolidate_killed_after_half_of_any_write() {
    consolidate_survives("kill-short");
}

#[test]
fn contract_6_restore_with_any_operation_failing_or_killed() {
    let (original, after) = (text().0, after());
    for how in ["EIO", "kill"] {
        each_failure(how, RESTORE, consolidated, |home, _, at| {
            nothing_is_lost(home, &[&original, &after], at);
            if home.read(FILE) != original {
                whole(home, RESTORE).expect(0);
            }
            assert_eq!(home.read(FILE), original, "{at}");
        });
    }
}

#[test]
fn contract_6_mcp_add_with_any_operation_failing_or_killed() {
    let add = ["mcp", "add", "new", "--", "true"];
    let with_one = || {
        let home = Dir::new();
        whole(&home, &["mcp", "add", "old", "--", "true"]).expect(0);
        home
    };
    for how in ["ENOSPC", "kill"] {
        each_failure(how, &add, with_one, |home, _, at| {
            let ours = servers(home);
            assert!(ours == ["old"] || ours == ["new", "old"], "{at}: {ours:?}");
            if ours.len() == 1 {
                whole(home, &add).expect(0);
            }
            assert_eq!(servers(home), ["new", "old"], "{at}");
        });
    }
}

#[test]
fn contract_6_two_at_once() {
    for _ in 0..5 {
        let home = home();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| one(&home, &CONSOLIDATE[..3]).expect(0).out.clone());
            }
        });
        assert_eq!(servers(&home), ["files", "memory"]);
        let backups = one(&home, &["app", "backups", "--json"]).expect(0).json();
        assert_eq!(backups["backups"].as_array().unwrap().len(), 1);
        one(&home, RESTORE).expect(0);
        assert_eq!(home.read(FILE), text().0);
    }
}

#[test]
fn contract_6_what_the_application_writes_meanwhile_is_not_lost() {
    // The server that is checked is the application that writes.
    let home = home_with("{}");
    let file = home.file(FILE);
    let script = format!("sed -i 's/\"old\"/\"new\"/' '{file}'; exit 1");
    let text = serde_json::json!({
        "theme": "old",
        "mcpServers": {"a": {"command": "sh", "args": ["-c", script]}},
    });
    home.write(FILE, text.to_string());
    one(&home, &CONSOLIDATE[..3]).expect(0);
    let now: Value = serde_json::from_str(&home.read(FILE)).unwrap();
    assert_eq!(now["theme"], "new");
    assert!(now["mcpServers"]["1mcp"].is_object());
}

#[test]
fn guide_consolidation_failed_says_why_and_what_helps() {
    for (broken, expected) in [
        ("{\n  \"mcpServers\": {,}\n}", "line 2, column 18"),
        ("{\"mcpServers\": []}", "column 16"),
        ("nonsense", "line 1, column 1"),
    ] {
        let home = home_with(broken);
        let ended = one(&home, &CONSOLIDATE[..3]);
        ended.expect(1);
        let begin = "1mcp: consolidation of claude-desktop failed: ";
        assert!(ended.err.starts_with(begin), "{ended:?}");
        assert!(ended.err.contains(expected), "{ended:?}");
        assert!(
            ended.err.contains("app restore claude-desktop"),
            "{ended:?}"
        );
        assert_eq!(home.read(FILE), broken);
        let status = one(&home, &["app", "status", "claude-desktop"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        assert!(status.err.contains(expected), "{status:?}");
    }
}

#[test]
fn guide_missing_permissions_are_named() {
    let home = home();
    fs::set_permissions(home.file(FILE), Permissions::from_mode(0o444)).unwrap();
    let ended = one(&home, CONSOLIDATE);
    ended.expect(1);
    assert!(ended.err.contains("chmod u+w"), "{ended:?}");
    assert!(ended.err.contains("--manual-only"), "{ended:?}");
    assert_eq!(home.read(FILE), text().0);
    fs::set_permissions(home.file(FILE), Permissions::from_mode(0o644)).unwrap();
    one(&home, CONSOLIDATE).expect(0);
}

#[test]
fn contract_6_a_consolidate_that_wrote_nothing_leaves_no_trace() {
    let home = home();
    fs::create_dir_all(home.file(".config/1mcp")).unwrap();
    home.write(MCP, "{}");
    fs::set_permissions(home.file(MCP), Permissions::from_mode(0o444)).unwrap();
    let ended = one(&home, CONSOLIDATE);
    ended.expect(1);
    assert!(ended.err.contains("chmod u+w"), "{ended:?}");
    let status = one(&home, &["app", "status", "claude-desktop"]);
    status.expect(0);
    assert_eq!(status.err, "");
    one(&home, RESTORE).expect(3);
}

#[test]
fn contract_6_a_server_without_a_name_can_be_seen() {
    let home = home_with(r#"{"mcpServers": {"": {"command": "x"}}}"#);
    let ended = one(&home, CONSOLIDATE);
    ended.expect(0);
    assert!(
        String::from_utf8_lossy(&ended.out).contains("  \"\": imported as server"),
        "{ended:?}"
    );
}

#[test]
fn contract_6_a_pipe_in_the_place_of_our_file_is_named() {
    let home = home();
    fs::create_dir_all(home.file(".config/1mcp")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(home.file(MCP))
        .status();
    assert!(made.unwrap().success());
    for args in [
        CONSOLIDATE,
        &["mcp", "list"],
        &["mcp", "status"],
        &["mcp", "add", "a", "--", "x"],
        &["serve", "--transport", "stdio"],
    ] {
        let ended = one(&home, args);
        ended.expect(1);
        assert!(ended.err.contains("pipe and not a file"), "{ended:?}");
    }
}

#[test]
fn contract_6_what_is_no_file_is_named() {
    let home = home();
    fs::remove_file(home.file(FILE)).unwrap();
    fs::create_dir(home.file(FILE)).unwrap();
    let ended = one(&home, CONSOLIDATE);
    ended.expect(1);
    assert!(ended.err.contains("not a regular file"), "{ended:?}");
    fs::remove_dir(home.file(FILE)).unwrap();
    symlink("claude_desktop_config.json", home.file(FILE)).unwrap();
    let ended = one(&home, CONSOLIDATE);
    ended.expect(1);
    assert!(ended.err.contains("symbolic link"), "{ended:?}");
}

#[test]
fn contract_6_a_file_that_is_mounted_on_its_own_is_told() {
    let home = home();
    let count = failing(&home, "list", CONSOLIDATE).err;
    let renames = count.lines().filter(|line| line.contains("rename")).count();
    assert!(renames >= 3, "{count}");
    // The last one is that of the application's file.
    let home = self::home();
    let told = count.lines().filter(|line| line.starts_with("failpoint:"));
    let told: Vec<&str> = told.collect();
    let number = told
        .iter()
        .rposition(|line| line.contains("rename"))
        .unwrap();
    let ended = failing(&home, &format!("{}:EBUSY", number + 1), CONSOLIDATE);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("mounted on its own"), "{ended:?}");
    assert!(ended.err.contains("nothing is lost"), "{ended:?}");
    assert_eq!(home.read(FILE), text().0);
    assert_eq!(servers(&home), ["files", "memory"]);
}
