//! Why there is no response, in words that an error and `/health` can use. They name scheme, host
//! and port, and nothing else of a URL: many hosted servers put a key into the path.

use std::fmt;

use crate::base::mark::Mark;
use crate::base::origin::Origin;
use crate::http1::fault::Fault;
use crate::http1::redirect::BadRedirect;
use crate::http1::requests::BadField;
use crate::input::{OpenFailure, OpenFault};

/// An exchange without its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    /// One sentence that names the host; without secrets.
    pub why: String,
    /// Whether the server may have acted on the request. If not, it may be sent again, whatever it
    /// asks for.
    pub reached: bool,
    /// What kind of failure.
    pub kind: FailureKind,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection.
    Open(OpenFault),
    /// The connection was lost, or what came on it is no response.
    Exchange(Fault),
    /// A redirect that is not followed.
    Redirect,
    /// The response is compressed, which nobody asked for.
    Encoded,
    /// All places are taken, and the server was not asked; or all room for its responses is.
    Busy,
    /// A field of ours cannot be sent.
    Field,
}

impl FetchFailure {
    fn new(kind: FailureKind, reached: bool, origin: &Origin, why: &dyn fmt::Display) -> Self {
        let why = format!("{origin}: {why}");
        Self { why, reached, kind }
    }

    pub(super) fn open(failure: OpenFailure) -> Self {
        Self {
            why: failure.why,
            reached: false,
            kind: FailureKind::Open(failure.fault),
        }
    }

    /// Somebody else chose this host, and it is none of the public internet.
    pub(super) fn private(origin: &Origin) -> Self {
        let kind = FailureKind::Open(OpenFault::Private);
        let why = "not asked, since it is no host of the public internet";
        Self::new(kind, false, origin, &why)
    }

    /// The shell said nothing in time.
    pub(super) fn open_timed_out(origin: &Origin) -> Self {
        let kind = FailureKind::Open(OpenFault::TimedOut);
        Self::new(kind, false, origin, &Fault::OpenTimedOut)
    }

    pub(super) fn exchange(origin: &Origin, fault: Fault, reached: bool) -> Self {
        Self::new(FailureKind::Exchange(fault), reached, origin, &fault)
    }

    pub(super) fn redirect(origin: &Origin, bad: &BadRedirect) -> Self {
        Self::new(FailureKind::Redirect, true, origin, bad)
    }

    pub(super) fn encoded(origin: &Origin) -> Self {
        let why = "the server compresses its response although it was asked not to; switch that \
                   off there, or in the proxy before it";
        Self::new(FailureKind::Encoded, true, origin, &why)
    }

    pub(super) fn busy(origin: &Origin) -> Self {
        Mark::FetchBusy.hit();
        let why = "too many requests to it are under way; try again in a moment";
        Self::new(FailureKind::Busy, false, origin, &why)
    }

    pub(super) fn too_much(origin: &Origin) -> Self {
        let why = "too much of its other responses is under way to take this one; it may have \
                   been done";
        Self::new(FailureKind::Busy, true, origin, &why)
    }

    pub(super) fn field(origin: &Origin, name: &str, bad: BadField) -> Self {
        let why = format!("the header {name:?} was not sent: {bad}");
        Self::new(FailureKind::Field, false, origin, &why)
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
