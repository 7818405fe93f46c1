//! Tests of the record.

use std::num::NonZeroU32;

use super::*;
use crate::limits::{
    ASKED_SCOPE_BYTES_MAX, CLIENT_NAME_CHARS_MAX, CLIENT_REDIRECT_BYTES_MAX, CLIENT_REDIRECTS_MAX,
    CLIENTS_MAX, DOCUMENT_URL_BYTES_MAX, GRANTS_MAX, RECORD_BYTES_MAX, REFRESH_SECONDS,
    REVOKED_MAX, UNCONSENTED_MAX, UNCONSENTED_SECONDS,
};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn entropy() -> Entropy {
    Entropy::new(&[3; 32])
}

fn applicant(name: &str) -> Applicant {
    Applicant {
        name: name.to_owned(),
        redirects: vec!["https://a.example/cb".to_owned()],
        confidential: false,
        refreshes: true,
    }
}

fn grant(number: u8, client: &Rc<str>) -> Grant {
    Grant {
        id: GrantId([number; 16]),
        client: client.clone(),
        client_name: "one".to_owned(),
        scopes: Scopes::parse("tag:a tag:b").unwrap(),
        created: NOW,
        used: NOW,
        expires: NOW.after(REFRESH_SECONDS),
        refresh: Some(Refresh {
            serial: 4,
            digest: Digest::of("four"),
        }),
    }
}

/// A record with something of everything.
fn full() -> Record {
    let (mut record, mut entropy) = (Record::default(), entropy());
    record.draw_keys(NOW, &mut entropy);
    let rounds = NonZeroU32::new(600_000).unwrap();
    record.set_owner(Password::new([1; 16], rounds, [2; 32]));
    let confidential = Applicant {
        confidential: true,
        ..applicant("one")
    };
    let (id, secret) = record.add_client(&confidential, NOW, &mut entropy).unwrap();
    assert!(secret.is_some());
    let leaves = |_: &str| Some(0);
    let two = applicant("tw\"o\u{7}");
    record
        .register_client(&two, &leaves, NOW, &mut entropy)
        .unwrap();
    for number in 0..4 {
        record.add_grant(grant(number, &id), NOW);
    }
    assert!(record.revoke_grant(GrantId([3; 16]), NOW));
    record
}

#[test]
fn s11_what_is_written_is_read_again() {
    for record in [Record::default(), full()] {
        let text = record.write();
        assert_eq!(Record::read(Some(&text)), Ok(record));
    }
    assert_eq!(Record::read(None), Ok(Record::default()));
}

#[test]
fn s11_secrets_of_others_are_hashes_and_nothing_is_shown() {
    let (mut record, mut entropy) = (full(), Entropy::new(&[4; 32]));
    let confidential = Applicant {
        confidential: true,
        ..applicant("x")
    };
    let (id, secret) = record.add_client(&confidential, NOW, &mut entropy).unwrap();
    let secret = secret.unwrap();
    let text = String::from_utf8(record.write()).unwrap();
    assert!(!text.contains(secret.reveal()));
    let stored = record.client(&id, NOW).unwrap().secret.clone().unwrap();
    assert!(stored.is_of(secret.reveal()) && !stored.is_of("x"));
    let shown = format!("{record:?}");
    assert!(shown.contains("***") && !shown.contains("[2, 2"));
}

