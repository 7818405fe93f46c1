//! A JSON-RPC message seen only as far as its routing members. One scan, no tree. What is not a
//! routing member is checked to be JSON and never looked at.

use std::borrow::Cow;

use crate::json::id::is_id;
pub use crate::json::id::{JsonId, id_of_long_line, our_number};
use crate::json::scan::Scanner;
use crate::json::span::{self, Malformed, Span};

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `id` and `method`.
    Request,
    /// `method` without `id`.
    Notification,
    /// `id` and `result`.
    Result,
    /// `error`, and `id` (which may be null: the peer could not read our id).
    Error,
}

/// The routing members of one message. Spans point into the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub kind: Kind,
    /// The whole object.
    pub whole: Span,
    /// Raw `id`: a string with its quotes, or an integer. `None` for notifications and for errors
    /// with a null id.
    pub id: Option<Span>,
    /// `method` with its quotes.
    pub method: Option<Span>,
    /// `params`: an object (arrays are refused), if present.
    pub params: Option<Span>,
    /// `result` or `error`: its value.
    pub outcome: Option<Span>,
    /// The `_meta` of `params` or `result`; the first one, if it stands there twice.
    pub meta: Option<Span>,
    /// It stands there twice.
    pub meta_twice: bool,
    /// A `resultType` stands in `params` or `result`.
    pub typed: bool,
    /// An `isError` stands there and is true.
    pub is_error: bool,
    /// It stands on several lines.
    pub line_end: bool,
}

/// Why a text is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// -32700.
    Malformed(Malformed),
    /// -32600: an array (a batch), where only one message may stand.
    Array,
    /// -32600: some other value than an object.
    NotAnObject,
    /// -32600: `jsonrpc` is missing or not "2.0".
    NotVersion2,
    /// -32600: the id is null on a request, or no string and no integer, or too long.
    BadId,
    /// -32600: a routing member stands twice.
    DuplicateMember,
    /// -32600: `method` is no string, or `params` no object, or `error` no object.
    BadMember,
    /// -32600: neither method nor result nor error, or several of them.
    NotAMessage,
}

impl Fault {
    /// The JSON-RPC error code that the peer gets.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Malformed(_) => -32700,
            Self::Array
            | Self::NotAnObject
            | Self::NotVersion2
            | Self::BadId
            | Self::DuplicateMember
            | Self::BadMember
            | Self::NotAMessage => -32600,
        }
    }

    /// What the peer reads: what is wrong and how it should be.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed(Malformed::NotUtf8) => {
                "Parse error: the message is not UTF-8. Send JSON encoded as UTF-8."
            }
            Self::Malformed(Malformed::NotJson { .. }) => {
                "Parse error: the message is not valid JSON. Send one complete JSON value."
            }
            Self::Malformed(Malformed::TooDeep) => {
                "Parse error: arrays and objects are nested more than 128 deep."
            }
            Self::Array => {
                "Invalid request: a batch is not accepted here. Send each message by itself."
            }
            Self::NotAnObject => "Invalid request: a message must be a JSON object.",
            Self::NotVersion2 => "Invalid request: \"jsonrpc\" must be present and \"2.0\".",
            Self::BadId => {
                "Invalid request: \"id\" must be a string or an integer, at most 1024 bytes long."
            }
            Self::DuplicateMember => {
                "Invalid request: \"jsonrpc\", \"id\", \"method\", \"params\", \"result\" and \"error\" \
                 may stand only once."
            }
            Self::BadMember => {
                "Invalid request: \"method\" must be a string, \"params\" and \"error\" must be objects."
            }
            Self::NotAMessage => {
                "Invalid request: a message must have exactly one of \"method\", \"result\" and \
                 \"error\", and a result must have an \"id\"."
            }
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads one message, and checks every byte of it. After [`Fault::Array`] the text is known to be
/// valid JSON, so [`span::elements`] and [`read_at`] may be used on it.
///
/// # Errors
/// The fault, and the id if one could be read, so that the refusal can carry it.
pub fn read(text: &[u8]) -> Result<Envelope, (Fault, Option<Span>)> {
    read_knowing(text, &|_| 0)
}

/// Reads one message of which parts may be known: `known` tells with how many bytes the rest of a
/// text, from a `_meta` on, begins that were a whole JSON object when they were read before; they
/// are not checked again. 0 = with none.
///
/// # Errors
/// As [`read`].
pub fn read_knowing(
    text: &[u8],
    known: &dyn Fn(&[u8]) -> usize,
) -> Result<Envelope, (Fault, Option<Span>)> {
    span::utf8(text).map_err(|malformed| (malformed.into(), None))?;
    read_alone(text, 0, known)
}

