//! Event streams, read strictly.

use crate::wire::lines::Lines;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Option<String>,
}

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    lines: Lines,
    event: Event,
}

impl Reader {
    /// Takes bytes and tells the events that are complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        self.lines.push(bytes);
        let mut events = Vec::new();
        while let Some(line) = self.lines.next() {
            let line = String::from_utf8(line).map_err(|_| "an event is not UTF-8")?;
            if let Some(event) = self.line(line.trim_end_matches('\r'))? {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Whether the stream may end here: not within an event.
    pub(crate) fn is_between(&self) -> bool {
        self.lines.is_empty() && self.event == Event::default()
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // A blank line behind a comment ends nothing.
            return Ok((event != Event::default()).then_some(event));
        }
        if line.starts_with(':') {
            return Ok(None);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("bad line {line:?}"))?;
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        let event = &mut self.event;
        let twice = match name {
            "event" => event.name.replace(value).is_some(),
            "id" => event.id.replace(value).is_some(),
            "data" => event.data.replace(value).is_some(),
            "retry" => {
                let ms = value.parse().map_err(|_| format!("bad retry {value:?}"))?;
                event.retry.replace(ms).is_some()
            }
            _ => return Err(format!("unknown field in an event: {line:?}")),
        };
        if twice {
            // Legal for data, but ours are always one line.
            return Err(format!("field twice in an event: {line:?}"));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whole_and_split_at_every_byte() {
        let text = b": hello\n\nid: 1-0\ndata: \n\nevent: message\ndata: {}\n\nretry: 5\n\n";
        let whole = Reader::default().feed(text).unwrap();
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0].data.as_deref(), Some(""));
        assert_eq!(whole[2].retry, Some(5));
        let mut reader = Reader::default();
        let split: Vec<Event> = text
            .iter()
            .flat_map(|byte| reader.feed(&[*byte]).unwrap())
            .collect();
        assert_eq!(split, whole);
        assert!(reader.is_between());
    }
}
