//! The unsent bytes of every link, and who owns it.
//!
//! The shell names links, the core fills their outboxes, the shell takes the bytes at the end of
//! the turn. Since nothing is buffered anywhere else, the core always knows what is unsent.
//! Never reads, never frames.

use crate::base::outbox::{Outbox, Part, Spares};
use crate::base::slab::Key;
use crate::language::PoolKey;

crate::slab_keys! {
    /// One byte stream that the shell holds open: a socket, our own stdin and stdout as a pair, or
    /// a child's stdin and stdout as a pair. Minted by the shell.
    LinkKey;
    /// One connection that we open ourselves, from the order on until it is closed. Minted by the
    /// core.
    DialKey;
}

/// Which machine reads a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An accepted HTTP connection: `client`.
    Http,
    /// Our own stdin and stdout: `client`.
    Stdio,
    /// A connection on this instance's own socket: `instance`.
    Instance,
    /// A child's stdout and stdin: `backend`.
    Child(PoolKey),
    /// A connection that we opened: `fetch`.
    Dialed(DialKey),
}

/// How a link ends once its outbox is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    Open,
    /// Close the writing half when everything was written.
    ShutdownWhenSent,
    /// The writing half is closed (or about to be, in this turn).
    Shutdown,
}

#[derive(Debug)]
struct Link {
    generation: u32,
    owner: Owner,
    outbox: Outbox,
    ending: Ending,
    dirty: bool,
}

/// All open links.
#[derive(Debug, Default)]
pub struct Links {
    slots: Vec<Option<Link>>,
    dirty: Vec<LinkKey>,
    spares: Spares,
}

/// The link of this key, in the table `slots`.
fn find(slots: &mut [Option<Link>], link: LinkKey) -> Option<&mut Link> {
    let Key { index, generation } = link.0;
    slots
        .get_mut(index as usize)?
        .as_mut()
        .filter(|slot| slot.generation == generation)
}

impl Links {
    /// Begins to hold bytes for a link that the shell opened.
    pub fn open(&mut self, link: LinkKey, owner: Owner) {
        let Key { index, generation } = link.0;
        let index = index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Link {
            generation,
            owner,
            outbox: Outbox::default(),
            ending: Ending::Open,
            dirty: false,
        });
    }

    fn get(&self, link: LinkKey) -> Option<&Link> {
        let Key { index, generation } = link.0;
        self.slots
            .get(index as usize)?
            .as_ref()
            .filter(|slot| slot.generation == generation)
    }

    fn get_mut(&mut self, link: LinkKey) -> Option<&mut Link> {
        find(&mut self.slots, link)
    }

    /// Who reads this link; `None` once it is gone.
    #[must_use]
    pub fn owner(&self, link: LinkKey) -> Option<Owner> {
        self.get(link).map(|slot| slot.owner)
    }

    /// Appends a message. Bytes for a link that is gone, or whose writing half is closing, vanish:
    /// nobody will read them.
    pub fn send(&mut self, link: LinkKey, parts: &[Part<'_>]) {
        let Some(slot) = find(&mut self.slots, link) else {
            return;
        };
        if slot.ending == Ending::Open {
            slot.outbox.push_all(parts, &mut self.spares);
            if !std::mem::replace(&mut slot.dirty, true) {
                self.dirty.push(link);
            }
        }
    }

    /// Bytes that the kernel has not taken yet; 0 for a link that is gone.
    #[must_use]
    pub fn unsent(&self, link: LinkKey) -> usize {
        self.get(link).map_or(0, |slot| slot.outbox.unsent())
    }

    /// Asks for the writing half to be closed as soon as everything was written. Nothing more can
    /// be sent.
    pub fn finish(&mut self, link: LinkKey) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        if slot.ending == Ending::Open {
            slot.ending = Ending::ShutdownWhenSent;
            self.mark(link);
        }
    }

    /// Forgets the link and its unsent bytes.
    pub fn forget(&mut self, link: LinkKey) {
        if self.get(link).is_some() {
            self.slots[link.0.index as usize] = None;
        }
    }

    /// Notes that the shell has to look at this link at the end of the turn.
    fn mark(&mut self, link: LinkKey) {
        if let Some(slot) = self.get_mut(link)
            && !slot.dirty
        {
            slot.dirty = true;
            self.dirty.push(link);
        }
    }

    /// The next link to be written in this turn.
    pub fn next_dirty(&mut self) -> Option<LinkKey> {
        let link = self.dirty.pop()?;
        if let Some(slot) = self.get_mut(link) {
            slot.dirty = false;
        }
        Some(link)
    }

    /// The unsent bytes of a link.
    pub fn chunks(&self, link: LinkKey) -> impl Iterator<Item = &[u8]> {
        self.get(link)
            .into_iter()
            .flat_map(|slot| slot.outbox.chunks())
    }

    /// The kernel took this many bytes. `true` if the writing half is to be closed now, which is
    /// said once.
    pub fn wrote(&mut self, link: LinkKey, bytes: usize) -> bool {
        let Some(slot) = find(&mut self.slots, link) else {
            return false;
        };
        slot.outbox.wrote(bytes, &mut self.spares);
        let shut = slot.ending == Ending::ShutdownWhenSent && slot.outbox.unsent() == 0;
        if shut {
            slot.ending = Ending::Shutdown;
        }
        shut
    }

    /// Bytes that the kernel has not taken yet, over all links of some owners.
    #[must_use]
    pub fn unsent_of(&self, whose: impl Fn(Owner) -> bool) -> usize {
        let theirs = self.slots.iter().flatten().filter(|link| whose(link.owner));
        theirs.map(|link| link.outbox.unsent()).sum()
    }

    /// How many links of some owners are open.
    #[must_use]
    pub fn count_of(&self, whose: impl Fn(Owner) -> bool) -> usize {
        let links = self.slots.iter().flatten();
        links.filter(|link| whose(link.owner)).count()
    }

    /// How many links are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(generation: u32) -> LinkKey {
        LinkKey(Key {
            index: 0,
            generation,
        })
    }

    #[test]
    fn a_dirty_link_is_told_once_and_shut_once_when_all_was_sent() {
        let mut links = Links::default();
        links.open(link(0), Owner::Http);
        links.send(link(0), &["abc".into()]);
        links.send(link(0), &["def".into()]);
        links.finish(link(0));
        links.send(link(0), &["never".into()]);
        assert_eq!(
            (links.next_dirty(), links.next_dirty()),
            (Some(link(0)), None)
        );
        assert!(!links.wrote(link(0), 4));
        assert!(links.wrote(link(0), 2));
        assert!(!links.wrote(link(0), 0));
    }

    #[test]
    fn bytes_for_a_link_that_is_gone_do_not_reach_its_successor() {
        let mut links = Links::default();
        links.open(link(0), Owner::Http);
        links.forget(link(0));
        links.open(link(1), Owner::Stdio);
        links.send(link(0), &["secret".into()]);
        assert_eq!((links.unsent(link(1)), links.count()), (0, 1));
        assert_eq!(
            (links.owner(link(0)), links.owner(link(1))),
            (None, Some(Owner::Stdio))
        );
    }
}
