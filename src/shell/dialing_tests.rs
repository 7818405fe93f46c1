//! Connections that the core orders, over real sockets.

use super::*;
use std::net::{Ipv4Addr, TcpListener};

use onemcp::base::origin::Host;
use onemcp::effect::DialSpec;

const DIAL: DialKey = DialKey(Key {
    index: 3,
    generation: 1,
});

fn spec(port: u16) -> Box<DialSpec> {
    Box::new(DialSpec {
        host: Host::V4(Ipv4Addr::LOCALHOST),
        port,
        tunnel: None,
        tls: None,
        open_ms_max: 10_000,
        public_only: false,
    })
}

/// Opens a connection to this port, sends a request, and closes at the end of the answer.
fn asking(port: u16) -> Harness {
    Harness::new(move |input, links, out| match input {
        Input::Config(_) => out.push(Effect::Open {
            dial: DIAL,
            spec: spec(port),
        }),
        Input::Opened { link, .. } => links.send(*link, &["request".into()]),
        Input::Eof { link } => {
            links.forget(*link);
            out.push(Effect::Close { link: *link });
        }
        _ => {}
    })
}

#[test]
fn a_connection_that_was_ordered_is_opened_written_read_and_closed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut harness = asking(server.local_addr().unwrap().port());
    let serve = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        let mut request = [0; 7];
        socket.read_exact(&mut request).unwrap();
        socket.write_all(&request).unwrap();
    });
    harness.looped.configure(Box::default());
    let seen = harness.until("eof 0");
    assert_eq!(seen, ["config", "opened 0", "bytes 0 request", "eof 0"]);
    serve.join().unwrap();
    assert!(harness.looped.links.is_empty());
    assert_eq!(harness.looped.timeout(), None);
}

#[test]
fn a_connection_that_is_refused_is_one_input() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server);
    let mut harness = asking(port);
    harness.looped.configure(Box::default());
    harness.until(&format!(
        "unopened connection refused: nothing listens on 127.0.0.1:{port}"
    ));
    assert_eq!(harness.looped.timeout(), None);
}

#[test]
fn a_server_that_takes_no_more_of_a_request_is_read_to_the_end_of_its_answer() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut harness = Harness::new(move |input, links, out| match input {
        Input::Config(_) => out.push(Effect::Open {
            dial: DIAL,
            spec: spec(port),
        }),
        Input::Opened { link, .. } => {
            let request = Rc::new(vec![b'x'; 20_000_000]);
            let all = onemcp::base::outbox::Part::Share(&request, 0..request.len());
            links.send(*link, &[all]);
        }
        _ => {}
    });
    let serve = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        socket.read_exact(&mut [0; 100]).unwrap();
        // Closing with unread bytes resets.
        socket.write_all(b"too long").unwrap();
    });
    harness.looped.configure(Box::default());
    let seen = harness.until("broken 0");
    assert_eq!(seen, ["config", "opened 0", "bytes 0 too long", "broken 0"]);
    serve.join().unwrap();
}

#[path = "dialing_tls_tests.rs"]
mod over_tls;
