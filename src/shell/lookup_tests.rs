//! Look-ups with resolvers that wait until a test lets them go.

use super::*;
use std::collections::BTreeSet;
use std::sync::Condvar;
use std::time::Duration;

use mio::{Events, Poll};

/// A resolver whose every answer waits until its host is released.
#[derive(Default)]
struct Slow {
    state: Mutex<(BTreeSet<String>, Vec<String>)>,
    changed: Condvar,
}

impl Slow {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut state = self.state.lock().unwrap();
        state.1.push(host.to_owned());
        self.changed.notify_all();
        while !state.0.remove(host) {
            state = self.changed.wait(state).unwrap();
        }
        Ok(vec!["192.0.2.1".parse().unwrap()])
    }

    fn release(&self, host: &str) {
        self.state.lock().unwrap().0.insert(host.to_owned());
        self.changed.notify_all();
    }

    /// Waits until so many look-ups have begun in all; their hosts.
    fn begun(&self, count: usize) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let missing = |state: &mut (BTreeSet<String>, Vec<String>)| state.1.len() < count;
        let state = self.changed.wait_while(state, missing).unwrap();
        state.1.clone()
    }
}

struct Harness {
    slow: Arc<Slow>,
    lookups: Lookups,
    poll: Poll,
    now: Tick,
}

impl Harness {
    fn new() -> Self {
        let slow = Arc::new(Slow::default());
        let resolver = Arc::clone(&slow);
        Self {
            slow,
            lookups: Lookups::new(Arc::new(move |host: &str| resolver.resolve(host))),
            poll: Poll::new().unwrap(),
            now: Tick(0),
        }
    }

    fn ask(&mut self, host: &str) {
        self.lookups.ask(self.poll.registry(), self.now, host);
    }

    /// Waits for answers.
    fn answers(&mut self) -> Vec<(String, bool)> {
        let mut events = Events::with_capacity(4);
        loop {
            let answers = self.lookups.answers(self.now);
            if !answers.is_empty() {
                let brief = |(host, found): Answer| (host.to_string(), found.is_ok());
                return answers.into_iter().map(brief).collect();
            }
            self.poll
                .poll(&mut events, Some(Duration::from_secs(60)))
                .unwrap();
            assert!(!events.is_empty(), "nothing wakes us");
        }
    }

    /// The answers when the time of those that were asked is up.
    fn late(&mut self) -> Vec<(String, bool)> {
        self.now = self.lookups.deadline().unwrap();
        self.answers()
    }
}

fn told(host: &str, found: bool) -> Vec<(String, bool)> {
    vec![(host.to_owned(), found)]
}

#[test]
fn lookups_max_are_asked_at_once_and_the_others_wait() {
    let mut harness = Harness::new();
    let hosts: Vec<String> = (0..40).map(|n| format!("h{n}.example")).collect();
    for host in &hosts {
        harness.ask(host);
    }
    let mut begun = harness.slow.begun(LOOKUPS_MAX);
    begun.sort();
    let mut first = hosts[..LOOKUPS_MAX].to_vec();
    first.sort();
    assert_eq!(begun, first);
    assert_eq!(harness.lookups.queue.len(), 40 - LOOKUPS_MAX);
    for (place, host) in hosts.iter().enumerate() {
        harness.slow.release(host);
        assert_eq!(harness.answers(), told(host, true));
        harness.slow.begun((place + 1 + LOOKUPS_MAX).min(40));
    }
    assert!(harness.lookups.hosts.is_empty());
    assert_eq!(harness.lookups.deadline(), None);
}

#[test]
fn lookup_ms_max_gives_up_a_host_and_its_late_answer_reaches_nobody() {
    let mut harness = Harness::new();
    harness.ask("a");
    assert_eq!(harness.lookups.deadline(), Some(Tick(LOOKUP_MS_MAX)));
    assert_eq!(harness.late(), told("a", false));
    assert_eq!(harness.lookups.deadline(), None);
    harness.ask("b");
    harness.slow.release("a");
    while harness.lookups.hosts.contains_key("a") {
        assert_eq!(harness.lookups.answers(harness.now), []);
    }
    harness.slow.release("b");
    assert_eq!(harness.answers(), told("b", true));
}

