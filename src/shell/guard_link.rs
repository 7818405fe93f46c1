//! The gateway's side of the guard: starts it with the first child, tells it which process groups
//! live, and starts it anew should somebody kill it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use onemcp::limits::GUARD_STARTS_MAX;

use crate::shell::child;
use crate::shell::disk::reason;
use crate::shell::sys::{self, ChildSetup};

/// How the guard is started: the program and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct GuardCommand {
    /// The program.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
}

impl GuardCommand {
    /// This binary once more. By /proc where that exists: an upgrade may have replaced the file.
    pub(crate) fn this_binary() -> Self {
        let by_proc = Path::new("/proc/self/exe");
        let program = if by_proc.exists() {
            by_proc.into()
        } else {
            child::own_program()
        };
        Self {
            program,
            args: vec!["__guard".into()],
        }
    }
}

/// The guard, as far as it was needed yet.
#[derive(Debug)]
pub(crate) struct GuardLink {
    command: GuardCommand,
    running: Option<Running>,
    starts: u32,
}

#[derive(Debug)]
struct Running {
    process: Child,
    socket: UnixStream,
}

impl GuardLink {
    /// No guard yet.
    pub(crate) fn new(command: GuardCommand) -> Self {
        Self {
            command,
            running: None,
            starts: 0,
        }
    }

    /// Starts the guard unless it runs, and tells it what lives already. After
    /// [`GUARD_STARTS_MAX`] starts it is given up: then the children only have PR_SET_PDEATHSIG.
    pub(crate) fn ensure(&mut self, alive: &[u32]) -> Result<(), String> {
        if self.running.is_some() || self.starts >= GUARD_STARTS_MAX {
            return Ok(());
        }
        self.starts += 1;
        let running = start(&self.command)
            .map_err(|error| format!("the guard process cannot be started: {}", reason(&error)))?;
        self.running = Some(running);
        for group in alive {
            self.started(*group);
        }
        Ok(())
    }

    /// Where a child announces itself.
    pub(crate) fn announce_fd(&self) -> Option<RawFd> {
        self.running
            .as_ref()
            .map(|running| running.socket.as_raw_fd())
    }

    /// The child that announced itself last became its program.
    pub(crate) fn started(&self, group: u32) {
        self.tell(&format!("+{group}\n"));
    }

    /// The child that announced itself last, if any did, never became its program.
    pub(crate) fn never_started(&self) {
        self.tell("!\n");
    }

    /// A group is gone.
    pub(crate) fn gone(&self, group: u32) {
        self.tell(&format!("-{group}\n"));
    }

    /// A full or closed socket loses the line: then the guard is stuck or dead, and being wrong
    /// about a group that is gone costs one signal to nobody.
    fn tell(&self, line: &str) {
        if let Some(running) = &self.running {
            let _told = (&running.socket).write(line.as_bytes());
        }
    }

    /// Whether the guard has ended; then it is forgotten. To be asked after SIGCHLD.
    pub(crate) fn has_died(&mut self) -> bool {
        let died = match &mut self.running {
            Some(running) => matches!(running.process.try_wait(), Ok(Some(_))),
            None => false,
        };
        if died {
            self.running = None;
        }
        died
    }

    /// The guard's process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.process.id())
    }

    /// Lets the guard go, and waits a moment for it if nothing is left for it to do.
    pub(crate) fn finish(&mut self, nothing_left: bool) {
        let Some(Running {
            mut process,
            socket,
        }) = self.running.take()
        else {
            return;
        };
        drop(socket);
        // Bounded: a guard that somebody stopped (SIGSTOP) must not keep us.
        let mut tries = if nothing_left { 100 } else { 0 };
        while tries > 0 && matches!(process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
            tries -= 1;
        }
    }
}

fn start(command: &GuardCommand) -> io::Result<Running> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut process = Command::new(&command.program);
    // Nothing of ours may stay open in it: who waits for the end of our stderr waits for us. It has
    // nothing to say; the same socket thrice spares it /dev/null, which an empty chroot lacks.
    process
        .arg0("1mcp")
        .args(&command.args)
        .stdout(OwnedFd::from(theirs.try_clone()?))
        .stderr(OwnedFd::from(theirs.try_clone()?))
        .stdin(OwnedFd::from(theirs));
    let setup = ChildSetup {
        announce: None,
        parent: std::process::id(),
        die_with_parent: false,
        open_files: None,
    };
    sys::set_up_child(&mut process, setup);
    Ok(Running {
        process: process.spawn()?,
        socket: ours,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    use crate::shell::disk::tests::TempDir;

    /// A stand-in for the guard that writes down what it is told.
    pub(crate) fn recorder(dir: &TempDir) -> (GuardCommand, std::path::PathBuf) {
        let file = dir.path().join("told");
        let command = GuardCommand {
            program: "/bin/sh".into(),
            args: vec![
                "-c".into(),
                "exec cat > \"$0\"".into(),
                file.clone().into_os_string(),
            ],
        };
        (command, file)
    }

    #[test]
    fn the_guard_is_told_what_lives_and_ends_when_we_let_it_go() {
        let dir = TempDir::new();
        let (command, file) = recorder(&dir);
        let mut guard = GuardLink::new(command);
        guard.gone(5);
        assert_eq!((guard.pid(), guard.announce_fd()), (None, None));
        guard.ensure(&[7, 8]).unwrap();
        guard.ensure(&[9]).unwrap();
        guard.never_started();
        guard.gone(7);
        let mut process = guard.running.take().unwrap();
        drop(process.socket);
        process.process.wait().unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), "+7\n+8\n!\n-7\n");
    }

    #[test]
    fn guard_starts_max_ends_the_tries() {
        let command = GuardCommand {
            program: "/nowhere/1mcp".into(),
            args: Vec::new(),
        };
        let mut guard = GuardLink::new(command);
        for _ in 0..GUARD_STARTS_MAX {
            assert!(guard.ensure(&[]).is_err());
        }
        assert!(guard.ensure(&[]).is_ok());
        assert_eq!(guard.announce_fd(), None);
    }

    #[test]
    fn a_guard_that_died_is_noticed_once() {
        let command = GuardCommand {
            program: "/bin/false".into(),
            args: Vec::new(),
        };
        let mut guard = GuardLink::new(command);
        guard.ensure(&[]).unwrap();
        while !guard.has_died() {
            thread::yield_now();
        }
        assert!(!guard.has_died());
        guard.finish(true);
    }
}
