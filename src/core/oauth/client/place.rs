//! Where browsers reach us: at the address that clients use, or, while our own stdin is the client,
//! at a loopback port that is open only while somebody has something to authorize. There every user
//! of this machine could knock, so the pages want a secret that only their URL has.

use crate::base::digest::{hex, same, sha256};
use crate::base::form;
use crate::base::origin::{Host, Scheme};
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::config::Oauth;
use crate::entropy::Entropy;
use crate::settings::Settings;

/// See the module.
#[derive(Debug)]
pub(super) enum Place {
    /// At the address of the clients.
    Site {
        /// Without a slash at the end.
        origin: String,
        /// It was named by `--external-url`.
        is_external: bool,
    },
    /// At a port of our own.
    Local(Listener),
}

/// The port of our own.
#[derive(Debug)]
pub(super) enum Listener {
    Closed,
    Opening,
    Open {
        port: u16,
        /// What the URLs of our pages have.
        ticket: Secret,
        /// Browsers that came with it.
        admitted: Vec<[u8; 32]>,
    },
}

/// Browsers that came with the ticket; it is for one person.
const ADMITTED_MAX: usize = 16;
/// Where browsers come back to.
pub(super) const CALLBACK: &str = "/oauth/callback";
/// Our own client-id document, for an operator who names it.
pub(super) const DOCUMENT: &str = "/oauth/client.json";
/// The beginning of those that we name ourselves, each for one issuer.
const DOCUMENTS: &str = "/oauth/client/";
/// Where a server is authorized, its name behind it.
pub(super) const CONNECT: &str = "/oauth/connect/";

impl Default for Place {
    fn default() -> Self {
        Self::Local(Listener::Closed)
    }
}

