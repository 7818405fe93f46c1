//! `/metrics`: what is counted, in the text format of Prometheus (0.0.4). Whoever may see it was
//! let in before; a scrape is one page of one moment, so its sums agree.

use std::fmt::{Display, Write};

use crate::input::ProcessFacts;
use crate::tally::{Bytes, End, Histogram, Method, OTHER_TOOL, ServerTally, Tally};
use crate::web::answer::Answer;

/// What is shown beside what is counted.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Of this program.
    pub version: String,
    /// Sessions by transport.
    pub sessions: Vec<(&'static str, usize)>,
    /// Requests without a session that are not answered.
    pub exchanges: usize,
    /// HTTP connections of clients.
    pub connections: usize,
    /// Open byte streams by kind.
    pub links: Vec<(&'static str, usize)>,
    /// Servers by name, and how each is doing.
    pub servers: Vec<(String, &'static str)>,
    /// What the system says of this process.
    pub process: ProcessFacts,
}

/// How a server is doing that serves.
pub const UP: &str = "ready";
/// All that can be said of a server.
pub const STATES: [&str; 6] = [
    "starting",
    UP,
    "restarting",
    "awaiting_authorization",
    "failed",
    "stopping",
];

/// The page.
#[must_use]
pub fn page(tally: &Tally, gauges: &Gauges) -> Answer {
    let mut text = Text::default();
    text.calls(tally);
    text.durations(tally);
    text.clients(tally, gauges);
    text.servers(tally, gauges);
    text.process(gauges);
    Answer {
        status: 200,
        headers: vec![
            (
                "Content-Type",
                "text/plain; version=0.0.4; charset=utf-8".into(),
            ),
            ("Cache-Control", "no-store".into()),
            ("X-Content-Type-Options", "nosniff".into()),
        ],
        body: text.0.into_bytes(),
    }
}

/// Label names and values.
type Labels<'a> = &'a [(&'a str, &'a str)];

#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a family. Everything of it follows at once.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    _ => self.0.push(character),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn one(&mut self, (name, kind, help): (&str, &str, &str), value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn calls(&mut self, tally: &Tally) {
        self.one(
            (
                "onemcp_calls_received_total",
                "counter",
                "Requests of clients, counted when they arrive.",
            ),
            tally.received(),
        );
        let name = "onemcp_calls_total";
        let help = "Requests of clients, counted when they end. An empty server is none in \
                    particular, or one that nobody knows; an empty tool likewise.";
        self.family(name, "counter", help);
        for (method, end, count) in tally.own().each() {
            self.call(("", OTHER_TOOL), method, end, count);
        }
        for server in tally.servers() {
            for (method, end, count) in server.ends().each() {
                self.call((server.name(), OTHER_TOOL), method, end, count);
            }
            for tool in server.tools() {
                for (end, count) in tool.each() {
                    let of = (server.name(), tool.name());
                    self.call(of, Method::CallTool, end, count);
                }
            }
        }
        self.one(
            (
                "onemcp_calls_forgotten_total",
                "counter",
                "Requests that have ended and whose series are gone, since their server is \
                 configured no more.",
            ),
            tally.forgotten(),
        );
        let name = "onemcp_calls_in_flight";
        self.family(name, "gauge", "Requests of clients that have not ended.");
        self.sample(name, &[("server", "")], tally.in_flight_elsewhere());
        for server in tally.servers() {
            self.sample(name, &[("server", server.name())], server.in_flight);
        }
    }

    fn call(&mut self, (server, tool): (&str, &str), method: Method, end: End, count: u64) {
        let labels = [
            ("server", server),
            ("method", method.label()),
            ("tool", tool),
            ("outcome", end.label()),
        ];
        self.sample("onemcp_calls_total", &labels, count);
    }

    fn durations(&mut self, tally: &Tally) {
        let name = "onemcp_call_seconds";
        let help = "How long requests took that were passed on to a server, until their answer \
                    was given to the client.";
        self.family(name, "histogram", help);
        for server in tally.servers() {
            self.histogram(name, server.name(), &server.took);
        }
    }

    fn histogram(&mut self, name: &str, server: &str, took: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (ms, count) in took.up_to() {
            let end = seconds(ms);
            self.sample(&bucket, &[("server", server), ("le", &end)], count);
        }
        let all = [("server", server), ("le", "+Inf")];
        self.sample(&bucket, &all, took.count());
        let labels = [("server", server)];
        self.sample(&format!("{name}_sum"), &labels, seconds(took.sum_ms));
        self.sample(&format!("{name}_count"), &labels, took.count());
    }

    fn clients(&mut self, tally: &Tally, gauges: &Gauges) {
        let name = "onemcp_sessions";
        self.family(name, "gauge", "Sessions of clients.");
        for (transport, count) in &gauges.sessions {
            self.sample(name, &[("transport", transport)], count);
        }
        let help = "Requests of clients without a session that have not ended.";
        self.one(("onemcp_exchanges", "gauge", help), gauges.exchanges);
        let help = "Open HTTP connections of clients.";
        self.one(("onemcp_connections", "gauge", help), gauges.connections);
        let name = "onemcp_links";
        self.family(name, "gauge", "Open byte streams.");
        for (kind, count) in &gauges.links {
            self.sample(name, &[("kind", kind)], count);
        }
        let name = "onemcp_client_bytes_total";
        let help = "Bytes from clients and to them, with all that frames their messages.";
        self.family(name, "counter", help);
        self.bytes(name, None, tally.client_bytes());
    }

    fn bytes(&mut self, name: &str, server: Option<&str>, bytes: Bytes) {
        for (direction, count) in [("in", bytes.received), ("out", bytes.sent)] {
            let server = server.map(|server| ("server", server));
            let labels: Vec<_> = server
                .into_iter()
                .chain([("direction", direction)])
                .collect();
            self.sample(name, &labels, count);
        }
    }

    fn servers(&mut self, tally: &Tally, gauges: &Gauges) {
        let name = "onemcp_server_up";
        self.family(name, "gauge", "Whether a server is ready to serve.");
        for (server, state) in &gauges.servers {
            self.sample(name, &[("server", server)], u8::from(*state == UP));
        }
        let name = "onemcp_server_state";
        self.family(name, "gauge", "How a server is doing: 1 is what is so.");
        for (server, now) in &gauges.servers {
            for state in STATES {
                let labels = [("server", server.as_str()), ("state", state)];
                self.sample(name, &labels, u8::from(*now == state));
            }
        }
        let name = "onemcp_server_restarts_total";
        self.family(name, "counter", "How often a server was started again.");
        let figures: fn(&ServerTally) -> u64 = |server| server.restarts;
        for server in tally.servers() {
            self.sample(name, &[("server", server.name())], figures(server));
        }
        let name = "onemcp_server_bytes_total";
        let help = "Bytes of the messages from servers and to them.";
        self.family(name, "counter", help);
        for server in tally.servers() {
            self.bytes(name, Some(server.name()), server.bytes);
        }
    }

    fn process(&mut self, gauges: &Gauges) {
        let facts = &gauges.process;
        if let Some(lines) = facts.log_lines_dropped {
            let help = "Lines of the log that came faster than they could be written.";
            self.one(("onemcp_log_lines_dropped_total", "counter", help), lines);
        }
        let name = "onemcp_build_info";
        self.family(name, "gauge", "Which version this is; the value is 1.");
        self.sample(name, &[("version", &gauges.version)], 1);
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                facts.resident_bytes,
            ),
            (
                "process_open_fds",
                "Number of open file descriptors.",
                facts.open_fds,
            ),
        ] {
            if let Some(value) = value {
                self.one((name, "gauge", help), value);
            }
        }
        if let Some(ms) = facts.started_unix_ms {
            let name = "process_start_time_seconds";
            let help = "Start time of the process since unix epoch in seconds.";
            self.one((name, "gauge", help), seconds(ms));
        }
    }
}

