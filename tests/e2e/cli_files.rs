//! Contract 1 and 2: `mcp add` and `mcp remove` change only the bytes they must, whatever the file
//! looks like, and lose nothing when they cannot.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;

use crate::support::dir::Dir;
use crate::support::program::{self, Ended, cli, command, run};

/// Files as people have them, with a server `old` in each.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let plain =
        "{\n  \"mcpServers\": {\n    \"old\": {\n      \"command\": \"npx\"\n    }\n  }\n}\n";
    let commented = "// Mine.\n{\n  // All servers\n  \"mcpServers\": {\n    \"old\": { \
                     \"command\": \"npx\" }, // the first\n    /* nothing more */\n  },\n  \
                     \"other\": [1,2 , 3],\n}\n// end";
    let tabs = "{\n\t\"mcpServers\": {\n\t\t\"old\": {\n\t\t\t\"command\": \"npx\"\n\t\t}\n\t}\n}";
    vec![
        ("plain", plain.into()),
        ("without a final newline", plain.trim_end().into()),
        ("CRLF", plain.replace('\n', "\r\n").into_bytes()),
        ("byte order mark", [b"\xef\xbb\xbf", plain.as_bytes()].concat()),
        ("tabs", tabs.into()),
        ("comments", commented.into()),
        ("one line", r#"{"x":1,"mcpServers":{"old":{"command":"npx"}},"y":2}"#.into()),
        ("four blanks", plain.replace("  ", "    ").into_bytes()),
        (
            "unknown keys and odd spacing",
            b"{ \"$schema\" : \"x\" ,\n\n \"mcpServers\":\n{\"old\" :{\"command\":\"npx\", \"later\": \
              {\"a\":[ ]}}\n}\n,\"last\": 1e5 }\n\n"
                .to_vec(),
        ),
    ]
}

/// What is equal at the beginning and at the end of two texts.
fn common(one: &[u8], other: &[u8]) -> usize {
    let ahead = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[ahead..], &other[ahead..]);
    let pairs = one.iter().rev().zip(other.iter().rev());
    ahead + pairs.take_while(|(a, b)| a == b).count()
}

#[test]
fn contract_1_every_untouched_byte_stays() {
    for (name, old) in files() {
        let dir = Dir::new();
        dir.write("mcp.json", &old);
        cli(
            dir.path(),
            &["mcp", "add", "new", "--tags", "a,b", "--", "sh", "-c", "x"],
        )
        .expect(0);
        let added = fs::read(dir.file("mcp.json")).unwrap();
        assert_eq!(common(&old, &added), old.len(), "{name}: only an insertion");
        assert!(
            !String::from_utf8_lossy(&added)
                .replace("\r\n", "")
                .contains('\r'),
            "{name}"
        );
        if name == "CRLF" {
            let lines = added.iter().filter(|byte| **byte == b'\n').count();
            let returns = added.iter().filter(|byte| **byte == b'\r').count();
            assert_eq!(lines, returns, "{name}");
        }
        let list = cli(dir.path(), &["mcp", "list", "--json"]).json();
        assert_eq!(list["servers"][0]["name"], "old", "{name}");
        assert_eq!(list["servers"][1]["args"][1], "x", "{name}");
        // Taking the other one away leaves the new one as it is, and everything around both.
        cli(dir.path(), &["mcp", "remove", "old"]).expect(0);
        let removed = fs::read(dir.file("mcp.json")).unwrap();
        assert_eq!(
            common(&removed, &added),
            removed.len(),
            "{name}: only a deletion"
        );
        let list = cli(dir.path(), &["mcp", "list", "--json"]).json();
        assert_eq!(list["servers"].as_array().unwrap().len(), 1, "{name}");
    }
}

