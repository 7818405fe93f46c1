//! Whether a redirect is followed (RFC 9110 section 15.4): within its origin only, since the
//! request holds secrets, and never with another method than was asked.

use std::fmt;

use crate::base::url::{BadUrl, Url};
use crate::http1::head::Method;
use crate::http1::response_head::ResponseHead;
use crate::limits::REDIRECTS_MAX;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRedirect {
    /// The target is no URL.
    BadLocation(BadUrl),
    /// Followed, it would no longer be the same request: this status turns it into a GET.
    ChangesMethod(u16, Box<Url>),
    /// No target.
    NoLocation,
    /// It leads to another origin.
    OtherOrigin(Box<Url>),
    /// One more than is followed.
    TooMany(Box<Url>),
}

impl fmt::Display for BadRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLocation(bad) => {
                write!(
                    f,
                    "the server redirects to what is no URL of a server: {bad}"
                )
            }
            Self::ChangesMethod(status, url) => write!(
                f,
                "the server redirects to {} with status {status}, which would change the request; \
                 if that is right, put the new URL into the entry",
                Place(url)
            ),
            Self::NoLocation => f.write_str("the server redirects and does not say where to"),
            Self::OtherOrigin(url) => write!(
                f,
                "the server redirects to {}; if that is right, put the new URL into the entry",
                Place(url)
            ),
            Self::TooMany(url) => write!(
                f,
                "the server redirects again and again, at last to {}; look at the URL of the entry",
                Place(url)
            ),
        }
    }
}

/// A URL as a person may see it: without its query, and without those pieces of its path that are
/// long enough to be a key.
struct Place<'a>(&'a Url);

/// Length of a piece of a path that is shown; names of routes are shorter and keys are longer.
const SHOWN_BYTES_MAX: usize = 15;
/// How many of them are shown.
const SHOWN_PIECES_MAX: usize = 8;

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        write!(f, "{}", url.origin())?;
        let mut pieces = url.path().split('/').skip(1);
        for piece in pieces.by_ref().take(SHOWN_PIECES_MAX) {
            let is_shown = piece.len() <= SHOWN_BYTES_MAX;
            write!(f, "/{}", if is_shown { piece } else { ".." })?;
        }
        f.write_str(if pieces.next().is_some() { "/.." } else { "" })
    }
}

/// Where to ask again, if the response says so. `followed` counts the redirects before this one.
///
/// # Errors
/// If the redirect is not followed.
pub fn target(
    head: &ResponseHead,
    method: &Method,
    url: &Url,
    followed: u32,
) -> Result<Option<Url>, BadRedirect> {
    let keeps_method = match head.status {
        307 | 308 => true,
        301..=303 => matches!(method, Method::Get | Method::Head),
        _ => return Ok(None),
    };
    let location = head
        .headers
        .get("location")
        .ok_or(BadRedirect::NoLocation)?;
    let target = url.join(location).map_err(BadRedirect::BadLocation)?;
    if target.origin() != url.origin() {
        return Err(BadRedirect::OtherOrigin(Box::new(target)));
    }
    if !keeps_method {
        return Err(BadRedirect::ChangesMethod(head.status, Box::new(target)));
    }
    if followed >= REDIRECTS_MAX {
        return Err(BadRedirect::TooMany(Box::new(target)));
    }
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        status: u16,
        method: &Method,
        location: Option<&str>,
    ) -> Result<Option<String>, BadRedirect> {
        let fields: Vec<_> = location.map(|one| ("Location", one)).into_iter().collect();
        let head = ResponseHead::of(status, false, &fields);
        let url = Url::parse("https://a/mcp?q").unwrap();
        target(&head, method, &url, 0).map(|found| found.map(|url| url.to_string()))
    }

    #[test]
    fn rfc9110_15_4_redirects_within_the_origin_are_followed() {
        for (status, method, location, expected) in [
            (307, Method::Post, "/mcp/", "https://a/mcp/"),
            (308, Method::Delete, "HTTPS://A:443/x", "https://a/x"),
            (308, Method::Post, "?r", "https://a/mcp?r"),
            (301, Method::Get, "x/../y#z", "https://a/y"),
            (302, Method::Get, "//a/", "https://a/"),
            (303, Method::Head, ".", "https://a/"),
        ] {
            let found = ask(status, &method, Some(location));
            assert_eq!(found, Ok(Some(expected.to_owned())), "{status} {location}");
        }
        for status in [200, 300, 304, 305, 306, 309, 400, 404] {
            assert_eq!(ask(status, &Method::Get, Some("/x")), Ok(None), "{status}");
        }
    }

    #[test]
    fn redirects_that_are_not_followed_say_why() {
        let url = |text| Box::new(Url::parse(text).unwrap());
        let other = |text| BadRedirect::OtherOrigin(url(text));
        let changes = |status| BadRedirect::ChangesMethod(status, url("https://a/x"));
        for (status, method, location, bad) in [
            (
                307,
                Method::Post,
                Some("https://evil/mcp"),
                other("https://evil/mcp"),
            ),
            (307, Method::Post, Some("//evil"), other("https://evil")),
            (
                301,
                Method::Post,
                Some("http://a/mcp"),
                other("http://a/mcp"),
            ),
            (
                307,
                Method::Get,
                Some("https://a:444/"),
                other("https://a:444"),
            ),
            (301, Method::Post, Some("/x"), changes(301)),
            (302, Method::Delete, Some("/x"), changes(302)),
            (303, Method::Post, Some("/x"), changes(303)),
            (307, Method::Post, None, BadRedirect::NoLocation),
            (
                307,
                Method::Post,
                Some("file:///x"),
                BadRedirect::BadLocation(BadUrl::Scheme),
            ),
            (
                307,
                Method::Post,
                Some("//u@a/"),
                BadRedirect::BadLocation(BadUrl::UserInfo),
            ),
        ] {
            assert!(!bad.to_string().is_empty());
            assert_eq!(
                ask(status, &method, location),
                Err(bad),
                "{status} {location:?}"
            );
        }
    }

    #[test]
    fn redirects_max_ends_a_loop() {
        let head = ResponseHead::of(307, false, &[("location", "/mcp")]);
        let url = Url::parse("http://a/mcp").unwrap();
        let again = |followed| target(&head, &Method::Post, &url, followed);
        assert_eq!(again(REDIRECTS_MAX - 1), Ok(Some(url.clone())));
        assert_eq!(
            again(REDIRECTS_MAX),
            Err(BadRedirect::TooMany(Box::new(url.clone())))
        );
    }
    #[test]
    fn a_person_is_told_where_it_leads_but_no_query_and_no_key() {
        for (text, shown) in [
            ("https://b/v2/mcp?key=s3cret", "https://b/v2/mcp"),
            ("http://b:81", "http://b:81/"),
            ("https://b/0123456789abcdef/mcp/", "https://b/../mcp/"),
            (
                "https://b/1/2/3/4/5/6/7/8/9",
                "https://b/1/2/3/4/5/6/7/8/..",
            ),
        ] {
            let bad = BadRedirect::OtherOrigin(Box::new(Url::parse(text).unwrap()));
            assert_eq!(
                bad.to_string(),
                format!(
                    "the server redirects to {shown}; if that is right, put the new URL into the \
                     entry"
                )
            );
        }
    }
}
