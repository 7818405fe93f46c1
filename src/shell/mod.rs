//! The only part of 1mcp that makes system calls: event loop, sockets, pipes, children, files,
//! clock, signals. Knows no MCP: the core (`onemcp`) decides everything and is driven by
//! [`event_loop`].
//!
//! The main thread does everything but what may wait for somebody else: looking names up, writing
//! state, and locking and writing secrets. Passwords are stretched beside it as well.

mod bell;
mod brief;
mod child;
mod children;
pub(crate) mod clock;
mod configuration;
mod dial;
mod dialing;
pub(crate) mod disk;
mod driven;
mod event_loop;
pub(crate) mod guard;
mod guard_link;
pub(crate) mod instance;
mod keeping;
mod link;
mod listener;
mod log;
mod log_keys;
mod lookup;
mod notify;
mod obey;
mod outward;
mod own_stdio;
mod passed;
mod process;
mod reading;
pub(crate) mod secrets;
mod signals;
mod state;
mod stopping;
mod stuck;
mod sys;
mod tls;
mod unopened;
mod vault;
mod wait;
mod watch;
mod watch_paths;
mod writing;

pub(crate) use brief::run_briefly;
pub(crate) use configuration::environment;
pub(crate) use outward::Outward;
pub(crate) use passed::{Passed, take as take_passed};
pub(crate) use vault::stretched;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mio::{Poll, Registry};
use onemcp::base::digest::hex;
use onemcp::config::Config;
use onemcp::effect::Level;
use onemcp::hub::Hub;
use onemcp::limits::{FIRST_SPAWN_MS, OPEN_FILES_MIN, OPEN_FILES_WANTED};
use onemcp::settings::Settings;
use ring::rand::{SecureRandom, SystemRandom};

use children::Children;
use clock::Clock;
use configuration::{Configuration, Loaded};
use dial::Dials;
use event_loop::{EventLoop, Parts, fixed, fixed_token};
use guard_link::GuardCommand;
use instance::InstanceSocket;
use link::Stream;
use listener::Listener;
use log::Log;
use notify::{Notify, State};
use own_stdio::{Direction, Standard};
use secrets::Secrets;
use signals::Signals;
use state::StateDir;
pub(crate) use sys::{Hush, terminal_columns};
use vault::Vault;
use watch::Watch;

/// What the command line decided about one `serve`.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    /// What the core needs to know. The port, the machine's name and the kind of our stdin are
    /// filled in here.
    pub(crate) settings: Settings,
    /// Host and port to listen on; `None` = our own stdin and stdout are the client.
    pub(crate) http: Option<(String, u16)>,
    /// Sockets to listen on in place of these.
    pub(crate) passed: Passed,
    /// `mcp.json`.
    pub(crate) config_file: PathBuf,
    /// The directory that stands for this configuration, for recognising ourselves above us.
    pub(crate) config_dir: PathBuf,
    /// Where records are kept.
    pub(crate) state_dir: PathBuf,
    /// Whether changes of the configuration are taken up while serving.
    pub(crate) reload: bool,
    /// Where the log goes; `None` = stderr.
    pub(crate) log_file: Option<PathBuf>,
    /// One JSON object per line of the log.
    pub(crate) log_json: bool,
    /// Proxies and authorities on the way to remote servers.
    pub(crate) outward: Outward,
    /// What is worth a warning at the start.
    pub(crate) warnings: Vec<String>,
    /// Serve the built-in demo in place of what is configured.
    pub(crate) demo: bool,
}

/// A write beyond `ulimit -f` is to fail as one to a full disk does; left alone, it ends the
/// process. To be called before anything is written.
pub(crate) fn outlive_file_size_limit() {
    // A system that refuses this leaves things as they were.
    let _refused = sys::ignore_signal(libc::SIGXFSZ);
}

/// Serves until told to stop; the exit code. What goes wrong before the first client can come is
/// one line on stderr, and nothing was started.
#[must_use]
pub(crate) fn serve(options: ServeOptions) -> u8 {
    install_panic_line();
    match start(options) {
        Ok(mut event_loop) => event_loop.run(),
        Err(line) => {
            say(&line);
            1
        }
    }
}

