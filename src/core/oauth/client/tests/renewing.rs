//! Tokens that end, and instances that share one record.

use serde_json::json;

use super::world::*;
use crate::limits::{
    ERRAND_MS_MAX, KEYRING_LOCK_MS_MAX, REFRESH_AGAIN_MS_MIN, REFRESH_RETRY_MS_MAX,
};
use crate::settings::Settings;

/// A process that was authorized a moment ago.
pub(super) fn authorized() -> World {
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    assert_eq!(world.rings[0].tokens["m"].1, "access-3");
    world.told(0);
    world
}

/// One more process with the same configuration.
pub(super) fn another(world: &mut World) -> usize {
    world.start(&Settings::default(), vec![protected("m", SERVER)])
}

pub(super) fn renewals(world: &World) -> usize {
    let mut all = world.net.tokens.iter();
    let is_one = |form: &crate::base::form::Form| form.get("grant_type") == Some("refresh_token");
    all.by_ref().filter(|(form, _)| is_one(form)).count()
}

#[test]
fn o11_a_token_is_renewed_before_it_ends() {
    let mut world = authorized();
    world.wait(3_400_000);
    assert_eq!(world.told(0), [""; 0]);
    world.wait(120_000);
    assert_eq!(
        world.told(0),
        ["m token access-4 for https://m.example/mcp"]
    );
    let (form, _) = world.net.tokens.last().unwrap();
    assert_eq!(form.get("resource"), Some(SERVER));
    assert_eq!(form.get("refresh_token"), Some("refresh-3"));
    // And so on for ever.
    world.wait(36_000_000);
    assert_eq!(world.told(0).len(), 10);
    world.assert_silent();
}

#[test]
fn o11_a_token_without_an_end_is_renewed_when_it_is_refused_and_once_only() {
    let mut world = World::new();
    world.net.issuers[0].grants = json!({"expires_in": null});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.told(0);
    world.wait(1_000_000_000);
    assert_eq!((world.told(0).len(), renewals(&world)), (0, 0));
    world.challenge(0, 401, "Bearer error=\"invalid_token\"");
    assert_eq!(
        world.told(0),
        ["m token access-4 for https://m.example/mcp"]
    );
    // The new one is refused as well: it is not the token's age.
    world.challenge(0, 401, "Bearer error=\"invalid_token\"");
    assert_eq!(
        world.told(0),
        ["m awaiting: it wants an authorization from as.example"]
    );
    assert_eq!(renewals(&world), 1);
    world.authorize(0);
    world.wait(REFRESH_AGAIN_MS_MIN);
    world.challenge(0, 401, "Bearer error=\"invalid_token\"");
    assert_eq!(renewals(&world), 2);
}

#[test]
fn o11_what_is_said_of_an_old_token_concerns_nobody() {
    let mut world = authorized();
    let (old, _) = world.rings[0].tokens["m"].clone();
    world.challenge(0, 401, "Bearer");
    let news = world.told(0);
    assert_eq!(news, ["m token access-4 for https://m.example/mcp"]);
    for token in [Some(old), None, Some(0)] {
        world.challenge_with(0, 401, "Bearer", token, "tools/list");
        assert_eq!(world.told(0), news);
    }
    assert_eq!(renewals(&world), 1);
}

#[test]
fn contract_5_three_instances_renew_one_token_with_one_request() {
    let mut world = authorized();
    for number in 1..3 {
        assert_eq!(another(&mut world), number);
        assert_eq!(
            world.told(number),
            ["m token access-3 for https://m.example/mcp"]
        );
    }
    // All at the very same moment, before any issuer answers.
    world.is_held = true;
    for ring in 0..3 {
        world.challenge(ring, 401, "Bearer error=\"invalid_token\"");
    }
    world.is_held = false;
    world.pump();
    for ring in 0..3 {
        let told = world.told(ring);
        assert_eq!(
            told.last().unwrap(),
            "m token access-4 for https://m.example/mcp",
            "{ring}"
        );
    }
    assert_eq!(renewals(&world), 1);
    // And whenever it ends.
    world.wait(36_000_000);
    assert_eq!(renewals(&world), 11);
    assert_eq!(world.net.issuers[0].refresh.len(), 1);
}

