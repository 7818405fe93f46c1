//! Where a URL leads: scheme, host and port, and nothing of what is asked there (RFC 9110 section
//! 4.3.1). Two URLs with equal origins may share connections and secrets; others never do.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::authority::Authority;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme of this name, in any letter case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let known = [Self::Http, Self::Https];
        known
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// As URLs begin.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port if none is written.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host that can be looked up or connected to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A name in lower case.
    Name(Box<str>),
    /// An address.
    V4(Ipv4Addr),
    /// An address; in brackets when it is written.
    V6(Ipv6Addr),
}

/// What DNS can hold (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl Host {
    /// The host of an authority; `None` if it is neither an address nor a name that DNS can hold.
    /// What ends in a number and is no address (`127.1`, `0x7f000001`, `010.0.0.1`) is refused:
    /// some resolvers take it for one, and others for a name.
    #[must_use]
    pub fn of(authority: &Authority<'_>) -> Option<Self> {
        if authority.bracketed {
            return authority.host.parse().ok().map(Self::V6);
        }
        if let Ok(address) = authority.host.parse() {
            return Some(Self::V4(address));
        }
        let name = authority.name();
        let fits = |label: &str| !label.is_empty() && label.len() <= LABEL_BYTES_MAX;
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(fits) && !is_number(last);
        is_name.then(|| Self::Name(authority.host.to_ascii_lowercase().into()))
    }

    /// Whether the host is this very machine: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => matches!(&**name, "localhost" | "localhost."),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => {
                address.is_loopback()
                    || address
                        .to_ipv4_mapped()
                        .is_some_and(|mapped| mapped.is_loopback())
            }
        }
    }
}

/// Decimal, octal or hexadecimal, as the old address parsers read it.
fn is_number(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Scheme, host and port; the port is always there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port, from 1.
    pub port: u16,
}

impl Origin {
    /// `host` or `host:port`, as the `Host` field has it: without the port that is meant anyway.
    #[must_use]
    pub fn authority(&self) -> String {
        let mut text = self.host.to_string();
        if self.port != self.scheme.port() {
            text.push(':');
            text.push_str(&self.port.to_string());
        }
        text
    }

    /// `host:port` with the port always, as `CONNECT` wants it.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        let mut text = self.host.to_string();
        text.push(':');
        text.push_str(&self.port.to_string());
        text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.name())?;
        f.write_str("://")?;
        f.write_str(&self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<Host> {
        Host::of(&Authority::parse(text)?)
    }

    #[test]
    fn rfc3986_3_2_2_hosts_are_names_or_addresses() {
        for (text, shown) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com."),
            ("my_host", "my_host"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[0:0::1]", "[::1]"),
            ("[::FFFF:1.2.3.4]", "[::ffff:1.2.3.4]"),
            ("1.2.3.4.nip.io", "1.2.3.4.nip.io"),
            ("1a", "1a"),
            ("a.0y", "a.0y"),
        ] {
            assert_eq!(host(text).unwrap().to_string(), shown, "{text}");
        }
        let label = |length| "a".repeat(length);
        assert!(host(&label(63)).is_some());
        for bad in [
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0X7f.1",
            "1.2.3.0x",
            "010.0.0.1",
            "256.0.0.1",
            "1.2.3.4.5",
            "a.1",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
            &label(64),
            &format!("{0}.{0}.{0}.{0}", label(63)),
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for text in [
            "LocalHost",
            "localhost.",
            "127.9.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(host(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "localhost.evil.com",
            "128.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::]",
        ] {
            assert!(!host(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn rfc9110_4_2_3_the_usual_port_is_not_written() {
        let origin = |scheme, port| Origin {
            scheme,
            host: host("a.b").unwrap(),
            port,
        };
        let usual = origin(Scheme::Https, 443);
        assert_eq!(
            (usual.authority(), usual.host_and_port()),
            ("a.b".into(), "a.b:443".into())
        );
        assert_eq!(usual.to_string(), "https://a.b");
        assert_eq!(origin(Scheme::Http, 443).to_string(), "http://a.b:443");
        assert_ne!(origin(Scheme::Http, 443), usual);
        assert_eq!(Scheme::of("HTTPS"), Some(Scheme::Https));
        assert_eq!(Scheme::of("httpss"), None);
    }
}
