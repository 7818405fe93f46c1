//! `health`: one GET to a running instance, for scripts and container health checks.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::cli::args::Line;
use crate::cli::failure::{Failure, reason};
use crate::cli::{instances, out, places, variable};

/// How long each of connecting, sending and reading may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer than this is not read.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Asks: 0 healthy, 1 not, 3 not running.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let (text, code) = report(line)?;
    out::result(&text).map(|()| code)
}

/// What is to be printed, and the exit code.
fn report(line: &Line) -> Result<(String, u8), Failure> {
    line.no_operands()?;
    let target = line.get("url", target)?;
    let target = match target {
        Some(target) => target,
        None => target_running(line).unwrap_or_else(|| target_usual(variable)),
    };
    let shown = target.shown();
    let answer = ask(&target).map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::AddrNotAvailable => {
            Failure::Absent(format!("nothing is running at {shown}"))
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let seconds = PATIENCE.as_secs();
            Failure::Failed(format!("{shown} does not answer within {seconds} s"))
        }
        _ => Failure::Failed(format!("asking {shown}: {}", reason(&error))),
    })?;
    let Some((status, body)) = understand(&answer) else {
        return Err(Failure::Failed(format!("{shown} does not answer as HTTP")));
    };
    let healthy = status == 200;
    let text = match (line.is_set("json"), healthy) {
        (true, _) => format!("{}\n", String::from_utf8_lossy(body).trim_end()),
        (false, true) => "healthy\n".to_owned(),
        (false, false) => format!("not healthy: {shown} answers {status}\n"),
    };
    Ok((text, u8::from(!healthy)))
}

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    path: String,
}

impl Target {
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// What listens everywhere is here as well.
    fn come_here(&mut self) {
        match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1".clone_into(&mut self.host),
            "::" => "::1".clone_into(&mut self.host),
            _ => {}
        }
    }

    fn shown(&self) -> String {
        format!("http://{}{}", self.authority(), self.path)
    }
}

/// Where the instance of this configuration listens, if one runs and says so.
fn target_running(line: &Line) -> Option<Target> {
    let places = places::resolve(line, variable).ok()?;
    // Of no server in particular: only the head of the answer is wanted.
    let found = instances::ask(&places, Some("-"));
    let mut urls = found
        .instances
        .iter()
        .filter_map(|instance| instance.url.as_deref());
    urls.find_map(target_of)
}

/// `/health` at the URL of an instance.
fn target_of(url: &str) -> Option<Target> {
    let mut found = target(url).ok()?;
    found.come_here();
    "/health".clone_into(&mut found.path);
    Some(found)
}

/// Where an instance listens that cannot be asked, as in a container with nothing to write to:
/// `serve` was told by the same variables there.
fn target_usual(variable: impl Fn(&str) -> Option<OsString>) -> Target {
    let given = |name: &str| variable(name)?.into_string().ok();
    let port = given("ONE_MCP_PORT").and_then(|port| port.parse().ok());
    let host = given("ONE_MCP_HOST").filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
    let mut found = Target {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.filter(|port| *port != 0).unwrap_or(3050),
        path: "/health".to_owned(),
    };
    found.come_here();
    found
}

/// `http://host[:port][/path]`; the path is `/health` if there is none.
fn target(text: &str) -> Result<Target, String> {
    let expected = || "a URL such as http://127.0.0.1:3050".to_owned();
    if text.starts_with("https://") {
        return Err("an http:// URL: ask the instance itself, not its proxy".to_owned());
    }
    let rest = text.strip_prefix("http://").ok_or_else(expected)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or_else(expected)?;
            (host, after.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(80), |port| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        port.parse().ok().filter(|_| digits).ok_or_else(expected)
    })?;
    let strange = |c: char| c.is_control() || c == ' ' || c == '@';
    if host.is_empty() || text.contains(strange) {
        return Err(expected());
    }
    let path = if path.len() > 1 { path } else { "/health" };
    Ok(Target {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

fn ask(target: &Target) -> io::Result<Vec<u8>> {
    let addresses = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|_| io::Error::from(ErrorKind::NotFound))?;
    let mut stream = connect(addresses)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (path, host) = (&target.path, target.authority());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Status and body of an answer.
fn understand(answer: &[u8]) -> Option<(u16, &[u8])> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let status = std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((status, answer.get(end + 4..)?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::cli::args::parse;

    fn health(url: &str) -> Result<(String, u8), Failure> {
        let args = ["health", "--url", url].map(OsString::from);
        report(&parse(args, |_| None).unwrap())
    }

    /// Answers one connection with these bytes and tells what was asked.
    fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                assert_eq!(stream.read(&mut byte).unwrap(), 1);
                asked.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, thread)
    }

    #[test]
    fn contract_1_exit_codes_of_health() {
        let (url, thread) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(health(&url).unwrap(), ("healthy\n".to_owned(), 0));
        let asked = thread.join().unwrap();
        assert!(asked.starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1:"));
        let (url, thread) = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{}");
        let (text, code) = health(&format!("{url}/health/ready")).unwrap();
        assert!(code == 1 && text.contains("answers 503"), "{text}");
        assert!(thread.join().unwrap().starts_with("GET /health/ready "));
        let (url, thread) = answering("SSH-2.0-x\r\n");
        assert_eq!(health(&url).unwrap_err().code(), 1);
        thread.join().unwrap();
        // Bound and dropped: nobody listens there.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(health(&format!("http://{address}")).unwrap_err().code(), 3);
    }

    #[test]
    fn an_instance_that_cannot_be_asked_is_where_the_variables_of_serve_say() {
        let usual = |host: &'static str, port: &'static str| {
            let value = move |name: &str| match name {
                "ONE_MCP_HOST" => Some(OsString::from(host)),
                "ONE_MCP_PORT" => Some(OsString::from(port)),
                _ => None,
            };
            target_usual(value).shown()
        };
        assert_eq!(
            target_usual(|_| None).shown(),
            "http://127.0.0.1:3050/health"
        );
        assert_eq!(usual("0.0.0.0", "8080"), "http://127.0.0.1:8080/health");
        assert_eq!(usual("[::]", "+x"), "http://[::1]:3050/health");
        assert_eq!(usual("10.0.0.5", "0"), "http://10.0.0.5:3050/health");
    }

    #[test]
    fn urls() {
        let read = |text: &str| target(text).map(|target| target.shown());
        assert_eq!(read("http://h").unwrap(), "http://h:80/health");
        assert_eq!(read("http://[::1]:5/").unwrap(), "http://[::1]:5/health");
        assert_eq!(read("http://h:5/x").unwrap(), "http://h:5/x");
        for bad in [
            "h:5",
            "https://h",
            "http://",
            "http://h:x",
            "http://h:+5",
            "http://u@h",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
