//! A new configuration: what is new starts, what is gone stops, what changed restarts only if the
//! process would be another one; clients are told once, connections stay up (contract 2).

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::config::{self, Config, Itself, LEADS_HERE};
use crate::effect::Level;
use crate::filter::{Expr, Presets};
use crate::language::ClientKey;
use crate::route::changes::Concerns;
use crate::route::sight::shown;
use crate::route::{Desk, Hall, ServerKey};
use crate::settings::Settings;

/// The upper bounds of the command line: what they leave out is served to nobody and never runs.
struct Bounds<'a> {
    tags: &'a [String],
    filter: Option<Rc<Expr>>,
    preset: Option<Rc<Expr>>,
}

impl<'a> Bounds<'a> {
    /// A preset that there is not leaves out everything, as it does for a client.
    fn new(desk: &mut Desk<'_, '_>, settings: &'a Settings, presets: &Presets) -> Self {
        let preset = settings.preset.as_deref().map(|name| {
            let preset = presets.get(name).map(|preset| Rc::clone(&preset.expr));
            preset.unwrap_or_else(|| {
                desk.cx.log(Level::Warn, || {
                    format!("no server is served: there is no preset {name:?} (--preset)")
                });
                Rc::new(Expr::NOTHING)
            })
        });
        Self {
            tags: &settings.tags,
            filter: settings.filter.clone(),
            preset,
        }
    }

    /// Whether all that were given let a server through: `--tags` by tag, or by name as the guide
    /// uses it, the others by tag (contract 4).
    fn admit(&self, entry: &config::Server) -> bool {
        let mut exprs = self.filter.iter().chain(&self.preset);
        let named = |tag: &String| {
            let tag = tag.to_lowercase();
            entry.name.eq_ignore_ascii_case(&tag)
                || entry.tags.iter().any(|own| own.to_lowercase() == tag)
        };
        (self.tags.is_empty() || self.tags.iter().any(named))
            && exprs.all(|expr| expr.admits(&entry.tags))
    }
}

impl Hall {
    /// Takes a configuration over. Its problems were logged by whoever knows the file's path.
    pub fn configure(&mut self, desk: &mut Desk<'_, '_>, config: Config) {
        let bounds = Bounds::new(desk, &self.settings, &config.presets);
        let limited = self.limited();
        let before = self.order.clone();
        let (mut wanted, left_out): (Vec<config::Server>, Vec<config::Server>) = config
            .servers
            .into_iter()
            .partition(|entry| !entry.disabled && bounds.admit(entry));
        wanted
            .iter_mut()
            .for_each(|entry| self.refuse_itself(entry));
        let left_out = left_out.into_iter();
        self.left_out = left_out.map(|entry| (entry.name, entry.disabled)).collect();
        let kept = |entry: &config::Server| wanted.iter().any(|new| new.name == entry.name);
        for key in self.order.clone() {
            let gone = self.server(key).is_none_or(|server| !kept(&server.entry));
            if gone {
                self.remove_server(desk, key);
            }
        }
        let mut order = Vec::with_capacity(wanted.len());
        let mut touched = Vec::new();
        for entry in wanted {
            let old = self.server_by_name(&entry.name);
            let old = old.and_then(|key| Some((key, self.server(key)?)));
            order.push(match old {
                None => self.add_server(desk, entry),
                Some((key, server)) if server.entry.needs_restart(&entry) => {
                    self.replace_server(desk, key, entry)
                }
                Some((key, server)) => {
                    if server.entry != entry {
                        touched.push(key);
                    }
                    self.update_server(desk, key, entry);
                    key
                }
            });
        }
        // Of new presets alone only those hear who asked for them.
        if before != order || !touched.is_empty() {
            self.changes.note_all(desk.cx, Concerns::All);
        }
        self.order = order;
        let served = |name: &str| self.server_by_name(name).is_some();
        desk.cx.tally.keep(served);
        self.names_stale = true;
        self.tell_limited(desk, &limited, &touched);
        self.settle(desk);
    }

    /// Clients that do not see every server hear of a new configuration only if it concerns what
    /// they see, or saw.
    fn tell_limited(
        &mut self,
        desk: &mut Desk<'_, '_>,
        limited: &[(ClientKey, Rc<[ServerKey]>)],
        touched: &[ServerKey],
    ) {
        for (client, _) in limited {
            let (sight, known) = (shown(desk, *client), self.clients.get_mut(client));
            if let (Some(sight), Some(known)) = (sight, known) {
                // A preset may say something else now.
                known.sight = Some(sight);
            }
        }
        let sees = self.seen_by(limited.iter().map(|(client, _)| *client));
        for ((client, saw), (_, sees)) in limited.iter().zip(sees) {
            if sees != *saw || sees.iter().any(|key| touched.contains(key)) {
                self.changes.note_all(desk.cx, Concerns::Client(*client));
            }
            // Of what it did not see it has nothing.
            let hidden = saw.iter().filter(|key| !sees.contains(*key)).copied();
            self.end_hidden(desk, *client, &hidden.collect::<Vec<_>>());
        }
        let mut clients = limited.iter().filter_map(|(key, _)| self.clients.get(key));
        if clients.any(|known| known.level.is_some()) {
            self.send_levels(desk);
        }
    }

    /// A server that is this program would be a loop (contract 3).
    fn refuse_itself(&self, entry: &mut config::Server) {
        let settings = &self.settings;
        let own = Itself {
            host: &settings.host,
            port: settings.port,
            machine: settings.machine_name.as_deref(),
            external: settings
                .external_url
                .as_deref()
                .filter(|_| settings.port != 0),
        };
        let url = entry.remote().and_then(|remote| remote.url.as_deref());
        if url.is_some_and(|url| own.is_at(url)) {
            entry.fault = Some(LEADS_HERE.to_owned());
        }
    }

    /// Starts a server anew. Who listens to its resources goes on listening.
    fn replace_server(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: ServerKey,
        entry: config::Server,
    ) -> ServerKey {
        let listeners = self.take_listeners(key);
        self.remove_server(desk, key);
        let key = self.add_server(desk, entry);
        match self.servers.get_mut(key) {
            Some(server) if server.fault().is_none() => server.listeners = listeners,
            Some(_) | None => self.forget_listeners(&listeners),
        }
        key
    }

    /// Takes over what needs no other process.
    fn update_server(&mut self, desk: &mut Desk<'_, '_>, key: ServerKey, entry: config::Server) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let policy = server.entry.keeps_alive_otherwise(&entry);
        server.update(entry);
        if !policy {
            return;
        }
        Mark::ServerRules.hit();
        for (pool, session) in self.pools.iter().filter(|(_, pool)| pool.server == key) {
            if let Some(spec) = server.pool_spec(session.declares) {
                desk.backends.update(desk.cx, *pool, spec);
            }
        }
    }

    /// Stops a server and forgets it; its calls in flight get an error.
    fn remove_server(&mut self, desk: &mut Desk<'_, '_>, key: ServerKey) {
        let pools: Vec<_> = self
            .pools
            .iter()
            .filter(|(_, pool)| pool.server == key)
            .map(|(pool, _)| *pool)
            .collect();
        for pool in pools {
            self.stop_pool(desk, pool);
        }
        if let Some(server) = self.servers.remove(key) {
            self.forget_listeners(&server.listeners);
            desk.cx.log(Level::Info, || {
                format!("server={} removed or replaced", server.name())
            });
        }
        self.order.retain(|other| *other != key);
    }
}
