//! How helper threads wake the loop: one bell for all of them, since a `Poll` has room for one
//! `Waker` only. It is hung up when the first helper is needed; most processes never need one.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use mio::{Registry, Waker};

use crate::shell::event_loop::{fixed, fixed_token};

/// Shared by all who start helper threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Rc<OnceCell<Arc<Waker>>>);

impl Bell {
    /// What a helper thread rings when it has put its answer where the loop finds it.
    pub(crate) fn rope(&self, registry: &Registry) -> io::Result<Arc<Waker>> {
        if let Some(waker) = self.0.get() {
            return Ok(Arc::clone(waker));
        }
        let waker = Arc::new(Waker::new(registry, fixed_token(fixed::HELPERS))?);
        Ok(Arc::clone(self.0.get_or_init(|| waker)))
    }
}