fn start(mut options: ServeOptions) -> Result<EventLoop<Hub>, String> {
    let clock = Clock::new();
    let (notify, unheard) = Notify::take();
    options.warnings.extend(unheard);
    // What our parent leaked to us must not reach our children.
    sys::close_on_exec_from(3);
    let open_files = raise_open_files()?;
    let mut configuration = Configuration::new(
        std::mem::take(&mut options.config_file),
        &options.config_dir,
        options.demo,
    );
    if configuration.is_loop(&options.config_dir) {
        return Err(is_below_itself(&options.config_dir));
    }
    let parents = configuration.introduce(&own_name(&seed()?), &options.config_dir);
    options.settings.parents = parents.into();
    let poll = Poll::new().map_err(failed("cannot wait for events"))?;
    let registry = poll.registry();
    // Watched first and read afterwards, so that no change falls between.
    let watch = (options.reload && !options.demo).then(|| {
        let token = fixed_token(fixed::WATCH);
        Watch::new(configuration.files(), registry, token, clock.tick())
    });
    let loaded = configuration.begin(options.settings.preset.as_deref())?;
    options.outward.check()?;
    let mut listeners = listen(&mut options)?;
    let stdio = match options.http {
        Some(_) => None,
        None => Some(open_stdio().map_err(failed("cannot use stdin and stdout"))?),
    };
    complete(&mut options, &listeners, stdio.as_ref());
    options.settings.instance.config_file = configuration.file().display().to_string();
    let mut log = open_log(&options)?;
    let signals = register_all(registry, &mut listeners)?;
    let instance = open_instance(registry, &options, &mut log);
    if watch.as_ref().is_some_and(Watch::needs_timer) {
        let line = "no file events here: the configuration is looked at once a second";
        log.line(Level::Debug, line);
    }
    let config = first_config(loaded, &configuration, &mut log);
    announce(&mut log, &listeners, &config, &notify);
    let dials = Dials::new(Arc::new(lookup::by_system), options.outward.tls());
    let vaults = vaults(&options, &dials);
    let mut event_loop = EventLoop::new(Parts {
        core: Hub::new(options.settings, &seed()?),
        poll,
        clock,
        children: Children::new(GuardCommand::this_binary(), open_files),
        dials,
        listeners,
        instance,
        log,
        signals: Some(signals),
        watch,
        configuration,
        state: StateDir::new(options.state_dir),
        vaults,
        notify,
    });
    event_loop.open_vault();
    if options.http.is_some() {
        event_loop.hold_spawns(FIRST_SPAWN_MS);
    }
    event_loop.configure(config);
    if let Some(stream) = stdio {
        event_loop.open_stdio(stream);
    }
    Ok(event_loop)
}

fn listen(options: &mut ServeOptions) -> Result<Vec<Listener>, String> {
    match &options.http {
        Some(_) if !options.passed.is_empty() => {
            Ok(std::mem::take(&mut options.passed).into_sockets())
        }
        Some((host, port)) => listener::bind(host, *port),
        None => Ok(Vec::new()),
    }
}

/// What is kept beside mcp.json, and what is kept of sessions.
fn vaults(options: &ServeOptions, dials: &Dials) -> [Vault; 2] {
    let sessions = Secrets::of_sessions(&options.state_dir);
    [
        Vault::new(Secrets::beside(&options.config_dir), dials.bell()),
        Vault::of_state(sessions, dials.bell()),
    ]
}

/// The limit that children get back. With too few files we would listen and could take nobody.
fn raise_open_files() -> Result<Option<u64>, String> {
    let before = sys::raise_open_files(OPEN_FILES_WANTED);
    match sys::open_files_max() {
        Some(max) if max < OPEN_FILES_MIN => Err(format!(
            "only {max} files may be open at once, which is too few; at least {OPEN_FILES_MIN} are \
             needed, and one more for each client: raise the limit (ulimit -n)"
        )),
        Some(_) | None => Ok(before),
    }
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{doing}: {}", disk::reason(&error))
}

fn open_stdio() -> io::Result<Stream> {
    Ok(Stream::Stdio {
        input: Standard::open(io::stdin().as_fd(), Direction::In)?,
        output: Standard::open(io::stdout().as_fd(), Direction::Out)?,
    })
}

/// What only the system knows of the settings.
fn complete(options: &mut ServeOptions, listeners: &[Listener], stdio: Option<&Stream>) {
    let settings = &mut options.settings;
    settings.proxies = Rc::clone(&options.outward.proxies);
    let address = passed::widest(listeners);
    settings.port = address.map_or(0, |address| address.port());
    settings.instance.pid = std::process::id();
    settings.instance.url = address.map(listener::url);
    if address.is_some_and(|address| address.ip().is_unspecified()) {
        settings.machine_name = settings.machine_name.take().or_else(sys::machine_name);
    }
    if let Some(Stream::Stdio { input, .. }) = stdio {
        settings.stdin_is_file = input.is_regular_file();
    }
}

