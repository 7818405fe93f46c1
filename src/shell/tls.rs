//! TLS for connections that we open: whom we trust, and what one connection begins with.
//!
//! Trusted are the authorities that browsers trust, which this binary holds, and those in the
//! files that a user names: sites without the internet have authorities of their own. All of it
//! is read when the first server is spoken to over TLS, and not before: it takes memory that most
//! processes never need. Never decides whether TLS is spoken.

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

use crate::shell::disk::{read_bounded, reason};
pub(crate) use fault::sentence;
pub(crate) use stream::{Fault, Got, TlsStream};

/// A file of certificates, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaFile {
    /// `--ca-file` or a variable.
    pub(crate) named_by: &'static str,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

impl CaFile {
    /// The authorities in it.
    pub(crate) fn read(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let (by, file) = (self.named_by, self.path.display());
        let cannot = |why: &str| format!("{by}: cannot use {file}: {why}");
        let bytes = match read_bounded(&self.path, CA_FILE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(cannot("there is no such file")),
            Err(error) => return Err(cannot(&reason(&error))),
        };
        let mut found = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            match certificate {
                Ok(certificate) => found.push(certificate),
                Err(_) => return Err(cannot("its PEM is damaged")),
            }
        }
        if found.is_empty() {
            return Err(cannot("it holds no certificate (PEM, BEGIN CERTIFICATE)"));
        }
        Ok(found)
    }
}

/// What is common to all connections over TLS.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    files: Vec<CaFile>,
    config: Option<Arc<ClientConfig>>,
    warnings: Vec<String>,
}

impl Tls {
    /// Trusts the authorities in these files as well.
    pub(crate) const fn new(files: Vec<CaFile>) -> Self {
        Self {
            files,
            config: None,
            warnings: Vec::new(),
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
        let config = match &self.config {
            Some(config) => Arc::clone(config),
            None => Arc::clone(self.config.insert(config(&self.files, &mut self.warnings)?)),
        };
        let mut connection = ClientConnection::new(config, name)?;
        connection.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        Ok(connection)
    }

    /// What is wrong with the files, each once.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

fn config(
    files: &[CaFile],
    warnings: &mut Vec<String>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for file in files {
        match file.read() {
            Ok(certificates) => {
                if roots.add_parsable_certificates(certificates).0 == 0 {
                    let (by, file) = (file.named_by, file.path.display());
                    warnings.push(format!("{by}: no certificate in {file} can be understood"));
                }
            }
            Err(warning) => warnings.push(warning),
        }
    }
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
