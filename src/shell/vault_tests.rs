//! The vault over a real directory, with a poll of its own.

use super::*;
use crate::shell::disk::tests::TempDir;
use mio::{Events, Poll};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const A: RecordTicket = RecordTicket::Server(1);
const B: RecordTicket = RecordTicket::Server(2);
const C: RecordTicket = RecordTicket::Keyring(1);

struct Harness {
    vault: Vault,
    poll: Poll,
    now: Tick,
    dir: TempDir,
}

impl Harness {
    fn new() -> Self {
        let dir = TempDir::new();
        Self::over(dir)
    }

    fn over(dir: TempDir) -> Self {
        let vault = Vault::new(Secrets::beside(dir.path()), Bell::default());
        let (poll, now) = (Poll::new().unwrap(), Tick(0));
        let mut harness = Self {
            vault,
            poll,
            now,
            dir,
        };
        harness.vault.open(harness.poll.registry(), now);
        harness
    }

    fn secrets(&self) -> Secrets {
        Secrets::beside(self.dir.path())
    }

    fn lock(&mut self, ticket: RecordTicket, name: &str) {
        let name = name.to_owned();
        self.vault.lock(self.poll.registry(), ticket, name);
    }

    fn store(&mut self, ticket: RecordTicket, text: &str) {
        self.vault.store(self.poll.registry(), ticket, text.into());
    }

    fn release(&mut self, ticket: RecordTicket) {
        self.vault.release(self.poll.registry(), ticket);
    }

    /// Turns the loop once: until an event or a deadline.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(8);
        let deadline = self.vault.deadline();
        let wait = deadline.map(|at| Duration::from_millis(at.since(self.now)));
        self.poll.poll(&mut events, wait).unwrap();
        self.now = deadline.filter(|_| events.is_empty()).unwrap_or(self.now);
        self.vault.note();
        self.vault.act(self.poll.registry(), self.now);
    }

    /// The next thing that the core is told.
    fn next(&mut self) -> String {
        loop {
            if let Some(input) = self.vault.next() {
                return brief(input);
            }
            self.turn();
        }
    }

    /// Lets whatever is under way come to rest; nothing must be told.
    fn rest(&mut self) {
        while self.vault.deadline().is_some() || self.vault.threads > 0 {
            self.turn();
            let told = self.vault.next().map(brief);
            assert_eq!(told, None);
        }
    }

    fn told_at_once(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.vault.next())
            .map(brief)
            .collect()
    }
}

