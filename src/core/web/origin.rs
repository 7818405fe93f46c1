//! Who we are: the origin of our own URLs, which is issuer and audience of every token (protocol
//! R5-R7, S1). Never taken from `Host`, which anybody may write; only how our loopback origin is
//! spelled follows the client, since it compares what it is told with what it was given.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::authority::Authority;
use crate::base::origin::{Host, Origin, Scheme};
use crate::http1::server::Headers;
use crate::settings::Settings;

/// How a client spells our origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// As we do.
    #[default]
    Ours,
    /// `localhost`.
    Localhost,
    /// A loopback address.
    Address(IpAddr),
}

impl Spelling {
    /// As this request has it.
    #[must_use]
    pub fn of(settings: &Settings, headers: &Headers) -> Self {
        if settings.external_url.is_some() {
            return Self::Ours;
        }
        let host = headers.get("host").and_then(Authority::parse);
        match host.as_ref().and_then(Host::of) {
            Some(host) if !host.is_loopback() => Self::Ours,
            Some(Host::Name(_)) => Self::Localhost,
            Some(Host::V4(address)) => Self::Address(address.into()),
            Some(Host::V6(address)) => Self::Address(address.into()),
            None => Self::Ours,
        }
    }
}

/// Our origin in this spelling, without a slash at its end.
#[must_use]
pub fn spelled(settings: &Settings, spelling: Spelling) -> String {
    if let Some(url) = &settings.external_url {
        return url.trim_end_matches('/').to_owned();
    }
    let bound = settings.host.trim_matches(['[', ']']).parse::<IpAddr>();
    let address = match (spelling, bound) {
        (Spelling::Localhost, _) => None,
        (Spelling::Address(address), _) => Some(address),
        (Spelling::Ours, Ok(bound)) if bound.is_loopback() => Some(bound),
        (Spelling::Ours, _) => Some(Ipv4Addr::LOCALHOST.into()),
    };
    let host = match address {
        None => Host::Name("localhost".into()),
        Some(IpAddr::V4(address)) => Host::V4(address),
        Some(IpAddr::V6(address)) => Host::V6(address),
    };
    let scheme = Scheme::Http;
    let port = settings.port;
    Origin { scheme, host, port }.to_string()
}

/// Our origin for whoever sent this request; `None`: for nobody in particular, as in a token.
#[must_use]
pub fn origin(settings: &Settings, headers: Option<&Headers>) -> String {
    let spelling = headers.map(|headers| Spelling::of(settings, headers));
    spelled(settings, spelling.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(settings: &Settings, host: &str) -> String {
        origin(settings, Some(&Headers::of(&[("Host", host)])))
    }

    #[test]
    fn r7_an_external_url_is_our_origin_whatever_host_says() {
        let settings = Settings {
            external_url: Some("https://mcp.example.com/".to_owned()),
            ..Settings::default()
        };
        for host in [
            "mcp.example.com",
            "evil.example",
            "localhost:3050",
            "1.2.3.4",
        ] {
            assert_eq!(asked(&settings, host), "https://mcp.example.com");
        }
        assert_eq!(origin(&settings, None), "https://mcp.example.com");
    }

    #[test]
    fn r7_only_the_spelling_of_our_loopback_origin_follows_the_client() {
        let settings = Settings::default();
        for (host, origin) in [
            ("localhost:3050", "http://localhost:3050"),
            ("LOCALHOST.:3050", "http://localhost:3050"),
            ("127.0.0.1:3050", "http://127.0.0.1:3050"),
            ("[::1]:3050", "http://[::1]:3050"),
            // Neither a foreign name nor a foreign port is ever repeated.
            ("localhost:9", "http://localhost:3050"),
            ("evil.example", "http://127.0.0.1:3050"),
            ("10.0.0.1:3050", "http://127.0.0.1:3050"),
            ("localhost@evil.example", "http://127.0.0.1:3050"),
            ("", "http://127.0.0.1:3050"),
        ] {
            assert_eq!(asked(&settings, host), origin, "{host}");
        }
        let bound = |host: &str| {
            let host = host.to_owned();
            let settings = Settings {
                host,
                port: 80,
                ..Settings::default()
            };
            origin(&settings, None)
        };
        assert_eq!(bound("::1"), "http://[::1]");
        assert_eq!(bound("127.0.0.2"), "http://127.0.0.2");
        assert_eq!(bound("0.0.0.0"), "http://127.0.0.1");
        assert_eq!(bound("localhost"), "http://127.0.0.1");
    }
}
