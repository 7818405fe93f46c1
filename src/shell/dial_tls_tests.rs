//! Handshakes with servers that have good and bad certificates, or are none.

use super::*;
use rustls::{AlertDescription, ServerConnection, StreamOwned};

use crate::shell::tls::tests::{BOTH, NEW, OLD, serve, server};

pub(super) fn secure(port: u16) -> DialSpec {
    DialSpec {
        tls: Some(Host::V4(Ipv4Addr::LOCALHOST)),
        ..spec("127.0.0.1", port)
    }
}

/// Goes through a handshake that is to fail.
#[track_caller]
fn fails(certificate: &str, spec: impl Fn(u16) -> DialSpec, fault: OpenFault, words: &str) {
    let (port, server) = serve(certificate, BOTH, |mut stream| {
        stream.conn.complete_io(&mut stream.sock).is_err()
    });
    for _ in BOTH {
        let mut dialer = Dialer::new(unasked);
        dialer.open(1, spec(port));
        dialer.failed(fault, words);
    }
    drop(server.join().unwrap());
}

#[test]
fn a_handshake_with_a_good_certificate_opens_in_both_versions_with_http_1_1() {
    let (port, server) = serve("good", BOTH, |mut stream| {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        let alpn = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        (alpn, stream.conn.server_name().map(str::to_owned))
    });
    let mut dialer = Dialer::new(unasked);
    for index in 0..2 {
        let host = ["127.0.0.1", "localhost"][index as usize];
        let spec = DialSpec {
            tls: spec(host, 1).host.into(),
            ..secure(port)
        };
        dialer.open(index, spec);
        assert!(matches!(dialer.opened(), Stream::Tls(_)));
    }
    let http = || Some(b"http/1.1".to_vec());
    let told = server.join().unwrap();
    assert_eq!(told, [(http(), None), (http(), Some("localhost".into()))]);
    assert_eq!(dialer.dials.warnings(), [""; 0]);
}

#[test]
fn an_expired_certificate_is_told_with_its_date() {
    fails(
        "expired",
        secure,
        OpenFault::Certificate,
        "the certificate of 127.0.0.1 expired on 2020-12-31: ",
    );
}

#[test]
fn a_certificate_of_another_name_is_told_with_the_names_it_has() {
    fails(
        "other-name",
        secure,
        OpenFault::Certificate,
        "the certificate of 127.0.0.1 is for other names: example.org",
    );
    fails(
        "good",
        |port| DialSpec {
            tls: Some(Host::Name("example.com".into())),
            ..secure(port)
        },
        OpenFault::Certificate,
        "example.com is for other names: localhost, 127.0.0.1",
    );
}

#[test]
fn a_certificate_of_nobody_whom_we_trust_says_how_to_trust_it() {
    fails(
        "self-signed",
        secure,
        OpenFault::Certificate,
        "the certificate of 127.0.0.1 is signed by an authority that is not trusted: pass its PEM \
         with serve --ca-file, or in SSL_CERT_FILE",
    );
    // Nor is the authority of the tests trusted by those who were not told of it.
    let (port, server) = serve("good", NEW, |mut stream| {
        stream.conn.complete_io(&mut stream.sock).is_err()
    });
    let mut dialer = Dialer::new(unasked);
    dialer.dials.tls = Tls::default();
    dialer.open(1, secure(port));
    dialer.failed(OpenFault::Certificate, "--ca-file");
    assert_eq!(server.join().unwrap(), [true]);
}