#[test]
fn a_host_that_hangs_has_one_thread_however_often_it_is_asked_for() {
    let mut harness = Harness::new();
    harness.ask("a");
    assert_eq!(harness.late(), told("a", false));
    harness.ask("a");
    harness.ask("a");
    assert_eq!(harness.late(), told("a", false));
    harness.ask("a");
    harness.slow.release("a");
    assert_eq!(harness.answers(), told("a", true));
    assert_eq!(harness.slow.begun(1), ["a"]);
}

#[test]
fn hosts_that_hung_are_asked_again_one_at_a_time_and_beside_others() {
    let mut harness = Harness::new();
    for host in ["a", "b"] {
        harness.ask(host);
    }
    harness.slow.begun(2);
    harness.now = Tick(LOOKUP_MS_MAX);
    assert_eq!(harness.answers().len(), 2);
    for host in ["a", "b"] {
        harness.slow.release(host);
        while harness.lookups.hosts.contains_key(host) {
            assert_eq!(harness.lookups.answers(harness.now), []);
        }
    }
    for host in ["a", "b", "c"] {
        harness.ask(host);
    }
    let mut begun = harness.slow.begun(4).split_off(2);
    begun.sort();
    assert_eq!(begun, ["a", "c"]);
    assert_eq!(harness.lookups.queue, ["b".into()]);
    // Once it answered in time it is like any other.
    harness.slow.release("a");
    assert_eq!(harness.answers(), told("a", true));
    assert_eq!(harness.slow.begun(5)[4], "b");
    assert_eq!(harness.lookups.suspects, ["b".into()]);
}

#[test]
fn lookups_hung_max_threads_that_never_end_stop_further_ones() {
    let mut harness = Harness::new();
    for n in 0..LOOKUPS_HUNG_MAX {
        harness.ask(&format!("h{n}"));
    }
    harness.slow.begun(LOOKUPS_HUNG_MAX);
    harness.now = Tick(LOOKUP_MS_MAX);
    assert_eq!(harness.answers().len(), LOOKUPS_HUNG_MAX);
    harness.ask("other");
    assert_eq!(harness.lookups.queue, ["other".into()]);
    assert_eq!(harness.lookups.suspects.len(), LOOKUPS_HUNG_MAX);
    harness.slow.release("h3");
    harness.slow.release("other");
    assert_eq!(harness.answers(), told("other", true));
}

#[test]
fn lookups_suspect_max_forgets_the_oldest() {
    let mut harness = Harness::new();
    let suspects = (0..LOOKUPS_SUSPECT_MAX).map(|n| format!("s{n}").into());
    harness.lookups.suspects = suspects.collect();
    harness.ask("a");
    assert_eq!(harness.late(), told("a", false));
    assert_eq!(harness.lookups.suspects.len(), LOOKUPS_SUSPECT_MAX);
    assert_eq!(harness.lookups.suspects.back(), Some(&"a".into()));
}

#[test]
fn lookups_waiting_max_fails_one_more() {
    let mut harness = Harness::new();
    for n in 0..LOOKUPS_MAX + LOOKUPS_WAITING_MAX + 1 {
        harness.ask(&format!("h{n}"));
    }
    let last = format!("h{}", LOOKUPS_MAX + LOOKUPS_WAITING_MAX);
    assert_eq!(harness.answers(), told(&last, false));
}

#[test]
fn a_host_that_nobody_wants_leaves_the_queue() {
    let mut harness = Harness::new();
    for n in 0..LOOKUPS_MAX {
        harness.ask(&format!("h{n}"));
    }
    harness.ask("late");
    harness.lookups.forget("late");
    harness.lookups.forget("h0");
    assert!(harness.lookups.queue.is_empty() && !harness.lookups.hosts.contains_key("late"));
}

#[test]
fn the_resolver_of_the_system_knows_addresses_and_refuses_what_is_no_name() {
    assert_eq!(
        by_system("127.0.0.1").unwrap(),
        ["127.0.0.1".parse::<IpAddr>().unwrap()]
    );
    let error = by_system("not a name").unwrap_err();
    let Unknown::No(words) = unknown(&error) else {
        panic!("{error:?}");
    };
    assert!(!words.contains("failed to lookup"), "{words}");
    let spent = io::Error::from_raw_os_error(libc::EMFILE);
    assert!(matches!(unknown(&spent), Unknown::Exhausted(_)));
}
