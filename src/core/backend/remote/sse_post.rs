//! What a server of 2024-11-05 means by its answer to a POST. The answer to the message itself
//! comes on the stream, so that only the status counts here, and what the body says is at most a
//! reason. Pure; sends nothing.

use crate::backend::words::{plain, quoted};
use crate::base::mark::Mark;
use crate::limits::QUOTE_BYTES_MAX;

/// What became of one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// The server has it (202; some say 200 with a word).
    Taken,
    /// It was not worked on; a sentence to stand behind "server NAME: ".
    Refused(String),
    /// Nor will any other: the server does not know the session any more, although its stream is
    /// open (it stands behind a balancer and was replaced, or has lost its memory). Only a new
    /// stream helps.
    SessionGone(String),
}

/// Reads the status and the beginning of the body.
pub(super) fn posted(status: u16, body: &[u8]) -> Posted {
    let why = || {
        let why = format!("answered the POST of a message with status {status}");
        match body.trim_ascii() {
            b"" => why,
            text => format!("{why}: {}", quoted(&plain(text, QUOTE_BYTES_MAX))),
        }
    };
    match status {
        200..=299 => Posted::Taken,
        404 | 410 => {
            Mark::PostSessionGone.hit();
            Posted::SessionGone(why())
        }
        400 if speaks_of_session(body) => {
            Mark::PostSessionGone.hit();
            Posted::SessionGone(why())
        }
        _ => Posted::Refused(why()),
    }
}

/// The example servers of the SDKs answer 400 for a session that they do not know. `session` also
/// stands in what other servers say of a session that does exist; being asked for a new one does
/// not harm those.
fn speaks_of_session(body: &[u8]) -> bool {
    let text = body.get(..body.len().min(QUOTE_BYTES_MAX));
    let text = text.unwrap_or_default().to_ascii_lowercase();
    ["session", "no transport"]
        .iter()
        .any(|word| text.windows(word.len()).any(|at| at == word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;

    #[test]
    fn e2_any_success_means_that_the_message_was_taken() {
        for (status, body) in [
            (202, "Accepted"),
            (200, "ok"),
            (204, ""),
            (200, "{\"id\":1}"),
        ] {
            assert_eq!(posted(status, body.as_bytes()), Posted::Taken);
        }
    }

    #[test]
    fn a_refused_message_is_lost_with_the_servers_words() {
        for (status, body, says) in [
            (400, "Invalid message", "status 400: \"Invalid message\""),
            (401, "", "status 401"),
            (413, " \n", "status 413"),
            (429, "slow \"down\"", "status 429: \"slow 'down'\""),
            (500, "a\x1b[2Jb", "status 500: \"a\\u{1b}[2Jb\""),
        ] {
            let Posted::Refused(why) = posted(status, body.as_bytes()) else {
                panic!("{status}");
            };
            let expected = format!("answered the POST of a message with {says}");
            assert_eq!(why, expected);
        }
        let long = "x".repeat(10_000);
        assert!(matches!(posted(500, long.as_bytes()), Posted::Refused(why) if why.len() < 300));
    }

    #[test]
    fn f5_a_session_that_the_server_does_not_know_is_over() {
        let _reached = must_hit(Mark::PostSessionGone);
        for (status, body) in [
            (404, ""),
            (404, "Could not find session"),
            (410, "gone"),
            (400, "No transport found for sessionId"),
            (400, "Invalid or missing Session ID"),
        ] {
            let gone = posted(status, body.as_bytes());
            assert!(matches!(gone, Posted::SessionGone(_)), "{status} {body}");
        }
    }
}
