//! Who we are outside: the origin of our own URLs, which is issuer and audience of every token
//! (protocol R5-R7, S1). Never taken from `Host`, which anybody may write; only how our loopback
//! origin is spelled follows the client, since it compares what it is told with what it was given;
//! and if we are bound beyond loopback, so does an address: it cannot be rebound, and no page can
//! make a browser send another one than that which it asks.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::authority::Authority;
use crate::base::origin::{Host, Origin, Scheme};
use crate::http1::headers::Headers;
use crate::settings::Settings;

/// How a client spells our origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Spelling {
    /// As we do.
    #[default]
    Ours,
    /// `localhost`, at this port: ours, or the near end of an ssh tunnel.
    Localhost(u16),
    /// An address, at this port.
    Address(IpAddr, u16),
}

impl Spelling {
    /// As this request has it.
    fn of(settings: &Settings, headers: &Headers) -> Self {
        let text = headers
            .get("host")
            .filter(|_| settings.external_url.is_none());
        let Some(asked) = text.and_then(Authority::parse) else {
            return Self::Ours;
        };
        let port = asked.port.unwrap_or(80);
        let host = Host::of(&asked);
        let good = |host: &Host| host.is_loopback() || settings.is_bound_beyond_loopback();
        match host.filter(good) {
            Some(name @ Host::Name(_)) if name.is_loopback() => Self::Localhost(port),
            Some(Host::V4(address)) => Self::Address(address.into(), port),
            Some(Host::V6(address)) => Self::Address(address.into(), port),
            Some(Host::Name(_)) | None => Self::Ours,
        }
    }
}

/// Our origin in this spelling, without a slash at its end.
fn spelled(settings: &Settings, spelling: Spelling) -> String {
    if let Some(url) = &settings.external_url {
        return url.trim_end_matches('/').to_owned();
    }
    let bound = settings.host.trim_matches(['[', ']']).parse::<IpAddr>();
    let (address, port) = match (spelling, bound) {
        (Spelling::Localhost(port), _) => (None, port),
        (Spelling::Address(address, port), _) => (Some(address), port),
        (Spelling::Ours, Ok(bound)) if bound.is_loopback() => (Some(bound), settings.port),
        (Spelling::Ours, _) => (Some(Ipv4Addr::LOCALHOST.into()), settings.port),
    };
    let host = match address {
        None => Host::Name("localhost".into()),
        Some(IpAddr::V4(address)) => Host::V4(address),
        Some(IpAddr::V6(address)) => Host::V6(address),
    };
    let scheme = Scheme::Http;
    Origin { scheme, host, port }.to_string()
}

/// Our origin as our tokens have it (`iss`, `aud`): `--external-url`, else the loopback address and
/// our port, however we were asked.
#[must_use]
pub fn own(settings: &Settings) -> String {
    spelled(settings, Spelling::Ours)
}

/// Our origin as whoever sent this request knows us: metadata, redirects and `iss` have to repeat
/// what a client started from, or it refuses them.
#[must_use]
pub fn asked(settings: &Settings, headers: &Headers) -> String {
    spelled(settings, Spelling::of(settings, headers))
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
            ("LOCALHOST.:3050", "http://localhost:3050"),
            ("[::1]:3050", "http://[::1]:3050"),
            ("localhost:9999", "http://localhost:9999"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("evil.com", "http://127.0.0.1:3050"),
            ("192.168.1.7:3050", "http://127.0.0.1:3050"),
            ("localhost.evil.com:3050", "http://127.0.0.1:3050"),
            ("localhost:3050@evil.com", "http://127.0.0.1:3050"),
            ("", "http://127.0.0.1:3050"),
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

    #[test]
    fn s1_beyond_loopback_an_address_is_repeated_and_a_name_is_not() {
        let settings = Settings {
            host: "0.0.0.0".to_owned(),
            ..Settings::default()
        };
        for (host, origin) in [
            ("192.168.1.5:3050", "http://192.168.1.5:3050"),
            ("192.168.1.5:8080", "http://192.168.1.5:8080"),
            ("[fd00::5]:3050", "http://[fd00::5]:3050"),
            ("localhost:3050", "http://localhost:3050"),
            ("evil.com:3050", "http://127.0.0.1:3050"),
            ("192.168.1.5.evil.com", "http://127.0.0.1:3050"),
        ] {
            assert_eq!(asked_of(&settings, host), origin, "{host}");
        }
        assert_eq!(own(&settings), "http://127.0.0.1:3050");
    }

    #[test]
    fn s1_a_loopback_address_that_we_are_bound_to_is_our_own_spelling() {
        for (host, origin) in [
            ("::1", "http://[::1]"),
            ("127.0.0.2", "http://127.0.0.2"),
            ("0.0.0.0", "http://127.0.0.1"),
            ("localhost", "http://127.0.0.1"),
        ] {
            let settings = Settings {
                host: host.to_owned(),
                port: 80,
                ..Settings::default()
            };
            assert_eq!(own(&settings), origin);
        }
    }
}
