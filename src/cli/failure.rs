//! How a command can end other than well, and the exit codes of contract 1.

use std::io;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: 2.
    Usage(String),
    /// It was tried and failed: 1.
    Failed(String),
    /// Not running, or nothing found: 3.
    Absent(String),
    /// Nobody reads our output any more (`| head -1`): 0, and not a word.
    Unread,
}

impl Failure {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Absent(_) => 3,
        }
    }

    /// The line for stderr, if one is due.
    pub(crate) fn line(&self) -> Option<&str> {
        match self {
            Self::Usage(line) | Self::Failed(line) | Self::Absent(line) => Some(line),
            Self::Unread => None,
        }
    }

    /// Writing to stdout failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Unread
        } else {
            Self::Failed(format!("writing to stdout: {}", reason(error)))
        }
    }
}

/// What the kernel said, without the number that Rust appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_1_exit_codes() {
        let text = String::new;
        let codes = [
            Failure::Unread,
            Failure::Failed(text()),
            Failure::Usage(text()),
            Failure::Absent(text()),
        ];
        assert_eq!(codes.map(|failure| failure.code()), [0, 1, 2, 3]);
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(
            Failure::output(&full).line(),
            Some("writing to stdout: no space left on device")
        );
        let unread = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::output(&unread).line(), None);
    }
}
