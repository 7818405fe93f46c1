//! A terminal on which what is typed is not shown.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// As long as this is there, the terminal shows nothing of what is typed, gives every byte at once,
/// and makes no signals of keys: whoever reads sees Ctrl-C and can put the terminal back first.
#[derive(Debug)]
pub(crate) struct Hush<'a> {
    fd: BorrowedFd<'a>,
    before: libc::termios,
}

impl<'a> Hush<'a> {
    /// Begins; the error says that this is no terminal.
    pub(crate) fn begin(fd: BorrowedFd<'a>) -> io::Result<Self> {
        let mut found = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: tcgetattr fills in one termios, and `found` is room for one.
        super::outcome(unsafe { libc::tcgetattr(fd.as_raw_fd(), found.as_mut_ptr()) })?;
        // SAFETY: it succeeded, so all of it is filled in.
        let before = unsafe { found.assume_init() };
        let mut hushed = before;
        hushed.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG);
        hushed.c_cc[libc::VMIN] = 1;
        hushed.c_cc[libc::VTIME] = 0;
        set(fd, &hushed)?;
        Ok(Self { fd, before })
    }
}

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _gone = set(self.fd, &self.before);
    }
}

fn set(fd: BorrowedFd<'_>, to: &libc::termios) -> io::Result<()> {
    // SAFETY: `to` is a whole termios.
    super::outcome(unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSAFLUSH, to) })
}