/// Reads one message that is an element of a batch, or lies elsewhere in validated text.
///
/// # Errors
/// As [`read`].
pub fn read_at(text: &[u8], at: Span) -> Result<Envelope, (Fault, Option<Span>)> {
    read_alone(text.get(..at.end).unwrap_or_default(), at.start, &|_| 0)
}

fn read_alone(
    text: &[u8],
    start: usize,
    known: &dyn Fn(&[u8]) -> usize,
) -> Result<Envelope, (Fault, Option<Span>)> {
    let mut scanner = Scanner::new(text, start);
    match Routing::scan(text, &mut scanner, known) {
        Ok(routing) => routing.judge(text),
        Err(fault) => Err((fault, None)),
    }
}

/// The members that say what a message is, with whatever values they have.
#[derive(Default)]
struct Routing {
    whole: Span,
    jsonrpc: Option<Span>,
    id: Option<Span>,
    method: Option<Span>,
    params: Option<Span>,
    result: Option<Span>,
    error: Option<Span>,
    /// One of them stood twice: two readers could take two different messages for this one.
    duplicate: bool,
    meta: Option<Span>,
    meta_twice: bool,
    typed: bool,
    is_error: bool,
    line_end: bool,
}

/// What the name of a member says.
#[derive(Clone, Copy)]
enum Member {
    Version,
    Id,
    Method,
    Params,
    Result,
    Error,
    Other,
}

impl Member {
    fn named(text: &[u8], key: Span) -> Self {
        match &*span::name(text, key) {
            b"jsonrpc" => Self::Version,
            b"id" => Self::Id,
            b"method" => Self::Method,
            b"params" => Self::Params,
            b"result" => Self::Result,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }
}

impl Routing {
    fn scan(
        text: &[u8],
        scanner: &mut Scanner<'_>,
        known: &dyn Fn(&[u8]) -> usize,
    ) -> Result<Self, Fault> {
        scanner.blanks();
        scanner.take_line_end();
        let start = scanner.at();
        if scanner.peek() != Some(b'{') {
            scanner.value(0)?;
            scanner.end()?;
            let array = text.get(start) == Some(&b'[');
            return Err(if array {
                Fault::Array
            } else {
                Fault::NotAnObject
            });
        }
        let mut routing = Self::default();
        routing.whole = scanner.object(0, &mut |scanner, key| {
            let member = Member::named(text, key);
            let value = match (member, scanner.peek()) {
                (Member::Params | Member::Result, Some(b'{')) => {
                    routing.object(text, scanner, known)?
                }
                _ => scanner.value(1)?,
            };
            routing.note(member, value);
            Ok(())
        })?;
        routing.line_end = scanner.take_line_end();
        scanner.end()?;
        Ok(routing)
    }

    /// Goes past an object in which a `_meta` may stand, and notes where.
    fn object(
        &mut self,
        text: &[u8],
        scanner: &mut Scanner<'_>,
        known: &dyn Fn(&[u8]) -> usize,
    ) -> Result<Span, Malformed> {
        scanner.object(1, &mut |scanner, key| {
            if span::string_is(text, key, "_meta") {
                let value = match scanner.skip(known(scanner.rest())) {
                    Some(value) => value,
                    None => scanner.value(2)?,
                };
                self.meta_twice |= self.meta.is_some();
                self.meta.get_or_insert(value);
                return Ok(());
            }
            let value = scanner.value(2)?;
            self.typed |= span::string_is(text, key, "resultType");
            self.is_error |= value.of(text) == b"true" && span::string_is(text, key, "isError");
            Ok(())
        })
    }

    fn note(&mut self, member: Member, value: Span) {
        let slot = match member {
            Member::Version => &mut self.jsonrpc,
            Member::Id => &mut self.id,
            Member::Method => &mut self.method,
            Member::Params => &mut self.params,
            Member::Result => &mut self.result,
            Member::Error => &mut self.error,
            Member::Other => return,
        };
        self.duplicate |= slot.is_some();
        *slot = Some(value);
    }

    fn judge(&self, text: &[u8]) -> Result<Envelope, (Fault, Option<Span>)> {
        // Of two ids neither is the one.
        let id = self.id.filter(|id| !self.duplicate && is_id(id.of(text)));
        self.classify(text, id).map_err(|fault| (fault, id))
    }

