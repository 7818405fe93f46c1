//! The record of sessions: the keys that their names are sealed with, and of each run which of its
//! sessions have ended and until when it was alive. One JSON document in the state directory, 0600,
//! shared by all processes of a configuration; each only ever adds to what it finds.
//!
//! Sessions that are open are not in it: opening one writes nothing. Never does any I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::base64;
use crate::client::resume::numbers::Numbers;
use crate::client::sealed::{Birth, BootId, Key};
use crate::limits::{ENDED_SESSIONS_MAX, SESSION_BOOTS_MAX, SESSION_KEYS_MAX};
use crate::now::UnixSeconds;

/// Of the form of the file; another one is left alone.
const VERSION: u64 = 1;

/// Everything that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The first one seals.
    pub(super) keys: Vec<Key>,
    pub(super) boots: BTreeMap<BootId, Boot>,
}

/// What is known of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Boot {
    /// It was, or will have been, alive until then at most.
    pub(super) alive: UnixSeconds,
    /// Its sessions that are over.
    pub(super) ended: Numbers,
    /// Its sessions that other runs have gone on with, and when they were last used there.
    pub(super) kept: BTreeMap<u64, UnixSeconds>,
    /// Its sessions that it had not used for a while when it last wrote, and since when. Of the
    /// others only `alive` is known.
    pub(super) idle: BTreeMap<u64, UnixSeconds>,
    /// The longest life of an unused session that any process has that wrote this: one with a
    /// shorter one must not forget what was ended.
    pub(super) ttl_s: u64,
}

/// Why there is no record in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Another version of this program needs it as it is.
    Newer(u64),
    /// It says nothing: what it was kept for is lost anyway.
    Broken(String),
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    keys: Vec<String>,
    boots: Vec<BootText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BootText {
    boot: String,
    alive: u64,
    ended: Vec<(u64, u64)>,
    kept: Vec<(u64, u64)>,
    idle: Vec<(u64, u64)>,
    ttl: u64,
}

impl Record {
    /// Reads what is in the file; nothing is an empty record.
    pub(super) fn read(bytes: Option<&[u8]>) -> Result<Self, Unreadable> {
        let Some(text) = bytes else {
            return Ok(Self::default());
        };
        let broken = |error: serde_json::Error| {
            // The reader's own words would repeat what is written there.
            let (line, column) = (error.line(), error.column());
            Unreadable::Broken(format!(
                "line {line}, column {column} is not as we write it"
            ))
        };
        let Versioned { version } = serde_json::from_slice(text).map_err(broken)?;
        if version != VERSION {
            return Err(Unreadable::Newer(version));
        }
        let document: Document = serde_json::from_slice(text).map_err(broken)?;
        let keys = document.keys.iter().map(|key| Some(Key(array(key)?)));
        let boots = document.boots.into_iter().map(|boot| {
            let id = BootId(array(&boot.boot)?);
            let used = |of: Vec<(u64, u64)>| {
                let used = of.into_iter().map(|(n, at)| (n, UnixSeconds(at)));
                used.collect()
            };
            let known = Boot {
                alive: UnixSeconds(boot.alive),
                ended: Numbers::of(boot.ended),
                kept: used(boot.kept),
                idle: used(boot.idle),
                ttl_s: boot.ttl,
            };
            Some((id, known))
        });
        let (keys, boots): (Option<Vec<_>>, Option<_>) = (keys.collect(), boots.collect());
        let (Some(keys), Some(boots)) = (keys, boots) else {
            let why = "a key or a name of a run is not as we write it";
            return Err(Unreadable::Broken(why.to_owned()));
        };
        Ok(Self { keys, boots })
    }

