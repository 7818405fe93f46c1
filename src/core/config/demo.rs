//! The configuration of `serve --demo`: one server, which is this very program.

use std::ffi::{OsStr, OsString};

use super::model::{Config, Server};

/// One server named `demo`, started as `EXE __demo` with an empty environment.
#[must_use]
pub fn demo_config(exe: &OsStr) -> Config {
    let mut server = Server::stdio("demo", exe.to_owned(), vec![OsString::from("__demo")]);
    // What is kept on disk of an older version's demo must not be shown for this one's.
    server.process_hash = concat!("demo-", env!("CARGO_PKG_VERSION")).to_owned();
    Config {
        presets: Default::default(),
        servers: vec![server],
        problems: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_needs_nothing_but_this_program() {
        let config = demo_config(OsStr::new("/x/1mcp"));
        let spec = config.servers[0].spawn().unwrap();
        assert_eq!(
            (spec.program.to_str(), &spec.args[..]),
            (Some("/x/1mcp"), &[OsString::from("__demo")][..])
        );
    }
}
