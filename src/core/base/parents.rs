//! Who stands above us: gateways that pass their clients' requests on to this one (contract 3).
//!
//! A gateway whose servers include another gateway, whose servers include the first, would pass one
//! request round and round. So each says with every request over HTTP who it is and who stands
//! above it ([`FIELD`]), and refuses what has passed through itself. Whoever passes on has just
//! heard who stands above, so no request comes round twice, whichever gateway closes the ring,
//! under whatever address, and with sessions that many clients share.
//!
//! Names are drawn at the start of each process: directories are not unique between machines.

use std::cell::RefCell;

use crate::limits::{PARENT_MS, PARENT_NAME_BYTES_MAX, PARENTS_MAX};
use crate::now::Tick;

/// The field in which a gateway says who passes a request on.
pub const FIELD: &str = "X-1mcp-Parents";

/// This gateway and those above it.
#[derive(Debug, Default)]
pub struct Parents {
    /// What we call ourselves; empty for a program that serves nobody.
    own: String,
    /// Who started us, for as long as we run.
    starters: Vec<String>,
    /// Whose requests we got, and when last; the oldest first.
    heard: RefCell<Vec<(Tick, String)>>,
}

/// A request that has passed through us already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop;

impl Parents {
    /// A gateway of this name, started by those.
    #[must_use]
    pub fn new<'a>(own: &str, starters: impl Iterator<Item = &'a str>) -> Self {
        Self {
            own: own.to_owned(),
            starters: starters
                .filter(|name| is_name(name))
                .take(PARENTS_MAX)
                .map(str::to_owned)
                .collect(),
            heard: RefCell::default(),
        }
    }

    /// A request came from a gateway that says so.
    ///
    /// # Errors
    /// It came from ourselves in the end.
    pub fn hear(&self, now: Tick, value: &str) -> Result<(), Loop> {
        let names = || value.split(',').map(str::trim).filter(|name| is_name(name));
        if names().any(|name| name == self.own) {
            return Err(Loop);
        }
        let mut heard = self.heard.borrow_mut();
        for name in names().take(PARENTS_MAX) {
            heard.retain(|(at, known)| known != name && at.after(PARENT_MS) > now);
            if heard.len() >= PARENTS_MAX {
                // The one that was silent for longest passes nothing on at this moment.
                heard.remove(0);
            }
            heard.push((now, name.to_owned()));
        }
        Ok(())
    }

    /// What we say with each request; `None` if we serve nobody.
    #[must_use]
    pub fn say(&self, now: Tick) -> Option<String> {
        if self.own.is_empty() {
            return None;
        }
        let heard = self.heard.borrow();
        let recent = heard.iter().filter(|(at, _)| at.after(PARENT_MS) > now);
        let mut said = self.own.clone();
        for name in self.starters.iter().chain(recent.map(|(_, name)| name)) {
            said.push(',');
            said.push_str(name);
        }
        Some(said)
    }
}

fn is_name(name: &str) -> bool {
    let fits = 1..=PARENT_NAME_BYTES_MAX;
    fits.contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1000);

    fn gateway(name: &str) -> Parents {
        Parents::new(name, std::iter::empty())
    }

    #[test]
    fn contract_3_a_request_that_comes_round_is_refused_by_whoever_has_seen_it() {
        let ring = [gateway("a"), gateway("b"), gateway("c")];
        let pass = |from: usize, to: usize| ring[to].hear(NOW, &ring[from].say(NOW).unwrap());
        assert_eq!(pass(0, 0), Err(Loop));
        assert_eq!(pass(0, 1), Ok(()));
        assert_eq!(pass(1, 2), Ok(()));
        assert_eq!(ring[2].say(NOW).as_deref(), Some("c,b,a"));
        assert_eq!(pass(2, 0), Err(Loop));
        assert_eq!(pass(2, 1), Err(Loop));
        // What was refused taught nothing: the first way stays open.
        assert_eq!(pass(0, 1), Ok(()));
        assert_eq!(ring[0].say(NOW).as_deref(), Some("a"));
    }

    #[test]
    fn who_started_us_stands_above_us_and_who_is_silent_no_more() {
        let child = Parents::new("c", ["p", "not a name", ""].into_iter());
        child.hear(NOW, "x, y ,,\u{7f},z z").unwrap();
        assert_eq!(child.say(NOW).as_deref(), Some("c,p,x,y"));
        child.hear(NOW.after(1), "x").unwrap();
        let later = NOW.after(PARENT_MS);
        assert_eq!(child.say(later).as_deref(), Some("c,p,x"));
        assert_eq!(child.say(later.after(1)).as_deref(), Some("c,p"));
        assert_eq!(gateway("").say(NOW), None);
        assert_eq!(gateway("").hear(NOW, ""), Ok(()));
    }

    #[test]
    fn parents_max_are_known_and_the_latest_are_kept() {
        let hub = gateway("hub");
        for number in 0..2 * PARENTS_MAX {
            hub.hear(NOW, &format!("n{number}")).unwrap();
        }
        let said = hub.say(NOW).unwrap();
        assert_eq!(said.split(',').count(), 1 + PARENTS_MAX);
        assert!(said.ends_with(&format!("n{}", 2 * PARENTS_MAX - 1)));
        let long = "x".repeat(PARENT_NAME_BYTES_MAX + 1);
        hub.hear(NOW, &long).unwrap();
        assert!(!hub.say(NOW).unwrap().contains(&long));
        let many = "y,".repeat(100_000) + "hub";
        assert_eq!(hub.hear(NOW, &many), Err(Loop));
    }
}
