//! Contract 5: the `auth` commands and the owner's password. Whatever goes wrong, no secret is
//! lost, none is readable by others, and none is in a log.

use std::fs::{self, Permissions};
use std::num::NonZeroU32;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use onemcp::now::UnixSeconds;
use onemcp::oauth::server::record::{Grant, Record};
use onemcp::oauth::token::Claims;
use onemcp::principal::{GrantId, Scopes};
use ring::pbkdf2;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::dir::Dir;
use crate::support::gateway::Gateway;
use crate::support::http::{self, Connection};
use crate::support::mcp::initialize;
use crate::support::program::{Beside, Ended, cli, command, failing, other, run, run_with};

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";
const RECORD: &str = "auth/server.json";

fn mode(dir: &Dir, name: &str) -> u32 {
    fs::metadata(dir.file(name)).unwrap().permissions().mode() & 0o777
}

fn record(dir: &Dir) -> Record {
    Record::read(fs::read(dir.file(RECORD)).ok().as_deref()).unwrap()
}

/// A record as a server leaves it, with so many grants.
fn granted(dir: &Dir, grants: u8) {
    let mut record = record(dir);
    for number in 1..=grants {
        record.grants.push(Grant {
            id: GrantId([number; 16]),
            client: "c".into(),
            client_name: format!("Client {number}"),
            scopes: Scopes::parse("mcp").unwrap(),
            created: UnixSeconds(1_700_000_000),
            used: UnixSeconds(1_700_000_000),
            expires: UnixSeconds(4_000_000_000),
            refresh: None,
        });
    }
    fs::create_dir_all(dir.file("auth")).unwrap();
    fs::set_permissions(dir.file("auth"), Permissions::from_mode(0o700)).unwrap();
    dir.write(RECORD, record.write());
    fs::set_permissions(dir.file(RECORD), Permissions::from_mode(0o600)).unwrap();
}

fn add(dir: &Dir, name: &str) -> Ended {
    let args = [
        "auth",
        "client",
        "add",
        name,
        "--redirect",
        CLAUDE,
        "--json",
    ];
    cli(dir.path(), &args)
}

/// The same with the directory named, and for people.
fn adding(config: &str) -> [&str; 8] {
    [
        "-d",
        config,
        "auth",
        "client",
        "add",
        "x",
        "--redirect",
        CLAUDE,
    ]
}

fn set_password(dir: &Dir, input: &str) -> Ended {
    let config = dir.file("");
    let args = ["--config-dir", &config, "auth", "set-password"];
    run_with(&mut command(dir.path(), &args), input.as_bytes())
}

/// Whether the record's password is this one.
fn is_password(dir: &Dir, password: &str) -> bool {
    let Some(owner) = record(dir).owner else {
        return false;
    };
    let (rounds, salt) = (owner.rounds, &owner.salt);
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    let checked = pbkdf2::verify(algorithm, rounds, salt, password.as_bytes(), &owner.key);
    rounds >= NonZeroU32::new(600_000).unwrap() && checked.is_ok()
}

