//! `preset url`: where a client finds only what a preset admits.

use onemcp::json::write;

use super::{file, name};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{instances, out, places, variable};

/// Where an instance listens that was told nothing else.
const USUAL: &str = "http://127.0.0.1:3050/mcp";

/// Prints the URL, of a running instance if there is one.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = name(line, "url")?;
    let places = places::resolve(line, variable)?;
    file::read(&places)?.get(&name)?;
    // Of no server in particular: only the head of the answer is wanted.
    let found = instances::ask(&places, Some("-"));
    let mut urls = found.instances.iter().filter_map(|one| one.url.as_deref());
    let running = urls.next().map(reachable);
    let is_running = running.is_some();
    let url = running.unwrap_or_else(|| USUAL.to_owned());
    // A name of a preset needs no escapes.
    let url = format!("{url}?preset={name}");
    if line.is_set("json") {
        let (name, url) = (write::string(&name), write::string(&url));
        let text = format!("{{\"name\":{name},\"url\":{url},\"running\":{is_running}}}\n");
        return out::result(&text).map(|()| 0);
    }
    out::result(&format!("{url}\n"))?;
    if !is_running {
        out::note("no instance runs over HTTP; this is where 1mcp serve listens by default");
    }
    Ok(0)
}

/// One that listens everywhere is here as well.
fn reachable(url: &str) -> String {
    for (everywhere, here) in [("//0.0.0.0:", "//127.0.0.1:"), ("//[::]:", "//[::1]:")] {
        if url.contains(everywhere) {
            return url.replacen(everywhere, here, 1);
        }
    }
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_all_of_them_is_one_of_them() {
        for (url, expected) in [
            ("http://0.0.0.0:5/mcp", "http://127.0.0.1:5/mcp"),
            ("http://[::]:5/mcp", "http://[::1]:5/mcp"),
            ("http://10.0.0.0:5/mcp", "http://10.0.0.0:5/mcp"),
        ] {
            assert_eq!(reachable(url), expected);
        }
    }
}
