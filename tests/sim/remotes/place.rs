//! Where the servers of a run are, and what only they may be told.

use crate::plan::NAMES;

/// The field that says who we are to a server.
pub(crate) const FIELD: &str = "X-Key";
/// How every secret of the configuration begins.
pub(crate) const SECRET: &str = "S3CRET-";
/// How every session id begins.
pub(crate) const SESSION: &str = "SESS-";

/// The number of a server.
pub(crate) fn number(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap_or(0)
}

/// The site of this host.
pub(crate) fn of_host(host: &str) -> Option<usize> {
    (0..NAMES.len()).find(|site| host == self::host(*site))
}

/// The host of a site.
pub(crate) fn host(site: usize) -> String {
    format!("h{site}.test")
}

/// Whether a site is spoken to over TLS, and at which port.
pub(crate) const fn port(site: usize) -> (bool, u16) {
    match site % 3 {
        0 => (true, 443),
        1 => (false, 80),
        _ => (false, 8000),
    }
}

/// What `Host` says.
pub(crate) fn authority(site: usize) -> String {
    match port(site) {
        (_, 80 | 443) => host(site),
        (_, port) => format!("{}:{port}", host(site)),
    }
}

/// Where a server is.
pub(crate) fn url(name: &str, variant: u64) -> String {
    let site = number(name);
    let scheme = if port(site).0 { "https" } else { "http" };
    format!("{scheme}://{}/{variant}/mcp", authority(site))
}

/// What it, and nobody else, is told.
pub(crate) fn secret(name: &str, variant: u64) -> String {
    format!("{SECRET}{}-{variant}", number(name))
}
