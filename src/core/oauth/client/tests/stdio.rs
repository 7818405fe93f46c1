//! While our own stdin is the client, browsers come through a port of this machine, where others
//! may knock as well.

use super::world::*;
use crate::base::form::Form;
use crate::oauth::owner::Who;
use crate::settings::Settings;

fn stdio() -> World {
    let mut world = World::empty();
    world.net.issuers.push(super::issuer::Issuer::new(ISSUER));
    world.net.protect(SERVER, &[ISSUER]);
    let settings = Settings {
        stdio: true,
        port: 0,
        ..Settings::default()
    };
    world.start(&settings, vec![protected("m", SERVER)]);
    world
}

const ME: (Who, u8) = (Who::Local, 1);
const OTHER: (Who, u8) = (Who::Local, 2);
const HOST: &str = "\nHost: 127.0.0.1:4444";

/// The port is open; tells the path of the page with its ticket.
fn opened(world: &mut World) -> String {
    world.challenge(0, 401, "Bearer");
    assert_eq!(
        (world.told(0), world.rings[0].ports.clone()),
        (Vec::new(), vec![Some(0)])
    );
    world.with(0, |keyring, cx| keyring.listening(cx, Ok(4444)));
    assert_eq!(
        world.told(0),
        ["m awaiting: it wants an authorization from as.example"]
    );
    let page = world.rings[0].page.clone();
    let path = page.strip_prefix("http://127.0.0.1:4444").unwrap();
    assert!(path.starts_with("/oauth/connect/m?ticket="), "{path}");
    path.to_owned()
}

#[test]
fn o13_the_port_is_open_while_somebody_has_something_to_authorize() {
    let mut world = stdio();
    let page = opened(&mut world);
    let shown = world
        .visit(0, ME, &format!("GET {page}{HOST}"), "")
        .unwrap();
    assert_eq!(shown.status, 200);
    let left = world
        .visit(
            0,
            ME,
            &format!("POST /oauth/connect/m{HOST}"),
            "csrf=csrf-1",
        )
        .unwrap();
    let to = crate::base::url::Url::parse(left.field("location").unwrap()).unwrap();
    let query = Form::parse(to.query().unwrap().as_bytes()).unwrap();
    assert_eq!(
        query.get("redirect_uri"),
        Some("http://127.0.0.1:4444/oauth/callback/93e20fbd9d9436f74c252dbad30ec732")
    );
    let back = world.agree(&to);
    assert_eq!(world.rings[0].ports.len(), 1);
    let done = world.back(0, 1, &back).unwrap();
    assert_eq!((done.status, done.field("location")), (200, None));
    assert_eq!(world.rings[0].ports, [Some(0), None]);
    assert!(world.rings[0].tokens.contains_key("m"));
    // The next time: at the port that the issuer knows us by.
    world.net.issuers[0].refresh.clear();
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.rings[0].ports, [Some(0), None, Some(4444)]);
}

#[test]
fn o13_another_user_of_this_machine_cannot_begin_or_finish() {
    let mut world = stdio();
    let page = opened(&mut world);
    for request in [
        "GET /oauth/connect/m",
        "GET /oauth/connect/m?ticket=",
        "GET /oauth/connect/m?ticket=00000000000000000000000000000000",
        "POST /oauth/connect/m",
    ] {
        let answer = world
            .visit(0, OTHER, &format!("{request}{HOST}"), "csrf=csrf-2")
            .unwrap();
        assert_eq!(answer.status, 403, "{request}");
    }
    world.visit(0, ME, &format!("GET {page}{HOST}"), "");
    let left = world
        .visit(
            0,
            ME,
            &format!("POST /oauth/connect/m{HOST}"),
            "csrf=csrf-1",
        )
        .unwrap();
    let to = crate::base::url::Url::parse(left.field("location").unwrap()).unwrap();
    let back = world.agree(&to);
    assert_eq!(world.back(0, 2, &back).unwrap().status, 403);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 200);
}

#[test]
fn o13_a_port_that_cannot_be_opened_is_said() {
    let mut world = stdio();
    world.challenge(0, 401, "Bearer");
    let why = "no loopback port can be opened".to_owned();
    world.with(0, |keyring, cx| keyring.listening(cx, Err(why)));
    assert_eq!(world.told(0), ["m failed: no loopback port can be opened"]);
    // The next refusal tries again.
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.rings[0].ports, [Some(0), Some(0)]);
}

#[test]
fn o13_a_ticket_never_goes_to_a_port_that_somebody_else_has() {
    let mut world = stdio();
    let mut server = protected("m", SERVER);
    server.entry.redirect_url = Some("http://127.0.0.1:5555/oauth/callback".to_owned());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.rings[0].ports, [Some(5555)]);
    world.with(0, |keyring, cx| keyring.listening(cx, Ok(4444)));
    let why =
        "m failed: port 5555 of its oauth.redirectUrl cannot be opened: another process has it";
    assert_eq!(world.told(0), [why]);
    assert_eq!(
        (world.rings[0].page.as_str(), world.rings[0].ports.clone()),
        ("", vec![Some(5555), None])
    );
    // It is free again.
    world.challenge(0, 401, "Bearer");
    world.with(0, |keyring, cx| keyring.listening(cx, Ok(5555)));
    assert!(
        world.rings[0]
            .page
            .starts_with("http://127.0.0.1:5555/oauth/connect/m?ticket=")
    );
}

#[test]
fn o13_the_page_is_on_the_host_of_the_way_back() {
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.rings[0].page, "http://127.0.0.1:3050/oauth/connect/m");
    for method in ["GET", "POST"] {
        let head = format!("{method} /oauth/connect/m\nHost: localhost:3050");
        let answer = world.visit(0, ME, &head, "csrf=csrf-1").unwrap();
        let to = answer.field("location");
        assert_eq!(
            (answer.status, to),
            (303, Some("http://127.0.0.1:3050/oauth/connect/m"))
        );
    }
    // Behind a proxy the Host may be anything.
    let external = Settings {
        external_url: Some("https://gate.example".to_owned()),
        ..Settings::default()
    };
    let ring = world.start(&external, vec![protected("m", SERVER)]);
    world.challenge(ring, 401, "Bearer");
    assert_eq!(
        world.rings[ring].page,
        "https://gate.example/oauth/connect/m"
    );
    let head = "GET /oauth/connect/m\nHost: localhost:3050";
    let answer = world.visit(ring, (Who::Owner, 1), head, "").unwrap();
    assert_eq!(answer.status, 200);
}