#[test]
fn contract_5_a_client_is_added_listed_and_removed() {
    let dir = Dir::new();
    let added = add(&dir, "claude");
    let added = added.expect(0).json();
    let (id, secret) = (
        added["id"].as_str().unwrap(),
        added["secret"].as_str().unwrap(),
    );
    assert_eq!((mode(&dir, "auth"), mode(&dir, RECORD)), (0o700, 0o600));
    let text = dir.read(RECORD);
    assert!(
        text.contains(id) && !text.contains(secret),
        "only a hash is kept"
    );
    let args = [
        "auth",
        "client",
        "add",
        "cursor",
        "--public",
        "--redirect",
        "cursor://x/cb",
    ];
    let public = cli(dir.path(), &args);
    assert!(public.expect(0).out().contains("no secret"), "{public:?}");
    let list = cli(dir.path(), &["auth", "client", "list", "--json"]).json();
    let clients = list["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 2);
    assert_eq!(
        (&clients[0]["id"], &clients[0]["confidential"]),
        (&added["id"], &true.into())
    );
    assert_eq!(clients[1]["redirects"][0], "cursor://x/cb");
    let shown = cli(dir.path(), &["auth", "client", "list"]);
    assert!(shown.out().contains("claude") && shown.out().contains(CLAUDE));
    assert!(!shown.out().contains(secret));
    // The same name again would be two that nobody can tell apart.
    let again = add(&dir, "claude");
    assert!(again.expect(1).err.contains("already"), "{again:?}");
    cli(dir.path(), &["auth", "client", "remove", "claude"]).expect(0);
    let removed = cli(dir.path(), &["auth", "client", "remove", "curser"]);
    assert!(
        removed.expect(3).err.contains("did you mean cursor?"),
        "{removed:?}"
    );
    let by_id = clients[1]["id"].as_str().unwrap();
    let removed = cli(dir.path(), &["auth", "client", "remove", by_id, "--json"]).json();
    assert_eq!(
        (&removed["action"], &removed["revoked"]),
        (&"remove".into(), &0.into())
    );
    let none = cli(dir.path(), &["auth", "client", "list"]);
    assert_eq!(
        (none.expect(0).out(), none.err.contains("no clients")),
        ("", true)
    );
}

#[test]
fn contract_5_a_wrong_redirect_is_wrong_usage_and_changes_nothing() {
    let dir = Dir::new();
    for uri in [
        "http://example.com/cb",
        "javascript:alert(1)",
        "https://h/cb#x",
        "nonsense",
    ] {
        let ended = cli(
            dir.path(),
            &["auth", "client", "add", "x", "--redirect", uri],
        );
        assert!(ended.expect(2).err.contains("is not allowed"), "{ended:?}");
    }
    let ended = cli(dir.path(), &["auth", "client", "add", "x"]);
    assert!(ended.expect(2).err.contains("--redirect URI"), "{ended:?}");
    assert!(!fs::exists(dir.file(RECORD)).unwrap());
}

#[test]
fn contract_5_what_was_given_is_listed_and_revoked() {
    let dir = Dir::new();
    granted(&dir, 3);
    let list = cli(dir.path(), &["auth", "tokens", "list", "--json"]).json();
    let tokens = list["tokens"].as_array().unwrap();
    assert_eq!(
        (tokens.len(), &tokens[0]["clientName"]),
        (3, &"Client 1".into())
    );
    assert_eq!(tokens[0]["created"], "2023-11-14T22:13:20Z");
    let id = tokens[1]["id"].as_str().unwrap();
    assert!(
        cli(dir.path(), &["auth", "tokens", "list"])
            .out()
            .contains(id)
    );
    let revoked = cli(dir.path(), &["auth", "tokens", "revoke", id, "--json"]).json();
    assert_eq!(revoked["revoked"], json!([id]));
    cli(dir.path(), &["auth", "tokens", "revoke", id]).expect(3);
    cli(dir.path(), &["auth", "tokens", "revoke"]).expect(2);
    assert!(record(&dir).revoked.contains_key(&GrantId([2; 16])));
    let all = cli(dir.path(), &["auth", "tokens", "revoke", "--all"]);
    assert!(all.expect(0).out().contains("revoked all 2"), "{all:?}");
    let none = cli(dir.path(), &["auth", "tokens", "revoke", "--all", "--json"]);
    assert_eq!(none.expect(0).json()["revoked"], Value::Array(Vec::new()));
    assert_eq!(
        (record(&dir).grants.len(), record(&dir).revoked.len()),
        (0, 3)
    );
}

#[test]
fn contract_5_removing_a_client_ends_what_it_was_given() {
    let dir = Dir::new();
    granted(&dir, 2);
    // A client that is a document of the web has grants only.
    let removed = cli(dir.path(), &["auth", "client", "remove", "c", "--json"]).json();
    assert_eq!(
        (&removed["id"], &removed["revoked"]),
        (&"c".into(), &2.into())
    );
    assert_eq!(record(&dir).revoked.len(), 2);
}

#[test]
fn contract_5_a_password_is_read_from_a_pipe_and_only_its_hash_is_kept() {
    let dir = Dir::new();
    dir.write("owner-password", "old");
    set_password(&dir, "correct horse\n").expect(0);
    assert!(is_password(&dir, "correct horse"));
    assert!(!dir.read(RECORD).contains("horse"));
    assert!(
        !fs::exists(dir.file("owner-password")).unwrap(),
        "it is good no more"
    );
    set_password(&dir, "battery staple").expect(0);
    assert!(is_password(&dir, "battery staple") && !is_password(&dir, "correct horse"));
    for bad in [
        "",
        "\n",
        "short\n",
        "\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\n",
    ] {
        let ended = set_password(&dir, bad);
        assert!(
            ended.expect(2).err.contains("nothing was changed"),
            "{ended:?}"
        );
    }
    assert!(is_password(&dir, "battery staple"));
}

#[test]
fn contract_5_killed_at_the_nth_operation_nothing_is_lost() {
    for how in ["kill", "kill-short", "kill-after", "EIO", "ENOSPC", "short"] {
        for n in 1.. {
            let dir = Dir::new();
            granted(&dir, 1);
            let config = dir.file("");
            let args = adding(&config);
            let ended = run(&mut failing(dir.path(), &format!("{n}:{how}"), &args));
            let found = record(&dir);
            assert_eq!(found.grants.len(), 1, "{n}:{how}");
            assert!(found.clients.len() <= 1, "{n}:{how}");
            if ended.code == Some(0) {
                assert_eq!(found.clients.len(), 1, "{n}:{how}: {ended:?}");
            }
            assert_eq!(mode(&dir, RECORD), 0o600, "{n}:{how}");
            // And the next one goes on from there.
            add(&dir, "y").expect(0);
            assert_eq!(record(&dir).clients.len(), found.clients.len() + 1);
            if !ended.err.contains("failpoint: ") {
                break;
            }
        }
    }
}

#[test]
fn contract_5_two_at_once_both_count() {
    let dir = Dir::new();
    thread::scope(|scope| {
        for number in 0..6 {
            let dir = &dir;
            scope.spawn(move || add(dir, &format!("client-{number}")).expect(0).code);
        }
    });
    assert_eq!(record(&dir).clients.len(), 6);
    let left = fs::read_dir(dir.file("auth")).unwrap().count();
    assert_eq!(left, 1, "no lock and no temporary file stays");
}

#[test]
fn contract_5_what_cannot_be_written_is_one_clear_line() {
    let dir = Dir::new();
    granted(&dir, 1);
    let old = dir.read(RECORD);
    let line = format!(
        "ulimit -f 0; 1mcp -d {} auth client add x --redirect {CLAUDE}",
        dir.file("")
    );
    let full = run(&mut other("sh", dir.path(), &["-c", &line]));
    assert!(
        full.expect(1).err.contains("nothing was changed"),
        "{full:?}"
    );
    assert_eq!(dir.read(RECORD), old);
    fs::set_permissions(dir.file(RECORD), Permissions::from_mode(0o400)).unwrap();
    let kept = add(&dir, "x");
    assert!(kept.expect(1).err.contains("is read-only"), "{kept:?}");
    for how in ["mkdir:EROFS", "create:EROFS", "create:EACCES"] {
        let dir = Dir::new();
        let config = dir.file("");
        let args = adding(&config);
        let mut ended = run(&mut failing(dir.path(), how, &args));
        ended.err = ended
            .err
            .lines()
            .filter(|line| !line.starts_with("failpoint"))
            .collect();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("auth"), "names the place: {ended:?}");
    }
    dir.write(RECORD, "{ nonsense");
    fs::set_permissions(dir.file(RECORD), Permissions::from_mode(0o600)).unwrap();
    let broken = add(&dir, "x");
    assert!(broken.expect(1).err.contains("server.json: "), "{broken:?}");
    assert_eq!(
        dir.read(RECORD),
        "{ nonsense",
        "what we cannot read is never overwritten"
    );
}

