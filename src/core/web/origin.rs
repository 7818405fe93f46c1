//! Under which origin we are known outside: the one place that says so (protocol R5, R7, S1). It
//! is the issuer of our tokens and their audience, and the beginning of every URL of ours that we
//! hand out. Never what a stranger's `Host` says.

use crate::http1::authority::Authority;
use crate::http1::headers::Headers;
use crate::settings::Settings;

/// Our origin as our tokens have it (`iss`, `aud`), without a slash at the end: `--external-url`,
/// else the loopback address and our port, however we were asked.
#[must_use]
pub fn own(settings: &Settings) -> String {
    match &settings.external_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://127.0.0.1:{}", settings.port),
    }
}

/// Our origin as whoever sent this request knows us: metadata, redirects and `iss` have to repeat
/// what a client started from, or it refuses them. That is [`own`], but for a request to another
/// spelling of this machine (`http://localhost:3050`, or the near end of an ssh tunnel), if there
/// is no `--external-url`.
#[must_use]
pub fn asked(settings: &Settings, headers: &Headers) -> String {
    let host = headers
        .get("host")
        .filter(|_| settings.external_url.is_none());
    match host.and_then(Authority::parse) {
        Some(host) if host.is_loopback() => loopback(&host),
        _ => own(settings),
    }
}

/// Whether this is an origin of ours, as the sender of a request may write it: with or without a
/// slash at the end, and any spelling of loopback for our own port.
#[must_use]
pub fn is_own(settings: &Settings, headers: &Headers, origin: &str) -> bool {
    let origin = origin.strip_suffix('/').unwrap_or(origin);
    if origin == own(settings) || origin == asked(settings, headers) {
        return true;
    }
    let host = origin.strip_prefix("http://").and_then(Authority::parse);
    settings.external_url.is_none()
        && host.is_some_and(|host| host.is_loopback() && host.port == Some(settings.port))
}

fn loopback(host: &Authority<'_>) -> String {
    let name = host.host.to_ascii_lowercase();
    let (left, right) = if host.bracketed { ("[", "]") } else { ("", "") };
    match host.port {
        Some(port) if port != 80 => format!("http://{left}{name}{right}:{port}"),
        _ => format!("http://{left}{name}{right}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_of(settings: &Settings, host: &str) -> String {
        asked(settings, &Headers::of(&[("Host", host)]))
    }

    #[test]
    fn r7_the_external_url_is_the_origin_whatever_host_says() {
        let settings = Settings {
            external_url: Some("https://mcp.example.com/".to_owned()),
            ..Settings::default()
        };
        assert_eq!(own(&settings), "https://mcp.example.com");
        for host in ["evil.com", "localhost:3050", "mcp.example.com:8443", "x y"] {
            assert_eq!(asked_of(&settings, host), "https://mcp.example.com");
        }
        let none = Headers::of(&[]);
        for (origin, is) in [
            ("https://mcp.example.com", true),
            ("https://mcp.example.com/", true),
            ("https://mcp.example.com//", false),
            ("https://mcp.example.com.evil.com", false),
            ("http://mcp.example.com", false),
            ("http://localhost:3050", false),
        ] {
            assert_eq!(is_own(&settings, &none, origin), is, "{origin}");
        }
    }

    #[test]
    fn s1_on_loopback_the_origin_is_the_one_that_was_asked() {
        let settings = Settings::default();
        assert_eq!(own(&settings), "http://127.0.0.1:3050");
        for (host, origin) in [
            ("127.0.0.1:3050", "http://127.0.0.1:3050"),
            ("LocalHost:3050", "http://localhost:3050"),
            ("[::1]:3050", "http://[::1]:3050"),
            ("localhost:9999", "http://localhost:9999"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("evil.com", "http://127.0.0.1:3050"),
            ("192.168.1.7:3050", "http://127.0.0.1:3050"),
            ("localhost.evil.com:3050", "http://127.0.0.1:3050"),
            ("localhost:3050@evil.com", "http://127.0.0.1:3050"),
        ] {
            assert_eq!(asked_of(&settings, host), origin, "{host}");
        }
        let headers = Headers::of(&[("Host", "localhost:9999")]);
        for (origin, is) in [
            ("http://localhost:9999", true),
            ("http://localhost:3050/", true),
            ("http://[::1]:3050", true),
            ("http://127.0.0.1:3050", true),
            ("https://127.0.0.1:3050", false),
            ("http://127.0.0.1:3051", false),
            ("http://evil.com:3050", false),
        ] {
            assert_eq!(is_own(&settings, &headers, origin), is, "{origin}");
        }
    }
}
