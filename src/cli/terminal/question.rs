//! Questions, which only a person can answer: asked where one sits, refused where none does.

use std::io::{self, BufRead, IsTerminal, Write};

use super::readable;
use crate::cli::failure::{Failure, reason};

/// More of an answer than this is not read.
const ANSWER_BYTES_MAX: u64 = 1024;

/// Whether somebody can be asked: stdin and stderr both are a terminal.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question that is answered with yes or no; no is what Enter alone means. Where nobody can
/// be asked, the failure names `flag`, which answers yes.
pub(crate) fn confirm(question: &str, flag: &str) -> Result<bool, Failure> {
    if !can_ask() {
        return Err(nobody(question, flag));
    }
    let stdin = io::stdin().lock();
    let answered = ask(question, stdin, &mut io::stderr().lock());
    answered.map_err(|error| Failure::Failed(format!("asking: {}", reason(&error))))
}

fn nobody(question: &str, flag: &str) -> Failure {
    let question = readable(question);
    Failure::Usage(format!(
        "{question} Nobody can be asked here (stdin or stderr is no terminal): {flag} says yes"
    ))
}

fn ask(question: &str, answers: impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    let mut answers = answers.take(ANSWER_BYTES_MAX);
    for _try in 0..3 {
        write!(out, "{} [y/N] ", readable(question))?;
        out.flush()?;
        let mut line = Vec::new();
        answers.read_until(b'\n', &mut line)?;
        match line.trim_ascii().to_ascii_lowercase().as_slice() {
            b"y" | b"yes" => return Ok(true),
            b"n" | b"no" => return Ok(false),
            b"" => {
                if !line.ends_with(b"\n") {
                    // End of input: the question's line is still open.
                    writeln!(out)?;
                }
                return Ok(false);
            }
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(typed: &str) -> (bool, String) {
        let mut out = Vec::new();
        let yes = ask("Go\x1b on?", typed.as_bytes(), &mut out).unwrap();
        (yes, String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_a_clear_yes_is_yes() {
        for yes in ["y\n", "YES\n", " yes \r\n", "what\ny\n"] {
            assert!(answer(yes).0, "{yes:?}");
        }
        for no in ["", "\n", "n\n", "No\n", "x\nx\nx\ny\n", "x"] {
            assert!(!answer(no).0, "{no:?}");
        }
        assert_eq!(answer("y\n").1, "Go? on? [y/N] ");
        assert_eq!(answer("").1, "Go? on? [y/N] \n");
        assert!(!answer(&"y".repeat(1_000_000)).0);
    }

    #[test]
    fn contract_1_where_nobody_can_be_asked_the_flag_is_named() {
        let failure = nobody("Replace it?", "--yes");
        assert_eq!(failure.code(), 2);
        let line = failure.line().unwrap();
        assert!(line.starts_with("Replace it? ") && line.ends_with("--yes says yes"));
    }
}
