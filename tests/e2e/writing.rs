//! Contract 6: whatever goes wrong while a file is changed, it is whole, the old one or the new
//! one; the message says what to do, and the next run succeeds. Failures are rehearsed
//! (`src/shell/disk/failpoint.rs`), or made by the system where it lets us.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::dir::Dir;
use crate::support::processes;
use crate::support::program::{Beside, Ended, cli, cli_in_turn, failing, other, run};

const OLD: &str = "{\n  // mine\n  \"mcpServers\": {\"old\": {\"command\": \"true\"}}\n}\n";

/// `mcp add new` with a failure.
fn add(dir: &Dir, fail_at: &str) -> (Ended, bool) {
    let config = dir.file("");
    let args = ["--config-dir", &config, "mcp", "add", "new", "--", "true"];
    let mut ended = run(&mut failing(dir.path(), fail_at, &args));
    let reached = ended.err.contains("failpoint: ");
    let lines = ended.err.lines();
    let lines = lines.filter(|line| !line.starts_with("failpoint: "));
    ended.err = lines.map(|line| format!("{line}\n")).collect();
    (ended, reached)
}

fn what_added_leaves() -> String {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    cli(dir.path(), &["mcp", "add", "new", "--", "true"]).expect(0);
    dir.read("mcp.json")
}

/// Nothing of ours lies beside the file.
fn is_tidy(dir: &Path) -> bool {
    let names = fs::read_dir(dir).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.into_string().unwrap()
    });
    names.filter(|name| name.starts_with('.')).count() == 0
}

/// Every operation in turn, until a run has fewer.
fn at_every_operation(how: &str) -> u32 {
    let new = what_added_leaves();
    for n in 1.. {
        let dir = Dir::new();
        dir.write("mcp.json", OLD);
        let (ended, reached) = add(&dir, &format!("{n}:{how}"));
        let found = dir.read("mcp.json");
        assert!(found == OLD || found == new, "{n}:{how}: {found}");
        match ended.code {
            Some(0) => assert_eq!(found, new, "{n}:{how}"),
            Some(_) => {
                ended.expect(1);
                let says = ["nothing was", "is written", "reading "];
                assert!(
                    says.iter().any(|text| ended.err.contains(text)),
                    "{ended:?}"
                );
            }
            None => assert!(how.starts_with("kill"), "{ended:?}"),
        }
        let (again, _) = add(&dir, "");
        let expected = if found == new { 1 } else { 0 };
        assert_eq!(again.code, Some(expected), "{n}:{how}: {again:?}");
        assert_eq!(dir.read("mcp.json"), new, "{n}:{how}");
        if expected == 0 || ended.code == Some(0) {
            assert!(is_tidy(dir.path()) || how == "EACCES", "{n}:{how}");
        }
        if !reached {
            return n;
        }
    }
    0
}

#[test]
fn contract_6_an_error_at_the_nth_operation_leaves_a_whole_file() {
    for how in ["EIO", "EACCES", "ENOSPC", "short"] {
        assert!(at_every_operation(how) > 30);
    }
}

#[test]
fn contract_6_killed_at_the_nth_operation_leaves_a_whole_file() {
    for how in ["kill", "kill-short", "kill-after"] {
        assert!(at_every_operation(how) > 30);
    }
}

#[test]
fn contract_6_a_disk_that_stays_full_is_said() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    let (ended, _) = add(&dir, "write+:ENOSPC");
    // The backup fails first, which hinders nothing by itself.
    assert_eq!(ended.code, Some(1));
    let end =
        ": no space left on device; nothing was changed; free some disk space and try again\n";
    assert!(ended.err.ends_with(end), "{ended:?}");
    assert_eq!(dir.read("mcp.json"), OLD);
}

#[test]
fn contract_6_a_file_that_changes_between_reading_and_writing_is_read_again() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    let config = dir.file("");
    let args = ["--config-dir", &config, "mcp", "add", "new", "--", "true"];
    // The first permissions that are set are those of the backup: read, and not yet written.
    let adding = Beside::start(&mut failing(dir.path(), "chmod:stop", &args));
    adding.log.containing("failpoint: ");
    processes::until_stopped(adding.process.pid);
    dir.replace("mcp.json", OLD.replace("old", "theirs"));
    adding.process.signal("CONT");
    assert!(adding.process.ended().success());
    let text = dir.read("mcp.json");
    assert!(
        text.contains("\"theirs\"") && text.contains("\"new\""),
        "{text}"
    );
    assert!(is_tidy(dir.path()));
}

