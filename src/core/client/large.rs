//! Bodies that are not small: who may send one is decided by the head, before it is read on, and
//! all that are being received share one bound. Never sees the bytes.

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::http::Http;
use crate::client::refusal::Refusal;
use crate::cx::Cx;
use crate::effect::Level;
use crate::http1::server::Request;
use crate::limits::{BODY_BYTES_MAX, LARGE_BODIES_BYTES_MAX, SMALL_BODY_BYTES_MAX};
use crate::links::LinkKey;
use crate::web::app::Route;

impl Clients {
    /// The head of a request whose body is large: it is read on, or refused at once.
    pub(super) fn large(&mut self, cx: &mut Cx<'_>, link: LinkKey, request: Request) {
        self.note_request(cx, link, &request, 0);
        let Some((route, ..)) = self.enters(cx, link, &request) else {
            return;
        };
        let bytes_max = match route {
            Route::McpPost | Route::MessagesPost => BODY_BYTES_MAX,
            Route::NotFound => return self.refuse_path(cx, link),
            Route::NotAllowed(allow) => return self.refuse_method(cx, link, &request, allow),
            // They read nothing, or forms.
            Route::McpGet
            | Route::McpDelete
            | Route::Options
            | Route::Sse
            | Route::Start
            | Route::Web
            | Route::Metrics
            | Route::Page(_) => SMALL_BODY_BYTES_MAX,
        };
        if !self.http.reserve(link, bytes_max) {
            Mark::LargeBodiesFull.hit();
            cx.log(Level::Debug, || {
                "http refused: too many large bodies".to_owned()
            });
            let refused = Refusal::TooManyLargeBodies.into();
            return self.http.refuse(cx, link, &refused);
        }
        if let Some(connection) = self.http.connections.get_mut(&link) {
            connection.server.go_on(request, bytes_max);
        }
    }
}

impl Http {
    /// Keeps room for the body that is asked about, if there is any. Small ones, and those that
    /// will be refused for their length, need none.
    fn reserve(&mut self, link: LinkKey, bytes_max: usize) -> bool {
        let Some(connection) = self.connections.get_mut(&link) else {
            return false;
        };
        let bytes = connection.server.announced_bytes().unwrap_or(bytes_max);
        if bytes <= SMALL_BODY_BYTES_MAX || bytes > bytes_max {
            return true;
        }
        if bytes > LARGE_BODIES_BYTES_MAX - self.reserved {
            return false;
        }
        Mark::BodyLarge.hit();
        connection.reserved = bytes;
        self.reserved += bytes;
        true
    }

    /// The body is whole, or will never be.
    pub(super) fn release(&mut self, link: LinkKey) {
        if let Some(connection) = self.connections.get_mut(&link) {
            self.reserved -= std::mem::take(&mut connection.reserved);
        }
    }
}
