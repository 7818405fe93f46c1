//! Our client against our server, in memory: what the one writes the other reads, for all bodies,
//! framings and splits. Tests only.

use crate::base::frame::Frame;
use crate::base::url::Url;
use crate::http1::client::{After as Kept, Asked, Client, Ended, Moment, Step as Heard};
use crate::http1::head::Method;
use crate::http1::requests::RequestHead;
use crate::http1::server::{After, CONTINUE, Reply, Request, Server, Step};
use crate::http1::sse::{self, EventHead};
use crate::http1::sse_reader::Reader;
use crate::now::Tick;

const METHODS: [Method; 5] = [
    Method::Get,
    Method::Post,
    Method::Delete,
    Method::Head,
    Method::Options,
];
const BODIES: [&str; 5] = [
    "",
    "x",
    "{\"jsonrpc\":\"2.0\"}",
    "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "\0\u{1}\u{7f}K\u{f6}ln",
];
const STATUSES: [u16; 5] = [200, 202, 204, 404, 500];

/// Numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn body(&mut self) -> Vec<u8> {
        if self.below(3) > 0 {
            return self.of(&BODIES).as_bytes().to_vec();
        }
        let length = self.below(50_000);
        (0..length)
            .map(|_| self.below(256).to_le_bytes()[0])
            .collect()
    }

    /// The bytes in pieces of up to so many bytes.
    fn cut<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = *self.of(&[1, 3, 100, 65_536]);
        let (mut left, mut pieces) = (bytes, Vec::new());
        while !left.is_empty() {
            let (piece, rest) = left.split_at((1 + self.below(most)).min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        pieces
    }
}

/// What is asked and what is to be answered.
struct Talk {
    method: Method,
    target: String,
    field: String,
    body: Vec<u8>,
    withholds_body: bool,
    status: u16,
    reply: Vec<u8>,
    streams: bool,
    closes: bool,
}

impl Talk {
    fn new(dice: &mut Dice) -> Self {
        let method = dice.of(&METHODS).clone();
        let body = match method {
            Method::Post => dice.body(),
            _ => Vec::new(),
        };
        let status = *dice.of(&STATUSES);
        Self {
            target: format!("/{}?q={}", dice.below(1000), dice.below(1000)),
            field: format!("v {}", dice.below(1000)),
            withholds_body: !body.is_empty() && dice.below(2) == 0,
            method,
            body,
            status,
            reply: if status == 204 {
                Vec::new()
            } else {
                dice.body()
            },
            streams: status != 204 && dice.below(2) == 0,
            closes: dice.below(8) == 0,
        }
    }

    fn head(&self) -> Vec<u8> {
        let url = Url::parse(&format!("http://localhost:3050{}", self.target)).unwrap();
        let mut head = RequestHead::new(&self.method, &url, None);
        head.field("X-Field", &self.field).unwrap();
        if self.withholds_body {
            head.expect_continue();
        }
        if self.closes {
            head.close();
        }
        let has_body = self.method == Method::Post;
        head.finish(has_body.then_some(self.body.len()))
    }

    fn check_request(&self, request: &Request, frame: &Frame) {
        let query = request.query().unwrap();
        assert_eq!(request.method, self.method);
        assert_eq!(format!("{}?{query}", request.path()), self.target);
        assert_eq!(request.headers.get("host"), Some("localhost:3050"));
        assert_eq!(request.headers.get("x-field"), Some(self.field.as_str()));
        assert!(frame.bytes() == self.body, "the body of the request");
    }

    /// Everything that the server sends, and what it does then.
    fn answer(&self, server: &mut Server, dice: &mut Dice) -> (Vec<u8>, After) {
        let body = match (self.status, self.streams) {
            (204, _) => Reply::Empty,
            (_, true) => Reply::Stream,
            (_, false) => Reply::Full(self.reply.len()),
        };
        let mut out = server.respond(self.status, &[("X-Back", &self.field)], body);
        if server.sends_body() {
            for piece in dice.cut(&self.reply) {
                server.chunk_head(piece.len(), &mut out);
                out.extend_from_slice(piece);
                out.extend_from_slice(server.chunk_tail());
            }
            out.extend_from_slice(server.end_stream());
        }
        (out, server.done())
    }
}

/// Gives bytes to the server until it has a request, and tells whether the body was asked for.
fn serve(server: &mut Server, frame: &mut Frame, pieces: &[&[u8]]) -> (Option<Request>, bool) {
    let mut continued = false;
    for piece in pieces {
        server.receive(piece);
        loop {
            match server.next(frame) {
                Step::NeedMore => break,
                Step::Continue => continued = true,
                Step::Request(request) => return (Some(request), continued),
                other => panic!("{other:?}"),
            }
        }
    }
    (None, continued)
}

