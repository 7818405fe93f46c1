//! One connection of ours: opening, carrying one exchange, or idle.

use crate::base::origin::{Origin, Scheme};
use crate::base::secret::Secret;
use crate::effect::DialSpec;
use crate::fetch::FetchKey;
use crate::fetch::SiteKey;
use crate::fetch::order::Reach;
use crate::http1::client::Client;
use crate::http1::proxy::Proxies;
use crate::http1::tunnel;
use crate::links::LinkKey;
use crate::now::Tick;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) site: SiteKey,
    pub(super) state: State,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum State {
    /// It was ordered.
    Opening {
        /// For whom.
        exchange: FetchKey,
        /// When the shell should have answered.
        until: Tick,
    },
    /// An exchange is under way on it.
    Busy {
        link: LinkKey,
        exchange: FetchKey,
        client: Client,
        /// Another exchange was on it before.
        kept: bool,
        /// We do not read from it.
        paused: bool,
        /// The response leads elsewhere: how long its rest is waited for.
        skip_until: Option<Tick>,
    },
    /// It waits for the next exchange.
    Idle { link: LinkKey },
}

impl Connection {
    /// Who uses it.
    pub(super) fn exchange(&self) -> Option<FetchKey> {
        match self.state {
            State::Opening { exchange, .. } | State::Busy { exchange, .. } => Some(exchange),
            State::Idle { .. } => None,
        }
    }

    /// When something has to be done about it. Idle ones are watched by the table that has them.
    pub(super) fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Opening { until, .. } => Some(*until),
            State::Busy {
                client, skip_until, ..
            } => client.deadline().into_iter().chain(*skip_until).min(),
            State::Idle { .. } => None,
        }
    }
}

/// How an origin is reached: directly, through the tunnel of a proxy (`https`), or by asking the
/// proxy (`http`).
///
/// A proxy looks names up by itself, and where it leads is the affair of who put it there: it is
/// often the only way out, and has rules of its own. So only what is connected to directly is
/// checked address by address ([`Reach::Public`]).
pub(super) fn dial_spec(
    origin: &Origin,
    reach: Reach,
    proxies: &Proxies,
    open_ms_max: u64,
) -> DialSpec {
    let tls = (origin.scheme == Scheme::Https).then(|| origin.host.clone());
    let Some(proxy) = proxies.on_the_way_to(origin) else {
        return DialSpec {
            host: origin.host.clone(),
            port: origin.port,
            tunnel: None,
            tls,
            open_ms_max,
            public_only: reach == Reach::Public,
        };
    };
    let tunnel = tls.is_some().then(|| {
        let head = tunnel::connect_head(origin, proxy);
        Secret::from(String::from_utf8(head).unwrap_or_default())
    });
    DialSpec {
        host: proxy.origin().host.clone(),
        port: proxy.origin().port,
        tunnel,
        tls,
        open_ms_max,
        public_only: false,
    }
}
