//! What is kept of a server from one run to the next: capabilities, instructions, lists, and
//! whether it asks questions. So the first answers after a start are right at once (contract 3).

use std::rc::Rc;

use crate::base::digest::sha256;
use crate::effect::Effect;
use crate::json::span::{path, string, validate};
use crate::json::write;
use crate::mcp::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::mcp::version::Version;
use crate::route::catalog::{Catalog, Kind};
use crate::route::{Desk, Hall, ServerKey};

/// Grows when the form of a record changes; others are ignored.
const FORMAT: &str = "1";

/// What is remembered of one server.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The revision it spoke.
    pub(crate) version: Version,
    /// What was declared to it: servers offer tools by what their client can do.
    pub(crate) declared: ClientCapabilities,
    /// What it offered.
    pub(crate) capabilities: ServerCapabilities,
    /// Its instructions.
    pub(crate) instructions: Option<String>,
    /// Its lists.
    pub(crate) catalog: Catalog,
    /// It asks clients for things.
    pub(crate) interactive: bool,
    /// It cannot be asked for its era, and this is the version of itself that cannot: the next one
    /// is asked again.
    pub(crate) unasked: Option<String>,
    /// What is on disk: the digest of the record, which is as long as all lists together.
    stored: Digest,
}

type Digest = [u8; 32];

/// The name of the record of a server in the state directory: the hash of its entry, so that
/// another command line under the same name remembers nothing.
#[must_use]
pub fn record_name(process_hash: &str) -> String {
    format!(
        "server-{}.json",
        process_hash.get(..32).unwrap_or(process_hash)
    )
}

impl Memory {
    /// Reads a record; `None` if it is none of ours. State may be deleted or damaged at any time.
    #[must_use]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let whole = validate(bytes).ok()?;
        let at = |names: &[&str]| path(bytes, whole, names);
        if at(&["format"])?.of(bytes) != FORMAT.as_bytes() {
            return None;
        }
        let version = Version::named(string(bytes, at(&["version"])?)?.as_bytes())?;
        let declared = ClientCapabilities::read(bytes, at(&["declared"])?);
        let capabilities = ServerCapabilities::read(bytes, at(&["capabilities"])?);
        let instructions = at(&["instructions"]).and_then(|at| string(bytes, at));
        let instructions = instructions.map(std::borrow::Cow::into_owned);
        let interactive = at(&["interactive"])?.of(bytes) == b"true";
        let unasked = at(&["unasked"]).and_then(|at| string(bytes, at));
        let unasked = unasked.map(std::borrow::Cow::into_owned);
        let stored = sha256(&[bytes]);
        let page = Rc::new(bytes.to_vec());
        let mut catalog = Catalog::default();
        for kind in Kind::ALL {
            catalog.list_mut(kind).page(kind, &page, whole);
        }
        Some(Self {
            version,
            declared,
            capabilities,
            instructions,
            catalog,
            interactive,
            unasked,
            stored,
        })
    }
}

fn record(memory: &Memory, server: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
    text(&mut out, &format!("{{\"format\":{FORMAT},\"server\":"));
    write::push_string(&mut out, server);
    text(
        &mut out,
        &format!(",\"version\":\"{}\"", memory.version.name()),
    );
    text(
        &mut out,
        &format!(",\"declared\":{}", memory.declared.render()),
    );
    text(
        &mut out,
        &format!(",\"capabilities\":{}", memory.capabilities.render()),
    );
    if let Some(instructions) = &memory.instructions {
        text(&mut out, ",\"instructions\":");
        write::push_string(&mut out, instructions);
    }
    text(
        &mut out,
        &format!(",\"interactive\":{}", memory.interactive),
    );
    if let Some(unasked) = &memory.unasked {
        text(&mut out, ",\"unasked\":");
        write::push_string(&mut out, unasked);
    }
    for kind in Kind::ALL {
        text(&mut out, &format!(",\"{}\":[", kind.member()));
        for (index, entry) in memory.catalog.list(kind).entries().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(entry.bytes());
        }
        out.push(b']');
    }
    out.push(b'}');
    out
}

impl Hall {
    /// Keeps what is known of a server, on disk only if it is news.
    pub(crate) fn remember(&mut self, desk: &mut Desk<'_, '_>, key: ServerKey) {
        let Some(server) = self.servers.get(key) else {
            return;
        };
        let pools = server
            .shared
            .into_iter()
            .chain(server.private.values().copied());
        let known = pools
            .filter_map(|pool| Some((desk.backends.hello(pool)?, self.pools.get(&pool)?)))
            // What a session offers that is one grant's is no other's.
            .find(|(_, pool)| pool.grant.is_none() && pool.catalog.known());
        let Some((hello, pool)) = known else { return };
        let mut catalog = Catalog::default();
        catalog.seed(&pool.catalog);
        let known = server.memory.as_ref();
        let before = known.and_then(|memory| memory.unasked.as_deref());
        let this_version = hello.server_version.clone().unwrap_or_default();
        let same = before.is_none_or(|before| before == this_version);
        let unasked = Some(this_version).filter(|_| same && hello.initialize_first);
        let mut memory = Memory {
            version: hello.version,
            declared: pool.declares,
            capabilities: hello.capabilities,
            instructions: hello.instructions.clone(),
            catalog,
            interactive: server.interactive,
            unasked,
            stored: Digest::default(),
        };
        let bytes = record(&memory, server.name());
        memory.stored = sha256(&[&bytes]);
        let name = record_name(&server.entry.process_hash);
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if server
            .memory
            .as_ref()
            .is_none_or(|before| before.stored != memory.stored)
        {
            desk.cx.effects.push(Effect::StoreState { name, bytes });
        }
        server.memory = Some(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::span::Span;

    fn memory() -> Memory {
        let mut catalog = Catalog::default();
        let page = Rc::new(br#"{"tools":[{"name":"a","x":1.0}],"resources":[]}"#.to_vec());
        for kind in [Kind::Tools, Kind::Resources] {
            catalog.list_mut(kind).page(kind, &page, Span::whole(&page));
        }
        Memory {
            version: Version::V2025_06_18,
            declared: ClientCapabilities {
                sampling: true,
                ..ClientCapabilities::default()
            },
            capabilities: ServerCapabilities {
                tools: true,
                ..ServerCapabilities::default()
            },
            instructions: Some("say \"hello\"\n".to_owned()),
            catalog,
            interactive: true,
            unasked: Some("1.0".to_owned()),
            stored: Digest::default(),
        }
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let bytes = record(&memory(), "files");
        let read = Memory::read(&bytes).unwrap();
        assert_eq!(read.version, Version::V2025_06_18);
        assert_eq!(read.instructions.as_deref(), Some("say \"hello\"\n"));
        assert_eq!(read.unasked.as_deref(), Some("1.0"));
        assert!(read.interactive && read.capabilities.tools && read.catalog.known());
        assert!(read.declared.sampling && !read.declared.roots);
        assert_eq!(
            read.catalog.list(Kind::Tools).entries()[0].bytes(),
            br#"{"name":"a","x":1.0}"#
        );
        assert_eq!(record(&read, "files"), bytes);
    }

    #[test]
    fn a_damaged_record_is_no_record() {
        let bytes = record(&memory(), "files");
        for end in 0..bytes.len() {
            assert!(Memory::read(&bytes[..end]).is_none());
        }
        let other = String::from_utf8(bytes)
            .unwrap()
            .replace("\"format\":1", "\"format\":9");
        assert!(Memory::read(other.as_bytes()).is_none());
    }
}
