//! `NO_PROXY`: the hosts that are spoken to directly. There is no standard; this is what curl and
//! most others agree on: names with everything below them, addresses, networks, and `*`.

use std::net::{IpAddr, Ipv6Addr};

use crate::base::authority::Authority;
use crate::base::origin::{Host, Origin};
use crate::limits::NO_PROXY_HOSTS_MAX;

/// Hosts that are spoken to directly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    what: What,
    /// Only with this port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    All,
    /// This name and all names below it; lower case, without dots around it.
    Name(Box<str>),
    /// All addresses that begin with the same bits as this one.
    Network {
        address: u128,
        bits: u32,
    },
}

impl NoProxy {
    /// Reads the value, hosts with commas or blanks between them. What is none of them is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let texts = text
            .split([',', ' ', '\t', '\n'])
            .filter(|text| !text.is_empty());
        let rules = texts.filter_map(rule).take(NO_PROXY_HOSTS_MAX).collect();
        Self { rules }
    }

    /// Whether a server is spoken to directly.
    #[must_use]
    pub fn has(&self, origin: &Origin) -> bool {
        self.rules.iter().any(|rule| {
            rule.port.is_none_or(|port| port == origin.port) && rule.what.has(&origin.host)
        })
    }
}

impl What {
    fn has(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Name(suffix), Host::Name(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name.strip_suffix(&**suffix)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            (Self::Network { address, bits }, Host::V4(host)) => {
                begins_alike(*address, number(IpAddr::V4(*host)), *bits)
            }
            (Self::Network { address, bits }, Host::V6(host)) => {
                begins_alike(*address, number(IpAddr::V6(*host)), *bits)
            }
            (Self::Name(_), _) | (Self::Network { .. }, Host::Name(_)) => false,
        }
    }
}

/// Addresses of both kinds as one number: `10.0.0.1` is `::ffff:10.0.0.1`.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

fn begins_alike(one: u128, other: u128, bits: u32) -> bool {
    // Shifting by all bits is no shift at all: a network of 0 bits has every address.
    (one ^ other).checked_shr(128 - bits).unwrap_or(0) == 0
}

/// One host: `*`, `name`, `.name`, `*.name`, an address, `address/bits`; `:port` behind all but the
/// last.
fn rule(text: &str) -> Option<Rule> {
    let all_ports = |what| Rule { what, port: None };
    if text == "*" {
        return Some(all_ports(What::All));
    }
    if let Some((address, bits)) = text.split_once('/') {
        return network(address, bits).map(all_ports);
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        let address = number(address.into());
        return Some(all_ports(What::Network { address, bits: 128 }));
    }
    let text = text.strip_prefix('*').unwrap_or(text);
    let authority = Authority::parse(text.strip_prefix('.').unwrap_or(text))?;
    let what = match Host::of(&authority)? {
        Host::Name(name) => What::Name(name.strip_suffix('.').unwrap_or(&name).into()),
        Host::V4(address) => What::Network {
            address: number(address.into()),
            bits: 128,
        },
        Host::V6(address) => What::Network {
            address: number(address.into()),
            bits: 128,
        },
    };
    let port = authority.port;
    Some(Rule { what, port })
}

fn network(address: &str, bits: &str) -> Option<What> {
    let address: IpAddr = address.parse().ok()?;
    let is_digits = bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u32 = bits.parse().ok().filter(|_| is_digits)?;
    let bits = match address {
        IpAddr::V4(_) if bits <= 32 => bits + 96,
        IpAddr::V6(_) if bits <= 128 => bits,
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    let address = number(address);
    Some(What::Network { address, bits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::url::Url;

    fn has(list: &str, url: &str) -> bool {
        NoProxy::parse(list).has(Url::parse(url).unwrap().origin())
    }

    #[test]
    fn names_stand_for_all_below_them() {
        for list in [
            "example.com",
            ".example.com",
            "*.example.com",
            "x, EXAMPLE.com.",
            "a example.com\tb",
        ] {
            for url in [
                "http://example.com",
                "https://a.Example.com:1/",
                "http://b.a.example.com.",
            ] {
                assert!(has(list, url), "{list} {url}");
            }
            for url in [
                "http://xexample.com",
                "http://example.com.evil",
                "http://com",
                "http://1.2.3.4",
            ] {
                assert!(!has(list, url), "{list} {url}");
            }
        }
        assert!(has("*", "http://anything") && has("a,*", "https://[::1]"));
        for list in [
            "",
            ",, ,",
            "a/b",
            "a b/8",
            "http://example.com",
            "*x*",
            "@",
            "a:x",
        ] {
            assert!(!has(list, "http://example.com"), "{list}");
        }
    }

    #[test]
    fn ports_count_where_they_are_written() {
        assert!(has("example.com:8080", "http://a.example.com:8080"));
        assert!(!has("example.com:8080", "http://example.com"));
        assert!(has("example.com:443", "https://example.com"));
        assert!(has("[::1]:5", "http://[::1]:5") && !has("[::1]:5", "http://[::1]:6"));
        assert!(has("1.2.3.4:5", "http://1.2.3.4:5") && !has("1.2.3.4:5", "http://1.2.3.4"));
    }

    #[test]
    fn addresses_and_networks() {
        for (list, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
            ("0.0.0.0/0", "1.2.3.4", "[2001:db8::1]"),
            ("2001:db8::/32", "[2001:db8:ffff::]", "[2001:db9::]"),
            ("::1", "[::1]", "[::2]"),
            ("[fe80::1]", "[fe80:0::1]", "[fe80::2]"),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", "[::ffff:11.0.0.1]"),
        ] {
            assert!(has(list, &format!("http://{inside}")), "{list} {inside}");
            assert!(!has(list, &format!("http://{outside}")), "{list} {outside}");
        }
        assert!(has("::/0", "http://1.2.3.4") && has("::/0", "http://[::2]"));
        for list in [
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "10.0/8",
            "/8",
        ] {
            assert_eq!(NoProxy::parse(list), NoProxy::default(), "{list}");
        }
        assert!(!has("10.0.0.0/8", "http://10.example.com"));
    }

    #[test]
    fn no_proxy_hosts_max_leaves_out_the_rest() {
        let many: Vec<String> = (0..=NO_PROXY_HOSTS_MAX)
            .map(|n| format!("h{n}.a"))
            .collect();
        let list = many.join(",");
        assert!(has(&list, &format!("http://h{}.a", NO_PROXY_HOSTS_MAX - 1)));
        assert!(!has(&list, &format!("http://h{NO_PROXY_HOSTS_MAX}.a")));
    }
}
