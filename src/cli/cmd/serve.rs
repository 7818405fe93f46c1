//! `serve`: turns flags into settings and hands over to the shell.

use std::rc::Rc;

use onemcp::effect::Level;
use onemcp::filter::presets::check_name;
use onemcp::settings::{HealthLevel, Settings};

use super::auth::owner;
use super::open;
use super::preset::filter;
use crate::cli::args::{Line, choice, number};
use crate::cli::failure::Failure;
use crate::cli::{out, places, variable};
use crate::shell::{self, Outward, Passed, ServeOptions};

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];
const HEALTH: [(&str, HealthLevel); 3] = [
    ("minimal", HealthLevel::Minimal),
    ("basic", HealthLevel::Basic),
    ("full", HealthLevel::Full),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Stdio,
    Http,
    /// Accepted for the sake of old habits.
    Sse,
}

const TRANSPORTS: [(&str, Transport); 3] = [
    ("stdio", Transport::Stdio),
    ("http", Transport::Http),
    ("sse", Transport::Sse),
];

/// Serves until told to stop.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let passed = shell::take_passed().map_err(Failure::Failed)?;
    let mut options = options(line)?;
    listen_on(&mut options, passed, line)?;
    if line.get("transport", choice(&TRANSPORTS))? == Some(Transport::Sse) {
        out::note("--transport sse is served by http: the old transport is at /sse");
    }
    let wants_auth = line.is_set("enable-auth");
    options
        .warnings
        .extend(open::warning(&options.settings, wants_auth));
    owner::prepare(&mut options)?;
    Ok(shell::serve(options))
}

/// Sockets that were passed to us stand for `--host` and `--port`.
fn listen_on(options: &mut ServeOptions, passed: Passed, line: &Line) -> Result<(), Failure> {
    let Some(host) = passed.host() else {
        return Ok(());
    };
    if options.http.is_none() {
        let text = "sockets were passed to 1mcp (LISTEN_FDS), but --transport stdio serves its \
                    own stdin: who connects would wait for ever. Start it without the one or the \
                    other";
        return Err(Failure::Failed(text.to_owned()));
    }
    if line.is_set("host") || line.is_set("port") {
        let text = "--host and --port have no effect: 1mcp listens on the sockets that were \
                    passed to it (LISTEN_FDS)";
        options.warnings.push(text.to_owned());
    }
    options.settings.host = host;
    options.passed = passed;
    Ok(())
}

fn options(line: &Line) -> Result<ServeOptions, Failure> {
    line.no_operands()?;
    let transport = line.get("transport", choice(&TRANSPORTS))?;
    let stdio = transport == Some(Transport::Stdio);
    let demo = line.is_set("demo");
    let places = match places::resolve(line, variable) {
        Err(Failure::Failed(_)) if demo => places::nowhere(),
        other => other?,
    };
    let settings = settings(line, stdio)?;
    let port = settings.port;
    Ok(ServeOptions {
        passed: Passed::default(),
        http: (!stdio).then(|| (settings.host.clone(), port)),
        settings,
        config_file: places.config_file,
        config_dir: places.config_dir,
        state_dir: places.state_dir,
        reload: !line.is_set("no-config-reload"),
        log_file: line.raw("log-file").map(Into::into),
        log_json: line
            .get("log-format", choice(&[("text", false), ("json", true)]))?
            .unwrap_or(false),
        outward: Outward::new(line.raw("ca-file").map(Into::into), variable),
        warnings: Vec::new(),
        demo,
    })
}

