//! `Host` values and the authority of absolute targets: `host[:port]` (RFC 3986 section 3.2,
//! without user information, which RFC 9110 section 4.2.4 asks to treat as an attack).

use std::net::{Ipv4Addr, Ipv6Addr};

/// An authority, taken apart but not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Name or address as written; an IPv6 address without its brackets.
    pub host: &'a str,
    /// Whether the host stood in brackets.
    pub bracketed: bool,
    /// The port, if one was written.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `name`, `name:port`, `1.2.3.4:port`, `[v6]:port`. `None` for anything else: empty
    /// hosts, blanks, user information, percent escapes, zone ids.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (host, bracketed, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (host, rest) = inner.split_once(']')?;
            let _: Ipv6Addr = host.parse().ok()?;
            (host, true, rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            if host.is_empty() || !host.bytes().all(is_name_byte) {
                return None;
            }
            (host, false, rest)
        };
        Some(Self {
            host,
            bracketed,
            port: port(rest)?,
        })
    }

    /// The host without its trailing dot, for comparing names (ASCII case is left as it is).
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.host.strip_suffix('.').unwrap_or(self.host)
    }

    /// Whether the host is an address and not a name.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.bracketed || self.name().parse::<Ipv4Addr>().is_ok()
    }

    /// Whether the host is this very machine: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        if self.bracketed {
            return self.host.parse::<Ipv6Addr>().is_ok_and(|address| {
                address.is_loopback()
                    || address
                        .to_ipv4_mapped()
                        .is_some_and(|mapped| mapped.is_loopback())
            });
        }
        let name = self.name();
        name.eq_ignore_ascii_case("localhost")
            || name
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Whether both name the same host; ports, letter case and a trailing dot do not matter.
    #[must_use]
    pub fn same_host(&self, other: &Authority<'_>) -> bool {
        self.bracketed == other.bracketed
            && if self.bracketed {
                self.host.parse::<Ipv6Addr>() == other.host.parse::<Ipv6Addr>()
            } else {
                self.name().eq_ignore_ascii_case(other.name())
            }
    }
}

/// `""` or `:port`; an empty port counts as none (RFC 3986 section 3.2.3).
fn port(rest: &str) -> Option<Option<u16>> {
    if rest.is_empty() {
        return Some(None);
    }
    let digits = rest.strip_prefix(':')?;
    if digits.is_empty() {
        return Some(None);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Some)
}

/// Letters, digits and what host names in the wild contain. Everything else that RFC 3986 allows
/// in a registered name (`!$&'()*+,;=`, escapes) is refused: no name that resolves contains it.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_3_2_authorities() {
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("a.b:80", "a.b", Some(80)),
            ("a.b:", "a.b", None),
            ("1.2.3.4:65535", "1.2.3.4", Some(65535)),
            ("[::1]:3050", "::1", Some(3050)),
            ("[::1]", "::1", None),
            ("my_host.", "my_host.", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host, authority.port), (host, port), "{text}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a@b",
            "a/b",
            "a?b",
            "a,b",
            "a:b",
            "a:+1",
            "a:65536",
            "::1",
            "[::1",
            "[::1]x",
            "[::1%eth0]",
            "[a.b]",
            "a%41",
            "é",
            "a:80:80",
            "[]",
            "a;b",
            "a\\b",
        ] {
            assert_eq!(Authority::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_and_addresses() {
        for text in [
            "localhost",
            "LOCALHOST.:1",
            "127.0.0.1",
            "127.8.9.1:5",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(Authority::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "localhost.evil.com",
            "evil.localhost",
            "127.0.0.1.evil.com",
            "128.0.0.1",
            "0.0.0.0",
            "[::2]",
            "127.1",
            "0x7f000001",
            "2130706433",
        ] {
            assert!(!Authority::parse(text).unwrap().is_loopback(), "{text}");
        }
        assert!(Authority::parse("10.0.0.1").unwrap().is_address());
        assert!(Authority::parse("[fe80::1]").unwrap().is_address());
        assert!(!Authority::parse("10.0.0.1.nip.io").unwrap().is_address());
    }

    #[test]
    fn hosts_compare_without_port_case_and_dot() {
        let same = |a, b| {
            Authority::parse(a)
                .unwrap()
                .same_host(&Authority::parse(b).unwrap())
        };
        assert!(same("Example.COM.:80", "example.com"));
        assert!(same("[::1]:1", "[0::1]"));
        assert!(!same("example.com", "example.org"));
        assert!(!same("example.com", "xexample.com"));
    }
}
