//! What stands around the pieces of an answer whose length nobody knows. Never sees the pieces.

use crate::http1::response;
use crate::http1::server::{Exchange, Server, State};

impl Server {
    fn is_chunked(&self) -> bool {
        matches!(self.state, State::Exchange(Exchange { chunked: true, .. }))
    }

    /// Appends what stands before a piece of a stream. A piece of 0 bytes must not be framed: it
    /// would end the stream.
    pub fn chunk_head(&self, len: usize, out: &mut Vec<u8>) {
        if self.is_chunked() {
            response::push_hex(out, len);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// What stands behind a piece of a stream.
    #[must_use]
    pub fn chunk_tail(&self) -> &'static [u8] {
        if self.is_chunked() { b"\r\n" } else { b"" }
    }

    /// What ends a stream; nothing if the end of the connection does.
    pub fn end_stream(&mut self) -> &'static [u8] {
        if !self.is_chunked() {
            return b"";
        }
        if let State::Exchange(exchange) = &mut self.state {
            exchange.chunked = false;
        }
        b"0\r\n\r\n"
    }
}
