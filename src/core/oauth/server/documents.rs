//! Clients that are documents of the web (protocol S10): their `client_id` is an https URL, and
//! what stands there is what they are. Fetched only when the owner himself is asked to let one in,
//! from the public internet only, and kept for as long as its server says, within bounds.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Server;
use super::authorize::{Asked, Asker};
use super::record::client_name;
use crate::base::url::Url;
use crate::cx::Cx;
use crate::fetch::{Lane, News, Order, Reach};
use crate::http1::head::Method;
use crate::http1::response_head::ResponseHead;
use crate::limits::{
    CLIENT_REDIRECTS_MAX, DOCUMENT_BYTES_MAX, DOCUMENT_MS_MAX, DOCUMENT_SECONDS,
    DOCUMENT_SECONDS_MAX, DOCUMENT_SECONDS_MIN, DOCUMENT_URL_BYTES_MAX, DOCUMENT_WAITERS_MAX,
    DOCUMENTS_MAX,
};
use crate::now::Tick;
use crate::oauth::{Step, Wish};
use crate::web::answer::Answer;

/// What a client says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) redirects: Vec<String>,
    pub(super) refreshes: bool,
}

/// One document that is under way.
#[derive(Debug)]
struct Fetch {
    number: u32,
    url: String,
    until: Tick,
    /// For how long its server lets it be kept.
    seconds: u64,
    waiting: Vec<Asked>,
}

/// All documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    known: BTreeMap<String, (Rc<Document>, Tick)>,
    fetches: Vec<Fetch>,
    count: u32,
}

impl Documents {
    pub(super) fn get(&self, url: &str, now: Tick) -> Option<Rc<Document>> {
        let (document, until) = self.known.get(url)?;
        (now < *until).then(|| Rc::clone(document))
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let known = self.known.values().map(|(_, until)| *until);
        let fetches = self.fetches.iter().map(|fetch| fetch.until);
        known.chain(fetches).min()
    }

    fn take(&mut self, number: u32) -> Option<Fetch> {
        let at = self
            .fetches
            .iter()
            .position(|fetch| fetch.number == number)?;
        Some(self.fetches.swap_remove(at))
    }

    fn keep(&mut self, url: String, document: Document, until: Tick) {
        if self.known.len() >= DOCUMENTS_MAX && !self.known.contains_key(&url) {
            let first = self.known.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(first) = first.map(|(url, _)| url.clone()) {
                self.known.remove(&first);
            }
        }
        self.known.insert(url, (Rc::new(document), until));
    }
}

/// Whether a `client_id` is the URL of a document: https, with a path, in the one form that a URL
/// has, so that two texts are never one client.
pub(super) fn is_document(id: &str) -> bool {
    let plain = id.starts_with("https://") && !id.contains(['#', '@']);
    let plain = plain && id.len() <= DOCUMENT_URL_BYTES_MAX;
    plain && Url::parse(id).is_ok_and(|url| url.path() != "/" && url.to_string() == id)
}

#[derive(Deserialize)]
struct Text {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    client_secret: Option<IgnoredAny>,
}

/// Reads the document at this URL.
fn read(url: &str, body: &[u8]) -> Result<Document, &'static str> {
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err("it is too long");
    }
    let text: Text = serde_json::from_slice(body)
        .map_err(|_| "it is no JSON with client_id, client_name and redirect_uris")?;
    if text.client_id != url {
        return Err("its client_id is not its own URL");
    }
    if !matches!(text.redirect_uris.len(), 1..=CLIENT_REDIRECTS_MAX) {
        return Err("it has no redirect URIs, or too many");
    }
    let method = text.token_endpoint_auth_method.as_deref();
    if text.client_secret.is_some() || method.is_some_and(|method| method != "none") {
        return Err("it wants to authenticate in a way that is not possible here");
    }
    let grants = text.grant_types;
    let refreshes = grants.is_none_or(|grants| grants.iter().any(|one| one == "refresh_token"));
    Ok(Document {
        name: client_name(&text.client_name),
        redirects: text.redirect_uris,
        refreshes,
    })
}

