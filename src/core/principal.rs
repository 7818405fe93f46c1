//! Who asks, as far as a token says so, and what he may see. Everything that belongs to one
//! principal is bound to it: sessions, streams, parked calls, cursors, tasks.
//!
//! Never reads a token (that is `oauth`), never decides what is listed (that is `route`).

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use crate::base::base64;
use crate::filter::Filter;
use crate::now::UnixSeconds;

/// A grant: that the owner let one client in, once, with certain scopes. 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantId(pub [u8; 16]);

impl GrantId {
    /// As it stands in tokens and records: 22 characters of base64url.
    #[must_use]
    pub fn text(&self) -> String {
        base64::encode_url(&self.0)
    }

    /// Reads [`GrantId::text`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base64::decode_url(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({})", self.text())
    }
}

/// What a token is good for: `mcp` is everything, `tag:x` the servers with that tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scopes {
    /// `mcp`.
    All,
    /// `tag:a tag:b`: tags in lower case; none at all is allowed and shows nothing.
    Tags(BTreeSet<Box<str>>),
}

/// The scope that is everything.
pub const MCP: &str = "mcp";
/// What the other scopes begin with.
pub const TAG: &str = "tag:";

impl Scopes {
    /// Reads a `scope` parameter (RFC 6749 section 3.3). Scopes that we do not know are an error.
    ///
    /// # Errors
    /// The first one that is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tags = BTreeSet::new();
        let mut all = false;
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            match scope.strip_prefix(TAG) {
                None if scope == MCP => all = true,
                Some(tag) if is_tag(tag) => {
                    tags.insert(tag.to_lowercase().into());
                }
                None | Some(_) => return Err(scope.chars().take(80).collect()),
            }
        }
        Ok(if all { Self::All } else { Self::Tags(tags) })
    }

    /// What a client asks for, as far as we know it: scopes of others (`openid`, `claudeai`) are
    /// left out, as RFC 6749 section 3.3 allows, since clients add them to every request. `None`:
    /// nothing is left.
    #[must_use]
    pub fn known(text: &str) -> Option<Self> {
        let known: Vec<&str> = text
            .split(' ')
            .filter(|scope| !scope.is_empty() && Self::parse(scope).is_ok())
            .collect();
        let asked = (!known.is_empty()).then(|| known.join(" "))?;
        Self::parse(&asked).ok()
    }

    /// As a `scope` parameter; `mcp` implies all others.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::All => MCP.to_owned(),
            Self::Tags(tags) => {
                let each: Vec<String> = tags.iter().map(|tag| format!("{TAG}{tag}")).collect();
                each.join(" ")
            }
        }
    }

    /// Whether everything that `other` allows is allowed.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Tags(_), Self::All) => false,
            (Self::Tags(own), Self::Tags(other)) => own.is_superset(other),
        }
    }

    /// The least that allows all this and a server with these tags as well: the first of them that
    /// can be named in a scope, or everything if none can.
    #[must_use]
    pub fn extended(&self, tags: &[String]) -> Self {
        let named = tags.iter().find(|tag| is_tag(tag));
        match (self, named) {
            (Self::All, _) | (_, None) => Self::All,
            (Self::Tags(own), Some(tag)) => {
                let mut tags = own.clone();
                tags.insert(tag.to_lowercase().into());
                Self::Tags(tags)
            }
        }
    }

    /// Whether a server with these tags may be seen and used.
    #[must_use]
    pub fn admits(&self, tags: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::Tags(own) => tags
                .iter()
                .any(|tag| own.contains(tag.to_lowercase().as_str())),
        }
    }
}

/// A tag that can be named in a scope: contract 4.
fn is_tag(tag: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !tag.is_empty() && tag.bytes().all(good)
}

/// Who asks: one token, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// To whom everything is bound.
    pub grant: GrantId,
    /// Which client it was given to, as it is registered.
    pub client: Rc<str>,
    /// What it may see and use.
    pub scopes: Scopes,
    /// When the token ends.
    pub expires: UnixSeconds,
}

/// What a client sees: what its token shows, which nothing that it says can widen, and of that what
/// it asks for itself. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    principal: Option<Rc<Principal>>,
    filter: Filter,
}

/// What [`Sight::view`] tells: the scopes, if these are not all, and the filter.
pub type View<'a> = (Option<&'a Scopes>, &'a Filter);

impl Sight {
    /// Everything: our own stdin, and HTTP without `--enable-auth`.
    pub const ALL: Self = Self {
        principal: None,
        filter: Filter::ALL,
    };

    /// What this principal may see.
    #[must_use]
    pub const fn of(principal: Rc<Principal>) -> Self {
        Self {
            principal: Some(principal),
            filter: Filter::ALL,
        }
    }

