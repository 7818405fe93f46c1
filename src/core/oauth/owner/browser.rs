//! Browsers: how one is told from another, and in which of them the owner is logged in.
//!
//! A cookie is a random id with our seal. So a visitor costs nothing until he has logged in: only
//! logins are remembered, by a digest of their ids.

use std::collections::BTreeMap;

use ring::hmac;

use crate::base::base64;
use crate::entropy::Entropy;
use crate::limits::{
    OWNER_BROWSERS_MAX, OWNER_IDLE_MS, OWNER_MS_MAX, OWNER_PLAIN_IDLE_MS, OWNER_PLAIN_MS_MAX,
};
use crate::now::Tick;
use crate::oauth::server::record::Password;

const ID_BYTES: usize = 16;

/// One browser: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id([u8; ID_BYTES]);

/// What cookies, digests and hidden fields are made with. Those of logins are of this run: a
/// restart makes every browser a stranger.
pub(super) struct Seals(hmac::Key);

impl Seals {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &entropy.block()))
    }

    /// For what outlives a restart, as long as the password is the same: by which a browser is
    /// known that has logged in before. It lets nobody in.
    pub(super) fn lasting(password: &Password) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &password.key);
        let own = hmac::sign(&key, b"browsers that have logged in");
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    /// A browser that nobody has seen yet.
    pub(super) fn fresh(entropy: &mut Entropy) -> Id {
        let mut id = [0; ID_BYTES];
        let block = entropy.block();
        id.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        Id(id)
    }

    /// The value of its cookie.
    pub(super) fn cookie(&self, id: Id) -> String {
        let mut sealed = id.0.to_vec();
        sealed.extend_from_slice(self.tag("cookie", id).as_ref());
        base64::encode_url(&sealed)
    }

    /// Reads [`Seals::cookie`]; `None` if it is none of ours.
    pub(super) fn read(&self, cookie: &str) -> Option<Id> {
        let sealed = base64::decode_url(cookie)?;
        let (id, tag) = sealed.split_first_chunk::<ID_BYTES>()?;
        let labelled = labelled("cookie", Id(*id));
        hmac::verify(&self.0, &labelled, tag).ok()?;
        Some(Id(*id))
    }

    /// By what it is remembered.
    pub(super) fn digest(&self, id: Id) -> [u8; 32] {
        let mut digest = [0; 32];
        let tag = self.tag("browser", id);
        digest
            .iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        digest
    }

    /// The hidden field of its forms.
    pub(super) fn csrf(&self, id: Id) -> String {
        base64::encode_url(self.tag("form", id).as_ref())
    }

    fn tag(&self, label: &str, id: Id) -> hmac::Tag {
        hmac::sign(&self.0, &labelled(label, id))
    }
}

fn labelled(label: &str, id: Id) -> Vec<u8> {
    let mut text = label.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(&id.0);
    text
}

/// Who else may see the cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Nobody.
    Tls,
    /// Whatever answers at another port of the host name: a browser sends them there too.
    Plain,
}

impl Carrier {
    /// How long a login lives unused, and in all.
    const fn lives(self) -> (u64, u64) {
        match self {
            Self::Tls => (OWNER_IDLE_MS, OWNER_MS_MAX),
            Self::Plain => (OWNER_PLAIN_IDLE_MS, OWNER_PLAIN_MS_MAX),
        }
    }
}

/// The browsers in which the owner is logged in.
#[derive(Debug)]
pub(super) struct Owners {
    carrier: Carrier,
    logins: BTreeMap<[u8; 32], Login>,
}

#[derive(Debug)]
struct Login {
    since: Tick,
    used: Tick,
    /// He said yes or no to a client.
    decided: bool,
}

impl Owners {
    pub(super) const fn new(carrier: Carrier) -> Self {
        Self {
            carrier,
            logins: BTreeMap::new(),
        }
    }

    /// Whether the owner is logged in with this browser; then he is busy with it now.
    pub(super) fn uses(&mut self, now: Tick, browser: &[u8; 32]) -> bool {
        let (idle_ms, ms_max) = self.carrier.lives();
        let alive =
            |login: &Login| now.since(login.used) < idle_ms && now.since(login.since) < ms_max;
        match self.logins.get_mut(browser) {
            Some(login) if alive(login) => {
                login.used = now;
                true
            }
            Some(_) => {
                self.logins.remove(browser);
                false
            }
            None => false,
        }
    }

    /// Whether what is said in this browser about a client is the owner's word. Where somebody else
    /// may have the cookie it is so only once, and soon after the login.
    pub(super) fn may_decide(&self, now: Tick, browser: &[u8; 32]) -> bool {
        let login = self.logins.get(browser);
        login.is_some_and(|login| match self.carrier {
            Carrier::Tls => true,
            Carrier::Plain => !login.decided && now.since(login.since) < OWNER_PLAIN_IDLE_MS,
        })
    }

    /// He says yes or no.
    pub(super) fn decides(&mut self, browser: &[u8; 32]) {
        if let Some(login) = self.logins.get_mut(browser) {
            login.decided = true;
        }
    }

