//! Contract 6 and the local part of the guide: an application's servers are taken over, and given
//! back, without a byte more than that being touched.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::desktop::{FILE, entry, home, home_with, one, text};
use crate::support::dir::Dir;
use crate::support::program::fixture;
use crate::support::stdio::Stdio;

const CONSOLIDATE: [&str; 3] = ["app", "consolidate", "claude-desktop"];
const RESTORE: [&str; 3] = ["app", "restore", "claude-desktop"];

fn with(base: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [base, more].concat()
}

/// Everything below a directory.
fn files(home: &Dir) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![home.path().to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path.clone());
            }
            found.insert(path.display().to_string());
        }
    }
    found
}

fn backups(home: &Dir) -> Vec<serde_json::Value> {
    let ended = one(
        home,
        &["app", "backups", "claude-desktop", "--verify", "--json"],
    );
    let document = ended.expect(0).json();
    document["backups"].as_array().unwrap().clone()
}

#[test]
fn guide_the_local_path_as_printed() {
    let home = home();
    let (original, begin, end) = text();
    let program = fixture();
    let program = program.to_str().unwrap();
    one(&home, &["mcp", "add", "context7", "--", program]).expect(0);
    one(&home, &["mcp", "add", "sequential", "--", program]).expect(0);
    let found = one(&home, &["app", "discover", "--json"]).expect(0).json();
    assert_eq!(found["files"][0]["app"], "claude-desktop");
    assert_eq!(found["files"][0]["state"], "direct");
    assert_eq!(found["files"][0]["servers"][1]["name"], "memory");

    let before = files(&home);
    let ended = one(&home, &with(&CONSOLIDATE, &["--dry-run"]));
    let out = ended.expect(0).out();
    assert!(
        out.contains("+     \"1mcp\": {") || out.contains("1mcp\": {"),
        "{out}"
    );
    assert!(out.contains("\"SECRET_TOKEN\": \"***\""), "{out}");
    assert!(!out.contains("abc$def"), "{out}");
    assert_eq!(files(&home), before, "a preview changes nothing");
    assert_eq!(home.read(FILE), original);

    let ended = one(&home, &CONSOLIDATE);
    let out = ended.expect(0).out();
    assert!(out.contains("restart Claude Desktop"), "{out}");
    let consolidated = home.read(FILE);
    assert!(consolidated.starts_with(begin) && consolidated.ends_with(end));
    let value: serde_json::Value = serde_json::from_str(&consolidated).unwrap();
    let servers = value["mcpServers"].as_object().unwrap();
    assert_eq!(servers.len(), 1);
    assert_eq!(
        servers["1mcp"]["args"],
        json!(["serve", "--transport", "stdio"])
    );

    let mut client = Stdio::start(&mut entry(&home));
    let mut names = Vec::new();
    let listed = client.ask("tools/list", &json!({}));
    for tool in listed["result"]["tools"].as_array().unwrap() {
        names.push(tool["name"].as_str().unwrap().to_owned());
    }
    for server in ["context7", "sequential", "files", "memory"] {
        let begin = format!("{server}_1mcp_");
        assert!(
            names.iter().any(|name| name.starts_with(&begin)),
            "{server}"
        );
    }
    let tools = names.iter().filter(|name| name.starts_with("files_1mcp_"));
    let works = format!("files: imported, works ({} tools)", tools.count());
    assert!(out.contains(&works), "{out}");
    let answer = client.call("files_1mcp_env", &json!({"name": "SECRET_TOKEN"}));
    assert_eq!(answer["result"]["content"][0]["text"], "abc$def ${X} ü\"");
    drop(client);

    let status = one(&home, &["app", "status", "claude-desktop", "--json"]);
    assert_eq!(status.expect(0).json()["files"][0]["state"], "consolidated");
    assert_eq!(backups(&home).len(), 1);
    one(&home, &RESTORE).expect(0);
    assert_eq!(home.read(FILE), original, "byte for byte");
    one(&home, &RESTORE).expect(0);
    assert_eq!(
        home.read(FILE),
        consolidated,
        "a restore is undone by another"
    );
}

#[test]
fn contract_6_a_second_time_says_so_and_force_does_it_again() {
    let home = home();
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    let consolidated = home.read(FILE);
    let ended = one(&home, &CONSOLIDATE);
    assert!(
        ended.expect(0).out().contains("already consolidated"),
        "{ended:?}"
    );
    assert_eq!(backups(&home).len(), 1, "no second backup");
    let ended = one(&home, &with(&CONSOLIDATE, &["--force", "--json"]));
    assert_eq!(ended.expect(0).json()["files"][0]["result"], "consolidated");
    assert_eq!(home.read(FILE), consolidated);
    one(&home, &RESTORE).expect(0);
    assert_eq!(
        home.read(FILE),
        text().0,
        "a backup of the same bytes is passed over"
    );
}

