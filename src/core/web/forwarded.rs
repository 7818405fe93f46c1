//! For whom a proxy asks (contract 5): `X-Forwarded-For`, or `Forwarded` (RFC 7239) where only that
//! is there. Each proxy appends whom it was asked by, so the list is read from its end, and only as
//! far as those who wrote it are trusted: what a stranger wrote himself stands further left.
//!
//! Good for throttles and logs; never a reason to trust.

use std::net::{IpAddr, SocketAddr};

use crate::http1::headers::Headers;
use crate::settings::Trusted;

impl Trusted {
    /// Whether the word of this peer counts.
    #[must_use]
    pub fn includes(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match self {
            Self::Loopback => peer.is_loopback(),
            Self::Nobody => false,
            Self::Networks(networks) => {
                let within = |(network, length): &(IpAddr, u8)| is_within(peer, *network, *length);
                networks.iter().any(within)
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differs = address.to_bits() ^ network.to_bits();
            differs.leading_zeros() >= u32::from(length)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differs = address.to_bits() ^ network.to_bits();
            differs.leading_zeros() >= u32::from(length)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Who asks: the peer, or for whom the trusted proxies say that they ask.
#[must_use]
pub fn client(trusted: &Trusted, peer: IpAddr, headers: &Headers) -> IpAddr {
    let mut nearest = peer.to_canonical();
    if !trusted.includes(nearest) {
        return nearest;
    }
    for address in chain(headers).into_iter().rev() {
        // What is no address was written by nobody whom we trust, or hides somebody: whoever
        // passed it on is as far as we see.
        let Some(address) = address else {
            break;
        };
        nearest = address;
        if !trusted.includes(nearest) {
            break;
        }
    }
    nearest
}

/// Everybody on the way, the farthest first; `None` for what is no address. A proxy that sets the
/// one field often passes the other on as it came, so `Forwarded` counts alone only: nearly all
/// proxies set `X-Forwarded-For`.
fn chain(headers: &Headers) -> Vec<Option<IpAddr>> {
    let mut lines = headers.all("x-forwarded-for").peekable();
    if lines.peek().is_some() {
        return lines
            .flat_map(|line| line.split(','))
            .map(address)
            .collect();
    }
    let elements = headers.all("forwarded").flat_map(|line| split(line, ','));
    elements.map(forwarded_for).collect()
}

/// The address in `for=` of one element.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = split(element, ';').into_iter();
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })?;
    let value = value.trim();
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    address(quoted.unwrap_or(value))
}

/// Cuts at a sign that is not within quotes.
fn split(text: &str, sign: char) -> Vec<&str> {
    let mut quoted = false;
    let parts = text.split(|c: char| {
        quoted ^= c == '"';
        c == sign && !quoted
    });
    parts.collect()
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(trusted: &Trusted, peer: &str, fields: &[(&str, &str)], expected: &str) {
        let found = client(trusted, peer.parse().unwrap(), &Headers::of(fields));
        assert_eq!(found.to_string(), expected, "{fields:?}");
    }

    fn networks(list: &[(&str, u8)]) -> Trusted {
        let network = |(address, length): &(&str, u8)| (address.parse().unwrap(), *length);
        Trusted::Networks(list.iter().map(network).collect())
    }

    #[test]
    fn contract_5_forged_entries_are_left_of_the_first_untrusted_one() {
        const XFF: &str = "X-Forwarded-For";
        let own = &Trusted::Loopback;
        is(own, "127.0.0.1", &[], "127.0.0.1");
        is(own, "127.0.0.1", &[(XFF, "203.0.113.9")], "203.0.113.9");
        is(own, "::1", &[(XFF, "8.8.8.8, 203.0.113.9")], "203.0.113.9");
        let forged = [(XFF, "127.0.0.1, 10.0.0.1"), (XFF, "1.2.3.4,203.0.113.9")];
        is(own, "127.0.0.1", &forged, "203.0.113.9");
        is(own, "127.0.0.1", &[(XFF, "1.2.3.4, 127.0.0.1")], "1.2.3.4");
        is(own, "127.0.0.1", &[(XFF, "1.2.3.4, unknown, ::1")], "::1");
        is(own, "127.0.0.1", &[(XFF, "")], "127.0.0.1");
        is(own, "192.0.2.1", &[(XFF, "1.2.3.4")], "192.0.2.1");
        is(
            &Trusted::Nobody,
            "127.0.0.1",
            &[(XFF, "1.2.3.4")],
            "127.0.0.1",
        );
        is(own, "127.0.0.1", &[(XFF, "1.2.3.4:567")], "1.2.3.4");
        is(
            own,
            "127.0.0.1",
            &[(XFF, "[2001:db8::1]:567")],
            "2001:db8::1",
        );
        is(
            own,
            "::ffff:127.0.0.1",
            &[(XFF, "::ffff:1.2.3.4")],
            "1.2.3.4",
        );
        let both = [("Forwarded", "for=6.6.6.6"), (XFF, "1.2.3.4")];
        is(own, "127.0.0.1", &both, "1.2.3.4");
    }

    #[test]
    fn rfc7239_4_forwarded_counts_where_it_stands_alone() {
        let own = &Trusted::Loopback;
        for (text, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=1.2.3.4, for=198.51.100.17", "198.51.100.17"),
            ("for=1.2.3.4;host=\"a,b;for=6.6.6.6\"", "1.2.3.4"),
            ("for=_hidden", "127.0.0.1"),
            ("for=unknown, for=127.0.0.1", "127.0.0.1"),
            ("by=1.2.3.4", "127.0.0.1"),
            ("for=\"1.2.3.4", "127.0.0.1"),
        ] {
            is(own, "127.0.0.1", &[("Forwarded", text)], expected);
        }
    }

    #[test]
    fn contract_1_networks_are_those_of_the_flag() {
        let trusted = networks(&[("10.1.0.0", 16), ("2001:db8::", 32), ("0.0.0.0", 32)]);
        for (peer, trusts) in [
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("::ffff:10.1.0.1", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(trusted.includes(peer.parse().unwrap()), trusts, "{peer}");
        }
        assert!(networks(&[("0.0.0.0", 0)]).includes("9.9.9.9".parse().unwrap()));
        let chain = [("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.1.0.7")];
        is(&trusted, "10.1.0.1", &chain, "1.2.3.4");
    }
}
