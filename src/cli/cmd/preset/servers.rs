//! Which of the configured servers a filter admits.

use onemcp::config::{self, Server};
use onemcp::filter::Expr;

use super::super::config_file;
use crate::cli::failure::Failure;
use crate::cli::places::Places;

/// All servers of `mcp.json`; none if there is no such file.
pub(super) fn all(places: &Places) -> Result<Vec<Server>, Failure> {
    let path = &places.config_file;
    let text = config_file::read(path)?.unwrap_or_else(|| b"{}".to_vec());
    let config = config::read(&text, &config_file::environment(places))
        .map_err(|error| config_file::bad_file(path, &error))?;
    Ok(config.servers)
}

/// The names of those that a filter admits.
pub(super) fn admitted(servers: &[Server], expr: &Expr) -> Vec<String> {
    let admitted = servers.iter().filter(|server| expr.admits(&server.tags));
    admitted.map(|server| server.name.to_string()).collect()
}