impl Place {
    pub(super) fn of(settings: &Settings) -> Self {
        if settings.stdio {
            return Self::default();
        }
        if let Some(url) = &settings.external_url {
            let origin = url.trim_end_matches('/').to_owned();
            return Self::Site {
                origin,
                is_external: true,
            };
        }
        let host = match settings.host.as_str() {
            "" | "localhost" | "0.0.0.0" | "::" | "[::]" => "127.0.0.1".to_owned(),
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        Self::Site {
            origin: format!("http://{host}:{}", settings.port),
            is_external: false,
        }
    }

    /// Our own origin, as far as it is known.
    pub(super) fn origin(&self) -> Option<String> {
        match self {
            Self::Site { origin, .. } => Some(origin.clone()),
            Self::Local(Listener::Open { port, .. }) => Some(format!("http://127.0.0.1:{port}")),
            Self::Local(Listener::Closed | Listener::Opening) => None,
        }
    }

    /// Where browsers are sent back to as a client that the operator was given; without a port
    /// while that is not known.
    pub(super) fn redirect(&self, entry: &Oauth) -> String {
        entry.redirect_url.clone().unwrap_or_else(|| {
            let origin = self.origin();
            let origin = origin.as_deref().unwrap_or("http://127.0.0.1");
            format!("{origin}{CALLBACK}")
        })
    }

    /// As a client that we made known ourselves: a place for each issuer ([`mark`]), so that what
    /// one says is not taken for what another says.
    pub(super) fn redirect_of(&self, entry: &Oauth, mark: &str) -> String {
        match &entry.redirect_url {
            Some(fixed) => fixed.clone(),
            None => format!("{}/{mark}", self.redirect(entry)),
        }
    }

    /// Browsers would be sent to a port that is not ours but somebody else's, perhaps with our
    /// ticket: one sentence.
    pub(super) fn conflict(&self, entry: &Oauth) -> Option<String> {
        let Self::Local(Listener::Open { port, .. }) = self else {
            return None;
        };
        let fixed = entry.redirect_url.as_deref().and_then(loopback_port)?;
        (fixed != *port).then(|| {
            format!(
                "port {fixed} of its oauth.redirectUrl cannot be opened: another process has it"
            )
        })
    }

    /// The page on which a server is authorized. Cookies are of one host, so it is on the same one
    /// as the way back.
    pub(super) fn page(&self, name: &str, entry: &Oauth) -> Option<String> {
        let own = self.origin()?;
        let back = entry.redirect_url.as_deref();
        let back = back.filter(|_| self.conflict(entry).is_none());
        let back = back.and_then(|url| url.strip_suffix(CALLBACK));
        let origin = match self {
            Self::Site {
                is_external: true, ..
            } => &own,
            Self::Site { .. } | Self::Local(_) => back.unwrap_or(&own),
        };
        let mut page = format!("{origin}{CONNECT}");
        form::encode(&mut page, name);
        if let Self::Local(Listener::Open { ticket, .. }) = self {
            page.push_str("?ticket=");
            page.push_str(ticket.reveal());
        }
        Some(page)
    }

    /// Whether a page was asked for by another name of this machine than `page` has: `localhost`
    /// for `127.0.0.1`. A browser that began there would come back as a stranger.
    pub(super) fn is_elsewhere(&self, asked: Option<&str>, page: &str) -> bool {
        let is_external = matches!(
            self,
            Self::Site {
                is_external: true,
                ..
            }
        );
        let (Some(asked), Ok(page)) = (asked, Url::parse(page)) else {
            return false;
        };
        let asked = Url::parse(&format!("http://{asked}/"));
        !is_external
            && asked.is_ok_and(|asked| {
                asked.origin().host.is_loopback() && asked.origin().host != page.origin().host
            })
    }

    /// The URL of our client-id document for an issuer: only where others can read it.
    pub(super) fn document(&self, mark: &str) -> Option<String> {
        Some(format!("{}{DOCUMENTS}{mark}.json", self.world()?))
    }

    /// One of our documents: its URL, and where browsers are sent back to. Each can be made from
    /// its path alone, so that it is there after a restart and for issuers that come back to it.
    pub(super) fn document_at(&self, path: &str) -> Option<(String, String)> {
        let world = self.world()?;
        let name = path.strip_prefix(DOCUMENTS);
        let mark = name.and_then(|name| name.strip_suffix(".json"));
        let redirect = match mark {
            Some(mark) if is_mark(mark) => format!("{world}{CALLBACK}/{mark}"),
            None if path == DOCUMENT => format!("{world}{CALLBACK}"),
            _ => return None,
        };
        Some((format!("{world}{path}"), redirect))
    }

    /// Our origin, if the world can read what is there.
    fn world(&self) -> Option<&str> {
        let Self::Site {
            origin,
            is_external: true,
        } = self
        else {
            return None;
        };
        let is_https = Url::parse(origin).is_ok_and(|url| url.origin().scheme == Scheme::Https);
        is_https.then_some(origin.as_str())
    }

    /// Whether a browser may see the pages. One that comes with the ticket may come again without.
    pub(super) fn admit(&mut self, browser: [u8; 32], ticket: Option<&str>) -> bool {
        let Self::Local(listener) = self else {
            return true;
        };
        let Listener::Open {
            ticket: own,
            admitted,
            ..
        } = listener
        else {
            return false;
        };
        if admitted.contains(&browser) {
            return true;
        }
        let is_it = ticket.is_some_and(|sent| same(sent.as_bytes(), own.reveal().as_bytes()));
        if is_it {
            if admitted.len() >= ADMITTED_MAX {
                admitted.remove(0);
            }
            admitted.push(browser);
        }
        is_it
    }

    /// The port is open.
    pub(super) fn opened(&mut self, port: u16, entropy: &mut Entropy) {
        if let Self::Local(listener) = self {
            *listener = Listener::Open {
                port,
                ticket: Secret::from(entropy.token()),
                admitted: Vec::new(),
            };
        }
    }
}

/// What tells an issuer apart in our URLs.
pub(super) fn mark(issuer: &str) -> String {
    let hash = sha256(&[issuer.as_bytes()]);
    hex(hash.iter().take(MARK_CHARS / 2))
}

/// So many that nobody finds an issuer with the mark of another.
const MARK_CHARS: usize = 32;

fn is_mark(text: &str) -> bool {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == MARK_CHARS && text.bytes().all(is_hex)
}

/// Whether browsers come back there.
pub(super) fn is_callback(path: &str) -> bool {
    match path.strip_prefix(CALLBACK) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('/').is_some_and(is_mark),
        None => false,
    }
}

/// On which path the answer of an issuer comes. What the operator named is the same for all, and
/// its path may be another one outside.
pub(super) fn way_back(redirect: &str, issuer: &str) -> String {
    let own = format!("{CALLBACK}/{}", mark(issuer));
    if redirect.ends_with(&own) {
        own
    } else {
        CALLBACK.to_owned()
    }
}

/// The port of a redirect URL on this machine.
pub(super) fn loopback_port(redirect: &str) -> Option<u16> {
    let url = Url::parse(redirect).ok()?;
    let origin = url.origin();
    let is_ours = origin.host.is_loopback() && !matches!(&origin.host, Host::V6(_));
    (is_ours && origin.scheme == Scheme::Http).then_some(origin.port)
}
