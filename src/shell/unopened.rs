//! Why a connection did not open, in words: each sentence names the host, whose fault it is and
//! what to do. Says nothing of what was sent, which may be secret.

use std::io;

use onemcp::effect::DialSpec;
use onemcp::http1::tunnel::NoWay;
use onemcp::input::{OpenFailure, OpenFault};
use onemcp::limits::LOOKUP_MS_MAX;

use crate::shell::disk::reason;
use crate::shell::lookup::Unknown;
use crate::shell::tls::{self, Fault};

/// `host:port` of whom we connect to.
pub(crate) fn place(spec: &DialSpec) -> String {
    format!("{}:{}", spec.host, spec.port)
}

/// The same with what it is to us.
fn whom(spec: &DialSpec) -> String {
    let what = if spec.tunnel.is_some() { "proxy " } else { "" };
    format!("{what}{}:{}", spec.host, spec.port)
}

fn failure(fault: OpenFault, why: String) -> OpenFailure {
    OpenFailure { fault, why }
}

/// The name leads nowhere.
pub(crate) fn no_address(spec: &DialSpec, why: &Unknown) -> OpenFailure {
    let host = &spec.host;
    match why {
        Unknown::No(words) => failure(
            OpenFault::Lookup,
            format!("no address for {host}: {words} (check the name and this machine's DNS)"),
        ),
        Unknown::Silent => failure(
            OpenFault::Lookup,
            format!(
                "the resolver did not answer within {} s for {host}: check this machine's DNS",
                LOOKUP_MS_MAX / 1000
            ),
        ),
        Unknown::Exhausted(words) => failure(
            OpenFault::Exhausted,
            format!("{host} cannot be looked up, since this machine has run out: {words}"),
        ),
    }
}

/// Its addresses are none of the public internet, and somebody else chose the name.
pub(crate) fn private(spec: &DialSpec) -> OpenFailure {
    let why = format!(
        "{} is not connected to, since it has no address of the public internet",
        place(spec)
    );
    failure(OpenFault::Private, why)
}

/// One address could not be connected to.
pub(crate) fn not_connected(spec: &DialSpec, error: &io::Error) -> OpenFailure {
    let (whom, words) = (whom(spec), reason(error));
    let is_spent = matches!(
        error.raw_os_error(),
        Some(
            libc::EMFILE
                | libc::ENFILE
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EADDRNOTAVAIL
                | libc::EAGAIN
        )
    );
    if is_spent {
        let why = format!(
            "no connection to {whom} can be opened, since this process has run out: {words} (see \
             ulimit -n)"
        );
        return failure(OpenFault::Exhausted, why);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure(
            OpenFault::Refused,
            format!("connection refused: nothing listens on {whom}"),
        ),
        io::ErrorKind::TimedOut => failure(
            OpenFault::TimedOut,
            format!("{whom} did not answer: {words} (check the address, and firewalls on the way)"),
        ),
        _ => failure(
            OpenFault::Unreachable,
            format!("{whom} cannot be reached: {words}"),
        ),
    }
}

/// Which of two failures to connect says more.
pub(crate) fn worse(one: Option<OpenFailure>, other: OpenFailure) -> OpenFailure {
    let weight = |fault| match fault {
        OpenFault::Exhausted => 3,
        OpenFault::Refused => 2,
        OpenFault::TimedOut => 1,
        OpenFault::Lookup
        | OpenFault::Unreachable
        | OpenFault::Proxy
        | OpenFault::Certificate
        | OpenFault::Private
        | OpenFault::Tls => 0,
    };
    match one {
        Some(one) if weight(one.fault) >= weight(other.fault) => one,
        _ => other,
    }
}

/// What was being waited for when the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// The resolver.
    Lookup,
    /// A connection.
    Connect,
    /// The proxy's answer.
    Tunnel,
    /// The end of the handshake.
    Handshake,
}

/// The time was up.
pub(crate) fn too_late(spec: &DialSpec, late: Late) -> OpenFailure {
    let (whom, host, time) = (whom(spec), &spec.host, time(spec.open_ms_max));
    let (fault, why) = match late {
        Late::Lookup => (
            OpenFault::Lookup,
            format!(
                "the resolver did not answer within {time} for {host}: check this machine's DNS"
            ),
        ),
        Late::Connect => (
            OpenFault::TimedOut,
            format!(
                "{whom} did not answer within {time}: check the address, and firewalls on the way"
            ),
        ),
        Late::Tunnel => (
            OpenFault::TimedOut,
            format!("{whom} did not answer CONNECT within {time}: check that it is an HTTP proxy"),
        ),
        Late::Handshake => (
            OpenFault::TimedOut,
            format!(
                "{} did not finish the TLS handshake within {time}: check that it speaks https \
                 there",
                server(spec)
            ),
        ),
    };
    failure(fault, why)
}

