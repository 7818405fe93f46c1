//! Requests outside MCP are told to the hall and answered by it.

use super::kit::*;
use crate::language::{ClientEvent, Page};
use crate::web::answer::Answer;

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
        let answer = Answer::json(503, br#"{"status":"ok"}"#.to_vec());
        kit.clients.page(&mut kit.world.cx(), link, &answer);
        let raw = kit.take(link);
        assert!(raw.starts_with("HTTP/1.1 503 "));
        assert!(raw.contains("Cache-Control: no-store\r\n"));
        assert!(raw.contains("Content-Length: 15\r\n"));
        assert_eq!(raw.ends_with(r#"{"status":"ok"}"#), method == "GET");
        // It is answered once.
        kit.clients.page(&mut kit.world.cx(), link, &answer);
        assert_eq!(kit.take(link), "");
    }
}
