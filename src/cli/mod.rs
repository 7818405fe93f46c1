//! Everything a person types or reads. Turns arguments into a command, runs it, and turns how it
//! ended into an exit code and at most one line on stderr.
//!
//! Knows no MCP (but for the built-in demo server); the only connections are those of `health`;
//! `serve` is the shell's.

mod args;
mod backups;
mod check;
mod cmd;
mod complete;
mod demo;
mod failure;
mod help;
mod instances;
mod manual;
mod out;
mod places;
mod suggest;
mod table;
mod terminal;

use std::env;
use std::ffi::OsString;

use args::Line;
use failure::Failure;
use table::Action;

/// Runs the command line; the exit code.
pub(crate) fn main() -> u8 {
    match run(env::args_os().skip(1)) {
        Ok(code) => code,
        Err(failure) => {
            if let Some(line) = failure.line() {
                out::note(line);
            }
            failure.code()
        }
    }
}

/// A variable of our environment.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn run(args: impl IntoIterator<Item = OsString>) -> Result<u8, Failure> {
    let line = args::parse(args, variable)?;
    if line.help {
        let text = match line.command {
            Some(command) if !command.hidden => help::of_command(command),
            Some(_) | None => help::of_group(&line.words),
        };
        return out::result(&text).map(|()| 0);
    }
    if line.version {
        return version(&line).map(|()| 0);
    }
    let Some(command) = line.command else {
        return out::result(&help::of_group(&line.words)).map(|()| 0);
    };
    match command.action {
        Action::Serve => cmd::serve::run(&line),
        Action::McpAdd => cmd::mcp_add::run(&line),
        Action::McpList => cmd::mcp_list::run(&line),
        Action::McpStatus => cmd::mcp_status::run(&line),
        Action::McpRemove => cmd::mcp_remove::run(&line),
        Action::McpUpdate => cmd::mcp_update::run(&line),
        Action::McpEnable => cmd::mcp_switch::enable(&line),
        Action::McpDisable => cmd::mcp_switch::disable(&line),
        Action::McpTools => cmd::mcp_tools::list(&line),
        Action::McpToolsDisable => cmd::tool_switch::disable(&line),
        Action::McpToolsEnable => cmd::tool_switch::enable(&line),
        Action::AppDiscover => cmd::app::discover::run(&line),
        Action::AppList => cmd::app::list::run(&line),
        Action::AppStatus => cmd::app::status::run(&line),
        Action::AppConsolidate => cmd::app::consolidate::run(&line),
        Action::AppBackups => cmd::app::backups::run(&line),
        Action::AppRestore => cmd::app::restore::run(&line),
        Action::PresetCreate => cmd::preset::create::run(&line),
        Action::PresetList => cmd::preset::list::run(&line),
        Action::PresetShow => cmd::preset::show::run(&line),
        Action::PresetEdit => cmd::preset::edit::run(&line),
        Action::PresetDelete => cmd::preset::delete::run(&line),
        Action::PresetUrl => cmd::preset::url::run(&line),
        Action::PresetTest => cmd::preset::test::run(&line),
        Action::AuthSetPassword => cmd::auth::set_password::run(&line),
        Action::AuthClientAdd => cmd::auth::client::add(&line),
        Action::AuthClientList => cmd::auth::client::list(&line),
        Action::AuthClientRemove => cmd::auth::client::remove(&line),
        Action::AuthTokensList => cmd::auth::tokens::list(&line),
        Action::AuthTokensRevoke => cmd::auth::tokens::revoke(&line),
        Action::Health => cmd::health::run(&line),
        Action::Completions => cmd::completions::run(&line),
        Action::Complete => cmd::completions::answer(&line),
        Action::Man => cmd::man::run(&line),
        Action::Guard => Ok(crate::shell::guard::main()),
        Action::Demo => Ok(demo::run()),
        Action::ReadmeFlags => out::result(&help::readme_flags()).map(|()| 0),
    }
}

fn version(line: &Line) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if line.is_set("json") {
        return out::result(&format!(
            "{{\"name\":\"1mcp\",\"version\":\"{version}\"}}\n"
        ));
    }
    out::result(&format!("1mcp {version}\n"))
}
