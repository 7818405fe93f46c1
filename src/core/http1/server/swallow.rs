//! Bodies that are too long: read to their end and thrown away, and only then refused. Keeps
//! nothing of them.

use crate::http1::body;
use crate::http1::framing::{self, Framing};
use crate::http1::head::{Method, Request};
use crate::http1::server::{Server, State, Step};

impl Server {
    /// The same, but of a body that is too long it takes up to this many bytes before it says so:
    /// who sends everything before he reads, or by way of a proxy that closes on him, would see a
    /// reset in place of the answer. Who asks first ([`Step::Continue`]) is told at once.
    #[must_use]
    pub const fn swallowing(mut self, swallowed_bytes_max: usize) -> Self {
        self.swallowed_bytes_max = swallowed_bytes_max;
        self
    }

    /// The head announces a body that is too long.
    pub(super) fn too_long(&mut self, request: Request) -> Step {
        let head_only = request.method == Method::Head;
        let swallowed = match framing::of(&request, self.swallowed_bytes_max) {
            Ok(Framing::Length(left)) if framing::expects_continue(&request) == Ok(false) => left,
            _ => 0,
        };
        self.too_long = Some(Box::new(request));
        self.swallow(head_only, swallowed)
    }

    /// Throws away what came of a body that is too long.
    pub(super) fn swallow(&mut self, head_only: bool, left: usize) -> Step {
        let came = left.min(self.inbox_bytes());
        self.taken += came;
        if left == came {
            return self.refuse(body::TOO_LARGE, head_only);
        }
        self.tidy();
        self.state = State::Swallowing {
            head_only,
            left: left - came,
        };
        Step::NeedMore
    }

    /// The request that was refused because its body is too long.
    #[must_use]
    pub fn refused_for_length(&self) -> Option<&Request> {
        self.too_long.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::frame::Frame;
    use crate::http1::server::{Reply, Waiting};

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_body_that_is_too_long_is_taken_before_it_is_refused_whatever_the_split() {
        let swallowing = || Server::new(10).swallowing(100);
        let status = |server: &mut Server| match server.next(&mut Frame::default()) {
            Step::NeedMore => None,
            Step::Reject(reject) => Some(reject.status),
            other => panic!("{other:?}"),
        };
        let head = |fields: &str| format!("POST /long HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
        let input = head("Content-Length: 40") + &"x".repeat(40);
        for at in 0..input.len() {
            let mut server = swallowing();
            server.receive(&input.as_bytes()[..at]);
            assert_eq!(status(&mut server), None, "{at}");
            assert!(server.held_bytes() <= input.len());
            server.receive(&input.as_bytes()[at..]);
            assert_eq!(status(&mut server), Some(413), "{at}");
            let refused = server.refused_for_length().unwrap();
            assert_eq!(refused.path(), "/long");
            assert!(text(&server.respond(413, &[], Reply::Full(0))).contains("close"));
        }
        // What is longer still, and who waits for a word before he sends, is refused at once.
        for fields in [
            "Content-Length: 101",
            "Content-Length: 99999999999999999999999",
            "Content-Length: 40\r\nExpect: 100-continue",
        ] {
            let mut server = swallowing();
            server.receive(head(fields).as_bytes());
            assert_eq!(status(&mut server), Some(413), "{fields}");
        }
        let mut server = swallowing();
        server.receive(head("Content-Length: 40").as_bytes());
        assert_eq!(status(&mut server), None);
        assert_eq!(server.waiting(), Waiting::Body);
        assert!(text(&server.respond(408, &[], Reply::Full(0))).contains("close"));
    }
}
