//! A question whose answer nobody may see: typed without being shown, or read from a pipe.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use crate::cli::failure::{Failure, reason};
use crate::shell::Hush;

/// More of an answer than this is not read.
const ANSWER_BYTES_MAX: usize = 4096;

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Line(Vec<u8>),
    /// Ctrl-C, or the end of the input before anything was typed.
    Nothing,
}

/// Asks for a secret, once for each prompt; from a pipe one line is read, and that is the answer to
/// all of them.
pub(crate) fn hidden(prompts: &[&str]) -> Result<Vec<String>, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut line = Vec::new();
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        let read = stdin.lock().take(limit).read_to_end(&mut line);
        read.map_err(|error| failed(&error))?;
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        return Ok(vec![text(line.to_vec())?; prompts.len()]);
    }
    let mut answers = Vec::new();
    for prompt in prompts {
        let _shown = io::stderr().write_all(format!("{prompt}: ").as_bytes());
        let hush = Hush::begin(stdin.as_fd()).map_err(|error| failed(&error))?;
        let typed = read_line(stdin.lock().bytes());
        drop(hush);
        let _shown = io::stderr().write_all(b"\n");
        match typed.map_err(|error| failed(&error))? {
            Typed::Line(line) => answers.push(text(line)?),
            Typed::Nothing => {
                let line = "interrupted; nothing was changed".to_owned();
                return Err(Failure::Failed(line));
            }
        }
    }
    Ok(answers)
}

fn failed(error: &io::Error) -> Failure {
    Failure::Failed(format!("asking: {}", reason(error)))
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    let not_text = |_| Failure::Usage("a password is text in UTF-8".to_owned());
    String::from_utf8(bytes).map_err(not_text)
}

/// A line that the terminal itself does not edit: the usual keys are done here.
fn read_line(bytes: impl Iterator<Item = io::Result<u8>>) -> io::Result<Typed> {
    let mut line: Vec<u8> = Vec::new();
    for byte in bytes {
        match byte? {
            b'\r' | b'\n' => return Ok(Typed::Line(line)),
            // Ctrl-C; Ctrl-D at the beginning.
            3 => return Ok(Typed::Nothing),
            4 if line.is_empty() => return Ok(Typed::Nothing),
            // Backspace and Delete take a whole character, Ctrl-U all of them.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            21 => line.clear(),
            byte if byte < b' ' => {}
            byte if line.len() < ANSWER_BYTES_MAX => line.push(byte),
            _ => {}
        }
    }
    Ok(Typed::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Option<String> {
        let bytes = text.bytes().map(Ok);
        match read_line(bytes).unwrap() {
            Typed::Line(line) => Some(String::from_utf8(line).unwrap()),
            Typed::Nothing => None,
        }
    }

    #[test]
    fn the_usual_keys_work_though_nothing_is_shown() {
        assert_eq!(typed("pass word\nx").as_deref(), Some("pass word"));
        assert_eq!(typed("ab\u{7f}c\r").as_deref(), Some("ac"));
        assert_eq!(typed("a\u{e9}\u{8}c\r").as_deref(), Some("ac"));
        assert_eq!(typed("\u{8}x\u{15}y\u{1b}\r").as_deref(), Some("y"));
        assert_eq!(typed("\r").as_deref(), Some(""));
        for nothing in ["abc\u{3}\r", "\u{4}", "", "abc"] {
            assert_eq!(typed(nothing), None, "{nothing:?}");
        }
        let long = typed(&format!("{}\r", "x".repeat(10_000)));
        assert_eq!(long.unwrap().len(), ANSWER_BYTES_MAX);
    }
}
