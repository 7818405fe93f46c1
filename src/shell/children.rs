//! The children that run: whose they are, their stderr, their process groups; spawned on the main
//! thread only, reaped on SIGCHLD.
//!
//! Never decides to start or stop one.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child};

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry};
use onemcp::base::slab::{Slab, SlabKey};
use onemcp::effect::{SpawnSpec, StopSignal};
use onemcp::input::ExitStatus;
use onemcp::language::PoolKey;
use onemcp::links::LinkKey;

use crate::shell::child::{self, Started};
use crate::shell::guard_link::{GuardCommand, GuardLink};
use crate::shell::link::{Stream, Subject, token};
use crate::shell::sys::{self, ChildSetup};

onemcp::slab_keys! {
    /// One child, from its start until it is reaped and its link is closed.
    ChildKey;
}

#[derive(Debug)]
struct Running {
    pool: PoolKey,
    group: u32,
    life: Life,
    link: Option<LinkKey>,
    stderr: Option<Receiver>,
}

#[derive(Debug)]
enum Life {
    Running(Child),
    /// Reaped. Members of its group may live on, and hold its stdout open.
    Reaped {
        group_lives: bool,
    },
}

/// All children.
pub(crate) struct Children {
    table: Slab<ChildKey, Running>,
    /// The newest child of each pool.
    newest: BTreeMap<PoolKey, ChildKey>,
    guard: GuardLink,
    open_files: Option<u64>,
    /// Complaints for the log.
    warnings: Vec<String>,
    /// Whether children get SIGTERM when we die. It follows the thread that forked, so tests,
    /// whose threads end, do without.
    die_with_parent: bool,
}

/// A child that was started, as the loop needs it.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its key.
    pub(crate) child: ChildKey,
    /// Its pipes.
    pub(crate) stream: Stream,
    /// Its process id.
    pub(crate) pid: u32,
}

/// A child that ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Which.
    pub(crate) child: ChildKey,
    /// Whose; `None` if that pool has a newer child already.
    pub(crate) pool: Option<PoolKey>,
    /// How.
    pub(crate) status: ExitStatus,
}

impl Children {
    /// No children yet. `open_files` is the limit that they get back.
    pub(crate) fn new(guard: GuardCommand, open_files: Option<u64>) -> Self {
        Self {
            table: Slab::default(),
            newest: BTreeMap::new(),
            guard: GuardLink::new(guard),
            open_files,
            warnings: Vec::new(),
            die_with_parent: !cfg!(test),
        }
    }

    /// Starts a child. The error is one sentence.
    pub(crate) fn spawn(
        &mut self,
        registry: &Registry,
        pool: PoolKey,
        spec: &SpawnSpec,
    ) -> Result<Spawned, String> {
        self.ensure_guard();
        let setup = ChildSetup {
            announce: self.guard.announce_fd(),
            parent: process::id(),
            die_with_parent: self.die_with_parent,
            open_files: self.open_files,
        };
        let started = child::spawn(spec, setup).map_err(|failure| {
            self.guard.never_started();
            failure.to_string()
        })?;
        let pid = started.process.id();
        self.guard.started(pid);
        let (child, stream) = self.adopt(registry, pool, started);
        Ok(Spawned { child, stream, pid })
    }

    fn adopt(
        &mut self,
        registry: &Registry,
        pool: PoolKey,
        started: Started,
    ) -> (ChildKey, Stream) {
        let key = self.table.insert(Running {
            pool,
            group: started.process.id(),
            life: Life::Running(started.process),
            link: None,
            stderr: None,
        });
        self.newest.insert(pool, key);
        let mut stderr = started.stderr;
        let about = token(Subject::Stderr(key.key()));
        let registered = registry.register(&mut stderr, about, Interest::READABLE);
        if let (Ok(()), Some(running)) = (registered, self.table.get_mut(key)) {
            running.stderr = Some(stderr);
        }
        let stream = Stream::Child {
            stdout: started.stdout,
            stdin: Some(started.stdin),
        };
        (key, stream)
    }

