//! Who may ask, by `Host` and `Origin` (contract 5). A page of a stranger's site, open in a browser
//! on this machine, can send us requests; its name in `Origin` or (after DNS rebinding) in `Host`
//! gives it away.

use crate::http1::authority::Authority;
use crate::http1::server::Headers;
use crate::http1::syntax::is_token;
use crate::settings::Settings;

/// The origin of a page that may read our answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(Box<str>);

/// Why a request is refused with 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The host is none of ours.
    Host(String),
    /// The origin is none that we trust.
    Origin(String),
}

impl Refusal {
    /// What is wrong.
    #[must_use]
    pub fn error(&self) -> String {
        match self {
            Self::Host(host) => format!("host {host} is not allowed"),
            Self::Origin(origin) => format!("origin {origin} is not allowed"),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Host(host) => {
                format!("if this name is meant to reach 1mcp, start it with --allowed-hosts {host}")
            }
            Self::Origin(origin) => format!(
                "if pages of this origin may use 1mcp, start it with --allowed-origins {origin}"
            ),
        }
    }
}

/// What answers of open paths carry: every page may read them.
pub const ANY_ORIGIN: (&str, &str) = ("Access-Control-Allow-Origin", "*");

/// Whether pages of all origins may read this path (protocol X1): metadata, which are no secret and
/// change nothing.
#[must_use]
pub fn is_open(path: &str) -> bool {
    path.starts_with("/.well-known/")
}

/// Whether this is a page of ours, which no other page reads.
fn is_page(path: &str) -> bool {
    path == "/authorize" || path == "/oauth" || path.starts_with("/oauth/")
}

/// Checks both fields. Tells the origin if the request comes from a page that may read the answer.
///
/// # Errors
/// The refused host or origin; the request gets 403.
pub fn check(
    settings: &Settings,
    path: &str,
    headers: &Headers,
) -> Result<Option<CorsOrigin>, Refusal> {
    let host = match headers.get("host") {
        // Only HTTP/1.0 may leave it out (health checks of load balancers); no browser does.
        None => None,
        Some(text) => match Authority::parse(text) {
            Some(host) if allows_host(settings, &host) => Some(host),
            _ => return Err(Refusal::Host(shown(text))),
        },
    };
    match headers.get("origin") {
        _ if is_open(path) => Ok(None),
        None => Ok(None),
        Some(origin) if allows_origin(settings, origin, host) => {
            Ok((!is_page(path)).then(|| CorsOrigin(origin.into())))
        }
        Some(origin) => Err(Refusal::Origin(shown(origin))),
    }
}

fn allows_host(settings: &Settings, host: &Authority<'_>) -> bool {
    // An address cannot be rebound: a page reached by it has that very address as its origin.
    if host.is_loopback() || host.is_address() {
        return true;
    }
    let bound_to_all = matches!(settings.host.as_str(), "0.0.0.0" | "::" | "[::]");
    if bound_to_all && settings.auth {
        // A token protects against rebinding: a page has none.
        return true;
    }
    let machine = settings.machine_name.as_deref().filter(|_| bound_to_all);
    let external = settings.external_url.as_deref().and_then(Origin::parse);
    let names = settings.allowed_hosts.iter().map(String::as_str);
    external.is_some_and(|external| external.authority.same_host(host))
        || names
            .chain([settings.host.as_str()])
            .chain(machine)
            .filter_map(Authority::parse)
            .any(|name| name.same_host(host))
}

fn allows_origin(settings: &Settings, text: &str, host: Option<Authority<'_>>) -> bool {
    let Some(origin) = Origin::parse(text) else {
        // Origins of other schemes (vscode-webview://..) only as they are written in the flag;
        // `null` is what any sandboxed page sends and is never trusted.
        return text != "null"
            && settings
                .allowed_origins
                .iter()
                .any(|allowed| allowed == text);
    };
    let external = settings.external_url.as_deref();
    let listed = settings
        .allowed_origins
        .iter()
        .map(String::as_str)
        .chain(external);
    (origin.authority.is_loopback() && host.is_some_and(|host| host.is_loopback()))
        || listed
            .filter_map(Origin::parse)
            .any(|allowed| allowed == origin)
}