fn settings(line: &Line, stdio: bool) -> Result<Settings, Failure> {
    let usual = Settings::default();
    let minutes_max = u64::MAX / 60_000;
    let seconds_max = u64::MAX / 1000;
    let port = line.get("port", |text| {
        let number = number(0, u64::from(u16::MAX))(text)?;
        Ok(u16::try_from(number).unwrap_or_default())
    })?;
    let session_min = line.get("session-ttl", number(1, minutes_max))?;
    let stream_s = line.get("stream-max", number(1, seconds_max))?;
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stdio,
        host: line.get("host", host)?.unwrap_or(usual.host),
        port: if stdio { 0 } else { port.unwrap_or(usual.port) },
        external_url: external_url(line)?,
        // stdio takes its credentials from the environment.
        auth: line.is_set("enable-auth") && !stdio,
        trusted: line.get("trust-proxy", open::trusted)?.unwrap_or_default(),
        allowed_hosts: line.list("allowed-hosts")?,
        machine_name: None,
        allowed_origins: line.list("allowed-origins")?,
        tags: tags(line)?,
        filter: filter(line)?.map(Rc::new),
        preset: line.get("preset", |name| {
            check_name(name).map_err(|_| "the name of a preset".to_owned())?;
            Ok(name.to_owned())
        })?,
        page_entries: count(line, "pagination", 0, usize::MAX)?.unwrap_or(usual.page_entries),
        name_bytes_max: count(line, "name-max", 16, 128)?.unwrap_or(usual.name_bytes_max),
        list_wait_ms: line
            .get("list-wait", number(0, u64::MAX))?
            .unwrap_or(usual.list_wait_ms),
        session_idle_ms: session_min.map_or(usual.session_idle_ms, |minutes| minutes * 60_000),
        stream_ms_max: stream_s.map(|seconds| seconds * 1000),
        health: line
            .get("health-info-level", choice(&HEALTH))?
            .unwrap_or_default(),
        log_level: line
            .get("log-level", choice(&LEVELS))?
            .unwrap_or(usual.log_level),
        ..usual
    })
}

/// Tags that a script left empty would serve everything.
fn tags(line: &Line) -> Result<Vec<String>, Failure> {
    let tags = line.list("tags")?;
    if tags.is_empty() && line.is_set("tags") {
        let text = "--tags names no tag; leave it out to serve all servers";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(tags)
}

fn count(line: &Line, long: &str, min: usize, max: usize) -> Result<Option<usize>, Failure> {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    line.get(long, |text| {
        let number = number(wide(min), wide(max))(text)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    })
}

/// An address or a name to listen on; `[::1]` may keep its brackets.
fn host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '%');
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err("an address or a host name".to_owned());
    }
    if bare.contains(':') && bare.parse::<std::net::Ipv6Addr>().is_err() {
        return Err("a host without a port; the port is --port".to_owned());
    }
    Ok(bare.to_owned())
}