    /// Notes which link carries a child's stdin and stdout.
    pub(crate) fn set_link(&mut self, child: ChildKey, link: LinkKey) {
        if let Some(running) = self.table.get_mut(child) {
            running.link = Some(link);
        }
    }

    /// Reads a child's stderr once: whose it is and how many bytes, or `None` when nothing is
    /// there (any more).
    pub(crate) fn read_stderr(
        &mut self,
        child: ChildKey,
        into: &mut [u8],
    ) -> Option<(PoolKey, usize)> {
        let running = self.table.get_mut(child)?;
        let pipe = running.stderr.as_mut()?;
        loop {
            match pipe.read(into) {
                Ok(n @ 1..) => return Some((running.pool, n)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Ok(0) | Err(_) => {
                    running.stderr = None;
                    return None;
                }
            }
        }
    }

    /// Signals the whole group of a pool's newest child.
    pub(crate) fn signal(&mut self, pool: PoolKey, signal: StopSignal) {
        let number = match signal {
            StopSignal::Term => libc::SIGTERM,
            StopSignal::Kill => libc::SIGKILL,
        };
        let child = self.newest.get(&pool);
        if let Some(running) = child.and_then(|child| self.table.get(*child))
            && !matches!(running.life, Life::Reaped { group_lives: false })
        {
            // The group may be gone all the same, if its leader was reaped.
            let _sent = sys::kill_group(running.group, number);
        }
    }

    /// The children that ended since the last call, reaped. As process 1 of a container, also
    /// those that lost their parent.
    pub(crate) fn reap(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (child, running) in self.table.iter_mut() {
            if let Life::Running(process) = &mut running.life
                && let Ok(Some(status)) = process.try_wait()
            {
                let group_lives = sys::group_exists(running.group);
                running.life = Life::Reaped { group_lives };
                let status = match status.code() {
                    Some(code) => ExitStatus::Code(code),
                    None => ExitStatus::Signal(status.signal().unwrap_or(0)),
                };
                let is_newest = self.newest.get(&running.pool) == Some(&child);
                let pool = is_newest.then_some(running.pool);
                ended.push(Ended {
                    child,
                    pool,
                    status,
                });
            }
        }
        if self.guard.has_died() {
            let text = "the guard process was killed; another one is started";
            self.warnings.push(text.to_owned());
            self.ensure_guard();
        }
        if process::id() == 1 {
            self.reap_orphans();
        }
        ended
    }

    /// Peeks before it reaps: what is in our tables belongs to std, which must not find that
    /// somebody else waited for it.
    fn reap_orphans(&self) {
        while let Some(pid) = sys::peek_ended_child() {
            let ours = self.guard.pid() == Some(pid)
                || self.table.iter().any(|(_, running)| {
                    matches!(&running.life, Life::Running(process) if process.id() == pid)
                });
            if ours {
                // It ended just now; the next SIGCHLD is on its way.
                return;
            }
            sys::reap(pid);
        }
    }

    /// After a child was reaped, or its link closed: once both happened, what is left of its group
    /// is killed, since nobody talks to it any more, and the child is forgotten.
    pub(crate) fn settle(&mut self, child: ChildKey) {
        let Some(running) = self.table.get(child) else {
            return;
        };
        let Life::Reaped { group_lives } = running.life else {
            return;
        };
        if running.link.is_some() {
            return;
        }
        let (pool, group) = (running.pool, running.group);
        // The kernel gives a number to nobody else while its group has members; once it had none,
        // it may belong to a stranger.
        if group_lives {
            let _sent = sys::kill_group(group, libc::SIGKILL);
        }
        self.guard.gone(group);
        self.table.remove(child);
        if self.newest.get(&pool) == Some(&child) {
            self.newest.remove(&pool);
        }
    }

    /// A link was closed. If it was a child's, that child has none any more.
    pub(crate) fn link_closed(&mut self, link: LinkKey) {
        let found = self
            .table
            .iter_mut()
            .find(|(_, running)| running.link == Some(link));
        if let Some((child, running)) = found {
            running.link = None;
            self.settle(child);
        }
    }

    fn ensure_guard(&mut self) {
        let alive: Vec<u32> = self.table.iter().map(|(_, child)| child.group).collect();
        if let Err(error) = self.guard.ensure(&alive) {
            self.warnings.push(error);
        }
    }

    /// Whether no child is left.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// What went wrong since the last call.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The end: what still runs is left to the guard, which stops it.
    pub(crate) fn finish(&mut self) {
        let nothing_left = self.table.is_empty();
        self.guard.finish(nothing_left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::child::tests::spec;
    use crate::shell::disk::tests::TempDir;
    use crate::shell::guard_link::tests::recorder;
    use onemcp::base::slab::Key;

    const POOL: PoolKey = PoolKey(Key {
        index: 3,
        generation: 1,
    });
    const LINK: LinkKey = LinkKey(Key {
        index: 9,
        generation: 0,
    });

    fn children() -> (Children, TempDir, std::path::PathBuf) {
        let dir = TempDir::new();
        let (command, file) = recorder(&dir);
        (Children::new(command, None), dir, file)
    }

    fn reap_one(children: &mut Children) -> Ended {
        loop {
            if let Some(ended) = children.reap().pop() {
                return ended;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_is_announced_by_itself_confirmed_reaped_and_forgotten() {
        let poll = mio::Poll::new().unwrap();
        let (mut children, _dir, file) = children();
        let spec = spec("sh", &["-c", "exit 7"]);
        let spawned = children.spawn(poll.registry(), POOL, &spec).unwrap();
        children.set_link(spawned.child, LINK);
        let ended = reap_one(&mut children);
        assert_eq!(
            (ended.pool, ended.status),
            (Some(POOL), ExitStatus::Code(7))
        );
        children.settle(ended.child);
        assert_eq!(children.table.len(), 1, "its stdout may hold unread bytes");
        children.link_closed(LINK);
        assert!(children.table.is_empty() && children.newest.is_empty());
        // A failure to start is taken back.
        assert!(
            children
                .spawn(poll.registry(), POOL, &child::tests::spec("/nowhere", &[]))
                .is_err()
        );
        children.finish();
        let (pid, mut told) = (spawned.pid, String::new());
        while !told.ends_with("!\n") {
            told = std::fs::read_to_string(&file).unwrap_or_default();
        }
        assert_eq!(told, format!("?{pid}\n+{pid}\n-{pid}\n!\n"));
    }

    #[test]
    fn a_signal_reaches_the_whole_group_and_only_the_newest_child_of_a_pool() {
        let poll = mio::Poll::new().unwrap();
        let (mut children, _dir, _) = children();
        children.signal(POOL, StopSignal::Term);
        let sleeper = spec("sh", &["-c", "sleep 1000 & echo; wait"]);
        let old = children.spawn(poll.registry(), POOL, &sleeper).unwrap();
        let new = children.spawn(poll.registry(), POOL, &sleeper).unwrap();
        children.signal(POOL, StopSignal::Kill);
        let ended = reap_one(&mut children);
        assert_eq!(ended.child, new.child);
        assert_eq!(ended.status, ExitStatus::Signal(libc::SIGKILL));
        sys::kill_group(old.pid, libc::SIGKILL).unwrap();
        let ended = reap_one(&mut children);
        assert_eq!((ended.child, ended.pool), (old.child, None));
    }

    #[test]
    fn stderr_is_read_to_its_end_even_after_the_child_was_reaped() {
        let poll = mio::Poll::new().unwrap();
        let (mut children, _dir, _) = children();
        let spec = spec("sh", &["-c", "echo why >&2"]);
        let spawned = children.spawn(poll.registry(), POOL, &spec).unwrap();
        reap_one(&mut children);
        let mut buffer = [0; 64];
        let read = children.read_stderr(spawned.child, &mut buffer);
        assert_eq!(read, Some((POOL, 4)));
        assert_eq!(&buffer[..4], b"why\n");
        assert_eq!(children.read_stderr(spawned.child, &mut buffer), None);
        assert!(children.warnings().is_empty());
    }
}
