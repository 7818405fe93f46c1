//! Who is meant: offered names and URIs of all servers, and back. A function of the catalogs in
//! file order, rebuilt whenever one changes, so that the same servers give the same names.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::json::write;
use crate::mcp::headers::Annotated;
use crate::mcp::names;
use crate::mcp::tasks::Support;
use crate::route::ServerKey;
use crate::route::catalog::Kind;

/// What an offered name or URI stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose.
    pub server: ServerKey,
    /// What that server calls it.
    pub original: Rc<str>,
    /// The same as a JSON string, ready to be spliced in.
    pub json: Rc<[u8]>,
    /// Of a tool in a catalog: which of all of them it is.
    pub number: Option<u32>,
}

impl Target {
    /// A server's own name for something.
    #[must_use]
    pub fn new(server: ServerKey, original: &Rc<str>) -> Self {
        let json = write::string(original).into_bytes().into();
        Self {
            server,
            original: Rc::clone(original),
            json,
            number: None,
        }
    }
}

/// What one server brings in.
pub struct Listing<'a> {
    /// Its key.
    pub server: ServerKey,
    /// Its name.
    pub name: &'a str,
    /// The prefix of its names.
    pub prefix: &'a str,
    /// Its keys of each kind (in the order of [`Kind::ALL`]), in its own order; doubles allowed.
    pub keys: [Vec<Rc<str>>; 4],
}

/// Offered names of one kind.
#[derive(Debug, Default)]
struct Names {
    by_offered: BTreeMap<Rc<str>, Target>,
    by_original: BTreeMap<(ServerKey, Rc<str>), Rc<str>>,
}

/// All names of all servers.
#[derive(Debug, Default)]
pub struct Directory {
    /// Counts the rebuilds: what was rendered for another version is stale.
    pub version: u64,
    names: [Names; 4],
    /// How many tools there are.
    tools: u32,
    /// Tools whose arguments have header fields of their own.
    annotated: BTreeMap<(ServerKey, Rc<str>), Vec<Annotated>>,
    /// Tools that may or must be called as tasks.
    tasks: BTreeMap<(ServerKey, Rc<str>), Support>,
    /// Names that a server without prefix lost to an earlier one, for one warning each.
    pub lost: Vec<String>,
}

const fn place(kind: Kind) -> usize {
    match kind {
        Kind::Tools => 0,
        Kind::Prompts => 1,
        Kind::Resources => 2,
        Kind::Templates => 3,
    }
}

