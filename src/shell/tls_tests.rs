//! Servers that speak TLS with the certificates of tests/tls, and files of certificates.

use super::*;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::shell::disk::tests::TempDir;

/// One connection at a test's server.
pub(crate) type Served = StreamOwned<ServerConnection, TcpStream>;

fn file(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    tests.join(name).with_extension("pem")
}

/// Trusts the authority of the tests.
pub(crate) fn trusting() -> Tls {
    let (named_by, path) = ("--ca-file", file("ca"));
    Tls::new(vec![CaFile { named_by, path }])
}

/// How a server is set up that has this certificate.
pub(crate) fn server(
    certificate: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Accepts connections one after the other, as many as there are versions of TLS to be spoken.
pub(crate) fn serve<T: Send + 'static>(
    certificate: &str,
    versions: &'static [&'static SupportedProtocolVersion],
    mut each: impl FnMut(Served) -> T + Send + 'static,
) -> (u16, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let configs: Vec<_> = versions
        .iter()
        .map(|version| Arc::new(server(certificate, &[*version])))
        .collect();
    let run = move || {
        let accept = |config| {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(config).unwrap();
            each(StreamOwned::new(connection, socket))
        };
        configs.into_iter().map(accept).collect()
    };
    (port, thread::spawn(run))
}

/// Both versions, for [`serve`].
pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
/// The newer one alone.
pub(crate) const NEW: &[&SupportedProtocolVersion] = &[&TLS13];
/// The older one alone.
pub(crate) const OLD: &[&SupportedProtocolVersion] = &[&TLS12];

#[test]
fn ca_file_errors_name_the_flag_and_the_file() {
    let dir = TempDir::new();
    let read = |name: &str, text: Option<&str>| {
        let path = dir.path().join(name);
        if let Some(text) = text {
            std::fs::File::create(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        }
        let named_by = "SSL_CERT_FILE";
        CaFile { named_by, path }.read().unwrap_err()
    };
    for (text, why) in [
        (None, "there is no such file"),
        (Some(""), "it holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n"), "damaged"),
        (
            Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            "damaged",
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "no certificate can be read",
        ),
    ] {
        let error = read("a.pem", text);
        assert!(error.starts_with("SSL_CERT_FILE: cannot use "), "{error}");
        assert!(error.contains("a.pem: ") && error.contains(why), "{error}");
    }
    let (named_by, path) = ("--ca-file", dir.path().to_owned());
    assert!(CaFile { named_by, path }.read().is_err());
    let key = CaFile {
        named_by: "--ca-file",
        path: file("key"),
    };
    assert!(key.read().unwrap_err().contains("it holds no certificate"));
    let long = dir.path().join("long.pem");
    std::fs::write(&long, vec![b'\n'; CA_FILE_BYTES_MAX + 1]).unwrap();
    let (named_by, path) = ("--ca-file", long);
    assert!(CaFile { named_by, path }.read().is_err());
}

#[test]
fn a_file_that_cannot_be_used_costs_one_warning_and_the_others_are_used() {
    let dir = TempDir::new();
    let missing = CaFile {
        named_by: "NODE_EXTRA_CA_CERTS",
        path: dir.path().join("missing.pem"),
    };
    let junk = CaFile {
        named_by: "SSL_CERT_FILE",
        path: dir.path().join("junk.pem"),
    };
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&junk.path, text).unwrap();
    let mut tls = Tls::new(vec![missing, junk]);
    assert!(tls.config.is_none(), "nothing is read before it is needed");
    let host = Host::V4([127, 0, 0, 1].into());
    tls.begin(&host).unwrap();
    let warnings = tls.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("NODE_EXTRA_CA_CERTS: cannot use "));
    assert!(warnings[1].starts_with("SSL_CERT_FILE: cannot use "));
    tls.begin(&host).unwrap();
    assert_eq!(tls.warnings(), [""; 0]);
}

#[test]
fn a_file_is_read_again_once_it_can_be_and_when_it_was_replaced() {
    let dir = TempDir::new();
    let (named_by, path) = ("SSL_CERT_FILE", dir.path().join("ca.pem"));
    let mut tls = Tls::new(vec![CaFile {
        named_by,
        path: path.clone(),
    }]);
    let first = tls.config().unwrap();
    assert_eq!(tls.warnings().len(), 1);
    assert!(Arc::ptr_eq(&first, &tls.config().unwrap()), "still missing");
    // There but unreadable, for a reason that may pass: looked at each time, told once.
    std::fs::create_dir(&path).unwrap();
    tls.config().unwrap();
    assert_eq!(tls.warnings().len(), 1);
    tls.config().unwrap();
    assert_eq!(
        (tls.warnings().len(), tls.made_of.as_slice()),
        (0, &[None][..])
    );
    std::fs::remove_dir(&path).unwrap();
    let ca = std::fs::read_to_string(file("ca")).unwrap();
    std::fs::write(&path, &ca).unwrap();
    let second = tls.config().unwrap();
    assert!(!Arc::ptr_eq(&first, &second) && tls.warnings().is_empty());
    assert!(
        Arc::ptr_eq(&second, &tls.config().unwrap()),
        "nothing changed"
    );
    // One damaged block does not take the others along.
    let damaged = format!(
        "{ca}{}AAAA\n-----END CERTIFICATE-----\n{ca}",
        "-----BEGIN CERTIFICATE-----\n"
    );
    std::fs::write(&path, damaged).unwrap();
    assert!(!Arc::ptr_eq(&second, &tls.config().unwrap()));
    let warnings = tls.warnings();
    assert!(warnings[0].ends_with("ca.pem is damaged: 2 of its 3 certificates are used"));
    assert_eq!(tls.files[0].read().unwrap().certificates.len(), 2);
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    let mut tls = Tls::default();
    let name = Host::Name("a b".into());
    assert!(tls.begin(&name).is_err());
    for host in ["example.com.", "my_host"] {
        assert!(tls.begin(&Host::Name(host.into())).is_ok(), "{host}");
    }
    assert!(tls.begin(&Host::V6([0; 16].into())).is_ok());
}
