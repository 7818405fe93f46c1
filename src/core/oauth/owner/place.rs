//! Where a request comes from: from this very machine, from a page of ours.

use crate::base::authority::Authority;
use crate::http1::server::Headers;
use crate::language::WebRequest;
use crate::settings::Settings;

/// Fields by which proxies and tunnels give themselves away. What is forwarded may come from
/// anywhere, even if it is this machine that forwards it.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// Whether somebody at this machine asks, as far as can be told: peer and Host are loopback, nothing
/// is forwarded, and nobody was told another way in. A proxy at this machine that says neither for
/// whom it asks nor by which name cannot be told from a browser here, unless it speaks HTTP/1.0 (as
/// older versions of nginx come), which no browser does: the README warns, and `--external-url`
/// ends it. With `--enable-auth` nobody is let in for where he sits: that could be anybody's
/// program.
pub(super) fn is_local(settings: &Settings, request: &WebRequest) -> bool {
    let headers = &request.head.headers;
    let host = headers.get("host").and_then(Authority::parse);
    let forwarded = FORWARDED.iter().any(|name| headers.get(name).is_some())
        || headers.family("x-forwarded-").next().is_some();
    settings.external_url.is_none()
        && !settings.auth
        && !request.head.http_1_0
        && request.peer.to_canonical().is_loopback()
        && request.client.to_canonical().is_loopback()
        && host.is_some_and(|host| host.is_loopback())
        && !forwarded
}

/// Whether no page of another origin made the browser send this. Programs say neither of both, and
/// have no cookie that could be abused.
pub(super) fn from_own_page(settings: &Settings, headers: &Headers) -> bool {
    let mut sites = headers.all("sec-fetch-site");
    // A page on another port of this host is `same-site`, and none of ours.
    sites.all(|site| matches!(site, "same-origin" | "none"))
        && headers
            .get("origin")
            .is_none_or(|origin| is_ours(settings, origin, headers.get("host")))
}

fn is_ours(settings: &Settings, origin: &str, host: Option<&str>) -> bool {
    let external = settings.external_url.as_deref();
    let external = external.map(|url| url.trim_end_matches('/'));
    let asked = || {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority
            .zip(host)
            .is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
    };
    external.is_some_and(|external| origin.eq_ignore_ascii_case(external)) || asked()
}

/// What tells our cookie from that of another gateway on this host: cookies know no ports.
pub(super) fn cookie_name(settings: &Settings, headers: &Headers) -> String {
    if is_secure(settings) {
        // The prefix makes browsers refuse one that was set for a whole domain or without TLS.
        return "__Host-1mcp".to_owned();
    }
    let host = headers.get("host").and_then(Authority::parse);
    let port = host.and_then(|host| host.port).unwrap_or(80);
    format!("1mcp-{port}")
}

/// The name of the cookie by which a browser is known that has logged in before.
pub(super) fn known_name(settings: &Settings, headers: &Headers) -> String {
    [&cookie_name(settings, headers), "-known"].concat()
}

/// Whether browsers reach us over TLS.
pub(super) fn is_secure(settings: &Settings) -> bool {
    let url = settings.external_url.as_deref().unwrap_or_default();
    let scheme = url.get(..8).unwrap_or_default();
    scheme.eq_ignore_ascii_case("https://")
}