    /// The text of the file.
    pub(super) fn write(&self) -> Vec<u8> {
        let used = |of: &BTreeMap<u64, UnixSeconds>| of.iter().map(|(n, at)| (*n, at.0)).collect();
        let boots = self.boots.iter().map(|(id, boot)| BootText {
            boot: base64::encode_url(&id.0),
            alive: boot.alive.0,
            ended: boot.ended.ranges().to_vec(),
            kept: used(&boot.kept),
            idle: used(&boot.idle),
            ttl: boot.ttl_s,
        });
        let document = Document {
            version: VERSION,
            keys: self
                .keys
                .iter()
                .map(|key| base64::encode_url(&key.0))
                .collect(),
            boots: boots.collect(),
        };
        // Nothing in it can fail to be written: texts, numbers and lists.
        let mut text = serde_json::to_vec(&document).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Adds what else is known. Of when a run was alive, and its sessions unused, it is this record
    /// that knows best.
    pub(super) fn add(&mut self, other: &Self) {
        for (id, boot) in &other.boots {
            let own = self.boots.entry(*id).or_insert_with(|| Boot {
                alive: boot.alive,
                idle: boot.idle.clone(),
                ..Boot::default()
            });
            own.ttl_s = boot.ttl_s.max(own.ttl_s);
            own.ended.add(&boot.ended);
            for (number, at) in &boot.kept {
                own.keep(*number, *at);
            }
        }
    }

    /// Adds keys that are not in it, as far as there is room.
    pub(super) fn add_keys(&mut self, keys: &[Key]) {
        for key in keys {
            if self.keys.len() < SESSION_KEYS_MAX && !self.keys.contains(key) {
                self.keys.push(key.clone());
            }
        }
    }

    /// A session was ended by its client, or its grant was revoked.
    pub(super) fn end(&mut self, birth: &Birth) {
        let boot = self.boot(birth);
        boot.kept.remove(&birth.number);
        boot.ended.insert(birth.number);
    }

    /// A session of another run goes on here.
    pub(super) fn keep(&mut self, birth: &Birth, used: UnixSeconds) {
        self.boot(birth).keep(birth.number, used);
    }

    /// What is known of a session's run: at least that it was alive when the session was opened.
    fn boot(&mut self, birth: &Birth) -> &mut Boot {
        self.boots.entry(birth.boot).or_insert_with(|| Boot {
            alive: birth.created,
            ..Boot::default()
        })
    }

    /// Whether a session was ended.
    pub(super) fn has_ended(&self, birth: &Birth) -> bool {
        let boot = self.boots.get(&birth.boot);
        boot.is_some_and(|boot| boot.ended.contains(birth.number))
    }

    /// Whether a session of another run may go on: nobody has ended it, and it may have been used
    /// within its time. Of a run that is not in the record only the age of the session is known.
    pub(super) fn allows(&self, birth: &Birth, now: UnixSeconds, ttl_s: u64) -> bool {
        let boot = self.boots.get(&birth.boot);
        let used = boot.map_or(birth.created, |boot| boot.used(birth.number));
        used.max(birth.created).after(ttl_s) > now && !self.has_ended(birth)
    }

    /// Whether a session is in use by a run that has not opened it.
    pub(super) fn is_kept(&self, birth: &Birth, now: UnixSeconds, ttl_s: u64) -> bool {
        let boot = self.boots.get(&birth.boot);
        let mut kept = boot.into_iter().flat_map(|boot| boot.kept_now(now, ttl_s));
        kept.any(|number| number == birth.number) && !self.has_ended(birth)
    }

    /// Forgets what nothing depends on any more, and of the rest as much as must be.
    pub(super) fn prune(&mut self, own: BootId, now: UnixSeconds, ttl_s: u64) {
        for boot in self.boots.values_mut() {
            boot.ttl_s = boot.ttl_s.max(ttl_s);
        }
        self.boots
            .retain(|id, boot| !boot.forgets(now) || *id == own);
        // Those go first of which no session is in use: runs that are over, one after another, must
        // not push out the one whose sessions they go on with.
        let by_use = |(id, boot): (&BootId, &Boot)| {
            let used = boot.kept.values().max().copied();
            (
                used.is_some(),
                used.unwrap_or_default().max(boot.alive),
                *id,
            )
        };
        let mut oldest: BTreeSet<_> = self.boots.iter().map(by_use).collect();
        oldest.retain(|(.., id)| *id != own);
        let mut entries: usize = self.boots.values().map(Boot::entries).sum();
        for (.., id) in oldest {
            let too_long = entries > ENDED_SESSIONS_MAX;
            let one = self.boots.get(&id).map_or(0, Boot::entries);
            if self.boots.len() > SESSION_BOOTS_MAX || (too_long && one > 0) {
                self.boots.remove(&id);
                entries = entries.saturating_sub(one);
            }
        }
    }
}

impl Boot {
    /// When a session was last used, as far as it is known.
    fn used(&self, number: u64) -> UnixSeconds {
        let own = self.idle.get(&number).unwrap_or(&self.alive);
        let kept = self.kept.get(&number).unwrap_or(own);
        *own.max(kept)
    }

