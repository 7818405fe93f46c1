//! What is wrong with a server's TLS, in words. Names that a peer sent are shown cut short and
//! without anything that a terminal would obey.

use onemcp::input::{OpenFailure, OpenFault};
use rustls::{AlertDescription, CertificateError, Error};

use crate::shell::clock::rfc3339;
use crate::shell::disk::reason;
use crate::shell::tls::Fault;

/// Names of a certificate that are shown, and letters of each.
const NAMES_SHOWN: usize = 4;
const NAME_CHARS_SHOWN: usize = 60;

/// Why there is no TLS with this server: `host` is whose certificate is wanted, `server` where it
/// was asked for.
pub(crate) fn sentence(host: &str, server: &str, fault: &Fault) -> OpenFailure {
    let tls = |why: String| OpenFailure {
        fault: OpenFault::Tls,
        why,
    };
    match fault {
        Fault::Tls(Error::InvalidCertificate(why)) => OpenFailure {
            fault: OpenFault::Certificate,
            why: format!("the certificate of {host} {}", certificate(why)),
        },
        Fault::Tls(error) => tls(format!("{server} {}", protocol(error))),
        Fault::Lost(error) => tls(format!(
            "the connection to {server} was lost during the TLS handshake: {}",
            reason(error)
        )),
        Fault::Ended => tls(format!(
            "{server} closed the connection during the TLS handshake: check that it speaks https \
             there"
        )),
        Fault::Endless => tls(format!(
            "{server} does not come to an end of its TLS handshake"
        )),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "expired: its operator must renew it".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "expired on {}: its operator must renew it",
            date(not_after.as_secs())
        ),
        CertificateError::NotValidYet => {
            "is not valid yet: check the clock of this machine".to_owned()
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}: check the clock of this machine",
            date(not_before.as_secs())
        ),
        CertificateError::NotValidForName => "is for other names: check the URL".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("is for other names: {}", names(presented))
        }
        CertificateError::UnknownIssuer => "is signed by an authority that is not trusted: pass \
                                            its PEM with serve --ca-file, or in SSL_CERT_FILE"
            .to_owned(),
        CertificateError::Revoked => "was revoked: its operator must replace it".to_owned(),
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is one of an authority: its operator must sign one for the server with it".to_owned()
        }
        other => format!("cannot be accepted: {}", plain(&other.to_string())),
    }
}

fn protocol(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => {
            "does not speak TLS: check the port, or use http:// if it has no TLS".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "wants a certificate of ours, and there is none to give".to_owned()
        }
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "knows no such host name: check the URL".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => "does not offer HTTP/1.1 over TLS".to_owned(),
        Error::AlertReceived(alert) => format!("refused the TLS handshake ({alert:?})"),
        Error::PeerIncompatible(_) => {
            "speaks TLS in no way that we take for safe (1.2 or 1.3, with current ciphers)"
                .to_owned()
        }
        Error::UnsupportedNameType => "has a name that no certificate can be for".to_owned(),
        other => format!("breaks the rules of TLS: {}", plain(&other.to_string())),
    }
}

fn date(unix_s: u64) -> String {
    let text = rfc3339(unix_s.saturating_mul(1000));
    text.get(..10).unwrap_or(&text).to_owned()
}

/// The names in a certificate. They come as `DnsName("a.b")`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "it has none (an old one, without subjectAltName)".to_owned();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(&**name, |(_, rest)| rest);
        plain(inner.trim_end_matches(')').trim_matches('"'))
    };
    let shown: Vec<String> = presented.iter().take(NAMES_SHOWN).map(bare).collect();
    let mut text = shown.join(", ");
    if presented.len() > NAMES_SHOWN {
        text.push_str(", ..");
    }
    text
}

fn plain(text: &str) -> String {
    let visible = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    visible.take(NAME_CHARS_SHOWN * 2).collect()
}