/// With `--enable-auth` tokens pass there, and the origin is the issuer that clients compare.
fn external_url(line: &Line) -> Result<Option<String>, Failure> {
    let url = line.get("external-url", open::origin)?;
    if let Some(url) = url.as_deref().filter(|_| line.is_set("enable-auth"))
        && !open::is_safe(url)
    {
        return Err(Failure::Usage(format!(
            "--external-url must be https with --enable-auth, since tokens pass there: {url} would \
             show them to everybody on the way (only this machine itself may be http)"
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use onemcp::settings::Trusted;

    use super::*;
    use crate::cli::args::parse;

    fn read(args: &[&str]) -> Result<ServeOptions, Failure> {
        let args = ["-d", "/d"].iter().chain(args).map(OsString::from);
        options(&parse(args, |_| None)?)
    }

    #[track_caller]
    fn refused(args: &[&str], expected: &str) {
        match read(args) {
            Err(Failure::Usage(text)) => assert!(text.contains(expected), "{text}"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn contract_1_defaults() {
        let options = read(&[]).unwrap();
        assert_eq!(options.http, Some(("127.0.0.1".to_owned(), 3050)));
        assert_eq!(options.settings.session_idle_ms, 24 * 60 * 60 * 1000);
        assert_eq!(options.settings.list_wait_ms, 10_000);
        assert!(options.reload && !options.demo && !options.log_json);
        assert_eq!(options.settings.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn contract_1_every_flag() {
        let options = read(&[
            "serve",
            "-thttp",
            "-P0",
            "-H",
            "[::]",
            "-u",
            "HTTPS://Mcp.Example.com:8443/",
            "--tags",
            "a, b,,c",
            "--tags=d",
            "-f",
            "web, not db",
            "--preset",
            "dev",
            "--pagination",
            "5",
            "--allowed-hosts",
            "x,y",
            "--allowed-origins",
            "https://o",
            "--session-ttl",
            "2",
            "--health-info-level",
            "full",
            "--list-wait",
            "0",
            "--no-config-reload",
            "--stream-max",
            "30",
            "--name-max",
            "128",
            "--demo",
            "--log-level",
            "debug",
            "--log-format",
            "json",
            "--log-file",
            "/l",
        ])
        .unwrap();
        let settings = &options.settings;
        assert_eq!(options.http, Some(("::".to_owned(), 0)));
        assert_eq!(
            settings.external_url.as_deref(),
            Some("https://mcp.example.com:8443")
        );
        assert_eq!(settings.tags, ["a", "b", "c", "d"]);
        let filter = settings.filter.as_ref().map(ToString::to_string);
        assert_eq!(filter.as_deref(), Some("web or not db"));
        assert_eq!(settings.preset.as_deref(), Some("dev"));
        assert_eq!((settings.page_entries, settings.name_bytes_max), (5, 128));
        assert_eq!(settings.allowed_hosts, ["x", "y"]);
        assert_eq!(settings.allowed_origins, ["https://o"]);
        assert_eq!(settings.session_idle_ms, 120_000);
        assert_eq!(settings.stream_ms_max, Some(30_000));
        assert_eq!(settings.health, HealthLevel::Full);
        assert_eq!(settings.log_level, Level::Debug);
        assert_eq!(settings.list_wait_ms, 0);
        assert!(!options.reload && options.demo && options.log_json);
        assert_eq!(
            options.log_file.as_deref(),
            Some(std::path::Path::new("/l"))
        );
    }

    #[test]
    fn contract_5_auth_needs_https_or_this_machine_and_http() {
        for url in [
            "https://mcp.example.com",
            "http://localhost:3050",
            "http://[::1]:5",
        ] {
            let options = read(&["--enable-auth", "--external-url", url]).unwrap();
            assert_eq!(options.settings.external_url.as_deref(), Some(url));
            assert!(options.settings.auth);
        }
        assert!(
            !read(&["-u", "http://mcp.example.com"])
                .unwrap()
                .settings
                .auth
        );
        assert!(
            !read(&["-t", "stdio", "--enable-auth"])
                .unwrap()
                .settings
                .auth
        );
        let trusted = |whom| read(&["--trust-proxy", whom]).unwrap().settings.trusted;
        assert_eq!(trusted("none"), Trusted::Nobody);
        assert_eq!(read(&[]).unwrap().settings.trusted, Trusted::Loopback);
    }

    #[test]
    fn contract_1_stdio_has_no_port() {
        let options = read(&["--transport", "stdio", "--port", "5"]).unwrap();
        assert_eq!((options.http, options.settings.port), (None, 0));
        assert!(options.settings.stdio);
        assert!(read(&["-t", "sse"]).unwrap().http.is_some());
    }

    #[test]
    fn contract_1_wrong_values_name_the_flag_and_what_is_expected() {
        refused(&["-P", "70000"], "-P must be a number from 0 to 65535");
        refused(&["--port", "+5"], "--port must be");
        refused(&["--port=x"], "found \"x\"");
        refused(&["-t", "tcp"], "one of stdio, http, sse");
        refused(&["-H", "a:5"], "the port is --port");
        refused(&["-H", ""], "an address");
        refused(&["-u", "mcp.example.com"], "an origin");
        refused(&["-u", "https://h/mcp"], "without a path");
        refused(&["-u", "ftp://h"], "an origin");
        refused(&["-u", "https://u@h"], "an origin");
        refused(&["-u", "https://h:0"], "an origin");
        refused(&["-u", "https://h?x"], "an origin");
        refused(&["-u", "https://h#x"], "an origin");
        refused(&["--trust-proxy", "10.0.0.0/33"], "networks");
        let auth = |url| ["--enable-auth", "-u", url];
        refused(
            &auth("http://mcp.example.com"),
            "must be https with --enable-auth",
        );
        refused(&auth("http://10.0.0.1"), "must be https with --enable-auth");
        refused(
            &["--tag-filter", "web and"],
            "--tag-filter must be an expression such as \"web and not db\" (position 8: ",
        );
        refused(&["--filter="], "(position 1: ");
        refused(
            &["-f", "a", "--tag-filter", "b"],
            "-f and --tag-filter say different things; join them in one with \"and\"",
        );
        assert!(read(&["-f", "a", "--filter", "a"]).is_ok());
        refused(&["--tags", ""], "--tags names no tag");
        refused(&["--tags=,"], "--tags names no tag");
        refused(&["--preset", "a b"], "must be the name of a preset");
        refused(&["--name-max", "15"], "from 16 to 128");
        refused(&["--session-ttl", "0"], "at least 1");
        refused(&["--session-ttl", "99999999999999999999"], "--session-ttl");
        refused(&["--log-level", "loud"], "one of error");
        refused(&["serve", "extra"], "unexpected \"extra\"");
    }
}