    /// The owner has logged in.
    pub(super) fn enter(&mut self, now: Tick, browser: [u8; 32]) {
        if self.logins.len() >= OWNER_BROWSERS_MAX {
            let longest = self.logins.iter().min_by_key(|(_, login)| login.used);
            if let Some(digest) = longest.map(|(digest, _)| *digest) {
                self.logins.remove(&digest);
            }
        }
        let login = Login {
            since: now,
            used: now,
            decided: false,
        };
        self.logins.insert(browser, login);
    }

    /// He has logged out.
    pub(super) fn leave(&mut self, browser: &[u8; 32]) {
        self.logins.remove(browser);
    }

    /// He has to log in again everywhere; how often he was logged in.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.logins).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x3_only_our_own_cookies_are_read_and_each_is_another_browser() {
        let mut entropy = Entropy::new(&[1; 32]);
        let (seals, others) = (Seals::new(&mut entropy), Seals::new(&mut entropy));
        let (a, b) = (Seals::fresh(&mut entropy), Seals::fresh(&mut entropy));
        let cookie = seals.cookie(a);
        assert!(seals.read(&cookie) == Some(a) && seals.cookie(b) != cookie);
        assert!(seals.digest(a) != seals.digest(b) && seals.csrf(a) != seals.csrf(b));
        assert!(others.read(&cookie).is_none(), "a cookie of another run");
        for at in 0..cookie.len() {
            let mut bad = cookie.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(seals.read(&bad).is_none(), "{bad}");
            assert!(seals.read(&cookie[..at]).is_none());
        }
        assert!(seals.read(&format!("{cookie}AAAA")).is_none());
        // A hidden field, which pages show, is no cookie.
        assert!(!cookie.contains(&seals.csrf(a)));
    }

    #[test]
    fn a_login_ends_when_it_is_idle_or_old_or_there_are_too_many() {
        let mut owners = Owners::new(Carrier::Tls);
        let digest = |n: u8| [n; 32];
        owners.enter(Tick(0), digest(0));
        assert!(owners.uses(Tick(OWNER_IDLE_MS - 1), &digest(0)));
        assert!(owners.uses(Tick(2 * OWNER_IDLE_MS - 2), &digest(0)));
        assert!(
            !owners.uses(Tick(3 * OWNER_IDLE_MS - 2), &digest(0)),
            "idle"
        );
        owners.enter(Tick(0), digest(0));
        let mut at = 0;
        while at + OWNER_IDLE_MS / 2 < OWNER_MS_MAX {
            at += OWNER_IDLE_MS / 2;
            assert!(owners.uses(Tick(at), &digest(0)) || at >= OWNER_MS_MAX);
        }
        assert!(!owners.uses(Tick(OWNER_MS_MAX), &digest(0)), "old");
        for n in 0..=u8::try_from(OWNER_BROWSERS_MAX).unwrap() {
            owners.enter(Tick(u64::from(n)), digest(n));
        }
        let now = Tick(99);
        assert!(!owners.uses(now, &digest(0)) && owners.uses(now, &digest(1)));
        owners.leave(&digest(1));
        assert!(!owners.uses(now, &digest(1)));
        assert_eq!(owners.clear(), OWNER_BROWSERS_MAX - 1);
        assert!(!owners.uses(now, &digest(2)));
    }

    #[test]
    fn m5_without_tls_a_login_is_short_and_lets_in_one_client() {
        let mut owners = Owners::new(Carrier::Plain);
        let one = [1; 32];
        owners.enter(Tick(0), one);
        assert!(owners.may_decide(Tick(OWNER_PLAIN_IDLE_MS - 1), &one));
        let mut at = 0;
        while at + OWNER_PLAIN_IDLE_MS / 2 < OWNER_PLAIN_MS_MAX {
            at += OWNER_PLAIN_IDLE_MS / 2;
            assert!(owners.uses(Tick(at), &one), "{at}");
            let soon = at < OWNER_PLAIN_IDLE_MS;
            assert_eq!(owners.may_decide(Tick(at), &one), soon, "busy or not: {at}");
        }
        assert!(!owners.uses(Tick(OWNER_PLAIN_MS_MAX), &one), "old");
        owners.enter(Tick(0), one);
        assert!(!owners.uses(Tick(OWNER_PLAIN_IDLE_MS), &one), "idle");
        owners.enter(Tick(0), one);
        owners.decides(&one);
        assert!(owners.uses(Tick(1), &one) && !owners.may_decide(Tick(1), &one));
        owners.decides(&[2; 32]);
        assert!(!owners.may_decide(Tick(1), &[2; 32]), "nobody");
    }

    #[test]
    fn x10_with_tls_a_login_lets_in_as_many_as_he_likes() {
        let mut owners = Owners::new(Carrier::Tls);
        owners.enter(Tick(0), [1; 32]);
        owners.decides(&[1; 32]);
        let late = Tick(OWNER_IDLE_MS - 1);
        assert!(owners.uses(late, &[1; 32]) && owners.may_decide(late, &[1; 32]));
    }
}
