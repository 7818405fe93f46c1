//! User names and passwords in URLs (`https://user:password@host/`), as many tools take them: sent
//! as `Authorization`, and gone from the URL before anybody shows it.

use super::substitute::literal;
use crate::base::url::{BadUrl, Url};
use crate::http1::proxy::basic;

/// What a text says that may be a URL with a user name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// Where the server is.
    pub(super) url: Url,
    /// The value of `Authorization`, if the URL has a user name.
    pub(super) authorization: Option<Box<str>>,
}

/// Reads a URL of a server.
///
/// # Errors
/// What is wrong with it.
pub(super) fn locate(text: &str) -> Result<Located, BadUrl> {
    let Some((user, bare)) = split(text) else {
        let url = Url::parse(text)?;
        return Ok(Located {
            url,
            authorization: None,
        });
    };
    let url = Url::parse(&bare)?;
    let authorization = basic(user).map_err(|_| BadUrl::UserInfo)?;
    Ok(Located {
        url,
        authorization: Some(authorization),
    })
}

/// A URL as it is written down, variables and all, cut where its text says that the user name and
/// the password are. Whatever a variable then holds, it stays on its side of these borders: a
/// password with a slash would make itself the path, which is shown, and the user name the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template<'a> {
    pub(super) scheme: &'a str,
    pub(super) user: &'a str,
    pub(super) rest: &'a str,
}

impl<'a> Template<'a> {
    /// `None`: its text has no user name; a variable in it may.
    pub(super) fn cut(text: &'a str) -> Option<Self> {
        let mut colons = literal(text, 0, b":").into_iter();
        let after = |at: &usize| text.get(*at..).is_some_and(|rest| rest.starts_with("://"));
        let colon = colons.find(after)?;
        let begin = colon + 3;
        let end = literal(text, begin, b"/?#\\").first().copied();
        let mut signs = literal(text, begin, b"@").into_iter();
        let sign = signs.rfind(|at| end.is_none_or(|end| *at < end))?;
        Some(Self {
            scheme: text.get(..colon)?,
            user: text.get(begin..sign)?,
            rest: text.get(sign + 1..)?,
        })
    }

    /// Reads the URL, now that its parts are completed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn locate(completed: Template<'_>) -> Result<Located, BadUrl> {
        if completed
            .scheme
            .contains(|c: char| !c.is_ascii_alphabetic())
        {
            return Err(BadUrl::Scheme);
        }
        if completed.user.is_empty() {
            return Err(BadUrl::UserInfo);
        }
        let url = Url::parse(&[completed.scheme, "://", completed.rest].concat())?;
        let authorization = basic(completed.user).map_err(|_| BadUrl::UserInfo)?;
        Ok(Located {
            url,
            authorization: Some(authorization),
        })
    }
}

/// What stands before the `@`, and the URL without it.
fn split(text: &str) -> Option<(&str, String)> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (user, host) = rest.get(..end)?.rsplit_once('@')?;
    // Where browsers see a slash, the host would be another one.
    if user.is_empty() || user.contains('\\') {
        return None;
    }
    let target = rest.get(end..)?;
    Some((user, [scheme, "://", host, target].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_cut_where_its_own_text_says() {
        for (text, expected) in [
            ("https://u:${P}@h/${X}", Some(("https", "u:${P}", "h/${X}"))),
            ("${S:-a://b@c}://$U@h", Some(("${S:-a://b@c}", "$U", "h"))),
            (
                "http://u:${P:-a/b@c}@h",
                Some(("http", "u:${P:-a/b@c}", "h")),
            ),
            ("http://u:a@b@${H}", Some(("http", "u:a@b", "${H}"))),
            ("http://h/@x", None),
            ("http://a\\@h", None),
            ("http://${ALL}/x@y", None),
            ("${URL}", None),
            ("u@h", None),
        ] {
            let cut = Template::cut(text).map(|it| (it.scheme, it.user, it.rest));
            assert_eq!(cut, expected, "{text}");
        }
    }

    #[test]
    fn rfc7617_a_user_name_and_password_become_basic_authorization() {
        for (text, url, authorization) in [
            ("https://h/mcp", "https://h/mcp", None),
            ("https://h/@x?a@b", "https://h/@x?a@b", None),
            ("https://u:p@h:1/mcp", "https://h:1/mcp", Some("Basic dTpw")),
            ("https://u@h", "https://h/", Some("Basic dTo=")),
            ("https://u:a@b@h?q", "https://h/?q", Some("Basic dTphQGI=")),
            ("http://u:%40%3A@h", "http://h/", Some("Basic dTpAOg==")),
        ] {
            let located = locate(text).unwrap();
            assert_eq!(located.url.to_string(), url, "{text}");
            assert_eq!(located.authorization.as_deref(), authorization, "{text}");
        }
        for (text, bad) in [
            ("https://u:%4@h/", BadUrl::UserInfo),
            ("https://u:%0a@h/", BadUrl::UserInfo),
            ("https://@h/", BadUrl::UserInfo),
            ("https://good\\@evil/", BadUrl::UserInfo),
            ("https://u:p@", BadUrl::NoHost),
            ("ftp://u:p@h", BadUrl::Scheme),
            ("u:p@h", BadUrl::Scheme),
        ] {
            assert_eq!(locate(text), Err(bad), "{text}");
        }
    }
}
