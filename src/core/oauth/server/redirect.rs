//! Where a client may be sent back to with its code (protocol S3, S9; RFC 8252 section 7): which
//! URIs are taken at all, when an asked one is a registered one, and what is added to it. Whoever
//! gets the code is let in, so nothing here is lenient.

use crate::base::form::Form;
use crate::base::origin::Scheme;
use crate::base::url::Url;
use crate::limits::REDIRECT_URI_BYTES_MAX;

/// A redirect URI that may be registered, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// A page of the web.
    Https {
        /// Shown to the owner.
        host: String,
    },
    /// A program on this machine, at any port (RFC 8252 section 7.3).
    Loopback {
        /// As it is written.
        host: &'a str,
        /// What stands behind the port; begins with `/`.
        rest: String,
    },
    /// A program that has a scheme of its own, such as `cursor://`.
    Private {
        /// In lower case.
        scheme: String,
    },
}

/// Schemes that lead to something else than a program that wants our code: scripts, files, and
/// those of which the browser or the system makes something dangerous.
const FORBIDDEN: &[&str] = &[
    "about",
    "ansible",
    "blob",
    "chrome",
    "data",
    "edge",
    "facetime",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "gopher",
    "http",
    "https",
    "intent",
    "jar",
    "javascript",
    "ldap",
    "ldaps",
    "livescript",
    "mailto",
    "mhtml",
    "mocha",
    "moz-extension",
    "nfs",
    "resource",
    "rlogin",
    "search",
    "search-ms",
    "sftp",
    "shell",
    "sms",
    "smb",
    "ssh",
    "tel",
    "telnet",
    "vbscript",
    "view-source",
    "wap",
    "webcal",
    "ws",
    "wss",
];

/// Parameters of our answer, each of which comes once (S4).
const OURS: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

impl<'a> Redirect<'a> {
    /// Takes a URI apart.
    ///
    /// # Errors
    /// Why nobody is ever sent there.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.len() > REDIRECT_URI_BYTES_MAX {
            return Err("it is too long");
        }
        let odd = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte);
        if text.bytes().any(odd) {
            return Err("it has a character that a URI cannot have");
        }
        if text.contains('#') {
            return Err("it has a fragment");
        }
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let query = Form::parse(query.as_bytes()).ok_or("its query cannot be read")?;
        if OURS.iter().any(|name| query.get(name).is_some()) {
            return Err("its query has a parameter that the answer will have");
        }
        let (scheme, rest) = text.split_once(':').ok_or("it is not absolute")?;
        match Scheme::of(scheme) {
            Some(Scheme::Https) => https(text, rest),
            Some(Scheme::Http) => loopback(text, rest),
            None => private(scheme, rest),
        }
    }

    /// What the owner is shown: a host, or a scheme with its colon.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Https { host } => host.clone(),
            Self::Loopback { host, .. } => (*host).to_owned(),
            Self::Private { scheme } => format!("{scheme}:"),
        }
    }
}

fn https<'a>(text: &str, rest: &str) -> Result<Redirect<'a>, &'static str> {
    let url = url(text, rest)?;
    Ok(Redirect::Https {
        host: url.origin().authority(),
    })
}

fn loopback<'a>(text: &str, rest: &'a str) -> Result<Redirect<'a>, &'static str> {
    let not_here = "http is for 127.0.0.1, [::1] and localhost only";
    url(text, rest)?;
    let rest = rest.trim_start_matches('/');
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    let host = hosts.into_iter().find_map(|host| {
        let (own, port) = authority.split_at_checked(host.len())?;
        (own == host && (port.is_empty() || port.starts_with(':'))).then_some(own)
    });
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok(Redirect::Loopback {
        host: host.ok_or(not_here)?,
        rest: [slash, target].concat(),
    })
}

fn url(text: &str, rest: &str) -> Result<Url, &'static str> {
    // The reader of URLs is kinder than we may be: `https:///x` is not what a browser goes to.
    if !rest.starts_with("//") || rest.starts_with("///") || rest.contains('@') {
        return Err("its host cannot be read");
    }
    Url::parse(text).map_err(|_| "it is no URL")
}

fn private<'a>(scheme: &str, rest: &str) -> Result<Redirect<'a>, &'static str> {
    let scheme = scheme.to_ascii_lowercase();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(letter) {
        return Err("it does not begin with a scheme");
    }
    if FORBIDDEN.contains(&&*scheme) || scheme.starts_with("ms-") || rest.is_empty() {
        return Err("nobody is sent to this scheme");
    }
    Ok(Redirect::Private { scheme })
}

