//! Requests as a server reads them. Strict: what it cannot read, or what could be read in two ways,
//! fails the test.

use serde_json::Value;

/// One whole request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it came: a path with its query, or a whole URL for a proxy.
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The field of this name; two of them fail the test.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice in {self:?}");
        first
    }

    /// The message in the body; null without one.
    pub(crate) fn message(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The method of the message in the body.
    pub(crate) fn says(&self) -> String {
        let message = self.message();
        message["method"].as_str().unwrap_or_default().to_owned()
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    unread: Vec<u8>,
}

impl Reader {
    /// What was written to the server.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next request, if it is there as a whole.
    pub(crate) fn next(&mut self) -> Option<Request> {
        let end = self
            .unread
            .windows(4)
            .position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.unread[..end]).unwrap();
        let request = read_head(head);
        assert!(request.field("host").is_some(), "no Host: {head}");
        assert_eq!(request.field("expect"), None, "{head}");
        assert_eq!(request.field("transfer-encoding"), None, "{head}");
        let length = request.field("content-length");
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        assert!(request.method != "POST" || length > 0, "no length: {head}");
        let body = self.unread.get(end + 4..end + 4 + length)?;
        let body = std::str::from_utf8(body).unwrap().to_owned();
        let request = Request { body, ..request };
        self.unread.drain(..end + 4 + length);
        Some(request)
    }

    /// Whether nothing is left of a further request.
    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }
}

fn read_head(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    let mut words = first.split(' ');
    let mut word = || {
        words
            .next()
            .unwrap_or_else(|| panic!("{first:?}"))
            .to_owned()
    };
    let (method, target, version) = (word(), word(), word());
    assert_eq!(version, "HTTP/1.1", "{first}");
    assert_eq!(words.next(), None, "{first}");
    let fields = lines.map(|line| {
        assert!(!line.contains(['\r', '\n']), "{line:?}");
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?}"));
        assert!(!name.is_empty() && !name.contains(' '), "{line:?}");
        (name.to_owned(), value.trim().to_owned())
    });
    Request {
        method,
        target,
        fields: fields.collect(),
        body: String::new(),
    }
}
