//! The built-in demo: a small MCP server on stdin and stdout, so that a newcomer, or a host
//! without Node, Python and network, sees the whole way work. `serve --demo` starts it as its
//! child (`1mcp __demo`).
//!
//! It is an ordinary server of the four legacy revisions and knows nothing of the gateway.

mod clock;
mod server;

use std::io::{self, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use onemcp::base::frame::Frame;
use onemcp::json::newline::{Line, Lines};
use onemcp::json::write;

use server::Server;

/// Serves until stdin ends or nobody reads stdout; the exit code.
pub(crate) fn run() -> u8 {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    };
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock(), now) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(_) => 1,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write, now: impl Fn() -> u64) -> io::Result<()> {
    let mut server = Server::default();
    let mut lines = Lines::default();
    let mut frame = Frame::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        lines.push(buffer.get(..count).unwrap_or_default());
        let ended = count == 0;
        loop {
            let line = if ended {
                lines.finish(&mut frame)
            } else {
                lines.next(&mut frame)
            };
            let answer = match line {
                None => break,
                Some(Line::Full) => server.answer(frame.bytes(), now()),
                Some(Line::TooLong { .. }) => Some(write::error(
                    None,
                    -32600,
                    "Invalid request: too long",
                    None,
                )),
            };
            if let Some(mut answer) = answer {
                answer.push(b'\n');
                output.write_all(&answer)?;
                output.flush()?;
            }
        }
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one by one.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn lines_are_answered_however_they_arrive() {
        let input = b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n\
                      {\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n{x\n\
                      {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}";
        let mut whole = Vec::new();
        serve(&mut &input[..], &mut whole, || 0).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(lines[1].contains("-32700"));
        assert_eq!(lines[2], r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
        assert_eq!(lines.len(), 3);
        let mut dripped = Vec::new();
        serve(&mut Drip(input), &mut dripped, || 0).unwrap();
        assert_eq!(dripped, whole);
    }
}