#[test]
fn contract_5_an_authorization_elsewhere_is_one_here() {
    let mut world = World::new();
    another(&mut world);
    for ring in [0, 1] {
        world.challenge(ring, 401, "Bearer");
    }
    world.told(1);
    world.authorize(0);
    assert_eq!(
        world.told(1),
        ["m token access-3 for https://m.example/mcp"]
    );
    assert_eq!(
        world.rings[1].keyring.standing("m").unwrap().says,
        "authorized"
    );
}

#[test]
fn contract_5_keys_survive_a_restart() {
    let mut world = authorized();
    world.kill(0);
    let ring = another(&mut world);
    assert_eq!(
        world.told(ring),
        ["m token access-3 for https://m.example/mcp"]
    );
    // Also when the token has ended meanwhile.
    world.kill(ring);
    world.wait(10_000_000);
    let ring = another(&mut world);
    assert_eq!(
        world.told(ring),
        ["m token access-4 for https://m.example/mcp"]
    );
}

#[test]
fn killed_between_the_steps_nothing_is_lost_but_the_step() {
    // While the issuer is asked: the next instance asks again.
    let mut world = authorized();
    another(&mut world);
    world.is_held = true;
    world.challenge(0, 401, "Bearer");
    world.challenge(1, 401, "Bearer");
    world.kill(0);
    world.is_held = false;
    world.pump();
    assert_eq!(world.rings[1].tokens["m"].1, "access-4");
    assert_eq!(renewals(&world), 1);
    // In the middle of an authorization: it is begun again.
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    let to = world.click(0, 1).unwrap();
    let back = world.agree(&to);
    world.kill(0);
    let ring = another(&mut world);
    assert_eq!(world.back(ring, 1, &back).unwrap().status, 400);
    world.challenge(ring, 401, "Bearer");
    world.authorize(ring);
    assert!(world.rings[ring].tokens.contains_key("m"));
}

#[test]
fn invalid_grant_asks_the_owner_and_forgets_the_keys() {
    let mut world = authorized();
    world.net.issuers[0].refresh.clear();
    world.challenge(0, 401, "Bearer");
    assert_eq!(
        world.told(0),
        ["m awaiting: it wants an authorization from as.example"]
    );
    let text = String::from_utf8(world.disk.values().next().unwrap().clone()).unwrap();
    assert!(
        text.contains("\"tokens\": null") && !text.contains("refresh-3"),
        "{text}"
    );
    // As the client that is known there already.
    let query = world.authorize(0);
    assert_eq!(query.get("client_id"), Some("client-1"));
    assert_eq!(world.net.registrations.len(), 1);
}

#[test]
fn a_client_that_its_issuer_forgot_is_registered_again() {
    let mut world = authorized();
    let token = format!("{ISSUER}/token");
    let no = (401, json!({"error": "invalid_client"}).to_string());
    world.net.documents.insert(token.clone(), no);
    world.challenge(0, 401, "Bearer");
    world.net.documents.remove(&token);
    world.told(0);
    world.authorize(0);
    assert_eq!(world.net.registrations.len(), 2);
}

#[test]
fn an_issuer_that_is_away_is_asked_again_while_the_token_is_good() {
    let mut world = authorized();
    world.net.is_down = true;
    world.wait(3_500_000);
    assert_eq!(world.told(0), [""; 0]);
    let standing = world.rings[0].keyring.standing("m").unwrap();
    assert!(
        standing.says.contains("cannot be renewed now"),
        "{standing:?}"
    );
    // It ends: the sessions hear of it when the server refuses it.
    world.wait(200_000);
    world.challenge(0, 401, "Bearer");
    let told = world.told(0);
    assert!(
        told[0].contains("its token cannot be renewed now: https://as.example: "),
        "{told:?}"
    );
    let before = world.net.log.len();
    world.wait(10 * REFRESH_RETRY_MS_MAX);
    let tries = world.net.log.len() - before;
    assert!((6..20).contains(&tries), "{tries}");
    world.net.is_down = false;
    world.wait(2 * REFRESH_RETRY_MS_MAX);
    assert_eq!(
        world.told(0).last().unwrap(),
        "m token access-4 for https://m.example/mcp"
    );
}