/// An http or https origin.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    secure: bool,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    /// Reads `scheme://host[:port]`; a slash at the end, as people write URLs, is left out.
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        Some(Self {
            secure,
            authority: Authority::parse(rest.strip_suffix('/').unwrap_or(rest))?,
        })
    }

    fn port(&self) -> u16 {
        self.authority
            .port
            .unwrap_or(if self.secure { 443 } else { 80 })
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.port() == other.port()
            && self.authority.same_host(&other.authority)
    }
}

/// What a peer sent, short and without control characters, for an error and a log line.
fn shown(text: &str) -> String {
    let plain = |c: &char| !c.is_control();
    text.chars().filter(plain).take(SHOWN_CHARS_MAX).collect()
}

/// Length of a refused name in an error; the rest says nothing more.
const SHOWN_CHARS_MAX: usize = 200;

/// Request fields that pages may send to MCP paths (protocol X15); `Mcp-Param-*` is added as asked.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Accept, Mcp-Session-Id, \
     MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID";

/// How long a browser may remember a preflight.
const PREFLIGHT_SECONDS: &str = "600";

impl CorsOrigin {
    /// As it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Fields that let the page read an answer.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [
            ("Access-Control-Allow-Origin", &self.0),
            ("Vary", "Origin"),
            (
                "Access-Control-Expose-Headers",
                "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate",
            ),
        ]
    }

    /// Fields of the answer to a preflight, besides those of [`CorsOrigin::headers`].
    #[must_use]
    pub fn preflight(request: &Headers) -> [(&'static str, String); 3] {
        let mut allowed = ALLOWED_HEADERS.to_owned();
        for name in request.list("access-control-request-headers") {
            let param = name
                .get(..PARAM_PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(PARAM_PREFIX));
            if param && is_token(name.as_bytes()) {
                allowed.push_str(", ");
                allowed.push_str(name);
            }
        }
        [
            (
                "Access-Control-Allow-Methods",
                "GET, POST, DELETE, OPTIONS".to_owned(),
            ),
            ("Access-Control-Allow-Headers", allowed),
            ("Access-Control-Max-Age", PREFLIGHT_SECONDS.to_owned()),
        ]
    }
}

