//! What the disk, and other processes, do to it.

use super::*;

#[test]
fn s11_the_first_start_makes_a_key_and_the_next_uses_it() {
    let settings = Settings {
        auth: true,
        ..Settings::default()
    };
    let mut world = World::cold(&settings);
    assert_eq!(world.disk, None);
    world.configure(&[]);
    let keys = world.keys.clone().unwrap();
    assert_eq!((keys.keys.len(), world.stores), (1, 1));
    let mut next = World::cold(&settings);
    next.entropy = Entropy::new(&[6; 32]);
    next.disk.clone_from(&world.disk);
    let text = world.disk.clone().unwrap();
    next.act(|server, cx| server.record(cx, Some(&text)));
    next.configure(&[]);
    assert_eq!((next.keys, next.stores), (Some(keys), 0));
}

#[test]
fn s11_tokens_survive_a_restart_and_codes_do_not() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let code = world.code(&client);
    let mut next = World::cold(&world.server.settings.clone());
    next.disk.clone_from(&world.disk);
    let text = world.disk.clone().unwrap();
    next.act(|server, cx| server.record(cx, Some(&text)));
    next.configure(&[]);
    assert!(next.claims(&tokens).is_ok());
    let late = next.post("/token", &redeem(&client, &code));
    assert_eq!(error_of(&late), (400, "invalid_grant".into()));
    assert_eq!(next.post("/token", &refresh(&client, &tokens)).status, 200);
}

#[test]
fn s11_changes_that_wait_share_one_lock() {
    let mut world = World::new();
    let before = world.locks;
    world.held = Some(Vec::new());
    let text = world.register_text(&format!("{{\"redirect_uris\":[\"{BACK}\"]}}"));
    let links: Vec<LinkKey> = (0..5).map(|_| world.send(&text).0).collect();
    assert_eq!(world.locks, before + 1);
    world.let_go();
    for link in links {
        assert_eq!(world.answer_for(link).unwrap().status, 201);
    }
    assert_eq!((world.locks, world.stores), (before + 1, 2));
    assert_eq!(
        Record::read(world.disk.as_deref()).unwrap().clients.len(),
        5
    );
}

#[test]
fn changes_max_answers_503() {
    let mut world = World::new();
    world.held = Some(Vec::new());
    let client = "{\"redirect_uris\":[\"https://a.example/\"]}";
    let text = world.register_text(client);
    for n in 0..u32::try_from(crate::limits::CHANGES_MAX).unwrap() {
        world.client_address = std::net::IpAddr::V4(n.into());
        world.now.tick = world.now.tick.after(60_000);
        assert!(world.send(&text).1.is_none());
    }
    world.now.tick = world.now.tick.after(60_000);
    let refused = world.send(&text).1.unwrap();
    assert_eq!(error_of(&refused), (503, "temporarily_unavailable".into()));
    assert_eq!(refused.field("retry-after"), Some("1"));
}

/// The whole way with the n-th write failing, for every n: whoever was told that it worked, for him
/// it worked, and what failed can be tried again.
#[test]
fn s11_when_the_disk_refuses_nothing_has_happened() {
    for n in 0..6 {
        let mut world = World::new();
        world.fails_after = Some(n);
        let again = |world: &mut World, text: &str| {
            let before = (world.disk.clone(), world.keys.clone());
            let mut answer = world.ask(text);
            if answer.status == 500 {
                assert_eq!(error_of(&answer), (500, "server_error".into()));
                assert_eq!((world.disk.clone(), world.keys.clone()), before);
                assert!(
                    world
                        .log
                        .iter()
                        .any(|line| line.contains("server.json: no space"))
                );
                answer = world.ask(text);
            }
            answer
        };
        let body =
            format!("{{\"redirect_uris\":[\"{BACK}\"],\"token_endpoint_auth_method\":\"none\"}}");
        let text = world.register_text(&body);
        let client = text_of(&json(&again(&mut world, &text)), "client_id");
        let code = world.code(&client);
        let text = world.post_text("/token", &redeem(&client, &code), "");
        let first = json(&again(&mut world, &text));
        assert!(world.claims(&first).is_ok());
        let text = world.post_text("/token", &refresh(&client, &first), "");
        let second = json(&again(&mut world, &text));
        assert!(world.claims(&second).is_ok());
        let form = Form::default().with("client_id", &client);
        let form = form.with("token", &text_of(&second, "access_token"));
        let text = world.post_text("/revoke", &form, "");
        assert_eq!(again(&mut world, &text).status, 200);
        assert_eq!(world.claims(&second), Err(Bad::Revoked));
    }
}

#[test]
fn s11_a_record_that_cannot_be_read_is_never_overwritten() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let bad = b"{\"version\": 2}".to_vec();
    world.disk = Some(bad.clone());
    world.act(|server, cx| server.record(cx, Some(&bad)));
    let answer = world.post("/token", &refresh(&client, &tokens));
    assert_eq!(error_of(&answer), (500, "server_error".into()));
    assert_eq!(world.disk, Some(bad));
    assert!(
        world
            .log
            .iter()
            .any(|line| line.contains("server.json: it was written by a newer"))
    );
    // Who was let in stays in.
    assert!(world.claims(&tokens).is_ok());
}