#[test]
fn contract_5_what_is_open_to_others_is_shut_and_links_are_refused() {
    let dir = Dir::new();
    granted(&dir, 1);
    fs::set_permissions(dir.file(RECORD), Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(dir.file("auth"), Permissions::from_mode(0o755)).unwrap();
    let ended = cli(dir.path(), &["auth", "tokens", "list"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.err.matches("was open to others").count(),
        2,
        "{ended:?}"
    );
    assert_eq!((mode(&dir, "auth"), mode(&dir, RECORD)), (0o700, 0o600));
    assert_eq!(cli(dir.path(), &["auth", "tokens", "list"]).err, "");
    fs::rename(dir.file(RECORD), dir.file("elsewhere")).unwrap();
    symlink("../elsewhere", dir.file(RECORD)).unwrap();
    let ended = cli(dir.path(), &["auth", "tokens", "list"]);
    assert!(ended.expect(1).err.contains("symbolic link"), "{ended:?}");
}

#[test]
fn contract_5_the_first_start_writes_a_password_where_nobody_can_be_shown_one() {
    let dir = Dir::new();
    let gateway = Gateway::start(dir.path(), &["--enable-auth"]);
    let line = gateway.log.containing("the owner's password is in");
    let path = dir.file("owner-password");
    assert!(line.contains(&path), "{line}");
    let password = dir.read("owner-password");
    assert!(password.trim_end().len() >= 26 && password.ends_with('\n'));
    assert!(!gateway.log.text().contains(password.trim_end()));
    assert_eq!(
        (mode(&dir, "owner-password"), mode(&dir, RECORD)),
        (0o600, 0o600)
    );
    assert!(is_password(&dir, password.trim_end()));
    gateway.stop();
    // The second start has one already.
    fs::remove_file(&path).unwrap();
    let gateway = Gateway::start(dir.path(), &["--enable-auth"]);
    assert!(!gateway.log.text().contains("password"));
    gateway.stop();
    assert!(!fs::exists(&path).unwrap());
    assert!(is_password(&dir, password.trim_end()));
}

#[test]
fn x2_who_is_open_without_auth_says_so_once_and_has_a_password() {
    let beside = |dir: &Dir, args: &[&str]| {
        let config = dir.file("");
        let serve = ["serve", "--port", "0", "--config-dir", &config];
        Beside::start(command(dir.path(), &serve).args(args))
    };
    for args in [
        ["--host", "0.0.0.0"],
        ["--external-url", "https://mcp.example.com"],
    ] {
        let dir = Dir::new();
        let gateway = beside(&dir, &args);
        gateway.log.containing("start it with --enable-auth");
        gateway.log.containing("the owner's password is in");
        gateway.log.containing("listening on");
    }
    let dir = Dir::new();
    let gateway = Gateway::start(dir.path(), &[]);
    assert!(!gateway.log.text().contains("--enable-auth"));
    gateway.stop();
    assert!(
        !fs::exists(dir.file("auth")).unwrap(),
        "nobody else can come, so nothing is made"
    );
    // A place that cannot be written to closes /oauth, and nothing else.
    let dir = Dir::new();
    dir.write("auth", "");
    let gateway = beside(&dir, &["--host", "0.0.0.0"]);
    gateway.log.containing("nobody can log in at /oauth");
    gateway.log.containing("listening on");
    let config = dir.file("");
    let args = ["serve", "-P", "0", "-d", &config, "--enable-auth"];
    let ended = run(&mut command(dir.path(), &args));
    assert!(
        ended.expect(1).err.contains("auth is no directory"),
        "{ended:?}"
    );
}

#[test]
fn contract_5_the_password_of_a_file_is_the_password() {
    let dir = Dir::new();
    let file = dir.file("secret");
    let config = dir.file("");
    let start = |dir: &Dir, auth: &str| {
        let args = ["serve", "--port", "0", "--config-dir", &config, auth];
        let mut command = command(dir.path(), &args);
        command.env("ONE_MCP_OWNER_PASSWORD_FILE", &file);
        command
    };
    let missing = run(&mut start(&dir, "--enable-auth"));
    assert!(
        missing.expect(1).err.contains("secret does not exist"),
        "{missing:?}"
    );
    for (text, password) in [
        ("first password\n", "first password"),
        ("2nd password", "2nd password"),
    ] {
        dir.write("secret", text);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let gateway = Gateway::of(&mut start(&dir, "--enable-auth"));
        assert!(is_password(&dir, password));
        assert!(!fs::exists(dir.file("owner-password")).unwrap());
        assert!(
            !gateway.log.text().contains("password"),
            "{}",
            gateway.log.text()
        );
        gateway.stop();
    }
    // The same again writes nothing.
    let known = record(&dir).owner;
    Gateway::of(&mut start(&dir, "--no-config-reload")).stop();
    assert!(record(&dir).owner == known);
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    let gateway = Gateway::of(&mut start(&dir, "--enable-auth"));
    gateway.log.containing("may be read by others");
    gateway.stop();
    fs::set_permissions(&file, Permissions::from_mode(0o622)).unwrap();
    let open = run(&mut start(&dir, "--enable-auth"));
    assert!(
        open.expect(1).err.contains("may be written by others"),
        "{open:?}"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    dir.write("secret", "short\n");
    let short = run(&mut start(&dir, "--enable-auth"));
    assert!(
        short.expect(1).err.contains("at least 8 characters"),
        "{short:?}"
    );
}

#[test]
fn contract_1_stdio_takes_no_notice_of_auth_and_says_so() {
    let dir = Dir::new();
    let config = dir.file("");
    let args = ["serve", "-t", "stdio", "--enable-auth", "-d", &config];
    let ended = run(&mut command(dir.path(), &args));
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.err.contains("--enable-auth has no effect on stdio"),
        "{ended:?}"
    );
    assert!(!fs::exists(dir.file("auth")).unwrap());
}

/// A token that is good for one of the grants of [`granted`].
fn token(record: &Record, port: u16, grant: u8) -> String {
    let origin: Rc<str> = format!("http://127.0.0.1:{port}").into();
    let claims = Claims {
        issuer: Rc::clone(&origin),
        audience: origin,
        grant: GrantId([grant; 16]),
        client: "c".into(),
        scopes: Scopes::parse("mcp").unwrap(),
        issued: UnixSeconds(1_700_000_000),
        not_before: UnixSeconds(1_700_000_000),
        expires: UnixSeconds(4_000_000_000),
        id: [grant; 16],
    };
    let key = record.signing_key().unwrap();
    key.sign(&claims).reveal().to_owned()
}

fn status(port: u16, token: &str) -> u16 {
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: \
         application/json, text/event-stream\r\n"
    );
    let params = initialize();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let request = http::request("POST /mcp", &headers, body.to_string());
    Connection::open(port).send(request).answer().status
}

/// Looks until it is so; what is waited for comes within a second.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn contract_5_a_running_gateway_takes_up_what_a_command_has_changed() {
    let dir = Dir::new();
    granted(&dir, 2);
    let gateway = Gateway::start(dir.path(), &["--enable-auth"]);
    // Its keys are drawn after the port is open.
    until(|| record(&dir).signing_key().is_some());
    let tokens = [1, 2].map(|grant| token(&record(&dir), gateway.port, grant));
    until(|| status(gateway.port, &tokens[0]) == 200);
    assert_eq!(status(gateway.port, &tokens[1]), 200);
    let id = GrantId([1; 16]).text();
    cli(dir.path(), &["auth", "tokens", "revoke", &id]).expect(0);
    until(|| status(gateway.port, &tokens[0]) == 401);
    let now = tokens.each_ref().map(|token| status(gateway.port, token));
    assert_eq!(now, [401, 200], "{}", gateway.log.text());
    assert!(!gateway.log.text().contains(&tokens[0]));
    gateway.stop();
}