#[test]
fn contract_1_adding_and_removing_the_same_leaves_the_same_file() {
    for (name, old) in files() {
        let dir = Dir::new();
        dir.write("mcp.json", &old);
        cli(dir.path(), &["mcp", "add", "new", "--url", "https://h/mcp"]).expect(0);
        cli(dir.path(), &["mcp", "remove", "new"]).expect(0);
        let text = String::from_utf8(fs::read(dir.file("mcp.json")).unwrap()).unwrap();
        assert_eq!(text, String::from_utf8(old).unwrap(), "{name}");
    }
}

#[test]
fn contract_1_a_new_file_is_the_owners_alone() {
    let dir = Dir::new();
    let below = dir.file("not/yet");
    let add = ["mcp", "add", "a", "--config-dir", &below, "--", "true"];
    run(&mut command(dir.path(), &add)).expect(0);
    let mode = |name: &str| fs::metadata(dir.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("not/yet/mcp.json"), 0o600);
    assert_eq!(mode("not/yet"), 0o700);
    // Somebody else's choice stays.
    fs::set_permissions(dir.file("not/yet/mcp.json"), Permissions::from_mode(0o640)).unwrap();
    run(&mut command(
        dir.path(),
        &["mcp", "remove", "a", "--config-dir", &below],
    ))
    .expect(0);
    assert_eq!(mode("not/yet/mcp.json"), 0o640);
}

#[test]
fn contract_1_without_a_directory_the_usual_one_is_taken() {
    let dir = Dir::new();
    run(&mut command(dir.path(), &["mcp", "add", "a", "--", "true"])).expect(0);
    assert!(dir.read(".config/1mcp/mcp.json").contains("\"true\""));
}