impl Directory {
    /// Builds everything anew from the listings in file order.
    pub fn rebuild(&mut self, listings: &[Listing<'_>], name_bytes_max: usize) {
        self.version += 1;
        self.names = <[Names; 4]>::default();
        self.tools = 0;
        self.lost.clear();
        for listing in listings {
            for kind in Kind::ALL {
                let Some(keys) = listing.keys.get(place(kind)) else {
                    continue;
                };
                let mut seen = BTreeSet::new();
                for original in keys
                    .iter()
                    .filter(|original| seen.insert(Rc::clone(original)))
                {
                    let offered = match kind {
                        Kind::Tools | Kind::Prompts => {
                            self.name_for(kind, listing, original, name_bytes_max)
                        }
                        Kind::Resources | Kind::Templates => self.uri_for(kind, listing, original),
                    };
                    self.insert(kind, listing.server, original, offered);
                }
            }
        }
    }

    /// Notes which tools have arguments with header fields.
    pub fn annotate(&mut self, tools: Vec<(ServerKey, Rc<str>, Vec<Annotated>)>) {
        let tools = tools.into_iter();
        self.annotated = tools
            .map(|(server, tool, all)| ((server, tool), all))
            .collect();
    }

    /// The arguments of a tool that have header fields of their own.
    #[must_use]
    pub fn annotated(&self, server: ServerKey, original: &Rc<str>) -> Option<&[Annotated]> {
        if self.annotated.is_empty() {
            return None;
        }
        let found = self.annotated.get(&(server, Rc::clone(original)));
        found.map(Vec::as_slice)
    }

    /// Notes which tools may or must be called as tasks.
    pub fn support(&mut self, tools: Vec<(ServerKey, Rc<str>, Support)>) {
        let tools = tools.into_iter();
        self.tasks = tools
            .map(|(server, tool, support)| ((server, tool), support))
            .collect();
    }

    /// Whether a tool may or must be called as a task.
    #[must_use]
    pub fn task_support(&self, server: ServerKey, original: &Rc<str>) -> Option<Support> {
        if self.tasks.is_empty() {
            return None;
        }
        self.tasks.get(&(server, Rc::clone(original))).copied()
    }

    fn names(&self, kind: Kind) -> Option<&Names> {
        self.names.get(place(kind))
    }

    fn taken(&self, kind: Kind, offered: &str) -> Option<ServerKey> {
        Some(self.names(kind)?.by_offered.get(offered)?.server)
    }

    /// The first server in file order wins; the loser without prefix gets its default prefix back;
    /// two names of one server that look alike when cleaned are told apart by a hash.
    fn name_for(&mut self, kind: Kind, of: &Listing<'_>, original: &str, max: usize) -> String {
        let plain = names::offer(of.prefix, original, max);
        let mut prefix = of.prefix.to_owned();
        let offered = match self.taken(kind, &plain) {
            None => return plain,
            Some(winner) if winner != of.server => {
                self.lost.push(format!("{plain} of server {}", of.name));
                prefix = names::default_prefix(of.name);
                names::offer(&prefix, original, max)
            }
            Some(_) => plain,
        };
        if self.taken(kind, &offered).is_none() {
            return offered;
        }
        names::offer_hashed(&prefix, original, max)
    }

    fn uri_for(&self, kind: Kind, of: &Listing<'_>, original: &str) -> String {
        if self.taken(kind, original).is_some() {
            names::qualify_uri(of.name, original)
        } else {
            original.to_owned()
        }
    }

    fn insert(&mut self, kind: Kind, server: ServerKey, original: &Rc<str>, offered: String) {
        let Some(names) = self.names.get_mut(place(kind)) else {
            return;
        };
        let offered: Rc<str> = offered.into();
        // Even a hash can collide, and an earlier server may list a URI that looks like a qualified
        // one: then the first keeps the name, and this one is not offered.
        if let Entry::Vacant(free) = names.by_offered.entry(Rc::clone(&offered)) {
            let number = (kind == Kind::Tools).then_some(self.tools);
            self.tools += u32::from(number.is_some());
            free.insert(Target {
                number,
                ..Target::new(server, original)
            });
            names
                .by_original
                .insert((server, Rc::clone(original)), offered);
        }
    }

    /// How many tools there are: as many numbers as their targets have.
    #[must_use]
    pub const fn tools(&self) -> u32 {
        self.tools
    }

    /// What an offered name or URI stands for.
    #[must_use]
    pub fn find(&self, kind: Kind, offered: &str) -> Option<&Target> {
        self.names(kind)?.by_offered.get(offered)
    }

    /// The name or URI under which a server's entry is offered.
    #[must_use]
    pub fn offered(&self, kind: Kind, server: ServerKey, original: &Rc<str>) -> Option<&Rc<str>> {
        self.names(kind)?
            .by_original
            .get(&(server, Rc::clone(original)))
    }

    /// A server's entry by the server's own name for it.
    #[must_use]
    pub fn own(&self, kind: Kind, server: ServerKey, original: &str) -> Option<Target> {
        let key = (server, Rc::from(original));
        let names = self.names(kind)?;
        let offered = names.by_original.get(&key)?;
        names.by_offered.get(offered).cloned()
    }

    /// All offered names of a kind with their servers, for suggestions.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, ServerKey)> {
        let all = self.names(kind).into_iter();
        all.flat_map(|names| &names.by_offered)
            .map(|(name, target)| (&**name, target.server))
    }

    /// The server whose template matches a URI, the first in order.
    #[must_use]
    pub fn by_template(
        &self,
        uri: &str,
        mut order: impl Iterator<Item = ServerKey>,
    ) -> Option<ServerKey> {
        let names = self.names(Kind::Templates)?;
        let matches = |server: &ServerKey| {
            let theirs = names.by_original.range((*server, Rc::from(""))..);
            theirs
                .take_while(|((of, _), _)| of == server)
                .any(|((_, template), _)| template_matches(template, uri))
        };
        order.find(matches)
    }
}

