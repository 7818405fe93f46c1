//! Where a browser goes after the login. What a stranger put into the link to the login page must
//! not lead away from us (open redirect).

use crate::limits::NEXT_BYTES_MAX;

/// Where it goes if nothing else was asked for.
pub(super) const DASHBOARD: &str = "/oauth";

/// The wanted path with its query, if it is one of our pages; else the dashboard.
pub(super) fn safe(wanted: Option<&str>) -> &str {
    wanted.filter(|wanted| is_ours(wanted)).unwrap_or(DASHBOARD)
}

fn is_ours(wanted: &str) -> bool {
    // What browsers read as the beginning of another host (`//`, `/\`), or leave out (tabs, line
    // ends), is in no path of ours.
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let path = wanted.split(['?', '#']).next().unwrap_or_default();
    let known = matches!(path, "/" | "/oauth" | "/authorize")
        || path
            .strip_prefix("/oauth/connect/")
            .is_some_and(|name| !name.is_empty() && !name.contains('/') && !name.starts_with('.'));
    known && wanted.len() <= NEXT_BYTES_MAX && wanted.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_after_the_login_there_are_pages_of_ours_only() {
        for good in [
            "/",
            "/oauth",
            "/authorize?client_id=a&redirect_uri=https%3A%2F%2Fa.b%2F",
            "/oauth/connect/my%20server",
        ] {
            assert_eq!(safe(Some(good)), good);
        }
        let long = format!("/authorize?{}", "a".repeat(NEXT_BYTES_MAX));
        for bad in [
            "",
            "//evil.com",
            "///evil.com",
            "/\\evil.com",
            "\\\\evil.com",
            "/\t/evil.com",
            "https://evil.com",
            "https:/oauth",
            "javascript:alert(1)",
            "oauth",
            "/oauth\r\nSet-Cookie: a=b",
            "/oauth/../../evil",
            "/oauth/connect/../x",
            "/oauth/connect/..",
            "/oauth/connect/",
            "/oauth/logout",
            "/oauth/login",
            "/oauth/callback?code=1",
            "/mcp",
            "/authorize/x",
            "/authorize?\u{e4}",
            "/oauth@evil.com",
            &long,
        ] {
            assert_eq!(safe(Some(bad)), DASHBOARD, "{bad}");
        }
        assert_eq!(safe(None), DASHBOARD);
    }
}
