//! Runs the core for a moment without clients, records and secrets: servers are started, looked at,
//! and stopped. The same loop as `serve`, so nothing is left behind, whatever ends it.
//!
//! Decides nothing about servers: whoever looks says when it is enough.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mio::{Events, Poll};
use onemcp::config::Config;
use onemcp::effect::Level;
use onemcp::hub::Hub;
use onemcp::input::Input;
use onemcp::limits::OPEN_FILES_WANTED;
use onemcp::now::{Now, Tick};
use onemcp::settings::Settings;

use crate::shell::children::Children;
use crate::shell::clock::Clock;
use crate::shell::configuration::Configuration;
use crate::shell::dial::Dials;
use crate::shell::event_loop::{EventLoop, Parts, fixed, fixed_token};
use crate::shell::guard_link::GuardCommand;
use crate::shell::log::Log;
use crate::shell::notify::Notify;
use crate::shell::outward::Outward;
use crate::shell::secrets::Secrets;
use crate::shell::signals::Signals;
use crate::shell::state::StateDir;
use crate::shell::vault::Vault;
use crate::shell::{disk, failed, lookup, seed, sys};

/// How often somebody looks although nothing has happened: often enough for a wheel to turn.
const LOOK_MS: u64 = 100;

/// No system has a file of such a name.
const NOWHERE: &str = "/\0";

/// Starts the servers of a configuration, lets `look` see how they are doing until it says that it
/// is enough, and stops them. `Ok(false)`: a signal ended it before.
///
/// # Errors
/// One line: the system does not even let us wait.
pub(crate) fn run_briefly(
    config: Box<Config>,
    outward: &Outward,
    look: &mut dyn FnMut(&mut Hub, Now) -> bool,
) -> Result<bool, String> {
    let settings = Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log_level: Level::Error,
        proxies: Rc::clone(&outward.proxies),
        ..Settings::default()
    };
    let poll = Poll::new().map_err(failed("cannot wait for events"))?;
    let mut signals = Signals::install().map_err(failed("cannot catch signals"))?;
    let registered = signals.register(poll.registry(), fixed_token(fixed::SIGNALS));
    registered.map_err(|error| disk::reason(&error))?;
    let caught = signals.caught();
    let nowhere = Path::new(NOWHERE);
    let dials = Dials::new(Arc::new(lookup::by_system), outward.tls());
    let vaults = [
        Vault::new(Secrets::beside(nowhere), dials.bell()),
        Vault::of_state(Secrets::of_sessions(nowhere), dials.bell()),
    ];
    let mut event_loop = EventLoop::new(Parts {
        core: Hub::new(settings, &seed()?),
        poll,
        clock: Clock::new(),
        children: Children::new(
            GuardCommand::this_binary(),
            sys::raise_open_files(OPEN_FILES_WANTED),
        ),
        dials,
        listeners: Vec::new(),
        instance: None,
        log: Log::nowhere(),
        signals: Some(signals),
        watch: None,
        configuration: Configuration::new(PathBuf::from(NOWHERE), nowhere, false),
        state: StateDir::new(nowhere.join("state")),
        vaults,
        notify: Notify::default(),
    });
    event_loop.open_vault();
    event_loop.look_at = Some(Tick(0));
    event_loop.configure(config);
    let whole = turn_until_done(&mut event_loop, look);
    drop(event_loop);
    // Whoever asks the person something afterwards must be interruptible again.
    caught.restore();
    Ok(whole)
}

fn turn_until_done(
    event_loop: &mut EventLoop<Hub>,
    look: &mut dyn FnMut(&mut Hub, Now) -> bool,
) -> bool {
    let mut events = Events::with_capacity(64);
    let mut enough = false;
    loop {
        if let Some(code) = event_loop.turn(&mut events) {
            event_loop.leave(code);
            return enough;
        }
        if enough || event_loop.is_stopping() {
            event_loop.look_at = None;
            continue;
        }
        let now = event_loop.clock.now();
        enough = look(&mut event_loop.core, now);
        event_loop.look_at = Some(now.tick.after(LOOK_MS));
        if enough {
            event_loop.look_at = None;
            event_loop.dispatch(Input::Stop);
        }
    }
}