#[test]
fn contract_1_of_fifty_at_once_none_is_lost() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    std::thread::scope(|scope| {
        for number in 0..50 {
            let (path, name) = (dir.path(), format!("s{number}"));
            scope.spawn(move || {
                cli_in_turn(path, &["mcp", "add", &name, "--", "true"]).expect(0);
            });
        }
    });
    let list = cli(dir.path(), &["mcp", "list", "--json"]).json();
    assert_eq!(list["servers"].as_array().unwrap().len(), 51);
    assert!(dir.read("mcp.json").contains("// mine"));
    assert!(is_tidy(dir.path()));
}

/// Runs a script as root of namespaces of its own, where it may mount; `None` where the system does
/// not permit that. `$1mcp` adds a server.
fn in_namespace(dir: &Dir, script: &str) -> Option<Ended> {
    let probe = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        return None;
    }
    let script = format!("set -e\ncd {}\n{script}", dir.file(""));
    Some(run(&mut other(
        "unshare",
        dir.path(),
        &["-rm", "sh", "-c", &script],
    )))
}

const ADD: &str = "1mcp mcp add new --config-dir . -- true";

#[test]
fn contract_6_a_file_mounted_on_its_own_is_refused_and_kept() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    dir.write("outside.json", OLD);
    let script = format!("mount --bind outside.json mcp.json\n{ADD}");
    if let Some(ended) = in_namespace(&dir, &script) {
        ended.expect(1);
        assert!(
            ended.err.contains("mount its directory instead"),
            "{ended:?}"
        );
    }
    assert_eq!(dir.read("outside.json"), OLD);
    assert!(is_tidy(dir.path()));
}

#[test]
fn contract_6_a_disk_that_is_full_loses_nothing() {
    let dir = Dir::new();
    fs::create_dir(dir.file("small")).unwrap();
    dir.write("old.json", OLD);
    let script = format!(
        "mount -t tmpfs -o size=64k none small\ncp old.json small/mcp.json\ncd small\n\
         dd if=/dev/zero of=fill bs=4k 2>/dev/null || true\n\
         if {ADD}; then exit 9; fi\ncmp mcp.json ../old.json\nls -A | grep -v fill\n\
         rm fill\n{ADD}"
    );
    if let Some(ended) = in_namespace(&dir, &script) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains("free some disk space"), "{ended:?}");
        // What could not be made is not left behind.
        let left = ended.out().lines().filter(|line| line.ends_with(".tmp"));
        assert_eq!(left.count(), 0, "{ended:?}");
    }
}

#[test]
fn contract_6_a_place_mounted_read_only_is_said() {
    let dir = Dir::new();
    fs::create_dir(dir.file("fixed")).unwrap();
    dir.write("fixed/mcp.json", OLD);
    let script =
        format!("mount --bind fixed fixed\nmount -o remount,ro,bind fixed\ncd fixed\n{ADD}");
    if let Some(ended) = in_namespace(&dir, &script) {
        ended.expect(1);
        assert!(ended.err.contains("read-only"), "{ended:?}");
    }
    assert_eq!(dir.read("fixed/mcp.json"), OLD);
}

#[test]
fn contract_6_an_access_list_stays_and_a_group_never_gains() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    let set = Command::new("setfacl")
        .args(["-m", "u:65534:rw,g::---"])
        .arg(dir.file("mcp.json"))
        .stderr(Stdio::null())
        .status();
    if !set.is_ok_and(|status| status.success()) {
        return;
    }
    let list = || {
        let output = Command::new("getfacl")
            .arg("-cn")
            .arg(dir.file("mcp.json"))
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let before = list();
    cli(dir.path(), &["mcp", "add", "new", "--", "true"]).expect(0);
    assert_eq!(list(), before);
}

#[test]
fn contract_6_what_is_no_file_is_not_waited_for() {
    let dir = Dir::new();
    run(&mut other("mkfifo", dir.path(), &[&dir.file("mcp.json")])).expect(0);
    let ended = cli(dir.path(), &["mcp", "add", "new", "--", "true"]);
    ended.expect(1);
    assert!(ended.err.contains("a device, socket or pipe"), "{ended:?}");
}

#[test]
fn contract_6_a_read_only_file_is_respected() {
    let dir = Dir::new();
    dir.write("mcp.json", OLD);
    run(&mut other(
        "chmod",
        dir.path(),
        &["444", &dir.file("mcp.json")],
    ))
    .expect(0);
    let ended = cli(dir.path(), &["mcp", "add", "new", "--", "true"]);
    ended.expect(1);
    assert!(
        ended.err.contains("if it may be changed: chmod u+w /"),
        "{ended:?}"
    );
    assert_eq!(dir.read("mcp.json"), OLD);
    assert!(
        !Path::new(&dir.file("backups")).exists(),
        "nothing was about to change"
    );
}