/// The values of the cookies of this name.
pub(super) fn cookies<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.all("cookie").flat_map(|line| line.split(';'));
    pairs.filter_map(move |pair| {
        let (own, value) = pair.trim_ascii().split_once('=')?;
        (own == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::owner::testkit::request;

    fn settings(external: Option<&str>) -> Settings {
        Settings {
            external_url: external.map(str::to_owned),
            ..Settings::default()
        }
    }

    #[test]
    fn contract_5_local_is_loopback_on_both_sides_and_nothing_forwarded() {
        let local = |external: Option<&str>, peer: &str, fields: &str| {
            let mut request = request("GET", "/oauth", fields, "");
            request.peer = peer.parse().unwrap();
            request.client = request.peer;
            is_local(&settings(external), &request)
        };
        for host in [
            "localhost",
            "LOCALHOST:3050",
            "127.0.0.1:3050",
            "[::1]:3050",
        ] {
            let host = format!("Host: {host}\r\n");
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert!(local(None, peer, &host), "{host} {peer}");
            }
            assert!(!local(None, "192.168.1.7", &host), "{host}");
            assert!(!local(Some("https://a.b"), "127.0.0.1", &host), "{host}");
            assert!(!local(Some("http://127.0.0.1:3050"), "127.0.0.1", &host));
            for name in FORWARDED.iter().chain(&[
                "X-Forwarded-For",
                "x-forwarded-proto",
                "X-FORWARDED-HOST",
            ]) {
                let forwarded = format!("{host}{name}: 127.0.0.1\r\n");
                assert!(!local(None, "127.0.0.1", &forwarded), "{name}");
                let empty = format!("{host}{name}:\r\n");
                assert!(!local(None, "127.0.0.1", &empty), "{name}");
            }
        }
        for host in ["a.b", "192.168.1.7:3050", "localhost.a.b", "127.0.0.1.a.b"] {
            let host = format!("Host: {host}\r\n");
            assert!(!local(None, "127.0.0.1", &host), "{host}");
        }
        let mut proxied = request("GET", "/oauth", "Host: localhost\r\n", "");
        proxied.client = "10.0.0.1".parse().unwrap();
        assert!(!is_local(&settings(None), &proxied));
        let mut plain = request("GET", "/oauth", "Host: localhost\r\n", "");
        assert!(is_local(&settings(None), &plain));
        let locked = Settings {
            auth: true,
            ..Settings::default()
        };
        assert!(!is_local(&locked, &plain));
        plain.head.http_1_0 = true;
        assert!(!is_local(&settings(None), &plain));
    }

    #[test]
    fn x1_other_pages_are_known_by_fetch_site_and_origin() {
        let own = |external: Option<&str>, fields: &[(&str, &str)]| {
            let mut all = vec![("Host", "localhost:3050")];
            all.extend(fields);
            from_own_page(&settings(external), &Headers::of(&all))
        };
        let none = None;
        let site = Some("https://a.b/");
        for (external, fields, expected) in [
            (none, &[][..], true),
            (none, &[("Sec-Fetch-Site", "same-origin")], true),
            (none, &[("Sec-Fetch-Site", "none")], true),
            (none, &[("Sec-Fetch-Site", "same-site")], false),
            (none, &[("Sec-Fetch-Site", "cross-site")], false),
            (none, &[("Sec-Fetch-Site", "x")], false),
            (none, &[("Origin", "http://localhost:3050")], true),
            (none, &[("Origin", "http://LOCALHOST:3050")], true),
            (none, &[("Origin", "http://localhost:5173")], false),
            (none, &[("Origin", "http://127.0.0.1:3050")], false),
            (none, &[("Origin", "null")], false),
            (none, &[("Origin", "https://a.b")], false),
            (site, &[("Origin", "https://a.b")], true),
            (site, &[("Origin", "https://a.b.c")], false),
            (site, &[("Origin", "http://a.b")], false),
            (
                none,
                &[
                    ("Origin", "http://localhost:3050"),
                    ("Sec-Fetch-Site", "cross-site"),
                ],
                false,
            ),
        ] {
            assert_eq!(own(external, fields), expected, "{external:?} {fields:?}");
        }
    }

    #[test]
    fn cookies_are_ours_by_host_and_port() {
        let name =
            |external, host| cookie_name(&settings(external), &Headers::of(&[("Host", host)]));
        assert_eq!(name(None, "localhost:3050"), "1mcp-3050");
        assert_eq!(name(None, "localhost"), "1mcp-80");
        assert_eq!(name(Some("http://localhost:3050"), "[::1]:1"), "1mcp-1");
        assert_eq!(name(Some("HTTPS://a.b"), "localhost:3050"), "__Host-1mcp");
        let known = known_name(&settings(None), &Headers::of(&[("Host", "localhost:3050")]));
        assert_eq!(known, "1mcp-3050-known");
        assert!(!is_secure(&settings(Some("http://a.b"))) && !is_secure(&settings(None)));
        let headers = Headers::of(&[("Cookie", "a=1; b=2;a= 3"), ("cookie", "a=4=5;a")]);
        assert_eq!(
            cookies(&headers, "a").collect::<Vec<_>>(),
            ["1", " 3", "4=5"]
        );
    }
}
