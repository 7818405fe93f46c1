//! Sessions of clients outlive the gateway (contract 5): by `kill -9`, by an orderly stop, and with
//! two of them at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::Gateway;
use crate::support::http::{Connection, request};
use crate::support::locked::Locked;
use crate::support::mcp::Client;

fn served() -> (Dir, Gateway) {
    let dir = Dir::new();
    dir.servers(&[("files", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    (dir, gateway)
}

/// Waits until the key is on the disk that sessions are sealed with: the answer to the end of one
/// comes after that.
fn key_is_kept(port: u16) {
    assert_eq!(Client::open(port).ends(), 204);
}

fn mode(dir: &Dir, name: &str) -> u32 {
    let found = fs::metadata(dir.path().join(name)).unwrap();
    found.permissions().mode() & 0o777
}

#[test]
fn a_session_goes_on_after_a_crash() {
    let (dir, gateway) = served();
    let mut client = Client::open(gateway.port);
    client.echo("files");
    key_is_kept(gateway.port);
    assert_eq!(mode(&dir, "state/sessions"), 0o700);
    assert_eq!(mode(&dir, "state/sessions/sessions.json"), 0o600);
    gateway.crash();
    let gateway = Gateway::start(dir.path(), &[]);
    client.turns_to(gateway.port);
    client.echo("files");
    let mut events = client.listen();
    for list in ["tools", "prompts", "resources"] {
        events.wait_for(&format!("notifications/{list}/list_changed"));
    }
    drop(events);
    gateway.stop();
    let gateway = Gateway::start(dir.path(), &[]);
    client.turns_to(gateway.port);
    client.echo("files");
    gateway.stop();
}

#[test]
fn a_session_that_was_ended_does_not_come_back() {
    let (dir, gateway) = served();
    let clients: Vec<Client> = (0..3).map(|_| Client::open(gateway.port)).collect();
    assert_eq!(clients[1].ends(), 204);
    gateway.crash();
    let gateway = Gateway::start(dir.path(), &[]);
    let mut clients = clients;
    let on: Vec<bool> = clients
        .iter_mut()
        .map(|client| {
            client.turns_to(gateway.port);
            client.goes_on()
        })
        .collect();
    assert_eq!(on, [true, false, true]);
    assert_eq!((clients[0].ends(), clients[0].ends()), (204, 404));
    gateway.crash();
    let gateway = Gateway::start(dir.path(), &[]);
    for (client, on) in clients.iter_mut().zip([false, false, true]) {
        client.turns_to(gateway.port);
        assert_eq!(client.goes_on(), on);
    }
    gateway.stop();
}

#[test]
fn two_gateways_serve_one_session_and_either_ends_it() {
    let (dir, one) = served();
    let mut client = Client::open(one.port);
    key_is_kept(one.port);
    let two = Gateway::start(dir.path(), &[]);
    client.echo("files");
    let fields = client.headers().replace("application/json, ", "");
    let mut stream = Connection::open(one.port);
    stream.send(format!(
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"
    ));
    assert_eq!(stream.stream().status, 200);
    client.turns_to(two.port);
    client.echo("files");
    assert_eq!(client.ends(), 204);
    // The first one hears of it through the file.
    stream.ends();
    client.turns_to(one.port);
    assert!(!client.goes_on());
    one.stop();
    two.stop();
}

#[test]
fn without_a_place_for_it_sessions_end_with_the_process_and_one_line_says_so() {
    let dir = Dir::new();
    dir.servers(&[("files", fixture(&[]))]);
    fs::create_dir(dir.path().join("state")).unwrap();
    dir.write("state/sessions", "in the way");
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    client.echo("files");
    let other = Client::open(gateway.port);
    assert_eq!(other.ends(), 204);
    assert!(!other.goes_on());
    let line = gateway
        .log
        .containing("sessions of clients end with this process");
    assert!(
        line.contains("WARN") && line.contains("state/sessions"),
        "{line}"
    );
    let told = gateway.log.text();
    assert_eq!(told.matches("state/sessions").count(), 1, "{told}");
    gateway.crash();
    let gateway = Gateway::start(dir.path(), &[]);
    client.turns_to(gateway.port);
    assert!(!client.goes_on());
    gateway.stop();
}

#[test]
fn a_session_goes_on_for_the_grant_that_opened_it_only() {
    let mut locked = Locked::start(&[]);
    let session = locked.session(&locked.token(1, "mcp"));
    let token = locked.token(2, "mcp");
    let (other, fields) = (
        locked.session(&token),
        format!("Authorization: Bearer {token}\r\n"),
    );
    // The answer to the end of a session says that the key of all is on the disk.
    let ended = locked.ask(
        "DELETE /mcp",
        &format!("{fields}Mcp-Session-Id: {other}\r\n"),
        "",
    );
    assert_eq!(ended.status, 204);
    let gateway = Gateway::start(locked.dir.path(), &["--enable-auth"]);
    std::mem::replace(&mut locked.gateway, gateway).crash();
    // It knows itself by another port now, so its tokens are others.
    let (one, two) = (locked.token(1, "mcp"), locked.token(2, "mcp"));
    let ask = |token: &str| {
        let fields = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Mcp-Session-Id: {session}\r\n"
        );
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let bytes = request("POST /mcp", &fields, ping);
        let mut connection = Connection::open(locked.gateway.port);
        connection.send(bytes).answer().status
    };
    assert_eq!((ask(&two), ask("none"), ask(&one)), (404, 401, 200));
}
