//! Which addresses belong to the public internet. Everything else is this machine, its network, or
//! nobody: what somebody else told us to ask must not lead there (protocol O12, X6).
//!
//! The special purpose registries of IANA (RFC 6890 and its updates), and the addresses of IPv6
//! that lead to one of IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::origin::Host;

/// Whether this address is one of the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether a host can be told to be no public one without looking it up.
#[must_use]
pub fn is_private_host(host: &Host) -> bool {
    match host {
        Host::Name(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            // RFC 6761: never anybody but this machine.
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::V4(address) => !is_public_v4(*address),
        Host::V6(address) => !is_public_v6(*address),
    }
}

/// Networks of IPv4 that are not public: address and length of the prefix.
const PRIVATE_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // of providers, behind their NAT
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local; the metadata of clouds
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // relays of 6to4
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 3),     // multicast, reserved, broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !PRIVATE_V4.iter().any(|(network, length)| {
        let network = Ipv4Addr::from(*network).to_bits();
        (bits ^ network) >> (32 - length) == 0
    })
}

/// Networks of IPv6 below 2000::/3 that are not public.
const PRIVATE_V6: [([u16; 4], u32); 7] = [
    ([0x2001, 0, 0, 0], 23),         // protocol assignments; Teredo is among them
    ([0x2001, 0xdb8, 0, 0], 32),     // documentation
    ([0x2620, 0x4f, 0x8000, 0], 48), // AS112
    ([0x3fff, 0, 0, 0], 20),         // documentation
    ([0x3ffe, 0, 0, 0], 16),         // was 6bone
    ([0x5f00, 0, 0, 0], 16),         // segment routing
    ([0x2002, 0, 0, 0], 16),         // 6to4: some of it is public, and all of it is gone
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    // NAT64 is how some networks reach all of IPv4: what it leads to counts.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let bits = address.to_bits();
    // Nothing else than 2000::/3 has been given to anybody: loopback, `::`, addresses compatible
    // with IPv4, unique local, link-local, site-local and multicast ones lie outside.
    bits >> 125 == 1
        && !PRIVATE_V6.iter().any(|([a, b, c, d], length)| {
            let network = Ipv6Addr::new(*a, *b, *c, *d, 0, 0, 0, 0).to_bits();
            (bits ^ network) >> (128 - length) == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x6_addresses_of_no_public_network() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.171",
            "192.0.2.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "::2",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "100::1",
            "2001::1",
            "2001:0:a9fe:a9fe::1",
            "2001:10::1",
            "2001:20::1",
            // Of IPv4: mapped, compatible, NAT64, its local form, 6to4.
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
            "::ffff:0:127.0.0.1",
            "4000::1",
            "5f00::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(!is_public(address), "{text}");
        }
    }

    #[test]
    fn x6_addresses_of_the_public_internet() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "198.51.101.1",
            "203.0.112.1",
            "203.0.114.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
            "2400:cb00::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(is_public(address), "{text}");
        }
    }

    #[test]
    fn x6_hosts_that_need_no_looking_up() {
        let host = |name: &str| Host::Name(name.into());
        for name in ["localhost", "localhost.", "a.localhost", "b.a.localhost."] {
            assert!(is_private_host(&host(name)), "{name}");
        }
        assert!(!is_private_host(&host("example.com")));
        assert!(!is_private_host(&host("notlocalhost")));
        assert!(is_private_host(&Host::V4(Ipv4Addr::LOCALHOST)));
        assert!(is_private_host(&Host::V6(Ipv6Addr::LOCALHOST)));
        assert!(!is_private_host(&Host::V4(Ipv4Addr::new(1, 1, 1, 1))));
    }
}