/// A place where `mcp status` finds us. The demo is no instance of what is configured.
fn open_instance(
    registry: &Registry,
    options: &ServeOptions,
    log: &mut Log,
) -> Option<InstanceSocket> {
    if options.demo {
        return None;
    }
    let opened = InstanceSocket::open(&options.config_dir).and_then(|mut socket| {
        let token = fixed_token(fixed::INSTANCE);
        let registered = socket.register(registry, token);
        registered.map_err(|error| disk::reason(&error))?;
        Ok(socket)
    });
    match opened {
        Ok(socket) => Some(socket),
        Err(why) => {
            let line = format!("1mcp mcp status will not find this instance: {why}");
            log.line(Level::Warn, &line);
            None
        }
    }
}

fn open_log(options: &ServeOptions) -> Result<Log, String> {
    let (level, json) = (options.settings.log_level, options.log_json);
    let mut log = match &options.log_file {
        None => Ok(Log::on_descriptor(io::stderr().as_fd(), level, json)),
        Some(path) => Log::in_file(path, level, json).map_err(|error| {
            let why = disk::reason(&error);
            format!("cannot write the log file {}: {why}", path.display())
        }),
    }?;
    for warning in options.outward.warnings.iter().chain(&options.warnings) {
        log.line(Level::Warn, warning);
    }
    Ok(log)
}

fn register_all(registry: &Registry, listeners: &mut [Listener]) -> Result<Signals, String> {
    let mut signals = Signals::install().map_err(failed("cannot catch signals"))?;
    let registered = signals.register(registry, fixed_token(fixed::SIGNALS));
    registered.map_err(failed("cannot wait for signals"))?;
    for (listener, number) in listeners.iter_mut().zip(fixed::LISTENER..) {
        let registered = listener.register(registry, fixed_token(number));
        registered.map_err(failed("cannot wait for connections"))?;
    }
    Ok(signals)
}

fn first_config(loaded: Loaded, configuration: &Configuration, log: &mut Log) -> Box<Config> {
    let config = match loaded {
        Loaded::New(config) => config,
        Loaded::Missing | Loaded::Unchanged => Box::default(),
    };
    if configuration.is_found() {
        return config;
    }
    let line = format!(
        "no configuration yet ({}); add a server with: 1mcp mcp add NAME -- COMMAND",
        configuration.file().display()
    );
    log.line(Level::Warn, &line);
    config
}

/// The one line that says we are ready. To stderr, wherever the log goes. Whoever started us is
/// told too.
fn announce(log: &mut Log, listeners: &[Listener], config: &Config, notify: &Notify) {
    notify.say(State::Ready);
    let Some(address) = listeners.first().and_then(Listener::address) else {
        return;
    };
    let url = listener::url(address);
    let servers = config.servers.iter().filter(|server| !server.disabled);
    let passed = listeners.iter().filter(|listener| listener.is_passed());
    let passed: Vec<SocketAddr> = passed.filter_map(Listener::address).collect();
    let mut line = match servers.count() {
        1 => format!("listening on {url} (1 server)"),
        count => format!("listening on {url} ({count} servers)"),
    };
    if !passed.is_empty() {
        line.push_str(&passed::described(&passed));
    }
    if log.is_on_stderr() {
        log.plain(&format!("1mcp: {line}"));
    } else {
        say(&line);
    }
}

/// 32 random bytes of the system.
pub(crate) fn seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(seed)
}

fn is_below_itself(config_dir: &Path) -> String {
    format!(
        "{} is served already by the 1mcp that started this one: remove the entry that runs 1mcp \
         itself",
        config_dir.display()
    )
}

/// 16 hexadecimal digits that no other process has.
fn own_name(seed: &[u8; 32]) -> String {
    hex(seed.iter().take(8))
}

/// One line on stderr; a stderr that nobody reads is no reason to fail.
fn say(line: &str) {
    let _written = io::stderr().write_all(format!("1mcp: {line}\n").as_bytes());
}

/// A panic is a fault of ours; it is told in one line, with where it happened.
fn install_panic_line() {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |place| format!(" at {place}"));
        let why = info.payload_as_str().unwrap_or("no reason given");
        let why = why.replace('\n', " ");
        say(&format!(
            "internal error{place}: {why} (please report this)"
        ));
    }));
}
