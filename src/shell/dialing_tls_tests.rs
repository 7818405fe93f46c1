//! Open connections over TLS, over real sockets.

use super::*;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use onemcp::base::outbox::Part;

use crate::shell::tls::tests::{BOTH, NEW, OLD, Served, serve};

/// What a test does when a connection opens and when bytes come.
type OnInput = Box<dyn FnMut(&Input<'_>, &mut Links, &mut Effects)>;

/// Opens one connection over TLS to this port.
fn securely(port: u16, mut rest: OnInput) -> Harness {
    let mut harness = Harness::new(move |input, links, out| {
        if let Input::Config(_) = input {
            let mut spec = spec(port);
            spec.tls = Some(Host::V4(Ipv4Addr::LOCALHOST));
            out.push(Effect::Open { dial: DIAL, spec });
        }
        rest(input, links, out);
    });
    harness.looped.configure(Box::default());
    harness
}

fn nothing() -> OnInput {
    Box::new(|_, _, _| {})
}

fn joined<T>(server: JoinHandle<Vec<T>>) -> T {
    server.join().unwrap().pop().unwrap()
}

fn say_goodbye(stream: &mut Served) {
    stream.conn.send_close_notify();
    stream.flush().unwrap();
}

#[test]
fn what_is_written_and_read_over_tls_is_the_same_in_the_clear() {
    for version in [NEW, OLD] {
        let (port, server) = serve("good", version, |mut stream| {
            let mut request = [0; 7];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&request).unwrap();
            say_goodbye(&mut stream);
            // Whoever closes says good-bye as well.
            stream.read(&mut request).unwrap()
        });
        let mut harness = securely(
            port,
            Box::new(|input, links, out| match input {
                Input::Opened { link, .. } => links.send(*link, &["req".into(), "uest".into()]),
                Input::Eof { link } => {
                    links.forget(*link);
                    out.push(Effect::Close { link: *link });
                }
                _ => {}
            }),
        );
        let seen = harness.until("eof 0");
        assert_eq!(seen, ["config", "opened 0", "bytes 0 request", "eof 0"]);
        assert_eq!(joined(server), 0);
        assert!(harness.looped.links.is_empty());
        assert_eq!(harness.looped.timeout(), None);
    }
}

#[test]
fn bytes_that_come_with_the_end_of_the_handshake_are_read_without_an_event() {
    let (port, server) = serve("good", BOTH, |mut stream| {
        stream.write_all(b"first").unwrap();
        say_goodbye(&mut stream);
        stream.read(&mut [0; 8]).unwrap_or(0)
    });
    for _ in BOTH {
        let mut harness = securely(port, nothing());
        harness.until("eof 0");
    }
    server.join().unwrap();
}

#[test]
fn rfc8446_6_1_an_end_without_good_bye_is_broken() {
    for version in [NEW, OLD] {
        let (port, server) = serve("good", version, |mut stream| {
            stream.write_all(b"half").unwrap();
            stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
            let _end = stream.sock.read(&mut [0; 4096]);
        });
        let mut harness = securely(port, nothing());
        let seen = harness.until("broken 0");
        assert_eq!(seen, ["config", "opened 0", "bytes 0 half", "broken 0"]);
        assert!(harness.looped.links.is_empty());
        drop(harness);
        joined(server);
    }
}

#[test]
fn records_that_nobody_sealed_break_the_connection() {
    for garbage in [
        &b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..],
        // A server that wants to begin anew, in the clear (RFC 5246 section 7.4.1.1).
        b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ] {
        for version in [NEW, OLD] {
            let (port, server) = serve("good", version, |mut stream| {
                stream.write_all(b"good").unwrap();
                stream.sock.write_all(garbage).unwrap();
                while stream.sock.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {}
            });
            let mut harness = securely(port, nothing());
            let seen = harness.until("broken 0");
            assert_eq!(seen[1..], ["opened 0", "bytes 0 good", "broken 0"]);
            joined(server);
        }
    }
}

#[test]
fn a_large_transfer_goes_both_ways_in_small_pieces() {
    const LENGTH: usize = 6_000_000;
    for version in [NEW, OLD] {
        let (port, server) = serve("good", version, move |mut stream| {
            let mut piece = vec![0; 10_000];
            let mut all = 0;
            loop {
                let got = stream.read(&mut piece).unwrap();
                if got == 0 {
                    say_goodbye(&mut stream);
                    return all;
                }
                all += got;
                stream.write_all(&piece[..got]).unwrap();
                // Both sides change their keys in the middle of it.
                if version == NEW && all % 7 == 0 {
                    stream.conn.refresh_traffic_keys().unwrap();
                }
            }
        });
        let came: Rc<RefCell<Vec<u8>>> = Rc::default();
        let all = Rc::clone(&came);
        let sent: Rc<Vec<u8>> = Rc::new((0..=250).cycle().take(LENGTH).collect());
        let bytes = Rc::clone(&sent);
        let mut harness = securely(
            port,
            Box::new(move |input, links, _| match input {
                Input::Opened { link, .. } => {
                    links.send(*link, &[Part::Share(&bytes, 0..LENGTH)]);
                    links.finish(*link);
                }
                Input::Bytes { bytes, .. } => all.borrow_mut().extend(*bytes),
                _ => {}
            }),
        );
        harness.until("eof 0");
        assert!(*came.borrow() == *sent);
        assert_eq!(joined(server), LENGTH);
    }
}

