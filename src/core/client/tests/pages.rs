//! Requests outside MCP are told to the hall and answered by it.

use super::kit::*;
use crate::language::{ClientEvent, Page};

#[test]
fn contract_5_pages_are_told_and_answered_head_without_a_body() {
    for method in ["GET", "HEAD"] {
        let mut kit = Kit::default();
        let (link, told, early) = kit.ask_http(&http(method, "/health/mcp/files", &[], ""));
        assert_eq!(early.status, 0);
        let ClientEvent::Page { link: of, page } = &told[0].event else {
            panic!();
        };
        assert_eq!(
            (*of, page),
            (link, &Page::Servers(Some("files".to_owned())))
        );
        let extra = [("Cache-Control", "no-store")];
        let body = br#"{"status":"ok"}"#;
        let clients = &mut kit.clients;
        clients.page(
            &mut kit.world.cx(),
            link,
            503,
            "application/json",
            body,
            &extra,
        );
        let raw = kit.take(link);
        assert!(raw.starts_with("HTTP/1.1 503 "));
        assert!(raw.contains("Cache-Control: no-store\r\n"));
        assert!(raw.contains("Content-Length: 15\r\n"));
        assert_eq!(raw.ends_with(r#"{"status":"ok"}"#), method == "GET");
        // It is answered once.
        let clients = &mut kit.clients;
        clients.page(&mut kit.world.cx(), link, 200, "text/plain", b"x", &[]);
        assert_eq!(kit.take(link), "");
    }
}
