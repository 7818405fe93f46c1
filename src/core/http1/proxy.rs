//! Proxies on the way to a server, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them. Reads
//! their values and decides; the environment is the shell's.

use std::fmt;

use crate::base::base64;
use crate::base::origin::{Origin, Scheme};
use crate::base::percent;
use crate::base::url::{BadUrl, Url};
use crate::http1::no_proxy::NoProxy;
use crate::http1::syntax::is_field_value;

/// One proxy, spoken to in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Box<str>>,
}

/// Why a value is not a proxy. Says nothing of the value, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProxy {
    /// A proxy that is itself spoken to over TLS, or SOCKS.
    Scheme,
    /// The rest is no URL.
    Url(BadUrl),
    /// User name or password have broken escapes or characters that cannot be sent.
    UserInfo,
}

impl fmt::Display for BadProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the only proxies spoken to are http:// ones"),
            Self::Url(bad) => write!(f, "{bad}"),
            Self::UserInfo => f.write_str("the user name or password of the proxy is malformed"),
        }
    }
}

impl Proxy {
    /// Reads `http://USER:PASSWORD@HOST:PORT`; everything but the host may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(BadProxy::Scheme),
            None => text,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let url = Url::parse(&["http://", host].concat()).map_err(BadProxy::Url)?;
        let authorization = user.filter(|user| !user.is_empty()).map(basic);
        Ok(Self {
            origin: url.origin().clone(),
            authorization: authorization.transpose()?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value of `Proxy-Authorization`, if it wants one.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin)
    }
}

/// `Basic` credentials (RFC 7617) of what stands before the `@`, escapes decoded.
///
/// # Errors
/// It is not written as it must be.
pub fn basic(user: &str) -> Result<Box<str>, BadProxy> {
    let plain = percent::bytes(user.as_bytes(), b'+');
    let mut plain = plain.map_err(|_| BadProxy::UserInfo)?;
    if !is_field_value(&plain) {
        return Err(BadProxy::UserInfo);
    }
    if !user.contains(':') {
        plain.push(b':');
    }
    Ok(["Basic ", &base64::encode(&plain)].concat().into())
}

/// Which proxy leads to which server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` URLs.
    pub http: Option<Proxy>,
    /// For `https` URLs.
    pub https: Option<Proxy>,
    /// Hosts that are spoken to directly.
    pub no: NoProxy,
}

impl Proxies {
    /// The proxy on the way to a server. This machine is always spoken to directly: no proxy knows
    /// the way to our loopback.
    #[must_use]
    pub fn on_the_way_to(&self, origin: &Origin) -> Option<&Proxy> {
        if origin.host.is_loopback() || self.no.has(origin) {
            return None;
        }
        match origin.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_as_the_environment_has_them() {
        for (text, origin, authorization) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("HTTP://Proxy/", "http://proxy", None),
            ("proxy:3128", "http://proxy:3128", None),
            ("10.0.0.1:8080/x?y", "http://10.0.0.1:8080", None),
            ("http://[::1]:1", "http://[::1]:1", None),
            (
                "http://user:pass@proxy:1",
                "http://proxy:1",
                Some("Basic dXNlcjpwYXNz"),
            ),
            ("user@proxy:1", "http://proxy:1", Some("Basic dXNlcjo=")),
            (
                "http://u:p%40s%3a@proxy",
                "http://proxy",
                Some("Basic dTpwQHM6"),
            ),
            (
                "http://u:p@ss@proxy",
                "http://proxy",
                Some("Basic dTpwQHNz"),
            ),
            ("http://@proxy", "http://proxy", None),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.origin().to_string(), origin, "{text}");
            assert_eq!(proxy.authorization(), authorization, "{text}");
            assert_eq!(format!("{proxy:?}"), format!("Proxy({origin})"));
        }
        for (text, bad) in [
            ("https://proxy", BadProxy::Scheme),
            ("socks5://proxy", BadProxy::Scheme),
            ("", BadProxy::Url(BadUrl::NoHost)),
            ("http://", BadProxy::Url(BadUrl::NoHost)),
            ("proxy:x", BadProxy::Url(BadUrl::Port)),
            ("a b", BadProxy::Url(BadUrl::Host)),
            ("u:%4@proxy", BadProxy::UserInfo),
            ("u:%zz@proxy", BadProxy::UserInfo),
            ("u:%0d%0aX@proxy", BadProxy::UserInfo),
        ] {
            assert_eq!(Proxy::parse(text), Err(bad), "{text}");
            assert!(!bad.to_string().is_empty());
        }
    }

    #[test]
    fn each_scheme_has_its_proxy_and_this_machine_none() {
        let proxies = Proxies {
            http: Proxy::parse("one:1").ok(),
            https: Proxy::parse("two:2").ok(),
            no: NoProxy::parse("direct.example"),
        };
        let way = |text| {
            let url = Url::parse(text).unwrap();
            let proxy = proxies.on_the_way_to(url.origin());
            proxy.map(|proxy| proxy.origin().to_string())
        };
        assert_eq!(way("http://a").as_deref(), Some("http://one:1"));
        assert_eq!(way("https://a").as_deref(), Some("http://two:2"));
        for direct in [
            "https://direct.example",
            "http://localhost:1",
            "https://127.0.0.1",
            "http://[::1]",
        ] {
            assert_eq!(way(direct), None, "{direct}");
        }
        let none = Proxies::default();
        assert_eq!(
            none.on_the_way_to(Url::parse("http://a").unwrap().origin()),
            None
        );
    }
}