fn brief(input: Input<'_>) -> String {
    let text = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8(bytes).unwrap(),
        None => "-".to_owned(),
    };
    match input {
        Input::Record { name, bytes } => format!("{name}: {}", text(bytes)),
        Input::RecordLocked { ticket, found } => match found {
            Ok(bytes) => format!("{ticket:?} locked: {}", text(bytes)),
            Err(why) => format!("{ticket:?} not locked: {why}"),
        },
        Input::RecordStored { ticket, done } => format!("{ticket:?} stored: {done:?}"),
        Input::Stretched { ticket, key } => format!("stretched {ticket} {:02x}", key[0]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_is_locked_written_and_never_told_to_who_wrote_it() {
    let mut harness = Harness::new();
    assert!(harness.told_at_once().is_empty());
    harness.lock(A, "x.json");
    assert_eq!(harness.next(), "Server(1) locked: -");
    harness.store(A, "one");
    assert_eq!(harness.next(), "Server(1) stored: Ok(())");
    harness.rest();
    harness.lock(B, "x.json");
    assert_eq!(harness.next(), "Server(2) locked: one");
    harness.release(B);
    harness.rest();
    assert!(harness.vault.notes().is_empty());
    let left = harness.secrets().directory().read_dir().unwrap().count();
    assert_eq!(left, 1, "no lock and no temporary file stays");
}

#[test]
fn what_is_there_is_told_at_the_start_and_what_others_change_later() {
    let dir = TempDir::new();
    let other = Secrets::beside(dir.path());
    let long = Duration::from_secs(60);
    other.lock("b.json", long).unwrap().0.store(b"b").unwrap();
    other.lock("a.json", long).unwrap().0.store(b"a").unwrap();
    let mut harness = Harness::over(dir);
    assert_eq!(harness.told_at_once(), ["a.json: a", "b.json: b"]);
    harness.rest();
    other.lock("c.json", long).unwrap().0.store(b"c").unwrap();
    assert_eq!(harness.next(), "c.json: c");
    other.lock("a.json", long).unwrap().0.store(b"A").unwrap();
    assert_eq!(harness.next(), "a.json: A");
    // In place, as who restores a backup does.
    fs::write(other.path("c.json"), "C").unwrap();
    assert_eq!(harness.next(), "c.json: C");
    fs::remove_file(other.path("b.json")).unwrap();
    assert_eq!(harness.next(), "b.json: -");
    fs::remove_dir_all(other.directory()).unwrap();
    assert_eq!(harness.next(), "a.json: -");
    assert_eq!(harness.next(), "c.json: -");
    other.lock("a.json", long).unwrap().0.store(b"new").unwrap();
    assert_eq!(harness.next(), "a.json: new");
    harness.rest();
}

#[test]
fn one_lock_for_one_name_and_the_others_wait_in_order() {
    let mut harness = Harness::new();
    harness.lock(A, "x.json");
    harness.lock(B, "x.json");
    harness.lock(C, "x.json");
    harness.lock(RecordTicket::Keyring(2), "y.json");
    let mut first = [harness.next(), harness.next()];
    first.sort();
    assert_eq!(first, ["Keyring(2) locked: -", "Server(1) locked: -"]);
    harness.release(B);
    harness.store(A, "one");
    assert_eq!(harness.next(), "Server(1) stored: Ok(())");
    assert_eq!(harness.next(), "Keyring(1) locked: one");
    harness.store(B, "never");
    assert!(harness.next().starts_with("Server(2) stored: Err"));
}

#[test]
fn the_lock_of_another_process_is_waited_for_and_no_longer_than_told() {
    let mut harness = Harness::new();
    let other = harness.secrets();
    let (held, _) = other.lock("x.json", Duration::from_secs(60)).unwrap();
    harness.vault.wait = Duration::ZERO;
    harness.lock(A, "x.json");
    let failed = harness.next();
    assert!(
        failed.contains("x.json is being changed by another process"),
        "{failed}"
    );
    harness.vault.wait = Duration::from_secs(60);
    harness.lock(A, "x.json");
    // Nobody wants this one any more: what it gets is let go of.
    harness.lock(B, "x.json");
    harness.release(B);
    held.store(b"theirs").unwrap();
    assert_eq!(harness.next(), "x.json: theirs");
    assert_eq!(harness.next(), "Server(1) locked: theirs");
    harness.release(A);
    drop(other.lock("x.json", Duration::from_secs(60)).unwrap());
}

#[test]
fn an_order_that_was_released_while_it_was_locked_is_let_go_of() {
    let mut harness = Harness::new();
    harness.lock(A, "x.json");
    harness.release(A);
    harness.lock(B, "x.json");
    assert_eq!(harness.next(), "Server(2) locked: -");
}

#[test]
fn record_orders_max_and_record_threads_max_bound_what_waits() {
    let mut harness = Harness::new();
    for number in 0..=u32::try_from(RECORD_ORDERS_MAX).unwrap() {
        harness.lock(RecordTicket::Keyring(number), "x.json");
    }
    let [refused] = &harness.told_at_once()[..] else {
        panic!("one too many is refused at once");
    };
    assert!(refused.contains("too much waits for"), "{refused}");
    assert_eq!(harness.vault.threads, 1);
    let mut harness = Harness::new();
    for number in 0..100 {
        let ticket = RecordTicket::Keyring(number);
        harness.lock(ticket, &format!("r{number}.json"));
        assert!(harness.vault.threads <= RECORD_THREADS_MAX);
    }
    for _ in 0..100 {
        assert!(harness.next().ends_with("locked: -"));
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_to_each_order_and_once_to_the_log() {
    let dir = TempDir::new();
    fs::write(dir.path().join("auth"), "").unwrap();
    let mut harness = Harness::over(dir);
    for _ in 0..2 {
        harness.lock(A, "x.json");
        let failed = harness.next();
        assert!(failed.starts_with("Server(1) not locked: "), "{failed}");
    }
    let notes = harness.vault.notes();
    let errors = notes.iter().filter(|(level, _)| *level == Level::Error);
    assert!(errors.count() <= 2, "{notes:?}");
    harness.lock(A, "../x");
    assert!(harness.next().contains("cannot be the name of a record"));
}

#[test]
fn a_record_that_cannot_be_read_keeps_what_it_said_and_is_told_of_once() {
    let mut harness = Harness::new();
    harness.lock(A, "x.json");
    harness.next();
    harness.store(A, "one");
    harness.next();
    harness.rest();
    let path = harness.secrets().path("x.json");
    fs::rename(&path, harness.dir.path().join("x")).unwrap();
    std::os::unix::fs::symlink("../x", &path).unwrap();
    harness.turn();
    harness.rest();
    let notes = harness.vault.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].1.contains("x.json is a symbolic link"),
        "{notes:?}"
    );
    fs::remove_file(&path).unwrap();
    fs::write(&path, "two").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(harness.next(), "x.json: two");
}

#[test]
fn passwords_are_stretched_one_after_the_other() {
    let mut harness = Harness::new();
    let once = NonZeroU32::MIN;
    for ticket in 0..3 {
        let password = Secret::from("password");
        let registry = harness.poll.registry();
        harness
            .vault
            .stretch(registry, ticket, password, *b"saltsaltsaltsalt", once);
    }
    assert_eq!(harness.vault.stretches.len(), 2);
    let told = [harness.next(), harness.next(), harness.next()];
    let byte = stretched("password", b"saltsaltsaltsalt", once)[0];
    let expected = [0, 1, 2].map(|ticket| format!("stretched {ticket} {byte:02x}"));
    assert_eq!(told, expected);
}

#[test]
fn rfc_7914_the_example_of_pbkdf2_with_sha_256() {
    // Its salt is shorter than ours: the primitive is checked, with the same parameters.
    let mut key = [0; 32];
    let once = NonZeroU32::MIN;
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        once,
        b"salt",
        b"passwd",
        &mut key,
    );
    assert_eq!(key[..4], [0x55, 0xac, 0x04, 0x6e]);
}
