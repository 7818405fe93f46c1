//! What is asked of a server, and what is told of it.

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::fetch::failure::FetchFailure;
use crate::http1::head::Method;
use crate::http1::proxy::Proxy;
use crate::http1::requests::{BadField, RequestHead};
use crate::http1::response_head::ResponseHead;
use crate::language::PoolKey;

/// Who we say that we are, unless the entry says otherwise: some hosts refuse whoever says nothing.
const USER_AGENT: &str = concat!("1mcp/", env!("CARGO_PKG_VERSION"));

/// Which of the two kinds of places at an origin an exchange takes. They are counted apart, so that
/// streams, which last for days, leave the calls their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Answered some time, even if the answer is told in events.
    Call,
    /// Held open for as long as possible.
    Stream,
}

/// For whom an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// A session with a server.
    Pool(PoolKey),
    /// An errand of OAuth.
    Errand(Errand),
}

/// One request of OAuth to somebody else. The machine that gave it counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Of our authorization server: a client's document.
    Server(u32),
    /// Of the client of protected servers.
    Keyring(u32),
}

/// Whom a connection may lead to. Connections of the one kind never serve the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Anybody: our owner chose the host.
    #[default]
    Anywhere,
    /// Addresses of the public internet: somebody else chose the host (protocol O12, X6).
    Public,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Anybody may read it.
    Plain(Cow<'static, str>),
    /// Its addressee only.
    Secret(Secret),
}

impl Field {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }
}

impl From<&'static str> for Field {
    fn from(text: &'static str) -> Self {
        Self::Plain(Cow::Borrowed(text))
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Plain(Cow::Owned(text))
    }
}

impl From<Secret> for Field {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

/// One exchange that is wished for. All fields go to the origin of `url` and nowhere else.
#[derive(Clone, Debug)]
pub struct Order {
    /// The method.
    pub method: Method,
    /// Where.
    pub url: Rc<Url>,
    /// What the protocol needs.
    pub fields: Vec<(Cow<'static, str>, Field)>,
    /// What the user wishes to be sent along; a field that the protocol needs wins over it.
    pub headers: Rc<[(Box<str>, Secret)]>,
    /// The body; none if it is empty.
    pub body: Vec<u8>,
    /// How long the first byte of the response may take; without, whoever asks watches over that,
    /// and of a call over the pauses behind it as well.
    pub response_ms_max: Option<u64>,
    /// How long it may take until there is a connection, the wait for a place included.
    pub connect_ms_max: u64,
    /// Whose places it takes.
    pub lane: Lane,
    /// Whom it may reach.
    pub reach: Reach,
}

impl Order {
    /// Whoever asks watches over all of the response, and not over its first byte only.
    pub(super) fn is_watched(&self) -> bool {
        self.response_ms_max.is_none() && self.lane == Lane::Call
    }
}

/// What is told of an exchange, in this order: `Head` (once), `Data` (of a stream, any number of
/// times), `End`; or `Failed` instead of anything of it.
#[derive(Debug)]
pub enum News {
    /// The response has begun; redirects are behind it.
    Head(ResponseHead),
    /// More of a stream has come; see `Fetcher::take_body`.
    Data,
    /// The response is complete, and this is what of its body was not taken. The key is free.
    End(Vec<u8>),
    /// There is no response, or not all of it. The key is free.
    Failed(FetchFailure),
}

/// A request head, ready to be sent, for a body of so many bytes.
///
/// # Errors
/// The name of the field that cannot be sent, and why.
pub(super) fn head(
    order: &Order,
    length: usize,
    proxy: Option<&Proxy>,
) -> Result<Vec<u8>, (String, BadField)> {
    let mut head = RequestHead::new(&order.method, &order.url, proxy);
    let mut push = |name: &str, value: &str| {
        head.field(name, value)
            .map_err(|bad| (name.to_owned(), bad))
    };
    push("Accept-Encoding", "identity")?;
    for (name, value) in &order.fields {
        push(name, value.text())?;
    }
    for (name, value) in &*order.headers {
        push(name, value.reveal())?;
    }
    push("User-Agent", USER_AGENT)?;
    Ok(head.finish((length > 0).then_some(length)))
}