#[test]
fn contract_1_a_symlink_stays_one_and_its_target_is_changed() {
    let dir = Dir::new();
    fs::create_dir(dir.file("dotfiles")).unwrap();
    dir.write("dotfiles/mine.json", "{}\n");
    symlink("dotfiles/link", dir.file("mcp.json")).unwrap();
    symlink("mine.json", dir.file("dotfiles/link")).unwrap();
    cli(dir.path(), &["mcp", "add", "a", "--", "true"]).expect(0);
    assert!(
        fs::symlink_metadata(dir.file("mcp.json"))
            .unwrap()
            .is_symlink()
    );
    assert!(dir.read("dotfiles/mine.json").contains("\"a\""));
    let names = fs::read_dir(dir.file("dotfiles")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left = names.filter(|name| name.ends_with(".tmp"));
    assert_eq!(left.count(), 0, "no temporary file is left");
}

#[test]
fn contract_1_a_file_changed_by_root_still_belongs_to_its_owner() {
    if !is_root() {
        return;
    }
    let dir = Dir::new();
    let owner = |name: &str| fs::metadata(dir.file(name)).unwrap().uid();
    chown(dir.path(), Some(65534), Some(65534)).unwrap();
    cli(dir.path(), &["mcp", "add", "a", "--", "true"]).expect(0);
    assert_eq!(
        owner("mcp.json"),
        65534,
        "a new file belongs to whom the directory does"
    );
    cli(dir.path(), &["mcp", "add", "b", "--", "true"]).expect(0);
    assert_eq!((owner("mcp.json"), owner("backups/mcp")), (65534, 65534));
    let ended = as_somebody(&dir, &["mcp", "remove", "a"]);
    assert_eq!(ended.expect(0).err, "");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The command as somebody who is not root: root may write everywhere.
fn as_somebody(dir: &Dir, args: &[&str]) -> Ended {
    let config = dir.file("");
    let args = &[&["--config-dir", config.as_str()], args].concat();
    if !is_root() {
        return run(&mut command(dir.path(), args));
    }
    // Not everybody may enter the directory that the binary is in. Copied by another process: a
    // program that somebody has open for writing cannot be run, and each test that starts one
    // holds our files for a moment.
    let place = Dir::new();
    let copy = place.file("1mcp");
    let cp = [program::BINARY.as_str(), copy.as_str()];
    run(&mut program::other("cp", place.path(), &cp)).expect(0);
    let mut command = program::other(&copy, dir.path(), args);
    command.uid(65534).gid(65534).current_dir("/");
    run(&mut command)
}

#[test]
fn contract_1_a_place_that_cannot_be_written_is_named_and_nothing_is_lost() {
    let dir = Dir::new();
    dir.write("mcp.json", "{}\n");
    fs::set_permissions(dir.file("mcp.json"), Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    let ended = as_somebody(&dir, &["mcp", "add", "a", "--", "true"]);
    ended.expect(1);
    assert!(ended.err.contains("permission denied"), "{ended:?}");
    assert_eq!(dir.read("mcp.json"), "{}\n");
    fs::set_permissions(dir.file("mcp.json"), Permissions::from_mode(0o200)).unwrap();
    let ended = as_somebody(&dir, &["mcp", "list"]);
    ended.expect(1);
    assert!(
        ended.err.contains("mcp.json: permission denied"),
        "{ended:?}"
    );
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn contract_6_what_belongs_to_somebody_else_is_not_taken_over() {
    if !is_root() {
        return;
    }
    let dir = Dir::new();
    dir.write("mcp.json", "{}\n");
    // The directory is his, the file is not: he could put another one in its place.
    chown(dir.path(), Some(65534), Some(65534)).unwrap();
    for (mode, says) in [
        (0o644, "may not be written to"),
        (0o666, "belongs to another user"),
    ] {
        fs::set_permissions(dir.file("mcp.json"), Permissions::from_mode(mode)).unwrap();
        let ended = as_somebody(&dir, &["mcp", "add", "a", "--", "true"]);
        ended.expect(1);
        assert!(ended.err.contains(says), "{ended:?}");
        let found = fs::metadata(dir.file("mcp.json")).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o777), (0, mode));
        assert_eq!(dir.read("mcp.json"), "{}\n");
    }
}

#[test]
fn contract_1_a_limit_of_file_sizes_is_an_error_like_any_other() {
    let dir = Dir::new();
    dir.write("mcp.json", "{}\n");
    let line = format!("ulimit -f 0; 1mcp mcp add a -d {} -- true", dir.file(""));
    let ended = run(&mut program::other("sh", dir.path(), &["-c", &line]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .err
            .contains(": file too large; nothing was changed; raise the limit"),
        "{ended:?}"
    );
    assert_eq!(dir.read("mcp.json"), "{}\n");
}

#[test]
fn contract_1_what_cannot_be_started_yet_is_added_and_said() {
    let dir = Dir::new();
    let ended = cli(
        dir.path(),
        &["mcp", "add", "a", "--", "x", "${E2E_NOT_SET}"],
    );
    assert!(ended.expect(0).err.contains("E2E_NOT_SET"), "{ended:?}");
    let ended = cli(dir.path(), &["mcp", "add", "b", "--", "x"]);
    assert_eq!(ended.expect(0).err, "");
}

#[test]
fn contract_1_what_is_no_file_is_named() {
    let dir = Dir::new();
    fs::create_dir(dir.file("mcp.json")).unwrap();
    for args in [&["mcp", "list"][..], &["mcp", "add", "a", "--", "true"]] {
        let ended = cli(dir.path(), args);
        ended.expect(1);
        assert!(ended.err.contains("is a directory"), "{ended:?}");
    }
    fs::remove_dir(dir.file("mcp.json")).unwrap();
    symlink("mcp.json", dir.file("mcp.json")).unwrap();
    for args in [&["mcp", "list"][..], &["mcp", "add", "a", "--", "true"]] {
        let ended = cli(dir.path(), args);
        ended.expect(1);
        assert!(ended.err.contains("symbolic link"), "{ended:?}");
    }
    let ended = run(&mut command(
        dir.path(),
        &["mcp", "list", "-d", "/dev/null/x"],
    ));
    ended.expect(1);
}