/// A limit as a person set it: an order has a little less, as it begins later and ends earlier.
fn time(ms: u64) -> String {
    let halves = ms.div_ceil(500);
    match (halves / 2, halves % 2) {
        (0, _) => format!("{ms} ms"),
        (1, 0) if ms < 1_000 => format!("{ms} ms"),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, _) => format!("{seconds}.5 s"),
    }
}

/// Whom TLS is spoken with.
pub(crate) fn server(spec: &DialSpec) -> String {
    match (&spec.tls, &spec.tunnel) {
        (Some(host), Some(_)) => format!("{host} (by way of the {})", whom(spec)),
        (Some(_) | None, _) => place(spec),
    }
}

/// The proxy lets nobody through.
pub(crate) fn no_way(spec: &DialSpec, why: NoWay) -> OpenFailure {
    let place = place(spec);
    let why = match why {
        NoWay::Refused(407) => format!(
            "proxy {place} answered 407: it wants a user name and password \
             (HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT)"
        ),
        NoWay::Refused(status) => {
            format!("proxy {place} answered {status}: it does not let us through")
        }
        other => format!("proxy {place} cannot be used: {other}"),
    };
    failure(OpenFault::Proxy, why)
}

/// The proxy went away instead of answering.
pub(crate) fn proxy_lost(spec: &DialSpec, error: Option<&io::Error>) -> OpenFailure {
    let words = error.map_or_else(|| "it closed the connection".to_owned(), reason);
    let why = format!("proxy {} did not answer CONNECT: {words}", place(spec));
    failure(OpenFault::Proxy, why)
}

/// One connection more than there may be.
pub(crate) fn too_many(spec: &DialSpec) -> OpenFailure {
    let why = format!(
        "no connection to {} can be opened: too many are being opened at once",
        whom(spec)
    );
    failure(OpenFault::Exhausted, why)
}

/// There is no TLS with the server.
pub(crate) fn no_tls(spec: &DialSpec, fault: &Fault) -> OpenFailure {
    let host = spec.tls.as_ref().unwrap_or(&spec.host);
    tls::sentence(&host.to_string(), &server(spec), fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    use onemcp::base::origin::Host;

    fn spec() -> DialSpec {
        DialSpec {
            host: Host::Name("a.example".into()),
            port: 5,
            tunnel: None,
            tls: None,
            open_ms_max: 1,
            public_only: false,
        }
    }

    #[test]
    fn what_the_kernel_says_of_a_connection_is_told_with_whose_fault_it_is() {
        for (error, fault, words) in [
            (
                libc::ECONNREFUSED,
                OpenFault::Refused,
                "connection refused: nothing listens on a.example:5",
            ),
            (
                libc::EHOSTUNREACH,
                OpenFault::Unreachable,
                "a.example:5 cannot be reached: ",
            ),
            (
                libc::ENETUNREACH,
                OpenFault::Unreachable,
                "a.example:5 cannot be reached: ",
            ),
            (
                libc::ETIMEDOUT,
                OpenFault::TimedOut,
                "a.example:5 did not answer: ",
            ),
            (libc::EMFILE, OpenFault::Exhausted, "ulimit -n"),
            (libc::EADDRNOTAVAIL, OpenFault::Exhausted, "run out"),
        ] {
            let failure = not_connected(&spec(), &io::Error::from_raw_os_error(error));
            assert_eq!(failure.fault, fault);
            assert!(failure.why.contains(words), "{failure:?}");
        }
    }

    #[test]
    fn a_limit_is_told_as_it_was_set() {
        for (ms, expected) in [
            (180, "180 ms"),
            (900, "900 ms"),
            (1_000, "1 s"),
            (1_350, "1.5 s"),
            (4_750, "5 s"),
            (10_000, "10 s"),
            (29_743, "30 s"),
        ] {
            assert_eq!(time(ms), expected);
        }
    }

    #[test]
    fn of_several_failures_the_one_that_says_most_is_told() {
        let of = |error| not_connected(&spec(), &io::Error::from_raw_os_error(error));
        let unreachable = of(libc::ENETUNREACH);
        let refused = of(libc::ECONNREFUSED);
        let spent = of(libc::EMFILE);
        assert_eq!(worse(None, unreachable.clone()), unreachable);
        assert_eq!(worse(Some(unreachable.clone()), refused.clone()), refused);
        assert_eq!(worse(Some(refused.clone()), unreachable), refused);
        assert_eq!(worse(Some(refused), spent.clone()), spent);
    }

    #[test]
    fn a_resolver_that_is_spent_or_silent_is_told_from_a_name_that_is_not_there() {
        let why = |unknown| no_address(&spec(), &unknown);
        let silent = why(Unknown::Silent);
        assert_eq!(silent.fault, OpenFault::Lookup);
        assert!(
            silent
                .why
                .starts_with("the resolver did not answer within 5 s for a.example")
        );
        let spent = why(Unknown::Exhausted("no threads".to_owned()));
        assert_eq!(spent.fault, OpenFault::Exhausted);
        assert!(spent.why.contains("a.example") && spent.why.contains("no threads"));
    }
}
