//! The second half of a turn: every link with something to send is written once, with as many
//! pieces in one system call as there are; writability is asked for only after a refusal.

use std::io::{self, IoSlice};

use onemcp::input::Input;
use onemcp::limits::{WRITE_BYTES_PER_TURN_MAX, WRITE_SLICES_MAX};
use onemcp::links::LinkKey;

use crate::shell::driven::Core;
use crate::shell::event_loop::EventLoop;
use crate::shell::link::{Link, Reading, Stream, Writing};

/// What became of one write.
enum Step {
    /// The kernel took this many bytes, which is all that there was.
    TookAll(usize),
    /// It took this many; there is more.
    Took(usize),
    /// There was nothing to write.
    Nothing,
    /// The kernel takes nothing for now.
    Refused,
    /// Nobody will ever read it.
    Dead,
}

impl<C: Core> EventLoop<C> {
    /// Writes until no link is dirty, and tells the core of those that turned out dead, which may
    /// make others dirty.
    pub(super) fn flush(&mut self) {
        for key in std::mem::take(&mut self.writable) {
            if let Some(link) = self.links.get_mut(key)
                && link.writing == Writing::Blocked
            {
                link.writing = Writing::Open;
                let _asked = link.want_writable(self.poll.registry(), key, false);
            }
            if self.drain(key) {
                self.write_link(key);
            }
        }
        loop {
            while let Some(key) = self.core.next_dirty() {
                self.write_link(key);
            }
            // A link that was drained may be closed, or let its owner go on.
            self.obey();
            let Some(key) = self.broken.pop() else {
                match self.core.next_dirty() {
                    Some(key) => self.write_link(key),
                    None => return,
                }
                continue;
            };
            if self.close_link(key) {
                self.dispatch(Input::Broken { link: key });
            }
        }
    }

    /// Sends what TLS still holds of earlier writes; `false` = not all of it.
    fn drain(&mut self, key: LinkKey) -> bool {
        let Some(link) = self.links.get_mut(key) else {
            return false;
        };
        if !link.holds() {
            return true;
        }
        match link.drain() {
            Ok(()) => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.block(key),
            Err(_) => self.give_up_writing(key),
        }
        false
    }

    fn write_link(&mut self, key: LinkKey) {
        self.write_bytes(key);
        let _all = self.drain(key);
    }

    fn write_bytes(&mut self, key: LinkKey) {
        let mut budget = WRITE_BYTES_PER_TURN_MAX;
        loop {
            let Some(link) = self.links.get_mut(key) else {
                return;
            };
            match link.writing {
                // The event will come.
                Writing::Blocked => return,
                Writing::Shut | Writing::Refused => return self.discard(key),
                Writing::Open => {}
            }
            match write_once(&self.core, link, key) {
                Step::Nothing => {
                    if self.wrote(key, 0) {
                        self.shut(key);
                    }
                    return;
                }
                Step::TookAll(bytes) => {
                    self.waiter.wrote();
                    if self.wrote(key, bytes) {
                        self.shut(key);
                    }
                    return;
                }
                // Not documented for any of our streams; taken for a refusal.
                Step::Took(0) => return self.block(key),
                Step::Took(bytes) => {
                    if self.wrote(key, bytes) {
                        return self.shut(key);
                    }
                    budget = budget.saturating_sub(bytes);
                    if budget == 0 {
                        return self.writable.push(key);
                    }
                }
                Step::Refused => return self.block(key),
                Step::Dead => return self.give_up_writing(key),
            }
        }
    }

    fn block(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        // What was shut down may still have its good-bye to send.
        if link.writing == Writing::Open {
            link.writing = Writing::Blocked;
        }
        if link.want_writable(self.poll.registry(), key, true).is_err() {
            self.broken.push(key);
        }
    }

    /// A child that closed its stdin, or a server that takes no more of a request, may have written
    /// its last answer before: it is read, and then the link is broken. Any other stream is broken
    /// at once.
    fn give_up_writing(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if !matches!(
            link.stream,
            Stream::Child { .. } | Stream::Dialed(_) | Stream::Tls(_)
        ) {
            return self.broken.push(key);
        }
        link.shut();
        link.writing = Writing::Refused;
        if link.reading == Reading::Ended {
            self.broken.push(key);
        }
        self.queue_link(key);
        self.discard(key);
    }

    /// What nobody will read vanishes.
    fn discard(&mut self, key: LinkKey) {
        let unsent = self.core.pending(key).map(<[u8]>::len).sum();
        let _shut = self.wrote(key, unsent);
    }

    fn wrote(&mut self, key: LinkKey, bytes: usize) -> bool {
        let now = self.clock.now();
        self.core.wrote(now, key, bytes, &mut self.effects)
    }

    fn shut(&mut self, key: LinkKey) {
        if let Some(link) = self.links.get_mut(key) {
            link.shut();
        }
    }
}

fn write_once<C: Core>(core: &C, link: &mut Link, key: LinkKey) -> Step {
    let mut pieces = core.pending(key).filter(|piece| !piece.is_empty());
    let Some(first) = pieces.next() else {
        return Step::Nothing;
    };
    // A message that was not shared is one piece; no list is made for it.
    let (done, of, more) = match pieces.next() {
        None => (link.write(&[IoSlice::new(first)]), first.len(), false),
        Some(second) => {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES_MAX];
            let (mut count, mut of) = (0, 0);
            let mut all = [first, second].into_iter().chain(pieces);
            for (slot, piece) in slices.iter_mut().zip(all.by_ref()) {
                *slot = IoSlice::new(piece);
                count += 1;
                of += piece.len();
            }
            let more = all.next().is_some();
            (
                link.write(slices.get(..count).unwrap_or_default()),
                of,
                more,
            )
        }
    };
    match done {
        Ok(bytes) if bytes == of && !more => Step::TookAll(bytes),
        Ok(bytes) => Step::Took(bytes),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Refused,
        Err(_) => Step::Dead,
    }
}
