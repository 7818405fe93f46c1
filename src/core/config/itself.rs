//! Recognises URLs that lead back to this very program (contract 3). What it cannot see (another
//! name of this machine, a proxy) shows when a request comes round: [`crate::base::parents`].

use crate::base::authority::Authority;
use crate::base::origin::Host;
use crate::base::url::Url;

/// Why such a server is not started.
pub const LEADS_HERE: &str = "its URL leads to this 1mcp itself, which would be a loop: remove the \
                              entry, or give it the URL of another server";

/// Where a program listens.
#[derive(Clone, Copy, Debug)]
pub struct Itself<'a> {
    /// The address or name that it is bound to.
    pub host: &'a str,
    /// The port; 0 if there is none.
    pub port: u16,
    /// The machine's own name.
    pub machine: Option<&'a str>,
    /// How others reach it.
    pub external: Option<&'a str>,
}

/// Whether a URL leads to one of these instances, each of which tells where it is.
#[must_use]
pub fn leads_to_one(url: &Url, running: &[Url]) -> bool {
    running.iter().map(Url::origin).any(|origin| {
        let own = Itself {
            host: &origin.host.to_string(),
            port: origin.port,
            machine: None,
            external: None,
        };
        own.is_at(url)
    })
}

impl Itself<'_> {
    /// Whether a URL leads there.
    #[must_use]
    pub fn is_at(&self, url: &Url) -> bool {
        let to = url.origin();
        let external = self.external.and_then(|text| Url::parse(text).ok());
        let is_external = external.is_some_and(|external| external.origin() == to);
        is_external || (self.port != 0 && to.port == self.port && self.is_bound_to(&to.host))
    }

    fn is_bound_to(&self, host: &Host) -> bool {
        let named = |text: &str| Host::of(&Authority::parse(text)?);
        // Settings have addresses without brackets.
        let bound = named(self.host).or_else(|| Some(Host::V6(self.host.parse().ok()?)));
        let Some(bound) = bound else {
            return false;
        };
        let machine = self.machine.and_then(named);
        if is_anywhere(&bound) {
            return host.is_loopback() || is_anywhere(host) || machine.as_ref() == Some(host);
        }
        // The other family's loopback address has the same port.
        (is_home(&bound) && is_home(host)) || bound == *host
    }
}

/// `0.0.0.0` and `::`: bound to, every address; connected to, this machine.
fn is_anywhere(host: &Host) -> bool {
    match host {
        Host::Name(_) => false,
        Host::V4(address) => address.is_unspecified(),
        Host::V6(address) => address.is_unspecified(),
    }
}

/// The loopback address itself, by any of its names.
fn is_home(host: &Host) -> bool {
    is_anywhere(host)
        || match host {
            Host::Name(_) => host.is_loopback(),
            Host::V4(address) => address.octets() == [127, 0, 0, 1],
            Host::V6(address) => {
                let mapped = address.to_ipv4_mapped();
                address.is_loopback()
                    || mapped.is_some_and(|mapped| mapped.octets() == [127, 0, 0, 1])
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_at(host: &str, url: &str) -> bool {
        let own = Itself {
            host,
            port: 3050,
            machine: Some("Box.lan"),
            external: Some("https://mcp.example.com"),
        };
        own.is_at(&Url::parse(url).unwrap())
    }

    #[test]
    fn contract_3_a_url_of_our_own_port_is_recognised_by_every_name() {
        for host in ["127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "::"] {
            for url in [
                "http://127.0.0.1:3050/mcp",
                "http://LOCALHOST:3050/sse?tags=a",
                "http://localhost.:3050",
                "http://[::1]:3050/",
                "http://[::ffff:127.0.0.1]:3050/",
                "http://0.0.0.0:3050/mcp",
                "http://[::]:3050/mcp",
                "https://mcp.example.com/mcp",
                "https://MCP.example.com:443",
            ] {
                assert!(is_at(host, url), "{host} {url}");
            }
            for url in [
                "http://127.0.0.1:3051/mcp",
                "http://127.0.0.1/mcp",
                "http://example.com:3050/mcp",
                "http://mcp.example.com/mcp",
                "https://mcp.example.com:3050/mcp",
            ] {
                assert!(!is_at(host, url), "{host} {url}");
            }
        }
    }

    #[test]
    fn contract_3_other_addresses_are_ours_as_far_as_we_are_bound_to_them() {
        for (host, url, ours) in [
            ("127.0.0.1", "http://127.0.0.2:3050", false),
            ("0.0.0.0", "http://127.0.0.2:3050", true),
            ("0.0.0.0", "http://box.lan:3050", true),
            ("127.0.0.1", "http://box.lan:3050", false),
            ("192.168.1.5", "http://192.168.1.5:3050", true),
            ("192.168.1.5", "http://127.0.0.1:3050", false),
            ("box.lan", "http://BOX.lan:3050", true),
            ("not a host", "http://127.0.0.1:3050", false),
        ] {
            assert_eq!(is_at(host, url), ours, "{host} {url}");
        }
        let piped = Itself {
            host: "127.0.0.1",
            port: 0,
            machine: None,
            external: None,
        };
        assert!(!piped.is_at(&Url::parse("http://127.0.0.1:3050").unwrap()));
    }
}