/// Fields that carry single parameters of a call (2026-07-28).
const PARAM_PREFIX: &str = "mcp-param-";

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            external_url: Some("https://mcp.example.com/".to_owned()),
            allowed_hosts: vec!["box.lan".to_owned(), "Proxy:8080".to_owned()],
            allowed_origins: vec![
                "https://app.example.org".to_owned(),
                "vscode-webview://abc".to_owned(),
            ],
            machine_name: Some("mybox".to_owned()),
            ..Settings::default()
        }
    }

    fn host(settings: &Settings, host: &str) -> Result<(), Refusal> {
        check(settings, "/mcp", &Headers::of(&[("Host", host)])).map(drop)
    }

    #[test]
    fn contract_5_hosts() {
        for good in [
            "localhost",
            "LOCALHOST:3050",
            "localhost.:3050",
            "127.0.0.1:3050",
            "127.0.0.2",
            "[::1]:3050",
            "[::ffff:127.0.0.1]",
            "192.168.1.7:3050",
            "[fe80::1]:3050",
            "mcp.example.com",
            "MCP.Example.com.:8443",
            "box.lan",
            "box.lan:1",
            "proxy",
        ] {
            assert_eq!(host(&settings(), good), Ok(()), "{good}");
        }
        for bad in [
            "evil.com",
            "evil.com:3050",
            "localhost.evil.com",
            "evil.localhost",
            "127.0.0.1.evil.com",
            "127.0.0.1.nip.io",
            "127.1",
            "2130706433",
            "0x7f.1",
            "mcp.example.com.evil.com",
            "xmcp.example.com",
            "example.com",
            "mybox",
            "[::1].evil.com",
            "localhost@evil.com",
            "localhost, evil.com",
            "localhost:3050:80",
            "localhost evil.com",
            "",
        ] {
            assert_eq!(
                host(&settings(), bad),
                Err(Refusal::Host(bad.to_owned())),
                "{bad}"
            );
        }
    }

    #[test]
    fn contract_5_with_auth_on_a_wildcard_any_host_but_no_other_origin() {
        let with = |host: &str, auth: bool| Settings {
            host: host.to_owned(),
            auth,
            ..Settings::default()
        };
        for (bound, auth, good) in [
            ("0.0.0.0", true, true),
            ("::", true, true),
            ("0.0.0.0", false, false),
            ("127.0.0.1", true, false),
        ] {
            let host = Headers::of(&[("Host", "any.example:3050")]);
            let checked = check(&with(bound, auth), "/mcp", &host);
            assert_eq!(checked.is_ok(), good, "{bound} {auth}");
        }
        let host = Headers::of(&[("Host", "any.example"), ("Origin", "http://any.example")]);
        assert!(check(&with("0.0.0.0", true), "/mcp", &host).is_err());
        let host = Headers::of(&[("Host", "a b")]);
        assert!(check(&with("0.0.0.0", true), "/mcp", &host).is_err());
    }

    #[test]
    fn contract_5_the_bound_host_and_on_a_wildcard_the_machine_name() {
        let bound = |to: &str, asked| {
            let settings = Settings {
                host: to.to_owned(),
                ..settings()
            };
            host(&settings, asked).is_ok()
        };
        assert!(bound("gate.lan", "gate.lan:3050"));
        assert!(!bound("127.0.0.1", "gate.lan"));
        for wildcard in ["0.0.0.0", "::", "[::]"] {
            assert!(bound(wildcard, "mybox:3050"), "{wildcard}");
            assert!(!bound(wildcard, "evil.com"), "{wildcard}");
        }
        assert!(!bound("192.168.1.7", "mybox"));
    }

    #[test]
    fn contract_5_origins() {
        let asked = |host: &str, origin: &str| {
            let headers = Headers::of(&[("Host", host), ("Origin", origin)]);
            check(&settings(), "/mcp", &headers)
        };
        for (host, origin) in [
            ("localhost:3050", "http://localhost:6274"),
            ("127.0.0.1:3050", "http://localhost"),
            ("localhost", "https://[::1]:5173"),
            ("[::1]:3050", "http://127.0.0.1:8080"),
            ("mcp.example.com", "https://mcp.example.com"),
            ("mcp.example.com", "https://MCP.example.com:443"),
            ("localhost", "https://app.example.org"),
            ("mcp.example.com", "https://app.example.org"),
            ("localhost", "vscode-webview://abc"),
        ] {
            let allowed = asked(host, origin).unwrap().unwrap();
            assert_eq!(allowed.as_str(), origin);
        }
        for (host, origin) in [
            ("localhost", "null"),
            ("localhost", ""),
            ("localhost", "http://evil.com"),
            ("localhost", "http://localhost.evil.com"),
            ("localhost", "http://evil.localhost"),
            ("localhost", "http://localhost@evil.com"),
            ("localhost", "http://evil.com#localhost"),
            ("localhost", "http://localhost/path"),
            ("localhost", "localhost"),
            ("localhost", "file://localhost"),
            ("localhost", "http://127.0.0.1.nip.io"),
            ("mcp.example.com", "http://localhost:3000"),
            ("192.168.1.7", "http://localhost"),
            ("192.168.1.7", "http://192.168.1.7"),
            ("mcp.example.com", "http://mcp.example.com"),
            ("mcp.example.com", "https://mcp.example.com:8443"),
            ("localhost", "http://app.example.org"),
            ("localhost", "https://app.example.org.evil.com"),
            ("localhost", "https://xapp.example.org"),
            ("localhost", "vscode-webview://abcd"),
            ("localhost", "http://localhost http://evil.com"),
        ] {
            assert_eq!(
                asked(host, origin),
                Err(Refusal::Origin(origin.to_owned())),
                "{origin}"
            );
        }
        assert_eq!(
            asked("evil.com", "null"),
            Err(Refusal::Host("evil.com".to_owned()))
        );
    }

    #[test]
    fn contract_5_null_is_refused_even_if_a_flag_names_it() {
        let settings = Settings {
            allowed_origins: vec!["null".to_owned()],
            ..Settings::default()
        };
        let headers = Headers::of(&[("Host", "localhost"), ("Origin", "null")]);
        assert!(check(&settings, "/mcp", &headers).is_err());
    }

    #[test]
    fn contract_5_no_host_only_passes_without_origin() {
        assert_eq!(check(&settings(), "/mcp", &Headers::of(&[])), Ok(None));
        let page = Headers::of(&[("Origin", "http://localhost")]);
        assert!(check(&settings(), "/mcp", &page).is_err());
        let page = Headers::of(&[("Origin", "https://app.example.org")]);
        assert!(check(&settings(), "/mcp", &page).is_ok());
    }

    #[test]
    fn x1_metadata_are_for_all_pages_and_our_pages_for_none() {
        let from = |origin| Headers::of(&[("Host", "localhost"), ("Origin", origin)]);
        let says = |path, origin| check(&settings(), path, &from(origin));
        let metadata = "/.well-known/oauth-authorization-server";
        for origin in ["http://evil.com", "null", "http://localhost:1"] {
            assert_eq!(says(metadata, origin), Ok(None), "{origin}");
        }
        assert_eq!(says("/authorize", "http://localhost:1"), Ok(None));
        assert_eq!(says("/oauth/login", "http://localhost:1"), Ok(None));
        for path in ["/token", "/register", "/revoke"] {
            assert!(says(path, "http://localhost:1").unwrap().is_some());
            assert!(says(path, "http://evil.com").is_err());
        }
        assert!(says("/authorize", "http://evil.com").is_err());
        assert!(says("/authorize", "null").is_err());
        let evil = Headers::of(&[("Host", "evil.com")]);
        assert!(check(&settings(), metadata, &evil).is_err());
    }

    #[test]
    fn contract_5_refusals_name_the_refused_and_the_flag() {
        let refused = host(&settings(), "evil.com").unwrap_err();
        assert_eq!(refused.error(), "host evil.com is not allowed");
        assert!(refused.hint().contains("--allowed-hosts evil.com"));
        let refused = Refusal::Origin("http://evil.com".to_owned());
        assert_eq!(refused.error(), "origin http://evil.com is not allowed");
        assert!(refused.hint().contains("--allowed-origins http://evil.com"));
        let Err(Refusal::Host(shown)) = host(&settings(), &"\u{1b}".repeat(9)) else {
            panic!();
        };
        assert_eq!(shown, "");
        let Err(Refusal::Host(shown)) = host(&settings(), &"a".repeat(9000)) else {
            panic!();
        };
        assert_eq!(shown.len(), SHOWN_CHARS_MAX);
    }

    #[test]
    fn x15_cors_names_the_exact_origin_and_echoes_params() {
        let headers = Headers::of(&[
            ("Host", "localhost"),
            ("Origin", "http://localhost:1"),
            (
                "Access-Control-Request-Headers",
                "content-type, Mcp-Param-City, mcp-param-a b, x-evil, MCP-PARAM-\u{e9}, Mcp-Param-",
            ),
        ]);
        let origin = check(&settings(), "/mcp", &headers).unwrap().unwrap();
        assert_eq!(
            origin.headers()[..2],
            [
                ("Access-Control-Allow-Origin", "http://localhost:1"),
                ("Vary", "Origin")
            ]
        );
        let [_, (name, allowed), _] = CorsOrigin::preflight(&headers);
        assert_eq!(name, "Access-Control-Allow-Headers");
        assert_eq!(
            allowed,
            format!("{ALLOWED_HEADERS}, Mcp-Param-City, Mcp-Param-")
        );
        assert!(!allowed.contains('\n') && !allowed.contains("  "));
    }
}