/// The first client is out at once, and the record follows when it can.
#[test]
fn s6_a_code_that_comes_twice_is_not_forgotten_while_the_disk_refuses() {
    for is_repaired_by_hand in [true, false] {
        let mut world = World::new();
        let client = world.client();
        let code = world.code(&client);
        let tokens = json(&world.post("/token", &redeem(&client, &code)));
        let good = world.disk.replace(b"garbage".to_vec());
        let again = world.post("/token", &redeem(&client, &code));
        assert_eq!(error_of(&again), (400, "invalid_grant".into()));
        assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
        assert_eq!(world.disk.as_deref(), Some(b"garbage".as_slice()));
        world.disk.clone_from(&good);
        if is_repaired_by_hand {
            world.act(|server, cx| server.record(cx, good.as_deref()));
        } else {
            world.pass(RECORD_RETRY_MS / 1_000);
        }
        let record = Record::read(world.disk.as_deref()).unwrap();
        assert_eq!((record.grants.len(), record.revoked.len()), (0, 1));
        assert!(world.server.doomed.is_empty());
        assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
        let refreshed = world.post("/token", &refresh(&client, &tokens));
        assert_eq!(error_of(&refreshed), (400, "invalid_grant".into()));
    }
}

#[test]
fn doomed_max_takes_no_more_codes_until_the_record_knows() {
    let mut world = World::new();
    let client = world.client();
    let code = world.code(&client);
    let good = world.disk.replace(b"garbage".to_vec());
    for n in 0..crate::limits::DOOMED_MAX {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_le_bytes());
        world.act(|server, cx| server.doom(cx, GrantId(id)));
    }
    let refused = world.post("/token", &redeem(&client, &code));
    assert_eq!(error_of(&refused), (503, "temporarily_unavailable".into()));
    world.disk = good;
    world.pass(RECORD_RETRY_MS / 1_000);
    let code = world.code(&client);
    assert_eq!(world.post("/token", &redeem(&client, &code)).status, 200);
}

#[test]
fn s11_what_others_change_is_taken_over() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let mut record = Record::read(world.disk.as_deref()).unwrap();
    let rounds = std::num::NonZeroU32::MIN;
    record.set_owner(record::Password::new([1; 16], rounds, [2; 32]));
    record.revoke_grant(record.grants[0].id, world.now.wall);
    let applicant = record::Applicant {
        name: "Desktop".to_owned(),
        redirects: vec![BACK.to_owned()],
        confidential: true,
        refreshes: true,
    };
    let mut entropy = Entropy::new(&[8; 32]);
    let (added, secret) = record
        .add_client(&applicant, world.now.wall, &mut entropy)
        .unwrap();
    let text = record.write();
    world.disk = Some(text.clone());
    world.act(|server, cx| server.record(cx, Some(&text)));
    assert_eq!(world.password, record.owner);
    assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
    let code = world.code(&added);
    let form = redeem(&added, &code).with("client_secret", secret.unwrap().reveal());
    assert_eq!(world.post("/token", &form).status, 200);
    // Removed between the code and the token, and we have not heard of it yet.
    let code = world.code(&client);
    let mut record = Record::read(world.disk.as_deref()).unwrap();
    record.remove_client(&client, world.now.wall);
    world.disk = Some(record.write());
    let answer = world.post("/token", &redeem(&client, &code));
    assert_eq!(error_of(&answer), (401, "invalid_client".into()));
    // Gone altogether: nobody is let in by the old keys, and there are new ones.
    let old = world.keys.clone();
    world.disk = None;
    world.act(|server, cx| server.record(cx, None));
    assert_eq!(world.password, None);
    assert_ne!(world.keys, old);
    assert!(world.disk.is_some());
}

#[test]
fn s11_a_lock_that_cannot_be_had_is_an_error_of_ours() {
    let mut world = World::new();
    world.held = Some(Vec::new());
    let text = world.register_text(&format!("{{\"redirect_uris\":[\"{BACK}\"]}}"));
    let (link, _) = world.send(&text);
    let number = world.held.take().unwrap()[0];
    let why = "auth/server.json: locked by another process".to_owned();
    world.act(|server, cx| server.locked(cx, number, Err(why)));
    let answer = world.answer_for(link).unwrap();
    assert_eq!(error_of(&answer), (500, "server_error".into()));
    assert!(
        world
            .log
            .iter()
            .any(|line| line.contains("locked by another"))
    );
    // Late answers change nothing.
    world.act(|server, cx| server.stored(cx, number, Ok(())));
    world.act(|server, cx| server.locked(cx, number, Ok(None)));
    assert_eq!(
        world
            .register("{\"redirect_uris\":[\"https://a.example\"]}")
            .status,
        201
    );
}

#[test]
fn s11_an_idle_server_looks_at_its_record_once_an_hour_and_writes_nothing() {
    let mut world = World::new();
    let stores = world.stores;
    world.pass(2 * 3_600);
    assert_eq!(world.stores, stores);
    assert!(world.timers.next().is_some());
}

#[test]
fn s9_a_record_of_another_process_may_hold_the_same_names() {
    // Two servers with the same randomness mint the same ids and codes; each knows its own only.
    let (mut one, mut two) = (World::new(), World::new());
    let (client, same) = (one.client(), two.client());
    assert_eq!(client, same);
    let (code, other) = (one.code(&client), two.code(&same));
    assert_eq!(code, other);
    let tokens = json(&one.post("/token", &redeem(&client, &code)));
    assert!(one.claims(&tokens).is_ok());
    let mut three = World::cold(&one.server.settings.clone());
    three.entropy = Entropy::new(&[7; 32]);
    three.configure(&[]);
    assert_eq!(three.claims(&tokens), Err(Bad::Signature));
    let refused = three.post("/token", &refresh(&client, &tokens));
    assert_eq!(error_of(&refused), (401, "invalid_client".into()));
}
