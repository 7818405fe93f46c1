//! How often tokens are renewed that are refused, and what goes on when a disk takes nothing.

use serde_json::{Value, json};

use super::renewing::{another, authorized, renewals};
use super::world::*;
use crate::config::Oauth;
use crate::limits::{KEYRING_SAVE_AGAIN_MS, REFRESH_AGAIN_MS_MIN, REFRESH_HASTE_MAX};
use crate::oauth::owner::Who;

fn on_disk(world: &World) -> String {
    String::from_utf8(world.disk.values().next().unwrap().clone()).unwrap()
}

#[test]
fn what_the_disk_did_not_take_is_newer_than_what_is_there() {
    let mut world = authorized();
    world.is_full = true;
    for _ in 0..3 {
        world.wait(3_600_000);
        // What another process tells of the file is as old as it is.
        let (name, bytes) = world.disk.first_key_value().unwrap();
        let (name, bytes) = (name.clone(), bytes.clone());
        world.with(0, |keyring, cx| keyring.record(cx, &name, Some(&bytes)));
    }
    let sent: Vec<&str> = world.net.tokens[1..]
        .iter()
        .map(|(form, _)| form.get("refresh_token").unwrap())
        .collect();
    assert_eq!(sent, ["refresh-3", "refresh-4", "refresh-5"]);
    assert_eq!(world.rings[0].tokens["m"].1, "access-6");
    assert!(on_disk(&world).contains("refresh-3"));
    let lost = |world: &World| {
        let lines = world.rings[0].logged.iter();
        lines.filter(|line| line.contains("kept again")).count()
    };
    assert_eq!(lost(&world), 0);
    // There is room again: nobody has to renew anything for that.
    world.is_full = false;
    world.wait(KEYRING_SAVE_AGAIN_MS);
    assert!(on_disk(&world).contains("refresh-6"));
    assert_eq!((renewals(&world), lost(&world)), (3, 1));
    world.kill(0);
    let ring = another(&mut world);
    assert_eq!(world.rings[ring].tokens["m"].1, "access-6");
    world.assert_silent();
}

#[test]
fn what_another_instance_wrote_later_is_newer_than_what_the_disk_did_not_take() {
    let mut world = authorized();
    world.is_full = true;
    world.wait(3_600_000);
    assert_eq!(world.rings[0].tokens["m"].1, "access-4");
    world.told(0);
    world.wait(10_000);
    let (name, bytes) = world.disk.first_key_value().unwrap();
    let (name, mut record) = (
        name.clone(),
        serde_json::from_slice::<Value>(bytes).unwrap(),
    );
    record["tokens"] = json!({
        "access": "access-x", "refresh": "refresh-x", "scope": null,
        "since": world.now.wall.0, "until": world.now.wall.0 + 3_600,
    });
    let bytes = record.to_string().into_bytes();
    world.with(0, |keyring, cx| keyring.record(cx, &name, Some(&bytes)));
    assert_eq!(
        world.told(0),
        ["m token access-x for https://m.example/mcp"]
    );
    world.disk.insert(name, bytes);
    world.is_full = false;
    world.wait(KEYRING_SAVE_AGAIN_MS);
    assert!(on_disk(&world).contains("refresh-x"));
}

#[test]
fn a_token_of_no_life_that_is_refused_is_renewed_once_and_then_its_owner_is_asked() {
    let mut world = World::new();
    world.net.issuers[0].grants = json!({"expires_in": 0});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    for _ in 0..100 {
        world.challenge(0, 401, "Bearer");
        world.challenge_with(0, 401, "Bearer", None, "initialize");
        world.wait(100);
    }
    assert_eq!(renewals(&world), 1);
    let told = world.told(0);
    assert_eq!(
        told.last().unwrap(),
        "m awaiting: it wants an authorization from as.example"
    );
    world.wait(REFRESH_AGAIN_MS_MIN);
    world.challenge_with(0, 401, "Bearer", None, "initialize");
    assert_eq!(renewals(&world), 2);
}

#[test]
fn instances_that_learn_from_each_other_do_not_renew_in_turn_for_ever() {
    let mut world = authorized();
    another(&mut world);
    for _ in 0..20 {
        world.challenge(0, 401, "Bearer");
        world.challenge(1, 401, "Bearer");
    }
    assert_eq!(renewals(&world), 2);
}