/// Why a response is not taken.
fn check(head: &ResponseHead) -> Result<(), &'static str> {
    let is_json = head.content_type().is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    });
    let length = head.headers.get("content-length");
    let length = length.and_then(|text| text.parse::<usize>().ok());
    if head.status != 200 {
        return Err("its server does not answer 200");
    }
    if !is_json {
        return Err("it is no JSON");
    }
    if length.is_some_and(|length| length > DOCUMENT_BYTES_MAX) {
        return Err("it is too long");
    }
    Ok(())
}

/// For how long it may be kept (RFC 9111 section 5.2.2).
fn seconds(head: &ResponseHead) -> u64 {
    let mut seconds = DOCUMENT_SECONDS;
    for directive in head.headers.list("cache-control") {
        let directive = directive.to_ascii_lowercase();
        if let Some(age) = directive.strip_prefix("max-age=") {
            seconds = age.trim_matches('"').parse().unwrap_or(0);
        } else if directive == "no-store" || directive == "no-cache" {
            seconds = 0;
            break;
        }
    }
    seconds.clamp(DOCUMENT_SECONDS_MIN, DOCUMENT_SECONDS_MAX)
}

impl Server {
    /// Fetches the document behind which the request has to wait.
    pub(super) fn fetch(&mut self, cx: &mut Cx<'_>, url: &str, asked: Asked) -> Step {
        let fetches = &mut self.documents.fetches;
        let waiting = fetches.iter().map(|fetch| fetch.waiting.len());
        if waiting.sum::<usize>() >= DOCUMENT_WAITERS_MAX {
            let why = "Too many applications are being looked at; try again in a moment.";
            return Step::Answer(asked.asker.told(503, "Too much at once", why));
        }
        if let Some(fetch) = fetches.iter_mut().find(|fetch| fetch.url == url) {
            fetch.waiting.push(asked);
            return Step::Later;
        }
        let Ok(parsed) = Url::parse(url) else {
            return Step::Answer(unknown(asked.asker, "its address is no URL"));
        };
        self.documents.count = self.documents.count.wrapping_add(1);
        let number = self.documents.count;
        self.documents.fetches.push(Fetch {
            number,
            url: url.to_owned(),
            until: cx.now.tick.after(DOCUMENT_MS_MAX),
            seconds: DOCUMENT_SECONDS,
            waiting: vec![asked],
        });
        let order = Box::new(Order {
            method: Method::Get,
            url: Rc::new(parsed),
            fields: vec![("Accept".into(), "application/json".into())],
            headers: Rc::from([]),
            body: Vec::new(),
            response_ms_max: Some(DOCUMENT_MS_MAX),
            connect_ms_max: DOCUMENT_MS_MAX,
            lane: Lane::Call,
            reach: Reach::Public,
        });
        self.wish(Wish::Ask { number, order });
        self.set_alarm(cx);
        Step::Later
    }

    /// News of an errand.
    pub fn news(&mut self, cx: &mut Cx<'_>, number: u32, news: News) {
        match news {
            News::Head(head) => match check(&head) {
                Ok(()) => {
                    let mut fetches = self.documents.fetches.iter_mut();
                    if let Some(fetch) = fetches.find(|fetch| fetch.number == number) {
                        fetch.seconds = seconds(&head);
                    }
                }
                Err(why) => {
                    self.wish(Wish::GiveUp { number });
                    self.fetched(cx, number, Err(why.to_owned()));
                }
            },
            News::Data => {}
            News::End(body) => self.fetched(cx, number, Ok(body)),
            News::Failed(failure) => self.fetched(cx, number, Err(failure.why)),
        }
    }

    /// Those that take too long, and documents whose time is over.
    pub(super) fn documents_alarm(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        self.documents.known.retain(|_, (_, until)| *until > now);
        let late = self
            .documents
            .fetches
            .iter()
            .filter(|fetch| fetch.until <= now);
        let late: Vec<u32> = late.map(|fetch| fetch.number).collect();
        for number in late {
            self.wish(Wish::GiveUp { number });
            self.fetched(cx, number, Err("its server took too long".to_owned()));
        }
    }

    fn fetched(&mut self, cx: &mut Cx<'_>, number: u32, body: Result<Vec<u8>, String>) {
        let Some(fetch) = self.documents.take(number) else {
            return;
        };
        let read = body.and_then(|body| read(&fetch.url, &body).map_err(str::to_owned));
        match read {
            Ok(document) => {
                let until = cx.now.tick.after(fetch.seconds.saturating_mul(1_000));
                self.documents.keep(fetch.url, document, until);
                for asked in fetch.waiting {
                    let link = asked.link;
                    if let Step::Answer(answer) = self.consider(cx, asked) {
                        self.answer(link, answer);
                    }
                }
            }
            Err(why) => {
                for asked in fetch.waiting {
                    let answer = asked.visitor.dress(unknown(asked.asker, &why));
                    self.answer(asked.link, answer);
                }
            }
        }
        self.set_alarm(cx);
    }
}