#[test]
fn s11_a_file_that_is_not_ours_is_refused_without_its_content() {
    let good = String::from_utf8(full().write()).unwrap();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    for (text, why) in [
        (String::new(), "line 1, column 0: it is no JSON"),
        (good[..good.len() / 2].to_owned(), "it is no JSON"),
        ("[]".to_owned(), "wrong kind"),
        ("{}".to_owned(), "missing"),
        (change("\"version\": 1", "\"version\": 2"), "newer 1mcp"),
        (change("\"version\": 1", "\"version\": 0"), "version 0"),
        (
            change("\"keys\"", "\"hush\": \"hush\", \"keys\""),
            "unknown",
        ),
        (
            change("\"created\": 1800000000", "\"created\": \"hush\""),
            "wrong kind",
        ),
        (
            change("\"seed\": \"", "\"seed\": \"hush"),
            "keys: not 32 bytes",
        ),
        (
            change("\"salt\": \"", "\"salt\": \"hush"),
            "owner.salt: not 16 bytes",
        ),
        (change("tag:a", "hush"), "grants.scopes: unknown scope"),
        (
            change("\"grant\": \"", "\"grant\": \"hush"),
            "revoked: no grant id",
        ),
        (change("\"rounds\": 600000", "\"rounds\": 0"), "wrong kind"),
    ] {
        let error = Record::read(Some(text.as_bytes())).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
    let id = full().clients[0].id.clone();
    let other = full().clients[1].id.clone();
    let twice = good.replace(&*other, &id);
    assert!(
        Record::read(Some(twice.as_bytes()))
            .unwrap_err()
            .contains("the same id")
    );
}

#[test]
fn s9_clients_are_added_under_the_rules_of_redirects() {
    let (mut record, mut entropy) = (Record::default(), entropy());
    let with = |redirects: &[&str], confidential| Applicant {
        redirects: redirects.iter().map(|uri| (*uri).to_owned()).collect(),
        confidential,
        ..applicant("x")
    };
    let mut add = |applicant: &Applicant| record.add_client(applicant, NOW, &mut entropy);
    assert_eq!(add(&with(&[], false)).unwrap_err(), Refused::NoRedirect);
    let long = format!(
        "https://a.example/{}",
        "x".repeat(CLIENT_REDIRECT_BYTES_MAX / 2)
    );
    let much = vec![long.as_str(); 2];
    assert_eq!(add(&with(&much, false)).unwrap_err(), Refused::Redirects);
    let many = vec!["https://a.example/"; CLIENT_REDIRECTS_MAX + 1];
    assert_eq!(add(&with(&many, false)).unwrap_err(), Refused::Redirects);
    assert!(add(&with(&many[1..], true)).is_ok());
    let bad = add(&with(&["https://a.example/", "javascript:x"], false)).unwrap_err();
    assert!(matches!(&bad, Refused::Redirect(uri, _) if uri == "javascript:x"));
    assert!(bad.to_string().contains("javascript:x is not allowed"));
    assert!(add(&with(&["cursor://x/cb"], false)).is_ok());
    assert!(add(&with(&["cursor://x/cb"], true)).is_err());
    for _ in 2..CLIENTS_MAX {
        assert!(add(&applicant("x")).is_ok());
    }
    assert_eq!(add(&applicant("x")).unwrap_err(), Refused::Full);
}

#[test]
fn s9_registrations_without_consent_go_first_and_after_an_hour() {
    let (mut record, mut entropy) = (Record::default(), entropy());
    let (kept, _) = record
        .add_client(&applicant("kept"), NOW, &mut entropy)
        .unwrap();
    let mut ids = Vec::new();
    for _ in 0..UNCONSENTED_MAX {
        let none = |_: &str| Some(0);
        let new = record.register_client(&applicant("x"), &none, NOW, &mut entropy);
        ids.push(new.unwrap().0);
    }
    record.consented(&ids[0]);
    let leaves = |id: &str| (id != &*ids[1]).then_some(0);
    for _ in 0..2 {
        record
            .register_client(&applicant("x"), &leaves, NOW, &mut entropy)
            .unwrap();
    }
    let there = |record: &Record, id: &str, now| record.client(id, now).is_some();
    assert!(there(&record, &kept, NOW) && there(&record, &ids[0], NOW));
    assert!(there(&record, &ids[1], NOW) && !there(&record, &ids[2], NOW));
    let later = NOW.after(UNCONSENTED_SECONDS);
    assert_eq!(record.next_expiry(), Some(later));
    assert!(there(&record, &ids[0], later) && !there(&record, &ids[1], later));
    assert!(record.forget_expired(later));
    assert_eq!(record.clients.len(), 2);
    assert!(!record.forget_expired(later));
}

#[test]
fn s8_a_refresh_token_turns_once_and_an_old_one_ends_the_grant() {
    let mut record = full();
    let client = record.clients[0].id.clone();
    let id = GrantId([1; 16]);
    let old = (4, "four");
    let mut turn = |id, client: &str, (serial, text): (u64, &str)| {
        let (shown, next) = (Digest::of(text), Digest::of("five"));
        record.turn_refresh(id, client, (serial, &shown), next, NOW)
    };
    assert_eq!(turn(id, "somebody", old), Turn::Unknown);
    assert_eq!(turn(GrantId([9; 16]), &client, old), Turn::Unknown);
    assert_eq!(turn(id, &client, (4, "x")), Turn::Unknown);
    assert_eq!(turn(id, &client, old), Turn::Done);
    assert_eq!(turn(id, &client, (5, "five")), Turn::Done);
    assert_eq!(turn(id, &client, old), Turn::Replayed);
    assert_eq!(turn(id, &client, (6, "five")), Turn::Unknown);
    assert!(record.revoked.contains_key(&id));
    assert!(record.grant(GrantId([2; 16]), NOW).is_some());
}

#[test]
fn s11_keys_follow_each_other_and_verify_until_their_last_token_has_expired() {
    let (mut record, mut entropy) = (Record::default(), entropy());
    assert!(record.wants_key(NOW));
    record.draw_keys(NOW, &mut entropy);
    let first = record.keys[0].clone();
    let refresh = record.refresh_key.clone();
    assert!(refresh.is_some() && !record.wants_key(NOW));
    let later = NOW.after(KEY_SECONDS);
    assert_eq!(record.next_expiry(), Some(later));
    record.draw_keys(later, &mut entropy);
    assert_eq!(record.keys.len(), 2);
    assert_eq!((&record.keys[0], &record.refresh_key), (&first, &refresh));
    assert!(!record.forget_expired(later.after(ACCESS_SECONDS)));
    assert!(record.forget_expired(later.after(ACCESS_SECONDS + CLOCK_SECONDS)));
    assert_eq!(record.keys.len(), 1);
    assert_ne!(record.keys[0], first);
}

#[test]
fn s11_removing_a_client_revokes_its_grants_until_their_tokens_have_expired() {
    let mut record = full();
    let (one, two) = (record.clients[0].id.clone(), record.clients[1].id.clone());
    record.add_grant(grant(8, &two), NOW);
    assert_eq!(record.list_clients()[0].grants, 3);
    assert!(record.remove_client(&one, NOW));
    assert!(!record.remove_client(&one, NOW));
    assert_eq!(record.revoked.len(), 4);
    let left: Vec<String> = record
        .list_grants()
        .into_iter()
        .map(|view| view.id)
        .collect();
    assert_eq!(left, [GrantId([8; 16]).text()]);
    record.forget_expired(NOW.after(ACCESS_SECONDS));
    assert_eq!(record.revoked.len(), 4);
    record.forget_expired(NOW.after(ACCESS_SECONDS + CLOCK_SECONDS));
    assert!(record.revoked.is_empty());
    assert!(record.forget_expired(NOW.after(REFRESH_SECONDS)) && record.grants.is_empty());
}

#[test]
fn grants_max_ends_the_one_that_was_not_used_for_the_longest_time() {
    let mut record = Record::default();
    let client: Rc<str> = "c".into();
    for number in 0..GRANTS_MAX {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        record.add_grant(
            Grant {
                id: GrantId(bytes),
                used: NOW.after(if number == 7 { 0 } else { 1 }),
                ..grant(0, &client)
            },
            NOW,
        );
    }
    assert!(record.revoked.is_empty());
    record.add_grant(grant(255, &client), NOW);
    assert_eq!((record.grants.len(), record.revoked.len()), (GRANTS_MAX, 1));
    let first = record.revoked.keys().next().unwrap();
    assert_eq!(first.0[0], 7);
}

#[test]
fn revoked_max_throws_the_keys_away_instead_of_forgetting_a_revocation() {
    let mut record = full();
    for number in 0..REVOKED_MAX - 1 {
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        record.revoked.insert(GrantId(bytes), NOW.after(1));
    }
    assert_eq!(record.revoked.len(), REVOKED_MAX);
    assert!(record.revoke_grant(GrantId([1; 16]), NOW));
    assert!(record.revoked.is_empty() && record.keys.is_empty());
    assert!(record.wants_key(NOW));
}

/// Whatever strangers and the owner do, what is written can be read again.
#[test]
fn record_bytes_max_is_never_reached() {
    let (mut record, mut entropy) = (full(), entropy());
    let uris = CLIENT_REDIRECTS_MAX;
    let uri = |n: usize| {
        let start = format!("https://a.example/{n:02}/");
        let rest = CLIENT_REDIRECT_BYTES_MAX / uris - start.len();
        start + &"x".repeat(rest)
    };
    let applicant = Applicant {
        name: "\u{1f600}".repeat(CLIENT_NAME_CHARS_MAX),
        redirects: (0..uris).map(uri).collect(),
        confidential: true,
        refreshes: true,
    };
    while record.add_client(&applicant, NOW, &mut entropy).is_ok() {}
    let none = |_: &str| Some(0);
    record.clients.pop();
    for _ in 0..UNCONSENTED_MAX {
        record
            .register_client(&applicant, &none, NOW, &mut entropy)
            .unwrap();
    }
    let tags = (0..ASKED_SCOPE_BYTES_MAX / 9).map(|n| format!("tag:{n:04}"));
    let scopes = Scopes::parse(&tags.collect::<Vec<_>>().join(" ")).unwrap();
    let client: Rc<str> = "x".repeat(DOCUMENT_URL_BYTES_MAX).into();
    for number in 0.. {
        if record.revoked.len() == REVOKED_MAX {
            break;
        }
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&u64::to_le_bytes(number));
        let new = Grant {
            id: GrantId(bytes),
            client_name: applicant.name.clone(),
            scopes: scopes.clone(),
            ..grant(0, &client)
        };
        record.add_grant(new, NOW);
    }
    assert_eq!(record.grants.len(), GRANTS_MAX);
    let bytes = record.write().len();
    assert!(bytes < RECORD_BYTES_MAX, "{bytes}");
}