#[test]
fn o11_a_token_that_was_accepted_is_renewed_at_once_a_few_times() {
    let mut world = authorized();
    world.is_accepted = true;
    let most = usize::try_from(REFRESH_HASTE_MAX).unwrap() + 1;
    for count in 1..=most {
        world.challenge(0, 401, "Bearer");
        let told = format!("m token access-{} for https://m.example/mcp", count + 3);
        assert_eq!(world.told(0), [told]);
    }
    // Then with pauses, and the owner is not asked.
    for _ in 0..20 {
        world.challenge(0, 401, "Bearer");
        world.wait(10);
    }
    assert_eq!((renewals(&world), world.told(0)), (most, Vec::new()));
    world.wait(REFRESH_AGAIN_MS_MIN);
    assert_eq!((renewals(&world), world.told(0).len()), (most + 1, 1));
    // One that was good for nothing asks him.
    world.is_accepted = false;
    world.challenge(0, 401, "Bearer");
    world.wait(1);
    world.challenge(0, 401, "Bearer");
    assert!(world.told(0).last().unwrap().contains("awaiting"));
}

#[test]
fn o11_a_refresh_token_that_is_dead_in_other_words_asks_the_owner() {
    for (status, code, is_dead) in [
        (200, "bad_refresh_token", true),
        (400, "invalid_request", true),
        (403, "access_denied", true),
        (400, "temporarily_unavailable", false),
        (400, "slow_down", false),
        (429, "rate_limited", false),
        (503, "invalid_grant", false),
    ] {
        let mut world = authorized();
        let no = (status, json!({ "error": code }).to_string());
        world.net.documents.insert(format!("{ISSUER}/token"), no);
        world.challenge(0, 401, "Bearer");
        let told = world.told(0);
        assert_eq!(told[0].starts_with("m awaiting: "), is_dead, "{told:?}");
        assert_eq!(on_disk(&world).contains("refresh-3"), !is_dead, "{code}");
        // In any case the owner can do something about it.
        assert!(world.rings[0].keyring.standing("m").unwrap().authorize);
    }
}

#[test]
fn a_click_after_a_failure_finds_out_again_whom_to_ask() {
    let mut world = World::new();
    world.net.issuers[0].said = json!({"registration_endpoint": null});
    world.challenge(0, 401, "Bearer");
    assert!(world.told(0)[0].starts_with("m failed: "));
    assert!(world.click(0, 1).is_err());
    world.net.issuers[0].said = json!({});
    assert!(world.click(0, 1).is_ok());
    // Also after a registration that was refused.
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    let no = (400, json!({"error": "invalid_client_metadata"}).to_string());
    world.net.documents.insert(format!("{ISSUER}/register"), no);
    assert!(world.click(0, 1).is_err());
    let other = format!("{ISSUER}/elsewhere");
    world.net.issuers[0].said = json!({"registration_endpoint": other});
    let yes = (201, json!({"client_id": "c"}).to_string());
    world.net.documents.insert(other, yes);
    assert!(world.click(0, 1).is_ok());
}

#[test]
fn a_change_or_a_refusal_during_a_registration_leaves_no_browser_waiting() {
    let click = "POST /oauth/connect/m";
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    world.is_held = true;
    assert!(
        world
            .visit(0, (Who::Local, 1), click, "csrf=csrf-1")
            .is_none()
    );
    let mut server = protected("m", SERVER);
    server.entry = Oauth {
        scopes: vec!["new".to_owned()],
        ..Oauth::default()
    };
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.is_held = false;
    world.pump();
    let answer = world.rings[0].answers.values().next().unwrap();
    let to = answer.field("location").unwrap();
    assert!(answer.status == 303 && to.contains("scope=new"), "{to}");
    assert_eq!(world.net.registrations.len(), 1);

    // A token that is refused meanwhile.
    let mut world = World::new();
    world.net.issuers[0].registers = json!({"client_secret": "s", "client_secret_expires_at": 1});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.challenge(0, 401, "Bearer");
    world.told(0);
    world.is_held = true;
    assert!(
        world
            .visit(0, (Who::Local, 1), click, "csrf=csrf-1")
            .is_none()
    );
    world.is_held = false;
    world.challenge(0, 401, "Bearer");
    assert_eq!(
        world.told(0),
        ["m awaiting: it wants an authorization from as.example"]
    );
    let answer = world.rings[0].answers.values().next().unwrap();
    assert_eq!(answer.status, 303);
}