/// Whether an asked URI is this registered one: the same text, but for the port of a program on
/// this machine, which it does not know beforehand.
#[must_use]
pub fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return Redirect::parse(asked).is_ok();
    }
    match (Redirect::parse(registered), Redirect::parse(asked)) {
        (Ok(one @ Redirect::Loopback { .. }), Ok(other)) => one == other,
        _ => false,
    }
}

/// The URI with these parameters behind those that it has. What it is made of cannot break out of a
/// header field: [`Redirect::parse`] has seen the one half, the other is escaped.
#[must_use]
pub fn with(redirect: &str, parameters: &Form) -> String {
    let mark = match redirect.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    [redirect, mark, &parameters.text()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_which_redirects_may_be_registered() {
        for (good, shown) in [
            ("https://claude.ai/api/mcp/auth_callback", "claude.ai"),
            ("https://a.example:8443/cb?x=1", "a.example:8443"),
            ("http://127.0.0.1/cb", "127.0.0.1"),
            ("http://127.0.0.1:33418", "127.0.0.1"),
            ("http://[::1]:1/cb", "[::1]"),
            ("http://localhost:6274/oauth/callback", "localhost"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("VSCode://vscode.github", "vscode:"),
        ] {
            let shape = Redirect::parse(good);
            assert_eq!(shape.map(|one| one.shown()).as_deref(), Ok(shown), "{good}");
        }
        for bad in [
            "http://example.com/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1.evil.com/",
            "http://localhost.evil.com/",
            "http://localhost:/cb:x@evil.com",
            "http://evil.com@localhost/",
            "https://user@a.example/",
            "https:a.example",
            "https:///a.example",
            "https://a.example\\@evil.com",
            "https://a.example/#x",
            "https://a.example/ b",
            "https://a.example/\r\nSet-Cookie: x",
            "https://a.example/?code=1",
            "https://a.example/?%63ode=1",
            "https://a.example/?state=",
            "https://a.example/?x=%",
            "https://127.1/",
            "https://",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:https://a.example/x",
            "about:blank",
            "vbscript:x",
            "ws://a.example",
            "ms-msdt:/id",
            "view-source:https://a.example",
            "cursor:",
            "1x://a",
            "://a",
            "/cb",
            "",
            "https://\u{fc}.example/",
        ] {
            assert!(Redirect::parse(bad).is_err(), "{bad}");
        }
        let long = format!("https://a.example/{}", "x".repeat(REDIRECT_URI_BYTES_MAX));
        assert!(Redirect::parse(&long).is_err());
    }

    #[test]
    fn s3_a_redirect_is_the_registered_one_but_for_a_loopback_port() {
        for (registered, asked, is) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example:8443/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example/cb?x", false),
            ("https://a.example/cb", "http://a.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:2/", true),
            ("http://[::1]/cb", "http://[::1]:5/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb", false),
            ("http://localhost/cb", "http://localhost:2/cb/..", false),
            ("http://localhost/cb", "http://localhost:2/cb?x=1", false),
            ("http://localhost/cb", "https://localhost/cb", false),
            ("http://localhost/cb", "http://localhost:99999/cb", false),
            ("http://localhost/cb", "http://localhost:1@evil/cb", false),
            ("cursor://a/cb", "cursor://a/cb", true),
            ("cursor://a/cb", "cursor://a:1/cb", false),
            ("javascript:x", "javascript:x", false),
        ] {
            assert_eq!(matches(registered, asked), is, "{registered} {asked}");
        }
    }

    #[test]
    fn s4_parameters_are_added_and_cannot_break_out() {
        let form = Form::default().with("code", "x\r\nSet-Cookie: a=b&state=1");
        let added = "code=x%0D%0ASet-Cookie%3A%20a%3Db%26state%3D1";
        for (redirect, before) in [
            ("https://a.example/cb", "https://a.example/cb?"),
            ("https://a.example/cb?", "https://a.example/cb?"),
            ("https://a.example/cb?x=1", "https://a.example/cb?x=1&"),
            ("https://a.example/cb?x=1&", "https://a.example/cb?x=1&"),
            ("cursor://a", "cursor://a?"),
        ] {
            assert_eq!(with(redirect, &form), format!("{before}{added}"));
        }
    }
}