    /// Its sessions that other runs have in use.
    pub(super) fn kept_now(&self, now: UnixSeconds, ttl_s: u64) -> impl Iterator<Item = u64> {
        let in_use = move |used: UnixSeconds| used.after(ttl_s) > now;
        let kept = self.kept.iter().filter(move |(_, used)| in_use(**used));
        kept.map(|(number, _)| *number)
    }

    /// Forgets what nothing depends on any more; whether that is all.
    fn forgets(&mut self, now: UnixSeconds) -> bool {
        let is_over = |at: UnixSeconds| at.after(self.ttl_s) <= now;
        let ended = &self.ended;
        self.kept
            .retain(|number, used| !is_over(*used) && !ended.contains(*number));
        let is_gone = is_over(self.alive);
        if is_gone {
            self.idle.clear();
        }
        is_gone && self.kept.is_empty()
    }

    fn entries(&self) -> usize {
        self.ended.ranges().len() + self.kept.len() + self.idle.len()
    }

    fn keep(&mut self, number: u64, used: UnixSeconds) {
        if !self.ended.contains(number) {
            let at = self.kept.entry(number).or_default();
            *at = used.max(*at);
        }
    }
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    base64::decode_url(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::capabilities::ClientCapabilities;
    use crate::mcp::version::Version;

    const HOUR: u64 = 3_600;
    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn boot(n: u8) -> BootId {
        BootId([n; 8])
    }

    fn birth(of: u8, number: u64, created: u64) -> Birth {
        Birth {
            boot: boot(of),
            number,
            created: UnixSeconds(created),
            version: Version::V2025_06_18,
            capabilities: ClientCapabilities::default(),
            grant: None,
        }
    }

    fn sample() -> Record {
        let known = Boot {
            alive: NOW,
            ended: Numbers::of(vec![(0, 3), (5, 5)]),
            kept: [(4, UnixSeconds(7))].into(),
            idle: [(8, UnixSeconds(8))].into(),
            ttl_s: 60,
        };
        Record {
            keys: vec![Key([1; 32]), Key([2; 32])],
            boots: [(boot(1), known)].into(),
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text = sample().write();
        assert_eq!(Record::read(Some(&text)), Ok(sample()));
        assert_eq!(Record::read(None), Ok(Record::default()));
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains(r#""ended":[[0,3],[5,5]],"kept":[[4,7]],"idle":[[8,8]],"ttl":60"#),
            "{text}"
        );
    }

    #[test]
    fn a_file_of_a_newer_version_is_told_from_one_that_says_nothing() {
        let newer = Record::read(Some(br#"{"version":2,"rings":[]}"#));
        assert_eq!(newer, Err(Unreadable::Newer(2)));
        let whole = sample().write();
        for end in 0..whole.len() - 2 {
            let cut = Record::read(Some(&whole[..end]));
            assert!(matches!(cut, Err(Unreadable::Broken(_))), "{end}");
        }
        for text in [
            r#"{"version":1,"keys":["short"],"boots":[]}"#,
            r#"{"version":1,"keys":[],"boots":[],"more":1}"#,
            r#"{"version":1,"keys":[],"boots":[{"boot":"x","alive":1,"ended":[],"kept":[]}]}"#,
        ] {
            let read = Record::read(Some(text.as_bytes()));
            let Err(Unreadable::Broken(why)) = read else {
                panic!("{text}");
            };
            assert!(!why.contains("short"));
        }
    }

    #[test]
    fn contract_5_a_session_lasts_as_long_after_its_run_as_it_would_have_lasted_in_it() {
        let mut record = sample();
        let session = birth(1, 9, 900_000);
        for (hours, allowed) in [(0, true), (23, true), (24, false), (300, false)] {
            let now = NOW.after(hours * HOUR);
            assert_eq!(record.allows(&session, now, 24 * HOUR), allowed, "{hours}");
        }
        // Somebody has gone on with it, much later.
        record.keep(&session, NOW.after(30 * HOUR));
        assert!(record.allows(&session, NOW.after(53 * HOUR), 24 * HOUR));
        assert!(!record.allows(&birth(1, 10, 0), NOW.after(53 * HOUR), 24 * HOUR));
    }

    #[test]
    fn contract_5_of_an_unknown_run_the_age_of_the_session_counts() {
        let record = Record::default();
        let session = birth(3, 0, NOW.0);
        assert!(record.allows(&session, NOW.after(HOUR - 1), HOUR));
        assert!(!record.allows(&session, NOW.after(HOUR), HOUR));
        // A clock that was set back harms nobody.
        assert!(record.allows(&session, UnixSeconds(5), HOUR));
    }

    #[test]
    fn contract_5_an_ended_session_stays_ended() {
        let mut record = sample();
        let (session, stranger) = (birth(1, 9, NOW.0), birth(2, 0, NOW.0));
        record.keep(&session, NOW);
        record.end(&session);
        record.end(&stranger);
        record.keep(&session, NOW.after(1));
        let mut merged = sample();
        merged.add(&record);
        for record in [&record, &merged] {
            assert!(!record.allows(&session, NOW, HOUR) && !record.allows(&stranger, NOW, HOUR));
            assert!(record.allows(&birth(2, 1, NOW.0), NOW, HOUR));
        }
        assert_eq!(merged.boots[&boot(2)].alive, NOW);
    }

    #[test]
    fn contract_5_what_is_past_its_time_is_forgotten() {
        let mut record = sample();
        record.keep(&birth(1, 9, 0), NOW.after(HOUR));
        record.prune(boot(7), NOW.after(HOUR), HOUR);
        assert_eq!(record.boots[&boot(1)].kept.len(), 1);
        record.prune(boot(1), NOW.after(9 * HOUR), HOUR);
        assert_eq!(record.boots.len(), 1, "our own stays");
        record.prune(boot(7), NOW.after(9 * HOUR), HOUR);
        assert!(record.boots.is_empty());
    }

    #[test]
    fn contract_5_the_record_is_bounded_and_the_oldest_runs_go_first() {
        let mut record = Record::default();
        for n in 0..100_u8 {
            record.boots.insert(
                boot(n),
                Boot {
                    alive: UnixSeconds(u64::from(n)),
                    ..Boot::default()
                },
            );
        }
        record.prune(boot(0), NOW, 10 * NOW.0);
        assert_eq!(record.boots.len(), SESSION_BOOTS_MAX);
        assert!(record.boots.contains_key(&boot(0)) && !record.boots.contains_key(&boot(1)));
        assert!(record.boots.contains_key(&boot(99)));
        let gaps = (0..ENDED_SESSIONS_MAX as u64)
            .map(|n| (2 * n, 2 * n))
            .collect();
        let full = record.boots.get_mut(&boot(50)).unwrap();
        full.ended = Numbers::of(gaps);
        let last = record.boots.get_mut(&boot(99)).unwrap();
        last.ended = Numbers::of(vec![(1, 1)]);
        record.prune(boot(0), NOW, 10 * NOW.0);
        assert!(!record.boots.contains_key(&boot(50)) && record.boots.contains_key(&boot(51)));
    }

    #[test]
    fn keys_are_added_once_and_not_without_end() {
        let mut record = sample();
        record.add_keys(&[Key([2; 32]), Key([3; 32])]);
        assert_eq!(record.keys, [Key([1; 32]), Key([2; 32]), Key([3; 32])]);
        let many: Vec<Key> = (10..60).map(|n| Key([n; 32])).collect();
        record.add_keys(&many);
        assert_eq!(record.keys.len(), SESSION_KEYS_MAX);
    }
}
