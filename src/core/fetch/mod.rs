//! Asks other people's HTTP servers: one exchange is one request and its response, on connections
//! that are opened, shared, kept and closed here. Knows HTTP and no MCP; follows redirects within
//! an origin only; sends again only what cannot have arrived.