fn unknown(asker: Asker, why: &str) -> Answer {
    let text = format!(
        "The application is known by a document on the web, which cannot be used: {why}. Tell \
         whoever made the application, or try again later."
    );
    asker.told(400, "The application is unknown", &text)
}

/// What must hold for any document: it is read or refused.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) fn fuzz(body: &[u8]) {
    let _ = read("https://a.example/c", body).map(|document| {
        assert!((1..=CLIENT_REDIRECTS_MAX).contains(&document.redirects.len()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_which_client_ids_are_documents() {
        for (id, is) in [
            ("https://a.example/c", true),
            ("https://a.example:8443/c/d.json", true),
            ("https://a.example/c?v=1", true),
            ("https://a.example/", false),
            ("https://a.example", false),
            ("http://a.example/c", false),
            ("HTTPS://a.example/c", false),
            ("https://A.example/c", false),
            ("https://a.example:443/c", false),
            ("https://a.example/./c", false),
            ("https://a.example/b/../c", false),
            ("https://u@a.example/c", false),
            ("https://a.example/c#f", false),
            ("0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(is_document(id), is, "{id}");
        }
        let long = format!("https://a.example/{}", "x".repeat(DOCUMENT_URL_BYTES_MAX));
        assert!(!is_document(&long) && is_document(&long[..DOCUMENT_URL_BYTES_MAX]));
    }

    #[test]
    fn s10_a_document_says_its_own_url_and_is_public() {
        let url = "https://a.example/c";
        let with = |more: &str| {
            format!(
                "{{\"client_id\":\"{url}\",\"client_name\":\"A\\u0007\",\
                 \"redirect_uris\":[\"https://a.example/cb\"]{more}}}"
            )
        };
        let good = read(url, with("").as_bytes()).unwrap();
        assert_eq!((good.name.as_str(), good.refreshes), ("A", true));
        let only = read(
            url,
            with(",\"grant_types\":[\"authorization_code\"]").as_bytes(),
        );
        assert!(!only.unwrap().refreshes);
        let long = with(&" ".repeat(DOCUMENT_BYTES_MAX));
        for (url, text) in [
            ("https://a.example/d", with("")),
            (url, with(",\"client_secret\":\"x\"")),
            (
                url,
                with(",\"token_endpoint_auth_method\":\"client_secret_basic\""),
            ),
            (url, with(",\"client_id\":\"https://a.example/c\"")),
            (url, with("").replace("\"https://a.example/cb\"", "")),
            (url, with("").replace("client_name", "x")),
            (url, "[]".to_owned()),
            (url, String::new()),
            (url, long),
        ] {
            assert!(read(url, text.as_bytes()).is_err(), "{text:.200}");
        }
    }

    #[test]
    fn s10_caching_follows_the_server_within_bounds() {
        for (field, expected) in [
            ("max-age=600", 600),
            ("public, Max-Age=\"600\"", 600),
            ("max-age=1", DOCUMENT_SECONDS_MIN),
            ("max-age=99999999999999999999", DOCUMENT_SECONDS_MIN),
            ("max-age=999999999", DOCUMENT_SECONDS_MAX),
            ("max-age=600, no-store", DOCUMENT_SECONDS_MIN),
            ("private", DOCUMENT_SECONDS),
        ] {
            let head = ResponseHead::of(200, false, &[("Cache-Control", field)]);
            assert_eq!(seconds(&head), expected, "{field}");
        }
        let json = ("Content-Type", "application/json; charset=utf-8");
        let head = |status, fields: &[(&str, &str)]| ResponseHead::of(status, false, fields);
        assert_eq!(check(&head(200, &[json])), Ok(()));
        assert!(check(&head(302, &[json])).is_err());
        assert!(check(&head(200, &[("Content-Type", "text/html")])).is_err());
        assert!(check(&head(200, &[json, ("Content-Length", "65537")])).is_err());
    }
}
