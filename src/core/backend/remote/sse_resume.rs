//! Whether and when an event stream of Streamable HTTP is asked for again after it broke off
//! (protocol F6): the last id that was seen goes into `Last-Event-ID`, and the server may have said
//! how long to wait. One of these goes with every stream, of a POST as well as of a GET; it
//! knows neither the clock nor what the stream is about.
//!
//! How long all of it may take is for whoever waits: a call has its own deadline.

use crate::base::mark::Mark;
use crate::http1::sse_reader::Reader;
use crate::limits::{RESUME_MS, RESUME_MS_MAX, RESUME_MS_MIN, RESUMES_FAILED_MAX};

/// What one stream left behind for the next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resume {
    last_id: Option<Box<str>>,
    retry_ms: Option<u64>,
    /// Failures in a row.
    failed: u32,
}

impl Resume {
    /// A response that was a stream has ended; how long to wait before it is asked for again.
    /// Ends are no failures: servers that let their clients poll (2025-11-25) end every stream at
    /// once.
    pub(super) fn ended(&mut self, reader: &Reader) -> u64 {
        if let Some(id) = reader.last_id() {
            // An empty one takes the former one back (WHATWG HTML 9.2.6).
            self.last_id = Some(id).filter(|id| !id.is_empty()).map(Into::into);
        }
        self.retry_ms = reader.retry_ms().or(self.retry_ms);
        self.failed = 0;
        self.wait_ms()
    }

    /// The stream could not be had (no connection, 5xx); how long to wait until the next try,
    /// `None` if this was the last one.
    pub(super) fn failed(&mut self) -> Option<u64> {
        self.failed = self.failed.saturating_add(1);
        if self.failed > RESUMES_FAILED_MAX {
            Mark::ResumeGivenUp.hit();
            return None;
        }
        let doublings = self.failed.min(16);
        let wait = self.wait_ms().saturating_mul(1 << doublings);
        Some(wait.min(RESUME_MS_MAX).max(self.wait_ms()))
    }

    /// For `Last-Event-ID`. Without one a stream of a POST cannot be asked for again, and its call
    /// has failed; one of a GET is asked for as if it were the first.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the end of a stream says enough")
    )]
    /// The server does not know the id (any more): from here on the stream is another one.
    pub(super) fn forget_id(&mut self) {
        self.last_id = None;
    }

    fn wait_ms(&self) -> u64 {
        let asked = self.retry_ms.unwrap_or(RESUME_MS);
        asked.clamp(RESUME_MS_MIN, RESUME_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;

    fn read(text: &str) -> Reader {
        let mut reader = Reader::new(10_000);
        reader.receive(text.as_bytes());
        while reader.next_event().unwrap().is_some() {}
        reader
    }

    #[test]
    fn f6_the_last_id_is_kept_over_streams_that_have_none() {
        let mut resume = Resume::default();
        for (text, expected) in [
            ("data: x\n\n", None),
            ("id: 1\ndata:\n\nid: 2\ndata: x\n\n", Some("2")),
            (": nothing\n\n", Some("2")),
            // Not complete: the next stream has it again.
            ("id: 3\ndata: x", Some("2")),
            ("id: 4\n\n", Some("4")),
            ("id:\ndata: x\n\n", None),
        ] {
            resume.ended(&read(text));
            assert_eq!(resume.last_id(), expected, "{text:?}");
        }
        resume.ended(&read("id: 5\n\n"));
        resume.forget_id();
        assert_eq!(resume.last_id(), None);
    }

    #[test]
    fn f6_retry_is_what_is_waited_within_bounds() {
        let waits = |text: &str| Resume::default().ended(&read(text));
        assert_eq!(waits(""), RESUME_MS);
        assert_eq!(waits("retry: 500\n\n"), 500);
        assert_eq!(waits("retry: 0\n\n"), RESUME_MS_MIN);
        assert_eq!(waits("retry: 99999999999\n\n"), RESUME_MS_MAX);
        let mut resume = Resume::default();
        resume.ended(&read("retry: 700\n\n"));
        assert_eq!(resume.ended(&read("id: 1\ndata:\n\n")), 700);
    }

    #[test]
    fn resumes_failed_max_is_counted_in_a_row_with_growing_pauses() {
        let _reached = must_hit(Mark::ResumeGivenUp);
        let mut resume = Resume::default();
        for _ in 0..2 {
            assert_eq!(resume.ended(&read("retry: 500\n\n")), 500);
            let waits: Vec<_> = std::iter::from_fn(|| resume.failed()).collect();
            assert_eq!(waits, [1000, 2000, 4000, 8000, 16_000]);
            assert_eq!(waits.len(), RESUMES_FAILED_MAX as usize);
        }
        let mut slow = Resume::default();
        slow.ended(&read("retry: 50000\n\n"));
        assert_eq!(slow.failed(), Some(RESUME_MS_MAX));
    }
}