    /// Of all this only what the filter admits.
    #[must_use]
    pub fn narrowed(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// What the client has asked for.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whose it is.
    #[must_use]
    pub fn grant(&self) -> Option<GrantId> {
        self.principal.as_ref().map(|principal| principal.grant)
    }

    /// The principal behind it.
    #[must_use]
    pub const fn principal(&self) -> Option<&Rc<Principal>> {
        self.principal.as_ref()
    }

    /// What decides which servers are visible, whoever asks: it is the same servers for two that
    /// are equal in this.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        let scopes = self.principal.as_ref().map(|principal| &principal.scopes);
        (
            scopes.filter(|scopes| **scopes != Scopes::All),
            &self.filter,
        )
    }

    /// Whether every server is visible, whatever its tags.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.filter.is_all() && self.permits_all()
    }

    fn permits_all(&self) -> bool {
        let principal = self.principal.as_ref();
        principal.is_none_or(|principal| principal.scopes == Scopes::All)
    }

    /// The scopes of a token that would show all this and a server with these tags as well (R3).
    #[must_use]
    pub fn needed_for(&self, tags: &[String]) -> String {
        match &self.principal {
            Some(principal) => principal.scopes.extended(tags).text(),
            None => MCP.to_owned(),
        }
    }

    /// Whether the token shows a server with these tags, whatever the client has asked for.
    #[must_use]
    pub fn permits(&self, tags: &[String]) -> bool {
        let principal = self.principal.as_ref();
        principal.is_none_or(|principal| principal.scopes.admits(tags))
    }

    /// Whether a server with these tags is visible.
    #[must_use]
    pub fn admits(&self, tags: &[String]) -> bool {
        self.permits(tags) && self.filter.admits(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_written_and_compared() {
        let scopes = |text: &str| Scopes::parse(text).unwrap();
        assert_eq!(scopes("tag:b  tag:A tag:b").text(), "tag:a tag:b");
        assert_eq!(scopes("tag:x mcp"), Scopes::All);
        assert_eq!(scopes(""), Scopes::Tags(BTreeSet::new()));
        assert_eq!(Scopes::parse("mcp admin"), Err("admin".to_owned()));
        assert_eq!(Scopes::parse("tag:"), Err("tag:".to_owned()));
        assert_eq!(Scopes::parse("MCP"), Err("MCP".to_owned()));
        for (wide, narrow, covers) in [
            ("mcp", "tag:a", true),
            ("mcp", "mcp", true),
            ("tag:a", "mcp", false),
            ("tag:a tag:b", "tag:b", true),
            ("tag:a", "tag:b", false),
            ("tag:a", "", true),
        ] {
            assert_eq!(
                scopes(wide).covers(&scopes(narrow)),
                covers,
                "{wide} {narrow}"
            );
        }
    }

    #[test]
    fn r9_a_sight_admits_what_its_scopes_name_in_any_case() {
        let sight = |text: &str| {
            Sight::of(Rc::new(Principal {
                grant: GrantId([1; 16]),
                client: "c".into(),
                scopes: Scopes::parse(text).unwrap(),
                expires: UnixSeconds(0),
            }))
        };
        let tags = ["Work".to_owned(), "x".to_owned()];
        assert!(Sight::ALL.admits(&[]) && sight("mcp").admits(&[]));
        assert!(sight("tag:work").admits(&tags) && !sight("tag:home").admits(&tags));
        assert!(!sight("").admits(&tags) && !sight("tag:x").admits(&[]));
        assert!(Sight::ALL.is_all() && sight("mcp").is_all() && !sight("tag:work").is_all());
    }

    #[test]
    fn r3_what_is_needed_is_what_there_is_and_one_tag_of_the_server() {
        let needed = |text: &str, tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            Scopes::parse(text).unwrap().extended(&tags).text()
        };
        assert_eq!(needed("tag:b", &["A", "c"]), "tag:a tag:b");
        assert_eq!(needed("", &["not one", "x.y"]), "tag:x.y");
        assert_eq!(needed("tag:b", &["not one"]), "mcp");
        assert_eq!(needed("tag:b", &[]), "mcp");
        assert_eq!(needed("mcp", &["a"]), "mcp");
        assert_eq!(Sight::ALL.needed_for(&["a".to_owned()]), "mcp");
    }

    #[test]
    fn a_grant_is_written_and_read() {
        let grant = GrantId([250; 16]);
        assert_eq!(GrantId::parse(&grant.text()), Some(grant));
        assert_eq!(GrantId::parse("AAAA"), None);
    }
}