/// Reads a response: its status, its body, and what becomes of the connection.
fn listen(client: &mut Client, talk: &Talk, pieces: &[&[u8]]) -> (Vec<u8>, Kept) {
    let (mut body, mut status) = (Vec::new(), None);
    for piece in pieces {
        let mut input = *piece;
        loop {
            match client.next(Moment::default(), &mut input) {
                Heard::NeedMore => break,
                Heard::Head(head) => {
                    assert_eq!(head.headers.get("x-back"), Some(talk.field.as_str()));
                    status = Some(head.status);
                }
                Heard::Data(data) => body.extend_from_slice(data),
                Heard::End(after) => {
                    assert_eq!(status, Some(talk.status));
                    return (body, after);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("the response has no end");
}

/// Asks and answers once; tells whether the connection lasts.
fn exchange(client: &mut Client, server: &mut Server, dice: &mut Dice) -> bool {
    let (talk, mut frame) = (Talk::new(dice), Frame::default());
    let asked = Asked {
        head_only: talk.method == Method::Head,
        withholds_body: talk.withholds_body,
        first_byte_ms_max: None,
        pauses: false,
    };
    assert!(client.request(asked, Tick(0)));
    let mut sent = talk.head();
    if talk.withholds_body {
        let (none, continued) = serve(server, &mut frame, &dice.cut(&sent));
        assert!(none.is_none() && continued);
        let mut input = CONTINUE;
        let step = client.next(Moment::default(), &mut input);
        assert!(matches!(step, Heard::Continue) && input.is_empty());
        sent.clear();
    }
    sent.extend_from_slice(&talk.body);
    let (request, _) = serve(server, &mut frame, &dice.cut(&sent));
    talk.check_request(&request.unwrap(), &frame);
    let (answer, after) = talk.answer(server, dice);
    let (body, kept) = listen(client, &talk, &dice.cut(&answer));
    let expected: &[u8] = if asked.head_only { b"" } else { &talk.reply };
    assert!(body == expected, "the body of the response");
    assert_eq!(matches!(kept, Kept::Keep { .. }), after == After::KeepAlive);
    assert_eq!(after == After::Close, talk.closes);
    after == After::KeepAlive
}

fn connected() -> (Client, Server) {
    let mut client = Client::new(Tick(0));
    client.opened();
    (client, Server::new(1 << 20))
}

#[test]
fn what_the_one_writes_the_other_reads() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..30 {
        let (mut client, mut server) = connected();
        // As long as the connection lasts, but not for ever.
        let _last = (0..20).find(|_| !exchange(&mut client, &mut server, &mut dice));
    }
}

#[test]
fn events_come_as_they_were_sent() {
    let mut dice = Dice(7);
    for _ in 0..200 {
        let (mut client, mut server) = connected();
        let url = Url::parse("http://a/mcp").unwrap();
        let head = RequestHead::new(&Method::Get, &url, None).finish(None);
        assert!(client.request(Asked::default(), Tick(0)));
        let (request, _) = serve(&mut server, &mut Frame::default(), &[&head]);
        assert!(request.is_some());
        let mut out = server.respond(200, &[("Content-Type", "text/event-stream")], Reply::Stream);
        let mut expected = Vec::new();
        for number in 0..dice.below(6) {
            let data = dice.of(&BODIES[..3]).as_bytes();
            let id = number.to_string();
            let mut event = Vec::new();
            let fields = EventHead {
                event: None,
                id: Some(&id),
                retry_ms: None,
            };
            sse::push_event(&mut event, &fields, data);
            for piece in dice.cut(&event) {
                server.chunk_head(piece.len(), &mut out);
                out.extend_from_slice(piece);
                out.extend_from_slice(server.chunk_tail());
            }
            expected.push((id, data.to_vec()));
        }
        let mut reader = Reader::new(1000);
        let mut seen = Vec::new();
        for piece in dice.cut(&out) {
            let mut input = piece;
            loop {
                match client.next(Moment::default(), &mut input) {
                    Heard::NeedMore => break,
                    Heard::Head(head) => {
                        assert_eq!(head.content_type(), Some("text/event-stream"));
                        client.stream();
                    }
                    Heard::Data(data) => reader.receive(data),
                    other => panic!("{other:?}"),
                }
                while let Some(event) = reader.next_event().unwrap() {
                    seen.push((reader.last_id().unwrap().to_owned(), event.data));
                }
            }
        }
        assert_eq!(seen, expected);
        // A stream that breaks off is told as such, and one that ends in order as its end.
        let mut input = server.end_stream();
        let last = if dice.below(2) == 0 {
            client.next(Moment::default(), &mut input)
        } else {
            client.ended(Ended::Closed, Moment::default())
        };
        let is_good = input.is_empty();
        assert_eq!(matches!(last, Heard::End(Kept::Keep { .. })), is_good);
        assert_eq!(matches!(last, Heard::Failed(_)), !is_good);
    }
}

#[test]
fn what_the_server_refuses_the_client_hears() {
    for (sent, status) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("nonsense\r\n", 400),
    ] {
        let (mut client, mut server) = connected();
        assert!(client.request(Asked::default(), Tick(0)));
        server.receive(sent.as_bytes());
        let Step::Reject(reject) = server.next(&mut Frame::default()) else {
            panic!("{sent}");
        };
        let answer = server.respond(reject.status, &[], Reply::Full(0));
        let mut input = &answer[..];
        let step = client.next(Moment::default(), &mut input);
        assert!(matches!(step, Heard::Head(head) if head.status == status));
        let step = client.next(Moment::default(), &mut input);
        assert!(matches!(step, Heard::End(Kept::Close)));
    }
}