/// A server that answers whatever comes with these bytes and closes.
fn babbling(bytes: &'static [u8]) -> (u16, thread::JoinHandle<()>) {
    let (listener, port) = listen();
    let run = move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _hello = socket.read(&mut [0; 4096]).unwrap();
        let _written = socket.write_all(bytes);
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        while socket.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {}
    };
    (port, thread::spawn(run))
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_from_one_that_ends_or_refuses() {
    let alert = [
        0x15,
        3,
        3,
        0,
        2,
        2,
        u8::from(AlertDescription::UnrecognisedName),
    ];
    let refusal = [
        0x15,
        3,
        3,
        0,
        2,
        2,
        u8::from(AlertDescription::HandshakeFailure),
    ];
    for (bytes, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "does not speak TLS: check the port",
        ),
        (b"", "closed the connection during the TLS handshake"),
        (b"\x16\x03\x03", "closed the connection during"),
        (alert.to_vec().leak(), "knows no such host name"),
        (
            refusal.to_vec().leak(),
            "refused the TLS handshake (HandshakeFailure)",
        ),
        (b"\x17\x03\x03\x00\x01x", "breaks the rules of TLS"),
    ] {
        let (port, server) = babbling(bytes);
        let mut dialer = Dialer::new(unasked);
        dialer.open(1, secure(port));
        dialer.failed(OpenFault::Tls, &format!("127.0.0.1:{port} {words}"));
        server.join().unwrap();
    }
}

#[test]
fn a_connection_that_is_reset_in_the_handshake_is_told() {
    let (listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, secure(port));
    let (mut socket, _) = listener.accept().unwrap();
    dialer.turn();
    // Closing with unread bytes resets.
    socket.read_exact(&mut [0]).unwrap();
    drop(socket);
    dialer.failed(OpenFault::Tls, "was lost during the TLS handshake: ");
}

#[test]
fn a_server_that_offers_only_http_2_is_told() {
    let (listener, port) = listen();
    let run = move || {
        let (socket, _) = listener.accept().unwrap();
        let mut config = server("good", NEW);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let failed = stream.conn.complete_io(&mut stream.sock).is_err();
        // Our end must see the alert before the reset.
        stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        let _end = stream.sock.read(&mut [0; 100]);
        failed
    };
    let run = thread::spawn(run);
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, secure(port));
    dialer.failed(OpenFault::Tls, "does not offer HTTP/1.1 over TLS");
    assert!(run.join().unwrap());
}

#[test]
fn handshake_bytes_max_ends_a_handshake_that_goes_on_and_on() {
    let (listener, port) = listen();
    let run = move || {
        let (mut socket, _) = listener.accept().unwrap();
        // Changes of the cipher are allowed and mean nothing; there is no end of them. Whichever
        // limit is met first, ours or that of the library, the handshake fails.
        let change = [0x14, 3, 3, 0, 1, 1].repeat(1000);
        while socket.write_all(&change).is_ok() {}
    };
    let run = thread::spawn(run);
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, secure(port));
    dialer.failed(OpenFault::Tls, "TLS");
    run.join().unwrap();
}

#[test]
fn a_handshake_that_says_nothing_times_out_and_one_given_up_closes() {
    let (listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, secure(port));
    dialer.turn();
    dialer.now = Tick(10_000);
    dialer.failed(
        OpenFault::TimedOut,
        &format!("127.0.0.1:{port} did not finish the TLS handshake within 10 s"),
    );
    dialer.open(2, secure(port));
    dialer.turn();
    dialer.dials.give_up(key(2));
    for _ in 0..2 {
        let (mut socket, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        let _end = socket.read_to_end(&mut all);
        assert_eq!(all.first(), Some(&0x16), "a handshake was begun");
    }
}

#[test]
fn tls_goes_through_the_tunnel_of_a_proxy_and_names_the_server() {
    let (listener, port) = listen();
    let run = move || {
        for certificate in ["good", "expired"] {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let config = server(certificate, OLD);
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let _done = stream.conn.complete_io(&mut stream.sock);
        }
    };
    let run = thread::spawn(run);
    let spec = || DialSpec {
        tls: Some(Host::Name("localhost".into())),
        ..through(port)
    };
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, spec());
    assert!(matches!(dialer.opened(), Stream::Tls(_)));
    dialer.open(2, spec());
    dialer.failed(OpenFault::Certificate, "of localhost expired on");
    run.join().unwrap();
}