/// Whether a URI can be an expansion of a template (RFC 6570): the literal parts in order, and at
/// least one character for each expression.
#[must_use]
pub fn template_matches(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut template = template;
    let mut after_expression = false;
    loop {
        let (literal, tail) = match template.split_once('{') {
            Some((literal, tail)) => (literal, Some(tail)),
            None => (template, None),
        };
        if !after_expression {
            let Some(after) = rest.strip_prefix(literal) else {
                return false;
            };
            rest = after;
        } else if tail.is_none() {
            return rest.len() > literal.len() && rest.ends_with(literal);
        } else {
            // The shortest expansion that lets the literal follow.
            let from = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
            let Some(at) = rest.get(from..).and_then(|tail| tail.find(literal)) else {
                return false;
            };
            if rest.is_empty() {
                return false;
            }
            rest = rest.get(from + at + literal.len()..).unwrap_or_default();
        }
        let Some((_, tail)) = tail.and_then(|tail| tail.split_once('}')) else {
            return tail.is_none() && rest.is_empty();
        };
        template = tail;
        after_expression = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    fn server(index: u32) -> ServerKey {
        ServerKey(Key {
            index,
            generation: 0,
        })
    }

    fn listing<'a>(
        index: u32,
        name: &'a str,
        prefix: &'a str,
        tools: &[&str],
        uris: &[&str],
    ) -> Listing<'a> {
        let keys = |keys: &[&str]| keys.iter().map(|key| Rc::from(*key)).collect();
        let keys = [keys(tools), Vec::new(), keys(uris), keys(uris)];
        Listing {
            server: server(index),
            name,
            prefix,
            keys,
        }
    }

    fn built(listings: &[Listing<'_>]) -> Directory {
        let mut directory = Directory::default();
        directory.rebuild(listings, 55);
        directory
    }

    fn offered(directory: &Directory, kind: Kind, of: u32, original: &str) -> String {
        directory
            .offered(kind, server(of), &Rc::from(original))
            .unwrap()
            .to_string()
    }

    #[test]
    fn names_lead_to_their_server_and_back() {
        let directory = built(&[
            listing(0, "a", "a_1mcp_", &["t.x", "t/x"], &[]),
            listing(1, "b", "", &["t"], &[]),
        ]);
        assert_eq!(offered(&directory, Kind::Tools, 0, "t.x"), "a_1mcp_t_x");
        let second = offered(&directory, Kind::Tools, 0, "t/x");
        assert!(
            second.starts_with("a_1mcp_t_x_") && second.len() == 19,
            "{second}"
        );
        assert_eq!(
            &*directory.find(Kind::Tools, &second).unwrap().original,
            "t/x"
        );
        assert_eq!(directory.find(Kind::Tools, "t").unwrap().server, server(1));
        assert_eq!(
            &*directory.own(Kind::Tools, server(0), "t/x").unwrap().json,
            b"\"t/x\""
        );
        assert_eq!(directory.find(Kind::Prompts, "t"), None);
    }

    #[test]
    fn without_prefixes_the_first_in_file_order_wins_and_the_loser_keeps_its_prefix() {
        let directory = built(&[
            listing(0, "a", "", &["t"], &[]),
            listing(1, "b", "", &["t"], &[]),
        ]);
        assert_eq!(offered(&directory, Kind::Tools, 0, "t"), "t");
        assert_eq!(offered(&directory, Kind::Tools, 1, "t"), "b_1mcp_t");
        assert_eq!(directory.lost, ["t of server b"]);
    }

    #[test]
    fn the_same_uri_of_a_later_server_is_qualified() {
        let uri = "note://{id}";
        let directory = built(&[
            listing(0, "a", "", &[], &[uri]),
            listing(1, "b", "", &[], &[uri]),
        ]);
        assert_eq!(offered(&directory, Kind::Templates, 0, uri), uri);
        assert_eq!(
            offered(&directory, Kind::Resources, 1, uri),
            "onemcp://b/note://{id}"
        );
        let target = directory
            .find(Kind::Resources, "onemcp://b/note://{id}")
            .unwrap();
        assert_eq!((target.server, &*target.original), (server(1), uri));
    }

    #[test]
    fn a_uri_that_poses_as_a_qualified_one_is_offered_once() {
        let directory = built(&[
            listing(0, "a", "", &[], &["x", "onemcp://b/x"]),
            listing(1, "b", "", &[], &["x"]),
        ]);
        let find = |uri| directory.find(Kind::Resources, uri).unwrap().server;
        assert_eq!((find("x"), find("onemcp://b/x")), (server(0), server(0)));
        let lost = directory.offered(Kind::Resources, server(1), &Rc::from("x"));
        assert_eq!(lost, None);
    }

    #[test]
    fn templates_match_what_they_can_expand_to() {
        for (template, uri, matches) in [
            ("test://template/{id}/data", "test://template/12/data", true),
            ("test://template/{id}/data", "test://template//data", false),
            (
                "test://template/{id}/data",
                "test://template/12/date",
                false,
            ),
            ("note://{id}", "note://x", true),
            ("note://{id}", "note://", false),
            ("note://x", "note://x", true),
            ("note://x", "note://xy", false),
            ("file:///{a}.{b}", "file:///one.two", true),
            ("file:///{a}.{b}", "file:///one", false),
            ("{+any}", "x", true),
            ("broken{", "broken", false),
        ] {
            assert_eq!(template_matches(template, uri), matches, "{template} {uri}");
        }
        let directory = built(&[
            listing(0, "a", "", &[], &["x://{id}"]),
            listing(1, "b", "", &[], &["note://{id}"]),
        ]);
        let order = [server(0), server(1)];
        assert_eq!(
            directory.by_template("note://1", order.into_iter()),
            Some(server(1))
        );
        assert_eq!(directory.by_template("other://1", order.into_iter()), None);
    }
}
