//! What the hall may do with backends, in the words of [`crate::language`].

use std::rc::Rc;

use crate::backend::Backends;
use crate::backend::either::Either;
use crate::base::outbox::Part;
use crate::cx::Cx;
use crate::language::{BackendEdge, Hello, PoolFacts, PoolKey, PoolSpec, PoolState, Refused};
use crate::now::Now;

impl BackendEdge for Backends {
    fn start(&mut self, cx: &mut Cx<'_>, spec: PoolSpec) -> PoolKey {
        Self::start(self, cx, spec)
    }

    fn update(&mut self, cx: &mut Cx<'_>, pool: PoolKey, spec: PoolSpec) {
        Self::update(self, cx, pool, spec);
    }

    fn stop(&mut self, cx: &mut Cx<'_>, pool: PoolKey) {
        Self::stop(self, cx, pool);
    }

    fn send(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        message: &[Part<'_>],
    ) -> Result<(), Refused> {
        Self::send(self, cx, pool, message)
    }

    fn send_with_fields(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        message: &[Part<'_>],
        fields: &[(String, String)],
    ) -> Result<(), Refused> {
        Self::send_with_fields(self, cx, pool, message, fields)
    }

    fn wants_fields(&self, pool: PoolKey) -> bool {
        match self.sessions.get(pool) {
            Some(Either::Remote(session)) => session.is_modern(),
            Some(Either::Child(_)) | None => false,
        }
    }

    fn watch(&mut self, cx: &mut Cx<'_>, pool: PoolKey, uris: Vec<Rc<str>>) {
        Self::watch(self, cx, pool, uris);
    }

    fn state(&self, now: Now, pool: PoolKey) -> PoolState {
        Self::state(self, now, pool)
    }

    fn hello(&self, pool: PoolKey) -> Option<&Hello> {
        Self::hello(self, pool)
    }

    fn facts(&self, pool: PoolKey) -> Option<PoolFacts> {
        let facts = Self::facts(self, pool)?;
        Some(PoolFacts {
            pid: facts.pid,
            ready_since: facts.ready_since,
            restarts: facts.restarts,
            last_error: facts.last_error.map(str::to_owned),
        })
    }
}
