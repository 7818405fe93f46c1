//! Connections of our own: what happens on them goes to `fetch`, and what that makes of it to
//! the session that asked.

use crate::backend::Backends;
use crate::backend::either::Either;
use crate::cx::Cx;
use crate::fetch::{Asker, Errand, News, Order};
use crate::input::OpenFailure;
use crate::limits::ERRAND_BODY_BYTES_MAX;
use crate::links::{DialKey, LinkKey};

impl Backends {
    /// `Input::Opened`.
    pub fn opened(&mut self, cx: &mut Cx<'_>, dial: DialKey, link: LinkKey) {
        self.fetch.opened(cx, dial, link);
    }

    /// `Input::OpenFailed`.
    pub fn open_failed(&mut self, cx: &mut Cx<'_>, dial: DialKey, failure: OpenFailure) {
        self.fetch.open_failed(cx, dial, failure);
    }

    /// `Input::Bytes` of a link that we opened.
    pub fn dialed_receive(&mut self, cx: &mut Cx<'_>, dial: DialKey, bytes: &[u8]) {
        self.fetch.receive(cx, dial, bytes);
    }

    /// `Input::Eof` of a link that we opened.
    pub fn dialed_eof(&mut self, cx: &mut Cx<'_>, dial: DialKey) {
        self.fetch.eof(cx, dial);
    }

    /// `Input::Broken` of a link that we opened. To be called before the link is forgotten.
    pub fn dialed_broken(&mut self, cx: &mut Cx<'_>, link: LinkKey, dial: DialKey) {
        self.fetch.broken(cx, link, dial);
    }

    /// `Alarm::Fetch` rang.
    pub fn fetch_alarm(&mut self, cx: &mut Cx<'_>) {
        self.fetch.alarm(cx);
    }

    /// Hands one of the news of an exchange to the session that it belongs to.
    pub(super) fn hear_fetch(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some((asker, key, news)) = self.fetch.next() else {
            return false;
        };
        let pool = match asker {
            Asker::Pool(pool) => pool,
            Asker::Errand(errand) => {
                if matches!(news, News::End(_) | News::Failed(_)) {
                    self.errand_keys.remove(&errand);
                }
                self.errands.push_back((errand, news));
                return true;
            }
        };
        if let Some(session) = self.sessions.get_mut(pool).and_then(Either::remote) {
            session.news(&mut hands!(self, cx, pool), key, news);
            self.unread.push_back(pool);
        }
        true
    }

    /// Begins an errand of OAuth: its exchange goes the way of all others, but its news come by
    /// [`Backends::next_errand`].
    pub fn errand(&mut self, cx: &mut Cx<'_>, errand: Errand, order: Order) {
        let key = self.fetch.ask(cx, Asker::Errand(errand), order);
        self.fetch.limit(key, ERRAND_BODY_BYTES_MAX);
        self.errand_keys.insert(errand, key);
    }

    /// Nobody wants the answer of an errand any more.
    pub fn give_up_errand(&mut self, cx: &mut Cx<'_>, errand: Errand) {
        if let Some(key) = self.errand_keys.remove(&errand) {
            self.fetch.give_up(cx, key);
        }
    }

    /// What came for errands. To be called until `None`, whenever [`Backends::next`] has nothing.
    pub fn next_errand(&mut self) -> Option<(Errand, News)> {
        self.errands.pop_front()
    }
}
