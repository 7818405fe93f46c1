//! TLS for connections that we open: whom we trust, and what one connection begins with.
//!
//! Trusted are the authorities that browsers trust, which this binary holds, and those in the
//! files that a user names: sites without the internet have authorities of their own. All of it
//! is read when the first server is spoken to over TLS, and not before: it takes memory that most
//! processes never need; and again when a file was replaced. Never decides whether TLS is spoken.

mod fault;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use onemcp::base::origin::Host;
use onemcp::limits::{CA_FILE_BYTES_MAX, TLS_BUFFER_BYTES_MAX, TLS_SESSIONS_MAX};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::shell::disk::files::stat;
use crate::shell::disk::{read_bounded, reason};
pub(crate) use fault::sentence;
pub(crate) use stream::{Fault, Got, TlsStream};

/// What a certificate begins with.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A file of certificates, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaFile {
    /// `--ca-file` or a variable.
    pub(crate) named_by: &'static str,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

/// Which content a file has, as far as the system tells without reading it: seconds and
/// nanoseconds of its change, bytes, inode.
type Stamp = Option<(i64, i64, u64, u64)>;

/// What is in a file.
#[derive(Debug)]
pub(crate) struct Found {
    /// At least one that rustls takes.
    certificates: Vec<CertificateDer<'static>>,
    /// What of the rest cannot be used.
    pub(crate) flaw: Option<String>,
}

impl CaFile {
    /// The authorities in it.
    pub(crate) fn read(&self) -> Result<Found, String> {
        let (by, file) = (self.named_by, self.path.display());
        let cannot = |why: &str| format!("{by}: cannot use {file}: {why}");
        let bytes = match read_bounded(&self.path, CA_FILE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(cannot("there is no such file")),
            Err(error) => return Err(cannot(&reason(&error))),
        };
        let (mut certificates, mut damaged) = (Vec::new(), 0_usize);
        for block in blocks(&bytes) {
            match CertificateDer::from_pem_slice(block) {
                Ok(certificate) => certificates.push(certificate),
                Err(_) => damaged += 1,
            }
        }
        if certificates.is_empty() && damaged == 0 {
            return Err(cannot("it holds no certificate (PEM, BEGIN CERTIFICATE)"));
        }
        let all = certificates.len() + damaged;
        certificates.retain(|one| RootCertStore::empty().add(one.clone()).is_ok());
        if certificates.is_empty() {
            return Err(cannot("its PEM is damaged: no certificate can be read"));
        }
        let flaw = (certificates.len() < all).then(|| {
            let used = certificates.len();
            format!("{by}: {file} is damaged: {used} of its {all} certificates are used")
        });
        Ok(Found { certificates, flaw })
    }

    fn stamp(&self) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        let found = stat(&self.path).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
    }
}

/// The PEM of each certificate, so that a damaged one does not take those behind it along.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins = |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(BEGIN));
    let mut starts = (0..bytes.len()).filter(begins).peekable();
    std::iter::from_fn(move || {
        let from = starts.next()?;
        bytes.get(from..starts.peek().copied().unwrap_or(bytes.len()))
    })
}

/// What is common to all connections over TLS.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    files: Vec<CaFile>,
    config: Option<Arc<ClientConfig>>,
    /// What `config` was made of, a stamp for each file; a file that could not be read has none.
    made_of: Vec<Stamp>,
    /// What was wrong with the files when they were looked at last.
    told: Vec<String>,
    warnings: Vec<String>,
}

impl Tls {
    /// Trusts the authorities in these files as well.
    pub(crate) fn new(files: Vec<CaFile>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// What begins a connection with this host.
    pub(crate) fn begin(&mut self, host: &Host) -> Result<ClientConnection, rustls::Error> {
        let name = match host {
            Host::V4(address) => ServerName::IpAddress((*address).into()),
            Host::V6(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|_| rustls::Error::UnsupportedNameType)?,
        };
        let config = self.config()?;
        let mut connection = ClientConnection::new(config, name)?;
        connection.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        Ok(connection)
    }

    /// Looks whether the files are still what they were: authorities are replaced while we run, and
    /// a file that could not be read (no descriptors left, not mounted yet) can be later.
    fn config(&mut self) -> Result<Arc<ClientConfig>, rustls::Error> {
        // Before they are read: what changes meanwhile is noticed next time.
        let mut stamps: Vec<Stamp> = self.files.iter().map(CaFile::stamp).collect();
        if let Some(config) = self.config.as_ref().filter(|_| stamps == self.made_of) {
            return Ok(Arc::clone(config));
        }
        let (mut certificates, mut wrong) = (Vec::new(), Vec::new());
        for (file, stamp) in self.files.iter().zip(&mut stamps) {
            match file.read() {
                Ok(found) => {
                    certificates.extend(found.certificates);
                    wrong.extend(found.flaw);
                }
                Err(why) => {
                    wrong.push(why);
                    *stamp = None;
                }
            }
        }
        let new = wrong.iter().filter(|why| !self.told.contains(why));
        self.warnings.extend(new.cloned());
        self.told = wrong;
        let config = config(certificates)?;
        self.made_of = stamps;
        Ok(Arc::clone(self.config.insert(config)))
    }

    /// What is wrong with the files, each once.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

fn config(certificates: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    roots.add_parsable_certificates(certificates);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_MAX);
    Ok(Arc::new(config))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(crate) mod tests;
