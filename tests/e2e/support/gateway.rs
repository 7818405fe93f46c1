//! `1mcp serve` on a free port, beside the test.

use std::path::Path;
use std::process::Command;

use super::lines::Lines;
use super::program::{self, Beside, Process};

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    pub(crate) process: Process,
    pub(crate) log: Lines,
    out: Lines,
}

impl Gateway {
    /// Serves a configuration directory and waits for the ready line.
    #[track_caller]
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::of(&mut serve(dir, args))
    }

    /// The same with a command of the test's own making.
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        let beside = Beside::start(command);
        let port = beside.log.find("ready line", port_of);
        Self {
            port,
            process: beside.process,
            log: beside.log,
            out: beside.out,
        }
    }

    /// Ends it without a word, as a crash does.
    pub(crate) fn crash(self) {
        self.process.signal("KILL");
        self.process.ended();
    }

    /// Asks it to end as an operator does; it must end well and must not have used stdout.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.process.signal("TERM");
        let status = self.process.ended();
        assert!(status.success(), "{status}\n{}", self.log.text());
        assert_eq!(self.out.to_end(), [""; 0]);
    }
}

/// `1mcp serve` on a free port.
pub(crate) fn serve(dir: &Path, args: &[&str]) -> Command {
    let mut command = program::command(dir, &["serve", "--port", "0", "--config-dir"]);
    command.arg(dir).args(args);
    command
}

/// The port in the ready line.
pub(crate) fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("listening on http://")?;
    let (_, port) = rest.split('/').next()?.rsplit_once(':')?;
    port.parse().ok()
}
