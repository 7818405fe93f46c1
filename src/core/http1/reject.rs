//! Why a request is refused: the peer's fault, with the status it gets. Always followed by close,
//! since after a refused head nobody knows where the next request begins.

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Status of the answer.
    pub status: u16,
    /// One sentence for the answer and the log; holds nothing of what the peer sent.
    pub why: &'static str,
}

impl Reject {
    /// 400: the request can be read in two ways, or in none.
    #[must_use]
    pub const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
    }

    /// Another status.
    #[must_use]
    pub const fn with(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }
}