/// `0.005`, `60`.
fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1000, ms % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    let fraction = format!("{rest:03}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::now::Tick;
    use crate::tally::About;

    fn text(tally: &Tally, gauges: &Gauges) -> String {
        let answer = page(tally, gauges);
        let kind = answer.field("content-type");
        assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn contract_5_each_family_has_its_help_and_type_once_and_stands_together() {
        let mut tally = Tally::default();
        let _ = tally.server(&Rc::from("a"));
        let text = text(&tally, &Gauges::default());
        let mut families = Vec::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                families.push(help.split(' ').next().unwrap());
                continue;
            }
            let family = families.last().unwrap();
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, *family);
                let counts = name.ends_with("_total");
                assert_eq!(kind == "counter", counts, "{name}");
                continue;
            }
            assert!(line.starts_with(family), "{line}");
        }
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!((families.len(), count), (count, 15));
        // What is not known is not there.
        assert!(!text.contains("process_") && !text.contains("dropped"));
    }

    #[test]
    fn labels_of_other_people_are_escaped() {
        let mut tally = Tally::default();
        let slot = tally.server(&Rc::from("a\\b"));
        tally.renumber(1);
        let name = Rc::from("t\"o\\o\nl");
        let mut account = tally.begin(Tick(0), Method::CallTool, 0);
        let tool = Some((0, &name));
        tally.concern(&mut account, About { slot, tool });
        let _ = tally.end(Tick(0), account, End::Ok);
        let text = text(&tally, &Gauges::default());
        let line = "onemcp_calls_total{server=\"a\\\\b\",method=\"tools/call\",\
                    tool=\"t\\\"o\\\\o\\nl\",outcome=\"ok\"} 1\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn gauges_show_what_is_so() {
        let gauges = Gauges {
            version: "1.2.3".to_owned(),
            sessions: vec![("http", 2)],
            links: vec![("child", 3)],
            servers: vec![("a".to_owned(), UP), ("b".to_owned(), "failed")],
            process: ProcessFacts {
                resident_bytes: Some(4096),
                open_fds: Some(9),
                started_unix_ms: Some(1_700_000_000_250),
                log_lines_dropped: Some(5),
            },
            ..Gauges::default()
        };
        let text = text(&Tally::default(), &gauges);
        for line in [
            "onemcp_sessions{transport=\"http\"} 2",
            "onemcp_links{kind=\"child\"} 3",
            "onemcp_server_up{server=\"a\"} 1",
            "onemcp_server_up{server=\"b\"} 0",
            "onemcp_server_state{server=\"b\",state=\"failed\"} 1",
            "onemcp_server_state{server=\"b\",state=\"ready\"} 0",
            "process_resident_memory_bytes 4096",
            "process_open_fds 9",
            "process_start_time_seconds 1700000000.25",
            "onemcp_log_lines_dropped_total 5",
            "onemcp_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
    }

    #[test]
    fn milliseconds_are_told_as_seconds() {
        let told = [0, 5, 250, 1_000, 60_000, 1_010].map(seconds);
        assert_eq!(told, ["0", "0.005", "0.25", "1", "60", "1.01"]);
    }

    #[test]
    fn contract_5_a_tool_called_as_the_rest_was_has_a_series_of_its_own() {
        let mut tally = Tally::default();
        let slot = tally.server(&"a".into());
        tally.renumber(1);
        let name = "other".into();
        for tool in [Some((0, &name)), None, None] {
            let mut account = tally.begin(Tick(0), Method::CallTool, 1);
            tally.concern(&mut account, About { slot, tool });
            tally.end(Tick(1), account, End::Ok);
        }
        let text = text(&tally, &Gauges::default());
        let counts = |tool: &str| {
            let lines = text.lines().filter(|line| line.contains(tool));
            lines
                .filter_map(|line| line.split(' ').nth(1))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts("tool=\"other\""), ["1"], "{text}");
        assert_eq!(counts("tool=\"\""), ["2"], "{text}");
    }
}
