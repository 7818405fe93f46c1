//! Why a request that we sent has no response, in words for whoever asked for it.

use std::fmt;

/// How far a response had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing of it was there.
    Before,
    /// In its head.
    Head,
    /// In its body.
    Body,
}

/// What went wrong. Holds nothing that the server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is longer than the limit.
    BodyTooLong,
    /// The server closed the connection.
    Closed(Place),
    /// Announcements (1xx) without end.
    Interim,
    /// The connection did not open in time.
    OpenTimedOut,
    /// The connection was lost in both directions.
    Reset(Place),
    /// The server goes over to a protocol that nobody asked for.
    Switched,
    /// The server did not go on in time.
    TimedOut(Place),
    /// What the server sent is no response.
    Unreadable(&'static str),
    /// The server sent something without being asked.
    Unsolicited,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyTooLong => "the response of the server is too long",
            Self::Closed(Place::Before) => "the server closed the connection without a response",
            Self::Closed(Place::Head) => {
                "the server closed the connection in the middle of the response head"
            }
            Self::Closed(Place::Body) => {
                "the server closed the connection in the middle of the response"
            }
            Self::Interim => "the server announces a response without end and sends none",
            Self::OpenTimedOut => "the connection to the server did not open in time",
            Self::Reset(Place::Before) => "the connection was lost before the response",
            Self::Reset(Place::Head) => {
                "the connection was lost in the middle of the response head"
            }
            Self::Reset(Place::Body) => "the connection was lost in the middle of the response",
            Self::Switched => "the server goes over to a protocol that it was not asked for",
            Self::TimedOut(Place::Before) => "the server did not respond in time",
            Self::TimedOut(Place::Head) => "the server sends its response head too slowly",
            Self::TimedOut(Place::Body) => "the server stopped in the middle of the response",
            Self::Unreadable(why) => why,
            Self::Unsolicited => "the server sent something without being asked",
        })
    }
}

/// The end of a request without its response. The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub fault: Fault,
    /// Whether the server can have acted on the request. If not, it may be sent again elsewhere,
    /// whatever it asks for.
    pub reached: bool,
}
