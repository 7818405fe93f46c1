//! Whom we may ask on behalf of a server, and whom a browser may be sent to (protocol O12): what
//! the server names is somebody else's choice, so it leads over TLS to the public internet, unless
//! the server itself is on this machine or in this network.

use std::net::Ipv4Addr;
use std::rc::Rc;

use crate::base::origin::{Host, Origin, Scheme};
use crate::base::url::Url;
use crate::fetch::Reach;

/// Where a server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    own: Origin,
    /// It is ours: on this machine or in this network.
    is_local: bool,
}

impl Ground {
    pub(super) fn of(server: &Url) -> Self {
        let own = server.origin().clone();
        let is_local = is_local(&own.host);
        Self { own, is_local }
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.own
    }

    /// Reads a URL that the server, or whom it named, told us.
    ///
    /// # Errors
    /// Why nobody is asked there; `what` says what it was to be.
    pub(super) fn url(&self, what: &str, text: &str) -> Result<Rc<Url>, String> {
        if text.contains('#') {
            return Err(format!("{what} has a fragment"));
        }
        let url = Url::parse(text).map_err(|bad| format!("{what} cannot be used: {bad}"))?;
        self.admits(what, &url)?;
        Ok(Rc::new(url))
    }

    /// Whether a URL may be asked, or shown to a browser.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admits(&self, what: &str, url: &Url) -> Result<(), String> {
        let Origin { scheme, host, .. } = url.origin();
        let is_own = *host == self.own.host;
        if *scheme == Scheme::Http && !host.is_loopback() {
            return Err(format!(
                "{what} is at http://{host}, and keys are sent over https only (http on this \
                 machine)"
            ));
        }
        if !self.is_local && !is_own && is_local(host) {
            return Err(format!(
                "{what} is at {host}, which is not on the public internet as its server is"
            ));
        }
        Ok(())
    }

    /// Whom an exchange with this URL may reach.
    pub(super) fn reach(&self, url: &Url) -> Reach {
        if self.is_local || *url.origin() == self.own {
            Reach::Anywhere
        } else {
            Reach::Public
        }
    }
}

/// Whether a host is on this machine or in this network, as far as its name tells.
pub(super) fn is_local(host: &Host) -> bool {
    match host {
        Host::Name(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let ours = [".localhost", ".local", ".internal", ".home.arpa"];
            !name.contains('.') || ours.iter().any(|end| name.ends_with(end))
        }
        Host::V4(address) => is_local_v4(*address),
        Host::V6(address) => {
            let [first, ..] = address.segments();
            let mapped = address.to_ipv4_mapped();
            address.is_loopback()
                || address.is_unspecified()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || mapped.is_some_and(is_local_v4)
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || a == 0
        || (a == 100 && b & 0xc0 == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(server: &str) -> Ground {
        Ground::of(&Url::parse(server).unwrap())
    }

    #[test]
    fn o12_https_only_but_on_this_machine() {
        let far = ground("https://mcp.example.com/mcp");
        let near = ground("http://127.0.0.1:3000/mcp");
        for (text, from_far, from_near) in [
            ("https://as.example.com/x", true, true),
            ("http://as.example.com/x", false, false),
            ("http://127.0.0.1:1/x", false, true),
            ("http://localhost/x", false, true),
            ("https://127.0.0.1/x", false, true),
            ("https://192.168.0.1/x", false, true),
            ("http://192.168.0.1/x", false, false),
            ("https://169.254.169.254/latest", false, true),
            ("https://[::1]/", false, true),
            ("https://[fd00::1]/", false, true),
            ("https://[::ffff:10.0.0.1]/", false, true),
            ("https://intranet/", false, true),
            ("https://a.internal./", false, true),
            ("https://100.64.0.1/", false, true),
            ("https://as.example.com/x#y", false, false),
            ("https://u:p@as.example.com/", false, false),
            ("javascript:alert(1)", false, false),
            ("file:///etc/passwd", false, false),
            ("", false, false),
        ] {
            assert_eq!(far.url("x", text).is_ok(), from_far, "far {text}");
            assert_eq!(near.url("x", text).is_ok(), from_near, "near {text}");
        }
    }

    #[test]
    fn o12_who_was_named_by_a_public_server_is_reached_on_the_public_internet_only() {
        let reach = |server: &str, url: &str| ground(server).reach(&Url::parse(url).unwrap());
        assert_eq!(
            reach("https://m.example/mcp", "https://a.example/"),
            Reach::Public
        );
        assert_eq!(
            reach("https://m.example/mcp", "https://m.example/x"),
            Reach::Anywhere
        );
        assert_eq!(
            reach("https://m.example/mcp", "https://m.example:8443/x"),
            Reach::Public
        );
        assert_eq!(
            reach("https://10.0.0.1/mcp", "https://a.example/"),
            Reach::Anywhere
        );
        assert_eq!(
            reach("http://localhost/mcp", "https://a.example/"),
            Reach::Anywhere
        );
    }
}