#[test]
fn guide_backup_only_and_no_backup() {
    let home = home();
    for flags in [&["--backup-only"][..], &["--force", "--backup-only"]] {
        let args: Vec<&str> = CONSOLIDATE.iter().chain(flags).copied().collect();
        one(&home, &args).expect(0);
        assert_eq!(home.read(FILE), text().0);
    }
    assert_eq!(backups(&home).len(), 2);
    let both = with(&CONSOLIDATE, &["--backup-only", "--no-backup"]);
    one(&home, &both).expect(2);
    // Something is in the way of the backups.
    fs::rename(home.file(".config/1mcp/backups"), home.file("kept")).unwrap();
    home.write(".config/1mcp/backups", "in the way");
    let ended = one(&home, &CONSOLIDATE);
    ended.expect(1);
    assert!(
        ended.err.contains("configuration backup failed: "),
        "{ended:?}"
    );
    assert!(ended.err.contains("--force --no-backup"), "{ended:?}");
    assert_eq!(home.read(FILE), text().0);
    assert!(!fs::exists(home.file(".config/1mcp/mcp.json")).unwrap());
    one(&home, &with(&CONSOLIDATE, &["--force", "--no-backup"])).expect(0);
    assert!(home.read(FILE).contains("\"1mcp\""));
}

#[test]
fn contract_6_what_did_not_exist_is_removed_again() {
    let home = Dir::new();
    let ended = one(&home, &CONSOLIDATE);
    ended.expect(1);
    assert!(ended.err.contains("was never used here"), "{ended:?}");
    assert!(!fs::exists(home.file(".config")).unwrap());
    fs::create_dir_all(home.file(".config/Claude")).unwrap();
    one(&home, &CONSOLIDATE).expect(0);
    assert!(home.read(FILE).contains("\"1mcp\""));
    let ended = one(&home, &RESTORE);
    assert!(
        ended.expect(0).out().contains("had no such file"),
        "{ended:?}"
    );
    assert!(!fs::exists(home.file(FILE)).unwrap());
    one(&home, &RESTORE).expect(0);
    assert!(home.read(FILE).contains("\"1mcp\""));
}

#[test]
fn contract_6_what_was_imported_goes_with_the_restore_if_asked() {
    let home = home();
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    one(&home, &["mcp", "update", "memory", "--tags", "mine"]).expect(0);
    let preview = one(&home, &with(&RESTORE, &["--remove-imported", "--dry-run"]));
    assert!(
        preview.expect(0).out().contains("would remove files"),
        "{preview:?}"
    );
    let ended = one(&home, &with(&RESTORE, &["--remove-imported"]));
    assert!(
        ended.expect(0).out().contains("memory stays in"),
        "{ended:?}"
    );
    assert_eq!(home.read(FILE), text().0);
    let list = one(&home, &["mcp", "list", "--json"]).json();
    assert_eq!(list["servers"].as_array().unwrap().len(), 1, "{list}");
}

#[test]
fn contract_6_any_backup_by_name_and_by_path() {
    let home = home();
    one(&home, &with(&RESTORE, &[])).expect(3);
    one(&home, &["app", "restore", "--all"]).expect(3);
    one(&home, &["app", "restore"]).expect(2);
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    let consolidated = home.read(FILE);
    let first = backups(&home).remove(0);
    for key in ["name", "backup"] {
        let given = first[key].as_str().unwrap();
        one(&home, &["app", "restore", "--backup", given]).expect(0);
        assert_eq!(home.read(FILE), text().0, "{key}");
        let there = one(
            &home,
            &["app", "restore", "claude-desktop", "--backup", given],
        );
        assert!(there.expect(0).out().contains("already as in"), "{there:?}");
        one(&home, &["app", "restore", "--all"]).expect(0);
        assert_eq!(home.read(FILE), consolidated, "{key}");
    }
    // A backup says where it belongs, but only the application's files are written.
    let meta = first["backup"]
        .as_str()
        .unwrap()
        .replace(".json", ".meta.json");
    let said = fs::read_to_string(&meta).unwrap();
    let elsewhere = home.file("elsewhere.json");
    fs::write(&meta, said.replace(&home.file(FILE), &elsewhere)).unwrap();
    let given = first["backup"].as_str().unwrap();
    let ended = one(&home, &["app", "restore", "--backup", given]);
    ended.expect(1);
    assert!(ended.err.contains("no file of claude-desktop"), "{ended:?}");
    assert!(!std::path::Path::new(&elsewhere).exists());
    fs::write(&meta, said).unwrap();
    // A backup that somebody changed is not restored.
    fs::write(first["backup"].as_str().unwrap(), "{}").unwrap();
    let name = first["name"].as_str().unwrap();
    let ended = one(&home, &["app", "restore", "--backup", name]);
    ended.expect(1);
    assert!(ended.err.contains("hash"), "{ended:?}");
    assert_eq!(home.read(FILE), consolidated);
    let verify = one(&home, &["app", "backups", "--verify"]);
    assert_eq!(verify.code, Some(1), "{verify:?}");
    let cleaned = one(&home, &["app", "backups", "--cleanup", "0", "--json"]);
    let left = cleaned.expect(0).json();
    assert_eq!(left["backups"].as_array().unwrap().len(), 2, "{left}");
}

