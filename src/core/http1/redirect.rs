//! Whether a redirect is followed (RFC 9110 section 15.4): within its origin only, since the
//! request holds secrets, and never with another method than was asked.

use std::fmt;

use crate::base::origin::Origin;
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
    ChangesMethod(u16),
    /// No target.
    NoLocation,
    /// It leads to another origin.
    OtherOrigin(Origin),
    /// One more than is followed.
    TooMany,
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
            Self::ChangesMethod(status) => write!(
                f,
                "the server redirects with status {status}, which would change the request"
            ),
            Self::NoLocation => f.write_str("the server redirects and does not say where to"),
            Self::OtherOrigin(origin) => write!(
                f,
                "the server redirects to {origin}; if that is right, configure that URL"
            ),
            Self::TooMany => f.write_str("the server redirects again and again"),
        }
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
        return Err(BadRedirect::OtherOrigin(target.origin().clone()));
    }
    if !keeps_method {
        return Err(BadRedirect::ChangesMethod(head.status));
    }
    if followed >= REDIRECTS_MAX {
        return Err(BadRedirect::TooMany);
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
        let other = |text| BadRedirect::OtherOrigin(Url::parse(text).unwrap().origin().clone());
        for (status, method, location, bad) in [
            (
                307,
                Method::Post,
                Some("https://evil/mcp"),
                other("https://evil"),
            ),
            (307, Method::Post, Some("//evil"), other("https://evil")),
            (301, Method::Post, Some("http://a/mcp"), other("http://a")),
            (
                307,
                Method::Get,
                Some("https://a:444/"),
                other("https://a:444"),
            ),
            (
                301,
                Method::Post,
                Some("/x"),
                BadRedirect::ChangesMethod(301),
            ),
            (
                302,
                Method::Delete,
                Some("/x"),
                BadRedirect::ChangesMethod(302),
            ),
            (
                303,
                Method::Post,
                Some("/x"),
                BadRedirect::ChangesMethod(303),
            ),
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
        assert_eq!(again(REDIRECTS_MAX), Err(BadRedirect::TooMany));
    }
}