#[test]
fn a_server_that_does_not_read_is_waited_for_asleep() {
    const LENGTH: usize = 20_000_000;
    let (go, wait) = channel::<()>();
    let (port, server) = serve("good", NEW, move |mut stream| {
        stream.write_all(b"ready").unwrap();
        wait.recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(b"thanks").unwrap();
        say_goodbye(&mut stream);
        all.len()
    });
    let mut harness = securely(
        port,
        Box::new(|input, links, _| {
            if let Input::Opened { link, .. } = input {
                let bytes = Rc::new(vec![b'x'; LENGTH]);
                links.send(*link, &[Part::Share(&bytes, 0..LENGTH)]);
                links.finish(*link);
            }
        }),
    );
    harness.until("bytes 0 ready");
    while harness.looped.timeout() == Some(Duration::ZERO) {
        assert_eq!(harness.turn(), None);
        harness.looped.finish_turn();
    }
    assert_eq!(harness.looped.timeout(), None, "sleeps until it reads");
    let (_, link) = harness.looped.links.iter().next().unwrap();
    assert!(link.holds() && link.writing == Writing::Blocked);
    go.send(()).unwrap();
    harness.until("eof 0");
    assert_eq!(joined(server), LENGTH);
}

#[test]
fn a_good_bye_that_the_kernel_refused_is_sent_later() {
    let (go, wait) = channel::<()>();
    let (port, server) = serve("good", NEW, move |mut stream| {
        stream.write_all(b"ready").unwrap();
        wait.recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        say_goodbye(&mut stream);
        all.len()
    });
    let mut harness = securely(port, nothing());
    harness.until("bytes 0 ready");
    let key = harness.looped.links.iter().next().unwrap().0;
    let registry = harness.looped.poll.registry().try_clone().unwrap();
    let link = harness.looped.links.get_mut(key).unwrap();
    // As the loop would: written until the kernel takes no more, then shut.
    let mut sent = 0;
    while let Ok(taken) = link.write(&[io::IoSlice::new(&[b'x'; 50_000])]) {
        sent += taken;
    }
    link.shut();
    assert!(link.holds() && link.writing == Writing::Shut);
    link.want_writable(&registry, key, true).unwrap();
    go.send(()).unwrap();
    harness.until("eof 0");
    assert_eq!(joined(server), sent);
}

#[test]
fn a_paused_link_over_tls_keeps_what_was_opened_and_gives_it_when_resumed() {
    const LENGTH: usize = 1_000_000;
    let (port, server) = serve("good", NEW, |mut stream| {
        stream.write_all(&vec![b'y'; LENGTH]).unwrap();
        say_goodbye(&mut stream);
    });
    let paused: Rc<RefCell<Option<LinkKey>>> = Rc::default();
    let kept = Rc::clone(&paused);
    let came: Rc<RefCell<usize>> = Rc::default();
    let count = Rc::clone(&came);
    let mut harness = securely(
        port,
        Box::new(move |input, _, out| match input {
            Input::Bytes { link, bytes } => {
                *count.borrow_mut() += bytes.len();
                kept.borrow_mut().replace(*link);
                let (link, paused) = (*link, true);
                out.push(Effect::PauseRead { link, paused });
            }
            Input::Tick => {
                if let Some(link) = kept.borrow_mut().take() {
                    let paused = false;
                    out.push(Effect::PauseRead { link, paused });
                }
            }
            _ => {}
        }),
    );
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "eof 0") {
        // While it is paused nothing comes, whatever there is to be read.
        if paused.borrow().is_some() {
            *harness.deadline.borrow_mut() = Some(harness.looped.clock.tick());
        }
        assert_eq!(harness.turn(), None);
        harness.looped.finish_turn();
        seen.append(&mut harness.seen.borrow_mut());
    }
    assert_eq!(*came.borrow(), LENGTH);
    joined(server);
}

#[test]
fn a_record_of_nothing_does_not_hold_the_loop() {
    let (stop, stopped) = channel::<()>();
    let (port, server) = serve("good", NEW, move |mut stream| {
        stream.write_all(b"x").unwrap();
        // New keys without end hold no byte for the reader.
        while stopped.try_recv().is_err() {
            stream.conn.refresh_traffic_keys().unwrap();
            if stream.flush().is_err() {
                break;
            }
        }
    });
    let mut harness = securely(port, nothing());
    // The library ends it, or the loop goes round; either way others have their turn.
    let _client = harness.connect();
    let was_seen = |harness: &Harness, what: &str| {
        let seen = harness.seen.borrow();
        seen.iter().any(|line| line.starts_with(what))
    };
    while !(was_seen(&harness, "accepted") && was_seen(&harness, "bytes")) {
        assert_eq!(harness.turn(), None);
    }
    let _gone = stop.send(());
    drop(harness);
    joined(server);
}