#[test]
fn contract_6_an_entry_that_vanished_is_noticed() {
    let home = home();
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    // The application writes what it still had in memory.
    home.write(FILE, text().0);
    let ended = one(&home, &["app", "status", "claude-desktop"]);
    assert!(ended.expect(0).err.contains("puts it back"), "{ended:?}");
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    let ended = one(&home, &["app", "status", "claude-desktop"]);
    assert!(!ended.expect(0).err.contains("puts it back"), "{ended:?}");
    one(&home, &RESTORE).expect(0);
    let ended = one(&home, &["app", "status", "claude-desktop"]);
    assert!(!ended.expect(0).err.contains("puts it back"), "{ended:?}");
}

#[test]
fn contract_6_an_entry_that_starts_nothing_any_more_is_noticed_and_mended() {
    let home = home_with(r#"{"mcpServers":{"1mcp":{"command":"/gone/1mcp","args":["serve"]}}}"#);
    let ended = one(&home, &["app", "status", "claude-desktop"]);
    let said = &ended.expect(0).err;
    assert!(
        said.contains("/gone/1mcp, which is not there any more"),
        "{said}"
    );
    assert!(
        said.contains("1mcp app consolidate claude-desktop"),
        "{said}"
    );
    one(&home, &CONSOLIDATE).expect(0);
    let ended = one(&home, &["app", "status", "claude-desktop", "--json"]);
    let mended: serde_json::Value = serde_json::from_str(ended.expect(0).out()).unwrap();
    assert_eq!(mended["files"][0]["state"], "consolidated");
    assert!(mended["files"][0]["broken"].is_null(), "{mended}");
}

#[test]
fn contract_6_names_manual_ones_and_urls() {
    let home = home();
    let ended = one(&home, &["app", "consolidate", "claude-desktp"]);
    ended.expect(2);
    assert!(
        ended.err.contains("did you mean claude-desktop?"),
        "{ended:?}"
    );
    one(&home, &["app", "consolidate"]).expect(2);
    one(&home, &["app", "consolidate", "gemini-code"]).expect(1);
    let list = one(&home, &["app", "list", "--json"]).expect(0).json();
    assert_eq!(list["apps"].as_array().unwrap().len(), 12);
    let before = files(&home);
    let url = "https://example.com/mcp";
    for args in [
        &["app", "consolidate", "cherry-studio"][..],
        &["app", "status", "continue"],
        &["app", "consolidate", "claude-desktop", "--manual-only"],
        &["app", "consolidate", "claude-desktop", "--url", url],
    ] {
        let ended = one(&home, args);
        let out = ended.expect(0).out();
        let shown = out.contains("--transport") || out.contains(url) || out.contains("stdio");
        assert!(shown, "{args:?}: {out}");
    }
    assert_eq!(files(&home), before);
    one(&home, &["app", "status", "zed"]).expect(3);
    let ended = one(&home, &with(&CONSOLIDATE, &["--url", "nonsense"]));
    ended.expect(2);
}

#[test]
fn contract_6_the_configuration_that_was_given_is_in_the_entry() {
    let home = home();
    let dir = home.file("elsewhere");
    let mut args = with(&CONSOLIDATE, &["--force", "--config-dir"]);
    args.push(dir.clone().leak());
    one(&home, &args).expect(0);
    let value: serde_json::Value = serde_json::from_str(&home.read(FILE)).unwrap();
    let expected = json!(["serve", "--transport", "stdio", "--config-dir", dir]);
    assert_eq!(value["mcpServers"]["1mcp"]["args"], expected);
    let mut client = Stdio::start(&mut entry(&home));
    let answer = client.call("memory_1mcp_echo", &json!({"text": "x"}));
    assert_eq!(answer["result"]["content"][0]["text"], "x");
}

#[test]
fn contract_6_links_and_permissions_stay() {
    let home = home();
    fs::create_dir(home.file("dotfiles")).unwrap();
    fs::rename(home.file(FILE), home.file("dotfiles/real.json")).unwrap();
    symlink("real.json", home.file("dotfiles/link.json")).unwrap();
    symlink("../../dotfiles/link.json", home.file(FILE)).unwrap();
    let real = home.file("dotfiles/real.json");
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    let mode = || fs::metadata(&real).unwrap().permissions().mode() & 0o777;
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    assert!(home.read("dotfiles/real.json").contains("\"1mcp\""));
    assert_eq!(mode(), 0o640);
    one(&home, &RESTORE).expect(0);
    assert_eq!(home.read("dotfiles/real.json"), text().0);
    assert_eq!(mode(), 0o640);
    assert!(fs::symlink_metadata(home.file(FILE)).unwrap().is_symlink());
    // A link that leads nowhere yet is followed too.
    fs::remove_file(&real).unwrap();
    one(&home, &with(&CONSOLIDATE, &["--force"])).expect(0);
    assert!(home.read("dotfiles/real.json").contains("\"1mcp\""));
    assert!(fs::symlink_metadata(home.file(FILE)).unwrap().is_symlink());
}

#[test]
fn contract_6_a_server_that_does_not_start_is_a_warning() {
    let broken = r#"{"mcpServers": {"broken": {"command": "/no/such/program"}}}"#;
    let home = home_with(broken);
    let ended = one(&home, &CONSOLIDATE);
    let out = ended.expect(0).out();
    assert!(
        out.contains("broken: imported, but does not start: "),
        "{out}"
    );
    assert!(out.contains("mcp status broken"), "{out}");
    assert!(home.read(FILE).contains("\"1mcp\""));
}

#[test]
fn contract_6_every_edition_and_profile_and_the_project_when_asked() {
    let home = Dir::new();
    let entry = |name: &str| {
        let server = json!({"command": fixture(), "type": "stdio"});
        json!({"servers": {name: server}, "inputs": []}).to_string()
    };
    for (directory, name) in [
        ("Code/User", "plain"),
        ("Code/User/profiles/-5f", "profile"),
        ("Code - Insiders/User", "insiders"),
    ] {
        fs::create_dir_all(home.file(&format!(".config/{directory}"))).unwrap();
        home.write(&format!(".config/{directory}/mcp.json"), entry(name));
    }
    fs::create_dir(home.file(".vscode")).unwrap();
    home.write(".vscode/mcp.json", entry("project"));
    let force = ["app", "consolidate", "vscode", "--force"];
    let ended = one(&home, &force);
    assert!(ended.expect(0).err.contains("--project"), "{ended:?}");
    let state = |home: &Dir| {
        let status = one(home, &["app", "status", "vscode", "--json"]).json();
        let files = status["files"].as_array().unwrap().clone();
        let states = files
            .iter()
            .map(|file| file["state"].as_str().unwrap().to_owned());
        states.collect::<Vec<String>>()
    };
    let mut all = state(&home);
    all.sort();
    assert_eq!(
        all,
        ["consolidated", "consolidated", "consolidated", "direct"]
    );
    let list = one(&home, &["mcp", "list", "--json"]).json();
    assert_eq!(list["servers"].as_array().unwrap().len(), 3, "{list}");
    // What one command did, one command undoes.
    one(&home, &["app", "restore", "vscode"]).expect(0);
    assert_eq!(state(&home), ["direct"; 4]);
    assert_eq!(
        home.read(".config/Code/User/profiles/-5f/mcp.json"),
        entry("profile")
    );
    one(&home, &[&force[..], &["--project"]].concat()).expect(0);
    assert!(home.read(".vscode/mcp.json").contains("\"1mcp\""));
    one(&home, &["app", "restore", "vscode"]).expect(0);
    assert_eq!(home.read(".vscode/mcp.json"), entry("project"));
}

#[cfg(target_os = "linux")]
#[test]
fn contract_6_an_application_that_runs_is_said() {
    let home = home();
    let app = home.file("claude-desktop");
    let copy = ["/bin/cat", &app];
    let copied = crate::support::program::other("cp", home.path(), &copy);
    crate::support::program::run(&mut { copied }).expect(0);
    let mut running = crate::support::program::other(&app, home.path(), &[]);
    let _running = crate::support::program::Beside::start(&mut running);
    let ended = one(&home, &with(&CONSOLIDATE, &["--force"]));
    assert!(
        ended.expect(0).err.contains("Claude Desktop is running"),
        "{ended:?}"
    );
    let ended = one(&home, &RESTORE);
    assert!(
        ended.expect(0).err.contains("Claude Desktop is running"),
        "{ended:?}"
    );
}
