//! HTTP/1.1 responses, read strictly: one after the other on a kept-alive connection.

/// A piece of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// Status and header fields, names in lower case.
    Head(Head),
    /// Some of its body.
    Body(Vec<u8>),
    /// The response is complete.
    End,
}

/// The head of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    UntilClose,
}

/// Reads the responses of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    state: State,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            state: State::Head,
        }
    }
}

impl Reader {
    /// Takes bytes and tells what they were.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Got>, String> {
        self.buffer.extend_from_slice(bytes);
        let mut got = Vec::new();
        while self.step(&mut got)? {}
        Ok(got)
    }

    /// The connection ended; `Some(End)` if that ends a response as it should.
    pub(crate) fn close(&mut self) -> Result<Option<Got>, &'static str> {
        match self.state {
            State::UntilClose => {
                self.state = State::Head;
                Ok(Some(Got::End))
            }
            State::Head if self.buffer.is_empty() => Ok(None),
            _ => Err("the connection ended within a response"),
        }
    }

    fn step(&mut self, got: &mut Vec<Got>) -> Result<bool, String> {
        match self.state {
            State::Head => return self.head(got),
            State::Length(0) => self.end(got),
            State::Length(left) => match self.take(left) {
                Some(bytes) => {
                    self.state = State::Length(left - bytes.len());
                    got.push(Got::Body(bytes));
                }
                None => return Ok(false),
            },
            State::ChunkSize => {
                let Some(line) = self.line()? else {
                    return Ok(false);
                };
                let size = usize::from_str_radix(&line, 16)
                    .map_err(|_| format!("bad chunk size {line:?}"))?;
                self.state = if size == 0 {
                    State::Trailer
                } else {
                    State::Chunk(size)
                };
            }
            State::Chunk(0) => self.state = State::ChunkEnd,
            State::Chunk(left) => match self.take(left) {
                Some(bytes) => {
                    self.state = State::Chunk(left - bytes.len());
                    got.push(Got::Body(bytes));
                }
                None => return Ok(false),
            },
            State::ChunkEnd => match self.line()? {
                Some(line) if line.is_empty() => self.state = State::ChunkSize,
                Some(line) => return Err(format!("a chunk is followed by {line:?}")),
                None => return Ok(false),
            },
            State::Trailer => match self.line()? {
                Some(line) if line.is_empty() => self.end(got),
                Some(line) => return Err(format!("trailer {line:?}")),
                None => return Ok(false),
            },
            State::UntilClose => match self.take(usize::MAX) {
                Some(bytes) => got.push(Got::Body(bytes)),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn end(&mut self, got: &mut Vec<Got>) {
        got.push(Got::End);
        self.state = State::Head;
    }

    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        let count = most.min(self.buffer.len());
        (count > 0).then(|| self.buffer.drain(..count).collect())
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<Option<String>, String> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let text = line
            .strip_suffix(b"\r\n")
            .ok_or("a line of HTTP ends without CR")?;
        String::from_utf8(text.to_vec())
            .map(Some)
            .map_err(|_| "a line is not UTF-8".to_owned())
    }

    fn head(&mut self, got: &mut Vec<Got>) -> Result<bool, String> {
        let end = self
            .buffer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else { return Ok(false) };
        let bytes: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head is not UTF-8")?;
        let head = parse_head(text)?;
        self.state = framing(&head)?;
        // 100 Continue is followed by the real response.
        if head.status != 100 {
            let empty = self.state == State::Length(0);
            got.push(Got::Head(head));
            if empty {
                self.end(got);
            }
        } else {
            self.state = State::Head;
        }
        Ok(true)
    }
}

fn parse_head(text: &str) -> Result<Head, String> {
    let wrong = |line: &str| format!("bad line in a response head: {line:?}");
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let rest = first
        .strip_prefix("HTTP/1.1 ")
        .ok_or_else(|| wrong(first))?;
    let (status, reason) = rest.split_once(' ').ok_or_else(|| wrong(first))?;
    if status.len() != 3 || reason.is_empty() {
        return Err(wrong(first));
    }
    let mut head = Head {
        status: status.parse().map_err(|_| wrong(first))?,
        fields: Vec::new(),
    };
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| wrong(line))?;
        let token = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !token || value.contains(['\r', '\n']) {
            return Err(wrong(line));
        }
        head.fields
            .push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok(head)
}

fn framing(head: &Head) -> Result<State, String> {
    let one = |name| match head
        .fields
        .iter()
        .filter(|(known, _)| known == name)
        .count()
    {
        0 => Ok(None),
        1 => Ok(head.get(name)),
        _ => Err(format!("{name} stands twice")),
    };
    let (length, coding) = (one("content-length")?, one("transfer-encoding")?);
    match (length, coding) {
        (None, None) if head.status == 204 || head.status == 100 => Ok(State::Length(0)),
        (Some(_) | None, Some(_) | None) if head.status == 204 => {
            Err("a 204 with a body".to_owned())
        }
        (Some(length), None) => Ok(State::Length(
            length
                .parse()
                .map_err(|_| format!("bad length {length:?}"))?,
        )),
        (None, Some("chunked")) => Ok(State::ChunkSize),
        (None, Some(other)) => Err(format!("unknown coding {other:?}")),
        (Some(_), Some(_)) => Err("length and coding".to_owned()),
        (None, None) if head.get("connection") == Some("close") => Ok(State::UntilClose),
        (None, None) => Err("nothing says where the response ends".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8], step: usize) -> Vec<Got> {
        let mut reader = Reader::default();
        let pieces = bytes
            .chunks(step)
            .flat_map(|piece| reader.feed(piece).unwrap());
        let mut whole: Vec<Got> = Vec::new();
        for got in pieces {
            match (whole.last_mut(), got) {
                (Some(Got::Body(before)), Got::Body(more)) => before.extend(more),
                (_, got) => whole.push(got),
            }
        }
        whole
    }

    #[test]
    fn responses_are_read_whole_and_split_at_every_byte() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\
                     Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
                     HTTP/1.1 204 No Content\r\n\r\n";
        let whole = kinds(text, text.len());
        assert_eq!(whole.len(), 8);
        assert_eq!(whole[1], Got::Body(b"abc".to_vec()));
        assert_eq!(whole[4], Got::Body(b"abc".to_vec()));
        assert_eq!(kinds(text, 1), whole);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        ] {
            assert!(Reader::default().feed(text.as_bytes()).is_err(), "{text}");
        }
    }
}
