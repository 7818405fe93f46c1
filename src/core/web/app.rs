//! Paths (contract 5): which part of the program a request is for.

use crate::base::percent;
use crate::http1::server::Method;
use crate::language::Page;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// POST `/mcp`.
    McpPost,
    /// GET `/mcp`.
    McpGet,
    /// DELETE `/mcp`.
    McpDelete,
    /// OPTIONS of a path that browsers may use, or `*`.
    Options,
    /// GET `/sse`.
    Sse,
    /// POST `/messages`.
    MessagesPost,
    /// `/` (GET or HEAD): the page needs nothing but the request.
    Start,
    /// The pages and OAuth: the request is told whole.
    Web,
    /// `/metrics` (GET or HEAD): the same, also while we are stopping.
    Metrics,
    /// A page outside MCP (GET or HEAD).
    Page(Page),
    /// 404.
    NotFound,
    /// 405, with this `Allow` field.
    NotAllowed(&'static str),
}

/// Finds out whom a request is for. The path is undecoded and without its query.
#[must_use]
pub fn route(method: &Method, path: &str) -> Route {
    if method == &Method::Options && path == "*" {
        return Route::Options;
    }
    match path {
        "/mcp" | "/mcp/" => match method {
            Method::Post => Route::McpPost,
            Method::Get => Route::McpGet,
            Method::Delete => Route::McpDelete,
            Method::Options => Route::Options,
            Method::Head | Method::Other(_) => Route::NotAllowed("GET, POST, DELETE, OPTIONS"),
        },
        "/sse" | "/sse/" => match method {
            Method::Get => Route::Sse,
            Method::Options => Route::Options,
            _ => Route::NotAllowed("GET, OPTIONS"),
        },
        "/messages" | "/messages/" => match method {
            Method::Post => Route::MessagesPost,
            Method::Options => Route::Options,
            _ => Route::NotAllowed("POST, OPTIONS"),
        },
        "/authorize" => match method {
            Method::Get | Method::Head | Method::Post => Route::Web,
            _ => Route::NotAllowed("GET, HEAD, POST"),
        },
        "/token" | "/register" | "/revoke" => match method {
            Method::Post => Route::Web,
            Method::Options => Route::Options,
            _ => Route::NotAllowed("POST, OPTIONS"),
        },
        "/style.css" | "/live.js" | "/favicon.ico" | "/oauth" | "/oauth/" => match method {
            Method::Get | Method::Head => Route::Web,
            _ => Route::NotAllowed("GET, HEAD"),
        },
        "/metrics" => match method {
            Method::Get | Method::Head => Route::Metrics,
            _ => Route::NotAllowed("GET, HEAD"),
        },
        _ if path.starts_with("/oauth/") => match method {
            Method::Get | Method::Head | Method::Post => Route::Web,
            _ => Route::NotAllowed("GET, HEAD, POST"),
        },
        _ if path.starts_with("/.well-known/") => match method {
            Method::Get | Method::Head => Route::Web,
            Method::Options => Route::Options,
            _ => Route::NotAllowed("GET, HEAD, OPTIONS"),
        },
        _ => match page(path) {
            None => Route::NotFound,
            Some(page) => match method {
                Method::Get | Method::Head => page,
                Method::Options => Route::Options,
                _ => Route::NotAllowed("GET, HEAD, OPTIONS"),
            },
        },
    }
}

/// Whether a path is there for whoever comes to the port for browsers: where a server is
/// authorized, where its issuer sends them back to, and what those pages are made of.
#[must_use]
pub fn is_for_browsers(path: &str) -> bool {
    matches!(
        path,
        "/style.css" | "/live.js" | "/favicon.ico" | "/oauth/callback"
    ) || path.starts_with("/oauth/callback/")
        || path.starts_with("/oauth/connect/")
}

fn page(path: &str) -> Option<Route> {
    match path {
        "/" => Some(Route::Start),
        "/health" => Some(Route::Page(Page::Health)),
        "/health/live" => Some(Route::Page(Page::Live)),
        "/health/ready" => Some(Route::Page(Page::Ready)),
        "/health/mcp" => Some(Route::Page(Page::Servers(None))),
        _ => {
            let name = percent::segment(path.strip_prefix("/health/mcp/")?)?;
            let plain = !name.is_empty() && !name.contains('/') && !name.contains(char::is_control);
            plain.then_some(Route::Page(Page::Servers(Some(name))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_paths_and_methods() {
        let other = || Method::Other("PUT".into());
        let servers = |name: &str| Route::Page(Page::Servers(Some(name.to_owned())));
        for (method, path, expected) in [
            (Method::Post, "/mcp", Route::McpPost),
            (Method::Get, "/mcp/", Route::McpGet),
            (Method::Delete, "/mcp", Route::McpDelete),
            (Method::Options, "/mcp", Route::Options),
            (Method::Options, "*", Route::Options),
            (
                Method::Head,
                "/mcp",
                Route::NotAllowed("GET, POST, DELETE, OPTIONS"),
            ),
            (
                other(),
                "/mcp",
                Route::NotAllowed("GET, POST, DELETE, OPTIONS"),
            ),
            (Method::Get, "/sse", Route::Sse),
            (Method::Get, "/sse/", Route::Sse),
            (Method::Post, "/sse", Route::NotAllowed("GET, OPTIONS")),
            (Method::Post, "/messages", Route::MessagesPost),
            (Method::Get, "/messages", Route::NotAllowed("POST, OPTIONS")),
            (Method::Get, "/health", Route::Page(Page::Health)),
            (Method::Head, "/health", Route::Page(Page::Health)),
            (
                Method::Post,
                "/health",
                Route::NotAllowed("GET, HEAD, OPTIONS"),
            ),
            (Method::Get, "/health/live", Route::Page(Page::Live)),
            (Method::Get, "/health/ready", Route::Page(Page::Ready)),
            (Method::Get, "/health/mcp", Route::Page(Page::Servers(None))),
            (Method::Get, "/health/mcp/my%2Dfiles", servers("my-files")),
            (Method::Get, "/health/mcp/", Route::NotFound),
            (Method::Get, "/health/mcp/a/b", Route::NotFound),
            (Method::Get, "/health/mcp/a%2Fb", Route::NotFound),
            (Method::Get, "/health/mcp/a%", Route::NotFound),
            (Method::Get, "/health/mcp/%00", Route::NotFound),
            (Method::Get, "/", Route::Start),
            (Method::Delete, "/", Route::NotAllowed("GET, HEAD, OPTIONS")),
            (Method::Get, "/nothing", Route::NotFound),
            (Method::Get, "/MCP", Route::NotFound),
            (Method::Get, "//mcp", Route::NotFound),
            (Method::Get, "/mcp/x", Route::NotFound),
            (Method::Get, "/oauth", Route::Web),
            (Method::Get, "/metrics", Route::Metrics),
            (Method::Head, "/metrics", Route::Metrics),
            (Method::Post, "/metrics", Route::NotAllowed("GET, HEAD")),
            (Method::Get, "/metrics/", Route::NotFound),
            (
                Method::Get,
                "/.well-known/oauth-protected-resource/mcp",
                Route::Web,
            ),
            (Method::Post, "*", Route::NotFound),
        ] {
            assert_eq!(route(&method, path), expected, "{method:?} {path}");
        }
    }
}
