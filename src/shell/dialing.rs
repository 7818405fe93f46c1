//! Connections that the core orders: the part of the loop that passes its orders to [`Dials`] and
//! their outcomes to the core.
//!
//! [`Dials`]: crate::shell::dial::Dials

use onemcp::effect::{DialSpec, Level};
use onemcp::input::Input;
use onemcp::links::DialKey;

use crate::shell::driven::Core;
use crate::shell::event_loop::EventLoop;
use crate::shell::link::Stream;

impl<C: Core> EventLoop<C> {
    /// Begins to open a connection. What fails at once is answered at once.
    pub(super) fn dial(&mut self, dial: DialKey, spec: Box<DialSpec>) {
        let now = self.clock.tick();
        self.dials.open(self.poll.registry(), now, dial, spec);
        self.tell_dials();
    }

    /// Goes on with the connections that are being opened.
    pub(super) fn act_on_dials(&mut self) {
        self.dials.act(self.poll.registry(), self.clock.tick());
        self.tell_dials();
        self.obey();
    }

    /// Tells the core what became of its orders. What it orders then is for the caller to do.
    fn tell_dials(&mut self) {
        while let Some((dial, outcome)) = self.dials.next() {
            let now = self.clock.now();
            let input = match outcome {
                Ok(mut stream) => {
                    // It gets the token of a link, and with it an event for what is there already.
                    stream.leave(self.poll.registry());
                    let is_tls = matches!(stream, Stream::Tls(_));
                    let link = self.open_link(stream);
                    if is_tls {
                        // The end of the handshake may have brought the first bytes, and may have
                        // left some of ours unsent; for neither there is an event.
                        self.queue_link(link);
                        self.writable.push(link);
                    }
                    Input::Opened { dial, link }
                }
                Err(failure) => Input::OpenFailed { dial, failure },
            };
            self.core.handle(now, input, &mut self.effects);
        }
        for warning in self.dials.warnings() {
            self.log.line(Level::Warn, &warning);
        }
    }
}
