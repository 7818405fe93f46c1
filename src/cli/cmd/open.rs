//! How far `serve` is open: the origin under which others see it, whose word on forwarded addresses
//! counts, and what is to be said about it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use onemcp::settings::{Settings, Trusted};

use crate::cli::args::number;

/// `https://host[:port]`, as clients and browsers write an origin: in lower case, without the port
/// that is meant anyway. One final slash is forgiven.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let expected = || {
        "an origin such as https://mcp.example.com, without a path, a query or a user name"
            .to_owned()
    };
    let origin = text.strip_suffix('/').unwrap_or(text);
    let (scheme, authority) = origin.split_once("://").ok_or_else(expected)?;
    let scheme = scheme.to_ascii_lowercase();
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or_else(expected)?;
            let address: Ipv6Addr = address.parse().map_err(|_| expected())?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(expected)?),
            };
            (format!("[{address}]"), port)
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name.to_ascii_lowercase(), Some(port)),
            None => (authority.to_ascii_lowercase(), None),
        },
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name_fits = name.starts_with('[') || (!name.is_empty() && name.chars().all(fits));
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err(expected()),
    };
    let port = port.map(|port| number(1, u64::from(u16::MAX))(port).map_err(|_| expected()));
    let port = port.transpose()?.filter(|port| *port != usual);
    if !name_fits {
        return Err(expected());
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{name}{port}"))
}

/// Whether nobody on the way can read what is sent to this origin.
pub(super) fn is_safe(origin: &str) -> bool {
    let Some(authority) = origin.strip_prefix("http://") else {
        return true;
    };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(is_this_machine)
}

/// `loopback`, `none`, or networks.
pub(super) fn trusted(text: &str) -> Result<Trusted, String> {
    match text {
        "loopback" => return Ok(Trusted::Loopback),
        "none" => return Ok(Trusted::Nobody),
        _ => {}
    }
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut networks = Vec::new();
    for part in parts {
        if part == "loopback" {
            networks.push((Ipv4Addr::new(127, 0, 0, 0).into(), 8));
            networks.push((Ipv6Addr::LOCALHOST.into(), 128));
        } else {
            networks.push(network(part).ok_or_else(not_trusted)?);
        }
    }
    if networks.is_empty() {
        return Err(not_trusted());
    }
    Ok(Trusted::Networks(networks))
}

fn not_trusted() -> String {
    "loopback, none, or networks such as 10.0.0.0/8,192.168.1.7".to_owned()
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => u8::try_from(number(0, most)(length).ok()?).ok()?,
        None => u8::try_from(most).ok()?,
    };
    Some((address, length))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether somebody else than programs of this machine may be meant to reach us.
pub(super) fn is_open(settings: &Settings) -> bool {
    !settings.stdio && (settings.external_url.is_some() || !is_this_machine(&settings.host))
}

/// One line about what is exposed (protocol X2), or about a flag without effect.
pub(super) fn warning(settings: &Settings, wants_auth: bool) -> Option<String> {
    if settings.stdio {
        let text = "--enable-auth has no effect on stdio, whose client is whoever started us";
        return wants_auth.then(|| text.to_owned());
    }
    if settings.auth {
        return plain_auth(settings);
    }
    if !is_open(settings) {
        return None;
    }
    let by = match &settings.external_url {
        Some(url) => format!("at {url}"),
        None => format!("on {}", settings.host),
    };
    Some(format!(
        "everybody who reaches 1mcp {by} can use all of its servers, with all that they may read \
         and change; start it with --enable-auth, or keep others away from it"
    ))
}

/// Passwords and tokens in clear; and where a name leads to us, clients are told of an origin that
/// is their own machine.
fn plain_auth(settings: &Settings) -> Option<String> {
    let has_tls = settings.external_url.as_deref();
    let has_tls = has_tls.is_some_and(|url| url.starts_with("https://"));
    let is_plain = settings.is_bound_beyond_loopback() && !has_tls;
    is_plain.then(|| {
        format!(
            "--enable-auth on {} without TLS: password and tokens can be read on the way, and \
             clients that know 1mcp by a name cannot log in; put a proxy with TLS before it and \
             name it with --external-url https://..., or listen on 127.0.0.1",
            settings.host
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_an_origin_is_as_browsers_write_it() {
        for (text, expected) in [
            ("https://Mcp.Example.com/", "https://mcp.example.com"),
            ("HTTPS://h:443", "https://h"),
            ("http://h:080", "http://h"),
            ("https://h:8443", "https://h:8443"),
            ("http://[0:0::1]:3050", "http://[::1]:3050"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "https://h/mcp",
            "https://u@h",
            "https://[::1]x",
            "https://h:",
            "https://h//",
        ] {
            assert!(
                origin(text).unwrap_err().contains("without a path"),
                "{text}"
            );
        }
    }

    #[test]
    fn contract_1_whom_to_trust() {
        assert_eq!(trusted("loopback"), Ok(Trusted::Loopback));
        assert_eq!(trusted("none"), Ok(Trusted::Nobody));
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(
            trusted("10.0.0.0/8, 192.168.1.7,2001:db8::/32"),
            Ok(Trusted::Networks(vec![
                (address("10.0.0.0"), 8),
                (address("192.168.1.7"), 32),
                (address("2001:db8::"), 32),
            ]))
        );
        let Ok(Trusted::Networks(both)) = trusted("loopback,10.0.0.1") else {
            panic!("both are networks");
        };
        assert_eq!(both.len(), 3);
        for text in [
            "",
            ",",
            "all",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "none,10.0.0.1",
        ] {
            assert!(trusted(text).is_err(), "{text}");
        }
    }

    #[test]
    fn x2_what_is_exposed_is_said_in_one_line() {
        let settings = |host: &str, url: Option<&str>| Settings {
            host: host.to_owned(),
            external_url: url.map(str::to_owned),
            ..Settings::default()
        };
        for (host, url, says) in [
            ("127.0.0.1", None, None),
            ("localhost", None, None),
            ("::1", None, None),
            ("0.0.0.0", None, Some("on 0.0.0.0")),
            ("::", None, Some("on ::")),
            ("127.0.0.1", Some("https://h"), Some("at https://h")),
        ] {
            let mut settings = settings(host, url);
            let said = warning(&settings, false);
            assert_eq!(said.is_some(), says.is_some(), "{host} {url:?}");
            assert!(said.is_none_or(|said| said.contains(says.unwrap()) && !said.contains('\n')));
            settings.auth = true;
            let said = warning(&settings, true);
            assert_eq!(said.is_some(), matches!(host, "0.0.0.0" | "::"), "{host}");
            settings.external_url = Some("https://h".to_owned());
            assert_eq!(warning(&settings, true), None);
        }
        let mut stdio = settings("0.0.0.0", None);
        stdio.stdio = true;
        assert_eq!(warning(&stdio, false), None);
        assert!(
            warning(&stdio, true)
                .unwrap()
                .contains("no effect on stdio")
        );
    }
}