#[test]
fn an_answer_that_drips_is_given_up() {
    let mut world = authorized();
    world.is_held = true;
    world.challenge(0, 401, "Bearer");
    world.wait(ERRAND_MS_MAX - 1);
    assert_eq!(world.told(0), [""; 0]);
    world.wait(1);
    let told = world.told(0);
    assert!(told[0].contains("no whole answer within 45 s"), "{told:?}");
}

#[test]
fn a_lock_that_another_process_holds_for_ever_is_not_waited_for() {
    let mut world = authorized();
    another(&mut world);
    world.hang(1);
    world.challenge(0, 401, "Bearer");
    world.wait(KEYRING_LOCK_MS_MAX);
    let told = world.told(0);
    assert!(
        told[0].contains("another process has held remote-"),
        "{told:?}"
    );
}

#[test]
fn a_disk_that_is_full_costs_only_what_it_would_have_kept() {
    let mut world = World::new();
    world.is_full = true;
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    assert_eq!(world.rings[0].tokens["m"].1, "access-3");
    assert!(
        world.rings[0]
            .logged
            .iter()
            .any(|line| line.contains("lost when 1mcp ends"))
    );
    // It is renewed from memory.
    world.wait(3_600_000);
    assert_eq!(world.rings[0].tokens["m"].1, "access-4");
    world.is_full = false;
    world.wait(3_600_000);
    assert_eq!(
        (world.rings[0].tokens["m"].1.as_str(), world.disk.len()),
        ("access-5", 1)
    );
}

#[test]
fn a_token_that_ends_at_once_does_not_make_us_ask_without_pause() {
    let mut world = World::new();
    world.net.issuers[0].grants = json!({"expires_in": 0});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.wait(60_000);
    assert!(renewals(&world) <= 3, "{}", renewals(&world));
}

#[test]
fn a_server_that_is_removed_during_a_renewal_loses_no_key() {
    let mut world = authorized();
    world.is_held = true;
    world.challenge(0, 401, "Bearer");
    world.with(0, |keyring, cx| keyring.configure(cx, Vec::new()));
    world.is_held = false;
    world.pump();
    assert_eq!(world.told(0), [""; 0]);
    let text = String::from_utf8(world.disk.values().next().unwrap().clone()).unwrap();
    assert!(text.contains("refresh-4"), "{text}");
    // It comes back.
    let servers = vec![protected("m", SERVER)];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    assert_eq!(
        world.told(0),
        ["m token access-4 for https://m.example/mcp"]
    );
    // At another place it is another server.
    let servers = vec![protected("m", "https://m.example/other")];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    assert_eq!(world.told(0), [""; 0]);
}

#[test]
fn o11_more_is_wanted_until_it_was_asked_for_here_or_elsewhere() {
    let mut world = authorized();
    another(&mut world);
    let field = "Bearer scope=\"w\", error=\"insufficient_scope\"";
    world.challenge(0, 403, field);
    world.challenge(1, 403, field);
    // A renewal does not help.
    world.wait(3_600_000);
    for ring in [0, 1] {
        assert!(
            world.rings[ring].keyring.standing("m").unwrap().authorize,
            "{ring}"
        );
    }
    assert_eq!(world.authorize(1).get("scope"), Some("w"));
    for ring in [0, 1] {
        assert!(
            !world.rings[ring].keyring.standing("m").unwrap().authorize,
            "{ring}"
        );
    }
}