    /// `id` is the id if it is good.
    fn classify(&self, text: &[u8], id: Option<Span>) -> Result<Envelope, Fault> {
        if self.duplicate {
            return Err(Fault::DuplicateMember);
        }
        if !self
            .jsonrpc
            .is_some_and(|at| span::string_is(text, at, "2.0"))
        {
            return Err(Fault::NotVersion2);
        }
        let begins = |at: Span, byte: u8| text.get(at.start) == Some(&byte);
        let null_id = self.id.is_some_and(|at| at.of(text) == b"null");
        let envelope = Envelope {
            kind: Kind::Notification,
            whole: self.whole,
            id,
            method: None,
            params: None,
            outcome: None,
            meta: self.meta,
            // A result beside parameters, of which one may have the other's: looked at closely.
            meta_twice: self.meta_twice || self.params.is_some() && self.result.is_some(),
            typed: self.typed,
            is_error: self.is_error,
            line_end: self.line_end,
        };
        match (self.method, self.result, self.error) {
            (Some(method), None, None) => {
                if self.id.is_some() && id.is_none() {
                    return Err(Fault::BadId);
                }
                if !begins(method, b'"') || self.params.is_some_and(|at| !begins(at, b'{')) {
                    return Err(Fault::BadMember);
                }
                let kind = match id {
                    Some(_) => Kind::Request,
                    None => Kind::Notification,
                };
                Ok(Envelope {
                    kind,
                    method: Some(method),
                    params: self.params,
                    ..envelope
                })
            }
            (None, Some(result), None) => match (self.id, id) {
                (None, _) => Err(Fault::NotAMessage),
                (Some(_), None) => Err(Fault::BadId),
                (Some(_), Some(_)) => Ok(Envelope {
                    kind: Kind::Result,
                    outcome: Some(result),
                    ..envelope
                }),
            },
            (None, None, Some(error)) => {
                if self.id.is_some() && id.is_none() && !null_id {
                    return Err(Fault::BadId);
                }
                if !begins(error, b'{') {
                    return Err(Fault::BadMember);
                }
                Ok(Envelope {
                    kind: Kind::Error,
                    outcome: Some(error),
                    ..envelope
                })
            }
            _ => Err(Fault::NotAMessage),
        }
    }
}

impl Envelope {
    /// The method, escapes decoded.
    #[must_use]
    pub fn method_name<'a>(&self, text: &'a [u8]) -> Option<Cow<'a, str>> {
        span::string(text, self.method?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ID_BYTES_MAX;

    fn kind(text: &str) -> Result<Kind, Fault> {
        match read(text.as_bytes()) {
            Ok(envelope) => Ok(envelope.kind),
            Err((fault, _)) => Err(fault),
        }
    }

    #[test]
    fn a_result_that_is_an_error_of_a_tool_is_seen_in_the_one_scan() {
        for (members, is_error) in [
            (r#""result":{"content":[],"isError":true}"#, true),
            (r#""result":{"is\u0045rror": true }"#, true),
            (r#""result":{"isError":false}"#, false),
            (r#""result":{"isError":"true"}"#, false),
            (r#""result":{"x":{"isError":true}}"#, false),
            (r#""error":{"isError":true}"#, false),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
            let envelope = read(text.as_bytes()).unwrap();
            assert_eq!(envelope.is_error, is_error, "{members}");
        }
    }

    #[test]
    fn what_a_result_says_of_itself_is_seen_in_the_one_scan() {
        for (members, meta, twice, typed) in [
            (
                r#""result":{"x":{"_meta":1,"resultType":2}}"#,
                None,
                false,
                false,
            ),
            (
                r#""result":{"resultType":"task","_meta":{}}"#,
                Some("{}"),
                false,
                true,
            ),
            (
                r#""result":{"result\u0054ype":1,"\u005fmeta":7}"#,
                Some("7"),
                false,
                true,
            ),
            (r#""result":{"_meta":1,"_meta":2}"#, Some("1"), true, false),
            (
                r#""params":{"_meta":1},"result":{}"#,
                Some("1"),
                true,
                false,
            ),
            (
                r#""method":"m","params":{"_meta":null}"#,
                Some("null"),
                false,
                false,
            ),
            (r#""result":["_meta",1]"#, None, false, false),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
            let envelope = read(text.as_bytes()).unwrap();
            let found = envelope.meta.map(|at| at.of(text.as_bytes()));
            assert_eq!(found, meta.map(str::as_bytes), "{members}");
            assert_eq!(
                (envelope.meta_twice, envelope.typed),
                (twice, typed),
                "{members}"
            );
        }
    }

    #[test]
    fn a_request_is_read_with_all_its_spans() {
        let text = br#" { "method" : "tools/call" , "x":[1], "params": {"a":1} ,"id": "7\n" ,
            "jsonrpc":"2.0" } "#;
        let envelope = read(text).unwrap();
        let of = |span: Option<Span>| span.map(|span| span.of(text));
        assert_eq!(envelope.kind, Kind::Request);
        assert_eq!(envelope.whole, Span::whole(text));
        assert_eq!(of(envelope.id), Some(&br#""7\n""#[..]));
        assert_eq!(of(envelope.method), Some(&br#""tools/call""#[..]));
        assert_eq!(of(envelope.params), Some(&br#"{"a":1}"#[..]));
        assert_eq!(envelope.outcome, None);
        assert_eq!(envelope.method_name(text).as_deref(), Some("tools/call"));
    }

    #[test]
    fn every_kind_is_told_from_its_members() {
        use Kind::{Error, Notification, Request, Result};
        let cases = [
            (r#""id":1,"method":"m""#, Ok(Request)),
            (r#""id":-1,"method":"m","params":{}"#, Ok(Request)),
            (r#""id":"","method":"m""#, Ok(Request)),
            (r#""\u0069d":1,"method":"m""#, Ok(Request)),
            (r#""method":"m""#, Ok(Notification)),
            (r#""id":1,"result":{}"#, Ok(Result)),
            (r#""id":1,"result":null"#, Ok(Result)),
            (r#""id":1,"result":{},"params":7"#, Ok(Result)),
            (r#""id":1,"error":{}"#, Ok(Error)),
            (r#""id":null,"error":{}"#, Ok(Error)),
            (r#""error":{}"#, Ok(Error)),
            (r#""id":null,"method":"m""#, Err(Fault::BadId)),
            (r#""id":1.0,"method":"m""#, Err(Fault::BadId)),
            (r#""id":1e3,"method":"m""#, Err(Fault::BadId)),
            (r#""id":true,"method":"m""#, Err(Fault::BadId)),
            (r#""id":[1],"method":"m""#, Err(Fault::BadId)),
            (r#""id":{},"error":{}"#, Err(Fault::BadId)),
            (r#""id":null,"result":{}"#, Err(Fault::BadId)),
            (r#""result":{}"#, Err(Fault::NotAMessage)),
            (r#""id":1"#, Err(Fault::NotAMessage)),
            (r#""x":1"#, Err(Fault::NotAMessage)),
            (
                r#""id":1,"method":"m","result":{}"#,
                Err(Fault::NotAMessage),
            ),
            (r#""id":1,"method":"m","error":{}"#, Err(Fault::NotAMessage)),
            (r#""id":1,"result":{},"error":{}"#, Err(Fault::NotAMessage)),
            (r#""id":1,"method":7"#, Err(Fault::BadMember)),
            (r#""id":1,"method":"m","params":[]"#, Err(Fault::BadMember)),
            (
                r#""id":1,"method":"m","params":null"#,
                Err(Fault::BadMember),
            ),
            (r#""method":"m","params":"{}""#, Err(Fault::BadMember)),
            (r#""id":1,"error":"no""#, Err(Fault::BadMember)),
            (r#""id":1,"id":1,"method":"m""#, Err(Fault::DuplicateMember)),
            (
                r#""id":1,"i\u0064":1,"method":"m""#,
                Err(Fault::DuplicateMember),
            ),
            (r#""method":"m","method":"m""#, Err(Fault::DuplicateMember)),
            (
                r#""method":"m","params":{},"params":{}"#,
                Err(Fault::DuplicateMember),
            ),
            (
                r#""id":1,"result":1,"result":1"#,
                Err(Fault::DuplicateMember),
            ),
            (
                r#""id":1,"error":{},"error":{}"#,
                Err(Fault::DuplicateMember),
            ),
            (
                r#""jsonrpc":"2.0","method":"m""#,
                Err(Fault::DuplicateMember),
            ),
            (r#""x":1,"x":2,"method":"m""#, Ok(Notification)),
        ];
        for (members, wanted) in cases {
            assert_eq!(
                kind(&format!(r#"{{"jsonrpc":"2.0",{members}}}"#)),
                wanted,
                "{members}"
            );
            assert_eq!(
                kind(&format!(r#" {{ {members} , "jsonrpc":"2.0" }} "#)),
                wanted
            );
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "{}",
            r#"{"id":1,"method":"m"}"#,
            r#"{"jsonrpc":2.0,"method":"m"}"#,
        ] {
            assert_eq!(kind(text), Err(Fault::NotVersion2));
        }
        assert_eq!(
            kind(r#"{"jsonrpc":"1.0","method":"m"}"#),
            Err(Fault::NotVersion2)
        );
        assert_eq!(
            kind(r#"{"jsonrpc":"\u0032.0","method":"m"}"#),
            Ok(Kind::Notification)
        );
        for text in ["1", "null", "\"x\"", " true "] {
            assert_eq!(kind(text), Err(Fault::NotAnObject));
        }
        for text in ["[]", " [1] ", r#"[{"jsonrpc":"2.0"}]"#] {
            assert_eq!(kind(text), Err(Fault::Array));
        }
        for text in [
            "",
            "{",
            "[",
            "[1",
            "{}x",
            r#"{"jsonrpc":"2.0","method":"m",}"#,
            "{} {}",
        ] {
            let refused = kind(text);
            assert!(
                matches!(refused, Err(Fault::Malformed(Malformed::NotJson { .. }))),
                "{text}"
            );
        }
        let not_utf8 = read(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}");
        assert_eq!(not_utf8, Err((Fault::Malformed(Malformed::NotUtf8), None)));
        let deep = |depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            kind(&format!(
                r#"{{"jsonrpc":"2.0","method":"m","x":{open}{close}}}"#
            ))
        };
        let depth = crate::limits::JSON_DEPTH_MAX;
        assert_eq!(deep(depth - 1), Ok(Kind::Notification));
        assert_eq!(deep(depth), Err(Fault::Malformed(Malformed::TooDeep)));
    }

    #[test]
    fn a_refusal_carries_the_id_if_there_is_one() {
        let id = |text: &str| {
            let refused = read(text.as_bytes()).unwrap_err();
            refused
                .1
                .map(|id| String::from_utf8_lossy(id.of(text.as_bytes())).into_owned())
        };
        assert_eq!(id(r#"{"id":5,"method":"m"}"#).as_deref(), Some("5"));
        assert_eq!(
            id(r#"{"jsonrpc":"2.0","method":7,"id":"a"}"#).as_deref(),
            Some("\"a\"")
        );
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"m"}"#), None);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":5.5,"method":"m"}"#), None);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":5,"method":"m""#), None);
    }

    #[test]
    fn an_id_is_refused_one_byte_past_the_limit() {
        let with = |length: usize| {
            let number = "1".repeat(length);
            let string = format!("\"{}\"", "x".repeat(length - 2));
            [number, string]
                .map(|id| kind(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#)))
        };
        assert_eq!(with(ID_BYTES_MAX), [Ok(Kind::Request); 2]);
        assert_eq!(with(ID_BYTES_MAX + 1), [Err(Fault::BadId); 2]);
    }

    #[test]
    fn f8_elements_of_a_batch_are_read_where_they_lie() {
        let text =
            br#" [ {"jsonrpc":"2.0","id":1,"method":"m"} ,{"jsonrpc":"2.0","method":"n"},7 ,[]]"#;
        assert_eq!(read(text), Err((Fault::Array, None)));
        let found: Vec<_> = span::elements(text, Span::whole(text))
            .map(|at| (at, read_at(text, at)))
            .collect();
        let (at, first) = found[0];
        assert_eq!(first.unwrap().whole, at);
        assert_eq!(first.unwrap().id.unwrap().of(text), b"1");
        assert_eq!(found[1].1.unwrap().kind, Kind::Notification);
        assert_eq!(found[2].1, Err((Fault::NotAnObject, None)));
        assert_eq!(found[3].1, Err((Fault::Array, None)));
    }

    #[test]
    fn every_fault_has_a_code_and_a_sentence() {
        let deep = Malformed::TooDeep;
        for malformed in [deep, Malformed::NotUtf8, Malformed::NotJson { at: 3 }] {
            assert_eq!(Fault::from(malformed).code(), -32700);
            assert!(
                Fault::from(malformed)
                    .message()
                    .starts_with("Parse error: ")
            );
        }
        for fault in [
            Fault::Array,
            Fault::NotAnObject,
            Fault::NotVersion2,
            Fault::BadId,
            Fault::DuplicateMember,
            Fault::BadMember,
            Fault::NotAMessage,
        ] {
            assert_eq!(fault.code(), -32600);
            assert!(fault.message().starts_with("Invalid request: "));
        }
        let depth = crate::limits::JSON_DEPTH_MAX.to_string();
        assert!(Fault::from(deep).message().contains(&depth));
        assert!(Fault::BadId.message().contains(&ID_BYTES_MAX.to_string()));
    }
}
